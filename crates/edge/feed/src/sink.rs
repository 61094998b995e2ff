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
    /// The venue asks us to reconnect soon. The session goes on; a kept route opens its successor at once.
    Asked {
        /// The route's name.
        route: String,
        /// The venue's words.
        reason: String,
    },
    /// Told by [`crate::keep`]: another session of the route is live and has taken over, and the one before it is
    /// closed. Nothing was missed.
    Renewed {
        /// The route's name.
        route: String,
        /// When the new one went live.
        at: EventTime,
    },
    /// Told by [`crate::keep`]: another session of the route was to take over and did not come to be; the one before
    /// it goes on.
    NotRenewed {
        /// The route's name.
        route: String,
        /// Why.
        end: End,
        /// When it is tried again, in the clock's time.
        retry_in: Duration,
    },
    /// Told by [`crate::keep`]: the route is live again. What it missed in between has been told as gaps before this.
    Recovered {
        /// The route's name.
        route: String,
        /// The last market data before, or the end of what was known at the start.
        from: EventTime,
        /// When it went live.
        to: EventTime,
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
        /// When the next session is tried, in the clock's time; zero if one is under way already, `None` if whoever
        /// tells this does not know.
        retry_in: Option<Duration>,
    },
}

/// Takes what a session hears. Its methods return at once: whoever hands things on does so through a bounded queue
/// and counts what it had to drop. A sink that waits would keep the session from answering pings.
pub trait Sink: Send {
    /// Every text frame, before it is decoded.
    fn frame(&mut self, frame: Frame<'_>);

    /// The events of one frame, or the gaps of a route, already stamped with `known_at_ms`; none where market data came
    /// that holds nothing for us. The sink drains `decoded.events`; what it leaves is dropped. `decoded.refused` is empty: see [`Sink::refused`].
    fn events(&mut self, received: EventTime, decoded: &mut Decoded);

    /// A frame, or one event in it, that was refused.
    fn refused(&mut self, error: &DecodeError);

    /// What happened to the session.
    fn note(&mut self, note: Note);
}
