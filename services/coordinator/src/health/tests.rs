//! The rules, one by one: a system that is well, and then one thing that is not.

use std::collections::BTreeMap;

use cascade_bus::RedisUrl;
use cascade_domain::{Shard, Venue};

use super::*;
use crate::Coordinator;
use crate::overview::{EngineShards, Ticks};

const SIGNALS: &str = "cascade-signals";
const MINUTE: Duration = Duration::from_mins(1);

fn config() -> Config {
    let redis_url = RedisUrl::parse("redis://127.0.0.1:6379").unwrap();
    Config { redis_url, coordinator: Coordinator::default(), token: None, is_demo: false }
}

fn service(name: &str, instance: &str, beat_age_ms: u64) -> Service {
    Service {
        name: name.to_owned(),
        instance: instance.to_owned(),
        heartbeat: serde_json::from_str(r#"{"version":"0.1.0","uptime_s":5}"#).unwrap(),
        beat_age_ms: Some(beat_age_ms),
    }
}

fn feed(status: &str) -> cascade_wire::FeedHealthReading {
    let text = format!(r#"{{"status":"{status}","since_ms":1,"reconnects":0,"liquidations":0,"reason":""}}"#);
    serde_json::from_str(&text).unwrap()
}

/// Everything as it should be.
fn well() -> Overview {
    let engine = |service: &str| EngineShards {
        service: service.to_owned(),
        owned: 64,
        path_age_ms: Some(1_500),
        ..EngineShards::default()
    };
    Overview {
        services: config().coordinator.services.iter().map(|name| service(name, "a", 2_000)).collect(),
        engines: ENGINES.map(|(name, service)| (name.to_owned(), engine(service))).into(),
        ticks: Some(Ticks { newest_ms: EventTime::from_ms(1), age_ms: 900 }),
        feeds: [(Venue::Okx, feed("live")), (Venue::Bybit, feed("dead"))].into(),
        ..Overview::default()
    }
}

/// What is thought of it when it was never otherwise, after a minute.
fn judged(overview: &Overview) -> Report {
    let mut past = Past::default();
    past.see(Some(overview), MINUTE);
    judged_with(Ok(overview), &past, MINUTE)
}

fn judged_with(overview: Result<&Overview, &str>, past: &Past, uptime: Duration) -> Report {
    let config = config();
    Report::of(&Sight { config: &config, overview, past, uptime, at: EventTime::from_ms(1_791_565_601_482) })
}

/// The system with one thing changed.
fn with(change: impl FnOnce(&mut Overview)) -> Report {
    let mut overview = well();
    change(&mut overview);
    judged(&overview)
}

fn signals(overview: &mut Overview) -> &mut Service {
    overview.services.iter_mut().find(|service| service.name == SIGNALS).unwrap()
}

fn why(report: &Report, name: &str) -> String {
    let service = report.services.get(name).and_then(|service| service.reason.clone());
    service.or_else(|| report.reasons.get(name).cloned()).unwrap_or_default()
}

#[test]
fn a_system_that_is_well_is_healthy_and_says_when_that_was() {
    let report = judged(&well());
    assert_eq!(report.complaints(), Vec::<String>::new());
    assert!(report.healthy);
    assert_eq!((report.services_healthy.as_str(), report.uptime_seconds), ("4/4", 60));
    assert_eq!(report.last_check, "2026-10-09T17:06:41.482Z");
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["services"][SIGNALS], serde_json::json!({"healthy": true, "replicas": 1, "ready": 1}));
}

#[test]
fn a_service_without_a_heartbeat_is_missing_at_once() {
    let report = with(|overview| overview.services.retain(|service| service.name != SIGNALS));
    assert!(!report.healthy);
    assert_eq!(report.services_healthy, "3/4");
    assert_eq!(why(&report, SIGNALS), "never seen since the coordinator started 60 s ago");
    let nothing = Overview::default();
    let report = judged_with(Ok(&nothing), &Past::default(), Duration::from_secs(3));
    assert_eq!((report.healthy, report.services_healthy.as_str()), (false, "0/4"), "no grace in the verdict");
    assert_eq!(why(&report, SIGNALS), "not seen yet: the coordinator has looked for 3 s, it may be starting");
}

#[test]
fn a_service_that_was_seen_is_said_to_be_gone() {
    let (mut past, mut later) = (Past::default(), well());
    past.see(Some(&later), MINUTE);
    later.services.retain(|service| service.name != SIGNALS);
    past.see(Some(&later), MINUTE + Duration::from_secs(7));
    let report = judged_with(Ok(&later), &past, MINUTE + Duration::from_secs(7));
    assert_eq!(why(&report, SIGNALS), "gone: its last heartbeat stood 7 s ago");
}

#[test]
fn one_silent_replica_makes_its_service_unhealthy_whatever_the_others_do() {
    let at = |age_ms| {
        with(|overview| {
            let other = service(SIGNALS, "b", age_ms);
            overview.services.push(other);
        })
    };
    assert!(at(10_000).healthy, "it may be late");
    let report = at(10_001);
    assert!(!report.healthy);
    assert_eq!(why(&report, SIGNALS), "b has been silent for 10 s");
    let told = &report.services[SIGNALS];
    assert_eq!((told.replicas, told.ready), (2, 2));
}

#[test]
fn a_service_needs_one_replica_that_is_ready_and_no_more() {
    let unready = |overview: &mut Overview| {
        signals(overview).heartbeat.unready = Some("redis: away".to_owned());
    };
    let report = with(unready);
    assert_eq!(why(&report, SIGNALS), "a is not ready (redis: away)");
    assert_eq!((report.healthy, report.services[SIGNALS].ready), (false, 0));
    let report = with(|overview| {
        unready(overview);
        overview.services.push(service(SIGNALS, "b", 1));
    });
    assert!(report.healthy, "the other works");
}

#[test]
fn many_replicas_are_not_all_named() {
    let report = with(|overview| {
        overview.services.extend((0..5).map(|n| service(SIGNALS, &format!("r{n}"), 12_000)));
    });
    let told = why(&report, SIGNALS);
    assert!(told.starts_with("r0 has been silent for 12 s, r1") && told.ends_with(", and 2 more"), "{told}");
}

#[test]
fn a_heartbeat_that_cannot_be_read_is_none() {
    let report = with(|overview| {
        overview.services.retain(|service| service.name != SIGNALS);
        overview.unreadable.insert("service:cascade-signals:a".to_owned(), "nonsense".to_owned());
    });
    assert_eq!(why(&report, SIGNALS), "its heartbeat can't be read");
    let report = with(|overview| {
        overview.unreadable.insert("service:cascade-signals:z".to_owned(), "nonsense".to_owned());
    });
    assert!(report.healthy, "another replica can be read");
}

#[test]
fn a_service_that_nobody_expects_may_do_as_it_likes() {
    let report = with(|overview| overview.services.push(service("risk-monitor", "a", 14_000)));
    assert!(report.healthy && !report.services.contains_key("risk-monitor"));
}

#[test]
fn ticks_older_than_ten_seconds_or_none_at_all_are_a_reason() {
    let at =
        |age_ms| with(|overview| overview.ticks = Some(Ticks { newest_ms: EventTime::from_ms(1), age_ms }));
    assert!(at(10_000).healthy);
    assert_eq!(why(&at(10_001), "ticks"), "the newest is 10 s old: nobody writes them");
    let none = with(|overview| overview.ticks = None);
    assert_eq!(none.services_healthy, "4/4");
    assert!(!none.healthy && why(&none, "ticks").starts_with("there is none"), "{none:?}");
}

#[test]
fn without_a_venue_that_delivers_nothing_can_be_found() {
    let of = |states: &[(Venue, &str)]| {
        let feeds: BTreeMap<_, _> = states.iter().map(|(venue, state)| (*venue, feed(state))).collect();
        with(|overview| overview.feeds = feeds)
    };
    assert!(of(&[(Venue::Binance, "sampled"), (Venue::Okx, "dead")]).healthy);
    let none = of(&[(Venue::Binance, "stale"), (Venue::Okx, "dead")]);
    assert_eq!(why(&none, "feeds"), "no venue delivers: binance stale, okx dead");
    assert!(!none.healthy);
    assert!(of(&[]).healthy, "its service is what is missing, if it is");
}

/// The same seen every second from `from` to `to`; what is thought of it then.
fn lasting(overview: &Overview, past: &mut Past, from: u64, to: u64) -> Report {
    for second in from..=to {
        past.see(Some(overview), Duration::from_secs(second));
    }
    judged_with(Ok(overview), past, Duration::from_secs(to))
}

#[test]
fn shards_may_be_without_an_owner_for_twenty_seconds() {
    let (mut past, mut torn) = (Past::default(), well());
    torn.engines.get_mut("cascade").unwrap().unowned = Shard::all().take(3).collect();
    assert!(lasting(&torn, &mut past, 100, 120).healthy);
    let report = lasting(&torn, &mut past, 121, 121);
    assert_eq!(why(&report, "shards:cascade"), "3 of 64 have had no owner for 21 s");
    assert!(!report.healthy && report.reasons.len() == 1, "{report:?}");
    assert!(lasting(&well(), &mut past, 122, 122).healthy);
    assert!(lasting(&torn, &mut past, 123, 143).healthy, "it begins anew");
}

#[test]
fn an_engine_that_nobody_runs_has_64_shards_without_an_owner() {
    let (mut past, mut without) = (Past::default(), well());
    without.engines.remove("oi");
    let report = lasting(&without, &mut past, 0, 25);
    assert_eq!(why(&report, "shards:oi"), "64 of 64 have had no owner for 25 s");
}

#[test]
fn an_engine_whose_service_is_not_expected_needs_no_owner() {
    let mut config = config();
    config.coordinator.services.retain(|name| name != "oi-detector");
    let (mut past, mut overview) = (Past::default(), well());
    overview.engines.remove("oi");
    overview.services.retain(|service| service.name != "oi-detector");
    past.see(Some(&overview), Duration::ZERO);
    past.see(Some(&overview), MINUTE);
    let (overview, at) = (Ok(&overview), EventTime::from_ms(1));
    let report = Report::of(&Sight { config: &config, overview, past: &past, uptime: MINUTE, at });
    assert_eq!((report.healthy, report.services_healthy.as_str()), (true, "3/3"), "{report:?}");
}

#[test]
fn a_signal_path_that_is_not_known_grows_older_until_it_is_a_reason() {
    let (mut past, mut torn) = (Past::default(), well());
    past.see(Some(&torn), Duration::from_secs(100));
    torn.engines.get_mut("oi").unwrap().path_age_ms = None;
    assert!(lasting(&torn, &mut past, 101, 128).healthy);
    let report = lasting(&torn, &mut past, 129, 131);
    assert_eq!(why(&report, "signal_path:oi"), "the newest tick that came the whole way is 32 s old");
    let report = with(|overview| overview.engines.get_mut("oi").unwrap().path_age_ms = Some(30_001));
    assert!(!report.healthy, "owned, and far behind");
    let report = with(|overview| overview.engines.get_mut("oi").unwrap().path_age_ms = None);
    assert_eq!(why(&report, "signal_path:oi"), "no tick came the whole way in 60 s");
}

#[test]
fn a_redis_that_cannot_be_asked_leaves_nothing_known() {
    let (mut past, at) = (Past::default(), MINUTE);
    past.see(Some(&well()), at);
    past.see(None, at);
    let report = judged_with(Err("Redis did not answer within 1500 ms"), &past, at);
    assert_eq!((report.healthy, report.services_healthy.as_str()), (false, "0/4"));
    assert_eq!(report.reasons.keys().collect::<Vec<_>>(), ["redis"]);
    assert_eq!(why(&report, "redis"), "Redis did not answer within 1500 ms");
    assert_eq!(why(&report, SIGNALS), "not known: Redis can't be asked");
}

#[test]
fn shards_are_not_held_to_have_been_without_an_owner_while_that_was_not_known() {
    let (mut past, mut torn) = (Past::default(), well());
    torn.engines.get_mut("oi").unwrap().unowned = Shard::all().collect();
    past.see(Some(&torn), Duration::from_secs(100));
    past.see(None, Duration::from_secs(110));
    assert!(lasting(&torn, &mut past, 119, 125).reasons.keys().all(|name| name != "shards:oi"));
}

#[test]
fn a_redis_that_takes_no_writes_is_a_reason() {
    let of = |server: Server| with(|overview| overview.redis_server = Some(server));
    let master = Server { role: "master".to_owned(), used_memory_bytes: 99, ..Server::default() };
    assert!(of(Server { max_memory_bytes: Some(100), ..master.clone() }).healthy);
    assert!(of(Server { uptime_s: Some(10), ..master.clone() }).healthy, "it was restarted a while ago");
    for bad in [
        Server { max_memory_bytes: Some(99), ..master.clone() },
        Server { role: "slave".to_owned(), ..master.clone() },
        Server { save_failed: true, ..master.clone() },
        Server { uptime_s: Some(9), ..master.clone() },
    ] {
        let report = of(bad.clone());
        assert!(!report.healthy && report.reasons.contains_key("redis"), "{bad:?}");
    }
}

#[test]
fn a_redis_that_started_just_before_the_coordinator_was_not_restarted() {
    let young = Overview { redis_server: Some(Server { uptime_s: Some(3), ..Server::default() }), ..well() };
    let judged_after = |seconds| judged_with(Ok(&young), &Past::default(), Duration::from_secs(seconds));
    assert!(!judged_after(4).reasons.contains_key("redis"));
    assert_eq!(judged_after(6).reasons["redis"], "it was restarted 3 s ago");
}

#[test]
fn complaints_name_what_they_are_about() {
    let report = with(|overview| {
        overview.ticks = None;
        overview.services.push(service(SIGNALS, "b", 11_000));
    });
    let expected =
        ["cascade-signals: b has been silent for 11 s", "ticks: there is none: nobody has written any"];
    assert_eq!(report.complaints(), expected);
}
