//! The policy itself.

use std::sync::Arc;

use cascade_domain::{Alert, Decision, EventTime, Mute, Order};
use serde::{Deserialize, Serialize};

use crate::{Config, Route};

/// What must not be forgotten over a restart.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {}

/// The policy with its state.
#[derive(Clone, Debug)]
pub struct Policy {
    config: Arc<Config>,
    routes: Vec<Route>,
    state: State,
}

impl Policy {
    /// The form of [`State`]; another one is not read.
    pub const STATE_VERSION: u32 = 1;

    /// A policy that goes on from this state. What concerns destinations that are no more is forgotten.
    pub const fn new(config: Arc<Config>, routes: Vec<Route>, state: State) -> Self {
        Self { config, routes, state }
    }

    /// What must not be forgotten.
    pub const fn state(&self) -> &State {
        &self.state
    }

    /// Decides on an alert for every destination; what follows for others (a market-wide alert) too.
    pub fn take(&mut self, alert: &Arc<Alert>, now: EventTime, out: &mut Vec<Decision>) {
        drop((&self.config, &self.routes, alert, now, out));
    }

    /// Does what is asked; `Err` = why it makes no sense.
    ///
    /// # Errors
    /// The order names nothing that there is.
    pub fn order(&mut self, order: &Order, now: EventTime, out: &mut Vec<Decision>) -> Result<(), String> {
        drop((order, now, out));
        Ok(())
    }

    /// Does what is due by now: escalations, digests, the end of a market-wide cascade, mutes that are over.
    pub fn tick(&mut self, now: EventTime, out: &mut Vec<Decision>) {
        drop((now, out));
    }

    /// When `tick` is next needed; `None` = not before something comes.
    pub const fn due(&self) -> Option<EventTime> {
        None
    }

    /// The mutes that hold.
    pub const fn mutes(&self) -> Vec<Mute> {
        Vec::new()
    }
}
