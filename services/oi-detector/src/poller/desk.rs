//! What the tasks of the pollers share: how each venue does that is ours, what waits for Redis, and which stretches of
//! time are missing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cascade_domain::{EventTime, Gap, Venue};
use cascade_service::Metrics;
use cascade_wire::PollReading;

use super::holes::Holes;
use super::standing::Standing;
use super::waiting::Waiting;

/// Log lines of one kind in a minute of the clock; all are counted.
pub(crate) const LOGGED_A_MINUTE: u32 = 3;

/// The desk; clones are the same one.
#[derive(Clone, Debug)]
pub(crate) struct Desk {
    pub(crate) waiting: Arc<Waiting>,
    pub(crate) metrics: Metrics,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// The venues that are ours.
    standings: BTreeMap<Venue, Standing>,
    holes: Holes,
}

impl State {
    fn reading(&self, venue: Venue, standing: &Standing, reader: &str, now: EventTime) -> PollReading {
        PollReading { stored_to_ms: self.holes.known_to(venue), ..standing.reading(reader, now) }
    }
}

impl Desk {
    /// A desk of nobody.
    pub(crate) fn new(metrics: Metrics) -> Self {
        Self { waiting: Arc::default(), metrics, state: Arc::default() }
    }

    /// A venue is ours from now on. `before` = what the one before us told of it. Where `is_streamed`, its sockets tell
    /// what is missed here, so that it leaves no gap.
    pub(crate) fn own(&self, venue: Venue, now: EventTime, before: Option<&PollReading>, is_streamed: bool) {
        let mut state = self.state();
        state.standings.insert(venue, Standing::new(now, before));
        if is_streamed {
            state.holes.ignore(venue);
        } else {
            state.holes.begin(venue, before.and_then(|before| before.stored_to_ms));
        }
    }

    /// A venue is ours no more, and nobody asks it from now on, for this reason: what is told of it, if it was ours.
    pub(crate) fn disown(
        &self,
        venue: Venue,
        reader: &str,
        now: EventTime,
        why: &str,
    ) -> Option<PollReading> {
        let mut state = self.state();
        let mut standing = state.standings.remove(&venue)?;
        standing.left(now, why);
        Some(state.reading(venue, &standing, reader, now))
    }

    /// Changes what is known of a venue, if it is ours.
    pub(crate) fn tell(&self, venue: Venue, change: impl FnOnce(&mut Standing)) {
        if let Some(standing) = self.state().standings.get_mut(&venue) {
            change(standing);
        }
    }

    /// What is shown of the venues that are ours, as of now: each with whether it answers and how long its round takes.
    pub(crate) fn shown(&self, reader: &str, now: EventTime) -> Vec<(Venue, PollReading, Option<f64>)> {
        let mut state = self.state();
        state.standings.values_mut().for_each(|standing| standing.judge(now));
        let shown = |(venue, standing): (&Venue, &Standing)| {
            (*venue, state.reading(*venue, standing, reader, now), standing.round_s())
        };
        state.standings.iter().map(shown).collect()
    }

    /// The gap that a sample of this time ends, if there is one.
    pub(crate) fn gap_before(&self, venue: Venue, sample: EventTime) -> Option<Gap> {
        self.state().holes.before(venue, sample)
    }

    /// A sample of this time is written, or a gap that ends then is told.
    pub(crate) fn written(&self, venue: Venue, sample: EventTime) {
        self.state().holes.written(venue, sample);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in there can be left half-done by a panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> EventTime {
        EventTime::from_ms(1_791_565_600_000 + second * 1000)
    }

    /// The venue answered all the while, but Redis was away, and with it the lease: what the next owner reads was written
    /// when Redis was back, before any sample was.
    #[test]
    fn who_asks_next_takes_what_stands_in_the_streams_not_what_was_answered_for_the_end() {
        let (venue, desk) = (Venue::Binance, Desk::new(Metrics::new("oi-detector", "0")));
        desk.own(venue, at(0), None, false);
        desk.written(venue, at(1));
        desk.tell(venue, |standing| standing.answered(at(90)));
        let (_, told, _) = desk.shown("me", at(91)).remove(0);
        assert_eq!((told.last_answer_ms, told.stored_to_ms), (Some(at(90)), Some(at(1))));
        let last = desk.disown(venue, "me", at(92), "stopped").unwrap();
        assert_eq!((last.last_answer_ms, last.stored_to_ms), (Some(at(90)), Some(at(1))));
        for next in [desk.clone(), Desk::new(Metrics::new("oi-detector", "0"))] {
            next.own(venue, at(93), Some(&last), false);
            let gap = next.gap_before(venue, at(94)).map(|gap| (gap.from_ms, gap.to_ms));
            assert_eq!(gap, Some((at(1), at(94))));
        }
    }
}
