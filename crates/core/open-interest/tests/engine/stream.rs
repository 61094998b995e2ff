//! A stream as a test writes it: samples, marks, bars and ticks by their times, and what the engine said.

use std::collections::BTreeMap;
use std::sync::Arc;

use cascade_domain::{
    Event, EventTime, FeedStatus, Feeds, Finding, Gap, GapStream, Instrument, InterestChangeReading,
    InterestFinding, InterestReading, Mark, OpenInterest, Shard, State, Swing, Symbol, Tick, TradeBar, Usd,
    Venue,
};
use cascade_engine::{Engine, Refused};
use cascade_open_interest::{Config, OpenInterestEngine};

/// A whole day, far enough in the past.
pub(crate) const START: i64 = 1_790_035_200_000;

pub(crate) fn symbol(text: &str) -> Symbol {
    Symbol::parse(text).unwrap()
}

pub(crate) fn instrument(text: &str) -> Instrument {
    Instrument::parse(text).unwrap()
}

pub(crate) fn at(ms: i64) -> EventTime {
    EventTime::from_ms(START + ms)
}

pub(crate) fn sample(ms: i64, venue: Venue, name: &str, coins: f64) -> OpenInterest {
    OpenInterest {
        venue,
        symbol: symbol(name),
        instrument: instrument(name),
        coins: Some(coins),
        usd: None,
        inverse: false,
        event_time_ms: Some(at(ms)),
        published_at_ms: None,
        known_at_ms: Some(at(ms)),
    }
}

pub(crate) fn mark(ms: i64, venue: Venue, name: &str, price: f64) -> Mark {
    Mark {
        venue,
        symbol: symbol(name),
        instrument: instrument(name),
        mark_price: Some(price),
        index_price: None,
        funding_rate: None,
        funding_interval_h: None,
        next_funding_time_ms: None,
        event_time_ms: Some(at(ms)),
        known_at_ms: Some(at(ms)),
    }
}

/// The second that begins at `ms`, in which so many coins were traded; known a second after its end.
pub(crate) fn bar(ms: i64, venue: Venue, name: &str, coins: f64) -> TradeBar {
    TradeBar {
        venue,
        symbol: symbol(name),
        instrument: instrument(name),
        open_time_ms: at(ms),
        close_time_ms: at(ms + 1_000),
        open: 1.0,
        high: 1.0,
        low: 1.0,
        close: 1.0,
        buy_quantity: coins * 0.25,
        sell_quantity: coins * 0.75,
        buy_usd: Usd::ZERO,
        sell_usd: Usd::ZERO,
        trades: 1,
        largest_usd: Usd::ZERO,
        known_at_ms: Some(at(ms + 2_000)),
    }
}

pub(crate) fn gap(stream: GapStream, venue: Venue, from: i64, to: i64) -> Gap {
    Gap { venue, stream, symbols: vec![], from_ms: at(from), to_ms: at(to), reason: "closed".into() }
}

pub(crate) fn tick(ms: i64, feeds: &[(Venue, FeedStatus)]) -> Tick {
    Tick {
        event_time_ms: at(ms),
        btc_price: None,
        btc_usd_volume_1s: None,
        btc_venues_changed: false,
        feeds: feeds.iter().copied().collect::<Feeds>(),
    }
}

pub(crate) const FEEDS: [(Venue, FeedStatus); 4] = [
    (Venue::Binance, FeedStatus::Sampled),
    (Venue::Bybit, FeedStatus::Live),
    (Venue::Okx, FeedStatus::Sampled),
    (Venue::Hyperliquid, FeedStatus::Partial),
];

/// An engine, what the venues hold, and everything that was said.
pub(crate) struct Stream {
    pub(crate) engine: OpenInterestEngine,
    pub(crate) said: Vec<Finding>,
    pub(crate) feeds: Vec<(Venue, FeedStatus)>,
    /// The market that is told of.
    pub(crate) name: String,
    /// What is told each five seconds: coins by venue and instrument.
    pub(crate) held: BTreeMap<(Venue, String), f64>,
    /// The mark that every venue of `marked` tells each second; none if it is 0.
    pub(crate) price: f64,
    pub(crate) marked: Vec<Venue>,
    /// The next second to be told.
    pub(crate) second: i64,
}

impl Stream {
    pub(crate) fn new(name: &str) -> Self {
        Self::with(name, Config::default())
    }

    pub(crate) fn with(name: &str, config: Config) -> Self {
        let label = config.engine_label();
        assert_eq!(config.refusals(), []);
        Self {
            engine: OpenInterestEngine::new(Arc::new(config), Shard::of(&symbol(name)), label),
            said: vec![],
            feeds: FEEDS.to_vec(),
            name: name.into(),
            held: BTreeMap::new(),
            price: 100.0,
            marked: vec![Venue::Binance, Venue::Bybit, Venue::Okx],
            second: 0,
        }
    }

    /// Venues that hold so many coins, each in its main instrument.
    pub(crate) fn holding(mut self, held: &[(Venue, f64)]) -> Self {
        self.hold(held);
        self
    }

    pub(crate) fn hold(&mut self, held: &[(Venue, f64)]) {
        for (venue, coins) in held {
            self.held.insert((*venue, self.name.clone()), *coins);
        }
    }

    pub(crate) fn hear(&mut self, event: &Event) -> Result<(), Refused> {
        self.engine.take(event, &mut self.said)
    }

    pub(crate) fn sample(&mut self, sample: OpenInterest) {
        self.hear(&Event::OpenInterest(sample)).unwrap();
    }

    pub(crate) fn bar(&mut self, bar: TradeBar) {
        self.hear(&Event::TradeBar(bar)).unwrap();
    }

    /// Tells what is held from the next second on, up to `second` and not including it: samples each five seconds, marks
    /// and a tick each second, in this order.
    pub(crate) fn run_to(&mut self, second: i64) {
        while self.second < second {
            self.tell_samples();
            self.tell_rest();
        }
    }

    /// Goes on at a second, nothing but a tick having been heard before it.
    pub(crate) fn skip_to(&mut self, second: i64) {
        let tick = tick(second * 1_000 - 1, &self.feeds);
        self.hear(&Event::Tick(tick)).unwrap();
        self.second = second;
    }

    pub(crate) fn tell_samples(&mut self) {
        let ms = self.second * 1_000;
        if self.second % 5 == 0 {
            for ((venue, instrument_name), coins) in self.held.clone() {
                let sample = sample(ms, venue, &self.name, coins);
                self.sample(OpenInterest { instrument: instrument(&instrument_name), ..sample });
            }
        }
    }

    /// Marks and the tick of this second.
    pub(crate) fn tell_rest(&mut self) {
        let ms = self.second * 1_000;
        if self.price > 0.0 {
            for venue in self.marked.clone() {
                self.hear(&Event::Mark(mark(ms, venue, &self.name, self.price))).unwrap();
            }
        }
        let tick = tick(ms, &self.feeds);
        self.hear(&Event::Tick(tick)).unwrap();
        self.second += 1;
    }

    pub(crate) fn findings(&self) -> Vec<&InterestFinding> {
        self.said
            .iter()
            .filter_map(|finding| match finding {
                Finding::OpenInterest(finding) => Some(&**finding),
                Finding::Cascade(_) | Finding::LargeLiquidation(_) | Finding::Feed(_) => None,
            })
            .collect()
    }

    pub(crate) fn last(&self) -> &InterestFinding {
        self.findings().last().copied().unwrap()
    }

    /// State and direction of everything that was said.
    pub(crate) fn story(&self) -> Vec<(State, Swing)> {
        self.findings().into_iter().map(|finding| (finding.state, finding.direction)).collect()
    }

    pub(crate) fn current(&self) -> InterestReading {
        self.engine.current(&symbol(&self.name)).unwrap()
    }

    pub(crate) fn changes(&self) -> InterestChangeReading {
        self.engine.changes(&symbol(&self.name)).unwrap()
    }

    /// The change over a span, percent, if one is known.
    pub(crate) fn change(&self, span: &str) -> Option<f64> {
        self.changes().spans.get(span).map(|span| span.change_pct)
    }
}
