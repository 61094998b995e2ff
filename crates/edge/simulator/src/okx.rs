//! OKX v5 swaps as of November 2026: `/ws/v5/public`, the instruments' answer and the record of liquidations.
//!
//! Source: venues.md 3. Sizes are contracts; `liquidation-orders` is market-wide only; the first frame after a
//! subscription repeats the last, as the real one may.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::listing::{Listing, Unit};
use crate::numeral::{fixed, step, trimmed};
use crate::wire::{Answer, Frame, InterestAsk, Moment, Outbox, Request, Session, Wire};

mod record;

use record::{Record, Row};

/// Bytes of one subscription.
const MOST_BYTES: usize = 65_536;
const FUNDING_MS: i64 = 8 * 3_600_000;

/// OKX's wire.
#[derive(Debug, Default)]
pub(crate) struct Okx {
    /// By topic: the last frame of the channels that begin with one.
    last: BTreeMap<String, String>,
    /// By contract: the row of open interest that its channel told last.
    interest: BTreeMap<&'static str, String>,
    trades: u64,
    record: Record,
}

/// A topic is its channel and what it is of: `trades BTC-USDT-SWAP`.
fn topic(channel: &str, of: &str) -> String {
    format!("{channel} {of}")
}

impl Wire for Okx {
    fn hear(&mut self, session: &mut Session, request: &Request<'_>) -> Vec<Frame> {
        if request.text == "ping" {
            return vec![Frame::text("pong")];
        }
        let connection = format!("{:08x}", session.id.wrapping_mul(0x9e37_79b1) & 0xffff_ffff);
        let error = |code: &str, msg: String| {
            let frame = json!({"event": "error", "code": code, "msg": msg, "connId": connection});
            vec![Frame::text(frame.to_string())]
        };
        let invalid = || error("60012", format!("Invalid request: {}", request.text));
        let Ok(message) = serde_json::from_str::<Value>(request.text) else { return invalid() };
        let op = message.get("op").and_then(Value::as_str).unwrap_or_default();
        let Some(args) = message.get("args").and_then(Value::as_array) else { return invalid() };
        if !matches!(op, "subscribe" | "unsubscribe") || args.is_empty() {
            return invalid();
        }
        if request.text.len() > MOST_BYTES {
            session.over_limits += 1;
            return invalid();
        }
        if !session.requests.admit(request.now) {
            session.over_limits += 1;
            return error("60014", "Requests too frequent".to_owned());
        }
        let mut frames = Vec::new();
        for arg in args {
            let Some((topic, echo)) =
                understood(arg, request.listings).filter(|(topic, _)| !request.refuses(topic))
            else {
                frames.extend(error("60018", unknown(arg)));
                continue;
            };
            let ack = json!({"event": op, "arg": echo, "connId": connection});
            frames.push(Frame::text(ack.to_string()));
            if op == "unsubscribe" {
                session.topics.remove(&topic);
            } else if session.topics.insert(topic.clone()) {
                frames.extend(self.last.get(&topic).cloned().map(Frame::text));
            }
        }
        frames
    }

    fn tell(&mut self, moment: &Moment<'_>, out: &mut Outbox<'_>) {
        self.tell_trades(moment, out);
        for publication in moment.publications {
            for order in &publication.orders {
                let row = Row::of(order, moment.at(order.at_ms));
                let (topic, frame) = (topic("liquidation-orders", "SWAP"), liquidation(order.listing, &row));
                self.record.keep(row, moment.now());
                self.last.insert(topic.clone(), frame.clone());
                out.liquidation(topic, frame);
            }
        }
        for listing in moment.listings {
            let id = listing.instrument;
            if moment.every(200) {
                self.keep(out, topic("mark-price", id), mark_price(listing, moment));
                let index = index_name(listing);
                self.keep(out, topic("index-tickers", &index), index_ticker(listing, moment));
            }
            if moment.every(3000) || !self.last.contains_key(&topic("open-interest", id)) {
                let row = open_interest(listing, moment);
                self.keep(out, topic("open-interest", id), open_interest_frame(id, &row));
                self.interest.insert(id, row);
            }
            if moment.every(30_000) || !self.last.contains_key(&topic("funding-rate", id)) {
                self.keep(out, topic("funding-rate", id), funding_rate(listing, moment));
            }
        }
    }

    fn recall(&self, query: &BTreeMap<String, String>, listings: &[&'static Listing]) -> Option<Value> {
        Some(self.record.answer(query, listings))
    }

    fn open_interest(&self, ask: &InterestAsk<'_>) -> Option<Answer> {
        Some(self.interest_answer(ask))
    }
}

impl Okx {
    /// `GET /api/v5/public/open-interest`: what the channel told last, of all contracts or of those asked for.
    fn interest_answer(&self, ask: &InterestAsk<'_>) -> Answer {
        let of = |key: &str| ask.query.get(key).map(String::as_str).filter(|value| !value.is_empty());
        let answer = |code: &str, msg: &str, rows: &str| {
            (200, format!(r#"{{"code":"{code}","data":[{rows}],"msg":"{msg}"}}"#))
        };
        match of("instType") {
            Some("SWAP") => {}
            Some("FUTURES" | "OPTION") => return answer("0", "", ""),
            Some(_) => return answer("51000", "Parameter instType error", ""),
            None => return answer("50014", "Parameter instType can not be empty.", ""),
        }
        let family = of("instFamily").or_else(|| of("uly"));
        let asked = |l: &&&Listing| {
            of("instId").is_none_or(|id| l.instrument == id)
                && family.is_none_or(|family| index_name(l) == family)
        };
        let found = ask.listings.iter().filter(asked).filter_map(|l| self.interest.get(l.instrument));
        let rows: Vec<&str> = found.map(String::as_str).collect();
        if rows.is_empty() && of("instId").is_some() {
            return answer("51001", "Instrument ID doesn't exist.", "");
        }
        answer("0", "", &rows.join(","))
    }

    fn keep(&mut self, out: &mut Outbox<'_>, topic: String, frame: String) {
        out.push(&topic, || frame.clone());
        self.last.insert(topic, frame);
    }

    fn tell_trades(&mut self, moment: &Moment<'_>, out: &mut Outbox<'_>) {
        for trade in moment.trades {
            self.trades += 1;
            let (listing, number) = (trade.listing, self.trades);
            let id = listing.instrument;
            out.push(&topic("trades", id), || {
                let px = fixed(trade.price, listing.price_decimals);
                let sz = trimmed(trade.size, listing.size_decimals);
                let (side, ts, trade_id) = (trade.taker.as_str(), moment.at(trade.at_ms), 1_500_000_000 + number);
                format!(
                    r#"{{"arg":{{"channel":"trades","instId":"{id}"}},"data":[{{"instId":"{id}","tradeId":"{trade_id}","px":"{px}","sz":"{sz}","side":"{side}","ts":"{ts}","count":"1","source":"0","seqId":{number}}}]}}"#
                )
            });
        }
    }
}

/// The topic that a subscription asks for, and the argument as the acknowledgement repeats it; what does not belong
/// to the channel is dropped in silence.
fn understood(arg: &Value, listings: &[&Listing]) -> Option<(String, Value)> {
    let text = |key: &str| arg.get(key).and_then(Value::as_str);
    let channel = text("channel")?;
    match channel {
        "liquidation-orders" => {
            let kind = text("instType").filter(|k| matches!(*k, "SWAP" | "FUTURES" | "MARGIN" | "OPTION"))?;
            Some((topic(channel, kind), json!({"channel": channel, "instType": kind})))
        }
        "trades" | "mark-price" | "funding-rate" | "open-interest" | "index-tickers" => {
            let id = text("instId")?;
            let known = listings.iter().any(|listing| match channel {
                "index-tickers" => index_name(listing) == id,
                _ => listing.instrument == id,
            });
            known.then(|| (topic(channel, id), json!({"channel": channel, "instId": id})))
        }
        _ => None,
    }
}

fn unknown(arg: &Value) -> String {
    let empty = Map::new();
    let fields = arg.as_object().unwrap_or(&empty);
    let named = |key: &str| fields.get(key).and_then(Value::as_str);
    let mut what = named("channel").unwrap_or_default().to_owned();
    for key in ["instType", "instId"] {
        if let Some(value) = named(key) {
            what = format!("{what},{key}:{value}");
        }
    }
    format!(
        "Wrong URL or channel:{what} doesn't exist. Please use the correct URL, channel and parameters referring to API document."
    )
}

/// `BTC-USDT` of `BTC-USDT-SWAP`.
fn index_name(listing: &Listing) -> String {
    listing.instrument.trim_end_matches("-SWAP").to_owned()
}

fn liquidation(listing: &Listing, row: &Row) -> String {
    let (id, family, detail) = (listing.instrument, index_name(listing), row.detail());
    format!(
        r#"{{"arg":{{"channel":"liquidation-orders","instType":"SWAP"}},"data":[{{"details":[{detail}],"instFamily":"{family}","instId":"{id}","instType":"SWAP","uly":"{family}"}}]}}"#
    )
}

fn mark_price(listing: &Listing, moment: &Moment<'_>) -> String {
    let (id, now) = (listing.instrument, moment.now());
    let mark = fixed(moment.world.mark(listing), listing.price_decimals);
    format!(
        r#"{{"arg":{{"channel":"mark-price","instId":"{id}"}},"data":[{{"instId":"{id}","instType":"SWAP","markPx":"{mark}","ts":"{now}"}}]}}"#
    )
}

fn index_ticker(listing: &Listing, moment: &Moment<'_>) -> String {
    let (id, now) = (index_name(listing), moment.now());
    let index = fixed(moment.world.index(listing), listing.price_decimals);
    format!(
        r#"{{"arg":{{"channel":"index-tickers","instId":"{id}"}},"data":[{{"instId":"{id}","idxPx":"{index}","high24h":"{index}","low24h":"{index}","open24h":"{index}","sodUtc0":"{index}","sodUtc8":"{index}","ts":"{now}"}}]}}"#
    )
}

/// What is open of a contract, as the channel and the REST answer tell it alike.
fn open_interest(listing: &Listing, moment: &Moment<'_>) -> String {
    let (id, now, coin) = (listing.instrument, moment.now(), moment.world.coin(listing));
    let coins = moment.world.open_interest(listing);
    let contracts = trimmed(listing.size_of_coins(coins, coin), 2);
    let (coins, usd) = (trimmed(coins, 4), trimmed(coins * coin, 4));
    format!(
        r#"{{"instId":"{id}","instType":"SWAP","oi":"{contracts}","oiCcy":"{coins}","oiUsd":"{usd}","ts":"{now}"}}"#
    )
}

fn open_interest_frame(id: &str, row: &str) -> String {
    format!(r#"{{"arg":{{"channel":"open-interest","instId":"{id}"}},"data":[{row}]}}"#)
}

fn funding_rate(listing: &Listing, moment: &Moment<'_>) -> String {
    let (id, now) = (listing.instrument, moment.now());
    let rate = fixed(moment.world.funding(listing), 10);
    let due = (now.div_euclid(FUNDING_MS) + 1) * FUNDING_MS;
    let next = due + FUNDING_MS;
    format!(
        r#"{{"arg":{{"channel":"funding-rate","instId":"{id}"}},"data":[{{"formulaType":"withRate","fundingRate":"{rate}","fundingTime":"{due}","instId":"{id}","instType":"SWAP","interestRate":"0.0001","maxFundingRate":"0.00375","method":"current_period","minFundingRate":"-0.00375","nextFundingRate":"","nextFundingTime":"{next}","premium":"0","settFundingRate":"{rate}","settState":"settled","ts":"{now}"}}]}}"#
    )
}

/// `GET /api/v5/public/instruments?instType=SWAP`; another kind is not simulated and has no instruments.
pub(crate) fn instruments(kind: Option<&str>, listings: &[&Listing]) -> Value {
    match kind {
        Some("SWAP") => {
            let all: Vec<Value> = listings.iter().map(|listing| instrument(listing)).collect();
            json!({"code": "0", "msg": "", "data": all})
        }
        Some("SPOT" | "MARGIN" | "FUTURES" | "OPTION") => json!({"code": "0", "msg": "", "data": []}),
        Some(_) => json!({"code": "51000", "msg": "Parameter instType error", "data": []}),
        None => json!({"code": "50014", "msg": "Parameter instType can not be empty.", "data": []}),
    }
}

fn instrument(listing: &Listing) -> Value {
    let family = index_name(listing);
    let coin = listing.base().name;
    let (value, currency, settle, kind) = match listing.unit {
        Unit::Dollars(dollars) => (dollars, "USD", coin, "inverse"),
        Unit::Coins(coins) => (coins, coin, listing.quote, "linear"),
        Unit::Coin => (1.0, coin, listing.quote, "linear"),
        Unit::Thousand => (1000.0, coin, listing.quote, "linear"),
    };
    json!({
        "alias": "", "baseCcy": "", "category": "1", "ctMult": "1", "ctType": kind, "ctVal": trimmed(value, 8),
        "ctValCcy": currency, "expTime": "", "instFamily": family, "instId": listing.instrument,
        "instType": "SWAP", "lever": "100", "listTime": "1611916828000", "lotSz": step(listing.size_decimals),
        "maxLmtSz": "100000000", "maxMktSz": "4000", "minSz": step(listing.size_decimals), "optType": "",
        "quoteCcy": "", "ruleType": "normal", "settleCcy": settle, "state": "live", "stk": "",
        "tickSz": step(listing.price_decimals), "uly": family,
    })
}
