//! What is shown of a running system on a terminal.

use super::*;

fn service(name: &str, instance: &str, heartbeat: &str) -> Service {
    let heartbeat = serde_json::from_str(heartbeat).unwrap();
    Service { name: name.to_owned(), instance: instance.to_owned(), heartbeat, beat_age_ms: None }
}

fn overview() -> Overview {
    Overview {
        redis: "redis://127.0.0.1:6379".to_owned(),
        services: vec![
            service("cascade-signals", "a:1", r#"{"version":"0.1.0","uptime_s":7300,"engine":"0.1.0+9f2c41aa","shards_owned":40,"lag_ms":12}"#),
            service("cascade-signals", "b:2", r#"{"version":"0.2.0","uptime_s":9,"engine":"0.2.0+9f2c41aa","shards_owned":24}"#),
            service("x", "b", r#"{"version":"0.1.0","uptime_s":5}"#),
        ],
        feeds: [(
            Venue::Okx,
            serde_json::from_str(r#"{"status":"dead","since_ms":1791565601482,"reconnects":3,"liquidations":7,"reason":"public-0: silent"}"#).unwrap(),
        )].into(),
        polls: [
            (
                Venue::Binance,
                serde_json::from_str(r#"{"status":"refused","since_ms":1791565601482,"last_answer_ms":1791565601000,"away_until_ms":1791565661482,"instruments":6,"round_ms":5040,"reader":"a:1","told_ms":1791565601482,"reason":"HTTP 418"}"#).unwrap(),
            ),
            (
                Venue::Okx,
                serde_json::from_str(r#"{"status":"live","since_ms":1791565601482,"instruments":3,"reader":"","told_ms":1791565601482,"reason":""}"#).unwrap(),
            ),
        ].into(),
        markets: Some([(
            "BTCUSDT".to_owned(),
            serde_json::from_str(r#"{"event_time_ms":1791565601482,"risk_score":61.2,"risk_level":"HIGH","count_60s":212,"usd_30s_long":18400000.0}"#).unwrap(),
        )].into()),
        ..Overview::default()
    }
}

#[test]
fn the_tables_line_up_and_what_is_unknown_is_a_dash() {
    let expected = "\
Redis redis://127.0.0.1:6379

SERVICE          INSTANCE  VERSION  UPTIME     ENGINE          SHARDS  LAG
cascade-signals  a:1       0.1.0    2 h 1 min  0.1.0+9f2c41aa  40      12 ms
cascade-signals  b:2       0.2.0    9 s        0.2.0+9f2c41aa  24      -
x                b         0.1.0    5 s        -               -       -
cascade-signals runs as 0.1.0+9f2c41aa on 40 shards, 0.2.0+9f2c41aa on 24 shards: replace the older ones
";
    let text = text(&overview());
    assert!(text.starts_with(expected), "{text}");
    assert!(
        text.contains(
            "okx   dead    17:06:41.482  -          7             3           -       public-0: silent\n"
        ),
        "{text}"
    );
    let polls = "
POLLER   STATUS   SINCE         LAST ANSWER   INSTRUMENTS  ROUND  AWAY UNTIL    READER  REASON
binance  refused  17:06:41.482  17:06:41.000  6            5.0 s  17:07:41.482  a:1     HTTP 418
okx      live     17:06:41.482  -             3            -      -             -
";
    assert!(text.contains(polls), "{text}");
    assert!(text.contains("BTCUSDT  17:06:41.482  61 HIGH  212          $18.4M      -\n"), "{text}");
    assert!(text.lines().all(|line| line == line.trim_end()), "{text}");
}

#[test]
fn what_is_not_well_stands_below_the_services() {
    let mut overview = overview();
    overview.services[1].heartbeat.unready = Some("redis: away".to_owned());
    overview.services[1].beat_age_ms = Some(12_340);
    overview.services[2].beat_age_ms = Some(10_000);
    let text = text(&overview);
    let lines =
        "cascade-signals b:2 has been silent for 12.3 s\ncascade-signals b:2 is not ready: redis: away\n\n";
    assert!(text.contains(lines), "{text}");
    assert!(!text.contains("x b has been"), "{text}");
}

#[test]
fn redis_ticks_and_who_owns_what_are_shown_where_they_are_known() {
    let shards = coordinator::EngineShards {
        service: "cascade-signals".to_owned(),
        owned: 2,
        unowned: cascade_domain::Shard::all().skip(2).collect(),
        owners: vec![coordinator::Owner {
            instance: "a:1".to_owned(),
            engine: "0.1.0+9f2c41aa".to_owned(),
            shards: cascade_domain::Shard::all().take(2).collect(),
        }],
        lag_ms: None,
        path_age_ms: None,
    };
    let server = coordinator::Server {
        version: "7.0.15".to_owned(),
        used_memory_bytes: 12 << 20,
        max_memory_bytes: Some(512 << 20),
        memory_policy: "noeviction".to_owned(),
        append_only: true,
        ..coordinator::Server::default()
    };
    let ticks = coordinator::Ticks { newest_ms: EventTime::from_ms(1), age_ms: 740 };
    let engines = [
        ("cascade".to_owned(), shards),
        (
            "oi".to_owned(),
            coordinator::EngineShards { path_age_ms: Some(1_250), ..coordinator::EngineShards::default() },
        ),
    ];
    let overview =
        Overview { redis_server: Some(server), ticks: Some(ticks), engines: engines.into(), ..overview() };
    let text = text(&overview);
    let first = "Redis redis://127.0.0.1:6379\nversion 7.0.15, 12 MiB of 512 MiB, noeviction, append-only file\n\
                 newest tick 0.7 s ago\n";
    assert!(text.starts_with(first), "{text}");
    let table = "
ENGINE   OWNED  UNOWNED  SIGNAL PATH  OWNERS
cascade  2      62       -            a:1 2
oi       0      0        1.2 s        -
";
    assert!(text.contains(table), "{text}");
}

#[test]
fn the_engines_are_those_that_run() {
    let signals = (cascade_signals::ENGINE, cascade_signals::PROGRAM.name);
    let interest = (oi_detector::ENGINE, oi_detector::PROGRAM.name);
    assert_eq!(coordinator::ENGINES, [signals, interest]);
}
