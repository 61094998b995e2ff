//! How many messages a destination is told in an hour, and what was held back for it.
//!
//! Knows no thread and no reason: whoever asks for room takes it.

use std::collections::{BTreeMap, VecDeque};

use cascade_domain::{Alert, DigestLine, EventTime, Id, Priority};
use serde::{Deserialize, Serialize};

use crate::Config;

/// A sliding hour, milliseconds.
const HOUR_MS: i64 = 3_600_000;

/// What one destination has used up, and when its lanes open next.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ledger {
    /// HIGH, of all kinds.
    pub(crate) high: Tier,
    /// MEDIUM and LOW, by kind.
    pub(crate) kinds: BTreeMap<String, Tier>,
    /// When the MEDIUM and the LOW ones that wait are due.
    medium_due_ms: EventTime,
    low_due_ms: EventTime,
}

/// One budget.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Tier {
    /// When it was used within the last hour, ascending.
    used_ms: VecDeque<EventTime>,
    /// What was held back, by kind.
    pub(crate) held: BTreeMap<String, Held>,
}

/// What was held back of one kind.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Held {
    /// The most important ones, most important first.
    pub(crate) lines: Vec<DigestLine>,
    /// How many more.
    pub(crate) more: u32,
    /// Some of it is from a demo.
    pub(crate) demo: bool,
    /// Not told before then: the destination was muted, or it was a quiet hour.
    pub(crate) not_before_ms: EventTime,
}

impl Tier {
    /// Forgets what is no longer within the hour, and what cannot be: the clock was wrong by more than that.
    fn forget(&mut self, now: EventTime) {
        self.used_ms.retain(|at| (-HOUR_MS..HOUR_MS).contains(&now.since(*at)));
    }

    /// Whether one more may be told.
    pub(crate) fn has_room(&mut self, most: u32, now: EventTime) -> bool {
        self.forget(now);
        u32::try_from(self.used_ms.len()).is_ok_and(|used| used < most)
    }

    /// When there will be room for one more; the earliest time = there is.
    pub(crate) fn room_at(&self, most: u32) -> EventTime {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let first = self.used_ms.len().checked_sub(most).and_then(|over| self.used_ms.get(over));
        first.map_or(EventTime::from_ms(i64::MIN), |at| at.plus_ms(HOUR_MS))
    }

    /// One is told.
    pub(crate) fn spend(&mut self, now: EventTime) {
        let at = self.used_ms.partition_point(|used| *used <= now);
        self.used_ms.insert(at, now);
    }
}

impl Held {
    /// Remembers an alert, in place of what was remembered of it before.
    fn add(&mut self, alert: &Alert, most: u32) {
        self.lines.retain(|line| line.alert != alert.id);
        self.demo |= alert.demo;
        let line = DigestLine {
            alert: alert.id,
            rule: alert.rule.clone(),
            scope: alert.scope.clone(),
            priority: alert.priority,
            usd: alert.usd,
            known_at_ms: alert.known_at_ms,
            figure: crate::digest::figure(&alert.subject),
        };
        let weight = |line: &DigestLine| (line.priority, line.usd);
        let at = self.lines.partition_point(|other| weight(other) >= weight(&line));
        self.lines.insert(at, line);
        if self.lines.len() > usize::try_from(most).unwrap_or(usize::MAX) {
            self.lines.pop();
            self.more = self.more.saturating_add(1);
        }
    }
}

impl Ledger {
    /// The budget that tells this kind at this priority.
    pub(crate) fn tier(&mut self, kind: &str, priority: Priority) -> &mut Tier {
        if priority == Priority::High {
            return &mut self.high;
        }
        self.kinds.entry(kind.to_owned()).or_default()
    }

    /// Takes room for an alert, and lets go of its line where it waited for a digest; `false` = there is none.
    pub(crate) fn take(&mut self, alert: &Alert, config: &Config, now: EventTime) -> bool {
        let most = most(config, alert.priority);
        let tier = self.tier(&alert.kind, alert.priority);
        // A digest that waits for room goes first.
        let waiting = tier.held.values().filter(|held| held.not_before_ms <= now);
        let reserved = u32::try_from(waiting.count()).unwrap_or(u32::MAX);
        if !tier.has_room(most.saturating_sub(reserved), now) {
            return false;
        }
        tier.spend(now);
        self.drop_line(&alert.kind, alert.id);
        true
    }

    /// Remembers what there was no room for.
    pub(crate) fn hold(&mut self, alert: &Alert, config: &Config) {
        if config.disabled_alerts.contains(crate::digest::RULE) {
            return;
        }
        self.drop_line(&alert.kind, alert.id);
        let tier = self.tier(&alert.kind, alert.priority);
        tier.held.entry(alert.kind.clone()).or_default().add(alert, config.digest_lines);
    }

    /// Lets go of an alert that waits for a digest.
    fn drop_line(&mut self, kind: &str, alert: Id) {
        let tiers = [Some(&mut self.high), self.kinds.get_mut(kind)];
        for tier in tiers.into_iter().flatten() {
            if let Some(held) = tier.held.get_mut(kind) {
                held.lines.retain(|line| line.alert != alert);
                if held.lines.is_empty() && held.more == 0 {
                    tier.held.remove(kind);
                }
            }
        }
    }

    /// When an alert of this lane is due: with the others that wait in it, if there are.
    pub(crate) fn due(&mut self, lane: Priority, config: &Config, now: EventTime) -> EventTime {
        let (slot, wait) = match lane {
            Priority::High => return now,
            Priority::Medium => (&mut self.medium_due_ms, i64::from(config.medium_wait_ms)),
            Priority::Low => (&mut self.low_due_ms, i64::from(config.low_wait_ms)),
        };
        if *slot <= now || slot.since(now) > wait {
            *slot = now.plus_ms(wait);
        }
        *slot
    }

    /// Forgets what is no longer within the hour.
    pub(crate) fn forget(&mut self, now: EventTime) {
        self.high.forget(now);
        for tier in self.kinds.values_mut() {
            tier.forget(now);
        }
        self.kinds.retain(|_, tier| !tier.used_ms.is_empty() || !tier.held.is_empty());
    }
}

/// How many an hour.
pub(crate) const fn most(config: &Config, priority: Priority) -> u32 {
    let most = match priority {
        Priority::High => config.high_budget_per_hour,
        Priority::Medium | Priority::Low => config.budget_per_hour,
    };
    // None at all is refused in the configuration, and would never let a digest out.
    if most == 0 { 1 } else { most }
}
