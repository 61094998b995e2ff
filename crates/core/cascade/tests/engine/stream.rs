//! A stream as a test writes it: liquidations, marks and ticks by their times, and what the engine said.

use std::sync::Arc;

use cascade_detector::{CascadeEngine, Config};
use cascade_domain::{
    CascadeFinding, Coverage, Event, EventTime, FeedStatus, Feeds, Finding, Gap, GapStream, Id, Instrument,
    LargeLiquidation, Level, Liquidation, Mark, OpenInterest, PriceKind, Shard, Side, State, Symbol, Tick,
    Usd, Venue,
};
use cascade_engine::{Engine, Refused};

/// A whole minute, far enough in the past.
pub(crate) const START: i64 = 1_790_000_040_000;

pub(crate) fn symbol(text: &str) -> Symbol {
    Symbol::parse(text).unwrap()
}

pub(crate) fn at(ms: i64) -> EventTime {
    EventTime::from_ms(START + ms)
}

/// A liquidated BTC long on Bybit of so many dollars, known so many milliseconds after the start.
pub(crate) fn liquidation(ms: i64, dollars: i64) -> Liquidation {
    let identity = [ms, dollars]
        .iter()
        .fold(7_u64, |hash, part| hash.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(part.unsigned_abs()));
    Liquidation {
        id: Id::from_bits(identity),
        venue: Venue::Bybit,
        symbol: symbol("BTCUSDT"),
        instrument: Instrument::parse("BTCUSDT").unwrap(),
        side: Side::Long,
        price: 100_000.0,
        price_kind: PriceKind::Bankruptcy,
        quantity: 1.0,
        notional_usd: Usd::from_dollars(dollars),
        event_time_ms: at(ms),
        published_at_ms: None,
        known_at_ms: Some(at(ms)),
        coverage: Coverage::Complete,
        account: None,
    }
}

pub(crate) fn mark(ms: i64, price: f64) -> Mark {
    Mark {
        venue: Venue::Bybit,
        symbol: symbol("BTCUSDT"),
        instrument: Instrument::parse("BTCUSDT").unwrap(),
        mark_price: Some(price),
        index_price: None,
        funding_rate: None,
        funding_interval_h: None,
        next_funding_time_ms: None,
        event_time_ms: Some(at(ms)),
        known_at_ms: Some(at(ms)),
    }
}

pub(crate) fn interest(ms: i64, coins: f64) -> OpenInterest {
    OpenInterest {
        venue: Venue::Bybit,
        symbol: symbol("BTCUSDT"),
        instrument: Instrument::parse("BTCUSDT").unwrap(),
        coins: Some(coins),
        usd: None,
        inverse: false,
        event_time_ms: Some(at(ms)),
        published_at_ms: None,
        known_at_ms: Some(at(ms)),
    }
}

pub(crate) fn gap(stream: GapStream, from: i64, to: i64) -> Gap {
    Gap {
        venue: Venue::Bybit,
        stream,
        symbols: vec![],
        from_ms: at(from),
        to_ms: at(to),
        reason: "closed".into(),
    }
}

pub(crate) fn tick(ms: i64, feeds: &[(Venue, FeedStatus)]) -> Tick {
    Tick {
        event_time_ms: at(ms),
        btc_price: Some(100_000.0),
        btc_usd_volume_1s: None,
        btc_venues_changed: false,
        feeds: feeds.iter().copied().collect::<Feeds>(),
    }
}

/// An engine and everything that it has said.
pub(crate) struct Stream {
    pub(crate) engine: CascadeEngine,
    pub(crate) said: Vec<Finding>,
    pub(crate) feeds: Vec<(Venue, FeedStatus)>,
}

impl Stream {
    pub(crate) fn new() -> Self {
        Self::with(Config::default())
    }

    pub(crate) fn with(config: Config) -> Self {
        let label = config.engine_label();
        let shard = Shard::of(&symbol("BTCUSDT"));
        Self {
            engine: CascadeEngine::new(Arc::new(config), shard, label),
            said: vec![],
            feeds: vec![(Venue::Binance, FeedStatus::Sampled), (Venue::Bybit, FeedStatus::Live)],
        }
    }

    /// A stream that has ticked for two minutes before the start.
    pub(crate) fn warm() -> Self {
        let mut stream = Self::new();
        stream.ticks(-120, 0);
        stream
    }

    pub(crate) fn hear(&mut self, event: &Event) -> Result<(), Refused> {
        self.engine.take(event, &mut self.said)
    }

    pub(crate) fn liquidate(&mut self, liquidation: Liquidation) {
        self.hear(&Event::Liquidation(liquidation)).unwrap();
    }

    pub(crate) fn mark(&mut self, ms: i64, price: f64) {
        self.hear(&Event::Mark(mark(ms, price))).unwrap();
    }

    /// Ticks at the whole seconds of [from, to).
    pub(crate) fn ticks(&mut self, from: i64, to: i64) {
        for second in from..to {
            let tick = tick(second * 1_000, &self.feeds);
            self.hear(&Event::Tick(tick)).unwrap();
        }
    }

    pub(crate) fn cascades(&self) -> Vec<&CascadeFinding> {
        self.said
            .iter()
            .filter_map(|finding| match finding {
                Finding::Cascade(finding) => Some(&**finding),
                Finding::LargeLiquidation(_) | Finding::OpenInterest(_) | Finding::Feed(_) => None,
            })
            .collect()
    }

    pub(crate) fn large(&self) -> Vec<&LargeLiquidation> {
        self.said
            .iter()
            .filter_map(|finding| match finding {
                Finding::LargeLiquidation(finding) => Some(finding),
                Finding::Cascade(_) | Finding::OpenInterest(_) | Finding::Feed(_) => None,
            })
            .collect()
    }

    pub(crate) fn last(&self) -> &CascadeFinding {
        self.cascades().last().copied().unwrap()
    }

    /// State and level of every cascade finding but the one-second updates.
    pub(crate) fn story(&self) -> Vec<(State, Level)> {
        self.cascades()
            .into_iter()
            .filter(|finding| finding.state != State::Update)
            .map(|finding| (finding.state, finding.level))
            .collect()
    }
}
