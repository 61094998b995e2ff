//! Exchanges that answer wrongly or not at all, and a Redis that goes away: the service goes on, counts it, says which venue
//! does how, and puts nothing wrong into the streams.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cascade_domain::{Shard, Symbol, Venue};
use cascade_pace::Clock;
use cascade_simulator::{PollFault, Simulator};
use cascade_testkit::{Observer, TestClock, TestRedis, eventually};
use cascade_wire::key;
use serde_json::Value;

use crate::support::{DEADLINE, Service, exchanges, health_of, samples, stored, variables};

/// A service that asks simulated exchanges, all by one clock that is so many times as fast as the wall's.
struct Site {
    redis: TestRedis,
    clock: Arc<TestClock>,
    simulator: Arc<Simulator>,
    observer: Observer,
    service: Service,
}

impl Site {
    async fn start(speed: f64) -> Self {
        Self::of(speed, &[]).await
    }

    /// One whose service has these variables besides.
    async fn of(speed: f64, more: &[(&str, &str)]) -> Self {
        let redis = TestRedis::start().await.unwrap();
        let clock = Arc::new(TestClock::new(speed));
        let simulator = exchanges(clock.clone()).await;
        let observer = Observer::connect(&redis.url(), &[]).await.unwrap();
        let mut environment = variables(&simulator);
        environment.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let service = Service::start(&redis, clock.clone(), environment);
        let site = Self { redis, clock, simulator, observer, service };
        site.becomes("live").await;
        site
    }

    /// The same with another service, so many milliseconds of the clock after the first was stopped.
    async fn restarted_after(self, pause_ms: i64) -> Self {
        self.service.stop().await;
        let stopped = self.clock.now();
        let is_over = async || self.clock.now().since(stopped) >= pause_ms;
        assert!(eventually(DEADLINE, is_over).await);
        let environment = variables(&self.simulator);
        let service = Service::named("in-test:2", &self.redis, self.clock.clone(), environment);
        Self { service, ..self }
    }

    /// Waits until Binance's poller says so; gives what it says.
    async fn becomes(&self, status: &str) -> Value {
        let mut said = Value::Null;
        let is_so = eventually(DEADLINE, async || {
            said = health_of(&self.observer, Venue::Binance).await;
            said["status"] == status
        });
        assert!(is_so.await, "not {status} but {said}\n{}", self.service.metrics.render());
        said
    }

    /// Breaks Binance until it is so, sees that this is counted, and mends it; what it said, and how many samples came
    /// meanwhile.
    async fn broken(&self, fault: PollFault, status: &str, counted: &[&str]) -> Value {
        self.simulator.faults().break_polls(Venue::Binance, Some(fault));
        let said = self.becomes(status).await;
        let is_counted = eventually(DEADLINE, async || self.service.counted(counted) > 0.0);
        assert!(is_counted.await, "{counted:?} in {}", self.service.metrics.render());
        assert_eq!(health_of(&self.observer, Venue::Okx).await["status"], "live", "the other venue goes on");
        assert!(self.service.health.readiness().is_ready(), "{:?}", self.service.health.readiness());
        self.simulator.faults().break_polls(Venue::Binance, None);
        said
    }

    /// Waits until Binance's samples reach the streams again.
    async fn goes_on(&self) {
        self.becomes("live").await;
        let before: usize = samples(&self.observer, Venue::Binance).await.values().sum();
        let on = async || samples(&self.observer, Venue::Binance).await.values().sum::<usize>() > before;
        assert!(eventually(DEADLINE, on).await);
    }

    /// Every sample of an instrument is near its first one: nothing of another instrument, nothing made up.
    async fn nothing_wrong_is_stored(&self) {
        let stored = stored(&self.observer, "open_interest").await;
        let amount = |sample: &Value| sample["coins"].as_f64().or_else(|| sample["usd"].as_f64()).unwrap();
        for (_, sample) in &stored {
            let is_it = |(_, other): &&(_, Value)| {
                other["venue"] == sample["venue"] && other["instrument"] == sample["instrument"]
            };
            let first = amount(&stored.iter().find(is_it).unwrap().1);
            assert!((amount(sample) / first - 1.0).abs() < 0.2, "{sample} after {first}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_venue_that_limits_us_is_left_alone_for_as_long_as_it_says_and_then_asked_again() {
    let site = Site::start(10.0).await;
    let limited = ["cascade_polls_total", "binance", "\"limited\""];
    let said = site.broken(PollFault::Status(429, Some(20)), "refused", &limited).await;
    assert!(said["away_until_ms"].as_i64() > said["told_ms"].as_i64(), "{said}");
    assert!(said["reason"].as_str().unwrap().contains("429"), "{said}");
    site.goes_on().await;
    assert!(health_of(&site.observer, Venue::Binance).await["away_until_ms"].is_null());
    site.nothing_wrong_is_stored().await;
    site.service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ban_is_waited_out_and_what_was_missed_meanwhile_is_told_as_a_gap() {
    let site = Site::start(30.0).await;
    let limited = ["cascade_polls_total", "binance", "\"limited\""];
    let said = site.broken(PollFault::Status(418, None), "refused", &limited).await;
    let away_ms = said["away_until_ms"].as_i64().unwrap() - said["since_ms"].as_i64().unwrap();
    assert!(away_ms >= 110_000, "a ban of two minutes at least: {said}");
    site.goes_on().await;
    let gaps = stored(&site.observer, "gap").await;
    assert_eq!(gaps.len(), 64, "one in every shard: {gaps:?}");
    for (_, gap) in &gaps {
        assert_eq!((&gap["venue"], &gap["stream"]), (&"binance".into(), &"open_interest".into()));
        let length_ms = gap["to_ms"].as_i64().unwrap() - gap["from_ms"].as_i64().unwrap();
        assert!(length_ms >= 110_000, "{gap}");
    }
    assert!(site.service.counted(&["cascade_gaps_total", "binance", "open_interest"]) > 0.0);
    site.nothing_wrong_is_stored().await;
    site.service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_venue_that_fails_is_stale_and_its_errors_are_counted() {
    let site = Site::start(10.0).await;
    let unreachable = ["cascade_polls_total", "binance", "\"unreachable\""];
    site.broken(PollFault::Status(500, None), "stale", &unreachable).await;
    site.goes_on().await;
    site.broken(PollFault::Truncated, "stale", &["cascade_refused_total", "binance", "\"malformed\""]).await;
    site.goes_on().await;
    site.nothing_wrong_is_stored().await;
    site.service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_about_another_instrument_and_one_whose_time_stands_still_are_refused() {
    let site = Site::start(20.0).await;
    site.broken(PollFault::Swapped, "stale", &["cascade_refused_total", "binance", "\"wrong_answer\""]).await;
    site.goes_on().await;
    site.broken(PollFault::Stale, "stale", &["cascade_refused_total", "binance", "\"stale\""]).await;
    site.goes_on().await;
    site.nothing_wrong_is_stored().await;
    site.service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_redis_is_away_the_newest_sample_waits_and_what_is_missing_is_a_gap() {
    let mut site = Site::start(20.0).await;
    site.redis.server.kill9().await.unwrap();
    let killed = site.clock.now();
    let superseded = ["cascade_samples_superseded_total", "binance"];
    // Each instrument's samples replace each other, for longer than what is no gap yet.
    let are_superseded =
        async || site.service.counted(&superseded) > 0.0 && site.clock.now().since(killed) > 60_000;
    assert!(eventually(DEADLINE, are_superseded).await, "{}", site.service.metrics.render());
    assert!(site.service.counted(&["cascade_dropped_total", "open_interest"]) < 0.1, "none is lost");
    site.redis.server.restart().await.unwrap();
    let told = async || stored(&site.observer, "gap").await.iter().any(|(_, gap)| gap["venue"] == "binance");
    assert!(eventually(DEADLINE, told).await, "{}", site.service.metrics.render());
    site.goes_on().await;
    let gaps = stored(&site.observer, "gap").await;
    assert!(gaps.iter().all(|(_, gap)| gap["stream"] == "open_interest"), "{gaps:?}");
    assert!(gaps.iter().all(|(_, gap)| gap["venue"] != "okx"), "its channel tells what is missed here");
    site.nothing_wrong_is_stored().await;
    site.service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_redis_refuses_writes_a_hole_grows_and_is_told_once_in_every_shard() {
    let site = Site::start(20.0).await;
    let limit = async |bytes: &str| {
        let set: String = site.observer.command("CONFIG", &["SET", "maxmemory", bytes]).await.unwrap();
        assert_eq!(set, "OK");
    };
    let _: String =
        site.observer.command("CONFIG", &["SET", "maxmemory-policy", "noeviction"]).await.unwrap();
    limit("1").await;
    let refused = site.clock.now();
    // Five seconds of the wall: more than twenty tries.
    assert!(eventually(DEADLINE, async || site.clock.now().since(refused) > 100_000).await);
    assert!(stored(&site.observer, "gap").await.is_empty());
    limit("0").await;
    let told = async || stored(&site.observer, "gap").await.len() >= 64;
    assert!(eventually(DEADLINE, told).await, "{}", site.service.metrics.render());
    site.goes_on().await;
    let gaps = stored(&site.observer, "gap").await;
    let shards: BTreeSet<_> = gaps.iter().map(|(shard, _)| *shard).collect();
    assert_eq!((gaps.len(), shards.len()), (64, 64), "one in every shard: {gaps:?}");
    for (_, gap) in &gaps {
        let length_ms = gap["to_ms"].as_i64().unwrap() - gap["from_ms"].as_i64().unwrap();
        assert!(length_ms >= 90_000, "{gap}");
    }
    let counted = site.service.counted(&["cascade_gaps_total", "binance", "open_interest"]);
    assert!((counted - 1.0).abs() < 0.1, "one hole: {counted}");
    site.service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shard_that_takes_nothing_ever_costs_the_others_no_gap_twice() {
    // All that is asked for belongs there.
    let site = Site::of(20.0, &[("CASCADE_INGEST__SYMBOLS", "BTCUSDT")]).await;
    let key = key::market(Shard::of(&Symbol::parse("BTCUSDT").unwrap()));
    assert!(eventually(DEADLINE, async || !samples(&site.observer, Venue::Binance).await.is_empty()).await);
    let _: i64 = site.observer.command("DEL", &[&key]).await.unwrap();
    let _: String = site.observer.command("SET", &[&key, "no stream"]).await.unwrap();
    let broken = site.clock.now();
    let some = async || site.clock.now().since(broken) > 100_000 && gaps_of(&site.observer).await.len() == 63;
    assert!(eventually(DEADLINE, some).await, "{}", site.service.metrics.render());
    for (shard, gaps) in gaps_of(&site.observer).await {
        assert!(gaps.windows(2).all(|two| two[0].1 <= two[1].0), "twice in {shard}: {gaps:?}");
        assert!(gaps.iter().all(|(from, to)| to - from > 30_000), "{gaps:?}");
    }
    site.service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ban_holds_for_who_asks_next() {
    let mut site = Site::start(40.0).await;
    site.simulator.faults().break_polls(Venue::Binance, Some(PollFault::Status(418, Some(600))));
    let until = site.becomes("refused").await["away_until_ms"].as_i64().unwrap();
    site.simulator.faults().break_polls(Venue::Binance, None);
    site = site.restarted_after(0).await;
    assert!(until - site.clock.now().ms() > 400_000, "too slow a machine to see anything");
    let said = site.becomes("refused").await;
    assert_eq!((&said["away_until_ms"], &said["reader"]), (&until.into(), &"in-test:2".into()));
    let mut last = said;
    let is_over = eventually(DEADLINE, async || {
        let said = health_of(&site.observer, Venue::Binance).await;
        let (now_ms, is_over) = (said["told_ms"].as_i64().unwrap(), said["status"] == "live");
        assert!(
            is_over || said["instruments"] == 0 || now_ms >= until,
            "its instruments are asked for: {said}"
        );
        last = said;
        is_over
    });
    assert!(is_over.await, "{last}");
    assert!(last["since_ms"].as_i64() >= Some(until), "answered before {until}: {last}");
    assert!(last["away_until_ms"].is_null(), "{last}");
    site.service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_outage_is_told_as_the_gap_that_it_is() {
    let mut site = Site::start(60.0).await;
    assert!(eventually(DEADLINE, async || !samples(&site.observer, Venue::Binance).await.is_empty()).await);
    site = site.restarted_after(200_000).await;
    let reading = key::poll_health(Venue::Binance);
    let stands_s: i64 = site.observer.command("TTL", &[&reading]).await.unwrap();
    assert!(stands_s > 86_000, "on Redis' clock, which no test turns: {stands_s} s");
    assert!(eventually(DEADLINE, async || gaps_of(&site.observer).await.len() == 64).await);
    for (_, gaps) in gaps_of(&site.observer).await {
        assert!(gaps.len() == 1 && gaps[0].1 - gaps[0].0 >= 200_000, "{gaps:?}");
    }
    site.service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_clock_far_ahead_told_is_nobodys_affair() {
    let site = Site::start(10.0).await;
    let (reading, day) = (key::poll_health(Venue::Binance), 86_400_000);
    let Site { redis, clock, simulator, observer, service } = site;
    service.stop().await;
    let mut said = health_of(&observer, Venue::Binance).await;
    for field in ["told_ms", "last_answer_ms", "stored_to_ms"] {
        said[field] = (clock.now().ms() + day).into();
    }
    said["away_until_ms"] = (clock.now().ms() + day + 600_000).into();
    let _: String = observer.command("SET", &[&reading, &said.to_string()]).await.unwrap();
    let service = Service::start(&redis, clock.clone(), variables(&simulator));
    let site = Site { redis, clock, simulator, observer, service };
    site.goes_on().await;
    site.service.stop().await;
}

/// From when to when the gaps of each shard are, in the order in which they stand there.
async fn gaps_of(observer: &Observer) -> BTreeMap<Shard, Vec<(i64, i64)>> {
    let mut gaps: BTreeMap<Shard, Vec<(i64, i64)>> = BTreeMap::new();
    for (shard, gap) in stored(observer, "gap").await {
        let at = |field: &str| gap[field].as_i64().unwrap();
        gaps.entry(shard).or_default().push((at("from_ms"), at("to_ms")));
    }
    gaps
}
