//! What every detector shares: the `Engine` trait, event-time windows, statistics, and the replay of a recording.
//!
//! An engine is a pure function of its shard's stream: it hears events in order, and time only as data. It knows no
//! clock, no Redis, no thresholds but those it was built with.

pub mod admit;
mod board;
mod peak;
mod replay;
mod series;
mod statistics;
mod timeline;

pub use board::{Board, Chosen};
pub use peak::Peak;
pub use replay::{EntryId, Passed, Place, Replay};
pub use series::Series;
pub use statistics::{Centred, Standing, correlation, deviation, median, standing};
pub use timeline::{Tally, Timed, Timeline};

use cascade_domain::{Event, Finding};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Why an engine passed over an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refused {
    /// Older than the longest window.
    Late,
    /// Known more than 60 s past the last tick.
    FromTheFuture,
    /// A tick not newer than the last.
    OldTick,
    /// A number that is not finite, or a negative price or quantity.
    NotANumber,
}

impl Refused {
    /// The word that labels it in metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Late => "late",
            Self::FromTheFuture => "from_the_future",
            Self::OldTick => "old_tick",
            Self::NotANumber => "not_a_number",
        }
    }
}

/// A detector over one shard's stream.
pub trait Engine: std::fmt::Debug {
    /// What a snapshot holds: all that was heard and is not forgotten, and nothing of the settings.
    type State: Serialize + DeserializeOwned;

    /// Names the form and the meaning of [`Engine::State`]: a snapshot of another version is not read.
    const STATE_VERSION: u32;

    /// Takes the next event of the stream and pushes what there is to say about it, in order. Nothing that it says is
    /// known before the last tick that it took.
    ///
    /// # Errors
    /// The event was passed over, and why; the engine's state and figures are as before.
    fn take(&mut self, event: &Event, out: &mut Vec<Finding>) -> Result<(), Refused>;

    /// All that a later [`Engine::resume`] needs: whoever resumes here and hears what follows says the very same.
    fn state(&self) -> &Self::State;

    /// Goes on from where a snapshot stands, under the settings that this engine was built with.
    fn resume(&mut self, state: Self::State);
}
