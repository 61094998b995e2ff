//! The engine itself.

use std::sync::Arc;

use cascade_domain::{Event, Finding, FundingReading, InterestChangeReading, InterestReading, Shard, Symbol};
use cascade_engine::{Engine, Refused};
use serde::{Deserialize, Serialize};

use crate::Config;

/// The open-interest detector of one shard.
#[derive(Clone, Debug)]
pub struct OpenInterestEngine {
    state: OpenInterestState,
}

/// All that the engine has heard and not forgotten.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct OpenInterestState {}

impl OpenInterestEngine {
    /// A cold engine for a shard; `engine_label` is what findings call it ([`Config::engine_label`]).
    pub fn new(_config: Arc<Config>, _shard: Shard, _engine_label: String) -> Self {
        Self { state: OpenInterestState::default() }
    }

    /// The symbols that have something to show.
    pub fn symbols(&self) -> impl Iterator<Item = &Symbol> {
        std::iter::empty()
    }

    /// What a symbol holds, as of the last tick.
    pub fn current(&self, _symbol: &Symbol) -> Option<InterestReading> {
        None
    }

    /// How a symbol's open interest changed, as of the last tick.
    pub fn changes(&self, _symbol: &Symbol) -> Option<InterestChangeReading> {
        None
    }

    /// A symbol's funding, as of the last tick.
    pub fn funding(&self, _symbol: &Symbol) -> Option<FundingReading> {
        None
    }
}

impl Engine for OpenInterestEngine {
    type State = OpenInterestState;

    const STATE_VERSION: u32 = 1;

    fn state(&self) -> &OpenInterestState {
        &self.state
    }

    fn resume(&mut self, state: OpenInterestState) {
        self.state = state;
    }

    fn take(&mut self, _event: &Event, _out: &mut Vec<Finding>) -> Result<(), Refused> {
        Ok(())
    }
}
