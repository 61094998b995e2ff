//! What becomes of the rows of a message after it was tried.
//!
//! Pure: sends nothing and asks nobody.

use std::time::Duration;

use cascade_bus::delivery::{Row, Settled};
use cascade_domain::{AlertReason, Delivery, Ending, EventTime, Id, Phase};
use cascade_notify::{Outcome, Refused};
use cascade_pace::Backoff;
use cascade_wire::{HistoryEntry, HistoryOf, Letter, Receipt};

use crate::destination::Target;

/// The first and the longest wait after a failure, of the dispatchers' clock (alerting.md 3).
const WAITS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));
/// After so many failures the waits grow no more.
const LONGEST_FROM: u32 = 10;

/// A message that was tried.
#[derive(Debug)]
pub(crate) struct Tried<'a> {
    pub(crate) target: &'a Target,
    pub(crate) rows: &'a [Row],
    /// Decides the jitter.
    pub(crate) seed: u64,
    pub(crate) now: EventTime,
}

/// What is written of it.
#[derive(Debug, Default)]
pub(crate) struct Settling {
    pub(crate) rows: Vec<(Id, Settled)>,
    pub(crate) told: Vec<(Id, Option<Receipt>)>,
    pub(crate) close: Option<(String, Duration)>,
    pub(crate) off: Option<String>,
    pub(crate) history: Vec<HistoryEntry>,
}

impl Tried<'_> {
    /// What becomes of the rows by this outcome.
    pub(crate) fn settled(&self, outcome: &Outcome) -> Settling {
        let mut settling = Settling::default();
        self.note_attempt(outcome, &mut settling);
        match outcome {
            Outcome::Sent { receipt, close } => {
                self.sent(receipt, &mut settling);
                settling.close.clone_from(close);
            }
            Outcome::RetryAfter { after, budget } => {
                // No failure: due as before, as soon as the budget is open.
                settling.rows = self.each(|row| Settled::Later(row.delivery.due_ms));
                settling.close = Some((budget.clone(), *after));
            }
            Outcome::Failed(_) | Outcome::Unanswered(_) => settling.rows = self.each(|row| self.again(row)),
            Outcome::Refused { why, said } => self.refused(*why, said, &mut settling),
        }
        for (row, settled) in self.rows.iter().zip(&settling.rows) {
            let (ending, reason) = match &settled.1 {
                Settled::Ended(ending, reason) => (*ending, reason),
                Settled::Dead(letter) => (Ending::Dead, &letter.reason),
                Settled::Again(_) | Settled::Later(_) | Settled::Alone(_) => continue,
            };
            let receipt = match outcome {
                Outcome::Sent { receipt, .. } => Some(receipt.clone()),
                _ => None,
            };
            let destination = row.delivery.destination.clone();
            let what = HistoryOf::End {
                row: row.delivery.row,
                destination,
                ending,
                reason: reason.clone(),
                receipt,
            };
            settling.history.push(HistoryEntry { at_ms: self.now, what });
        }
        settling
    }

    fn each(&self, of: impl Fn(&Row) -> Settled) -> Vec<(Id, Settled)> {
        self.rows.iter().map(|row| (row.delivery.row, of(row))).collect()
    }

    fn note_attempt(&self, outcome: &Outcome, settling: &mut Settling) {
        let said = match outcome {
            Outcome::Sent { receipt, .. } => receipt.message.clone().unwrap_or_default(),
            Outcome::RetryAfter { after, .. } => format!("{} s", after.as_secs_f64()),
            Outcome::Failed(said) | Outcome::Unanswered(said) | Outcome::Refused { said, .. } => said.clone(),
        };
        let what = HistoryOf::Attempt {
            rows: self.rows.iter().map(|row| row.delivery.row).collect(),
            destination: self.target.destination.name.clone(),
            outcome: outcome.as_str().to_owned(),
            said,
        };
        settling.history.push(HistoryEntry { at_ms: self.now, what });
    }

    fn sent(&self, receipt: &Receipt, settling: &mut Settling) {
        settling.rows =
            self.each(|row| Settled::Ended(Ending::Sent, row.delivery.reason.as_str().to_owned()));
        let deliveries = || self.rows.iter().map(|row| &row.delivery);
        let is_one = deliveries().all(|delivery| delivery.alert.id == self.rows[0].delivery.alert.id);
        let receipt = Receipt {
            editable: receipt.editable && is_one,
            settings: Some(self.target.settings),
            ..receipt.clone()
        };
        for delivery in deliveries() {
            let told = (!is_over(delivery)).then(|| receipt.clone());
            // Of an alert that is told twice in one message the last word counts.
            settling.told.retain(|(alert, _)| *alert != delivery.alert.id);
            settling.told.push((delivery.alert.id, told));
        }
    }

    /// After a failure: later, unless it is too old by then.
    fn again(&self, row: &Row) -> Settled {
        let due = self.now.plus_ms(self.wait(row));
        if due < row.delivery.expires_ms {
            Settled::Again(due)
        } else {
            Settled::Ended(Ending::Expired, AlertReason::Stale.as_str().to_owned())
        }
    }

    /// How long after its last failure it is tried again, milliseconds of the clock: 1, 2, 4 s and so on to 60 s, each from
    /// its upper half, and another one for each row.
    fn wait(&self, row: &Row) -> i64 {
        let (first, longest) = WAITS;
        let seed = self.seed ^ row.delivery.row.bits() ^ u64::from(row.attempts);
        let wait = match Backoff::try_new(first, longest, Duration::MAX, seed) {
            Ok(mut backoff) => {
                (0..=row.attempts.min(LONGEST_FROM)).map(|_| backoff.after(Duration::ZERO)).last()
            }
            Err(_) => None,
        };
        i64::try_from(wait.unwrap_or(longest).as_millis()).unwrap_or(i64::MAX)
    }

    fn refused(&self, why: Refused, said: &str, settling: &mut Settling) {
        if is_of_one(why, self.rows) {
            settling.rows = self.each(|row| Settled::Alone(row.delivery.due_ms));
            return;
        }
        settling.rows = self.each(|row| {
            Settled::Dead(Box::new(Letter {
                at_ms: self.now,
                reason: why.as_str().to_owned(),
                said: said.to_owned(),
                attempts: row.attempts.saturating_add(1),
                delivery: row.delivery.clone(),
            }))
        });
        settling.off = why.closes().then(|| off(why.as_str(), said, self.target));
    }
}

/// Whether a refusal is of one row among several, as far as can be told: each is tried alone then, for the good ones must
/// arrive.
pub(crate) const fn is_of_one(why: Refused, rows: &[Row]) -> bool {
    rows.len() > 1 && !why.closes()
}

/// Whether the destination needs to know nothing of the alert any more.
fn is_over(delivery: &Delivery) -> bool {
    delivery.alert.phase == Phase::Resolved
}

/// Why a destination is off, with what its settings were: others may do.
pub(crate) fn off(why: &str, said: &str, target: &Target) -> String {
    let said = if said.is_empty() { String::new() } else { format!(": {said}") };
    format!("{why}{said} {}", off_mark(target))
}

/// The end of why a destination is off that names its settings.
pub(crate) fn off_mark(target: &Target) -> String {
    format!("(settings {})", target.settings)
}

/// Why a destination is off, for people.
pub(crate) fn why_off(off: &str) -> &str {
    off.rsplit_once(" (settings ").map_or(off, |(why, _)| why)
}

#[cfg(test)]
mod tests;
