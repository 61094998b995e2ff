//! The stopwatch: which liquidations a subscriber heard of, and how long after they were meant to leave.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cascade_bus::Subscriber;
use cascade_pace::Clock;
use cascade_service::BoxError;
use cascade_simulator::Schedule;
use hdrhistogram::Histogram;

/// What takes longer counts as this long, microseconds.
const MOST_US: u64 = 120_000_000;
const DIGITS: u8 = 3;

/// What came of a phase, or of several.
#[derive(Clone, Debug)]
pub(crate) struct Figures {
    /// What was meant to leave, what left, what was heard of, what was heard of again.
    pub(crate) meant: u64,
    pub(crate) sent: u64,
    pub(crate) received: u64,
    pub(crate) twice: u64,
    microseconds: Histogram<u64>,
}

impl Figures {
    pub(crate) fn new() -> Result<Self, BoxError> {
        let microseconds = Histogram::new_with_bounds(1, MOST_US, DIGITS)?;
        Ok(Self { meant: 0, sent: 0, received: 0, twice: 0, microseconds })
    }

    pub(crate) fn add(&mut self, other: Self) -> Result<(), BoxError> {
        self.meant += other.meant;
        self.sent += other.sent;
        self.received += other.received;
        self.twice += other.twice;
        Ok(self.microseconds.add(other.microseconds)?)
    }

    fn took(&mut self, us: u64) {
        self.microseconds.saturating_record(us);
    }

    pub(crate) const fn lost(&self) -> u64 {
        self.meant.saturating_sub(self.received)
    }

    /// Microseconds that this share of all stayed within; 0 where nothing was heard.
    pub(crate) fn quantile_us(&self, quantile: f64) -> u64 {
        self.microseconds.value_at_quantile(quantile).min(MOST_US)
    }

    /// The longest, microseconds, to three digits.
    pub(crate) fn max_us(&self) -> u64 {
        self.microseconds.max().min(MOST_US)
    }
}

/// What is heard of the phase that runs.
#[derive(Debug)]
struct Phase {
    schedule: Schedule,
    /// A bit for each event.
    seen: Vec<u64>,
    figures: Figures,
}

impl Phase {
    /// Takes what was heard of at `now_ns`, if it is of this phase.
    fn take(&mut self, number: u64, now_ns: i64) {
        let Some(intended_ns) = self.schedule.intended_ns(number) else { return };
        let place = number - self.schedule.first;
        let (word, bit) = (usize::try_from(place / 64).unwrap_or(usize::MAX), 1_u64 << (place % 64));
        let Some(seen) = self.seen.get_mut(word) else { return };
        if *seen & bit != 0 {
            self.figures.twice += 1;
            return;
        }
        *seen |= bit;
        self.figures.received += 1;
        let us = now_ns.saturating_sub(intended_ns).max(0) / 1_000;
        self.figures.took(us.unsigned_abs());
    }
}

/// What a subscriber hears of; clones are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heard(Arc<Mutex<Option<Phase>>>);

impl Heard {
    /// From now on events of this schedule count.
    pub(crate) fn begin(&self, schedule: Schedule) -> Result<(), BoxError> {
        let mut figures = Figures::new()?;
        figures.meant = schedule.events();
        let words = usize::try_from(schedule.events().div_ceil(64))?;
        *self.phase() = Some(Phase { schedule, seen: vec![0; words], figures });
        Ok(())
    }

    /// How many different events were heard of.
    pub(crate) fn received(&self) -> u64 {
        self.phase().as_ref().map_or(0, |phase| phase.figures.received)
    }

    /// What came of the phase, of which so many left.
    pub(crate) fn end(&self, sent: u64) -> Result<Figures, BoxError> {
        let phase = self.phase().take().ok_or("no phase was begun")?;
        Ok(Figures { sent, ..phase.figures })
    }

    /// Listens for as long as it is polled; `number` finds in a message which event it is about.
    pub(crate) async fn listen(
        self,
        mut subscriber: Subscriber,
        clock: Arc<dyn Clock>,
        number: fn(&[u8]) -> Option<u64>,
    ) -> Result<(), BoxError> {
        loop {
            let message = subscriber.next().await;
            let now_ns = clock.now_ns();
            let Some(number) = number(&message.bytes) else { continue };
            if let Some(phase) = self.phase().as_mut() {
                phase.take(number, now_ns);
            }
        }
    }

    fn phase(&self) -> MutexGuard<'_, Option<Phase>> {
        // Figures alone: nothing in there can be left half-done by a panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEDULE: Schedule = Schedule { start_ns: 0, rate: 1_000, per_frame: 1, frames: 1_000, first: 500 };

    #[test]
    fn each_event_counts_once_and_from_when_it_was_meant_to_leave() {
        let heard = Heard::default();
        heard.begin(SCHEDULE).unwrap();
        for number in 500..1_500_u64 {
            // The event of place n was meant to leave after n ms and takes n + 1 ms more; the last is missing.
            let place = i64::try_from(number - 500).unwrap();
            if number < 1_499 {
                heard.phase().as_mut().unwrap().take(number, place * 1_000_000 + (place + 1) * 1_000_000);
            }
        }
        for stranger in [0, 499, 1_500, 700] {
            heard.phase().as_mut().unwrap().take(stranger, 5);
        }
        assert_eq!(heard.received(), 999);
        let figures = heard.end(1_000).unwrap();
        assert_eq!((figures.meant, figures.sent, figures.received), (1_000, 1_000, 999));
        assert_eq!((figures.lost(), figures.twice), (1, 1));
        let is_about = |found: u64, ms: u64| found.abs_diff(ms * 1_000) <= ms;
        assert!(is_about(figures.quantile_us(0.5), 500), "{}", figures.quantile_us(0.5));
        assert!(is_about(figures.quantile_us(0.99), 990) && is_about(figures.max_us(), 999));
        assert!(heard.end(0).is_err(), "a phase ends once");
    }

    #[test]
    fn figures_of_rounds_add_up() {
        let mut sum = Figures::new().unwrap();
        for us in [1_000, 3_000] {
            let mut round = Figures::new().unwrap();
            (round.meant, round.sent, round.received) = (2, 2, 1);
            round.took(us);
            sum.add(round).unwrap();
        }
        assert_eq!((sum.meant, sum.sent, sum.received, sum.lost()), (4, 4, 2, 2));
        assert!(sum.quantile_us(0.5) <= 1_001 && sum.max_us() >= 3_000);
    }
}
