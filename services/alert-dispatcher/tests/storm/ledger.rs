//! What the history says, read from its stream: what was decided once, which messages left in which order, and how late.

use std::collections::{BTreeMap, BTreeSet};

use cascade_bus::{Bus, StreamId};
use cascade_domain::{AlertReason, EventTime, Id, Priority};
use cascade_wire::HistoryOf;

use crate::Failure;

/// How many entries are read at once.
const PAGE: usize = 2000;

/// A row as it was decided.
#[derive(Clone, Debug)]
pub(crate) struct Decided {
    pub(crate) revision: Id,
    pub(crate) destination: String,
    pub(crate) reason: AlertReason,
    pub(crate) is_told: bool,
    /// Where in the history.
    pub(crate) place: usize,
}

/// A message that was tried.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub(crate) rows: Vec<Id>,
    pub(crate) destination: String,
    pub(crate) outcome: String,
    pub(crate) at: EventTime,
    pub(crate) place: usize,
}

/// The whole history.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// Of each revision its priority and when it was known.
    pub(crate) alerts: BTreeMap<Id, (Priority, EventTime)>,
    /// How often each revision was taken.
    pub(crate) taken: BTreeMap<Id, u64>,
    pub(crate) decided: BTreeMap<Id, Vec<Decided>>,
    pub(crate) attempts: Vec<Attempt>,
    /// How often each row ended.
    pub(crate) ended: BTreeMap<Id, u64>,
}

impl Ledger {
    /// Reads it all.
    pub(crate) async fn read(bus: &Bus) -> Result<Self, Failure> {
        let (mut ledger, mut after, mut place) = (Self::default(), StreamId::ZERO, 0);
        loop {
            let page = bus.history(after, PAGE).await?;
            let Some((last, _)) = page.last() else { return Ok(ledger) };
            after = *last;
            for (_, entry) in page {
                let entry = entry?;
                ledger.note(entry.at_ms, entry.what, place);
                place += 1;
            }
        }
    }

    pub(crate) fn note(&mut self, at: EventTime, what: HistoryOf, place: usize) {
        match what {
            HistoryOf::Alert { revision, priority, known_at_ms, .. } => {
                self.alerts.insert(revision, (priority, known_at_ms));
                *self.taken.entry(revision).or_default() += 1;
            }
            HistoryOf::Decision { row, revision, destination, reason, ending } => {
                let decided = Decided { revision, destination, reason, is_told: ending.is_none(), place };
                self.decided.entry(row).or_default().push(decided);
            }
            HistoryOf::Attempt { rows, destination, outcome, .. } => {
                self.attempts.push(Attempt { rows, destination, outcome, at, place });
            }
            HistoryOf::End { row, .. } => *self.ended.entry(row).or_default() += 1,
            HistoryOf::Order { .. } | HistoryOf::Letters { .. } => {}
        }
    }

    /// How many messages to a destination had this outcome.
    pub(crate) fn count(&self, destination: &str, outcome: &str) -> u64 {
        let is_it = |attempt: &&Attempt| attempt.destination == destination && attempt.outcome == outcome;
        u64::try_from(self.attempts.iter().filter(is_it).count()).unwrap_or(u64::MAX)
    }

    /// The priority in which a row was told.
    fn priority(&self, row: Id) -> Option<Priority> {
        let decided = self.decided.get(&row)?.first()?;
        Some(self.alerts.get(&decided.revision)?.0)
    }

    /// Rows that were told at once, that is HIGH and not as an edit, with their first attempt, where there was one.
    fn urgent(&self) -> impl Iterator<Item = (&Decided, Option<&Attempt>)> {
        let mut first: BTreeMap<Id, &Attempt> = BTreeMap::new();
        for attempt in &self.attempts {
            for row in &attempt.rows {
                first.entry(*row).or_insert(attempt);
            }
        }
        self.decided.iter().filter_map(move |(row, decided)| {
            let decided = decided.first()?;
            let at_once =
                matches!(decided.reason, AlertReason::First | AlertReason::Worse) && decided.is_told;
            let is_urgent = at_once && self.priority(*row) == Some(Priority::High);
            is_urgent.then(|| (decided, first.get(row).copied()))
        })
    }

    /// How late HIGH was at a door and answered there, milliseconds, sorted: from when it was known until the answer.
    pub(crate) fn lateness(&self, destination: &str) -> Vec<i64> {
        let late = self.urgent().filter(|(decided, _)| decided.destination == destination).filter_map(
            |(decided, attempt)| {
                let (_, known) = self.alerts.get(&decided.revision)?;
                Some(attempt?.at.since(*known))
            },
        );
        let mut late: Vec<i64> = late.collect();
        late.sort_unstable();
        late
    }

    /// Of HIGH rows the one that waited for most messages of other lanes: for how many, and where. One message that was
    /// under way already is none of them.
    pub(crate) fn longest_wait(&self) -> (usize, String) {
        let mut ordinary: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for attempt in self.attempts.iter().filter(|attempt| attempt.outcome != "ambiguous") {
            let is_urgent = attempt.rows.iter().any(|row| self.priority(*row) == Some(Priority::High));
            if !is_urgent {
                ordinary.entry(&attempt.destination).or_default().push(attempt.place);
            }
        }
        let waits = self.urgent().filter_map(|(decided, attempt)| {
            let places = ordinary.get(decided.destination.as_str())?;
            let until = attempt?.place;
            let passed =
                places.partition_point(|p| *p < until) - places.partition_point(|p| *p < decided.place);
            Some((passed.saturating_sub(1), decided.destination.clone()))
        });
        waits.max().unwrap_or_default()
    }

    /// Rows that were tried again after they were sent.
    pub(crate) fn tried_after_sent(&self) -> BTreeSet<Id> {
        let (mut sent, mut again) = (BTreeSet::new(), BTreeSet::new());
        for attempt in &self.attempts {
            for row in &attempt.rows {
                if sent.contains(row) {
                    again.insert(*row);
                }
                if attempt.outcome == "sent" {
                    sent.insert(*row);
                }
            }
        }
        again
    }
}

/// The value below which this share of them lies; 0 of none.
pub(crate) fn quantile(sorted: &[i64], hundredths: usize) -> i64 {
    let at = (sorted.len() * hundredths).div_ceil(100).max(1) - 1;
    sorted.get(at).or(sorted.last()).copied().unwrap_or(0)
}
