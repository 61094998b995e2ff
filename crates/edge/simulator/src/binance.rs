//! Binance USD-M and COIN-M as of November 2026: combined streams on `/market/stream`, both kinds merged.
//!
//! Source: venues.md 1 (routing since April 2026, merged content since June 2026, `st` 1 = USD-M, 2 = COIN-M in
//! contracts). A misspelled stream is acknowledged and silent, as the real one is. Order books are not simulated.

use std::collections::BTreeMap;

use cascade_domain::Taker;
use serde_json::{Value, json};

use crate::listing::Listing;
use crate::numeral::{fixed, rounded, step};
use crate::wire::{Answer, Frame, InterestAsk, Moment, Outbox, Request, Route, Session, Wire};
use crate::world::Liquidation;

mod polled;

use polled::Polled;

/// Streams of one connection.
const MOST_STREAMS: usize = 200;
/// Between two settlements of funding.
const FUNDING_MS: i64 = 8 * 3_600_000;

/// Binance's wire.
#[derive(Debug, Default)]
pub(crate) struct Binance {
    /// By contract: how many aggregated trades there were; their ids are contiguous.
    trades: BTreeMap<&'static str, u64>,
    polled: Polled,
}

impl Wire for Binance {
    fn hear(&mut self, session: &mut Session, request: &Request<'_>) -> Vec<Frame> {
        vec![Frame::text(answer(session, request).to_string())]
    }

    fn open_interest(&self, ask: &InterestAsk<'_>) -> Option<Answer> {
        Some(self.polled.answer(ask))
    }

    fn tell(&mut self, moment: &Moment<'_>, out: &mut Outbox<'_>) {
        self.polled.refresh(moment);
        self.tell_trades(moment, out);
        for publication in moment.publications {
            for order in &publication.orders {
                let data = force_order(order, moment.at(publication.at_ms), moment.at(order.at_ms));
                for stream in ["!forceOrder@arr".to_owned(), stream(order.listing, "forceOrder")] {
                    let frame = enveloped(&stream, &data);
                    out.liquidation(stream, frame);
                }
            }
        }
        if moment.every(1000) {
            for listing in moment.listings {
                let stream = stream(listing, "markPrice@1s");
                out.push(&stream, || enveloped(&stream, &mark_price(listing, moment)));
            }
            let all = || moment.listings.iter().map(|l| mark_price(l, moment)).collect::<Vec<_>>().join(",");
            out.push("!markPrice@arr@1s", || enveloped("!markPrice@arr@1s", &format!("[{}]", all())));
        }
    }
}

impl Binance {
    fn tell_trades(&mut self, moment: &Moment<'_>, out: &mut Outbox<'_>) {
        for trade in moment.trades {
            let listing = trade.listing;
            let id = self.trades.entry(listing.instrument).or_insert(3_478_000_000);
            *id += 1;
            let (a, first, s) = (*id, *id * 2, listing.instrument);
            let price = fixed(trade.price, listing.price_decimals);
            let size = fixed(trade.size, listing.size_decimals);
            let (time, seller_takes) = (moment.at(trade.at_ms), trade.taker == Taker::Sell);
            let (told, st) = (moment.now(), kind(listing));
            let stream = stream(listing, "aggTrade");
            out.push(&stream, || {
                let data = format!(
                    r#"{{"e":"aggTrade","E":{told},"a":{a},"s":"{s}","p":"{price}","q":"{size}","nq":"{size}","f":{first},"l":{last},"T":{time},"m":{seller_takes},"st":{st}}}"#,
                    last = first + 1,
                );
                enveloped(&stream, &data)
            });
        }
    }
}

fn answer(session: &mut Session, request: &Request<'_>) -> Value {
    let Ok(message) = serde_json::from_str::<Value>(request.text) else {
        return json!({"code": 3, "msg": "Invalid JSON: expected value at line 1 column 1"});
    };
    let id = message.get("id").cloned().unwrap_or(Value::Null);
    if !(id.is_u64() || id.is_string() || id.is_null()) {
        return json!({"code": 2, "msg": "Invalid request: request ID must be an unsigned integer"});
    }
    let streams: Option<Vec<&str>> = message
        .get("params")
        .and_then(Value::as_array)
        .and_then(|all| all.iter().map(Value::as_str).collect());
    match (message.get("method").and_then(Value::as_str), streams) {
        (Some("SUBSCRIBE"), Some(streams)) => {
            if let Some(bad) = streams.iter().find(|stream| request.refuses(stream)) {
                return json!({"error": {"code": 2, "msg": format!("Invalid request: {bad}")}, "id": id});
            }
            let mut topics = session.topics.clone();
            topics.extend(streams.into_iter().map(|stream| topic(session.route, stream)));
            if topics.len() > MOST_STREAMS {
                session.over_limits += 1;
                let msg = format!("Invalid request: more than {MOST_STREAMS} streams");
                return json!({"error": {"code": 2, "msg": msg}, "id": id});
            }
            session.topics = topics;
            json!({"result": null, "id": id})
        }
        (Some("UNSUBSCRIBE"), Some(streams)) => {
            for stream in streams {
                session.topics.remove(&topic(session.route, stream));
            }
            json!({"result": null, "id": id})
        }
        (Some("LIST_SUBSCRIPTIONS"), _) => {
            let bare = |topic: &String| topic.trim_start_matches(SILENT).to_owned();
            json!({"result": session.topics.iter().map(bare).collect::<Vec<_>>(), "id": id})
        }
        (Some("SUBSCRIBE" | "UNSUBSCRIBE"), None) => {
            json!({"code": 2, "msg": "Invalid request: params must be an array of strings"})
        }
        (method, _) => {
            let method = method.unwrap_or_default();
            json!({"code": 2, "msg": format!("Invalid request: unknown variant `{method}`")})
        }
    }
}

/// Before a stream that was acknowledged where it never comes.
const SILENT: &str = "silent ";

fn topic(route: Route, stream: &str) -> String {
    if route == Route::Market { stream.to_owned() } else { format!("{SILENT}{stream}") }
}

fn stream(listing: &Listing, channel: &str) -> String {
    format!("{}@{channel}", listing.instrument.to_lowercase())
}

fn enveloped(stream: &str, data: &str) -> String {
    format!(r#"{{"stream":"{stream}","data":{data}}}"#)
}

/// 1 = USD-M, 2 = COIN-M.
const fn kind(listing: &Listing) -> u8 {
    if listing.is_inverse() { 2 } else { 1 }
}

fn pair(listing: &Listing) -> &'static str {
    listing.instrument.trim_end_matches("_PERP")
}

fn force_order(order: &Liquidation, told: i64, time: i64) -> String {
    let listing = order.listing;
    let (s, ps, st) = (listing.instrument, pair(listing), kind(listing));
    let side = if order.order() == Taker::Sell { "SELL" } else { "BUY" };
    let decimals = listing.price_decimals;
    let limit = fixed(order.bankruptcy, decimals);
    let average = fixed(order.price, decimals);
    let quantity = fixed(order.size, listing.size_decimals);
    // The last of several fills: less than the whole.
    let last = rounded(order.size / 3.0, listing.size_decimals);
    let last = if last > 0.0 { fixed(last, listing.size_decimals) } else { quantity.clone() };
    format!(
        r#"{{"e":"forceOrder","E":{told},"o":{{"s":"{s}","S":"{side}","o":"LIMIT","f":"IOC","q":"{quantity}","p":"{limit}","ap":"{average}","X":"FILLED","l":"{last}","z":"{quantity}","T":{time},"ps":"{ps}","st":{st}}}}}"#
    )
}

fn mark_price(listing: &Listing, moment: &Moment<'_>) -> String {
    let now = moment.now();
    let (s, st) = (listing.instrument, kind(listing));
    let decimals = listing.price_decimals.max(8);
    let mark = fixed(moment.world.mark(listing), decimals);
    let index = fixed(moment.world.index(listing), decimals);
    let funding = fixed(moment.world.funding(listing), 8);
    let next = (now.div_euclid(FUNDING_MS) + 1) * FUNDING_MS;
    format!(
        r#"{{"e":"markPriceUpdate","E":{now},"s":"{s}","p":"{mark}","ap":"{mark}","P":"{index}","i":"{index}","r":"{funding}","T":{next},"st":{st}}}"#
    )
}

/// `GET /fapi/v1/exchangeInfo` or, for the coin-margined, `GET /dapi/v1/exchangeInfo`.
pub(crate) fn exchange_info(listings: &[&Listing], coin_margined: bool, now_ms: i64) -> Value {
    let of_kind = listings.iter().filter(|listing| listing.is_inverse() == coin_margined);
    let symbols: Vec<Value> = of_kind.map(|listing| symbol(listing)).collect();
    json!({
        "timezone": "UTC", "serverTime": now_ms, "exchangeFilters": [],
        "rateLimits": [{"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 2400}],
        "symbols": symbols,
    })
}

/// `GET /fapi/v1/fundingInfo`: the listings with limits or intervals of their own. Here some that pay every 8 hours all
/// the same.
pub(crate) fn funding_info(listings: &[&Listing]) -> Value {
    let limited = listings.iter().filter(|listing| !listing.is_inverse() && listing.quote == "USDC");
    limited
        .map(|listing| {
            json!({
                "symbol": listing.instrument, "adjustedFundingRateCap": "0.02000000",
                "adjustedFundingRateFloor": "-0.02000000", "fundingIntervalHours": 8, "disclaimer": false,
            })
        })
        .collect()
}

fn symbol(listing: &Listing) -> Value {
    let asset = listing.instrument.trim_end_matches("_PERP").trim_end_matches(listing.quote);
    let filters = json!([
        {"filterType": "PRICE_FILTER", "tickSize": step(listing.price_decimals)},
        {"filterType": "LOT_SIZE", "stepSize": step(listing.size_decimals), "minQty": step(listing.size_decimals)},
    ]);
    let mut symbol = json!({
        "symbol": listing.instrument, "pair": pair(listing), "contractType": "PERPETUAL",
        "deliveryDate": 4_133_404_800_000_i64, "onboardDate": 1_569_398_400_000_i64,
        "baseAsset": asset, "quoteAsset": listing.quote,
        "marginAsset": if listing.is_inverse() { asset } else { listing.quote },
        "pricePrecision": listing.price_decimals, "quantityPrecision": listing.size_decimals,
        "baseAssetPrecision": 8, "quotePrecision": 8, "underlyingType": "COIN", "filters": filters,
        "orderTypes": ["LIMIT", "MARKET", "STOP", "TAKE_PROFIT"], "timeInForce": ["GTC", "IOC", "FOK", "GTX"],
    });
    match listing.unit {
        crate::listing::Unit::Dollars(dollars) => {
            symbol["contractStatus"] = json!("TRADING");
            symbol["contractSize"] = json!(crate::numeral::whole(dollars));
        }
        _ => symbol["status"] = json!("TRADING"),
    }
    symbol
}
