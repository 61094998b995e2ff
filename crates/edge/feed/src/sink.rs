//! Where a session's frames, events and notes go. Knows nothing of what is done with them.

use std::time::Duration;

use cascade_domain::{EventTime, Venue};
use cascade_venues::{DecodeError, Decoded};

use crate::End;

/// A text frame as it came, before anybody tried to understand it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Whose.
    pub venue: Venue,
    /// The route's name.
    pub route: &'a str,
    /// When it came, in nanoseconds since the Unix epoch.
    pub received_ns: i64,
    /// Exactly what came.
    pub text: &'a str,
}

/// What a session tells about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// The connection stands; nothing is subscribed yet.
    Connected {
        /// The route's name.
        route: String,
    },
    /// The first market data after every subscription was settled. Told before that frame's events.
    Live {
        /// The route's name.
        route: String,
        /// When that frame came.
        at: EventTime,
    },
    /// The venue refused these subscriptions; the session goes on with the others, if there are any.
    RefusedTopics {
        /// The route's name.
        route: String,
        /// By the venue's names; empty where the refusal does not say what it is for.
        topics: Vec<String>,
        /// The venue's own code and words.
        reason: String,
    },
    /// The session is over, or there was none to be had.
    Ended {
        /// The route's name.
        route: String,
        /// Why.
        end: End,
        /// How long the connection stood, in the clock's time; zero where there was none.
        connected_for: Duration,
        /// When the last frame of market data came, if any did.
        last_frame_at: Option<EventTime>,
    },
}

/// Takes what a session hears. Its methods return at once: whoever hands things on does so through a bounded queue
/// and counts what it had to drop. A sink that waits would keep the session from answering pings.
pub trait Sink: Send {
    /// Every text frame, before it is decoded.
    fn frame(&mut self, frame: Frame<'_>);

    /// The events of one frame, or the gaps of a route, already stamped with `known_at_ms`. The sink drains
    /// `decoded.events`; what it leaves is dropped. `decoded.refused` is empty: see [`Sink::refused`].
    fn events(&mut self, received: EventTime, decoded: &mut Decoded);

    /// A frame, or one event in it, that was refused.
    fn refused(&mut self, error: &DecodeError);

    /// What happened to the session.
    fn note(&mut self, note: Note);
}
