//! The form in which programs read it.

use serde_json::json;

use super::*;

fn overview() -> Overview {
    let service = |name: &str, instance: &str, heartbeat, beat_age_ms| Service {
        name: name.to_owned(),
        instance: instance.to_owned(),
        heartbeat: serde_json::from_str(heartbeat).unwrap(),
        beat_age_ms,
    };
    Overview {
        redis: "redis://127.0.0.1:6379".to_owned(),
        services: vec![
            service(
                "cascade-signals",
                "a:1",
                r#"{"version":"0.1.0","uptime_s":7300,"unready":"redis: away","engine":"0.1.0+9f","shards_owned":40,"lag_ms":12}"#,
                Some(740),
            ),
            service("x", "b", r#"{"version":"0.1.0","uptime_s":5}"#, None),
        ],
        ..Overview::default()
    }
}

#[test]
fn a_service_is_one_flat_object_and_what_is_unknown_is_left_out() {
    let json = overview().json();
    let first = json!({
        "name": "cascade-signals", "instance": "a:1", "version": "0.1.0", "uptime_s": 7300, "unready": "redis: away",
        "engine": "0.1.0+9f", "shards_owned": 40, "lag_ms": 12, "beat_age_ms": 740,
    });
    assert_eq!(json["services"][0], first);
    assert_eq!(json["services"][1], json!({"name": "x", "instance": "b", "version": "0.1.0", "uptime_s": 5}));
    let keys: Vec<_> = json.as_object().unwrap().keys().cloned().collect();
    assert_eq!(keys, ["dispatch", "engines", "feeds", "polls", "redis", "services"]);
}

#[test]
fn feeds_and_markets_stand_under_their_names() {
    let feed =
        r#"{"status":"dead","since_ms":1791565601482,"reconnects":3,"liquidations":7,"reason":"silent"}"#;
    let poll = r#"{"status":"live","since_ms":1,"round_ms":5040,"instruments":3,"reader":"","told_ms":1,"reason":""}"#;
    let overview = Overview {
        feeds: [(Venue::Okx, serde_json::from_str(feed).unwrap())].into(),
        polls: [(Venue::Binance, serde_json::from_str(poll).unwrap())].into(),
        markets: Some(
            [("BTCUSDT".to_owned(), Map::from_iter([("count_60s".to_owned(), json!(212))]))].into(),
        ),
        unreadable: [("service:broken:b".to_owned(), "nonsense".to_owned())].into(),
        ..overview()
    };
    let json = overview.json();
    assert_eq!(json["feeds"]["okx"]["status"], "dead");
    assert_eq!(json["polls"]["binance"]["round_ms"], 5040);
    assert_eq!(json["velocity"]["BTCUSDT"]["count_60s"], 212);
    assert_eq!(json["unreadable"], json!({"service:broken:b": "nonsense"}));
    assert_eq!(json["dispatch"]["destinations"], Value::Null, "no dispatcher has said anything");
}
