//! `feed` findings: a venue's feed that has been dead, refused or suspect for a minute is told once, and its return
//! too. Told by the tick writer alone, in a chain on Redis that a new one takes up where the last one left it.
//!
//! The judging is pure: states and time are handed in. When a feed is dead is the board's to say.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use cascade_bus::{Bus, BusError, Commit, Telling};
use cascade_domain::{EventTime, FeedFinding, FeedHealth, FeedStatus, Feeds, Finding, Id, State, Venue};
use cascade_pace::Clock;
use cascade_service::{Metric, Output, Shutdown, Throttle};
use cascade_wire::finding_from_json;

use crate::intake::{LOGGED_A_MINUTE, Shared};
use crate::ticks::Leading;

/// How long a feed must be broken before it is told, milliseconds.
const TOLD_AFTER_MS: i64 = 60_000;
/// How often the feeds are looked at, in the clock's time.
const LOOK: Duration = Duration::from_secs(1);

/// What is known of one venue's outage.
#[derive(Clone, Debug, Default)]
struct Outage {
    /// The finding that was told last.
    told: Option<FeedFinding>,
    /// Since when it is broken in one way or the other.
    broken_since: Option<EventTime>,
}

impl Outage {
    /// After what was told last.
    fn after(told: Option<FeedFinding>) -> Self {
        let broken_since =
            told.as_ref().filter(|last| last.state != State::Resolved).map(|last| last.since_ms);
        Self { told, broken_since }
    }

    /// What is to be told of this state now, if anything.
    fn judge(&mut self, health: &FeedHealth, feeds: &Feeds, now: EventTime) -> Option<FeedFinding> {
        let FeedHealth { venue, status, since_ms, reason } = health;
        let is_out = self.told.as_ref().is_some_and(|last| last.state != State::Resolved);
        let (state, out_ms) = match status {
            FeedStatus::Dead | FeedStatus::Refused | FeedStatus::Suspect => {
                self.broken_since.get_or_insert(*since_ms);
                if now.since(*since_ms) < TOLD_AFTER_MS {
                    return None;
                }
                (if is_out { State::Update } else { State::Open }, None)
            }
            FeedStatus::Stale => return None,
            FeedStatus::Live | FeedStatus::Sampled | FeedStatus::Partial => {
                let since = self.broken_since.take();
                if !is_out {
                    return None;
                }
                (State::Resolved, since.map(|since| since_ms.since(since)))
            }
        };
        let scope = FeedFinding::scope_of(*venue);
        let id = FeedFinding::id_of(&scope, *status, *since_ms);
        if self.told.as_ref().is_some_and(|last| last.id == id) {
            return None;
        }
        Some(FeedFinding {
            v: Finding::VERSION,
            id,
            state,
            scope,
            venue: *venue,
            status: *status,
            since_ms: *since_ms,
            reason: reason.clone(),
            out_ms,
            busiest: false,
            feeds: feeds.clone(),
            demo: false,
            known_at_ms: now,
            detected_at_ms: None,
        })
    }
}

/// Whether a venue published at least one liquidation, and no other one of those that are read more.
fn is_busiest(venue: Venue, counts: &BTreeMap<Venue, u64>) -> bool {
    let own = counts.get(&venue).copied().unwrap_or(0);
    own > 0 && counts.values().all(|count| *count <= own)
}

/// Tells the outages of all venues while this process leads.
#[derive(Debug)]
pub(crate) struct Outages {
    pub(crate) bus: Bus,
    pub(crate) output: Output,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) shared: Shared,
    pub(crate) leading: Leading,
}

impl Outages {
    /// Looks every second until asked to stop.
    pub(crate) async fn run(self, shutdown: Shutdown) {
        let mut outages = BTreeMap::new();
        let mut throttle = Throttle::new(LOGGED_A_MINUTE, 60_000);
        loop {
            tokio::select! {
                () = shutdown.requested() => return,
                () = tokio::time::sleep(self.clock.wall(LOOK)) => {}
            }
            if !self.leading.load(Ordering::Relaxed) {
                // Whoever leads meanwhile tells what we do not know of.
                outages.clear();
                continue;
            }
            let (now, healths) = (self.clock.now(), self.shared.board(|board| board.healths()));
            let feeds: Feeds = healths.iter().map(|health| (health.venue, health.status)).collect();
            for health in &healths {
                let known = outages.remove(&health.venue);
                match self.look(known, health, (&feeds, now)).await {
                    Ok(outage) => drop(outages.insert(health.venue, outage)),
                    Err(error) => {
                        if let Some(suppressed) = throttle.admit(health.venue.as_str(), now) {
                            let venue = health.venue.as_str();
                            tracing::warn!(venue, %error, suppressed, "what is to be told of its feed waits");
                        }
                    }
                }
            }
        }
    }

    /// Looks at one feed, and tells what is to be told.
    async fn look(
        &self,
        known: Option<Outage>,
        health: &FeedHealth,
        (feeds, now): (&Feeds, EventTime),
    ) -> Result<Outage, BusError> {
        let mut outage = match known {
            Some(outage) => outage,
            None => Outage::after(self.last_told(health.venue).await?),
        };
        if let Some(mut finding) = outage.judge(health, feeds, now) {
            let counts = self.bus.liquidations(feeds.keys().copied(), now).await?;
            finding.busiest = is_busiest(health.venue, &counts);
            let last = outage.told.as_ref().map(|last| last.id);
            match self.tell(finding.clone(), last).await? {
                Commit::Done | Commit::AlreadyDone => outage.told = Some(finding),
                Commit::CursorMoved | Commit::Fenced => {
                    outage = Outage::after(self.last_told(health.venue).await?);
                }
            }
        }
        Ok(outage)
    }

    async fn last_told(&self, venue: Venue) -> Result<Option<FeedFinding>, BusError> {
        let last = self.bus.last_told(&FeedFinding::scope_of(venue)).await?;
        Ok(match last.map(|json| finding_from_json(&json)) {
            Some(Ok(Finding::Feed(finding))) => Some(finding),
            _ => None,
        })
    }

    async fn tell(&self, finding: FeedFinding, after: Option<Id>) -> Result<Commit, BusError> {
        let (scope, id, status) = (finding.scope.clone(), finding.id, finding.status.as_str());
        let state = finding.state;
        let mut finding = Finding::Feed(finding);
        self.output.stamp(&mut finding, self.clock.now());
        let outgoing = match self.output.encode(&finding) {
            Ok(outgoing) => outgoing,
            Err(error) => {
                tracing::error!(scope, %error, "a finding that can't be encoded is lost");
                return Ok(Commit::Done);
            }
        };
        let channels: Vec<_> = outgoing.publish.iter().map(|(channel, _)| channel.clone()).collect();
        let telling = Telling {
            scope: scope.clone(),
            after,
            id,
            json: outgoing.json,
            bytes: outgoing.bytes,
            publish: outgoing.publish,
        };
        let commit = self.bus.tell(&telling).await?;
        if commit == Commit::Done {
            tracing::info!(scope, status, state = state.as_str(), "told");
            self.shared.metrics.add(Metric::Findings, &[finding.kind(), ""], 1);
            for channel in channels {
                self.shared.metrics.add(Metric::Published, &[&channel], 1);
            }
        }
        Ok(commit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: EventTime = EventTime::from_ms(1_791_565_601_000);

    fn health(status: FeedStatus, since_ms: i64) -> FeedHealth {
        let reason = "market-0: silent".to_owned();
        FeedHealth { venue: Venue::Binance, status, since_ms: T.plus_ms(since_ms), reason }
    }

    /// What is told of a state at a time; it is told at once.
    fn tell(
        outage: &mut Outage,
        health: &FeedHealth,
        at_ms: i64,
    ) -> Option<(State, FeedStatus, Option<i64>)> {
        let finding = outage.judge(health, &Feeds::new(), T.plus_ms(at_ms))?;
        let told = (finding.state, finding.status, finding.out_ms);
        outage.told = Some(finding);
        Some(told)
    }

    #[test]
    fn an_outage_is_told_after_a_minute_once_and_its_return_at_once() {
        use FeedStatus::{Dead, Refused, Sampled};
        let mut outage = Outage::default();
        for (health, at_ms, told) in [
            (health(Sampled, 0), 1_000, None),
            (health(Dead, 10_000), 69_999, None),
            (health(Dead, 10_000), 70_000, Some((State::Open, Dead, None))),
            (health(Dead, 10_000), 71_000, None),
            (health(Refused, 80_000), 139_999, None),
            (health(Refused, 80_000), 140_000, Some((State::Update, Refused, None))),
            (health(Sampled, 150_000), 150_000, Some((State::Resolved, Sampled, Some(140_000)))),
            (health(Sampled, 150_000), 151_000, None),
            (health(Dead, 160_000), 220_000, Some((State::Open, Dead, None))),
        ] {
            assert_eq!(tell(&mut outage, &health, at_ms), told, "{health:?} at {at_ms}");
        }
    }

    #[test]
    fn the_busiest_venue_is_the_one_that_no_other_has_published_more_than() {
        let counts = BTreeMap::from([(Venue::Binance, 7), (Venue::Bybit, 7), (Venue::Okx, 6)]);
        for (venue, busiest) in
            [(Venue::Binance, true), (Venue::Bybit, true), (Venue::Okx, false), (Venue::Hyperliquid, false)]
        {
            assert_eq!(is_busiest(venue, &counts), busiest, "{venue}");
        }
        assert!(!is_busiest(Venue::Okx, &BTreeMap::from([(Venue::Okx, 0), (Venue::Bybit, 0)])));
    }

    #[test]
    fn a_short_outage_is_not_told_and_neither_is_its_return() {
        let mut outage = Outage::default();
        assert_eq!(tell(&mut outage, &health(FeedStatus::Dead, 0), 59_999), None);
        assert_eq!(tell(&mut outage, &health(FeedStatus::Stale, 60_500), 130_000), None);
        assert_eq!(tell(&mut outage, &health(FeedStatus::Live, 130_000), 200_000), None);
    }

    #[test]
    fn whoever_leads_next_tells_nothing_twice_and_the_return() {
        let (dead, back) = (health(FeedStatus::Dead, 0), health(FeedStatus::Sampled, 90_000));
        let mut first = Outage::default();
        let told = first.judge(&dead, &Feeds::new(), T.plus_ms(60_000)).unwrap();
        let mut next = Outage::after(Some(told));
        assert_eq!(tell(&mut next, &dead, 61_000), None);
        assert_eq!(
            tell(&mut next, &back, 90_000),
            Some((State::Resolved, FeedStatus::Sampled, Some(90_000)))
        );
    }
}
