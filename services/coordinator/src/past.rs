//! What one look can't tell: since when something is so, and how old what was known last is by now.
//!
//! Times are the coordinator's own, wall time since it started. Judges nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::Overview;
use crate::health::unowned;
use crate::overview::ENGINES;

/// What earlier looks have left.
#[derive(Clone, Debug, Default)]
pub(crate) struct Past {
    /// When each service had a heartbeat last.
    seen: BTreeMap<String, Duration>,
    /// Since when each engine has had shards without an owner; not in it = it has none, or it is not known.
    unowned: BTreeMap<&'static str, Duration>,
    /// The newest tick that came the whole way, by engine.
    paths: BTreeMap<&'static str, Mark>,
    /// The newest tick.
    tick: Option<Mark>,
}

/// An age, and when it was that.
#[derive(Clone, Copy, Debug)]
struct Mark {
    at: Duration,
    age: Duration,
}

impl Mark {
    const fn new(at: Duration, age_ms: u64) -> Self {
        Self { at, age: Duration::from_millis(age_ms) }
    }

    fn age(self, now: Duration) -> Duration {
        self.age + now.saturating_sub(self.at)
    }
}

impl Past {
    /// Takes in what was seen at `now`; `None` = nothing could be.
    pub(crate) fn see(&mut self, overview: Option<&Overview>, now: Duration) {
        let Some(overview) = overview else {
            // Whether they have owners is not known: if not, it is again from when that is seen.
            self.unowned.clear();
            return;
        };
        self.seen.extend(overview.services.iter().map(|service| (service.name.clone(), now)));
        if let Some(ticks) = overview.ticks {
            self.tick = Some(Mark::new(now, ticks.age_ms));
        }
        for (engine, _) in ENGINES {
            if unowned(engine, overview) == 0 {
                self.unowned.remove(engine);
            } else {
                self.unowned.entry(engine).or_insert(now);
            }
            if let Some(age_ms) = overview.engines.get(engine).and_then(|shards| shards.path_age_ms) {
                self.paths.insert(engine, Mark::new(now, age_ms));
            }
        }
    }

    /// How long ago a service had a heartbeat; `None` = never.
    pub(crate) fn last_seen(&self, service: &str, now: Duration) -> Option<Duration> {
        self.seen.get(service).map(|at| now.saturating_sub(*at))
    }

    /// For how long an engine has had shards without an owner; `None` = it has none, or it is not known.
    pub(crate) fn unowned_for(&self, engine: &str, now: Duration) -> Option<Duration> {
        self.unowned.get(engine).map(|since| now.saturating_sub(*since))
    }

    /// How old the newest tick is by now that came the whole way; `None` = none was ever seen.
    pub(crate) fn path_age(&self, engine: &str, now: Duration) -> Option<Duration> {
        self.paths.get(engine).map(|mark| mark.age(now))
    }

    /// How old the newest tick is by now; `None` = none was ever seen.
    pub(crate) fn tick_age(&self, now: Duration) -> Option<Duration> {
        self.tick.map(|mark| mark.age(now))
    }
}
