//! From the queue into the shard streams: each sample once by its key, all of one flush and shard in one entry, and before
//! them the gaps that they end.
//!
//! While Redis is away newer samples take the place of older ones. Knows no venue.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use cascade_bus::{Bus, BusError, Stored, StreamBounds, by_shard, remembered_s};
use cascade_domain::{Event, EventTime, Gap, GapStream, Shard, Venue};
use cascade_pace::Clock;
use cascade_service::{Metric, Shutdown, Throttle};

use super::desk::{Desk, LOGGED_A_MINUTE};
use super::holes::LONGEST_MS;
use super::owed::Owed;
use super::waiting::Sample;

/// Between two tries while Redis does not take them, wall time.
const RETRY: Duration = Duration::from_millis(200);
/// How long what is left is tried when it is time to stop, wall time.
const PATIENCE: Duration = Duration::from_secs(2);

/// The way into the streams.
#[derive(Debug)]
pub(crate) struct Writer {
    bus: Bus,
    bounds: StreamBounds,
    clock: Arc<dyn Clock>,
    desk: Desk,
    throttle: Throttle,
    is_away: bool,
    owed: Owed,
}

/// Which shards did not take their events.
#[derive(Debug, Default)]
struct Left {
    /// For now.
    waiting: BTreeSet<Shard>,
    /// For ever.
    refusing: BTreeSet<Shard>,
    /// Why the last of those that wait did not.
    reason: Option<BusError>,
}

impl Left {
    fn took(&self, shard: Shard) -> bool {
        !self.waiting.contains(&shard) && !self.refusing.contains(&shard)
    }
}

impl Writer {
    /// A writer that has written nothing yet.
    pub(crate) fn new(bus: Bus, bounds: StreamBounds, clock: Arc<dyn Clock>, desk: Desk) -> Self {
        let throttle = Throttle::new(LOGGED_A_MINUTE, 60_000);
        Self { bus, bounds, clock, desk, throttle, is_away: false, owed: Owed::default() }
    }

    /// Writes until it is asked to stop and nothing waits; to be asked when nobody puts anything in any more. A Redis that
    /// is away then is not waited for: the next owner asks anew.
    pub(crate) async fn run(mut self, shutdown: Shutdown) {
        loop {
            let samples = tokio::select! {
                biased;
                () = shutdown.requested() => break,
                samples = self.desk.waiting.take() => samples,
            };
            if !self.write(samples).await {
                tokio::time::sleep(RETRY).await;
            }
        }
        let rest = async {
            loop {
                let samples = self.desk.waiting.take_now();
                if samples.is_empty() || self.write(samples).await {
                    return;
                }
                tokio::time::sleep(RETRY).await;
            }
        };
        if tokio::time::timeout(PATIENCE, rest).await.is_err() {
            tracing::warn!("Redis does not take the last samples of open interest");
        }
    }

    /// Writes one flush; what Redis does not take for now waits again. Whether it took all.
    async fn write(&mut self, samples: Vec<Sample>) -> bool {
        let samples = self.of_now(samples);
        if samples.is_empty() {
            return true;
        }
        let first = first_of_each(&samples);
        let gaps: Vec<Gap> =
            first.iter().filter_map(|(venue, at)| self.desk.gap_before(*venue, *at)).collect();
        self.owed.lengthen(&first);
        for gap in &gaps {
            self.owed.add(gap);
        }
        let batches = self.batches(&samples);
        match self.store(&batches).await {
            Ok(left) => {
                match &left.reason {
                    Some(error) => self.say_away(error),
                    None => self.say_back(),
                }
                self.owed.keep(&left.waiting);
                if batches.keys().any(|shard| left.took(*shard)) {
                    for gap in &gaps {
                        self.told(gap);
                    }
                }
                self.settle(samples, &left);
                left.waiting.is_empty()
            }
            Err(error) => {
                self.say_away(&error);
                self.put_back(samples);
                false
            }
        }
    }

    /// Those that engines would still count: of the rest, which waited for Redis too long, the gap tells.
    fn of_now(&self, samples: Vec<Sample>) -> Vec<Sample> {
        let now = self.clock.now();
        let counts = |sample: &Sample| now.since(sample.received) <= LONGEST_MS;
        let (fresh, old): (Vec<_>, Vec<_>) = samples.into_iter().partition(counts);
        self.desk.metrics.add(Metric::Dropped, &["open_interest"], old.len() as u64);
        fresh
    }

    /// What each shard is to take: the gaps that it is owed, and then its samples.
    fn batches(&self, samples: &[Sample]) -> BTreeMap<Shard, Vec<Stored>> {
        let mut batches: BTreeMap<Shard, Vec<Stored>> = BTreeMap::new();
        for (shard, gap) in self.owed.gaps() {
            let gap = Event::Gap(gap.clone());
            match Stored::event(&gap, remembered_s(&gap)) {
                Ok(stored) => batches.entry(shard).or_default().push(stored),
                Err(error) => tracing::error!(%error, "a gap that can't be encoded is lost"),
            }
        }
        let metrics = &self.desk.metrics;
        let events: Vec<Event> = samples.iter().map(|sample| sample.event.clone()).collect();
        let of_samples = by_shard(&events, |event, error| {
            tracing::error!(kind = event.kind(), %error, "a sample that can't be encoded is lost");
            metrics.add(Metric::Dropped, &[event.kind()], 1);
        });
        for (shard, stored) in of_samples {
            batches.entry(shard).or_default().extend(stored);
        }
        batches
    }

    async fn store(&mut self, batches: &BTreeMap<Shard, Vec<Stored>>) -> Result<Left, BusError> {
        let slices: Vec<_> = batches.iter().map(|(shard, events)| (*shard, events.as_slice())).collect();
        let results = self.bus.store_many(&slices, self.bounds).await?;
        let mut left = Left::default();
        for (shard, result) in batches.keys().zip(results) {
            match result {
                Ok(counts) => self.desk.metrics.add(Metric::Duplicates, &[], counts.duplicates),
                Err(error) if error.is_transient() => {
                    left.waiting.insert(*shard);
                    left.reason = Some(error);
                }
                Err(error) => {
                    left.refusing.insert(*shard);
                    if let Some(suppressed) = self.throttle.admit(error.label(), self.clock.now()) {
                        tracing::error!(%shard, %error, suppressed, "Redis refuses its open interest");
                    }
                }
            }
        }
        Ok(left)
    }

    fn say_away(&mut self, error: &BusError) {
        if !std::mem::replace(&mut self.is_away, true) {
            tracing::warn!(%error, "Redis does not take all open interest; the newest of it waits");
        }
    }

    fn say_back(&mut self) {
        if std::mem::take(&mut self.is_away) {
            tracing::info!("Redis takes all open interest again");
        }
    }

    /// A gap stands in a shard at least: it is none any more that a later sample would end.
    fn told(&self, gap: &Gap) {
        let (venue, from_ms) = (gap.venue.as_str(), gap.from_ms.ms());
        tracing::warn!(venue, from_ms, to_ms = gap.to_ms.ms(), "a gap in its open interest");
        self.desk.metrics.add(Metric::Gaps, &[venue, GapStream::OpenInterest.as_str()], 1);
        self.desk.written(gap.venue, gap.to_ms);
    }

    /// Notes what is written, and puts back what waits.
    fn settle(&self, samples: Vec<Sample>, left: &Left) {
        let shard = |sample: &Sample| sample.event.symbol().map(Shard::of);
        let is_in = |shards: &BTreeSet<Shard>, sample: &Sample| {
            shard(sample).is_some_and(|shard| shards.contains(&shard))
        };
        let (waiting, done): (Vec<_>, Vec<_>) =
            samples.into_iter().partition(|sample| is_in(&left.waiting, sample));
        for sample in done {
            if is_in(&left.refusing, &sample) {
                self.desk.metrics.add(Metric::Dropped, &[sample.event.kind()], 1);
            } else {
                self.desk.written(sample.venue, sample.received);
            }
        }
        self.put_back(waiting);
    }

    fn put_back(&self, samples: Vec<Sample>) {
        for venue in self.desk.waiting.put_back(samples) {
            self.desk.metrics.add(Metric::Superseded, &[venue.as_str()], 1);
        }
    }
}

/// When the first of these samples of each venue came.
fn first_of_each(samples: &[Sample]) -> BTreeMap<Venue, EventTime> {
    let mut first: BTreeMap<Venue, EventTime> = BTreeMap::new();
    for sample in samples {
        let at = first.entry(sample.venue).or_insert(sample.received);
        *at = sample.received.min(*at);
    }
    first
}
