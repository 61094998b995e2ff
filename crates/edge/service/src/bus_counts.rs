//! What a bus has counted, added to the metrics of a process that may have several.

use cascade_bus::BusStats;

use crate::{Metric, Metrics};

/// How much of a bus's counts is in the metrics already.
#[derive(Clone, Copy, Debug, Default)]
pub struct BusCounts {
    reconnects: u64,
    errors: u64,
}

impl BusCounts {
    /// Adds what was counted since the last call.
    pub fn fold(&mut self, stats: &BusStats, metrics: &Metrics) {
        let (reconnects, errors) = (stats.reconnects(), stats.errors());
        metrics.add(Metric::RedisReconnects, &[], reconnects.saturating_sub(self.reconnects));
        metrics.add(Metric::RedisErrors, &[], errors.saturating_sub(self.errors));
        *self = Self { reconnects, errors };
    }
}
