//! The policy itself: one decision for each revision and destination.
//!
//! Knows no kind of alert: what is special of one is in a room of its own.

use std::sync::Arc;

use cascade_domain::{Alert, AlertReason, Decision, EventTime, Id, Mute, Phase};

use crate::case::Case;
use crate::hours::Hours;
use crate::mute::is_muted;
use crate::state::State;
use crate::thread::Standing;
use crate::{Config, Route, digest, escalate, market};

/// The policy with its state.
#[derive(Clone, Debug)]
pub struct Policy {
    pub(crate) config: Arc<Config>,
    pub(crate) targets: Vec<Target>,
    pub(crate) state: State,
}

/// A destination, ready for use.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) route: Route,
    pub(crate) quiet: Option<Hours>,
}

impl Policy {
    /// The form of [`State`]; another one is not read.
    pub const STATE_VERSION: u32 = 1;

    /// A policy that goes on from this state. What concerns destinations that are no more is forgotten.
    pub fn new(config: Arc<Config>, routes: Vec<Route>, mut state: State) -> Self {
        state.keep(&routes);
        let target = |route: Route| {
            let quiet = route.quiet_hours.as_ref().or(config.quiet_hours.as_ref());
            Target { quiet: quiet.and_then(crate::QuietHours::parsed), route }
        };
        let targets = routes.into_iter().map(target).collect();
        Self { config, targets, state }
    }

    /// What must not be forgotten.
    pub const fn state(&self) -> &State {
        &self.state
    }

    /// Decides on an alert for every destination; what follows for others (a market-wide alert) too. `false` = this
    /// revision was decided before: nothing changes, and nothing is decided again.
    ///
    /// Take what there is before [`Policy::tick`]: what is over need not be escalated.
    pub fn take(&mut self, alert: &Arc<Alert>, now: EventTime, out: &mut Vec<Decision>) -> bool {
        self.state.sweep(&self.config, now);
        if !self.state.seen.note(alert.revision, now) {
            return false;
        }
        // What somebody else's demo made up is no part of the market.
        let is_real = self.config.demo || !alert.demo;
        if is_real && let Some(market) = self.state.market.hear(alert, &self.config, now) {
            self.decide(&market, now, out);
            self.fold(now, out);
        }
        self.decide(alert, now, out);
        self.state.market.settle();
        true
    }

    /// Does what is due by now: escalations, digests, the end of a market-wide cascade, mutes that are over.
    pub fn tick(&mut self, now: EventTime, out: &mut Vec<Decision>) {
        self.state.sweep(&self.config, now);
        if let Some(market) = self.state.market.tick(&self.config, now) {
            self.decide(&market, now, out);
            self.state.market.settle();
        }
        out.extend(escalate::run(&self.config, &self.targets, &mut self.state, now));
        for target in self.targets.iter().filter(|target| !target.route.is_watchdog) {
            out.extend(digest::tell(&self.config, target, &mut self.state, now));
        }
    }

    /// When `tick` is next needed; `None` = not before something comes.
    pub fn due(&self) -> Option<EventTime> {
        let state = &self.state;
        let mutes = state.mutes.iter().map(|mute| mute.until_ms);
        let digests = state.ledgers.values().filter_map(|ledger| digest::due(&self.config, ledger));
        mutes.chain(digests).chain(escalate::due(state)).chain(state.market.due(&self.config)).min()
    }

    /// The mutes that hold.
    pub fn mutes(&self) -> Vec<Mute> {
        self.state.mutes.clone()
    }

    /// Decides on one alert for every destination.
    fn decide(&mut self, alert: &Arc<Alert>, now: EventTime, out: &mut Vec<Decision>) {
        let Self { config, targets, state } = self;
        let known = state.alerts.remove(&alert.id);
        let late = known.as_ref().is_some_and(|standing| standing.is_newer(alert, now));
        let mut standing = known.unwrap_or_else(|| Standing::new(alert, now));
        if !late {
            standing.hear(alert, now);
        }
        for target in targets.iter().filter(|target| !target.route.is_watchdog) {
            let folds = state.market.covers(alert, config) && folds_for(target, state, now);
            let case = Case::new(config, target, alert, now).placed(late, folds);
            let ledger = state.ledgers.entry(target.route.name.clone()).or_default();
            case.decide(&state.mutes, &mut standing, ledger, out);
        }
        if !late && alert.phase == Phase::Resolved {
            standing.close(now);
        }
        if !standing.threads.is_empty() {
            state.alerts.insert(alert.id, standing);
        }
    }

    /// Withdraws what a market-wide alert tells from now on.
    fn fold(&mut self, now: EventTime, out: &mut Vec<Decision>) {
        let Self { config, targets, state } = self;
        let symbols = state.market.symbols();
        for target in targets.iter().filter(|target| folds_for(target, state, now)).collect::<Vec<_>>() {
            for standing in state.about(&symbols).filter(|one| config.market_kinds.contains(&one.kind)) {
                let Some(thread) = standing.threads.get_mut(&target.route.name) else { continue };
                thread.folded = true;
                out.extend(thread.withdraw(now).map(|row| target.withdrawn(row, AlertReason::Folded)));
            }
        }
    }
}

/// Whether a destination was told of the market-wide cascade that goes on, and is told of what comes.
fn folds_for(target: &Target, state: &State, now: EventTime) -> bool {
    let name = &target.route.name;
    let Some(market) = state.market.alert().and_then(|id| state.alerts.get(&id)) else { return false };
    market.threads.contains_key(name) && !is_muted(&state.mutes, market::ABOUT, name, now)
}

impl Target {
    /// The decision not to tell what still waits.
    pub(crate) fn withdrawn(&self, row: Id, reason: AlertReason) -> Decision {
        Decision::Withdraw { row, destination: self.route.name.clone(), reason }
    }
}
