//! The way of spans to the collector: in the background, in batches, never twice. A collector that is away, refuses or
//! hangs costs the spans, which are counted, and nothing else. Knows nothing of what the spans tell.

use std::sync::Arc;
use std::time::Duration;

use cascade_pace::Clock;
use opentelemetry::KeyValue;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanExporter as _};
use reqwest::Url;
use tokio::sync::mpsc;

use crate::{BoxError, Context, Metric, Metrics, Shutdown, Throttle};

/// The most spans that go out together.
const BATCH: usize = 512;
/// How long the first of a batch waits for others, wall time.
const LINGER: Duration = Duration::from_secs(1);
/// How long the collector may take for a batch, wall time, with what is tried again.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long it may take once everything is to stop, wall time.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// How many failures are logged in a minute of the clock; all are counted.
const LOGGED_A_MINUTE: u32 = 3;

/// Takes spans from the queue and sends them.
#[derive(Debug)]
pub(super) struct Export {
    exporter: SpanExporter,
    queue: mpsc::Receiver<SpanData>,
    metrics: Metrics,
    clock: Arc<dyn Clock>,
    shutdown: Shutdown,
    deadline: Duration,
    throttle: Throttle,
    /// Nothing more is sent: it failed after everything was to stop.
    is_over: bool,
}

impl Export {
    /// From the queue of this service to this collector.
    ///
    /// # Errors
    /// There is no TLS to be had, or one of the variables `OTEL_EXPORTER_OTLP_*` is wrong.
    pub(super) fn try_new(
        url: &Url,
        of: &Context,
        queue: mpsc::Receiver<SpanData>,
    ) -> Result<Self, BoxError> {
        let builder = SpanExporter::builder().with_http().with_protocol(Protocol::HttpBinary);
        let mut exporter = builder.with_endpoint(url.as_str()).with_timeout(PATIENCE).build()?;
        let version = KeyValue::new("service.version", of.version);
        let instance = KeyValue::new("service.instance.id", of.instance.clone());
        let resource = Resource::builder_empty().with_service_name(of.name);
        exporter.set_resource(&resource.with_attributes([version, instance]).build());
        Ok(Self {
            exporter,
            queue,
            metrics: of.metrics.clone(),
            clock: Arc::clone(&of.clock),
            shutdown: of.shutdown.clone(),
            deadline: of.deadline,
            throttle: Throttle::new(LOGGED_A_MINUTE, 60_000),
            is_over: false,
        })
    }

    /// Sends until everything is to stop; then, until the service has told its last span, or its time is over.
    ///
    /// # Errors
    /// None.
    pub(super) async fn run(mut self) -> Result<(), BoxError> {
        let (asked, deadline) = (self.shutdown.clone(), self.deadline + LAST_WORDS);
        let overdue = async {
            asked.requested().await;
            tokio::time::sleep(deadline).await;
        };
        tokio::select! {
            () = self.send_all() => {}
            () = overdue => {}
        }
        self.queue.close();
        let left = std::iter::from_fn(|| self.queue.try_recv().ok()).count();
        self.lose(left, "no time left");
        // A service that ended too soon is not our end to tell.
        asked.requested().await;
        Ok(())
    }

    /// Until nobody is left who could tell a span.
    async fn send_all(&mut self) {
        let mut batch = Vec::with_capacity(BATCH);
        while self.queue.recv_many(&mut batch, BATCH).await > 0 {
            let more = async {
                while batch.len() < BATCH {
                    let room = BATCH - batch.len();
                    if self.queue.recv_many(&mut batch, room).await == 0 {
                        return;
                    }
                }
            };
            tokio::select! {
                () = more => {}
                () = tokio::time::sleep(LINGER) => {}
            }
            self.send(std::mem::take(&mut batch)).await;
        }
    }

    async fn send(&mut self, batch: Vec<SpanData>) {
        let spans = batch.len();
        if self.is_over {
            return self.lose(spans, "no time left");
        }
        let last_words = async {
            self.shutdown.requested().await;
            tokio::time::sleep(LAST_WORDS).await;
        };
        let sent = tokio::select! {
            biased;
            sent = self.exporter.export(batch) => sent.map_err(|error| error.to_string()),
            () = tokio::time::sleep(PATIENCE) => Err("no answer in time".to_owned()),
            () = last_words => Err("no answer in time".to_owned()),
        };
        if let Err(reason) = sent {
            self.is_over = self.shutdown.is_requested();
            self.lose(spans, &reason);
        }
    }

    fn lose(&mut self, spans: usize, reason: &str) {
        if spans == 0 {
            return;
        }
        let count = u64::try_from(spans).unwrap_or(u64::MAX);
        self.metrics.add(Metric::SpansDropped, &["collector"], count);
        if let Some(suppressed) = self.throttle.admit("collector", self.clock.now()) {
            tracing::warn!(spans, reason, suppressed, "no collector took these spans: they are lost");
        }
    }
}
