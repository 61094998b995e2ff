//! OKX v5 swaps, linear and inverse.
//!
//! Liquidations come market-wide, at most one a contract and second, and are silent for minutes: the other channels
//! of the same connection tell whether it lives. Quantities are contracts, so nothing in contracts is read before the
//! venue's instruments are known. Everything is subscribed by instrument but the liquidations.

mod backfill;
mod decode;
mod sample;
mod wire;

use std::time::Duration;

use cascade_domain::{FeedStatus, GapStream, Venue};
use serde_json::value::RawValue;

use self::wire::{Answer, Row};
use crate::instruments::{Instruments, Listing, Quote, Sizing};
use crate::number::{Number, cut};
use crate::plan::{self, Layout, Share};
use crate::wire::{body_text, read, readable_rows, told};
use crate::{
    Ack, DecodeError, Decoded, Endpoints, Keepalive, Limits, Meaning, Method, Missed, Ping, Protocol, Quota,
    RestRequest, Route, Sampling, Subscription, Wanted,
};

/// Bytes of all arguments on one connection; the venue takes 64 KB.
const BYTES: usize = 60_000;
/// Topics in one request.
const BATCH: usize = 100;
/// Frames a second.
const FRAMES_PER_SECOND: u32 = 3;
/// The venue takes 3 new connections a second from an address, 480 subscription requests an hour on a connection, and
/// 10 to 20 REST requests a second, by the question. How many connections may stand is not documented.
const LIMITS: Limits = Limits {
    connections: 100,
    connects: Quota::new(2, Duration::from_secs(1)),
    subscriptions: usize::MAX,
    requests: Some(Quota::new(440, Duration::from_hours(1))),
    rest: Quota::new(10, Duration::from_secs(1)),
    weight: None,
};
/// The market-wide channel.
const LIQUIDATIONS: &str = "liquidation-orders";

/// The protocol.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Okx;

impl Protocol for Okx {
    fn venue(&self) -> Venue {
        Venue::Okx
    }

    fn healthy(&self) -> FeedStatus {
        FeedStatus::Sampled
    }

    fn btc_reference(&self) -> &'static str {
        "BTC-USDT-SWAP"
    }

    fn is_liquidations(&self, topic: &str) -> bool {
        topic.contains("liquidation-orders")
    }

    fn instrument_requests(&self, endpoints: &Endpoints) -> Vec<RestRequest> {
        let url = format!("{}/api/v5/public/instruments?instType=SWAP", endpoints.rest_url);
        vec![RestRequest { method: Method::Get, url }]
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

    fn read_instruments_file(&self, body: &[u8], into: &mut Instruments) -> Result<(), DecodeError> {
        readable_rows(&answered(body)?)
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
        let market_wide = Share { symbol: None, topics: vec![topic(LIQUIDATIONS, "SWAP")] };
        let shares = plan::with_market_wide(market_wide, shares(wanted, instruments));
        let layout = Layout {
            room: BYTES,
            cost: |topic| arg(topic).len() + 1,
            batch: BATCH,
            subscribe,
            connection: &|at| connection(at, endpoints),
            connections: LIMITS.connections,
            subscriptions: LIMITS.subscriptions,
        };
        layout.of(standing, &shares)
    }

    fn backfill(&self, missed: &Missed<'_>) -> Vec<RestRequest> {
        backfill::requests(missed)
    }

    fn read_backfill(
        &self,
        request: &RestRequest,
        body: &[u8],
        missed: &Missed<'_>,
        out: &mut Decoded,
    ) -> Result<Option<RestRequest>, DecodeError> {
        out.clear();
        backfill::read(request, body, missed, out)
    }

    fn samplings(&self, wanted: &Wanted, instruments: &Instruments, endpoints: &Endpoints) -> Vec<Sampling> {
        sample::samplings(wanted, instruments, endpoints)
    }

    fn read_sample(
        &self,
        request: &RestRequest,
        body: &[u8],
        instruments: &Instruments,
        out: &mut Decoded,
    ) -> Result<(), DecodeError> {
        out.clear();
        sample::read_sample(request, body, instruments, out)
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

/// The rows of a REST answer.
fn answered(body: &[u8]) -> Result<Vec<&RawValue>, DecodeError> {
    let answer: Answer<'_> = read(body_text(body)?)?;
    if &*answer.code == "0" {
        return Ok(answer.data);
    }
    let words = told(answer.msg.as_ref()).unwrap_or("no reason");
    let refusal = format!("the venue answers {}: {}", cut(&answer.code, 16), cut(words, 120));
    Err(DecodeError::Malformed(refusal))
}

/// How a subscription is named here: `trades:BTC-USDT-SWAP`.
fn topic(channel: &str, what: &str) -> String {
    format!("{channel}:{what}")
}

/// A topic as the argument of a request.
fn arg(topic: &str) -> String {
    let (channel, what) = topic.split_once(':').unwrap_or((topic, ""));
    let key = if channel == LIQUIDATIONS { "instType" } else { "instId" };
    format!(r#"{{"channel":{},"{key}":{}}}"#, plan::quoted(channel), plan::quoted(what))
}

/// A row as a listing; `None` = no live dollar-quoted swap, or a contract of something that is neither its base nor
/// its quote.
fn listing(row: &Row<'_>) -> Option<Listing> {
    let (base, quote) = row.inst_id.strip_suffix("-SWAP")?.split_once('-')?;
    let quote = Quote::parse(quote).filter(|_| &*row.inst_type == "SWAP" && &*row.state == "live")?;
    let value = Number::positive("ctVal", &row.ct_val).ok()?.decimal;
    let size = match told(row.ct_mult.as_ref()) {
        Some(multiple) => value.checked_mul(Number::positive("ctMult", multiple).ok()?.decimal)?,
        None => value,
    };
    let sizing = if &*row.ct_val_ccy == base {
        Sizing::ContractsOfCoins(size)
    } else if Quote::parse(&row.ct_val_ccy) == Some(quote) {
        Sizing::ContractsOfUsd(size)
    } else {
        return None;
    };
    Listing::of(Venue::Okx, &row.inst_id, base, quote, sizing).ok()
}

/// The topics of every wanted instrument.
fn shares(wanted: &Wanted, instruments: &Instruments) -> Vec<Share> {
    let share = |symbol, name: &str| {
        let mut topics: Vec<String> = ["trades", "mark-price", "funding-rate", "open-interest"]
            .map(|channel| topic(channel, name))
            .into();
        topics.push(topic("index-tickers", name.trim_end_matches("-SWAP")));
        Share { symbol: Some(symbol), topics }
    };
    if instruments.is_empty() {
        let bases = plan::wanted_bases(Venue::Okx, wanted).into_iter();
        return bases.map(|(symbol, base)| share(symbol, &format!("{base}-USDT-SWAP"))).collect();
    }
    let listings = plan::wanted_listings(wanted, instruments).into_iter();
    listings.map(|listing| share(listing.symbol, listing.instrument.as_str())).collect()
}

fn subscribe(_: usize, topics: &[String]) -> Subscription {
    let args = topics.iter().map(|topic| arg(topic)).collect::<Vec<_>>().join(",");
    Subscription {
        frame: format!(r#"{{"op":"subscribe","args":[{args}]}}"#),
        acks: topics.iter().cloned().map(Ack::Topic).collect(),
        topics: topics.to_vec(),
    }
}

fn connection(at: usize, endpoints: &Endpoints) -> Route {
    Route {
        venue: Venue::Okx,
        name: format!("public-{at}"),
        url: format!("{}/ws/v5/public", endpoints.ws_url),
        subscriptions: Vec::new(),
        frames_per_second: FRAMES_PER_SECOND,
        keepalive: Some(Keepalive { every: Duration::from_secs(20), ping: Ping::Text("ping".to_owned()) }),
        watch: plan::WATCH,
        renew_after: None,
        market_wide: if at == 0 { vec![GapStream::Liquidations] } else { Vec::new() },
        carries: vec![GapStream::Trades, GapStream::OpenInterest, GapStream::Mark],
        symbols: Vec::new(),
    }
}
