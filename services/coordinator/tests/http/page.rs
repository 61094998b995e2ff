//! The page, with what anybody may have written on Redis.

use cascade_bus::Write;
use cascade_domain::{Finding, Level};
use cascade_wire::key;
use serde_json::json;

use crate::support::{Served, cascade, put_out};

#[tokio::test]
async fn the_page_shows_what_runs_and_what_was_found_and_refreshes_itself() {
    let served = Served::start().await;
    put_out(&served.bus, &[cascade("BTCUSDT", 0, Level::Critical)]).await;
    let page = served.until_it("/", |page| page.text.contains("CRITICAL BTCUSDT longs $18.4M")).await;
    assert_eq!(
        (page.status, &page.headers["content-type"]),
        (200, &"text/html; charset=utf-8".parse().unwrap())
    );
    assert!(page.text.contains(r#"<meta http-equiv="refresh""#) && !page.text.contains("<script"));
    for name in ["liquidation-ingest", "oi-detector", "cascade-signals", "alert-dispatcher"] {
        served.until_it("/", |page| page.text.contains(name)).await;
    }
    assert!(!page.text.contains("DEMO"));
    let style = served.get("/style.css").await;
    assert_eq!(
        (style.status, &style.headers["content-type"]),
        (200, &"text/css; charset=utf-8".parse().unwrap())
    );
}

#[tokio::test]
async fn markup_in_a_heartbeat_is_text() {
    let served = Served::start().await;
    let evil = "<script>alert(1)</script>\"><img src=x onerror=alert(1)>";
    let heartbeat =
        json!({"version": evil, "uptime_s": u64::MAX, "unready": evil, "engine": evil, "shards_owned": 3});
    let write = Write::Json { key: key::heartbeat(evil, evil), json: heartbeat.to_string(), ttl_s: 60 };
    let odd =
        Write::Json { key: "dispatch:destinations".to_owned(), json: json!([evil]).to_string(), ttl_s: 60 };
    served.bus.write_readings(&[write, odd]).await.unwrap();
    let page = served.until_it("/", |page| page.text.contains("alert(1)")).await;
    assert_eq!(page.status, 200);
    assert!(page.text.contains("&lt;script&gt;"), "{}", page.text);
    assert!(!page.text.contains("<script") && !page.text.contains("<img"), "{}", page.text);
}

#[tokio::test]
async fn a_demo_says_so_by_its_findings_its_redis_or_its_settings() {
    let served = Served::with(&[("CASCADE_SIMULATOR__URL", "http://127.0.0.1:9300")]).await;
    served.until_it("/", |page| page.text.contains("<b>DEMO</b>")).await;

    let served = Served::start().await;
    let mut finding = cascade("BTCUSDT", 0, Level::Critical);
    finding.stamp(finding.known_at(), true);
    assert!(matches!(&finding, Finding::Cascade(finding) if finding.demo));
    put_out(&served.bus, &[finding]).await;
    served.until_it("/", |page| page.text.contains("<b>DEMO</b>")).await;

    let served = Served::start().await;
    let mark = Write::Json { key: key::DEMO.to_owned(), json: "true".to_owned(), ttl_s: 60 };
    served.bus.write_readings(&[mark]).await.unwrap();
    served.until_it("/", |page| page.text.contains("<b>DEMO</b>")).await;
}
