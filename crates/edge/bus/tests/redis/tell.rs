//! Findings of a scope: told once each, in a chain.

use crate::subscriber::{heard, listen};
use crate::support::redis;
use cascade_bus::{Commit, StreamId, Telling};
use cascade_domain::{Id, Shard};
use cascade_wire::{Channel, key};

const SCOPE: &str = "feed:binance";

fn telling(after: Option<u64>, id: u64) -> Telling {
    Telling {
        scope: SCOPE.to_owned(),
        after: after.map(Id::from_bits),
        id: Id::from_bits(id),
        json: format!("finding {id}"),
        bytes: format!("finding {id}").into_bytes(),
        publish: vec![(Channel::Signals.as_str().to_owned(), format!("heard {id}").into_bytes())],
    }
}

#[tokio::test]
async fn a_finding_is_told_once_and_only_after_the_one_that_was_told_last() {
    let (_server, bus) = redis().await;
    let mut subscriber = listen(&bus).await;
    assert_eq!(bus.last_told(SCOPE).await.unwrap(), None);
    for (told, became) in [
        (telling(None, 1), Commit::Done),
        (telling(None, 1), Commit::AlreadyDone),
        (telling(None, 2), Commit::CursorMoved),
        (telling(Some(1), 2), Commit::Done),
        (telling(Some(1), 3), Commit::CursorMoved),
        (telling(Some(2), 1), Commit::Done),
    ] {
        assert_eq!(bus.tell(&told).await.unwrap(), became, "{told:?}");
    }
    assert_eq!(bus.last_told(SCOPE).await.unwrap().as_deref(), Some("finding 1"));
    let alerts = bus.entries(&key::alerts(Shard::of_scope(SCOPE)), StreamId::ZERO, 10).await.unwrap();
    let told: Vec<_> =
        alerts.into_iter().map(|entry| String::from_utf8(entry.one.unwrap()).unwrap()).collect();
    assert_eq!(told, ["finding 1", "finding 2", "finding 1"]);
    for id in [1, 2, 1] {
        assert_eq!(heard(&mut subscriber).await, format!("heard {id}"));
    }
}
