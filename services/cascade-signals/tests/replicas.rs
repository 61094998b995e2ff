//! Replicas on one Redis: how they share the shards, what a new owner goes on from, and what it says of a hole.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test starts its services itself, and what they share may fail it"
)]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use cascade_bus::{Bus, RedisUrl, Stored, StreamBounds, StreamId};
use cascade_domain::{
    CascadeFinding, Coverage, Event, EventTime, FeedStatus, Feeds, Finding, Id, Instrument, Level,
    Liquidation, PriceKind, Shard, Side, Symbol, Tick, Usd, Venue,
};
use cascade_service::config::{Document, Mistakes, Override, Sources};
use cascade_service::{BoxError, Context, Health, Metrics, Shutdown, SystemClock};
use cascade_testkit::{Observer, TestRedis, eventually};
use cascade_wire::{EngineKeys, decode_finding, key};
use tokio::task::JoinHandle;

const DEADLINE: Duration = Duration::from_mins(1);
const BOUNDS: StreamBounds = StreamBounds { max_age_s: 600, max_len: 100_000, for_snapshots_s: 600 };
/// A whole minute in the past.
const START: i64 = 1_790_000_040_000;

/// One cascade-signals.
struct Replica {
    instance: String,
    health: Health,
    metrics: Metrics,
    shutdown: Shutdown,
    task: JoinHandle<Result<(), BoxError>>,
}

impl Replica {
    fn start(redis: &TestRedis, instance: &str, preset: &str) -> Self {
        let preset =
            Override { key: "cascade.preset".to_owned(), text: preset.to_owned(), flag: "test".to_owned() };
        let document = Document::load(&Sources { overrides: vec![preset], ..Sources::default() }).0;
        let mut mistakes = Mistakes::default();
        let mut config = cascade_signals::Config::read(&document, &mut mistakes);
        assert!(mistakes.is_empty(), "{mistakes}");
        config.redis_url = RedisUrl::parse(&redis.url()).unwrap();
        let name = cascade_signals::PROGRAM.name;
        let (health, metrics, shutdown) = (Health::new(), Metrics::new(name, "0"), Shutdown::new());
        let context = Context {
            name,
            version: "0",
            instance: instance.to_owned(),
            clock: Arc::new(SystemClock::try_new(1.0).unwrap()),
            seed: 1,
            health: health.clone(),
            metrics: metrics.clone(),
            routes: cascade_service::Routes::default(),
            traces: cascade_service::Traces::off(),
            shutdown: shutdown.clone(),
            deadline: Duration::from_secs(10),
        };
        let task = tokio::spawn(cascade_signals::run(config, context));
        Self { instance: instance.to_owned(), health, metrics, shutdown, task }
    }

    async fn stop(self) {
        self.shutdown.request();
        self.task.await.unwrap().unwrap();
    }

    /// Ends without a word to anybody: its leases and its membership must run out.
    async fn kill(self) {
        self.task.abort();
        self.task.await.unwrap_err();
    }

    fn shows(&self, line: &str) -> bool {
        self.metrics.render().lines().any(|told| told == line)
    }
}

/// How many shards each instance owns.
async fn shares(bus: &Bus, instances: &[&str]) -> Vec<usize> {
    let owners = bus.owners("cascade").await.unwrap_or_default();
    let owns = |instance: &str, owner: &Option<String>| {
        owner.as_deref().is_some_and(|owner| owner.starts_with(&format!("{instance} ")))
    };
    instances.iter().map(|name| owners.iter().filter(|owner| owns(name, owner)).count()).collect()
}

fn symbol() -> Symbol {
    Symbol::parse("BTCUSDT").unwrap()
}

fn tick(second: i64) -> Event {
    Event::Tick(Tick {
        event_time_ms: EventTime::from_ms(START + second * 1000),
        btc_price: Some(80_000.0),
        btc_usd_volume_1s: None,
        btc_venues_changed: false,
        feeds: Feeds::from_iter([(Venue::Bybit, FeedStatus::Live)]),
    })
}

/// A liquidated long of so many dollars in this second.
fn liquidation(second: i64, dollars: i64) -> Event {
    let at = EventTime::from_ms(START + second * 1000 - 500);
    Event::Liquidation(Liquidation {
        id: Id::from_bits(u64::try_from(second).unwrap()),
        venue: Venue::Bybit,
        symbol: symbol(),
        instrument: Instrument::parse("BTCUSDT").unwrap(),
        side: Side::Long,
        price: 80_000.0,
        price_kind: PriceKind::Bankruptcy,
        quantity: 1.0,
        notional_usd: Usd::from_dollars(dollars),
        event_time_ms: at,
        published_at_ms: None,
        known_at_ms: Some(at),
        coverage: Coverage::Complete,
        account: None,
    })
}

/// Writes these events into BTC's shard, one entry each.
async fn write(bus: &Bus, events: impl IntoIterator<Item = Event>) {
    for event in events {
        let stored = Stored::event(&event, 600).unwrap();
        assert!(
            eventually(DEADLINE, async || {
                bus.store(Shard::of(&symbol()), std::slice::from_ref(&stored), BOUNDS).await.is_ok()
            })
            .await
        );
    }
}

/// The same, many in a round trip.
async fn write_fast(bus: &Bus, events: &[Event]) {
    let stored: Vec<_> = events.iter().map(|event| Stored::event(event, 600).unwrap()).collect();
    let bounds = StreamBounds { max_len: 1_000_000, ..BOUNDS };
    for some in stored.chunks(500) {
        let batches: Vec<_> =
            some.iter().map(|one| (Shard::of(&symbol()), std::slice::from_ref(one))).collect();
        for stored in bus.store_many(&batches, bounds).await.unwrap() {
            stored.unwrap();
        }
    }
}

/// What stands in the alert stream of BTC's shard.
async fn alerts(bus: &Bus) -> Vec<CascadeFinding> {
    let entries = bus.entries(&key::alerts(Shard::of(&symbol())), StreamId::ZERO, 10_000).await.unwrap();
    let findings = entries.iter().map(|entry| decode_finding(entry.one.as_deref().unwrap()).unwrap());
    let cascades = findings.filter_map(|finding| match finding {
        Finding::Cascade(finding) => Some(*finding),
        _ => None,
    });
    cascades.collect()
}

/// Waits until BTC's alert stream says this of the last transition, and tells all of them.
async fn until(bus: &Bus, last: impl Fn(&CascadeFinding) -> bool) -> Vec<CascadeFinding> {
    let told = async || alerts(bus).await.last().is_some_and(&last);
    assert!(eventually(DEADLINE, told).await, "{:?}", alerts(bus).await.last());
    alerts(bus).await
}

/// Waits until what was written is out: the cursor of BTC's shard stands at the stream's end.
async fn caught_up(bus: &Bus, observer: &Observer) {
    let shard = Shard::of(&symbol());
    let keys = EngineKeys::of(shard, "cascade");
    let out = async || {
        let newest = bus.newest(&[shard]).await.unwrap().remove(0).unwrap().unwrap();
        let cursor = observer.command::<Option<String>>("GET", &[&keys.cursor]).await.unwrap();
        cursor == Some(newest.to_string())
    };
    assert!(eventually(DEADLINE, out).await);
}

#[tokio::test]
async fn replicas_share_the_shards_and_one_that_stops_hands_its_own_over_at_once() {
    let redis = TestRedis::start().await.unwrap();
    let bus = redis.bus("test").unwrap();
    let first = Replica::start(&redis, "first:1", "balanced");
    assert!(eventually(DEADLINE, async || shares(&bus, &["first:1"]).await == [64]).await);
    let second = Replica::start(&redis, "second:2", "balanced");
    let both = ["first:1", "second:2"];
    let shared = async || {
        let shares = shares(&bus, &both).await;
        shares.iter().sum::<usize>() == 64 && shares.iter().all(|share| *share >= 16)
    };
    assert!(eventually(DEADLINE, shared).await, "{:?}", shares(&bus, &both).await);
    assert!(eventually(DEADLINE, async || first.health.readiness().is_ready()).await);
    assert_eq!(second.instance, "second:2");
    second.stop().await;
    // Its leases would have held for ten seconds: what is left of three was no waiting for them.
    let alone = eventually(Duration::from_secs(3), async || shares(&bus, &both).await == [64, 0]);
    assert!(alone.await, "{:?}", shares(&bus, &both).await);
    first.stop().await;
    assert_eq!(shares(&bus, &both).await, [0, 0], "leases are given back");
}

/// One whose shards others had taken told for ever how far it had been behind, and how large their snapshots had been.
#[tokio::test]
async fn who_lost_its_shards_tells_neither_their_lag_nor_their_snapshots() {
    let redis = TestRedis::start().await.unwrap();
    let (bus, observer) = (redis.bus("test").unwrap(), Observer::connect(&redis.url(), &[]).await.unwrap());
    let shard = Shard::of(&symbol());
    let replica = Replica::start(&redis, "first:1", "balanced");
    write(&bus, (0..4).map(tick)).await;
    caught_up(&bus, &observer).await;
    let snapshot = format!("cascade_snapshot_bytes{{engine=\"cascade\",shard=\"{shard}\"}} ");
    let lag = "cascade_shard_lag_seconds{engine=\"cascade\"} ";
    let tells = |of: &str| {
        let text = replica.metrics.render();
        text.lines().find_map(|line| line.strip_prefix(of)?.parse::<f64>().ok())
    };
    let second = std::cell::Cell::new(4);
    let both = async || {
        // A snapshot is kept with what is taken, when one is due.
        write(&bus, [tick(second.replace(second.get() + 1))]).await;
        [&*snapshot, lag].iter().all(|of| tells(of).is_some_and(f64::is_finite))
    };
    assert!(eventually(DEADLINE, both).await, "{}", replica.metrics.render());
    for shard in Shard::all() {
        let lease = EngineKeys::of(shard, "cascade").lease;
        observer.command::<String>("SET", &[&lease, "other:1 0.1.0+0000", "PX", "30000"]).await.unwrap();
    }
    let neither = async || [&*snapshot, lag].iter().all(|of| tells(of).is_some_and(f64::is_nan));
    assert!(eventually(DEADLINE, neither).await, "{}", replica.metrics.render());
    replica.stop().await;
}

#[tokio::test]
async fn an_episode_lives_in_the_snapshot_when_its_stream_is_gone_and_is_told_once() {
    let redis = TestRedis::start().await.unwrap();
    let bus = redis.bus("test").unwrap();
    let observer = Observer::connect(&redis.url(), &[]).await.unwrap();
    let first = Replica::start(&redis, "first:1", "balanced");
    write(&bus, (0..70).map(tick)).await;
    write(&bus, (70..75).flat_map(|second| [liquidation(second, 1_000_000), tick(second)])).await;
    let before = until(&bus, |told| told.level == Level::Alert).await;
    caught_up(&bus, &observer).await;
    first.stop().await;

    // All but the entry at which the snapshot stands: where that one is gone, others after it may be, too.
    let market = key::market(Shard::of(&symbol()));
    observer.command::<u64>("XTRIM", &[&market, "MAXLEN", "1"]).await.unwrap();
    let second = Replica::start(&redis, "second:2", "balanced");
    write(&bus, (75..200).map(tick)).await;
    let all = until(&bus, |told| told.closing.is_some()).await;
    let episodes: BTreeSet<Id> = all.iter().map(|told| told.episode).collect();
    assert_eq!(episodes.len(), 1, "{all:?}");
    assert_eq!(all[..before.len()], before[..], "nothing is told twice");
    let closing = all.last().unwrap().closing.as_ref().unwrap();
    assert_eq!((closing.orders, closing.notional_usd), (5, Usd::from_dollars(5_000_000)));
    assert!(all.iter().all(|told| !told.warming), "{all:?}");
    second.stop().await;
}

#[tokio::test]
async fn one_that_was_overtaken_tells_a_hole_and_is_warming() {
    let redis = TestRedis::start().await.unwrap();
    let bus = redis.bus("test").unwrap();
    let observer = Observer::connect(&redis.url(), &[]).await.unwrap();
    let first = Replica::start(&redis, "first:1", "balanced");
    write(&bus, (0..70).map(tick)).await;
    caught_up(&bus, &observer).await;
    first.stop().await;

    // Entries that nobody heard, and their stream without them and without where the snapshot stands.
    write(&bus, (70..400).map(tick)).await;
    let market = key::market(Shard::of(&symbol()));
    observer.command::<u64>("XTRIM", &[&market, "MAXLEN", "5"]).await.unwrap();
    let second = Replica::start(&redis, "second:2", "balanced");
    write(&bus, (400..404).flat_map(|second| [liquidation(second, 1_000_000), tick(second)])).await;
    let told = until(&bus, |told| told.level == Level::Alert).await;
    assert!(told.iter().all(|told| told.warming && told.lower_bound == Venue::ALL), "{told:?}");
    assert!(second.shows("cascade_overtaken_total{engine=\"cascade\"} 1"), "{}", second.metrics.render());
    write(&bus, (404..600).map(tick)).await;
    let told = until(&bus, |told| told.closing.is_some()).await;
    assert!(!told.last().unwrap().warming, "a minute later the windows are full");
    second.stop().await;
}

#[tokio::test]
async fn a_snapshot_that_can_not_be_read_is_a_cold_start_counted_and_said() {
    let redis = TestRedis::start().await.unwrap();
    let bus = redis.bus("test").unwrap();
    let observer = Observer::connect(&redis.url(), &[]).await.unwrap();
    let keys = EngineKeys::of(Shard::of(&symbol()), "cascade");
    observer.command::<String>("SET", &[&keys.state, "no snapshot"]).await.unwrap();
    let replica = Replica::start(&redis, "first:1", "balanced");
    write(&bus, (0..4).flat_map(|second| [liquidation(second + 1, 1_000_000), tick(second + 1)])).await;
    let told = until(&bus, |told| told.level == Level::Alert).await;
    assert!(told.iter().all(|told| told.warming), "{told:?}");
    assert!(replica.shows("cascade_snapshots_refused_total{engine=\"cascade\",reason=\"malformed\"} 1"));
    // The next one can be read.
    caught_up(&bus, &observer).await;
    replica.stop().await;
    let next = Replica::start(&redis, "second:2", "balanced");
    assert!(eventually(DEADLINE, async || shares(&bus, &["second:2"]).await == [64]).await);
    assert!(!next.metrics.render().contains("cascade_snapshots_refused_total{"));
    next.stop().await;
}

#[tokio::test]
async fn two_configurations_at_once_are_shown_and_the_new_one_takes_over_by_hand_over() {
    let redis = TestRedis::start().await.unwrap();
    let bus = redis.bus("test").unwrap();
    let old = Replica::start(&redis, "old:1", "balanced");
    assert!(eventually(DEADLINE, async || shares(&bus, &["old:1"]).await == [64]).await);
    let new = Replica::start(&redis, "new:2", "calm");
    let both_shown = async || {
        let text = old.metrics.render();
        let shown = text.lines().filter(|line| line.starts_with("cascade_shards_owned{"));
        shown.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).filter(|n| *n > 0.0).count()
            == 2
    };
    assert!(eventually(DEADLINE, both_shown).await, "{}", old.metrics.render());
    old.stop().await;
    assert!(eventually(DEADLINE, async || shares(&bus, &["old:1", "new:2"]).await == [0, 64]).await);
    assert!(
        !new.metrics.render().contains("cascade_snapshots_refused_total{"),
        "the state outlives a setting"
    );
    new.stop().await;
}

#[tokio::test]
async fn one_that_dies_without_a_word_is_followed_when_its_leases_have_run_out() {
    let redis = TestRedis::start().await.unwrap();
    let bus = redis.bus("test").unwrap();
    let (first, second) =
        (Replica::start(&redis, "first:1", "balanced"), Replica::start(&redis, "second:2", "balanced"));
    let both = ["first:1", "second:2"];
    let shared = async || {
        let shares = shares(&bus, &both).await;
        shares.iter().sum::<usize>() == 64 && shares.iter().all(|share| *share >= 16)
    };
    assert!(eventually(DEADLINE, shared).await);
    second.kill().await;
    assert!(eventually(DEADLINE, async || shares(&bus, &both).await == [64, 0]).await);
    first.stop().await;
}

#[tokio::test]
async fn who_stops_while_catching_up_leaves_the_cursor_where_it_stood_and_nothing_is_told_again() {
    let redis = TestRedis::start().await.unwrap();
    let bus = redis.bus("test").unwrap();
    let observer = Observer::connect(&redis.url(), &[]).await.unwrap();
    let keys = EngineKeys::of(Shard::of(&symbol()), "cascade");
    let first = Replica::start(&redis, "first:1", "balanced");
    let mut events: Vec<Event> = (0..30_000).map(tick).collect();
    events.extend((30_000..30_005).flat_map(|second| [liquidation(second, 1_000_000), tick(second)]));
    events.extend((30_005..60_000).map(tick));
    write_fast(&bus, &events).await;
    caught_up(&bus, &observer).await;
    let before = alerts(&bus).await;
    assert!(before.last().is_some_and(|told| told.closing.is_some()), "{before:?}");
    first.stop().await;
    let cursor = async || {
        let text: Option<String> = observer.command("GET", &[&keys.cursor]).await.unwrap();
        text.unwrap().parse::<StreamId>().unwrap()
    };
    let stood = cursor().await;

    // Another version's: a cold start, and minutes of entries to read.
    observer.command::<String>("SET", &[&keys.state, "no snapshot"]).await.unwrap();
    let second = Replica::start(&redis, "second:2", "balanced");
    let reads = async || {
        second.metrics.render().contains("cascade_engine_events_total{engine=\"cascade\",kind=\"tick\"}")
    };
    assert!(eventually(DEADLINE, reads).await);
    second.stop().await;
    assert!(cursor().await >= stood, "{} {stood}", cursor().await);
    let third = Replica::start(&redis, "third:3", "balanced");
    write(&bus, [tick(60_001)]).await;
    caught_up(&bus, &observer).await;
    assert_eq!(alerts(&bus).await, before);
    third.stop().await;
}

#[tokio::test]
async fn a_key_of_another_kind_in_one_shard_keeps_no_other_from_being_served() {
    let redis = TestRedis::start().await.unwrap();
    let bus = redis.bus("test").unwrap();
    let observer = Observer::connect(&redis.url(), &[]).await.unwrap();
    let mut others = Shard::all().filter(|shard| *shard != Shard::of(&symbol()));
    let mut keys = || EngineKeys::of(others.next().unwrap(), "cascade");
    observer.command::<String>("SET", &[&keys().cursor, "no stream id"]).await.unwrap();
    observer.command::<u64>("LPUSH", &[&keys().lease, "no lease"]).await.unwrap();
    observer.command::<u64>("LPUSH", &[&keys().state, "no snapshot"]).await.unwrap();
    let replica = Replica::start(&redis, "first:1", "balanced");
    write(&bus, (0..70).map(tick)).await;
    caught_up(&bus, &observer).await;
    assert!(eventually(DEADLINE, async || replica.health.readiness().is_ready()).await);
    replica.stop().await;
}
