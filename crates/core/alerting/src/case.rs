//! One decision: a revision, a destination, and what is done about it.
//!
//! Knows no other destination, and nothing of what follows for others.

use std::sync::Arc;

use cascade_domain::{
    Alert, AlertReason, Decision, Delivery, EventTime, Family, Manner, Mute, Phase, Priority, Subject,
};

use crate::budget::Ledger;
use crate::config::ms;
use crate::mute::{About, is_muted};
use crate::policy::Target;
use crate::thread::{Edit, Standing, Thread};
use crate::{Config, escalate};

/// A revision and a destination that it is decided for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case<'a> {
    pub(crate) config: &'a Config,
    pub(crate) target: &'a Target,
    pub(crate) alert: &'a Arc<Alert>,
    pub(crate) now: EventTime,
    is_escalation: bool,
    /// A newer revision was decided.
    late: bool,
    /// A market-wide alert tells it.
    folds: bool,
}

/// What is to be done.
enum Plan {
    /// A message of its own, if there is room; without asking for room where it is over.
    New(AlertReason),
    /// The message that told it is edited.
    Edit(AlertReason),
    /// What tells it still waits, and it is over already.
    Spare,
    /// It is not told.
    Not(AlertReason),
}

impl<'a> Case<'a> {
    pub(crate) const fn new(
        config: &'a Config,
        target: &'a Target,
        alert: &'a Arc<Alert>,
        now: EventTime,
    ) -> Self {
        Self { config, target, alert, now, is_escalation: false, late: false, folds: false }
    }

    /// The same after a newer revision was decided, or where a market-wide alert tells it.
    pub(crate) const fn placed(self, late: bool, folds: bool) -> Self {
        Self { late, folds, ..self }
    }

    /// The same as an escalation.
    pub(crate) const fn escalating(self) -> Self {
        Self { is_escalation: true, ..self }
    }

    /// Why the destination does not hear of such alerts at all; `None` = it does.
    pub(crate) fn shut(&self, mutes: &[Mute]) -> Option<AlertReason> {
        let (alert, route) = (self.alert, &self.target.route);
        let disabled = &self.config.disabled_alerts;
        let other_kind = !route.kinds.is_empty() && !route.kinds.contains(&alert.kind);
        let other_symbol = !route.symbols.is_empty()
            && match &alert.symbol {
                Some(symbol) => !route.symbols.contains(symbol),
                None => matches!(alert.subject, Subject::Market(_)),
            };
        if alert.demo && !self.config.demo {
            // Made up by somebody else's demo on the same Redis.
            Some(AlertReason::Disabled)
        } else if disabled.contains(&alert.kind) || disabled.contains(&alert.rule) {
            Some(AlertReason::Disabled)
        } else if other_kind || other_symbol {
            Some(AlertReason::Filtered)
        } else if is_muted(mutes, About::from(&**alert), &route.name, self.now) {
            Some(AlertReason::Muted)
        } else {
            None
        }
    }

    /// Whether it is less urgent than the destination wants now.
    pub(crate) fn is_below(&self) -> bool {
        let quiet = self.target.quiet.as_ref().and_then(|hours| hours.minimum(self.now)).unwrap_or_default();
        self.alert.priority < self.target.route.minimum_priority.max(quiet)
    }

    /// Decides.
    pub(crate) fn decide(
        &self,
        mutes: &[Mute],
        standing: &mut Standing,
        ledger: &mut Ledger,
        out: &mut Vec<Decision>,
    ) {
        let name = &self.target.route.name;
        let is_over = self.alert.phase == Phase::Resolved;
        let thread = standing.threads.get_mut(name).filter(|thread| thread.is_open());
        if let Some(thread) = thread.filter(|_| !self.late && !is_over) {
            thread.count = thread.count.saturating_add(1);
        }
        match self.plan(mutes, standing.threads.get(name)) {
            Plan::Not(reason) => {
                if reason == AlertReason::Folded {
                    self.note_folded(standing);
                }
                out.push(self.suppressed(reason));
            }
            Plan::Spare => {
                let waiting = standing.threads.get_mut(name).map(|thread| thread.withdraw(self.now));
                let rows = waiting.into_iter().flatten();
                out.extend(rows.map(|row| self.target.withdrawn(row, AlertReason::Resolved)));
                // Was it told before, or a sender faster, that message is edited; else there is none, and this row ends too.
                self.edit(AlertReason::Resolved, standing, out);
            }
            Plan::Edit(reason) => self.edit(reason, standing, out),
            Plan::New(AlertReason::Resolved) => {
                let lane = self.lane(standing.threads.get(name));
                let due = ledger.due(lane, self.config, self.now);
                record(self, standing, self.told_in(lane, AlertReason::Resolved, due), out);
            }
            Plan::New(reason) if ledger.take(self.alert, self.config, self.now) => {
                let due = ledger.due(self.alert.priority, self.config, self.now);
                record(self, standing, self.told(reason, due), out);
                escalate::arm(standing, self.alert, self.config, self.now);
            }
            Plan::New(_) => {
                ledger.hold(self.alert, self.config);
                out.push(self.suppressed(AlertReason::RateLimited));
            }
        }
    }

    fn plan(&self, mutes: &[Mute], thread: Option<&Thread>) -> Plan {
        let is_over = self.alert.phase == Phase::Resolved;
        let is_stale = self.now.since(self.alert.known_at_ms) > self.config.expire_ms();
        let was_folded = thread.is_some_and(|thread| {
            thread.folded && !thread.closed && (is_over || self.alert.rank <= thread.rank)
        });
        if let Some(reason) = self.shut(mutes) {
            return Plan::Not(reason);
        }
        match thread {
            _ if self.late => Plan::Not(AlertReason::Duplicate),
            _ if is_stale => Plan::Not(AlertReason::Stale),
            _ if self.folds || was_folded => Plan::Not(AlertReason::Folded),
            Some(thread) if thread.is_open() && is_over => self.ending(thread),
            Some(thread) if thread.is_open() => self.news(thread),
            // Nobody was told that it began.
            _ if is_over || self.is_below() => Plan::Not(AlertReason::BelowThreshold),
            _ => Plan::New(AlertReason::First),
        }
    }

    /// It is over, and the destination was told that it began, or is about to be.
    const fn ending(&self, thread: &Thread) -> Plan {
        if self.now.ms() < thread.due_ms.ms() {
            Plan::Spare
        } else if self.target.route.can_edit {
            Plan::Edit(AlertReason::Resolved)
        } else {
            Plan::New(AlertReason::Resolved)
        }
    }

    /// It goes on.
    fn news(&self, thread: &Thread) -> Plan {
        let (config, can_edit) = (self.config, self.target.route.can_edit);
        let window = if self.alert.family == Family::Bot { config.bot_dedup_s } else { config.dedup_s };
        // An alert of markets that goes on is edited where that can be, however long it does.
        let is_kept_fresh =
            can_edit && self.alert.family == Family::Market && self.alert.phase == Phase::Updated;
        let reason = if self.alert.rank > thread.rank && thread.first && self.now < thread.due_ms {
            // What it is worse than still waits, and is told by this.
            Some(AlertReason::First)
        } else if self.alert.rank > thread.rank {
            Some(AlertReason::Worse)
        } else if self.now.since(thread.told_ms).saturating_abs() >= ms(window) && !is_kept_fresh {
            Some(AlertReason::RepeatDue)
        } else {
            None
        };
        match reason {
            Some(reason) if !self.is_below() => Plan::New(reason),
            _ if can_edit => Plan::Edit(AlertReason::Updated),
            Some(_) => Plan::Not(AlertReason::BelowThreshold),
            None => Plan::Not(AlertReason::Duplicate),
        }
    }

    /// The lane of the end of an alert: what was broken is back as urgently as it broke.
    fn lane(&self, thread: Option<&Thread>) -> Priority {
        match thread {
            Some(thread) if self.alert.family != Family::Market => thread.priority,
            _ => self.alert.priority,
        }
    }

    /// The message that told it is edited, together with others that wait to edit it.
    fn edit(&self, reason: AlertReason, standing: &mut Standing, out: &mut Vec<Decision>) {
        let Some(thread) = standing.threads.get_mut(&self.target.route.name) else { return };
        let every = i64::from(self.config.edit_every_ms);
        let (due, after) = match thread.edit {
            Some(edit) if edit.due_ms > self.now => (edit.due_ms, edit.after),
            Some(edit) => (edit.due_ms.plus_ms(every).max(self.now), edit.row),
            None => (thread.due_ms.plus_ms(every).max(self.now), thread.row),
        };
        // A clock that was set back must not let it wait for long.
        let due = due.min(self.now.plus_ms(every + i64::from(self.config.low_wait_ms)));
        let lane = self.alert.priority.min(Priority::Medium);
        let mut delivery = self.delivery(lane, reason, due);
        delivery.manner = Manner::Edit;
        delivery.after = Some(after);
        delivery.count = thread.count.max(1);
        thread.edit = Some(Edit { row: delivery.row, due_ms: due, after });
        thread.wait_for(delivery.row, delivery.expires_ms);
        out.push(Decision::Tell(Box::new(delivery)));
    }

    /// A market-wide alert tells it: what follows is told by that one too.
    fn note_folded(&self, standing: &mut Standing) {
        let new = || Thread {
            folded: true,
            ..self.thread(&self.delivery(Priority::Low, AlertReason::Folded, self.now))
        };
        let thread = standing.threads.entry(self.target.route.name.clone()).or_insert_with(new);
        thread.folded = true;
        thread.closed = false;
        thread.rank = thread.rank.max(self.alert.rank);
    }

    fn thread(&self, delivery: &Delivery) -> Thread {
        Thread {
            rank: self.alert.rank,
            priority: self.alert.priority,
            told_ms: self.now,
            count: 1,
            row: delivery.row,
            due_ms: delivery.due_ms,
            first: delivery.reason == AlertReason::First,
            edit: None,
            waiting: Vec::new(),
            folded: false,
            closed: false,
        }
    }

    /// The decision to tell it by a message of its own.
    pub(crate) fn told(&self, reason: AlertReason, due: EventTime) -> Decision {
        self.told_in(self.alert.priority, reason, due)
    }

    fn told_in(&self, lane: Priority, reason: AlertReason, due: EventTime) -> Decision {
        Decision::Tell(Box::new(self.delivery(lane, reason, due)))
    }

    fn delivery(&self, lane: Priority, reason: AlertReason, due: EventTime) -> Delivery {
        let (alert, name) = (self.alert, &self.target.route.name);
        // What is escalated is news by that alone, however long ago it was known; and nothing is news before it is known.
        let known = if self.is_escalation { self.now } else { alert.known_at_ms.min(self.now) };
        Delivery {
            row: Delivery::row_of(alert.revision, name, self.is_escalation),
            destination: name.clone(),
            alert: (**alert).clone(),
            reason,
            manner: Manner::New,
            lane,
            due_ms: due,
            expires_ms: known.plus_ms(self.config.expire_ms()),
            after: None,
            count: 1,
        }
    }

    /// The decision not to tell it.
    pub(crate) fn suppressed(&self, reason: AlertReason) -> Decision {
        Decision::Suppress {
            row: Delivery::row_of(self.alert.revision, &self.target.route.name, self.is_escalation),
            destination: self.target.route.name.clone(),
            alert: Arc::clone(self.alert),
            reason,
        }
    }
}

/// Takes note of a message that tells an alert, in place of others that wait to tell less of it.
pub(crate) fn record(case: &Case<'_>, standing: &mut Standing, told: Decision, out: &mut Vec<Decision>) {
    let Decision::Tell(mut delivery) = told else { return };
    let mut thread = case.thread(&delivery);
    if let Some(old) = standing.threads.get_mut(&case.target.route.name) {
        delivery.after = Some(old.last_row());
        if old.is_open() {
            thread.rank = thread.rank.max(old.rank);
            thread.priority = thread.priority.max(old.priority);
            let this = u32::from(case.alert.phase != Phase::Resolved && !case.is_escalation);
            delivery.count = old.count.saturating_sub(this).max(1);
        }
        if case.alert.phase == Phase::Resolved {
            thread.waiting = std::mem::take(&mut old.waiting);
        } else {
            out.extend(old.withdraw(case.now).map(|row| case.target.withdrawn(row, AlertReason::Duplicate)));
        }
    }
    thread.wait_for(delivery.row, delivery.expires_ms);
    standing.threads.insert(case.target.route.name.clone(), thread);
    out.push(Decision::Tell(delivery));
}
