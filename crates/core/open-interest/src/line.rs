//! One instrument's open interest: which of its samples are believed, and what it was.
//!
//! A sample is believed if what was traded since the last one allows the change that it implies. It waits for the bars
//! of its time; where they can't be had it is believed as it is. One that is not believed is not used; a level that is
//! not believed for a whole window is a new beginning, and no change is taken across it.

use std::collections::VecDeque;

use cascade_domain::{EventTime, Gap, Instrument, TradeBar, Usd, Venue};
use serde::{Deserialize, Serialize};

use crate::coins::{self, Unit};
use crate::span::Span;
use crate::track::Track;
use crate::traded::Traded;

/// Samples that may wait for their bars; a newer one takes the place of the last.
const WAITING: usize = 4;

/// What is held of an instrument: coins, or US dollars where its contracts are of those.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Told {
    Coins,
    Dollars,
}

/// A sample.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Sample {
    /// When it was known.
    pub(crate) at: EventTime,
    /// Of when it is.
    pub(crate) event: EventTime,
    /// When it was heard, by event time.
    pub(crate) heard: EventTime,
    /// Millionths of what is held.
    pub(crate) micros: i128,
    pub(crate) told: Told,
    pub(crate) usd: Option<Usd>,
}

/// The last sample that was believed.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Last {
    pub(crate) at: EventTime,
    event: EventTime,
    pub(crate) units: i64,
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

    /// The last sample that was believed, however old.
    pub(crate) const fn last(&self) -> Option<Last> {
        self.last
    }

    /// The same, if it is fresh.
    pub(crate) fn fresh(&self, now: EventTime, rules: &Rules) -> Option<Last> {
        self.last.filter(|last| now.since(last.at) <= rules.fresh_ms)
    }

    /// Units at the beginning of a span, where enough of it is known.
    pub(crate) fn before(&self, now: EventTime, span: Span, coverage: f64) -> Option<i64> {
        self.track.covered_before(now, span, coverage)
    }

    /// Micro-coins of so many units. What is held in dollars is coins at the price that is given, whenever it was held:
    /// two amounts at one price differ by what was bought and sold, and not by how the price moved.
    pub(crate) fn micros(&self, units: i64, price: Option<f64>) -> Option<i128> {
        let held = self.unit.micros(units);
        match self.told {
            Told::Coins => Some(held),
            Told::Dollars => coins::micros(coins::coins(held) / price?),
        }
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
        let Some(units) = self.units(bar) else { return self.settle(now, rules) };
        self.traded.take(now, bar.open_time_ms, units);
        if let Some(doubt) = &mut self.doubt
            && bar.close_time_ms > doubt.start
        {
            doubt.traded = doubt.traded.saturating_add(units);
        }
        self.settle(now, rules)
    }

    /// Units that a bar's trades come to, the larger whole number; `None` of an amount that is none.
    fn units(&self, bar: &TradeBar) -> Option<u64> {
        let micros = match self.told {
            Told::Coins => coins::micros(bar.buy_quantity + bar.sell_quantity)?,
            Told::Dollars => i128::from(bar.buy_usd.micros()) + i128::from(bar.sell_usd.micros()),
        };
        u64::try_from((micros + self.unit.micros(1) - 1) / self.unit.micros(1)).ok()
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
        let units = self.unit.count(sample.micros).filter(|_| sample.told == self.told);
        let Some(units) = units else { return Verdict::Begins };
        let Some(last) = self.last else { return Verdict::Believed };
        let change = units.abs_diff(last.units);
        let floor = floor(last.units, rules.floor);
        if change <= floor {
            return Verdict::Believed;
        }
        let (traded, is_checked) = if let Some(doubt) = self.doubt {
            (doubt.traded, true)
        } else {
            let start = last.event.plus_ms(-rules.slack_ms);
            (self.traded.sum(start, sample.event), self.traded.covers_from(start))
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

    fn believe(&mut self, sample: &Sample) {
        let Some(units) = self.unit.count(sample.micros) else { return };
        self.last = Some(Last { at: sample.at, event: sample.event, units, usd: sample.usd });
        self.doubt = None;
    }

    fn begin(&mut self, sample: &Sample, now: EventTime) {
        self.track = Track::starting(now);
        let unit = Unit::of(sample.micros);
        if (unit, sample.told) != (self.unit, self.told) {
            self.traded.clear();
        }
        (self.unit, self.told) = (unit, sample.told);
        self.believe(sample);
    }

    fn suspect(&mut self, sample: &Sample, rules: &Rules) {
        if let (None, Some(last)) = (self.doubt, self.last) {
            let start = last.event.plus_ms(-rules.slack_ms);
            let traded = self.traded.sum(start, EventTime::LATEST);
            self.doubt = Some(Doubt { since: sample.at, start, traded });
        }
    }

    /// A gap in samples: what was known within it is not known.
    pub(crate) fn void(&mut self, from: EventTime, to: EventTime) {
        self.track.void(from, to);
        self.waiting.retain(|sample| sample.at > to);
        if self.last.is_some_and(|last| last.at <= to) {
            (self.last, self.doubt) = (None, None);
        }
    }

    /// A gap in trades. What bars do not cover is not checked, so that it ends a doubt as well.
    pub(crate) fn void_trades(&mut self, gap: &Gap) {
        self.traded.void(gap.to_ms);
        if self.doubt.is_some_and(|doubt| gap.to_ms > doubt.start) {
            self.doubt = None;
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
