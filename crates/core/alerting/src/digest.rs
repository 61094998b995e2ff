//! Digests: what the budgets held back, told in one message when there is room.
//!
//! Knows no thread: a digest is an alert of its own, told once, to one destination.

use std::sync::Arc;

use cascade_domain::{
    Alert, AlertReason, Decision, Digest, EventTime, Finding, Heading, Id, IdHasher, Priority, Subject, Usd,
};

use crate::Config;
use crate::budget::{Held, Ledger, most};
use crate::case::Case;
use crate::policy::Target;
use crate::state::State;

/// The rule of digests.
pub(crate) const RULE: &str = "digest";
/// A digest that must not be told now is tried again after this.
const AGAIN_MS: i64 = 60_000;

/// How bad it is, in the words of its kind; empty = there is nothing to say.
pub(crate) fn figure(subject: &Subject) -> String {
    let Subject::Finding(finding) = subject else { return String::new() };
    match finding.as_ref() {
        Finding::Cascade(f) => f.level.as_str().to_owned(),
        Finding::LargeLiquidation(f) => f.direction.as_str().to_owned(),
        Finding::OpenInterest(f) => f.change_pct.map_or(String::new(), |change| format!("{change:+.1} %")),
        Finding::Feed(f) => f.status.as_str().to_owned(),
    }
}

/// The budgets of a destination, by the priority that they are for, and the kinds that are held back by each.
fn waiting(ledger: &Ledger) -> Vec<(Priority, String)> {
    let high = ledger.high.held.keys().map(|kind| (Priority::High, kind.clone()));
    let others = ledger.kinds.values().flat_map(|tier| tier.held.keys());
    high.chain(others.map(|kind| (Priority::Medium, kind.clone()))).collect()
}

/// Tells a destination what was held back, where there is room for it.
pub(crate) fn tell(config: &Config, target: &Target, state: &mut State, now: EventTime) -> Vec<Decision> {
    let mut decisions = Vec::new();
    let State { ledgers, mutes, digests, .. } = state;
    let Some(ledger) = ledgers.get_mut(&target.route.name) else { return decisions };
    for (tier, kind) in waiting(ledger) {
        let budget = ledger.tier(&kind, tier);
        let may = budget.has_room(most(config, tier), now);
        let Some(held) = budget.held.get_mut(&kind).filter(|held| may && held.not_before_ms <= now) else {
            continue;
        };
        let alert =
            Arc::new(digest((tier, &kind), held, (&target.route.name, digests.saturating_add(1)), now));
        let case = Case::new(config, target, &alert, now);
        if case.shut(mutes).is_some() || case.is_below() {
            held.not_before_ms = now.plus_ms(AGAIN_MS);
            continue;
        }
        budget.held.remove(&kind);
        budget.spend(now);
        *digests = digests.saturating_add(1);
        decisions.push(case.told(AlertReason::First, ledger.due(alert.priority, config, now)));
    }
    decisions
}

/// When the next one can be told.
pub(crate) fn due(config: &Config, ledger: &Ledger) -> Option<EventTime> {
    let high = std::iter::once((&ledger.high, Priority::High));
    let others = ledger.kinds.values().map(|tier| (tier, Priority::Medium));
    let held = high.chain(others).flat_map(|(tier, priority)| {
        let room = tier.room_at(most(config, priority));
        tier.held.values().map(move |held| held.not_before_ms.max(room))
    });
    held.min()
}

/// The digest of what a budget held back of a kind. As urgent as the most urgent line; as what the budget is for, where
/// the lines that were left have been told since.
fn digest(
    (tier, kind): (Priority, &str),
    held: &Held,
    (destination, number): (&str, u64),
    now: EventTime,
) -> Alert {
    let episode: Id =
        IdHasher::new(RULE).text(destination).text(kind).int(number.cast_signed()).int(now.ms()).finish();
    let heading = Heading { kind, rule: RULE, scope: kind, episode };
    let priority = held.lines.iter().map(|line| line.priority).max().unwrap_or(tier);
    let usd = held.lines.iter().fold(Usd::ZERO, |sum, line| sum + line.usd);
    let digest = Digest { of: kind.to_owned(), lines: held.lines.clone(), more: held.more };
    Alert { priority, usd, demo: held.demo, ..Alert::new(&heading, 1, now, Subject::Digest(digest)) }
}
