//! What follows from some findings and orders: decisions, and what the history says of them.
//!
//! Asks nobody: the policy decides, this keeps the account.

use std::collections::BTreeSet;
use std::sync::Arc;

use cascade_alerting::Policy;
use cascade_domain::{Alert, Ask, Decision, Delivery, Ending, EventTime, Finding, Id, Order};
use cascade_message::title;
use cascade_service::{Metric, Metrics};
use cascade_wire::{HistoryEntry, HistoryOf};

/// So many decisions are written at once at most; what one finding leads to is never cut.
const MOST: usize = 500;

/// What is to be written together.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) decisions: Vec<Decision>,
    pub(crate) history: Vec<HistoryEntry>,
    /// The revisions that the history tells of here.
    told: BTreeSet<Id>,
    /// What was asked, for the count.
    asked: Vec<&'static str>,
    /// When the oldest of its findings was known.
    pub(crate) oldest: Option<EventTime>,
}

impl Batch {
    /// Whether enough was decided to be written.
    pub(crate) fn is_full(&self) -> bool {
        self.decisions.len() >= MOST
    }

    /// Whether anything is worth writing but places in streams.
    pub(crate) fn is_empty(&self) -> bool {
        self.decisions.is_empty() && self.history.is_empty() && self.asked.is_empty()
    }

    /// Decides on a finding.
    pub(crate) fn take(&mut self, finding: &Finding, policy: &mut Policy, now: EventTime) {
        let Some(alert) = Alert::of(finding).map(Arc::new) else { return };
        let known = alert.known_at_ms;
        self.oldest = Some(self.oldest.map_or(known, |oldest| oldest.min(known)));
        let from = self.decisions.len();
        policy.take(&alert, now, &mut self.decisions);
        self.note(from, now);
    }

    /// Does what is asked; `Err` = why it makes no sense.
    pub(crate) fn order(&mut self, order: &Order, policy: &mut Policy, now: EventTime) -> Result<(), String> {
        self.asked.push(order.what.as_str());
        let from = self.decisions.len();
        let obeyed = policy.order(order, now, &mut self.decisions);
        // The watchdog's sign of life is in the history by its alert.
        if !matches!(order.what, Ask::Watchdog { .. }) {
            let what = HistoryOf::Order { given: order.clone(), refused: obeyed.as_ref().err().cloned() };
            self.history.push(HistoryEntry { at_ms: now, what });
        }
        self.note(from, now);
        obeyed
    }

    /// Does what is due.
    pub(crate) fn tick(&mut self, policy: &mut Policy, now: EventTime) {
        let from = self.decisions.len();
        policy.tick(now, &mut self.decisions);
        self.note(from, now);
    }

    /// Tells the history of the decisions from this one on: each alert's revision before what was decided of it.
    fn note(&mut self, from: usize, now: EventTime) {
        let mut say = |what| self.history.push(HistoryEntry { at_ms: now, what });
        for decision in &self.decisions[from..] {
            let (alert, row, destination, reason, ending) = match decision {
                Decision::Tell(delivery) => {
                    (&delivery.alert, delivery.row, &delivery.destination, delivery.reason, None)
                }
                Decision::Suppress { row, destination, alert, reason } => {
                    (&**alert, *row, destination, *reason, Some(Ending::of(*reason)))
                }
                // Whether its row had not been told yet, only the books know: they tell its end.
                Decision::Withdraw { .. } => continue,
            };
            // An escalation, whatever is decided of it, is of a revision that was told when it came.
            let is_escalation = row == Delivery::row_of(alert.revision, destination, true);
            if !is_escalation && self.told.insert(alert.revision) {
                say(revision(alert));
            }
            let (revision, destination) = (alert.revision, destination.clone());
            say(HistoryOf::Decision { row, revision, destination, reason, ending });
        }
    }

    /// Counts what was written.
    pub(crate) fn count(&self, metrics: &Metrics) {
        let mut counted = BTreeSet::new();
        for decision in &self.decisions {
            let alert = match decision {
                Decision::Tell(delivery) => &delivery.alert,
                Decision::Suppress { alert, .. } => &**alert,
                Decision::Withdraw { .. } => continue,
            };
            if self.told.contains(&alert.revision) && counted.insert(alert.revision) {
                metrics.add(Metric::Alerts, &[&alert.kind, alert.priority.as_str()], 1);
            }
        }
        for asked in &self.asked {
            metrics.add(Metric::Orders, &[asked], 1);
        }
    }
}

fn revision(alert: &Alert) -> HistoryOf {
    HistoryOf::Alert {
        revision: alert.revision,
        alert: alert.id,
        kind: alert.kind.clone(),
        rule: alert.rule.clone(),
        scope: alert.scope.clone(),
        symbol: alert.symbol,
        phase: alert.phase,
        priority: alert.priority,
        known_at_ms: alert.known_at_ms,
        title: title(alert),
        demo: alert.demo,
    }
}

#[cfg(test)]
mod tests;
