//! How each destination does, as far as this process has seen it.
//!
//! Sends nothing, and shows no secret: what providers said comes without any.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use cascade_domain::EventTime;

/// What one destination did last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    /// When it took a message.
    pub(crate) sent: Option<EventTime>,
    /// When it failed or refused one, and what it said; forgotten when it takes one.
    pub(crate) failed: Option<(EventTime, String)>,
    /// Whether it was a failure: one that refuses a message may take the next.
    pub(crate) is_failing: bool,
}

/// How each destination does; clones are of one and the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Desk(Arc<Mutex<BTreeMap<String, Standing>>>);

impl Desk {
    /// It took a message.
    pub(crate) fn sent(&self, destination: &str, now: EventTime) {
        self.with(destination, |standing| *standing = Standing { sent: Some(now), ..Standing::default() });
    }

    /// It took one of another dispatcher: what failed here before is over.
    pub(crate) fn recovered(&self, destination: &str) {
        self.with(destination, |standing| (standing.failed, standing.is_failing) = (None, false));
    }

    /// It failed.
    pub(crate) fn failed(&self, destination: &str, now: EventTime, said: &str) {
        self.with(destination, |standing| {
            (standing.failed, standing.is_failing) = (Some((now, said.to_owned())), true);
        });
    }

    /// It refused a message.
    pub(crate) fn refused(&self, destination: &str, now: EventTime, said: &str) {
        self.with(destination, |standing| standing.failed = Some((now, said.to_owned())));
    }

    /// What it did last.
    pub(crate) fn standing(&self, destination: &str) -> Standing {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(destination).cloned().unwrap_or_default()
    }

    fn with(&self, destination: &str, change: impl FnOnce(&mut Standing)) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        change(known.entry(destination.to_owned()).or_default());
    }
}
