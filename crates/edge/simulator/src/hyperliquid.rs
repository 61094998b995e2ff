//! Hyperliquid perpetuals as of November 2026: `/ws` and `POST /info`.
//!
//! Source: venues.md 4. There is no public liquidation channel: victims trade as ordinary takers; only what a
//! liquidator vault takes over is seen as such, in the vault's `userFills`. The first frame of `trades` and of
//! `userFills` is a replay.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use cascade_domain::{Side, Taker};
use serde_json::{Value, json};

use crate::listing::Listing;
use crate::numeral::{fixed, pointed};
use crate::wire::{Frame, Moment, Outbox, Request, Session, Wire};
use crate::world::{Liquidation, Trade};

/// The vaults that liquidate: four children of HLP and the one that stands alone.
const VAULTS: [&str; 5] = [
    "0x2e3d94f0562703b25c83308a05046ddaf9a8dd14",
    "0xb0a55f13d22f66e6d495ac98113841b2326e9540",
    "0x5e177e5e39c0f4e421f5865a6d8beed8d921cb70",
    "0x2ed5c4484ea3ff8b57d5f2fb152a40d9f2b68308",
    "0x63c621a33714ec48660e32f2374895c8026a3a00",
];
/// HLP itself.
const HLP: &str = "0xdfc24b077bc1425ad1dea75bcb6f8158e10df303";
/// Trades that a new subscriber is shown again.
const REPLAYED: usize = 30;
/// Subscriptions of one address, and users among them.
const MOST_SUBSCRIPTIONS: usize = 1000;
const MOST_USERS: usize = 10;
/// Age of the newest fill that a vault's snapshot repeats.
const SNAPSHOT_AGE_MS: i64 = 24 * 86_400_000;
const DEX: &str = "allDexsAssetCtxs";

/// Hyperliquid's wire.
#[derive(Debug, Default)]
pub(crate) struct Hyperliquid {
    /// By coin: the last trades' rows.
    recent: BTreeMap<&'static str, VecDeque<String>>,
    /// By topic: the last frame of the contexts.
    contexts: BTreeMap<String, String>,
}

impl Wire for Hyperliquid {
    fn hear(&mut self, session: &mut Session, request: &Request<'_>) -> Vec<Frame> {
        let error = |what: String| vec![Frame::text(json!({"channel": "error", "data": what}).to_string())];
        let unreadable =
            || error(format!("Error parsing JSON into valid websocket request: {}", request.text));
        let Ok(message) = serde_json::from_str::<Value>(request.text) else { return unreadable() };
        let method = message.get("method").and_then(Value::as_str).unwrap_or_default();
        if method == "ping" {
            return vec![Frame::text(r#"{"channel":"pong"}"#)];
        }
        let (true, Some(wanted)) =
            (matches!(method, "subscribe" | "unsubscribe"), message.get("subscription"))
        else {
            return unreadable();
        };
        let Some(topic) = understood(wanted, request.listings) else { return unreadable() };
        if request.refuses(&topic) {
            return error(format!("Invalid subscription {wanted}"));
        }
        let ack =
            json!({"channel": "subscriptionResponse", "data": {"method": method, "subscription": wanted}});
        let ack = Frame::text(ack.to_string());
        if method == "unsubscribe" {
            if !session.topics.remove(&topic) {
                return error(format!("Already unsubscribed: {wanted}"));
            }
            return vec![ack];
        }
        if session.topics.contains(&topic) {
            return error(format!("Already subscribed: {wanted}"));
        }
        if let Some(limit) = over_limit(session, request, &topic) {
            session.over_limits += 1;
            return error(limit);
        }
        session.topics.insert(topic.clone());
        let mut frames = vec![ack];
        frames.extend(self.replay(&topic, request.stamp_ms).map(Frame::text));
        frames
    }

    fn tell(&mut self, moment: &Moment<'_>, out: &mut Outbox<'_>) {
        self.tell_trades(moment, out);
        for publication in moment.publications {
            for order in &publication.orders {
                let vault = vault_of(order);
                let topic = format!("userFills {vault}");
                let fill = backstop_fill(order, moment.at(order.at_ms));
                out.liquidation(topic, fills(vault, &fill, false));
            }
        }
        if moment.every(10_000) {
            // A vault that trades out of what it took over: a fill, but no liquidation.
            let topic = format!("userFills {}", VAULTS[0]);
            out.push(&topic, || fills(VAULTS[0], &unwinding_fill(moment), false));
        }
        if moment.every(1000) {
            let contexts: Vec<String> = moment.listings.iter().map(|l| context(l, moment)).collect();
            for (listing, context) in moment.listings.iter().zip(&contexts) {
                let coin = listing.instrument;
                let frame =
                    format!(r#"{{"channel":"activeAssetCtx","data":{{"coin":"{coin}","ctx":{context}}}}}"#);
                self.keep(out, format!("activeAssetCtx {coin}"), frame);
            }
            let all = contexts.join(",");
            let frame = format!(r#"{{"channel":"{DEX}","data":{{"ctxs":[["",[{all}]]]}}}}"#);
            self.keep(out, DEX.to_owned(), frame);
        }
    }
}

impl Hyperliquid {
    fn keep(&mut self, out: &mut Outbox<'_>, topic: String, frame: String) {
        out.push(&topic, || frame.clone());
        self.contexts.insert(topic, frame);
    }

    fn replay(&self, topic: &str, now: i64) -> Option<String> {
        match topic.split_once(' ') {
            Some(("trades", coin)) => {
                let rows: Vec<_> = self.recent.get(coin)?.iter().map(String::as_str).collect();
                Some(trades(&rows.join(",")))
            }
            Some(("userFills", user)) => {
                let is_vault = VAULTS.contains(&user);
                Some(fills(user, &if is_vault { old_fill(now) } else { String::new() }, true))
            }
            _ => self.contexts.get(topic).cloned(),
        }
    }

    fn tell_trades(&mut self, moment: &Moment<'_>, out: &mut Outbox<'_>) {
        let mut rows: BTreeMap<&'static str, Vec<String>> = BTreeMap::new();
        for trade in moment.trades {
            let row = trade_row(trade, moment.at(trade.at_ms));
            rows.entry(trade.listing.instrument).or_default().push(row);
        }
        for order in moment.publications.iter().flat_map(|p| &p.orders) {
            let row = backstop_row(order, moment.at(order.at_ms));
            rows.entry(order.listing.instrument).or_default().push(row);
        }
        for (coin, rows) in rows {
            out.push(&format!("trades {coin}"), || trades(&rows.join(",")));
            let recent = self.recent.entry(coin).or_default();
            recent.extend(rows);
            recent.drain(..recent.len().saturating_sub(REPLAYED));
        }
    }
}

/// The topic that a subscription asks for: its type and what it is of.
fn understood(wanted: &Value, listings: &[&Listing]) -> Option<String> {
    let text = |key: &str| wanted.get(key).and_then(Value::as_str);
    let kind = text("type")?;
    match kind {
        "trades" | "activeAssetCtx" => {
            let coin = text("coin").filter(|c| listings.iter().any(|l| l.instrument == *c))?;
            Some(format!("{kind} {coin}"))
        }
        "userFills" => {
            let user = text("user").filter(|u| u.len() == 42 && u.starts_with("0x"))?;
            Some(format!("{kind} {}", user.to_lowercase()))
        }
        DEX => Some(kind.to_owned()),
        _ => None,
    }
}

fn over_limit(session: &Session, request: &Request<'_>, topic: &str) -> Option<String> {
    let all = || session.topics.iter().chain(request.elsewhere);
    if all().count() >= MOST_SUBSCRIPTIONS {
        return Some(format!("Cannot track more than {MOST_SUBSCRIPTIONS} total subscriptions."));
    }
    let user = topic.strip_prefix("userFills ")?;
    let users: BTreeSet<&str> = all().filter_map(|topic| topic.strip_prefix("userFills ")).collect();
    (!users.contains(user) && users.len() >= MOST_USERS)
        .then(|| format!("Cannot track more than {MOST_USERS} total users."))
}

/// A made-up account: 40 hex digits.
fn address(of: u64) -> String {
    format!("0x{:016x}{of:016x}{:08x}", of.rotate_left(23), of & 0xffff_ffff)
}

fn vault_of(order: &Liquidation) -> &'static str {
    VAULTS[usize::from(order.victim & 1 == 1)]
}

fn trades(rows: &str) -> String {
    format!(r#"{{"channel":"trades","data":[{rows}]}}"#)
}

fn trade_row(trade: &Trade, time: i64) -> String {
    let listing = trade.listing;
    let coin = listing.instrument;
    let (px, sz) = (pointed(trade.price, listing.price_decimals), fixed(trade.size, listing.size_decimals));
    let (taker, maker) = (address(trade.account), address(trade.serial));
    let (side, buyer, seller) =
        if trade.taker == Taker::Buy { ("B", taker, maker) } else { ("A", maker, taker) };
    let (hash, tid) = (trade.serial, trade.serial >> 14);
    format!(
        r#"{{"coin":"{coin}","side":"{side}","px":"{px}","sz":"{sz}","time":{time},"hash":"0x{hash:064x}","tid":{tid},"users":["{buyer}","{seller}"]}}"#
    )
}

fn tid(order: &Liquidation) -> u64 {
    order.victim >> 14
}

fn backstop_row(order: &Liquidation, time: i64) -> String {
    let listing = order.listing;
    let coin = listing.instrument;
    let (px, sz) = (pointed(order.price, listing.price_decimals), fixed(order.size, listing.size_decimals));
    let (vault, victim) = (vault_of(order).to_owned(), address(order.victim));
    let (side, buyer, seller) =
        if order.side == Side::Long { ("A", vault, victim) } else { ("B", victim, vault) };
    let tid = tid(order);
    format!(
        r#"{{"coin":"{coin}","side":"{side}","px":"{px}","sz":"{sz}","time":{time},"hash":"0x{:064x}","tid":{tid},"users":["{buyer}","{seller}"]}}"#,
        0
    )
}

fn backstop_fill(order: &Liquidation, time: i64) -> String {
    let listing = order.listing;
    let (px, sz) = (pointed(order.price, listing.price_decimals), fixed(order.size, listing.size_decimals));
    let mark = pointed(order.bankruptcy.max(order.price), listing.price_decimals);
    // The vault buys what a long has to sell.
    let (side, dir) = match order.side {
        Side::Long => ("B", "Liquidated Cross Long"),
        Side::Short => ("A", "Liquidated Cross Short"),
    };
    fill(&json!({
        "coin": listing.instrument, "px": px, "sz": sz, "side": side, "time": time, "dir": dir, "tid": tid(order),
        "liquidation": {"liquidatedUser": address(order.victim), "markPx": mark, "method": "backstop"},
    }))
}

fn unwinding_fill(moment: &Moment<'_>) -> String {
    let sol = moment.listings.iter().find(|l| l.instrument == "SOL");
    let px = sol.map_or_else(String::new, |l| pointed(moment.world.mark(l), l.price_decimals));
    fill(&json!({
        "coin": "SOL", "px": px, "sz": "1.50", "side": "A", "time": moment.now(), "dir": "Close Long",
        "tid": moment.now().unsigned_abs() ^ 0x1_0000_0000_0000,
    }))
}

/// A fill of weeks ago, which is no news: a liquidation that was told then.
fn old_fill(now: i64) -> String {
    fill(&json!({
        "coin": "SOL", "px": "67.55", "sz": "28.33", "side": "B", "time": now - SNAPSHOT_AGE_MS,
        "dir": "Liquidated Cross Long", "tid": 900_100_200_300_400_u64,
        "liquidation": {"liquidatedUser": address(7), "markPx": "68.2", "method": "backstop"},
    }))
}

/// A fill with the fields that every one has.
fn fill(own: &Value) -> String {
    let mut whole = json!({
        "startPosition": "0.0", "closedPnl": "0.0", "hash": format!("0x{:064x}", 0), "oid": 0, "crossed": true,
        "fee": "0.0", "feeToken": "USDC", "twapId": null,
    });
    if let (Some(whole), Some(own)) = (whole.as_object_mut(), own.as_object()) {
        whole.extend(own.clone());
    }
    whole.to_string()
}

fn fills(user: &str, rows: &str, snapshot: bool) -> String {
    let mark = if snapshot { r#""isSnapshot":true,"# } else { "" };
    format!(r#"{{"channel":"userFills","data":{{{mark}"user":"{user}","fills":[{rows}]}}}}"#)
}

fn context(listing: &Listing, moment: &Moment<'_>) -> String {
    let world = moment.world;
    let mark = pointed(world.mark(listing), listing.price_decimals);
    let oracle = pointed(world.index(listing), listing.price_decimals);
    let coin = world.coin(listing);
    let units = listing.size_of_coins(world.open_interest(listing), coin);
    let open_interest = pointed(units, listing.size_decimals);
    let funding = pointed(world.funding(listing) / 8.0, 10);
    format!(
        r#"{{"funding":"{funding}","openInterest":"{open_interest}","prevDayPx":"{oracle}","dayNtlVlm":"1000000000.0","premium":"0.0","oraclePx":"{oracle}","markPx":"{mark}","midPx":"{mark}","impactPxs":["{mark}","{mark}"],"dayBaseVlm":"12000.0"}}"#
    )
}

/// `POST /info`; none for a type that does not exist (the venue says 422) or is not simulated.
pub(crate) fn info(request: &Value, listings: &[&Listing]) -> Option<Value> {
    match request.get("type").and_then(Value::as_str)? {
        "meta" => {
            let universe = listings
                .iter()
                .map(|l| json!({"name": l.instrument, "szDecimals": l.size_decimals, "maxLeverage": 40, "marginTableId": 56}));
            Some(json!({"universe": universe.collect::<Vec<_>>(), "marginTables": [], "collateralToken": 0}))
        }
        "vaultDetails" => {
            let vault = request.get("vaultAddress").and_then(Value::as_str)?;
            if !vault.eq_ignore_ascii_case(HLP) {
                return Some(Value::Null);
            }
            Some(json!({
                "name": "Hyperliquidity Provider (HLP)", "vaultAddress": HLP, "isClosed": false,
                "relationship": {"type": "parent", "data": {"childAddresses": &VAULTS[..4]}},
            }))
        }
        _ => None,
    }
}
