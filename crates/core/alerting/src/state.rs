//! What must not be forgotten over a restart, and for how long.
//!
//! Decides nothing.

use std::collections::{BTreeMap, BTreeSet};

use cascade_domain::{EventTime, Family, Id, Mute, Symbol};
use serde::{Deserialize, Serialize};

use crate::budget::Ledger;
use crate::config::ms;
use crate::market::Market;
use crate::seen::Seen;
use crate::thread::Standing;
use crate::{Config, Route};

/// An alert that goes on in silence is forgotten after this.
const SILENCE_MS: i64 = 24 * 3_600_000;
/// What is too old is looked for this often.
const SWEEP_MS: i64 = 60_000;
/// So many alerts are remembered; beyond that a quarter goes: what is over, then of
/// markets what was silent for longest, and of the rest at last: their ends are still to be told.
const ALERTS: usize = 600;

/// What must not be forgotten over a restart: a few hundred kilobytes at most. Kept as `MessagePack` with names.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    pub(crate) alerts: BTreeMap<Id, Standing>,
    pub(crate) seen: Seen,
    /// By destination.
    pub(crate) ledgers: BTreeMap<String, Ledger>,
    pub(crate) mutes: Vec<Mute>,
    pub(crate) market: Market,
    /// Counts the digests: each is an alert of its own.
    pub(crate) digests: u64,
    swept_ms: EventTime,
}

impl State {
    /// Forgets what concerns destinations that are no more.
    pub(crate) fn keep(&mut self, routes: &[Route]) {
        let names: BTreeSet<_> = routes.iter().map(|route| route.name.as_str()).collect();
        self.ledgers.retain(|name, _| names.contains(name.as_str()));
        self.mutes
            .retain(|mute| mute.what.destination.as_ref().is_none_or(|name| names.contains(name.as_str())));
        for standing in self.alerts.values_mut() {
            standing.threads.retain(|name, _| names.contains(name.as_str()));
        }
        self.alerts.retain(|_, standing| !standing.threads.is_empty());
    }

    /// Forgets what is too old to matter.
    pub(crate) fn sweep(&mut self, config: &Config, now: EventTime) {
        self.mutes.retain(|mute| mute.until_ms > now);
        if (0..SWEEP_MS).contains(&now.since(self.swept_ms)) && self.alerts.len() <= ALERTS {
            return;
        }
        self.swept_ms = now;
        let expire = config.expire_ms();
        let window = ms(config.dedup_s.max(config.bot_dedup_s)).max(expire);
        self.seen.forget(now.plus_ms(-2 * expire));
        self.alerts.retain(|_, standing| match standing.over_ms {
            Some(over) => now.since(over) <= window,
            None => now.since(standing.heard_ms) <= SILENCE_MS,
        });
        if self.alerts.len() > ALERTS {
            self.evict();
        }
        let standings = self.alerts.values_mut();
        standings.flat_map(|standing| standing.threads.values_mut()).for_each(|thread| thread.forget(now));
        for ledger in self.ledgers.values_mut() {
            ledger.forget(now);
        }
    }

    fn evict(&mut self) {
        let age = |standing: &Standing| {
            (standing.over_ms.is_none(), standing.family != Family::Market, standing.heard_ms)
        };
        let mut order: Vec<_> = self.alerts.iter().map(|(id, standing)| (age(standing), *id)).collect();
        order.sort_unstable();
        for (_, id) in order.into_iter().take(ALERTS / 4) {
            self.alerts.remove(&id);
        }
    }

    /// The alerts about these symbols.
    pub(crate) fn about<'a>(
        &'a mut self,
        symbols: &'a BTreeSet<Symbol>,
    ) -> impl Iterator<Item = &'a mut Standing> {
        self.alerts
            .values_mut()
            .filter(|standing| standing.symbol.is_some_and(|symbol| symbols.contains(&symbol)))
    }
}
