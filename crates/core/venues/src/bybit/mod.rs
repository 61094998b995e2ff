//! Bybit v5 linear (USDT and USDC) and inverse perpetuals.
//!
//! Every liquidation is published, by symbol, in batches of half a second. Marks and open interest come with the
//! tickers, where an absent field means unchanged: what a delta does not carry is absent in the event, and a sample of
//! open interest is made only of one that carries the coins.

mod decode;
mod wire;

use std::time::Duration;

use cascade_domain::{FeedStatus, GapStream, Venue};

use self::wire::{Answer, Page, Row};
use crate::instruments::{Instruments, Listing, Quote, Sizing};
use crate::number::cut;
use crate::plan::{self, Layout, Share};
use crate::wire::{body_text, escaped, read, readable_rows, told};
use crate::{
    Ack, DecodeError, Decoded, Endpoints, Keepalive, Limits, Meaning, Method, Ping, Protocol, Quota,
    RestRequest, Route, Subscription, Wanted,
};

/// Characters of all arguments on one connection; the venue takes 21,000.
const CHARACTERS: usize = 20_000;
/// Topics in one request (805 symbols in requests of 200 are known to work).
const BATCH: usize = 200;
/// Frames a second; no limit is documented.
const FRAMES_PER_SECOND: u32 = 5;
/// The two kinds of contract, each with its own host path.
const CATEGORIES: [&str; 2] = ["linear", "inverse"];

/// The venue takes 500 new connections in five minutes, 1000 of a category at once, and 600 REST requests in five
/// seconds.
const LIMITS: Limits = Limits {
    connections: 800,
    connects: Quota::new(400, Duration::from_mins(5)),
    subscriptions: usize::MAX,
    requests: None,
    rest: Quota::new(200, Duration::from_secs(5)),
    weight: None,
};

/// The protocol.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bybit;

impl Protocol for Bybit {
    fn venue(&self) -> Venue {
        Venue::Bybit
    }

    fn healthy(&self) -> FeedStatus {
        FeedStatus::Live
    }

    fn btc_reference(&self) -> &'static str {
        "BTCUSDT"
    }

    fn liquidations_are_market_wide(&self) -> bool {
        false
    }

    fn is_liquidations(&self, topic: &str) -> bool {
        topic.contains("allLiquidation.")
    }

    /// Both stand in the ticker, of which a delta holds what changed.
    fn marks_confirm_interest(&self) -> bool {
        true
    }

    fn instrument_requests(&self, endpoints: &Endpoints) -> Vec<RestRequest> {
        let page = |category| {
            let url =
                format!("{}/v5/market/instruments-info?category={category}&limit=1000", endpoints.rest_url);
            RestRequest { method: Method::Get, url }
        };
        CATEGORIES.into_iter().map(page).collect()
    }

    fn read_instruments(
        &self,
        request: &RestRequest,
        body: &[u8],
        into: &mut Instruments,
    ) -> Result<Option<RestRequest>, DecodeError> {
        let cursor = read_page(body, into)?;
        let here = request.url.split("&cursor=").next().unwrap_or_default();
        let next = cursor.map(|cursor| format!("{here}&cursor={cursor}")).filter(|url| *url != request.url);
        Ok(next.map(|url| RestRequest { method: Method::Get, url }))
    }

    fn read_instruments_file(&self, body: &[u8], into: &mut Instruments) -> Result<(), DecodeError> {
        read_page(body, into).map(|_| ())
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
        let of = |category: &'static str| {
            let mine: Vec<Route> = standing.iter().filter(|route| is_of(category, route)).cloned().collect();
            let layout = Layout {
                room: CHARACTERS,
                cost: |topic| topic.len() + 3,
                batch: BATCH,
                subscribe,
                connection: &|at| connection(category, at, endpoints),
                connections: LIMITS.connections / CATEGORIES.len(),
                subscriptions: LIMITS.subscriptions,
            };
            layout.of(&mine, &shares(category, wanted, instruments))
        };
        let mut planned = CATEGORIES.map(|category| of(category).into_iter());
        let mut routes: Vec<Route> = Vec::new();
        for standing in standing {
            let kind = CATEGORIES.iter().position(|category| is_of(category, standing));
            routes.extend(kind.and_then(|kind| planned.get_mut(kind)?.next()));
        }
        routes.extend(planned.into_iter().flatten());
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

/// Reads one page of `instruments-info`; gives where the next one begins, spelled for an address.
fn read_page(body: &[u8], into: &mut Instruments) -> Result<Option<String>, DecodeError> {
    let answer: Answer<'_> = read(body_text(body)?)?;
    let result = answer.result.filter(|_| answer.ret_code.0 == 0).ok_or_else(|| {
        let words = told(answer.ret_msg.as_ref()).unwrap_or("no reason");
        DecodeError::Malformed(format!("the venue answers {}: {}", answer.ret_code.0, cut(words, 120)))
    })?;
    let page: Page<'_> = read(result.get())?;
    readable_rows(&page.list).filter_map(|row| listing(&row)).for_each(|listing| into.insert(listing));
    Ok(told(page.next_page_cursor.as_ref()).map(|cursor| escaped(&cut(cursor, 2000))))
}

/// A row as a listing; `None` = no trading dollar-quoted perpetual.
fn listing(row: &Row<'_>) -> Option<Listing> {
    let sizing = match &*row.contract_type {
        "LinearPerpetual" => Sizing::Coins,
        "InversePerpetual" => Sizing::Usd,
        _ => return None,
    };
    let quote = Quote::parse(&row.quote_coin).filter(|_| &*row.status == "Trading")?;
    Listing::of(Venue::Bybit, &row.symbol, &row.base_coin, quote, sizing).ok()
}

/// The topics of every wanted instrument of a category.
fn shares(category: &str, wanted: &Wanted, instruments: &Instruments) -> Vec<Share> {
    let share = |symbol, name: &str| {
        let topics = ["allLiquidation", "publicTrade", "tickers"].map(|topic| format!("{topic}.{name}"));
        Share { symbol: Some(symbol), topics: topics.to_vec() }
    };
    let inverse = category == "inverse";
    if instruments.is_empty() {
        let bases = plan::wanted_bases(Venue::Bybit, wanted).into_iter().filter(|_| !inverse);
        return bases.map(|(symbol, base)| share(symbol, &format!("{base}USDT"))).collect();
    }
    let listings = plan::wanted_listings(wanted, instruments).into_iter();
    let mine = listings.filter(|listing| listing.sizing.is_inverse() == inverse);
    mine.map(|listing| share(listing.symbol, listing.instrument.as_str())).collect()
}

fn is_of(category: &str, route: &Route) -> bool {
    route.name.split('-').next() == Some(category)
}

fn subscribe(number: usize, topics: &[String]) -> Subscription {
    let (id, args) = (number.to_string(), plan::quoted_list(topics));
    Subscription {
        frame: format!(r#"{{"req_id":"{id}","op":"subscribe","args":[{args}]}}"#),
        acks: vec![Ack::Request(id)],
        topics: topics.to_vec(),
    }
}

fn connection(category: &str, at: usize, endpoints: &Endpoints) -> Route {
    Route {
        venue: Venue::Bybit,
        name: format!("{category}-{at}"),
        url: format!("{}/v5/public/{category}", endpoints.ws_url),
        subscriptions: Vec::new(),
        frames_per_second: FRAMES_PER_SECOND,
        keepalive: Some(Keepalive {
            every: Duration::from_secs(20),
            ping: Ping::Text(r#"{"op":"ping"}"#.to_owned()),
        }),
        watch: plan::WATCH,
        renew_after: None,
        market_wide: Vec::new(),
        carries: GapStream::ALL.to_vec(),
        symbols: Vec::new(),
    }
}
