//! What was measured, as lines while it goes on and as tables at the end; and what of it is a fault.

use std::fmt;

use cascade_domain::Venue;

use crate::exchanges::Truth;
use crate::program::{Cost, Metrics};
use crate::stored::Stored;

/// One look at everything.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    /// Seconds since the storm was at its full pace.
    pub(crate) at_s: f64,
    pub(crate) truth: Truth,
    pub(crate) ingest: Cost,
    pub(crate) metrics: Metrics,
    /// cascade-signals, where it runs.
    pub(crate) signals: Option<(Cost, Metrics)>,
    pub(crate) redis_bytes: f64,
    pub(crate) redis_peak_bytes: f64,
    pub(crate) redis_resident_bytes: f64,
    pub(crate) redis_cpu_s: f64,
}

impl Sample {
    /// Above the lines of progress.
    pub(crate) const HEAD: &str = "    s  liquid./s   trades/s  queue  dropped  ingest MB  peak  cpu %  ms/1000  redis MB  cpu %  streams s  exchanges cpu %";

    fn heard(&self, kind: &str) -> f64 {
        self.metrics.sum("cascade_events_total", &[&format!("kind=\"{kind}\"")])
    }

    fn liquidations_and_trades(&self) -> f64 {
        self.heard("liquidation") + self.heard("trade")
    }

    fn dropped(&self) -> f64 {
        self.metrics.sum("cascade_dropped_total", &[])
    }

    fn resident_mb(&self) -> f64 {
        megabytes(self.ingest.resident_kb)
    }

    /// A line of progress: what is a rate, since the sample before.
    pub(crate) fn line(&self, before: Option<&Self>) -> String {
        let pace = Pace::between(before.unwrap_or(self), self);
        format!(
            "{:5.0}  {:9.0}  {:9.0}  {:5.0}  {:7.0}  {:9.1}  {:4.1}  {:5.1}  {:7.2}  {:8.1}  {:5.1}  {:9.0}  {:15.1}",
            self.at_s,
            pace.liquidations,
            pace.trades,
            self.metrics.sum("cascade_queue_events", &[]),
            self.dropped(),
            self.resident_mb(),
            megabytes(self.ingest.peak_kb),
            pace.cpu * 100.0,
            pace.ms_a_thousand,
            self.redis_bytes / 1e6,
            pace.redis_cpu * 100.0,
            self.metrics.sum("cascade_stream_age_seconds", &[]),
            pace.exchanges_cpu * 100.0,
        )
    }
}

/// What goes on between two samples, a second.
#[derive(Clone, Copy, Debug)]
struct Pace {
    liquidations: f64,
    trades: f64,
    /// Cores of liquidation-ingest, Redis and the exchanges.
    cpu: f64,
    redis_cpu: f64,
    exchanges_cpu: f64,
    /// Milliseconds of a core for a thousand liquidations and trades.
    ms_a_thousand: f64,
}

impl Pace {
    fn between(from: &Sample, to: &Sample) -> Self {
        let seconds = (to.at_s - from.at_s).max(0.001);
        let cpu = to.ingest.cpu_s - from.ingest.cpu_s;
        let events = to.liquidations_and_trades() - from.liquidations_and_trades();
        let exchanges_s = number(to.truth.cost().0.saturating_sub(from.truth.cost().0)) / 1e3;
        Self {
            liquidations: (to.heard("liquidation") - from.heard("liquidation")) / seconds,
            trades: (to.heard("trade") - from.heard("trade")) / seconds,
            cpu: cpu / seconds,
            redis_cpu: (to.redis_cpu_s - from.redis_cpu_s) / seconds,
            exchanges_cpu: exchanges_s / seconds,
            ms_a_thousand: cpu * 1e6 / events.max(1.0),
        }
    }
}

/// What one venue published, and what of it arrived.
#[derive(Clone, Copy, Debug)]
struct Line {
    venue: Venue,
    published: u64,
    stored: u64,
    /// Trades on the venue since the scenario began, and those heard in that time: those underway differ.
    trades: u64,
    heard: f64,
    /// Trades heard and in time, and trades inside bars, since the feeds began.
    in_time: f64,
    in_bars: u64,
    /// Trades that came after their bar, since the scenario began.
    late: f64,
    complaints: (u64, u64),
    opened: u64,
}

/// The whole measurement.
#[derive(Debug)]
pub(crate) struct Account {
    seconds: u64,
    samples: Vec<Sample>,
    last: Sample,
    lines: Vec<Line>,
    told: Told,
}

/// What the streams held besides.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) gaps: Vec<String>,
    pub(crate) twice: u64,
    pub(crate) unreadable: u64,
    pub(crate) failures: u64,
    pub(crate) counts: (u64, u64, u64),
    /// Median, 99 and 99.9 per cent, milliseconds.
    pub(crate) delays_ms: [usize; 3],
}

impl Told {
    /// What `stored` has of it now.
    pub(crate) fn of(stored: &Stored) -> Self {
        let told = stored.gaps.iter().filter(|(_, _, reason, ..)| reason != "start");
        let spelled =
            |(venue, stream, reason, from, to): &_| format!("{venue} {stream}, {reason}, {} ms", to - from);
        Self {
            gaps: told.map(spelled).collect(),
            twice: stored.twice,
            unreadable: stored.unreadable,
            failures: stored.failures,
            counts: (stored.bars, stored.marks, stored.entries),
            delays_ms: [500, 990, 999].map(|per_mille| stored.delay_ms(per_mille)),
        }
    }
}

impl Account {
    /// From the samples of the full pace (the first is from before it), one when all was told, the metrics when the
    /// exchanges had gone, and the streams.
    pub(crate) fn new(
        seconds: u64,
        samples: Vec<Sample>,
        (last, told): (Sample, Told),
        ended: &Metrics,
        stored: &Stored,
    ) -> Self {
        let line = |venue: Venue| {
            let of_venue = format!("venue=\"{venue}\"");
            let trades =
                |metrics: &Metrics| metrics.sum("cascade_events_total", &[&of_venue, "kind=\"trade\""]);
            let late = |metrics: &Metrics| metrics.sum("cascade_late_trades_total", &[&of_venue]);
            let late_before = samples.first().map_or(0.0, |first| late(&first.metrics));
            let (before, heard_before) =
                samples.first().map_or((0, 0.0), |first| (first.truth.trades(venue), trades(&first.metrics)));
            Line {
                venue,
                published: last.truth.published(venue),
                stored: stored.liquidations.get(&venue).copied().unwrap_or_default(),
                trades: last.truth.trades(venue) - before,
                heard: trades(&last.metrics) - heard_before,
                in_time: trades(ended) - late(ended),
                in_bars: stored.trades.get(&venue).copied().unwrap_or_default(),
                late: late(ended) - late_before,
                complaints: last.truth.complaints(venue),
                opened: last.truth.opened(venue),
            }
        };
        let lines = Venue::ALL.into_iter().map(line).collect();
        Self { seconds, samples, last, lines, told }
    }

    /// What must not be.
    pub(crate) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for line in &self.lines {
            let venue = line.venue;
            if line.stored != line.published {
                faults.push(format!(
                    "{venue} published {} liquidations, stored are {}",
                    line.published, line.stored
                ));
            }
            // What is underway between the two looks is a part of a second of a quiet market.
            if (number(line.trades) - line.heard).abs() > 500.0 {
                faults.push(format!("{venue} had {} trades, heard were {}", line.trades, line.heard));
            }
            if (number(line.in_bars) - line.in_time).abs() > 0.5 {
                faults.push(format!(
                    "{venue}: {} trades were heard in time, {} are in bars",
                    line.in_time, line.in_bars
                ));
            }
            if line.late > 0.0 {
                faults.push(format!("{venue}: {} trades came after their bar", line.late));
            }
            if line.complaints != (0, 0) {
                let (limited, slow) = line.complaints;
                faults.push(format!(
                    "{venue} refused {limited} times for its limits and cut {slow} slow readers"
                ));
            }
        }
        let mut nonzero = |what: &str, count: f64| {
            if count > 0.0 {
                faults.push(format!("{what}: {count}"));
            }
        };
        nonzero("events dropped", self.last.dropped());
        nonzero("liquidations stored twice", number(self.told.twice));
        nonzero("events refused", self.last.metrics.sum("cascade_refused_total", &[]));
        nonzero("events that can't be read", number(self.told.unreadable));
        nonzero("reads of the streams that failed", number(self.told.failures));
        faults.extend(self.told.gaps.iter().map(|gap| format!("a gap: {gap}")));
        faults
    }

    /// The samples of the full pace.
    fn full(&self) -> &[Sample] {
        self.samples.get(1..).unwrap_or_default()
    }

    fn median_of(&self, value: impl Fn(&Pace) -> f64) -> f64 {
        median(self.full().windows(2).map(|pair| value(&Pace::between(&pair[0], &pair[1]))).collect())
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\nvenue        liquidations  stored    trades     heard      in bars    late  sessions"
        )?;
        for line in &self.lines {
            writeln!(
                f,
                "{:<12} {:>12}  {:>7}  {:>9}  {:>9}  {:>9}  {:>5}  {:>8}",
                line.venue,
                line.published,
                line.stored,
                line.trades,
                line.heard,
                line.in_bars,
                line.late,
                line.opened
            )?;
        }
        let (Some(first), Some(end)) = (self.full().first(), self.full().last()) else { return Ok(()) };
        let pace = Pace::between(first, end);
        writeln!(
            f,
            "\n{} s at {:.0} liquidations/s and {:.0} trades/s",
            self.seconds, pace.liquidations, pace.trades
        )?;
        writeln!(
            f,
            "ingest    cpu {:.2} ms of one core per 1,000 events (median of 10 s: {:.2}), {:.1} % of one core",
            pace.ms_a_thousand,
            self.median_of(|p| p.ms_a_thousand),
            pace.cpu * 100.0
        )?;
        let resident: Vec<f64> = self.full().iter().map(Sample::resident_mb).collect();
        let (earlier, later) = resident.split_at(resident.len() / 2);
        writeln!(
            f,
            "          memory {:.1} MB (median of the first half {:.1}, of the second {:.1}), at most {:.1} MB",
            median(resident.clone()),
            median(earlier.to_vec()),
            median(later.to_vec()),
            megabytes(self.last.ingest.peak_kb)
        )?;
        let [half, most, nearly_all] = self.told.delays_ms;
        writeln!(
            f,
            "          from receipt to the stream: median {half} ms, 99 % {most} ms, 99.9 % {nearly_all} ms"
        )?;
        writeln!(
            f,
            "redis     {:.1} MB at the end, at most {:.1} MB ({:.1} MB of the machine's); cpu {:.1} % of one core",
            end.redis_bytes / 1e6,
            self.last.redis_peak_bytes / 1e6,
            end.redis_resident_bytes / 1e6,
            pace.redis_cpu * 100.0
        )?;
        let (bars, marks, entries) = self.told.counts;
        writeln!(
            f,
            "          streams are kept for {:.0} s at the end; {bars} bars, {marks} marks, {entries} entries were read from them",
            end.metrics.sum("cascade_stream_age_seconds", &[])
        )?;
        if let (Some((cost, metrics)), Some((before, _))) = (&self.last.signals, &first.signals) {
            let seconds = number(self.seconds) + 3.0;
            writeln!(
                f,
                "signals   {:.1} MB, at most {:.1} MB; cpu {:.1} % of one core; refused {}; lag {:.3} s",
                megabytes(cost.resident_kb),
                megabytes(cost.peak_kb),
                (cost.cpu_s - before.cpu_s) / seconds * 100.0,
                metrics.sum("cascade_engine_refused_total", &[]),
                metrics.sum("cascade_shard_lag_seconds", &[])
            )?;
        }
        let (_, resident_kb) = self.last.truth.cost();
        writeln!(
            f,
            "exchanges {:.1} MB; cpu {:.1} % of one core",
            megabytes(resident_kb),
            pace.exchanges_cpu * 100.0
        )
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn number(count: u64) -> f64 {
    count as f64
}

fn megabytes(kb: u64) -> f64 {
    number(kb) * 1024.0 / 1e6
}
