//! Episodes: told once, again when they grow, resolved when they are over. Knows changes and times, not where they come
//! from.

use cascade_domain::{EventTime, Id, IdHasher, State, Swing, Symbol, Venue};
use serde::{Deserialize, Serialize};

use crate::change::{Changes, Size};

/// What is compared with, of one symbol.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Bars {
    /// Opens.
    pub(crate) threshold: Size,
    /// Above what was told last: told again.
    pub(crate) step: Size,
    /// Below: resolved.
    pub(crate) low: Size,
    /// How many venues must reach them.
    pub(crate) least: usize,
    /// For so long figures may be unknown, milliseconds.
    pub(crate) patience_ms: i64,
}

/// One explosion or collapse, from its onset on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Episode {
    pub(crate) id: Id,
    pub(crate) onset: EventTime,
    pub(crate) direction: Swing,
    pub(crate) revision: u64,
    /// The largest total change by size so far, signed percent.
    pub(crate) peak_pct: f64,
    /// Its strength when it was last told, millionths of a percent.
    told: i128,
    /// Venues that bore it when they last had data.
    bearing: [bool; Venue::ALL.len()],
    /// Since when it is not known whether it is over.
    unknown: Option<EventTime>,
}

impl Episode {
    /// An episode that begins now.
    pub(crate) fn open(symbol: &Symbol, onset: EventTime, direction: Swing) -> Self {
        let id = IdHasher::new("open_interest").text(symbol.as_str()).int(onset.ms()).finish();
        Self {
            id,
            onset,
            direction,
            revision: 0,
            peak_pct: 0.0,
            told: 0,
            bearing: [false; Venue::ALL.len()],
            unknown: None,
        }
    }

    /// Takes the changes as of now and says what there is to tell.
    ///
    /// Where venues that bore it have no data any more, and with them it might go on, it is not known whether it is over.
    pub(crate) fn step(&mut self, now: EventTime, changes: &Changes, bars: &Bars) -> Option<State> {
        if let Some(total) = changes.total().map(|total| total.percent())
            && total.abs() > self.peak_pct.abs()
        {
            self.peak_pct = total;
        }
        let mut silent = 0;
        for (venue, bears) in Venue::ALL.into_iter().zip(&mut self.bearing) {
            match changes.of(venue) {
                Some(change) => *bears = change.reaches(self.direction, bars.low),
                None => silent += usize::from(*bears),
            }
        }
        let bearing = changes.reaching(self.direction, bars.low);
        if bearing < bars.least {
            if bearing + silent < bars.least {
                // Under other settings than before it may be over while nothing is known: then nobody saw it end.
                return Some(if changes.total().is_some() { State::Resolved } else { State::Closed });
            }
            let since = *self.unknown.get_or_insert(now);
            return (now.since(since) > bars.patience_ms).then_some(State::Closed);
        }
        self.unknown = None;
        let strength = changes.strength(self.direction, bars.least).0;
        if self.revision == 0 {
            self.told = strength;
            return Some(State::Open);
        }
        if strength < self.told.saturating_add(bars.step.0) {
            return None;
        }
        self.told = strength;
        Some(State::Update)
    }
}
