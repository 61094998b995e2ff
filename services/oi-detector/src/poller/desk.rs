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
            state.holes.begin(venue, before.and_then(|before| before.last_answer_ms));
        }
    }

    /// A venue is ours no more; what was last known of it.
    pub(crate) fn disown(&self, venue: Venue) -> Option<Standing> {
        self.state().standings.remove(&venue)
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
        let shown = |(venue, standing): (&Venue, &mut Standing)| {
            standing.judge(now);
            (*venue, standing.reading(reader, now), standing.round_s())
        };
        state.standings.iter_mut().map(shown).collect()
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
