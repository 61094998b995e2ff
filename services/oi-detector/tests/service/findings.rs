//! What the service tells, and what its engine says of the same events.

use std::sync::Arc;

use cascade_bus::{Bus, Stored, StreamBounds, StreamId};
use cascade_domain::{Event, Finding, InterestFinding};
use cascade_engine::Replay;
use cascade_open_interest::{Config, OpenInterestEngine};
use cascade_testkit::eventually;
use cascade_wire::{decode_finding, key};

use crate::market;
use crate::support::DEADLINE;

pub(crate) const BOUNDS: StreamBounds =
    StreamBounds { max_age_s: 600, max_len: 1_000_000, for_snapshots_s: 600 };

/// Writes these seconds into the symbol's shard, each in an entry of its own.
pub(crate) async fn write(bus: &Bus, seconds: std::ops::Range<i64>) {
    let seconds: Vec<Vec<Stored>> = seconds
        .map(|second| {
            let events = market::second(second);
            events.iter().map(|event| Stored::event(event, 600).unwrap()).collect()
        })
        .collect();
    for some in seconds.chunks(100) {
        let batches: Vec<_> = some.iter().map(|stored| (market::shard(), stored.as_slice())).collect();
        for stored in bus.store_many(&batches, BOUNDS).await.unwrap() {
            stored.unwrap();
        }
    }
}

/// What stands in the alert stream of the symbol's shard, in its order, less when it was decided on the wall.
pub(crate) async fn told(bus: &Bus) -> Vec<InterestFinding> {
    let entries = bus.entries(&key::alerts(market::shard()), StreamId::ZERO, 10_000).await.unwrap();
    let findings = entries.iter().map(|entry| decode_finding(entry.one.as_deref().unwrap()).unwrap());
    findings
        .map(|finding| {
            let finding = of_interest(finding);
            assert!(finding.detected_at_ms.is_some(), "{finding:?}");
            InterestFinding { detected_at_ms: None, ..finding }
        })
        .collect()
}

/// Waits until the alert stream says this of what was told last, and gives all of it.
pub(crate) async fn until(bus: &Bus, last: impl Fn(&InterestFinding) -> bool) -> Vec<InterestFinding> {
    let is_told = eventually(DEADLINE, async || told(bus).await.last().is_some_and(&last));
    assert!(is_told.await, "{:?}", told(bus).await.last());
    told(bus).await
}

/// What the engine says of these events.
pub(crate) fn said(events: impl IntoIterator<Item = Event>) -> Vec<InterestFinding> {
    let config = Arc::new(Config::default());
    let label = config.engine_label();
    let mut replay = Replay::new(|shard| OpenInterestEngine::new(Arc::clone(&config), shard, label.clone()));
    let mut findings = Vec::new();
    for event in events {
        // The streams of the other shards hear nothing here.
        let place = cascade_engine::Place { shard: market::shard(), entry: None };
        replay.take(Some(place), &event, &mut findings).unwrap();
    }
    findings.extend(replay.finish());
    findings.into_iter().map(of_interest).collect()
}

fn of_interest(finding: Finding) -> InterestFinding {
    let kind = finding.kind();
    let Finding::OpenInterest(finding) = finding else { unreachable!("{kind}") };
    *finding
}
