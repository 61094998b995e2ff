//! Every route, its errors, and what it says while Redis is away.

use cascade_testkit::eventually;
use cascade_wire::key;
use serde_json::json;

use crate::support::{DEADLINE, Served};

/// A heartbeat of this service.
async fn beats(served: &Served, name: &str, unready: Option<&str>) {
    let mut heartbeat = json!({"version": "0.1.0", "uptime_s": 5});
    if let Some(why) = unready {
        heartbeat["unready"] = why.into();
    }
    let write =
        cascade_bus::Write::Json { key: key::heartbeat(name, "a"), json: heartbeat.to_string(), ttl_s: 15 };
    served.bus.write_readings(&[write]).await.unwrap();
}

#[tokio::test]
async fn every_answer_forbids_to_be_kept_guessed_at_or_framed() {
    let served = Served::start().await;
    for path in
        ["/", "/style.css", "/health", "/status", "/api/v1/findings", "/api/v1/openapi.json", "/nowhere"]
    {
        let answer = served.get(path).await;
        assert_eq!(answer.headers["cache-control"], "no-store", "{path}");
        assert_eq!(answer.headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(answer.headers["x-frame-options"], "DENY", "{path}");
        assert_eq!(answer.headers["referrer-policy"], "no-referrer", "{path}");
        let policy = answer.headers["content-security-policy"].to_str().unwrap();
        assert!(
            policy.starts_with("default-src 'none'; style-src 'self'") && !policy.contains("script"),
            "{path}"
        );
    }
}

#[tokio::test]
async fn what_there_is_not_is_a_problem_and_is_counted_without_its_path() {
    let served = Served::start().await;
    served.get("/api/v1/nothing/at/all").await.assert_problem(404, "openapi.json");
    let client = reqwest::Client::new();
    for (method, path) in
        [("POST", "/status"), ("GET", "/api/v1/orders"), ("DELETE", "/"), ("OPTIONS", "/api/v1/orders")]
    {
        let request = client.request(method.parse().unwrap(), served.url(path));
        let answer = crate::support::answer(request).await;
        answer.assert_problem(405, "method");
        assert!(answer.headers.contains_key("allow"), "{method} {path}");
        assert!(!answer.headers.contains_key("access-control-allow-origin"), "{method} {path}");
    }
    let metrics = served.get("/metrics").await.text;
    for line in [
        "cascade_http_requests_total{route=\"other\",status=\"404\"} 1\n",
        "cascade_http_requests_total{route=\"/api/v1/orders\",status=\"405\"} 2\n",
    ] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
    assert!(!metrics.contains("nothing/at/all"));
}

#[tokio::test]
async fn health_says_who_is_missing() {
    let served = Served::with(&[("CASCADE_COORDINATOR__SERVICES", "one,two")]).await;
    beats(&served, "one", None).await;
    beats(&served, "two", Some("redis: away")).await;
    let seen = |answer: &crate::support::Answer| answer.text.contains("1/2");
    let answer = served.until_it("/health", seen).await;
    assert_eq!(answer.status, 503, "{answer:?}");
    let report = answer.json();
    assert_eq!((&report["healthy"], &report["services"]["one"]["healthy"]), (&json!(false), &json!(true)));
    assert!(report["services"]["two"]["reason"].as_str().unwrap().contains("redis: away"), "{report}");
    assert!(report["uptime_seconds"].is_u64(), "{report}");
    assert!(report["last_check"].as_str().unwrap().ends_with('Z'), "{report}");
    served.stop().await;
}

#[tokio::test]
async fn status_is_what_stands_on_redis_under_both_its_paths() {
    let served = Served::start().await;
    beats(&served, "cascade-signals", None).await;
    let seen =
        |answer: &crate::support::Answer| answer.status == 200 && answer.text.contains("cascade-signals");
    let status = served.until_it("/status", seen).await.json();
    assert_eq!(status["redis"], served.redis.url());
    let v1 = served.until_it("/api/v1/status", seen).await.json();
    assert_eq!(v1["services"][0]["version"], "0.1.0");
    let feeds = served.until("/api/v1/feeds", 200).await.json();
    assert!(feeds["feeds"].is_object() && feeds["polls"].is_object(), "{feeds}");
}

#[tokio::test]
async fn answers_come_while_redis_is_away() {
    let mut served = Served::start().await;
    served.until("/status", 200).await;
    served.redis.server.kill9().await.unwrap();
    let away = served.until_it("/health", |answer| answer.text.contains("\"redis\"")).await;
    assert_eq!(away.status, 503, "{away:?}");
    served.until("/status", 503).await.assert_problem(503, "");
    served.get("/api/v1/feeds").await.assert_problem(503, "");
    served.get("/api/v1/findings").await.assert_problem(503, "Redis");
    served.get("/api/v1/alerts").await.assert_problem(503, "Redis");
    let page = served.get("/").await;
    assert_eq!(page.status, 200);
    assert!(page.text.contains("UNHEALTHY") && page.text.contains("Redis did not answer"), "{}", page.text);
    assert_eq!(served.get("/health/live").await.status, 200);
    served.redis.server.restart().await.unwrap();
    served.until("/status", 200).await;
    assert!(eventually(DEADLINE, async || served.get("/api/v1/findings").await.status == 200).await);
}
