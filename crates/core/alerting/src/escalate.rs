//! Escalation: what nobody acknowledged in time, and what goes on, is told once more, one priority up.
//!
//! Alerts of operations and of bots alone: markets resolve themselves. By a timer, not by chance of a repeat.

use std::sync::Arc;

use cascade_domain::{Alert, AlertReason, Decision, EventTime, Family, Id};

use crate::Config;
use crate::case::{Case, record};
use crate::config::ms;
use crate::policy::Target;
use crate::state::State;
use crate::thread::{Escalation, Standing, Thread};

/// Begins to wait for somebody to acknowledge an alert that is told.
pub(crate) fn arm(standing: &mut Standing, alert: &Alert, config: &Config, now: EventTime) {
    let is_waiting = standing.escalation == Escalation::No && standing.acknowledged.is_none();
    if is_waiting && alert.family != Family::Market {
        let at = now.plus_ms(ms(config.escalate_s));
        standing.escalation = Escalation::At(at, Box::new(alert.clone()));
    }
}

/// When the next one is due.
pub(crate) fn due(state: &State) -> Option<EventTime> {
    let times = state.alerts.values().filter_map(|standing| match &standing.escalation {
        Escalation::At(at, _) => Some(*at),
        Escalation::No | Escalation::Done => None,
    });
    times.min()
}

/// Escalates what is due.
pub(crate) fn run(config: &Config, targets: &[Target], state: &mut State, now: EventTime) -> Vec<Decision> {
    let mut decisions = Vec::new();
    let mut due: Vec<(EventTime, Id)> = Vec::new();
    for (id, standing) in &state.alerts {
        match &standing.escalation {
            Escalation::At(at, _) if *at <= now => due.push((*at, *id)),
            _ => {}
        }
    }
    due.sort_unstable();
    for (_, id) in due {
        let Some(mut standing) = state.alerts.remove(&id) else { continue };
        if let Escalation::At(_, alert) = std::mem::replace(&mut standing.escalation, Escalation::Done) {
            let raised = Arc::new(Alert { priority: alert.priority.raised(), ..*alert });
            for target in recipients(config, targets, &standing) {
                let case = Case::new(config, target, &raised, now).escalating();
                escalate(&case, &mut standing, state, &mut decisions);
            }
        }
        state.alerts.insert(id, standing);
    }
    decisions
}

/// The escalation destination; none configured = those that were told.
fn recipients<'a>(config: &Config, targets: &'a [Target], standing: &Standing) -> Vec<&'a Target> {
    let can = targets.iter().filter(|target| !target.route.is_watchdog);
    let named = config.escalation.as_ref();
    if let Some(target) = can.clone().find(|target| named == Some(&target.route.name)) {
        return vec![target];
    }
    let was_told = |target: &&Target| standing.threads.get(&target.route.name).is_some_and(Thread::is_open);
    can.filter(was_told).collect()
}

fn escalate(case: &Case<'_>, standing: &mut Standing, state: &mut State, out: &mut Vec<Decision>) {
    let ledger = state.ledgers.entry(case.target.route.name.clone()).or_default();
    let reason = case.shut(&state.mutes).or_else(|| case.is_below().then_some(AlertReason::BelowThreshold));
    if let Some(reason) = reason {
        out.push(case.suppressed(reason));
    } else if ledger.take(case.alert, case.config, case.now) {
        let due = ledger.due(case.alert.priority, case.config, case.now);
        let decision = case.told(AlertReason::Escalated, due);
        record(case, standing, decision, out);
    } else {
        ledger.hold(case.alert, case.config);
        out.push(case.suppressed(AlertReason::RateLimited));
    }
}
