//! The findings of all shards and the orders, and that none is trimmed before it is decided on.

use std::time::Duration;

use crate::support::{alert, at, books};
use cascade_bus::delivery::{Heard, Positions};
use cascade_bus::{Batch, Bus, BusSettings, Claim, Commit, StreamBounds, StreamId};
use cascade_domain::{Ask, Order, Shard};
use cascade_wire::key;

const BLOCK: Duration = Duration::from_secs(10);

/// Puts so many findings of a shard out, one a commit, behind those that there are.
pub(crate) async fn put_out(bus: &Bus, shard: Shard, from: u64, count: u64) {
    let claim = Claim { engine: "cascade".to_owned(), owner: "test".to_owned(), ttl_ms: 60_000 };
    let owned = bus.take(&claim, &[shard]).await.remove(0).unwrap().unwrap();
    let mut at = owned.cursor.unwrap_or_default();
    for number in from..from + count {
        let to = StreamId { ms: at.ms + 1, seq: 0 };
        let durable = vec![number.to_string().into_bytes()];
        let batch =
            Batch { shard, epoch: owned.epoch, from: at, to, durable, publish: Vec::new(), state: None };
        assert_eq!(bus.commit("cascade", &batch).await.unwrap(), Commit::Done);
        at = to;
    }
}

fn text(heard: &Heard) -> String {
    match heard {
        Heard::Finding(shard, _, Some(bytes)) => format!("{shard} {}", String::from_utf8_lossy(bytes)),
        Heard::Order(_, Some(_)) => "order".to_owned(),
        other => panic!("{other:?}"),
    }
}

/// Everything that comes within one read after these positions.
pub(crate) async fn hear(bus: &Bus, positions: &mut Positions) -> Vec<String> {
    let heard = bus.alerts().read(positions, BLOCK, 100).await.unwrap();
    for heard in &heard {
        positions.pass(heard);
    }
    heard.iter().map(text).collect()
}

#[tokio::test]
async fn findings_of_all_shards_and_orders_are_heard_once_and_in_order() {
    let books = books().await;
    let mut positions = Positions::default();
    put_out(&books.bus, Shard::new(9).unwrap(), 1, 2).await;
    put_out(&books.bus, Shard::new(3).unwrap(), 1, 1).await;
    let ack = Order { at_ms: at(0), by: "ann".to_owned(), what: Ask::Ack { alert: alert(1, 1).id } };
    books.bus.order(&ack).await.unwrap();
    assert_eq!(hear(&books.bus, &mut positions).await, ["03 1", "09 1", "09 2", "order"]);
    put_out(&books.bus, Shard::new(9).unwrap(), 3, 1).await;
    assert_eq!(hear(&books.bus, &mut positions).await, ["09 3"]);
    let nothing = books.bus.alerts().read(&positions, Duration::from_millis(1), 100).await.unwrap();
    assert_eq!(nothing, []);
}

#[tokio::test]
async fn a_reader_that_waits_hears_what_comes() {
    let books = books().await;
    let mut positions = Positions::default();
    let (heard, ()) =
        tokio::join!(hear(&books.bus, &mut positions), put_out(&books.bus, Shard::new(0).unwrap(), 7, 1));
    assert_eq!(heard, ["00 7"]);
}

#[tokio::test]
async fn findings_are_not_trimmed_past_what_the_dispatcher_has_read_while_it_says_so() {
    let books = books().await;
    // A node of a stream holds 100 entries: what is trimmed is trimmed by nodes.
    let alerts = StreamBounds { max_age_s: 86_400, max_len: 100, for_snapshots_s: 0 };
    let bus = Bus::open(&books.server.url(), BusSettings { alerts, ..BusSettings::default() }).unwrap();
    let shard = Shard::new(5).unwrap();
    let length = async || books.raw::<u64>(&["XLEN", &key::alerts(shard)]).await;
    put_out(&bus, shard, 0, 600).await;
    assert!(length().await <= 300, "nobody reads: {}", length().await);

    let mut positions = Positions::default();
    bus.alerts_read(&positions).await.unwrap();
    let before = length().await;
    put_out(&bus, shard, 600, 600).await;
    assert_eq!(length().await, before + 600, "nothing is read, and nothing is trimmed");
    let mut heard = 0;
    while heard < before + 600 {
        heard += u64::try_from(hear(&bus, &mut positions).await.len()).unwrap();
    }
    bus.alerts_read(&positions).await.unwrap();
    put_out(&bus, shard, 1200, 100).await;
    assert!(length().await <= 300, "all is read: {}", length().await);

    let (long_ago, unread) = ("1000000000", "0-0");
    let said = format!("{unread} {long_ago}");
    books.raw::<u64>(&["HSET", &key::alerts_read(shard), "dispatch", &said]).await;
    put_out(&bus, shard, 1300, 600).await;
    assert!(length().await <= 300, "who has said nothing for a day is not waited for: {}", length().await);
}

#[tokio::test]
async fn findings_that_are_old_stay_until_they_are_read() {
    let books = books().await;
    let alerts = StreamBounds { max_age_s: 3600, max_len: 100_000, for_snapshots_s: 0 };
    let bus = Bus::open(&books.server.url(), BusSettings { alerts, ..BusSettings::default() }).unwrap();
    let (shard, mut clock) = (Shard::new(5).unwrap(), 0_u64);
    let (seconds, _): (u64, u64) = books.raw(&["TIME"]).await;
    for _ in 0..300 {
        clock += 1;
        let id = format!("{}-{clock}", (seconds - 7200) * 1000);
        books.raw::<String>(&["XADD", &key::alerts(shard), &id, "e", "old"]).await;
    }
    bus.alerts_read(&Positions::default()).await.unwrap();
    put_out(&bus, shard, 0, 1).await;
    assert_eq!(books.raw::<u64>(&["XLEN", &key::alerts(shard)]).await, 301);
    let read = Positions { shards: [(shard, format!("{}-0", seconds * 1000))].into(), orders: None };
    bus.alerts_read(&read).await.unwrap();
    put_out(&bus, shard, 1, 1).await;
    assert!(books.raw::<u64>(&["XLEN", &key::alerts(shard)]).await <= 102);
}
