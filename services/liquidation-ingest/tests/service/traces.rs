//! Traces as a collector is sent them: from the frame to the script in Redis; and the program without a collector.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use cascade_domain::{Shard, Symbol, Venue};
use cascade_testkit::{Observer, TestProcess, TestRedis, eventually};
use cascade_wire::key;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{DEADLINE, PROGRAM, exchanges, variables};

/// A collector of traces.
struct Collector {
    url: String,
    requests: Arc<AtomicU64>,
    spans: Arc<Mutex<Vec<Span>>>,
}

impl Collector {
    /// One that takes what comes with the key `open sesame`, and answers it in this way.
    async fn start(status: StatusCode) -> Self {
        let (requests, spans) = (Arc::new(AtomicU64::new(0)), Arc::new(Mutex::new(Vec::new())));
        let (count, take) = (Arc::clone(&requests), Arc::clone(&spans));
        let answer = move |headers: HeaderMap, body: Bytes| async move {
            count.fetch_add(1, Ordering::Relaxed);
            if headers.get("x-key").is_none_or(|key| key != "open sesame") {
                return StatusCode::FORBIDDEN;
            }
            let request = ExportTraceServiceRequest::decode(body).unwrap();
            let of_scope = |of: opentelemetry_proto::tonic::trace::v1::ResourceSpans| of.scope_spans;
            let told = request.resource_spans.into_iter().flat_map(of_scope).flat_map(|of| of.spans);
            take.lock().unwrap().extend(told);
            status
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1/traces", listener.local_addr().unwrap());
        tokio::spawn(axum::serve(listener, Router::new().route("/v1/traces", post(answer))).into_future());
        Self { url, requests, spans }
    }

    fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// The spans so far, by trace.
    fn traces(&self) -> BTreeMap<Vec<u8>, Vec<Span>> {
        let mut traces: BTreeMap<_, Vec<Span>> = BTreeMap::new();
        for span in self.spans.lock().unwrap().iter() {
            traces.entry(span.trace_id.clone()).or_default().push(span.clone());
        }
        traces
    }
}

fn value(span: &Span, key: &str) -> Option<Value> {
    let of = |attribute: &&KeyValue| attribute.key == key;
    span.attributes.iter().find(of)?.value.clone()?.value
}

fn text(span: &Span, key: &str) -> String {
    match value(span, key) {
        Some(Value::StringValue(text)) => text,
        other => unreachable!("{key} is {other:?} in {span:?}"),
    }
}

fn number(span: &Span, key: &str) -> i64 {
    match value(span, key) {
        Some(Value::IntValue(number)) => number,
        other => unreachable!("{key} is {other:?} in {span:?}"),
    }
}

/// The whole way of a frame, if this trace has it: `frame`, `decode`, `queue`, `script`.
fn way(trace: &[Span]) -> Option<[&Span; 4]> {
    let named = |name: &str| trace.iter().find(|span| span.name == name);
    Some([named("frame")?, named("decode")?, named("queue")?, named("script")?])
}

fn is_in_order_of_time([frame, decode, queue, script]: [&Span; 4]) {
    for span in [decode, queue, script] {
        assert_eq!(span.parent_span_id, frame.span_id, "{span:?} under {frame:?}");
    }
    assert_eq!((frame.start_time_unix_nano, &*frame.parent_span_id), (decode.start_time_unix_nano, &[][..]));
    let times = [
        decode.start_time_unix_nano,
        decode.end_time_unix_nano,
        queue.start_time_unix_nano,
        queue.end_time_unix_nano,
        script.start_time_unix_nano,
        script.end_time_unix_nano,
    ];
    assert!(times.is_sorted(), "{times:?}");
    assert!(frame.end_time_unix_nano >= queue.start_time_unix_nano, "its events are handed on");
}

/// A program that reads simulated exchanges with these variables besides, and where it serves health and metrics.
async fn start(
    redis: &TestRedis,
    simulator: &cascade_simulator::Simulator,
    more: &[(&str, &str)],
) -> (TestProcess, String) {
    let mut variables = variables(redis, simulator);
    variables.extend(more.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())));
    let mut process = TestProcess::start(PROGRAM, &["--health-addr", "127.0.0.1:0"], &variables).unwrap();
    let greeting = process.line().await.unwrap().unwrap();
    (process, greeting.rsplit("http://").next().unwrap().to_owned())
}

/// It becomes ready, and stores events.
async fn works(address: &str, redis: &TestRedis) {
    let ready = eventually(DEADLINE, async || {
        let check = ["healthcheck", "--health-addr", address];
        TestProcess::output(PROGRAM, &check, &[]).await.unwrap().status.code() == Some(0)
    });
    assert!(ready.await, "not ready");
    let observer = Observer::connect(&redis.url(), &[]).await.unwrap();
    let shard = key::market(Shard::of(&Symbol::parse("BTCUSDT").unwrap()));
    let stored = eventually(DEADLINE, async || {
        let entries = observer.stream(&shard).await.unwrap_or_default();
        entries.iter().flat_map(|entry| &entry.values).any(|event| event["kind"] == "mark")
    });
    assert!(stored.await, "nothing stored");
}

async fn metrics(address: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

const KEY: (&str, &str) = ("OTEL_EXPORTER_OTLP_HEADERS", "x-key=open%20sesame");
const ALL: (&str, &str) = ("CASCADE_TRACES__SAMPLE", "1");

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_is_followed_to_the_script_that_stored_it_at_every_venue() {
    let (redis, simulator) = (TestRedis::start().await.unwrap(), exchanges("busy-day").await);
    let collector = Collector::start(StatusCode::OK).await;
    let url = ("CASCADE_TRACES__OTLP_URL", collector.url.as_str());
    let (process, _) = start(&redis, &simulator, &[url, ALL, KEY]).await;
    for venue in Venue::ALL {
        let followed = eventually(DEADLINE, async || {
            let traces = collector.traces();
            traces
                .values()
                .filter_map(|trace| way(trace))
                .any(|[frame, ..]| text(frame, "venue") == venue.as_str())
        });
        assert!(followed.await, "no whole trace of {venue}");
    }
    assert_eq!(process.end_by("TERM").await.unwrap(), Some(0));
    let traces = collector.traces();
    for [frame, decode, queue, script] in traces.values().filter_map(|trace| way(trace)) {
        is_in_order_of_time([frame, decode, queue, script]);
        assert!(!text(frame, "route").is_empty() && number(frame, "bytes") > 0);
        assert!((1..=number(decode, "events")).contains(&number(frame, "events")));
        assert!(
            ["mark", "open_interest", "liquidation", "large_trade"].contains(&text(queue, "kind").as_str())
        );
        assert!(Shard::all().any(|shard| text(script, "shard") == shard.to_string()), "{script:?}");
        let outcome = number(script, "stored") + number(script, "duplicates");
        assert!(outcome >= 1 && outcome == number(script, "events"), "{script:?}");
    }
    // Whatever was taken from the queue is followed to its script, up to the last.
    let broken = traces.values().filter(|trace| {
        let has = |name: &str| trace.iter().any(|span| span.name == name);
        has("queue") && way(trace).is_none()
    });
    assert_eq!(broken.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_address_nothing_is_sent_whatever_other_variables_say() {
    let (redis, simulator) = (TestRedis::start().await.unwrap(), exchanges("busy-day").await);
    let collector = Collector::start(StatusCode::OK).await;
    let standard = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", collector.url.as_str());
    let (process, address) = start(&redis, &simulator, &[standard, ALL, KEY]).await;
    works(&address, &redis).await;
    assert_eq!(process.end_by("TERM").await.unwrap(), Some(0));
    assert_eq!(collector.requests(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_fails_or_is_away_neither_stops_nor_delays_the_service() {
    let collector = Collector::start(StatusCode::INTERNAL_SERVER_ERROR).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let away = format!("http://{}/v1/traces", listener.local_addr().unwrap());
    drop(listener);
    for url in [collector.url.as_str(), &away] {
        let (redis, simulator) = (TestRedis::start().await.unwrap(), exchanges("busy-day").await);
        let (process, address) =
            start(&redis, &simulator, &[("CASCADE_TRACES__OTLP_URL", url), ALL, KEY]).await;
        works(&address, &redis).await;
        let counted = eventually(DEADLINE, async || {
            metrics(&address).await.contains("cascade_spans_dropped_total{reason=\"collector\"}")
        });
        assert!(counted.await, "{}", metrics(&address).await);
        works(&address, &redis).await;
        assert_eq!(process.end_by("TERM").await.unwrap(), Some(0));
    }
    assert!(collector.requests() > 0);
}
