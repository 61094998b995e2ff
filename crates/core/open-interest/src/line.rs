//! One instrument's open interest: which of its samples are believed, and what it was.
//!
//! A sample is believed if what was traded since the last one allows the change that it implies. It waits for the bars
//! of its time; where they can't be had it is believed as it is. One that is not believed is not used; a level that is
//! not believed for a whole window is a new beginning, and no change is taken across it.

use std::collections::VecDeque;

use cascade_domain::{EventTime, Gap, Instrument, TradeBar, Usd, Venue};
use serde::{Deserialize, Serialize};

use crate::coins::Unit;
use crate::span::Span;
use crate::track::Track;
use crate::traded::{Traded, quantity};

/// Samples that may wait for their bars; a newer one takes the place of the last.
const WAITING: usize = 4;

/// What the venue tells: coins, or US dollars that we make coins of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Told {
    Coins,
    Dollars,
}

/// A sample in coins.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Sample {
    /// When it was known.
    pub(crate) at: EventTime,
    /// Of when it is.
    pub(crate) event: EventTime,
    /// When it was heard, by event time.
    pub(crate) heard: EventTime,
    pub(crate) micros: i128,
    pub(crate) told: Told,
    pub(crate) usd: Option<Usd>,
}

/// The last sample that was believed.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Last {
    pub(crate) at: EventTime,
    event: EventTime,
    units: i64,
    pub(crate) usd: Option<Usd>,
}

/// Samples are not believed.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Doubt {
    /// Since when.
    since: EventTime,
    /// From when on trades count that would make them believable.
    start: EventTime,
    /// Units of those.
    traded: u64,
    /// Some of them were not heard.
    is_void: bool,
}

/// What is believed; the settings, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    pub(crate) fresh_ms: i64,
    pub(crate) slack_ms: i64,
    pub(crate) wait_ms: i64,
    pub(crate) window_ms: i64,
    /// A fraction of the last sample.
    pub(crate) floor: f64,
}

enum Verdict {
    Believed,
    Waits,
    Suspect,
    /// It has nothing to do with what was before.
    Begins,
}

/// One instrument of one venue.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) venue: Venue,
    pub(crate) instrument: Instrument,
    /// When a sample was last heard.
    pub(crate) heard: EventTime,
    unit: Unit,
    told: Told,
    last: Option<Last>,
    waiting: VecDeque<Sample>,
    doubt: Option<Doubt>,
    traded: Traded,
    track: Track,
}

impl Line {
    /// A line that begins with its first sample.
    pub(crate) fn new(venue: Venue, instrument: Instrument, first: &Sample) -> Self {
        Self {
            venue,
            instrument,
            heard: first.heard,
            unit: Unit::of(first.micros),
            told: first.told,
            last: None,
            waiting: VecDeque::new(),
            doubt: None,
            traded: Traded::default(),
            track: Track::starting(first.heard),
        }
    }

    /// Whether its samples are not believed at present.
    pub(crate) const fn is_suspect(&self) -> bool {
        self.doubt.is_some()
    }

    /// The last sample that was believed, however old, with its micro-coins.
    pub(crate) fn last(&self) -> Option<(Last, i128)> {
        self.last.map(|last| (last, self.unit.micros(last.units)))
    }

    /// The same, if it is fresh.
    pub(crate) fn fresh(&self, now: EventTime, rules: &Rules) -> Option<(Last, i128)> {
        self.last().filter(|(last, _)| now.since(last.at) <= rules.fresh_ms)
    }

    /// Micro-coins at the beginning of a span, where enough of it is known.
    pub(crate) fn before(&self, now: EventTime, span: Span, coverage: f64) -> Option<i128> {
        self.track.covered_before(now, span, coverage).map(|units| self.unit.micros(units))
    }

    /// Samples every moment before `now`.
    pub(crate) fn advance(&mut self, now: EventTime, rules: &Rules) {
        let (last, fresh) = (self.last, 0..=rules.fresh_ms);
        self.track.advance(now, |moment| {
            last.filter(|last| fresh.contains(&moment.since(last.at))).map(|last| last.units)
        });
    }

    /// Takes a sample; one that is older than what is held, by when it was known or by the venue's own time, is no news.
    /// Says how many samples turned out to be suspect.
    pub(crate) fn take(&mut self, sample: Sample, rules: &Rules) -> u64 {
        self.heard = self.heard.max(sample.heard);
        let newest = self.waiting.back().map(|newest| (newest.at, newest.event));
        let newest = newest.or(self.last.map(|last| (last.at, last.event)));
        if newest.is_some_and(|(at, event)| sample.at < at || sample.event < event) {
            return 0;
        }
        if self.waiting.len() >= WAITING {
            self.waiting.pop_back();
        }
        self.waiting.push_back(sample);
        self.settle(sample.heard, rules)
    }

    /// Takes a second of trades.
    pub(crate) fn trade_bar(&mut self, now: EventTime, bar: &TradeBar, rules: &Rules) -> u64 {
        self.traded.take(now, bar, self.unit);
        if let Some(doubt) = &mut self.doubt
            && bar.close_time_ms > doubt.start
        {
            doubt.traded = doubt.traded.saturating_add(quantity(bar, self.unit).unwrap_or(0));
        }
        self.settle(now, rules)
    }

    /// Judges the samples that wait, as of `now`. Says how many turned out to be suspect.
    pub(crate) fn settle(&mut self, now: EventTime, rules: &Rules) -> u64 {
        let mut suspects = 0;
        while let Some(sample) = self.waiting.front().copied() {
            let is_over = now.since(sample.heard) >= rules.wait_ms;
            match self.judge(&sample, is_over, rules) {
                Verdict::Waits => break,
                Verdict::Believed => self.believe(&sample),
                Verdict::Begins => self.begin(&sample, now),
                Verdict::Suspect => {
                    suspects += 1;
                    self.suspect(&sample, rules);
                }
            }
            self.waiting.pop_front();
        }
        suspects
    }

    fn judge(&self, sample: &Sample, is_over: bool, rules: &Rules) -> Verdict {
        let Some(last) = self.last else {
            return if self.doubt.is_some() { Verdict::Begins } else { self.fits(sample) };
        };
        if sample.told != self.told || self.unit.count(sample.micros).is_none() {
            return Verdict::Begins;
        }
        let change = self.change(&last, sample);
        let floor = floor(last.units, rules.floor);
        if change <= floor {
            return Verdict::Believed;
        }
        let (traded, is_checked) = match self.doubt {
            Some(Doubt { is_void: true, .. }) => return Verdict::Begins,
            Some(doubt) => (doubt.traded, true),
            None => {
                let start = last.event.plus_ms(-rules.slack_ms);
                (self.traded.sum(start, sample.event), self.traded.covers_from(start))
            }
        };
        if !is_checked || change <= traded.saturating_add(floor) {
            return Verdict::Believed;
        }
        let reaches = self.traded.reaches(sample.event);
        match self.doubt {
            _ if !reaches && !is_over => Verdict::Waits,
            None if !reaches => Verdict::Believed,
            Some(doubt) if sample.at.since(doubt.since) >= rules.window_ms => Verdict::Begins,
            Some(_) | None => Verdict::Suspect,
        }
    }

    fn fits(&self, sample: &Sample) -> Verdict {
        let fits = sample.told == self.told && self.unit.count(sample.micros).is_some();
        if fits { Verdict::Believed } else { Verdict::Begins }
    }

    /// Units by which a sample differs from the last one. Where both tell their dollars too, the lesser of what coins and
    /// dollars, at the price of now, differ by: a price that moves trades nothing, and leaves the one alone or the other.
    fn change(&self, last: &Last, sample: &Sample) -> u64 {
        let coins = self.unit.count(sample.micros).map_or(u64::MAX, |units| units.abs_diff(last.units));
        let dollars = last.usd.zip(sample.usd).filter(|(_, after)| *after > Usd::ZERO);
        let Some((before, after)) = dollars else { return coins };
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            reason = "a cast saturates, and what is compared with it allows for more than it loses"
        )]
        let worth = ((after - before).micros().unsigned_abs() as f64 * sample.micros as f64
            / after.micros() as f64) as i128;
        coins.min(u64::try_from(worth / self.unit.micros(1)).unwrap_or(u64::MAX))
    }

    fn believe(&mut self, sample: &Sample) {
        let Some(units) = self.unit.count(sample.micros) else { return };
        self.last = Some(Last { at: sample.at, event: sample.event, units, usd: sample.usd });
        self.doubt = None;
    }

    fn begin(&mut self, sample: &Sample, now: EventTime) {
        self.track = Track::starting(now);
        let unit = Unit::of(sample.micros);
        if unit != self.unit {
            self.traded.clear();
        }
        (self.unit, self.told) = (unit, sample.told);
        self.believe(sample);
    }

    fn suspect(&mut self, sample: &Sample, rules: &Rules) {
        if let (None, Some(last)) = (self.doubt, self.last) {
            let start = last.event.plus_ms(-rules.slack_ms);
            let traded = self.traded.sum(start, EventTime::LATEST);
            self.doubt = Some(Doubt { since: sample.at, start, traded, is_void: false });
        }
    }

    /// A gap in samples: what was known within it is not known.
    pub(crate) fn void(&mut self, from: EventTime, to: EventTime) {
        self.track.void(from, to);
        self.waiting.retain(|sample| sample.at > to);
        if self.last.is_some_and(|last| last.at <= to) {
            self.last = None;
        }
    }

    /// A gap in trades.
    pub(crate) fn void_trades(&mut self, gap: &Gap) {
        self.traded.void(gap.to_ms);
        if let Some(doubt) = &mut self.doubt
            && gap.to_ms > doubt.start
        {
            doubt.is_void = true;
        }
    }

    /// Bytes that it takes, buffers included.
    pub(crate) fn bytes(&self) -> usize {
        size_of::<Self>()
            + self.track.bytes()
            + self.traded.bytes()
            + self.waiting.capacity() * size_of::<Sample>()
    }
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of a number that is not negative; a cast saturates"
)]
fn floor(units: i64, share: f64) -> u64 {
    (units as f64 * share) as u64
}
