//! The reference price of one symbol, what it was at the beginning of each span, and the venues' funding rates.

use cascade_domain::{EventTime, Feeds, Mark, Venue};
use cascade_engine::{Board, Chosen};
use serde::{Deserialize, Serialize};

use crate::config::Samples;
use crate::span::Span;
use crate::track::Track;

/// A funding rate as its venue tells it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Rate {
    /// A signed fraction per interval.
    pub(crate) fraction: f64,
    pub(crate) interval_h: f64,
    pub(crate) next: Option<EventTime>,
}

/// Marks and funding of one symbol.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Price {
    marks: Board,
    rates: Board<Rate>,
    /// The bits of the reference price, which are in order as prices are, and small differences apart.
    track: Track,
}

impl Price {
    /// A price that is sampled from now on.
    pub(crate) fn starting(now: EventTime) -> Self {
        Self { marks: Board::default(), rates: Board::default(), track: Track::starting(now) }
    }

    /// Whether a mark price or a funding rate is held.
    pub(crate) fn is_empty(&self) -> bool {
        self.marks.is_empty() && self.rates.is_empty()
    }

    /// Whether a venue has told a funding rate.
    pub(crate) fn has_funding(&self) -> bool {
        !self.rates.is_empty()
    }

    /// Samples every moment before `now`.
    pub(crate) fn advance(&mut self, now: EventTime, feeds: &Feeds, samples: &Samples) {
        let (marks, age) = (&self.marks, age_ms(samples.mark_s));
        self.track.advance(now, |moment| {
            let (price, _) = marks.median(moment, age, feeds);
            price.and_then(|price| i64::try_from(price.to_bits()).ok())
        });
    }

    /// Takes a mark; what it does not carry is left as it was. A funding rate without its interval says nothing.
    pub(crate) fn take(&mut self, at: EventTime, mark: &Mark) {
        if let Some(price) = mark.mark_price {
            self.marks.put(mark.venue, &mark.instrument, at, price);
        }
        if let Some((rate, interval_h)) = mark.funding_rate.zip(mark.funding_interval_h) {
            let rate = Rate { fraction: rate, interval_h, next: mark.next_funding_time_ms };
            self.rates.put(mark.venue, &mark.instrument, at, rate);
        }
    }

    /// The reference price: the median over live venues of their fresh marks.
    pub(crate) fn reference(&self, now: EventTime, feeds: &Feeds, samples: &Samples) -> Option<f64> {
        self.marks.median(now, age_ms(samples.mark_s), feeds).0
    }

    /// The reference price at the beginning of a span that ends at `now`, if it was known at that moment.
    pub(crate) fn before(&self, now: EventTime, span: Span) -> Option<f64> {
        self.track.before(now, span).map(price)
    }

    /// Change of the reference price over a span, a signed fraction; unknown without both ends and coverage.
    pub(crate) fn change(&self, now: EventTime, span: Span, after: f64, coverage: f64) -> Option<f64> {
        let before = price(self.track.covered_before(now, span, coverage)?);
        let change = (after - before) / before;
        change.is_finite().then_some(change)
    }

    /// Each live venue's first instrument with a fresh rate.
    pub(crate) fn funding(
        &self,
        now: EventTime,
        feeds: &Feeds,
        samples: &Samples,
    ) -> impl Iterator<Item = Chosen<Rate>> {
        self.rates.chosen(now, age_ms(samples.funding_s), feeds)
    }

    /// Forgets what a venue gave up to the end of a gap.
    pub(crate) fn void(&mut self, venue: Venue, to: EventTime) {
        self.marks.void(venue, to);
        self.rates.void(venue, to);
    }

    /// Forgets what every venue gave up to the end of a hole in all that was heard, and what was sampled within it.
    pub(crate) fn void_all(&mut self, from: EventTime, to: EventTime) {
        for venue in Venue::ALL {
            self.void(venue, to);
        }
        self.track.void(from, to);
    }

    /// Bytes that its buffers take.
    pub(crate) fn bytes(&self) -> usize {
        self.track.bytes()
    }
}

fn price(bits: i64) -> f64 {
    f64::from_bits(bits.cast_unsigned())
}

/// Seconds of a setting as milliseconds.
pub(crate) fn age_ms(seconds: u32) -> i64 {
    i64::from(seconds) * 1_000
}
