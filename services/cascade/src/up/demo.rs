//! The course of a demo: wait until everything runs, play the scenario, compare what was expected with what was said.

use std::sync::Arc;
use std::time::Duration;

use cascade_bus::Bus;
use cascade_domain::{EventTime, Level, Venue};
use cascade_pace::Clock;
use cascade_service::{BoxError, Shutdown, SystemClock};
use cascade_simulator::{Expected, Simulator};
use cascade_wire::{Heartbeat, key};

use super::view::{Seen, View};
use crate::say;

/// How often the demo looks around, wall time.
const LOOK: Duration = Duration::from_millis(100);
/// How many looks until something that does not start is given up: 30 s.
const LOOKS: u32 = 300;
/// How long after the scenario's end the last findings may take, in the clock's time and on the wall.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// A demo that is going on.
#[derive(Debug)]
pub(crate) struct Demo {
    pub(crate) simulator: Arc<Simulator>,
    pub(crate) bus: Bus,
    pub(crate) view: View,
    pub(crate) clock: Arc<SystemClock>,
    pub(crate) exchanges: Vec<Venue>,
    pub(crate) once: bool,
}

impl Demo {
    /// Plays the scenario; with `once` judges it and asks for `shutdown`.
    ///
    /// # Errors
    /// The system did not come up.
    pub(crate) async fn run(self, shutdown: Shutdown, stop: Shutdown) -> Result<(), BoxError> {
        if !self.is_up(&stop).await? {
            return Ok(());
        }
        self.simulator.start();
        if self.once {
            let scenario = self.simulator.scenario();
            say(&format!("scenario `{}` begins: {} s on its clock", scenario.name(), scenario.duration_s()));
        }
        while !self.simulator.is_over() {
            if is_asked(&stop, LOOK).await {
                return Ok(());
            }
        }
        if self.once {
            if !is_asked(&stop, self.clock.wall(LAST_WORDS).max(Duration::from_secs(1))).await {
                self.view.judge(self.verdict());
            }
            shutdown.request();
        }
        stop.requested().await;
        Ok(())
    }

    /// Waits until every feed delivers and every shard has its engine; `false` if asked to stop.
    async fn is_up(&self, stop: &Shutdown) -> Result<bool, BoxError> {
        for _ in 0..LOOKS {
            let feeds = self.view.with(|known| {
                known
                    .feeds
                    .values()
                    .all(|feed| feed.as_ref().is_some_and(|reading| reading.status.delivers()))
            });
            if feeds && self.shards_owned().await == Some(u64::from(cascade_domain::SHARDS)) {
                return Ok(true);
            }
            if is_asked(stop, LOOK).await {
                return Ok(false);
            }
        }
        let feeds = self.view.with(|known| {
            let state = |venue: &Venue| {
                let reading = known.feeds.get(venue).and_then(Option::as_ref);
                reading.map_or_else(
                    || format!("{venue}: nothing"),
                    |r| format!("{venue}: {} {}", r.status.as_str(), r.reason),
                )
            };
            self.exchanges.iter().map(state).collect::<Vec<_>>().join("; ")
        });
        Err(format!("the system did not come up within 30 s ({feeds}); try --set service.log_level=info")
            .into())
    }

    async fn shards_owned(&self) -> Option<u64> {
        let keys = self.bus.scan(key::HEARTBEATS).await.ok()?;
        let signals = keys.into_iter().find(|key| key.contains(cascade_signals::PROGRAM.name))?;
        let heartbeat: Heartbeat = serde_json::from_str(&self.bus.get(&signals).await.ok()??).ok()?;
        heartbeat.shards_owned
    }

    /// Prints expected and seen levels, and what the exchanges published of what happened; `true` if they agree.
    fn verdict(&self) -> bool {
        let started = self.simulator.started_at().unwrap_or_default();
        let mut agreed = true;
        say(&format!("\n{:<8} {:<44} {:<52} verdict", "market", "expected", "seen"));
        for expected in self.simulator.scenario().expected() {
            let seen = self.view.with(|known| known.seen.get(&expected.symbol).cloned()).unwrap_or_default();
            let holds = holds(expected, &seen, started);
            agreed &= holds;
            let word = if holds { "agree" } else { "DISAGREE" };
            let (wanted, said) = (wanted(expected), said(expected, &seen, started));
            say(&format!("{:<8} {wanted:<44} {said:<52} {word}", expected.symbol));
        }
        say(&format!("\n{:<12} {:>20} {:>20}", "exchange", "liquidated", "of which published"));
        for (venue, shown) in self.simulator.truth().venues {
            let tally = |t: cascade_simulator::Tally| format!("{} orders {:>8}", t.orders, t.usd);
            say(&format!("{venue:<12} {:>20} {:>20}", tally(shown.real), tally(shown.published)));
        }
        agreed
    }
}

/// Whether it is time to stop, now or within `wait`.
async fn is_asked(stop: &Shutdown, wait: Duration) -> bool {
    tokio::time::timeout(wait, stop.requested()).await.is_ok()
}

fn wanted(expected: &Expected) -> String {
    let mut parts = Vec::new();
    if let Some(level) = expected.at_least {
        let within = expected.within_s.map_or(String::new(), |s| format!(" within {s} s of its onset"));
        parts.push(format!("{level}{within}"));
    }
    if let Some(level) = expected.below {
        parts.push(format!("below {level}"));
    }
    if expected.resolved {
        parts.push("resolved".to_owned());
    }
    parts.join(", ")
}

/// Seconds from the scenario's second `from_s` to a time.
fn after_s(at: EventTime, started: EventTime, from_s: u64) -> f64 {
    let onset_ms = i64::try_from(from_s).unwrap_or(i64::MAX).saturating_mul(1000);
    #[expect(clippy::cast_precision_loss, reason = "seconds for people")]
    let seconds = at.since(started.plus_ms(onset_ms)) as f64 / 1e3;
    seconds
}

fn said(expected: &Expected, seen: &Seen, started: EventTime) -> String {
    let reached =
        seen.reached.get(&seen.peak).filter(|_| expected.at_least.is_some()).map_or_else(String::new, |at| {
            format!(" {:.1} s after its onset", after_s(*at, started, expected.onset_s))
        });
    let resolved = seen
        .resolved_at
        .map_or_else(String::new, |at| format!(", resolved at {:.0} s", after_s(at, started, 0)));
    format!("peak {}{reached}{resolved}", seen.peak)
}

#[expect(clippy::cast_precision_loss, reason = "whole seconds of a scenario")]
fn holds(expected: &Expected, seen: &Seen, started: EventTime) -> bool {
    let in_time = |level: Level| {
        seen.reached.get(&level).is_some_and(|at| {
            expected.within_s.is_none_or(|s| after_s(*at, started, expected.onset_s) <= s as f64)
        })
    };
    let reached = expected.at_least.is_none_or(in_time);
    let below = expected.below.is_none_or(|level| seen.peak < level);
    let told = seen.peak >= Level::Alert;
    reached && below && (!expected.resolved || !told || seen.resolved_at.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use cascade_domain::Symbol;

    const START: EventTime = EventTime::from_ms(1_791_565_601_000);

    fn expected() -> Expected {
        Expected {
            symbol: Symbol::parse("BTCUSDT").unwrap(),
            at_least: Some(Level::Extreme),
            below: None,
            within_s: Some(60),
            onset_s: 42,
            resolved: true,
        }
    }

    fn seen(extreme_at_ms: i64, resolved: bool) -> Seen {
        Seen {
            level: Level::None,
            peak: Level::Extreme,
            reached: [(Level::Extreme, START.plus_ms(extreme_at_ms))].into(),
            resolved_at: resolved.then_some(START.plus_ms(170_000)),
        }
    }

    #[test]
    fn a_level_in_time_and_resolved_agrees() {
        assert!(holds(&expected(), &seen(102_000, true), START));
        assert!(!holds(&expected(), &seen(102_001, true), START), "too late");
        assert!(!holds(&expected(), &seen(62_000, false), START), "not resolved");
        assert!(!holds(&expected(), &Seen::default(), START), "nothing said");
    }

    #[test]
    fn a_quiet_day_must_stay_below() {
        let quiet = Expected { at_least: None, below: Some(Level::Alert), within_s: None, ..expected() };
        assert!(holds(&quiet, &Seen { peak: Level::Watch, ..Seen::default() }, START));
        assert!(!holds(&quiet, &Seen { peak: Level::Alert, ..seen(1, true) }, START));
        assert_eq!(wanted(&quiet), "below ALERT, resolved");
    }
}
