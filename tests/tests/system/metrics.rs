//! What every service tells Prometheus while it works, with data: promtool accepts it, and nothing in it is unknown.

use std::io::Write as _;
use std::process::{Command, Stdio};

use cascade_service::{Kind, Metric};
use cascade_testkit::{TestRedis, eventually};

use crate::harness::{DEADLINE, Service, System};

/// What promtool has against a text; `None` = it is not installed here.
fn refused(text: &str) -> Option<String> {
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .ok()?;
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    Some(if output.status.success() { said } else { format!("refused: {said}") })
}

/// Series that no metric is called, or with labels that it does not have.
fn unknown(text: &str) -> Vec<String> {
    let fits = |line: &&str| {
        let series = line.rsplit_once(' ').unwrap().0;
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        let mut keys: Vec<&str> =
            labels.split("=\"").filter_map(|part| part.rsplit([',', '"', '{']).next()).collect();
        keys.pop();
        keys.retain(|key| !["le", "quantile"].contains(key));
        Metric::ALL.map(Metric::spec).iter().any(|spec| {
            let ends: &[&str] = match spec.kind {
                Kind::Counter | Kind::Gauge => &[""],
                Kind::Histogram => &["_bucket", "_sum", "_count"],
                Kind::Summary => &["", "_sum", "_count"],
            };
            let named = name.strip_prefix(spec.name).is_some_and(|end| ends.contains(&end));
            named && keys == spec.labels
        })
    };
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines.filter(|line| !fits(line)).map(str::to_owned).collect()
}

/// What a service tells once it has counted something of each of these.
async fn with_data(service: &Service, metrics: &[Metric]) -> String {
    let told = eventually(DEADLINE, async || {
        metrics.iter().all(|metric| {
            let name = metric.spec().name;
            service.metrics().lines().any(|line| line.starts_with(name) && !line.ends_with(" NaN"))
        })
    });
    assert!(told.await, "{metrics:?} in\n{}", service.metrics());
    service.metrics()
}

#[tokio::test(flavor = "multi_thread")]
async fn promtool_accepts_what_every_service_tells_while_it_works() {
    let system = System::start(TestRedis::start().await.unwrap(), 8.0, &[]).await;
    let (mut oi, mut coordinator) = (system.oi_detector(), system.coordinator());
    let mut dispatcher = system.dispatcher(cascade_notify::Output::new(std::io::sink()));
    system.simulator.start();
    let expected: [(&str, &Service, &[Metric]); 5] = [
        (
            "ingest",
            &system.ingest,
            &[Metric::Events, Metric::FeedUp, Metric::Ticks, Metric::VenueDelay, Metric::Stage],
        ),
        (
            "signals",
            &system.signals,
            &[Metric::Findings, Metric::ShardOwners, Metric::Pipeline, Metric::EngineEvents],
        ),
        ("oi", &oi, &[Metric::Samples, Metric::Polls, Metric::PollUp, Metric::ShardLag]),
        (
            "dispatcher",
            &dispatcher,
            &[Metric::Alerts, Metric::Deliveries, Metric::Attempts, Metric::DestinationUp],
        ),
        (
            "coordinator",
            &coordinator,
            &[
                Metric::ServiceUp,
                Metric::ServiceReplicas,
                Metric::RedisUp,
                Metric::TickAge,
                Metric::PathAge,
                Metric::ShardsUnowned,
            ],
        ),
    ];
    for (name, service, metrics) in expected {
        let text = with_data(service, metrics).await;
        assert_eq!(unknown(&text), Vec::<String>::new(), "{name}");
        match refused(&text) {
            Some(said) => assert_eq!(said, "", "{name}"),
            // Past the test harness, which hides what a passing test prints.
            None => {
                writeln!(
                    std::io::stderr(),
                    "SKIPPED: promtool is not installed: nobody checked what {name} tells"
                )
                .ok();
            }
        }
    }
    for service in [&mut dispatcher, &mut coordinator, &mut oi] {
        service.stop().await;
    }
    system.stop().await;
}

#[test]
fn planted_mistakes_in_what_is_told_are_found() {
    let good = "# HELP x y\ncascade_feed_up{venue=\"okx\"} 1\ncascade_ticks_total 3\n\
                cascade_pipeline_seconds_bucket{engine=\"oi\",le=\"0.1\"} 3\ncascade_stage_seconds{stage=\"a b\",quantile=\"0.5\"} 1\n";
    assert_eq!(unknown(good), Vec::<String>::new());
    for bad in [
        "cascade_feed_upp{venue=\"okx\"} 1",
        "cascade_feed_up 1",
        "cascade_feed_up{exchange=\"okx\"} 1",
        "cascade_feed_up{venue=\"okx\",symbol=\"x\"} 1",
        "cascade_ticks_total_count 1",
    ] {
        assert_eq!(unknown(bad), [bad]);
    }
    if let Some(said) = refused("# TYPE cascade_ticks counter\ncascade_ticks 3\n") {
        assert!(said.contains("cascade_ticks"), "{said}");
    }
}
