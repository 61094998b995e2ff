//! Hyperliquid perpetuals of the first dex.
//!
//! There is no public channel of liquidations. All of them stand in the fills that a node of one's own writes
//! ([`node`]). What is free are the fills of the liquidator vaults: backstop take-overs, and market liquidations in
//! which a vault was the other side. Trades, marks and open interest come by coin. Perpetuals of builder-deployed
//! dexes (`xyz:CRWV`) and spot (`@107`) are not read.

mod decode;
pub(crate) mod node;
mod wire;

use std::time::Duration;

use cascade_domain::{FeedStatus, GapStream, Venue};
use serde_json::value::RawValue;

use self::wire::{Meta, Row};
use crate::instruments::{Instruments, Listing, Quote, Sizing};
use crate::plan::{self, Layout, Share};
use crate::wire::{body_text, read, readable_rows};
use crate::{
    Ack, DecodeError, Decoded, Endpoints, Keepalive, Limits, Meaning, Method, Ping, Protocol, Quota,
    RestRequest, Route, Subscription, Wanted,
};

/// The venue takes 10 connections at once from an address, 30 new ones a minute, 1000 subscriptions over all of them,
/// and REST of a weight of 1200 a minute (ours weigh 20).
const LIMITS: Limits = Limits {
    connections: 9,
    connects: Quota::new(25, Duration::from_mins(1)),
    subscriptions: 960,
    requests: None,
    rest: Quota::new(30, Duration::from_mins(1)),
    weight: None,
};
/// Subscriptions on one connection: four connections at most, of those that an address may hold.
const PER_CONNECTION: usize = 250;
/// Users whose fills one address may follow.
const USERS: usize = 10;
/// Frames a second; the venue takes 2000 a minute from an address.
const FRAMES_PER_SECOND: u32 = 8;

/// The protocol.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hyperliquid;

impl Protocol for Hyperliquid {
    fn venue(&self) -> Venue {
        Venue::Hyperliquid
    }

    fn healthy(&self) -> FeedStatus {
        FeedStatus::Partial
    }

    fn btc_reference(&self) -> &'static str {
        "BTC"
    }

    fn is_liquidations(&self, topic: &str) -> bool {
        topic.contains("userFills")
    }

    fn instrument_requests(&self, endpoints: &Endpoints) -> Vec<RestRequest> {
        let url = format!("{}/info", endpoints.rest_url);
        vec![RestRequest { method: Method::Post(r#"{"type":"meta"}"#.to_owned()), url }]
    }

    fn read_instruments(
        &self,
        _: &RestRequest,
        body: &[u8],
        into: &mut Instruments,
    ) -> Result<Option<RestRequest>, DecodeError> {
        self.read_instruments_file(body, into)?;
        Ok(None)
    }

    /// Takes the answers to `meta` and to `metaAndAssetCtxs`.
    fn read_instruments_file(&self, body: &[u8], into: &mut Instruments) -> Result<(), DecodeError> {
        let text = body_text(body)?.trim_ascii();
        let meta: Meta<'_> = if text.starts_with('[') {
            let parts: Vec<&RawValue> = read(text)?;
            read(parts.first().map_or("null", |first| first.get()))?
        } else {
            read(text)?
        };
        readable_rows(&meta.universe)
            .filter_map(|row| listing(&row))
            .for_each(|listing| into.insert(listing));
        Ok(())
    }

    fn limits(&self) -> Limits {
        LIMITS
    }

    fn replan(
        &self,
        standing: &[Route],
        wanted: &Wanted,
        instruments: &Instruments,
        endpoints: &Endpoints,
    ) -> Vec<Route> {
        let vaults =
            wanted.vaults.iter().take(USERS).map(|vault| topic("userFills", &vault.to_ascii_lowercase()));
        let vaults = Share { symbol: None, topics: vaults.collect() };
        let shares = plan::with_market_wide(vaults, coins(wanted, instruments));
        let layout = Layout {
            room: PER_CONNECTION,
            cost: |_| 1,
            batch: 1,
            subscribe,
            connection: &|at| connection(at, endpoints),
            connections: LIMITS.connections,
            subscriptions: LIMITS.subscriptions,
        };
        let mut routes = layout.of(standing, &shares);
        for route in &mut routes {
            let has_vaults = plan::topics(route).any(|topic| topic.starts_with("userFills:"));
            route.market_wide = if has_vaults { vec![GapStream::Liquidations] } else { Vec::new() };
        }
        routes
    }

    fn decode(
        &self,
        frame: &str,
        instruments: &Instruments,
        out: &mut Decoded,
    ) -> Result<Meaning, DecodeError> {
        out.clear();
        decode::decode(frame, instruments, out)
    }
}

/// How a subscription is named here: `trades:BTC`, `userFills:0x...`.
fn topic(kind: &str, what: &str) -> String {
    format!("{kind}:{what}")
}

/// A row of the universe as a listing; `None` = delisted, or no perpetual of the first dex.
fn listing(row: &Row<'_>) -> Option<Listing> {
    let named = crate::naming::read(Venue::Hyperliquid, &row.name).filter(|_| !row.is_delisted)?;
    Listing::of(Venue::Hyperliquid, &row.name, named.base, Quote::Usdc, Sizing::Coins).ok()
}

/// The topics of every wanted coin.
fn coins(wanted: &Wanted, instruments: &Instruments) -> Vec<Share> {
    let share = |symbol, coin: &str| {
        let topics = vec![topic("trades", coin), topic("activeAssetCtx", coin)];
        Share { symbol: Some(symbol), topics }
    };
    if instruments.is_empty() {
        let bases = plan::wanted_bases(Venue::Hyperliquid, wanted).into_iter();
        return bases.map(|(symbol, base)| share(symbol, base)).collect();
    }
    let listings = plan::wanted_listings(wanted, instruments).into_iter();
    listings.map(|listing| share(listing.symbol, listing.instrument.as_str())).collect()
}

/// The request for one topic; the venue takes one subscription a frame.
fn subscribe(_: usize, topics: &[String]) -> Subscription {
    let name = topics.first().map_or("", String::as_str);
    let (kind, what) = name.split_once(':').unwrap_or((name, ""));
    let key = if kind == "userFills" { "user" } else { "coin" };
    let (quoted_kind, quoted_what) = (plan::quoted(kind), plan::quoted(what));
    Subscription {
        frame: format!(
            r#"{{"method":"subscribe","subscription":{{"type":{quoted_kind},"{key}":{quoted_what}}}}}"#
        ),
        acks: vec![Ack::Topic(name.to_owned())],
        topics: vec![name.to_owned()],
    }
}

fn connection(at: usize, endpoints: &Endpoints) -> Route {
    Route {
        venue: Venue::Hyperliquid,
        name: format!("public-{at}"),
        url: format!("{}/ws", endpoints.ws_url),
        subscriptions: Vec::new(),
        frames_per_second: FRAMES_PER_SECOND,
        keepalive: Some(Keepalive {
            every: Duration::from_secs(30),
            ping: Ping::Text(r#"{"method":"ping"}"#.to_owned()),
        }),
        watch: plan::WATCH,
        renew_after: None,
        market_wide: Vec::new(),
        carries: vec![GapStream::Trades, GapStream::OpenInterest, GapStream::Mark],
        symbols: Vec::new(),
    }
}
