//! From the stream on Redis into the file, step by step; and letting go of what is too old in both.
//!
//! Knows no lease and no clock: who calls holds the one and tells the other.

use std::time::Duration;

use cascade_bus::{Bus, StreamId};
use cascade_domain::EventTime;
use cascade_wire::HistoryEntry;

use crate::{History, HistoryError};

/// How many entries are taken in one transaction.
const BATCH: usize = 500;

/// What is new in the stream.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    entries: Vec<(StreamId, HistoryEntry)>,
    last: StreamId,
    refused: Vec<&'static str>,
    more: bool,
}

impl Batch {
    /// How many entries are not in the file yet, as far as this look reached.
    pub const fn waiting(&self) -> usize {
        self.entries.len() + self.refused.len()
    }
}

/// What one step did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// Entries that were taken.
    pub taken: usize,
    /// Why entries were refused, the word for each: they are passed.
    pub refused: Vec<&'static str>,
    /// Whether there is probably more.
    pub more: bool,
}

/// The projection of a stream into a history.
#[derive(Clone, Debug)]
pub struct Projection {
    bus: Bus,
    history: History,
}

impl Projection {
    /// Of the stream on this bus into this history, from where that stands.
    pub const fn new(bus: Bus, history: History) -> Self {
        Self { bus, history }
    }

    /// What is new, a batch at most.
    ///
    /// # Errors
    /// Redis did not answer, or the file can't be read.
    pub async fn look(&self) -> Result<Batch, HistoryError> {
        let history = self.history.clone();
        let position = blocking(move || history.position()).await?;
        let found = self.bus.history(position, BATCH).await.map_err(of_redis)?;
        let mut batch = Batch { last: position, more: found.len() >= BATCH, ..Batch::default() };
        for (id, entry) in found {
            batch.last = id;
            match entry {
                Ok(entry) => batch.entries.push((id, entry)),
                Err(error) => {
                    tracing::warn!(%id, %error, "an entry of the history is passed over");
                    batch.refused.push(error.label());
                }
            }
        }
        Ok(batch)
    }

    /// Takes it. Where another has taken some of it meanwhile, the rest.
    ///
    /// # Errors
    /// The file can't be written: nothing is taken, look again.
    pub async fn take(&self, batch: Batch) -> Result<Step, HistoryError> {
        let Batch { entries, last, refused, more } = batch;
        if entries.is_empty() && refused.is_empty() {
            return Ok(Step::default());
        }
        let history = self.history.clone();
        let taken = blocking(move || history.apply(&entries, last)).await?;
        Ok(Step { taken, refused, more })
    }

    /// Looks and takes.
    ///
    /// # Errors
    /// As [`Projection::look`] and [`Projection::take`].
    pub async fn step(&self) -> Result<Step, HistoryError> {
        self.take(self.look().await?).await
    }

    /// Lets go of what is older than `kept`: in the file by the dispatcher's clock, which shows `now`, and in the stream by
    /// Redis' own.
    ///
    /// # Errors
    /// Redis did not answer, or the file can't be written.
    pub async fn retain(&self, kept: Duration, now: EventTime) -> Result<(), HistoryError> {
        let before = now.plus_ms(-i64::try_from(kept.as_millis()).unwrap_or(i64::MAX));
        let history = self.history.clone();
        blocking(move || history.prune(before)).await?;
        // What is not in the file yet is young: by its age alone does it go.
        self.bus.trim_history(StreamId::ZERO, kept).await.map_err(of_redis)
    }
}

/// The whole stream, in a history in memory, with how many entries were refused.
///
/// # Errors
/// Redis did not answer.
pub async fn projected(bus: &Bus) -> Result<(History, usize), HistoryError> {
    let projection = Projection::new(bus.clone(), History::open(":memory:")?);
    let mut refused = 0;
    loop {
        let step = projection.step().await?;
        refused += step.refused.len();
        if !step.more {
            return Ok((projection.history, refused));
        }
    }
}

fn of_redis(error: impl std::fmt::Display) -> HistoryError {
    HistoryError::Stream(error.to_string())
}

/// Runs a call that blocks where it may.
async fn blocking<T: Send + 'static>(
    call: impl FnOnce() -> Result<T, HistoryError> + Send + 'static,
) -> Result<T, HistoryError> {
    tokio::task::spawn_blocking(call).await.unwrap_or_else(|error| Err(of_redis(error)))
}
