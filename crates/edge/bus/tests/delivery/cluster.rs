//! The books on a real cluster: all keys of a script are in one slot.

use crate::reader::{hear, put_out};
use crate::support::{ask, at, delivery, letter, rows, settlement};
use cascade_bus::StreamId;
use cascade_bus::delivery::{Decided, Positions};
use cascade_domain::{Decision, Priority, Shard};
use cascade_testkit::TestCluster;

#[tokio::test]
async fn a_cluster_keeps_the_books_and_all_shards_are_heard() {
    let cluster = TestCluster::start(3, 0).await.unwrap();
    let bus = cluster.bus("test").unwrap();
    let told = delivery(1, Priority::High);
    let decisions = [Decision::Tell(Box::new(told.clone()))];
    let decided = Decided {
        generation: 0,
        writer: "one",
        now: at(0),
        state: b"one",
        decisions: &decisions,
        history: &[],
    };
    assert!(bus.decide(&decided).await.unwrap());
    assert_eq!(rows(bus.claim(&ask("a", at(0))).await.unwrap())[0].delivery, told);
    let dead = [(told.row, letter(&told, "gone"))];
    assert_eq!(bus.settle(&settlement("a", &dead)).await.unwrap(), [true]);
    let id = bus.letters(StreamId::ZERO, 9).await.unwrap()[0].0;
    assert_eq!(bus.replay_letters(&[id], "ann", at(0), at(9)).await.unwrap(), [true]);
    assert!(bus.order_once("bot", 1, None).await.unwrap());
    let audit = bus.audit(at(0)).await.unwrap();
    assert_eq!((audit.accounts["chat"].open, audit.letters), (1, 0));

    let mut positions = Positions::default();
    for number in [1, 40] {
        put_out(&bus, Shard::new(number).unwrap(), 1, 1).await;
    }
    assert_eq!(hear(&bus, &mut positions).await, ["01 1", "40 1"]);
    bus.alerts_read(&positions).await.unwrap();
    put_out(&bus, Shard::new(40).unwrap(), 2, 1).await;
    assert_eq!(hear(&bus, &mut positions).await, ["40 2"]);
}
