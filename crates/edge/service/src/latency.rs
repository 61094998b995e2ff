//! How long events spend in each stage of their way: one HDR histogram a stage, told as Prometheus summaries.
//!
//! Recording takes a lock that hardly anybody else wants and adds to one cell: some tens of nanoseconds, once for
//! all events that took the same time. Durations are wall time, whatever the speed of the clock. Knows no event.

use std::fmt::{self, Write as _};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hdrhistogram::Histogram;

use crate::metric::Metric;

/// What takes longer counts as this long, microseconds.
const MOST_US: u64 = 60_000_000;
/// Significant digits of what is kept.
const DIGITS: u8 = 3;
/// Quantiles are of the last so many slices of time: between 45 and 60 seconds.
const SLICES: usize = 4;
const SLICE: Duration = Duration::from_secs(15);

/// A stage of an event's way from an exchange to those who hear of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// The venue's own: from a liquidation's time, by the venue's clock, to its receipt, by ours, in time of the
    /// process's clock. What the clocks differ by is in it; a liquidation from the future counts as 0.
    Venue,
    /// From a frame's receipt to its events.
    Decode,
    /// From an event's being decoded (a bar's being closed) to Redis' acknowledgement: the wait in the queue, too.
    Store,
    /// From the time in the id of a stream's entry, by Redis' clock, to an engine's being given its events, by ours. Whole
    /// milliseconds; what the machines' clocks differ by is in it.
    Take,
    /// From an engine's being given what led to a finding to Redis' answer to the script that published it.
    Publish,
}

impl Stage {
    /// All, in the order in which an event passes them.
    pub const ALL: [Self; 5] = [Self::Venue, Self::Decode, Self::Store, Self::Take, Self::Publish];
    /// What is told of each: shares of 1.
    pub const QUANTILES: [f64; 4] = [0.5, 0.9, 0.99, 0.999];

    /// The word that labels it in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Venue => "venue",
            Self::Decode => "decode",
            Self::Store => "store",
            Self::Take => "take",
            Self::Publish => "publish",
        }
    }
}

/// The stages of one process.
pub struct Latency {
    stages: [Mutex<Track>; Stage::ALL.len()],
}

impl fmt::Debug for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Latency").finish_non_exhaustive()
    }
}

/// What one stage took.
#[derive(Debug, Default)]
struct Track {
    /// Of the last minute, by slices; empty until something is recorded.
    slices: Vec<Histogram<u32>>,
    /// Which slice is written, and since when.
    current: usize,
    since: Option<Instant>,
    count: u64,
    sum_us: u64,
}

impl Latency {
    /// Nothing recorded yet.
    pub(crate) fn new() -> Self {
        Self { stages: std::array::from_fn(|_| Mutex::default()) }
    }

    /// The time on the machine's steady clock, for [`Latency::record`] and for nothing else.
    #[expect(clippy::disallowed_methods, reason = "stages are measured in wall time, and this is `service`")]
    pub fn now() -> Instant {
        Instant::now()
    }

    /// So many events took so long; it is now `at`.
    pub fn record(&self, stage: Stage, at: Instant, lasted: Duration, events: u64) {
        self.record_each(stage, at, [(lasted, events)]);
    }

    /// The same of many, of each how long it took and how many they were.
    pub fn record_each(&self, stage: Stage, at: Instant, each: impl IntoIterator<Item = (Duration, u64)>) {
        let mut track = self.track(stage);
        track.turn(at);
        for (lasted, events) in each {
            track.add(lasted, events);
        }
    }

    /// So many events of an entry whose id says `entry_ms` are given to an engine; it is now `at`.
    #[expect(clippy::disallowed_methods, reason = "ids of entries are wall time, and this is `service`")]
    pub fn taken(&self, at: Instant, entry_ms: u64, events: u64) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.record(Stage::Take, at, now.saturating_sub(Duration::from_millis(entry_ms)), events);
    }

    /// What Prometheus reads, nothing where nothing was recorded: quantiles over the last minute, not a number where
    /// it was empty; sums and counts since the start.
    pub(crate) fn render(&self) -> String {
        self.render_at(Self::now())
    }

    fn render_at(&self, now: Instant) -> String {
        let spec = Metric::Stage.spec();
        let (name, mut text) = (spec.name, String::new());
        for stage in Stage::ALL {
            let mut track = self.track(stage);
            track.turn(now);
            if track.count == 0 {
                continue;
            }
            let word = stage.as_str();
            let label = spec.labels.first().copied().unwrap_or_default();
            for (quantile, seconds) in Stage::QUANTILES.into_iter().zip(track.quantiles_s()) {
                writeln!(text, "{name}{{{label}=\"{word}\",quantile=\"{quantile}\"}} {seconds}").ok();
            }
            let (sum, count) = (seconds(track.sum_us), track.count);
            writeln!(text, "{name}_sum{{{label}=\"{word}\"}} {sum}").ok();
            writeln!(text, "{name}_count{{{label}=\"{word}\"}} {count}").ok();
        }
        if text.is_empty() {
            return text;
        }
        format!("# HELP {name} {}\n# TYPE {name} summary\n{text}\n", spec.help)
    }

    fn track(&self, stage: Stage) -> MutexGuard<'_, Track> {
        // Figures alone: nothing in there can be left half-done by a panic.
        self.stages[stage as usize].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Track {
    /// Forgets the slices that are older than a minute at `now`.
    fn turn(&mut self, now: Instant) {
        let Some(mut since) = self.since else {
            self.since = Some(now);
            return;
        };
        let slices = self.slices.len().max(1);
        // After a long silence every slice is forgotten once; the rest of the silence changes nothing.
        let mut forgotten = 0;
        while now.saturating_duration_since(since) >= SLICE {
            if forgotten > slices {
                since = now;
                break;
            }
            since += SLICE;
            forgotten += 1;
            self.current = (self.current + 1) % slices;
            if let Some(slice) = self.slices.get_mut(self.current).filter(|slice| !slice.is_empty()) {
                slice.reset();
            }
        }
        self.since = Some(since);
    }

    fn add(&mut self, lasted: Duration, events: u64) {
        if self.slices.is_empty() {
            // Refused only for bounds that make no sense.
            self.slices = (0..SLICES).filter_map(|_| histogram().ok()).collect();
        }
        let us = u64::try_from(lasted.as_micros()).unwrap_or(MOST_US).min(MOST_US);
        self.count += events;
        self.sum_us = self.sum_us.saturating_add(us.saturating_mul(events));
        if let Some(slice) = self.slices.get_mut(self.current) {
            slice.saturating_record_n(us, u32::try_from(events).unwrap_or(u32::MAX));
        }
    }

    /// The quantiles of the last minute, seconds.
    fn quantiles_s(&self) -> [f64; Stage::QUANTILES.len()] {
        let mut minute: Option<Histogram<u32>> = None;
        for slice in self.slices.iter().filter(|slice| !slice.is_empty()) {
            match &mut minute {
                // Refused only for a value beyond bounds that all share.
                Some(minute) => minute.add(slice).unwrap_or_default(),
                None => minute = Some(slice.clone()),
            }
        }
        Stage::QUANTILES.map(|quantile| {
            minute
                .as_ref()
                .map_or(f64::NAN, |minute| seconds(minute.value_at_quantile(quantile).min(MOST_US)))
        })
    }
}

fn histogram() -> Result<Histogram<u32>, hdrhistogram::CreationError> {
    Histogram::new_with_bounds(1, MOST_US, DIGITS)
}

#[expect(clippy::cast_precision_loss, reason = "microseconds, shown as seconds")]
fn seconds(us: u64) -> f64 {
    us as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// The value of the line that begins so.
    fn value(text: &str, line: &str) -> f64 {
        let found = text.lines().find_map(|l| l.strip_prefix(line)?.strip_prefix(' '));
        found.unwrap_or_else(|| panic!("no {line} in\n{text}")).parse().unwrap()
    }

    fn quantile(latency: &Latency, now: Instant, stage: &str, quantile: &str) -> f64 {
        let line = format!("cascade_stage_seconds{{stage=\"{stage}\",quantile=\"{quantile}\"}}");
        value(&latency.render_at(now), &line)
    }

    fn is_about(found: f64, expected: f64) -> bool {
        (found - expected).abs() <= expected / 1000.0
    }

    #[test]
    fn quantiles_of_known_values_are_right_to_three_digits() {
        let (latency, now) = (Latency::new(), Latency::now());
        latency.record_each(Stage::Decode, now, (1..=1000).map(|ms| (ms * MS, 1)));
        for (word, expected) in [("0.5", 0.5), ("0.9", 0.9), ("0.99", 0.99), ("0.999", 0.999)] {
            let found = quantile(&latency, now, "decode", word);
            assert!(is_about(found, expected), "{word}: {found}");
        }
        let text = latency.render_at(now);
        assert!(is_about(value(&text, "cascade_stage_seconds_sum{stage=\"decode\"}"), 500.5));
        assert!(is_about(value(&text, "cascade_stage_seconds_count{stage=\"decode\"}"), 1000.0));
        assert!(!text.contains("store"), "nothing is told of what was never measured");
    }

    #[test]
    fn events_that_took_the_same_time_count_one_by_one() {
        let (latency, now) = (Latency::new(), Latency::now());
        latency.record(Stage::Store, now, 2 * MS, 90);
        latency.record(Stage::Store, now, 700 * MS, 10);
        assert!(is_about(quantile(&latency, now, "store", "0.9"), 0.002));
        assert!(is_about(quantile(&latency, now, "store", "0.99"), 0.7));
    }

    #[test]
    fn what_is_too_long_or_too_short_is_held_to_the_bounds() {
        let (latency, now) = (Latency::new(), Latency::now());
        latency.record(Stage::Take, now, Duration::MAX, 1);
        assert!(is_about(quantile(&latency, now, "take", "0.5"), 60.0));
        latency.record(Stage::Publish, now, Duration::ZERO, 1);
        assert!(quantile(&latency, now, "publish", "0.5") <= 1e-6);
    }

    #[test]
    fn quantiles_are_of_the_last_minute_and_counts_of_all_time() {
        let (latency, start) = (Latency::new(), Latency::now());
        latency.record(Stage::Decode, start, 900 * MS, 5);
        let then = start + Duration::from_secs(40);
        latency.record(Stage::Decode, then, MS, 5);
        assert!(is_about(quantile(&latency, then, "decode", "0.9"), 0.9), "both are of this minute");
        let later = start + Duration::from_secs(62);
        assert!(is_about(quantile(&latency, later, "decode", "0.9"), 0.001), "the older is not any more");
        let long_after = start + Duration::from_hours(30);
        let text = latency.render_at(long_after);
        assert!(quantile(&latency, long_after, "decode", "0.9").is_nan());
        assert!(is_about(value(&text, "cascade_stage_seconds_count{stage=\"decode\"}"), 10.0));
        latency.record(Stage::Decode, long_after, 3 * MS, 1);
        assert!(is_about(quantile(&latency, long_after, "decode", "0.5"), 0.003));
    }

    #[test]
    fn a_taken_entry_is_measured_against_the_time_in_its_id() {
        let latency = Latency::new();
        let ms = SystemClockMs::now() - 2_000;
        latency.taken(Latency::now(), ms, 3);
        let found = quantile(&latency, Latency::now(), "take", "0.5");
        assert!((2.0..30.0).contains(&found), "{found}");
        latency.taken(Latency::now(), ms + 3_600_000, 1);
        let text = latency.render();
        assert!(is_about(value(&text, "cascade_stage_seconds_count{stage=\"take\"}"), 4.0), "{text}");
    }

    /// The machine's time, milliseconds.
    struct SystemClockMs;

    impl SystemClockMs {
        #[expect(clippy::disallowed_methods, reason = "what Redis would put into an id")]
        fn now() -> u64 {
            u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
        }
    }
}
