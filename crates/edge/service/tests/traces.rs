//! Traces over a real socket: what a collector is sent, and what becomes of a service without one.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::http::StatusCode;
use axum::routing::post;
use cascade_service::{
    Context, Health, Metrics, Shutdown, Span, Supervisor, SystemClock, Traces, TracesSettings,
};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use prost::Message;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// How long the service may take to stop. That what follows is faster shows that it was not waited for.
const DEADLINE: Duration = Duration::from_secs(20);

/// A collector that answers everything in this way; gives its address and what it is sent.
async fn collector(status: StatusCode) -> (String, mpsc::Receiver<ExportTraceServiceRequest>) {
    let (sender, sent) = mpsc::channel(100);
    let take = move |body: Bytes| async move {
        sender.try_send(ExportTraceServiceRequest::decode(body).unwrap()).unwrap();
        status
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1/traces", listener.local_addr().unwrap());
    #[expect(clippy::disallowed_methods, reason = "a collector is no part of the service")]
    tokio::spawn(axum::serve(listener, Router::new().route("/v1/traces", post(take))).into_future());
    (url, sent)
}

/// What a service is given that traces this share for the collector at `url`.
fn traced(url: &str, sample: f64, supervisor: &mut Supervisor) -> Context {
    let context = Context {
        name: "test",
        version: "1.2.3",
        instance: "0badcafe".to_owned(),
        clock: Arc::new(SystemClock::new()),
        seed: 7,
        health: Health::new(),
        metrics: Metrics::new("test", "1.2.3"),
        routes: cascade_service::Routes::default(),
        traces: Traces::off(),
        shutdown: supervisor.shutdown(),
        deadline: DEADLINE,
    };
    context.traced(&TracesSettings { otlp_url: url.to_owned(), sample }, supervisor)
}

/// A service that tells so many spans to the collector at `url` and then is asked to stop. Gives its metrics, and how
/// long it took to stop.
async fn tells(spans: usize, url: &str) -> (String, Duration) {
    let shutdown = Shutdown::new();
    let mut supervisor = Supervisor::new(&shutdown, DEADLINE);
    let context = traced(url, 1.0, &mut supervisor);
    let metrics = context.metrics.clone();
    let asks = shutdown.clone();
    supervisor.spawn("service", async move {
        for number in 0..spans {
            let trace = context.traces.draw().ok_or("not drawn")?;
            context.traces.root(trace, Span::new("work", 1_000, 2_000).count("number", number));
        }
        asks.request();
        context.shutdown.requested().await;
        Ok(())
    });
    #[expect(clippy::disallowed_methods, reason = "a test looks at the wall")]
    let asked = Instant::now();
    supervisor.run().await.unwrap();
    (metrics.render(), asked.elapsed())
}

#[tokio::test]
async fn what_was_told_before_the_end_is_sent_with_who_tells_it() {
    let (url, mut sent) = collector(StatusCode::OK).await;
    let (told, _) = tells(700, &url).await;
    assert!(!told.contains("cascade_spans_dropped_total"), "{told}");
    let (mut batches, mut numbers) = (0, Vec::new());
    while let Ok(request) = sent.try_recv() {
        batches += 1;
        for of in request.resource_spans {
            let resource = of.resource.unwrap().attributes;
            let of_resource = |key: &str| {
                let found = resource.iter().find(|attribute| attribute.key == key).unwrap();
                match found.value.as_ref().unwrap().value.as_ref().unwrap() {
                    Value::StringValue(text) => text.clone(),
                    other => panic!("{other:?}"),
                }
            };
            let who = ["service.name", "service.version", "service.instance.id"].map(of_resource);
            assert_eq!(who, ["test", "1.2.3", "0badcafe"]);
            assert_eq!(resource.len(), 3, "and nothing else");
            for span in of.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                assert_eq!((span.name.as_str(), span.start_time_unix_nano), ("work", 1_000));
                let Some(Value::IntValue(number)) = span.attributes[0].value.clone().unwrap().value else {
                    panic!("{span:?}");
                };
                numbers.push(number);
            }
        }
    }
    assert_eq!(numbers, (0..700).collect::<Vec<_>>());
    assert_eq!(batches, 2, "512 go out together");
}

#[tokio::test]
async fn a_collector_that_refuses_or_is_away_costs_the_spans_which_are_counted() {
    let (refusing, mut sent) = collector(StatusCode::INTERNAL_SERVER_ERROR).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let away = format!("http://{}/v1/traces", listener.local_addr().unwrap());
    drop(listener);
    for url in [refusing, away] {
        let (told, took) = tells(700, &url).await;
        assert!(told.contains("cascade_spans_dropped_total{reason=\"collector\"} 700\n"), "{told}");
        assert!(took < DEADLINE / 2, "{took:?}");
    }
    assert!(sent.try_recv().is_ok());
}

#[tokio::test]
async fn a_collector_that_hangs_holds_up_the_end_by_a_second() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1/traces", listener.local_addr().unwrap());
    let (told, took) = tells(1600, &url).await;
    assert!(told.contains("cascade_spans_dropped_total{reason=\"collector\"} 1600\n"), "{told}");
    assert!(took < DEADLINE / 2, "{took:?}");
    drop(listener);
}

#[tokio::test]
async fn without_a_collector_or_a_share_nothing_is_drawn() {
    let (url, mut sent) = collector(StatusCode::OK).await;
    let mut supervisor = Supervisor::new(&Shutdown::new(), DEADLINE);
    for (url, share) in [("", 1.0), (&*url, 0.0)] {
        let context = traced(url, share, &mut supervisor);
        assert!((0..1000).all(|_| context.traces.draw().is_none()), "{url} {share}");
    }
    assert!(sent.try_recv().is_err());
}
