//! Bybit v5 as of November 2026: `/v5/public/linear`, `/v5/public/inverse` and the instruments' pages.
//!
//! Source: venues.md 2. `S` of a liquidation is the side of the position; `openInterest` counts both sides,
//! `singleOpenInterest` one; a ticker is a snapshot and then deltas in which an absent field is unchanged.

use std::collections::BTreeMap;

use cascade_domain::{Side, Taker};
use serde_json::{Map, Value, json};

use crate::listing::Listing;
use crate::numeral::{fixed, step};
use crate::sampling::Publication;
use crate::wire::{Frame, Moment, Outbox, Request, Route, Session, Wire};
use crate::world::Trade;

/// Characters of the topics of one request.
const MOST_CHARACTERS: usize = 21_000;
const FUNDING_MS: i64 = 8 * 3_600_000;

/// Bybit's wire.
#[derive(Debug, Default)]
pub(crate) struct Bybit {
    /// By contract: the whole ticker, as a snapshot shows it, and its time.
    tickers: BTreeMap<&'static str, (Map<String, Value>, i64)>,
    /// By contract: the last trade's price.
    last_price: BTreeMap<&'static str, String>,
    sequence: u64,
}

impl Wire for Bybit {
    fn hear(&mut self, session: &mut Session, request: &Request<'_>) -> Vec<Frame> {
        let message: Value = serde_json::from_str(request.text).unwrap_or_default();
        let op = message.get("op").and_then(Value::as_str).unwrap_or_default();
        let answer = |success: bool, ret_msg: &str| {
            Frame::text(
                json!({
                    "success": success, "ret_msg": ret_msg, "op": op,
                    "conn_id": format!("5d2f8a1c-{:012x}", session.id),
                    "req_id": message.get("req_id").and_then(Value::as_str).unwrap_or_default(),
                })
                .to_string(),
            )
        };
        if op == "ping" {
            return vec![answer(true, "pong")];
        }
        let args: Option<Vec<&str>> =
            message.get("args").and_then(Value::as_array).and_then(|a| a.iter().map(Value::as_str).collect());
        let (true, Some(topics)) = (matches!(op, "subscribe" | "unsubscribe"), args) else {
            return vec![answer(false, "error:request not understood")];
        };
        if topics.iter().map(|topic| topic.len()).sum::<usize>() > MOST_CHARACTERS {
            session.over_limits += 1;
            return vec![answer(false, "error:args size exceeds 21000")];
        }
        // One bad topic fails the whole request.
        if let Some(bad) =
            topics.iter().find(|t| !is_known(t, session.route, request.listings) || request.refuses(t))
        {
            return vec![answer(false, &format!("error:handler not found,topic:{bad}"))];
        }
        let mut frames = vec![answer(true, "")];
        for topic in topics {
            if op == "unsubscribe" {
                session.topics.remove(topic);
            } else if session.topics.insert(topic.to_owned()) {
                frames.extend(self.snapshot(topic));
            }
        }
        frames
    }

    fn tell(&mut self, moment: &Moment<'_>, out: &mut Outbox<'_>) {
        self.tell_trades(moment, out);
        for publication in moment.publications {
            let Some(order) = publication.orders.first() else { continue };
            let topic = format!("allLiquidation.{}", order.listing.instrument);
            let frame = liquidations(&topic, publication, moment);
            out.liquidation(topic, frame);
        }
        for listing in moment.listings {
            self.tell_ticker(listing, moment, out);
        }
    }
}

impl Bybit {
    fn snapshot(&self, topic: &str) -> Option<Frame> {
        let (data, ts) = self.tickers.get(topic.strip_prefix("tickers.")?)?;
        let cs = self.sequence;
        let frame = json!({"topic": topic, "type": "snapshot", "data": data, "cs": cs, "ts": ts});
        Some(Frame::text(frame.to_string()))
    }

    fn tell_ticker(&mut self, listing: &'static Listing, moment: &Moment<'_>, out: &mut Outbox<'_>) {
        let id = listing.instrument;
        let last = self.last_price.get(id);
        let now = self.tickers.get(id).map_or_else(Map::new, |(data, _)| data.clone());
        let fresh = ticker(listing, moment, last.map(String::as_str));
        let slow = |key: &str| key.contains("nterest") && !moment.every(1000) && !now.is_empty();
        let changed: Map<_, _> =
            fresh.into_iter().filter(|(key, value)| !slow(key) && now.get(key) != Some(value)).collect();
        // Who subscribed before there was anything to show is shown the whole first.
        let kind = if now.is_empty() { "snapshot" } else { "delta" };
        let mut whole = now;
        whole.extend(changed.clone());
        self.tickers.insert(id, (whole, moment.now()));
        if changed.is_empty() {
            return;
        }
        self.sequence += 1;
        let (topic, cs) = (format!("tickers.{id}"), self.sequence);
        out.push(&topic, || {
            let mut data = Map::from_iter([("symbol".to_owned(), json!(id))]);
            data.extend(changed);
            json!({"topic": topic, "type": kind, "data": data, "cs": cs, "ts": moment.now()}).to_string()
        });
    }

    fn tell_trades(&mut self, moment: &Moment<'_>, out: &mut Outbox<'_>) {
        let mut by_contract: BTreeMap<&'static str, Vec<&Trade>> = BTreeMap::new();
        for trade in moment.trades {
            by_contract.entry(trade.listing.instrument).or_default().push(*trade);
        }
        for (id, trades) in by_contract {
            self.sequence += 1;
            let (topic, seq, now) = (format!("publicTrade.{id}"), self.sequence, moment.now());
            out.push(&topic, || {
                let data: Vec<String> = trades.iter().map(|t| public_trade(t, seq, moment)).collect();
                let data = data.join(",");
                format!(r#"{{"topic":"{topic}","type":"snapshot","ts":{now},"data":[{data}]}}"#)
            });
            if let Some(last) = trades.last() {
                self.last_price.insert(id, fixed(last.price, last.listing.price_decimals));
            }
        }
    }
}

fn is_known(topic: &str, route: Route, listings: &[&Listing]) -> bool {
    let Some((channel, id)) = topic.split_once('.') else { return false };
    let inverse = route == Route::Inverse;
    matches!(channel, "allLiquidation" | "publicTrade" | "tickers")
        && listings.iter().any(|listing| listing.instrument == id && listing.is_inverse() == inverse)
}

fn liquidations(topic: &str, publication: &Publication, moment: &Moment<'_>) -> String {
    let row = |order: &crate::world::Liquidation| {
        let (time, s) = (moment.at(order.at_ms), order.listing.instrument);
        let side = if order.side == Side::Long { "Buy" } else { "Sell" };
        let quantity = fixed(order.size, order.listing.size_decimals);
        let price = fixed(order.bankruptcy, order.listing.price_decimals);
        format!(r#"{{"T":{time},"s":"{s}","S":"{side}","v":"{quantity}","p":"{price}"}}"#)
    };
    let data = publication.orders.iter().map(row).collect::<Vec<_>>().join(",");
    let ts = moment.at(publication.at_ms);
    format!(r#"{{"topic":"{topic}","type":"snapshot","ts":{ts},"data":[{data}]}}"#)
}

fn public_trade(trade: &Trade, seq: u64, moment: &Moment<'_>) -> String {
    let listing = trade.listing;
    let (time, s) = (moment.at(trade.at_ms), listing.instrument);
    let (side, tick) = if trade.taker == Taker::Buy { ("Buy", "PlusTick") } else { ("Sell", "MinusTick") };
    let quantity = fixed(trade.size, listing.size_decimals);
    let price = fixed(trade.price, listing.price_decimals);
    let (a, b) = (trade.serial >> 32, trade.serial & 0xffff_ffff_ffff);
    let id = format!("{a:08x}-0000-5000-8000-{b:012x}");
    format!(
        r#"{{"T":{time},"s":"{s}","S":"{side}","v":"{quantity}","p":"{price}","L":"{tick}","i":"{id}","BT":false,"RPI":false,"seq":{seq}}}"#
    )
}

fn ticker(listing: &Listing, moment: &Moment<'_>, last: Option<&str>) -> Map<String, Value> {
    let world = moment.world;
    let price = |value: f64| fixed(value, listing.price_decimals);
    let (mark, coin) = (world.mark(listing), world.coin(listing));
    let tick = crate::numeral::step_of(listing.price_decimals);
    let coins = world.open_interest(listing);
    let (single, worth) = (listing.size_of_coins(coins, coin), coins * coin);
    // A linear contract's value is in dollars, an inverse one's in coins.
    let value = if listing.is_inverse() { coins } else { worth };
    let next = (moment.now().div_euclid(FUNDING_MS) + 1) * FUNDING_MS;
    let fields = [
        ("symbol", listing.instrument.to_owned()),
        ("lastPrice", last.map_or_else(|| price(mark), str::to_owned)),
        ("markPrice", price(mark)),
        ("indexPrice", price(world.index(listing))),
        ("openInterest", fixed(single * 2.0, listing.size_decimals)),
        ("openInterestValue", fixed(value * 2.0, 4)),
        ("singleOpenInterest", fixed(single, listing.size_decimals)),
        ("singleOpenInterestValue", fixed(value, 4)),
        ("nextFundingTime", next.to_string()),
        ("fundingRate", fixed(world.funding(listing), 8)),
        ("fundingIntervalHour", "8".to_owned()),
        ("bid1Price", price(mark - tick)),
        ("ask1Price", price(mark + tick)),
    ];
    fields.into_iter().map(|(key, value)| (key.to_owned(), Value::String(value))).collect()
}

/// `GET /v5/market/instruments-info`: a page of a category, as long as asked, and the cursor of the next.
pub(crate) fn instruments_info(
    query: &BTreeMap<String, String>,
    listings: &[&'static Listing],
    now_ms: i64,
) -> Value {
    let refused =
        |msg: &str| json!({"retCode": 10001, "retMsg": msg, "result": {}, "retExtInfo": {}, "time": now_ms});
    let Some(category) = query.get("category").filter(|c| matches!(c.as_str(), "linear" | "inverse")) else {
        return refused("params error: Category is invalid");
    };
    let Ok(limit @ 1..=1000) = query.get("limit").map_or(Ok(500), |text| text.parse::<usize>()) else {
        return refused("params error: limit must be 1 to 1000");
    };
    let all: Vec<_> = listings.iter().filter(|l| l.is_inverse() == (category == "inverse")).collect();
    // The cursor names the contract that the next page begins with.
    let begin = match query.get("cursor").map(String::as_str) {
        None | Some("") => 0,
        Some(cursor) => match all.iter().position(|l| cursor.strip_prefix("first=") == Some(l.instrument)) {
            Some(position) => position,
            None => return refused("params error: cursor is invalid"),
        },
    };
    let page: Vec<Value> = all.iter().skip(begin).take(limit).map(|l| instrument(l)).collect();
    let next = all.get(begin + limit).map_or_else(String::new, |l| format!("first={}", l.instrument));
    json!({
        "retCode": 0, "retMsg": "OK", "retExtInfo": {}, "time": now_ms,
        "result": {"category": category, "list": page, "nextPageCursor": next},
    })
}

fn instrument(listing: &Listing) -> Value {
    let coin = match listing.quote {
        "USDC" => listing.base().name,
        quote => listing.instrument.trim_end_matches(quote),
    };
    let (kind, settle) =
        if listing.is_inverse() { ("InversePerpetual", coin) } else { ("LinearPerpetual", listing.quote) };
    let (tick, lot) = (step(listing.price_decimals), step(listing.size_decimals));
    json!({
        "symbol": listing.instrument, "contractType": kind, "status": "Trading", "baseCoin": coin,
        "quoteCoin": listing.quote, "settleCoin": settle, "launchTime": "1585526400000", "deliveryTime": "0",
        "deliveryFeeRate": "", "priceScale": listing.price_decimals.to_string(), "fundingInterval": 480,
        "leverageFilter": {"minLeverage": "1", "maxLeverage": "100.00", "leverageStep": "0.01"},
        "priceFilter": {"minPrice": tick, "maxPrice": "1999999.80", "tickSize": tick},
        "lotSizeFilter": {"maxOrderQty": "1190.000", "minOrderQty": lot, "qtyStep": lot, "minNotionalValue": "5"},
        "unifiedMarginTrade": true, "isPreListing": false,
    })
}
