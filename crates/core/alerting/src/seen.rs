//! Which revisions were decided: none is decided twice.
//!
//! Knows no destination. What is forgotten here is too old to be told again in any case.

use std::collections::BTreeMap;

use cascade_domain::{EventTime, Id};
use serde::{Deserialize, Serialize};

/// So many are remembered; beyond that the older half goes.
const MOST: usize = 4_096;

/// Revisions, by their bits, and when they were decided.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Seen(BTreeMap<u64, EventTime>);

impl Seen {
    /// Notes a revision; `false` = it was there.
    pub(crate) fn note(&mut self, revision: Id, now: EventTime) -> bool {
        if self.0.contains_key(&revision.bits()) {
            return false;
        }
        if self.0.len() >= MOST {
            let mut times: Vec<_> = self.0.values().copied().collect();
            times.sort_unstable();
            let middle = times.get(times.len() / 2).copied().unwrap_or(now);
            self.0.retain(|_, at| *at > middle);
        }
        self.0.insert(revision.bits(), now);
        true
    }

    /// Forgets what was decided before this time.
    pub(crate) fn forget(&mut self, before: EventTime) {
        self.0.retain(|_, at| *at >= before);
    }
}
