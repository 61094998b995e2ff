//! Binance USD-M futures, and the COIN-M liquidations that come on the same stream since 2026-06-30 (`st` = 2).
//!
//! One market-wide `!forceOrder@arr` carries the liquidations of both; it is asked for once, since both hosts carry the
//! merged content and a second subscription would count everything twice. COIN-M trades and marks live on another
//! host (`dstream`) and are not read. There is no stream of open interest: it is asked for by instrument.

mod decode;
mod sample;
mod wire;

use std::time::Duration;

use cascade_domain::{FeedStatus, GapStream, Venue};
use serde_json::value::RawValue;

use self::wire::{ExchangeInfo, FundingRow, Row};
use crate::instruments::{Instruments, Listing, Quote, Sizing};
use crate::number::Number;
use crate::plan::{self, Layout, Share};
use crate::wire::{body_text, read, readable_rows, told};
use crate::{
    Ack, DecodeError, Decoded, Endpoints, Limits, Meaning, Method, Protocol, Quota, RestRequest, Route,
    Sampling, Subscription, Wanted, Weight,
};

/// Streams on one connection (the documentation says 1024; older ones, and some hosts, 200).
const STREAMS: usize = 200;
/// Streams in one SUBSCRIBE, so that a frame stays below 4 KiB.
const BATCH: usize = 100;
/// The instruments of USD-M.
const EXCHANGE_INFO: &str = "/fapi/v1/exchangeInfo";
/// Those of them that do not pay funding every 8 hours, asked for once the instruments are known.
const FUNDING_INFO: &str = "/fapi/v1/fundingInfo";
/// Hours between two payments of every other one.
const FUNDING_HOURS: u8 = 8;
/// Frames a second; the venue takes 10, pongs included.
const FRAMES_PER_SECOND: u32 = 5;
/// The venue closes a connection after 24 hours; the first one is renewed this long after it was made, each further
/// one a little earlier, so that they are not all renewed at once.
const RENEW_AFTER: Duration = Duration::from_hours(23);
/// How much earlier.
const RENEW_SPREAD: Duration = Duration::from_mins(3);
/// The venue takes 300 new connections in five minutes, and REST of a weight of 2400 a minute, of USD-M and COIN-M
/// together (ours weigh 1).
const LIMITS: Limits = Limits {
    connections: 250,
    connects: Quota::new(250, Duration::from_mins(5)),
    subscriptions: usize::MAX,
    requests: None,
    rest: Quota::new(200, Duration::from_secs(6)),
    weight: Some(Weight { header: "x-mbx-used-weight-1m", most: 2400, within: Duration::from_mins(1) }),
};

/// The protocol.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Binance;

impl Protocol for Binance {
    fn venue(&self) -> Venue {
        Venue::Binance
    }

    fn healthy(&self) -> FeedStatus {
        FeedStatus::Sampled
    }

    fn btc_reference(&self) -> &'static str {
        "BTCUSDT"
    }

    fn is_liquidations(&self, topic: &str) -> bool {
        topic.contains("forceOrder")
    }

    fn instrument_requests(&self, endpoints: &Endpoints) -> Vec<RestRequest> {
        let usd = format!("{}{EXCHANGE_INFO}", endpoints.rest_url);
        let coin = endpoints.coinm_rest_url.as_ref().map(|base| format!("{base}/dapi/v1/exchangeInfo"));
        std::iter::once(usd).chain(coin).map(|url| RestRequest { method: Method::Get, url }).collect()
    }

    fn read_instruments(
        &self,
        request: &RestRequest,
        body: &[u8],
        into: &mut Instruments,
    ) -> Result<Option<RestRequest>, DecodeError> {
        if request.url.ends_with(FUNDING_INFO) {
            read_funding_intervals(body, into)?;
            return Ok(None);
        }
        self.read_instruments_file(body, into)?;
        let host = request.url.strip_suffix(EXCHANGE_INFO);
        Ok(host.map(|host| RestRequest { method: Method::Get, url: format!("{host}{FUNDING_INFO}") }))
    }

    fn read_instruments_file(&self, body: &[u8], into: &mut Instruments) -> Result<(), DecodeError> {
        let answer: ExchangeInfo<'_> = read(body_text(body)?)?;
        readable_rows(&answer.symbols)
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
        let market_wide = Share { symbol: None, topics: vec!["!forceOrder@arr".to_owned()] };
        let shares = plan::with_market_wide(market_wide, shares(wanted, instruments));
        let layout = Layout {
            room: STREAMS,
            cost: |_| 1,
            batch: BATCH,
            subscribe,
            connection: &|at| connection(at, endpoints),
            connections: LIMITS.connections,
            subscriptions: LIMITS.subscriptions,
        };
        layout.of(standing, &shares)
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

/// Sets how often the listings read so far pay funding.
fn read_funding_intervals(body: &[u8], into: &mut Instruments) -> Result<(), DecodeError> {
    let rows: Vec<&RawValue> = read(body_text(body)?)?;
    let rows: Vec<FundingRow<'_>> =
        readable_rows(&rows).filter(|row: &FundingRow<'_>| row.funding_interval_hours > 0).collect();
    let named = rows.iter().map(|row| (&*row.symbol, row.funding_interval_hours)).collect();
    into.set_funding_intervals(&named, FUNDING_HOURS);
    Ok(())
}

/// A row of `exchangeInfo` as a listing; `None` = no trading dollar-quoted perpetual.
fn listing(row: &Row<'_>) -> Option<Listing> {
    let perpetual = matches!(&*row.contract_type, "PERPETUAL" | "TRADIFI_PERPETUAL");
    let trading = told(row.status.as_ref().or(row.contract_status.as_ref())) == Some("TRADING");
    let quote = Quote::parse(&row.quote_asset).filter(|_| perpetual && trading)?;
    let sizing = match told(row.contract_size.as_ref()) {
        Some(size) => Sizing::ContractsOfUsd(Number::positive("contractSize", size).ok()?.decimal),
        None => Sizing::Coins,
    };
    Listing::of(Venue::Binance, &row.symbol, &row.base_asset, quote, sizing).ok()
}

/// The streams of every wanted instrument on USD-M.
fn shares(wanted: &Wanted, instruments: &Instruments) -> Vec<Share> {
    let share = |symbol, name: &str| {
        let name = name.to_lowercase();
        Share {
            symbol: Some(symbol),
            topics: vec![format!("{name}@aggTrade"), format!("{name}@markPrice@1s")],
        }
    };
    if instruments.is_empty() {
        let bases = plan::wanted_bases(Venue::Binance, wanted);
        return bases.into_iter().map(|(symbol, base)| share(symbol, &format!("{base}USDT"))).collect();
    }
    let listings = plan::wanted_listings(wanted, instruments);
    let linear = listings.into_iter().filter(|listing| listing.sizing == Sizing::Coins);
    linear.map(|listing| share(listing.symbol, listing.instrument.as_str())).collect()
}

fn subscribe(number: usize, topics: &[String]) -> Subscription {
    let params = plan::quoted_list(topics);
    Subscription {
        frame: format!(r#"{{"method":"SUBSCRIBE","params":[{params}],"id":{number}}}"#),
        acks: vec![Ack::Request(number.to_string())],
        topics: topics.to_vec(),
    }
}

fn connection(at: usize, endpoints: &Endpoints) -> Route {
    let earlier = RENEW_SPREAD * u32::try_from(at % 16).unwrap_or(0);
    Route {
        venue: Venue::Binance,
        name: format!("market-{at}"),
        url: format!("{}/market/stream", endpoints.ws_url),
        subscriptions: Vec::new(),
        frames_per_second: FRAMES_PER_SECOND,
        keepalive: None,
        watch: plan::WATCH,
        renew_after: Some(RENEW_AFTER.saturating_sub(earlier)),
        market_wide: if at == 0 { vec![GapStream::Liquidations] } else { Vec::new() },
        carries: vec![GapStream::Trades, GapStream::Mark],
        symbols: Vec::new(),
    }
}
