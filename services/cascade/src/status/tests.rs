//! What is shown of a running system, as tables and as JSON.

use super::*;

fn overview() -> Overview {
    let heartbeat = |text| serde_json::from_str(text).unwrap();
    Overview {
        redis: "redis://127.0.0.1:6379".to_owned(),
        services: vec![
            Service::of("service:cascade-signals:a:1", heartbeat(r#"{"version":"0.1.0","uptime_s":7300,"engine":"0.1.0+9f2c41aa","shards_owned":40,"lag_ms":12}"#)).unwrap(),
            Service::of("service:cascade-signals:b:2", heartbeat(r#"{"version":"0.2.0","uptime_s":9,"engine":"0.2.0+9f2c41aa","shards_owned":24}"#)).unwrap(),
            Service::of("service:x:b", heartbeat(r#"{"version":"0.1.0","uptime_s":5}"#)).unwrap(),
        ],
        feeds: vec![(
            Venue::Okx,
            serde_json::from_str(r#"{"status":"dead","since_ms":1791565601482,"reconnects":3,"liquidations":7,"reason":"public-0: silent"}"#).unwrap(),
        )],
        polls: vec![
            (
                Venue::Binance,
                serde_json::from_str(r#"{"status":"refused","since_ms":1791565601482,"last_answer_ms":1791565601000,"away_until_ms":1791565661482,"instruments":6,"round_ms":5040,"reader":"a:1","told_ms":1791565601482,"reason":"HTTP 418"}"#).unwrap(),
            ),
            (
                Venue::Okx,
                serde_json::from_str(r#"{"status":"live","since_ms":1791565601482,"instruments":3,"reader":"","told_ms":1791565601482,"reason":""}"#).unwrap(),
            ),
        ],
        dispatch: dispatch::Dispatch::default(),
        markets: vec![(
            "BTCUSDT".to_owned(),
            heartbeat_map(r#"{"event_time_ms":1791565601482,"risk_score":61.2,"risk_level":"HIGH","count_60s":212,"usd_30s_long":18400000.0}"#),
        )],
        unreadable: vec![],
    }
}

fn heartbeat_map(text: &str) -> Map<String, Value> {
    serde_json::from_str(text).unwrap()
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
    let text = overview().text();
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
fn the_json_leaves_out_what_is_unknown() {
    let json = overview().json();
    assert_eq!(json["services"][0]["shards_owned"], 40);
    assert_eq!(json["services"][2], json!({"name": "x", "instance": "b", "version": "0.1.0", "uptime_s": 5}));
    assert_eq!(json["feeds"]["okx"]["status"], "dead");
    assert_eq!(
        (&json["polls"]["binance"]["round_ms"], &json["polls"]["okx"]["status"]),
        (&json!(5040), &json!("live"))
    );
    assert_eq!(json["velocity"]["BTCUSDT"]["count_60s"], 212);
}

#[test]
fn keys_of_another_shape_are_passed_over() {
    let heartbeat = overview().services.remove(0).heartbeat;
    assert!(Service::of("service:alone", heartbeat).is_none());
    assert_eq!(symbol("velocity:BTCUSDT:current").as_deref(), Some("BTCUSDT"));
    assert_eq!(symbol("velocity:current"), None);
}

#[test]
fn what_nobody_renews_is_stale_and_its_ban_still_shown() {
    let reading = || overview().polls.remove(0).1;
    let of = |instance: &str| {
        let heartbeat = serde_json::from_str(r#"{"version":"0.1.0","uptime_s":5}"#).unwrap();
        vec![Service::of(&format!("service:oi-detector:{instance}"), heartbeat).unwrap()]
    };
    let doubted = |services: Vec<Service>, later_ms: i64| {
        let mut doubted = reading();
        doubt(&mut doubted, &services, reading().told_ms.plus_ms(later_ms));
        doubted
    };
    assert_eq!(doubted(of("a:1"), 15_000), reading(), "it is renewed");
    assert_eq!(doubted(of("a:1"), -3_600_000), reading(), "a demo's clock is ahead");
    for old in [doubted(of("a:1"), 15_001), doubted(of("b:2"), 1_000), doubted(vec![], -3_600_000)] {
        assert_eq!((old.status, old.since_ms), (FeedStatus::Stale, reading().told_ms));
        assert_eq!(old.reason, "nobody asks it since 17:06:41.482");
        assert_eq!(old.away_until_ms, reading().away_until_ms);
    }
}
