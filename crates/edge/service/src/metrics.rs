//! A handle on the process's metrics, and their Prometheus text.
//!
//! Not global: two services, or two tests, in one process count apart. Knows no metric by itself: they stand in `metric`.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Label, Level, Metadata, Recorder, SharedString};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use crate::latency::Latency;
use crate::metric::{Kind, Metric};

/// Upper bounds of the histograms' buckets, in seconds.
const BUCKETS: [f64; 14] = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0];

const METADATA: Metadata<'static> = Metadata::new(module_path!(), Level::INFO, Some(module_path!()));

/// The metrics of one service; clones share them.
#[derive(Clone)]
pub struct Metrics {
    recorder: Arc<PrometheusRecorder>,
    handle: PrometheusHandle,
    latency: Arc<Latency>,
    handles: Arc<Handles>,
    started: Instant,
}

/// What was counted before, found again without an allocation: most of what is counted is counted for each event.
#[derive(Default)]
struct Handles {
    counters: Known<Counter>,
    gauges: Known<Gauge>,
    histograms: Known<Histogram>,
}

/// Handles by metric; of each with the values of its labels, which are few.
struct Known<T>([RwLock<Vec<(Labels, T)>>; Metric::ALL.len()]);

type Labels = Box<[Box<str>]>;

impl<T> Default for Known<T> {
    fn default() -> Self {
        Self(std::array::from_fn(|_| RwLock::default()))
    }
}

impl<T> Known<T> {
    /// Does something with all handles of a metric.
    fn each(&self, metric: Metric, act: impl Fn(&T)) {
        let known = self.0[metric as usize].read().unwrap_or_else(PoisonError::into_inner);
        known.iter().for_each(|(_, handle)| act(handle));
    }

    /// Uses the handle of these labels, made at its first use.
    fn with(&self, (metric, labels): (Metric, &[&str]), make: impl FnOnce() -> T, act: impl FnOnce(&T)) {
        let place = &self.0[metric as usize];
        let is_it = |(known, _): &&(Labels, T)| known.iter().map(|label| &**label).eq(labels.iter().copied());
        if let Some((_, handle)) = place.read().unwrap_or_else(PoisonError::into_inner).iter().find(is_it) {
            return act(handle);
        }
        let handle = make();
        act(&handle);
        let labels = labels.iter().map(|label| Box::from(*label)).collect();
        // Two that come at once both keep theirs: they are of the same figure.
        place.write().unwrap_or_else(PoisonError::into_inner).push((labels, handle));
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").field("started", &self.started).finish_non_exhaustive()
    }
}

impl Metrics {
    /// The metrics of this service and version, with nothing counted yet.
    #[expect(clippy::disallowed_methods, reason = "uptime is wall time, whatever the speed of the clock")]
    pub fn new(service: &str, version: &str) -> Self {
        // Refused only if there were no buckets; then the histograms would be summaries.
        let builder = PrometheusBuilder::new().set_buckets(&BUCKETS).unwrap_or_default();
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        for metric in Metric::ALL {
            let spec = metric.spec();
            let (name, help) = (KeyName::from(spec.name), SharedString::from(spec.help));
            match spec.kind {
                Kind::Counter => recorder.describe_counter(name, None, help),
                Kind::Gauge => recorder.describe_gauge(name, None, help),
                Kind::Histogram => recorder.describe_histogram(name, None, help),
                // They tell themselves.
                Kind::Summary => {}
            }
        }
        let latency = Arc::new(Latency::new());
        let (recorder, handles) = (Arc::new(recorder), Arc::default());
        let metrics = Self { recorder, handle, latency, handles, started: Instant::now() };
        metrics.set(Metric::BuildInfo, &[service, version], 1.0);
        metrics
    }

    /// A counter to keep: counting on it costs one atomic addition. `labels` are the values of the metric's labels, in order.
    pub fn counter(&self, metric: Metric, labels: &[&str]) -> Counter {
        debug_assert_eq!(metric.spec().kind, Kind::Counter, "{metric:?}");
        self.recorder.register_counter(&key(metric, labels), &METADATA)
    }

    /// A gauge to keep.
    pub fn gauge(&self, metric: Metric, labels: &[&str]) -> Gauge {
        debug_assert_eq!(metric.spec().kind, Kind::Gauge, "{metric:?}");
        self.recorder.register_gauge(&key(metric, labels), &METADATA)
    }

    /// A histogram to keep.
    pub fn histogram(&self, metric: Metric, labels: &[&str]) -> Histogram {
        debug_assert_eq!(metric.spec().kind, Kind::Histogram, "{metric:?}");
        self.recorder.register_histogram(&key(metric, labels), &METADATA)
    }

    /// Counts `n` more.
    pub fn add(&self, metric: Metric, labels: &[&str], n: u64) {
        let make = || self.counter(metric, labels);
        self.handles.counters.with((metric, labels), make, |counter| counter.increment(n));
    }

    /// Sets a gauge.
    pub fn set(&self, metric: Metric, labels: &[&str], value: f64) {
        let make = || self.gauge(metric, labels);
        self.handles.gauges.with((metric, labels), make, |gauge| gauge.set(value));
    }

    /// This process does not know this gauge any more, under whatever labels: it tells NaN, which no rule takes for a figure.
    /// To be called where the work that it tells of goes to another replica, or the last figure would stand for ever.
    pub fn forget(&self, metric: Metric) {
        debug_assert_eq!(metric.spec().kind, Kind::Gauge, "{metric:?}");
        self.handles.gauges.each(metric, |gauge| gauge.set(f64::NAN));
    }

    /// Records one value of a histogram, in seconds.
    pub fn record(&self, metric: Metric, labels: &[&str], seconds: f64) {
        let make = || self.histogram(metric, labels);
        self.handles.histograms.with((metric, labels), make, |histogram| histogram.record(seconds));
    }

    /// How long events spend in each stage of their way.
    pub fn latency(&self) -> &Latency {
        &self.latency
    }

    /// Seconds since the service started, wall time.
    pub fn uptime_s(&self) -> u64 {
        self.started.elapsed().as_secs()
    }

    /// The Prometheus text of everything counted so far.
    pub fn render(&self) -> String {
        self.set(Metric::Uptime, &[], self.started.elapsed().as_secs_f64());
        self.handle.render() + &self.latency.render()
    }

    /// Folds recorded values into their histograms. To be called every few seconds: until then each takes memory.
    pub fn fold(&self) {
        self.handle.run_upkeep();
    }
}

fn key(metric: Metric, labels: &[&str]) -> Key {
    debug_assert_eq!(metric.spec().labels.len(), labels.len(), "{metric:?}");
    let labels =
        metric.spec().labels.iter().zip(labels).map(|(name, value)| Label::new(*name, (*value).to_owned()));
    Key::from_parts(metric.spec().name, labels.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::{Command, Stdio};
    use std::time::Duration;

    use super::*;
    use crate::Stage;

    fn with_everything() -> Metrics {
        let metrics = Metrics::new("test", "0.1.0");
        for metric in Metric::ALL {
            let labels: Vec<&str> = metric.spec().labels.iter().map(|_| "it's \"x\"\n\\").collect();
            match metric.spec().kind {
                Kind::Counter => metrics.add(metric, &labels, 2),
                Kind::Gauge => metrics.set(metric, &labels, 0.5),
                Kind::Histogram => metrics.record(metric, &labels, 0.25),
                Kind::Summary => {
                    let (latency, now) = (metrics.latency(), Latency::now());
                    for stage in Stage::ALL {
                        latency.record(stage, now, Duration::from_micros(1234), 2);
                    }
                }
            }
        }
        metrics
    }

    #[test]
    fn every_metric_is_rendered_with_its_help_and_type() {
        let text = with_everything().render();
        for metric in Metric::ALL {
            let name = metric.spec().name;
            let kind = format!("{:?}", metric.spec().kind).to_lowercase();
            assert!(text.contains(&format!("# HELP {name} {}\n", metric.spec().help)), "{name}");
            assert!(text.contains(&format!("# TYPE {name} {kind}\n")), "{name}");
        }
    }

    #[test]
    fn promtool_accepts_the_text() {
        let started = Command::new("promtool")
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let Ok(mut promtool) = started else {
            // Past the test harness, which hides what a passing test prints.
            writeln!(
                std::io::stderr(),
                "SKIPPED: promtool is not installed, so nobody checked the Prometheus text"
            )
            .ok();
            return;
        };
        promtool.stdin.take().unwrap().write_all(with_everything().render().as_bytes()).unwrap();
        let output = promtool.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(output.status.success() && said.is_empty(), "{said}");
    }

    #[test]
    fn what_differs_in_a_label_is_counted_apart_and_the_same_together() {
        let metrics = Metrics::new("test", "1");
        for (venue, kind) in [("okx", "mark"), ("okx", "trade"), ("bybit", "mark"), ("okx", "mark")] {
            metrics.add(Metric::Events, &[venue, kind], 1);
            metrics.counter(Metric::Events, &[venue, kind]).increment(10);
        }
        let text = metrics.render();
        for (venue, kind, count) in [("okx", "mark", 22), ("okx", "trade", 11), ("bybit", "mark", 11)] {
            let line = format!("cascade_events_total{{venue=\"{venue}\",kind=\"{kind}\"}} {count}\n");
            assert!(text.contains(&line), "{text}");
        }
    }

    #[test]
    fn what_is_forgotten_is_no_number_until_it_is_told_again() {
        let metrics = Metrics::new("test", "1");
        metrics.set(Metric::OldestDelivery, &["desk"], 90.0);
        metrics.set(Metric::OldestDelivery, &["phone"], 9.0);
        metrics.set(Metric::DeadLetters, &[], 2.0);
        metrics.forget(Metric::OldestDelivery);
        metrics.forget(Metric::WatchdogAge);
        metrics.set(Metric::OldestDelivery, &["phone"], 1.0);
        let text = metrics.render();
        for line in [
            "cascade_delivery_oldest_seconds{destination=\"desk\"} NaN\n",
            "cascade_delivery_oldest_seconds{destination=\"phone\"} 1\n",
            "cascade_dead_letters 2\n",
        ] {
            assert!(text.contains(line), "{text}");
        }
        assert!(!text.contains("cascade_watchdog_age_seconds"), "{text}");
    }

    #[test]
    fn two_services_in_one_process_count_apart() {
        let (one, other) = (Metrics::new("one", "1"), Metrics::new("other", "1"));
        one.add(Metric::Ticks, &[], 3);
        one.clone().add(Metric::Ticks, &[], 4);
        assert!(one.render().contains("cascade_ticks_total 7\n"));
        assert!(!other.render().contains("cascade_ticks_total"));
        assert!(other.render().contains("cascade_build_info{service=\"other\",version=\"1\"} 1\n"));
    }
}
