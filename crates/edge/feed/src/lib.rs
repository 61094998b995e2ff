//! WebSocket and REST sessions that drive a venue.
//!
//! One session loop for every exchange: connect, subscribe within the venue's pace, see that every subscription was
//! acknowledged, ping, answer, watch for silence, and say why it ended. The loop above it ([`keep`]) alone decides
//! what follows, and tells the gaps. What a frame means is the protocol's affair (`cascade-venues`); where events go
//! is the [`Sink`]'s. Nothing here knows Redis, reads a clock of its own, or spawns a task.
//!
//! Beside it stands [`follow`], which hands on the lines of growing files in the same way.
//!
//! All times are the [`cascade_pace::Clock`]'s; see [`Session`] for the one exception.

mod away;
mod backfill;
mod end;
mod follow;
mod gaps;
mod gate;
mod hearing;
mod hours;
mod keep;
mod lines;
mod poll;
pub mod probe;
mod read;
pub mod rest;
mod roll;
mod session;
mod sink;
mod socket;
mod stage;
mod status;
mod swap;
mod timing;
mod tls;
mod turns;

pub use backfill::Backfilled;
pub use end::{End, Ended};
pub use follow::{Follow, FollowLimits, follow};
pub use gaps::Gaps;
pub use gate::Gate;
pub use hours::{Position, PositionError};
pub use keep::{backoff, keep};
pub use poll::{MOST_AHEAD, Poll, PollNote, STALE_AFTER, Sampled, poll};
pub use read::{read_frame, tell_events};
pub use session::{Session, SessionLimits, session};
pub use sink::{Frame, Note, Sink};
pub use tls::install_tls;
