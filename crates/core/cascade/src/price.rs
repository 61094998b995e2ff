//! The reference price of one symbol, its changes over 60 s and 15 min, and its funding rate.

use cascade_domain::{EventTime, Feeds, Mark, Venue};
use cascade_engine::{Board, Series};
use serde::{Deserialize, Serialize};

use crate::config::Samples;
use crate::minutes::{self, Minutes};
use crate::regime::Course;

const STEP_MS: i64 = 1_000;
const STEPS_A_MINUTE: i64 = minutes::STEP_MS / STEP_MS;
/// The spans over which changes are taken, in samples.
const SPANS: [usize; 2] = [60, 900];
/// The longest span, milliseconds.
pub(crate) const LONGEST_MS: i64 = 900_000;
/// Hours to which funding is normalised.
const FUNDING_H: f64 = 8.0;

const NEVER: EventTime = EventTime::from_ms(i64::MAX);

/// Which change of the reference price.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Span {
    Minute,
    Quarter,
}

/// Marks and funding of one symbol.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Price {
    marks: Board,
    funding: Board,
    series: Series,
    minutes: Minutes,
    heard: bool,
    /// The reference price, and from when and until when it holds.
    reference: Option<f64>,
    since: EventTime,
    until: EventTime,
    /// The funding rate, and until when it holds.
    rate: Option<f64>,
    rate_until: EventTime,
    /// The whole second of the last advance, and the reference price before each span as of then.
    second: EventTime,
    before: [Option<f64>; SPANS.len()],
}

impl Default for Price {
    fn default() -> Self {
        Self {
            marks: Board::default(),
            funding: Board::default(),
            series: Series::new(STEP_MS, &SPANS),
            minutes: Minutes::default(),
            heard: false,
            reference: None,
            since: NEVER,
            until: NEVER,
            rate: None,
            rate_until: EventTime::from_ms(i64::MIN),
            second: EventTime::from_ms(0),
            before: [None; SPANS.len()],
        }
    }
}

impl Price {
    /// Whether a mark price was ever heard.
    pub(crate) const fn heard(&self) -> bool {
        self.heard
    }

    /// Median over live venues of their fresh marks, as of the last [`Price::advance`] or mark.
    pub(crate) const fn reference(&self) -> Option<f64> {
        self.reference
    }

    /// Samples every second that has passed, and lets marks that have grown old go.
    #[inline]
    pub(crate) fn advance(&mut self, now: EventTime, feeds: &Feeds, samples: &Samples) {
        if !self.heard {
            return;
        }
        let due = self.series.due(now);
        if due.is_empty() && now.second() == self.second && now <= self.until {
            return;
        }
        for step in due {
            let moment = self.series.moment(step);
            let reference = if (self.since..=self.until).contains(&moment) {
                self.reference
            } else {
                self.marks.median(moment, age_ms(samples.mark_s), feeds).0
            };
            self.series.record(step, reference);
            if step.rem_euclid(STEPS_A_MINUTE) == 0 {
                self.minutes.record(step.div_euclid(STEPS_A_MINUTE), reference);
            }
        }
        if now > self.until {
            self.refresh(now, feeds, samples);
        }
        self.second = now.second();
        self.before = std::array::from_fn(|span| self.series.before(now, span, samples.coverage));
    }

    /// Takes a mark; what it does not carry is left as it was. A funding rate without its interval says nothing.
    pub(crate) fn take(&mut self, at: EventTime, mark: &Mark) {
        if let Some(price) = mark.mark_price {
            self.heard = true;
            self.marks.put(mark.venue, &mark.instrument, at, price);
        }
        if let Some((rate, interval)) = mark.funding_rate.zip(mark.funding_interval_h) {
            self.rate_until = EventTime::from_ms(i64::MIN);
            self.funding.put(mark.venue, &mark.instrument, at, rate * (FUNDING_H / interval));
        }
    }

    /// Works the reference price out anew, after a mark or a change of feeds.
    pub(crate) fn refresh(&mut self, now: EventTime, feeds: &Feeds, samples: &Samples) {
        (self.reference, self.until) = self.marks.median(now, age_ms(samples.mark_s), feeds);
        self.since = now;
    }

    /// Takes nothing that was worked out for granted any more: feeds changed, or what a venue gave was forgotten.
    pub(crate) fn forget_medians(&mut self) {
        self.since = NEVER;
        self.rate_until = EventTime::from_ms(i64::MIN);
    }

    /// Forgets what a venue gave up to the end of a gap.
    pub(crate) fn void(&mut self, venue: Venue, to: EventTime) {
        self.marks.void(venue, to);
        self.funding.void(venue, to);
    }

    /// Change of the reference price over a span as of the last [`Price::advance`], a signed fraction; unknown without fresh
    /// ends and coverage.
    #[inline]
    pub(crate) fn change(&self, span: Span) -> Option<f64> {
        change(self.before[span as usize]?, self.reference?)
    }

    /// How the reference price went over the last twenty minutes, as of the last [`Price::advance`].
    pub(crate) fn course(&self, now: EventTime, samples: &Samples) -> Option<Course> {
        self.minutes.course(now, samples.coverage)
    }

    /// Funding rate per 8 h, a signed fraction: the median over live venues.
    #[inline]
    pub(crate) fn funding(&mut self, now: EventTime, feeds: &Feeds, samples: &Samples) -> Option<f64> {
        if now > self.rate_until {
            (self.rate, self.rate_until) = self.funding.median(now, age_ms(samples.funding_s), feeds);
        }
        self.rate
    }
}

/// Seconds of a setting as milliseconds.
pub(crate) fn age_ms(seconds: u32) -> i64 {
    i64::from(seconds) * 1_000
}

/// Relative change between two prices.
pub(crate) fn change(before: f64, after: f64) -> Option<f64> {
    let change = (after - before) / before;
    change.is_finite().then_some(change)
}
