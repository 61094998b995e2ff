//! Traces: what became of single pieces of a service's work, as spans, told to an OpenTelemetry collector.
//!
//! A span is told when it is over, with both its times: nothing is carried from task to task but two numbers. Off
//! unless a collector is named, and then a drawn share. Knows nothing of what is traced.

mod export;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cascade_domain::Refusal;
use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue, Value};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use reqwest::Url;
use serde::Deserialize;
use tokio::sync::mpsc;

use crate::config::{Document, Mistakes, redact};
use crate::{Context, Metric, Metrics, Supervisor};
use export::Export;

/// How many spans may wait for the collector.
const QUEUE: usize = 2048;

/// The section `[traces]`.
#[derive(Clone, Deserialize)]
#[serde(default)]
pub struct TracesSettings {
    /// Where a collector takes traces, OTLP over HTTP; empty = nobody is told any.
    pub otlp_url: String,
    /// The share of what could be traced that is, in [0, 1].
    pub sample: f64,
}

impl Default for TracesSettings {
    fn default() -> Self {
        Self { otlp_url: String::new(), sample: 0.001 }
    }
}

/// Shows no password.
impl fmt::Debug for TracesSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let otlp_url = redact(&self.otlp_url);
        f.debug_struct("TracesSettings").field("otlp_url", &otlp_url).field("sample", &self.sample).finish()
    }
}

impl TracesSettings {
    /// The section of this document.
    pub fn read(document: &Document, mistakes: &mut Mistakes) -> Self {
        document.section("traces", mistakes, Self::refusals)
    }

    fn refusals(&self) -> Vec<Refusal> {
        let mut refusals = Vec::new();
        if !self.otlp_url.is_empty()
            && let Err(reason) = collector(&self.otlp_url)
        {
            refusals.push(Refusal::new("otlp_url", reason));
        }
        if !(0.0..=1.0).contains(&self.sample) {
            refusals.push(Refusal::new("sample", format!("must be from 0 to 1, not {}", self.sample)));
        }
        refusals
    }
}

/// The address of a collector, or why it is none.
fn collector(text: &str) -> Result<Url, String> {
    let refused = |reason: &str| format!("{reason}; expected e.g. http://127.0.0.1:4318/v1/traces");
    let url = Url::parse(text).map_err(|error| refused(&error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(refused("must begin with http:// or https://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refused(
            "takes no user and password: a key goes into the variable OTEL_EXPORTER_OTLP_HEADERS",
        ));
    }
    if url.path() == "/" {
        return Err(refused("names no path: collectors take traces at /v1/traces"));
    }
    Ok(url)
}

/// Where a service tells spans; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Traces(Option<Arc<Open>>);

/// What is behind a handle that is not off.
#[derive(Debug)]
struct Open {
    share: f64,
    /// The state of a splitmix64 sequence.
    random: AtomicU64,
    spans: mpsc::Sender<SpanData>,
    metrics: Metrics,
    scope: InstrumentationScope,
}

/// What is traced, by its trace and the span that all others of it stand under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trace {
    id: TraceId,
    root: SpanId,
}

/// A span that is over. Times are nanoseconds since the Unix epoch, of the process's clock.
#[derive(Clone, Debug)]
pub struct Span {
    name: &'static str,
    from_ns: i64,
    to_ns: i64,
    attributes: Vec<KeyValue>,
    status: Status,
}

impl Span {
    /// What went on from the one time to the other.
    pub const fn new(name: &'static str, from_ns: i64, to_ns: i64) -> Self {
        Self { name, from_ns, to_ns, attributes: Vec::new(), status: Status::Unset }
    }

    /// With this said about it. To hold nothing secret.
    #[must_use]
    pub fn with(mut self, key: &'static str, value: impl Into<Value>) -> Self {
        self.attributes.push(KeyValue::new(key, value));
        self
    }

    /// With a number of something.
    #[must_use]
    pub fn count(self, key: &'static str, count: impl TryInto<i64>) -> Self {
        self.with(key, count.try_into().unwrap_or(i64::MAX))
    }

    /// It failed.
    #[must_use]
    pub fn failed(mut self, reason: impl Into<String>) -> Self {
        self.status = Status::error(reason.into());
        self
    }
}

impl Traces {
    /// Traces nothing, at no cost.
    pub const fn off() -> Self {
        Self(None)
    }

    /// Traces this share, drawn from `seed`, into a bounded queue, which is returned.
    fn open(
        share: f64,
        seed: u64,
        metrics: Metrics,
        version: &'static str,
    ) -> (Self, mpsc::Receiver<SpanData>) {
        let (spans, queue) = mpsc::channel(QUEUE);
        let scope = InstrumentationScope::builder("cascade").with_version(version).build();
        let open = Open { share, random: AtomicU64::new(seed), spans, metrics, scope };
        (Self(Some(Arc::new(open))), queue)
    }

    /// Whether the next piece of work is traced, and as what. Which ones are depends on the seed of the process and on
    /// nothing else. `None` at once if traces are off.
    pub fn draw(&self) -> Option<Trace> {
        let open = self.0.as_ref()?;
        (open.fraction() < open.share).then(|| open.trace())
    }

    /// Tells the span that all others of the trace stand under.
    pub fn root(&self, trace: Trace, span: Span) {
        self.tell(trace.id, trace.root, SpanId::INVALID, span);
    }

    /// Tells a span under the root. In any order: collectors sort by time.
    pub fn child(&self, trace: Trace, span: Span) {
        let Some(open) = &self.0 else { return };
        self.tell(trace.id, SpanId::from(open.random()), trace.root, span);
    }

    /// Never waits: a span that does not fit the queue is dropped and counted.
    fn tell(&self, trace: TraceId, id: SpanId, parent: SpanId, span: Span) {
        let Some(open) = &self.0 else { return };
        let told = SpanData {
            span_context: SpanContext::new(trace, id, TraceFlags::SAMPLED, false, TraceState::NONE),
            parent_span_id: parent,
            parent_span_is_remote: false,
            span_kind: SpanKind::Internal,
            name: span.name.into(),
            start_time: at(span.from_ns),
            end_time: at(span.to_ns.max(span.from_ns)),
            attributes: span.attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: span.status,
            instrumentation_scope: open.scope.clone(),
        };
        if open.spans.try_send(told).is_err() {
            open.metrics.add(Metric::SpansDropped, &["queue_full"], 1);
        }
    }
}

impl Open {
    /// The next number of the sequence.
    fn random(&self) -> u64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut z = self.random.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// The next number, as a fraction in [0, 1).
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit a double exactly")]
    fn fraction(&self) -> f64 {
        (self.random() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn trace(&self) -> Trace {
        let id = u128::from(self.random()) << 64 | u128::from(self.random());
        Trace { id: TraceId::from(id), root: SpanId::from(self.random()) }
    }
}

fn at(ns: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_nanos(u64::try_from(ns).unwrap_or(0))
}

impl Context {
    /// This context with traces as the settings have them, and among the tasks the one that exports them. Without a
    /// collector there are none; one that can't be reached is logged and counted, and holds up nothing.
    #[must_use]
    pub fn traced(mut self, settings: &TracesSettings, supervisor: &mut Supervisor) -> Self {
        let Ok(url) = collector(&settings.otlp_url) else { return self };
        if settings.sample <= 0.0 {
            return self;
        }
        let (traces, queue) = Traces::open(settings.sample, self.seed, self.metrics.clone(), self.version);
        match Export::try_new(&url, &self, queue) {
            Ok(export) => {
                supervisor.spawn("traces", export.run());
                self.traces = traces;
            }
            Err(error) => tracing::warn!(%error, "no traces"),
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Sources;

    fn open(share: f64, seed: u64) -> (Traces, mpsc::Receiver<SpanData>) {
        Traces::open(share, seed, Metrics::new("test", "0"), "0")
    }

    fn mistakes_of(otlp_url: &str, sample: &str) -> String {
        let variable = |name: &str, text: &str| (format!("CASCADE_TRACES__{name}"), text.to_owned());
        let environment = vec![variable("OTLP_URL", otlp_url), variable("SAMPLE", sample)];
        let (document, mut mistakes) = Document::load(&Sources { environment, ..Sources::default() });
        TracesSettings::read(&document, &mut mistakes);
        mistakes.to_string()
    }

    #[test]
    fn the_file_of_defaults_says_what_the_code_does_and_that_is_off() {
        let (document, mut mistakes) = Document::load(&Sources::default());
        let settings = TracesSettings::read(&document, &mut mistakes);
        assert!(mistakes.is_empty(), "{mistakes}");
        assert_eq!(format!("{settings:?}"), format!("{:?}", TracesSettings::default()));
        assert!(settings.otlp_url.is_empty());
    }

    #[test]
    fn every_mistake_is_named_with_its_way_out() {
        for fine in ["http://127.0.0.1:4318/v1/traces", "https://otlp.example.com/v1/traces", ""] {
            assert_eq!(mistakes_of(fine, "1"), "", "{fine}");
        }
        for (url, sample, named) in [
            ("collector:4318", "0.5", "http://"),
            ("ftp://collector/v1/traces", "0.5", "http://"),
            ("http://collector:4318", "0.5", "/v1/traces"),
            ("http://ann:s3cret@collector/v1/traces", "0.5", "OTEL_EXPORTER_OTLP_HEADERS"),
            ("no address", "0.5", "http://"),
            ("", "1.001", "traces.sample: must be from 0 to 1, not 1.001"),
            ("", "-0.1", "traces.sample: must be from 0 to 1, not -0.1"),
        ] {
            let told = mistakes_of(url, sample);
            assert!(told.contains(named) && told.lines().count() == 1, "{url} {sample}: {told}");
            assert!(!told.contains("s3cret"), "{told}");
        }
        assert_eq!(mistakes_of("nowhere", "7").lines().count(), 2, "both at once");
    }

    #[test]
    fn off_draws_nothing_and_all_draws_everything() {
        assert_eq!(Traces::off().draw(), None);
        let ((none, _), (all, _)) = (open(0.0, 7), open(1.0, 7));
        assert!((0..1000).all(|_| none.draw().is_none() && all.draw().is_some()));
    }

    #[test]
    fn the_share_is_drawn_by_the_seed_alone() {
        let drawn = |seed| {
            let (traces, _queue) = open(0.1, seed);
            (0..10_000).map(|_| traces.draw()).collect::<Vec<_>>()
        };
        assert_eq!(drawn(1), drawn(1));
        assert_ne!(drawn(1), drawn(2));
        let count = drawn(1).iter().flatten().count();
        assert!((900..1100).contains(&count), "{count}");
    }

    #[test]
    fn a_full_queue_drops_spans_and_counts_them() {
        let (traces, mut queue) = open(1.0, 1);
        let trace = traces.draw().unwrap();
        for _ in 0..QUEUE + 3 {
            traces.child(trace, Span::new("work", 1, 2));
        }
        let metrics = &traces.0.as_ref().unwrap().metrics;
        let told = metrics.render();
        assert!(told.contains("cascade_spans_dropped_total{reason=\"queue_full\"} 3\n"), "{told}");
        assert!(queue.try_recv().is_ok());
    }

    #[test]
    fn a_child_stands_under_the_root_of_its_trace_with_its_own_times() {
        let (traces, mut queue) = open(1.0, 1);
        let trace = traces.draw().unwrap();
        traces.child(trace, Span::new("part", 2_000, 1_000).count("events", 3_usize).failed("no room"));
        traces.root(trace, Span::new("whole", 1_000, 5_000).with("venue", "okx"));
        let (part, whole) = (queue.try_recv().unwrap(), queue.try_recv().unwrap());
        assert_eq!(whole.parent_span_id, SpanId::INVALID);
        assert_eq!(part.parent_span_id, whole.span_context.span_id());
        assert_eq!(part.span_context.trace_id(), whole.span_context.trace_id());
        assert!(part.span_context.is_valid() && part.span_context.span_id() != part.parent_span_id);
        assert_eq!((whole.start_time, whole.end_time), (at(1_000), at(5_000)));
        assert_eq!(part.end_time, part.start_time, "no span ends before it begins");
        assert_eq!(part.attributes, [KeyValue::new("events", 3_i64)]);
        assert_eq!((part.status, whole.status), (Status::error("no room"), Status::Unset));
    }
}
