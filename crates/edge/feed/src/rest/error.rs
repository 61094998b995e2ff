//! Why a venue's REST answer could not be had, in words that name it, and how long it is to be left alone then.

use std::time::Duration;

use cascade_domain::Venue;
use cascade_pace::BackoffError;
use cascade_venues::DecodeError;

use super::MOST_PAGES;

/// Why an answer could not be had, or not be used.
#[derive(Debug, thiserror::Error)]
pub enum RestError {
    /// We were asked to stop.
    #[error("asked to stop")]
    Shutdown,
    /// The venue does not serve us (HTTP 401, 403, 451). Trying again soon does not help.
    #[error("{reason}")]
    Refused {
        /// Whose answer.
        venue: Venue,
        /// The HTTP status.
        status: u16,
        /// What that means, with the venue's name and the way out.
        reason: String,
        /// When it may be asked again: how long such an answer usually stands.
        retry_after: Duration,
    },
    /// The venue wants to be left alone for longer than it makes sense to wait here (HTTP 429, 418).
    #[error("{venue} answers HTTP {status}: too many requests; it may be asked again in {} s", .retry_after.as_secs())]
    Limited {
        /// Whose answer.
        venue: Venue,
        /// The HTTP status.
        status: u16,
        /// How long it wants to be left alone.
        retry_after: Duration,
    },
    /// No usable answer, as often as we tried.
    #[error("{venue} does not answer: {reason} ({url})")]
    Unreachable {
        /// Whose address.
        venue: Venue,
        /// What was asked for.
        url: String,
        /// The last reason.
        reason: String,
        /// How long it wants to be left alone, if it said so.
        retry_after: Option<Duration>,
    },
    /// A status that asking again does not change.
    #[error("{venue} answers HTTP {status} to {url}")]
    Status {
        /// Whose answer.
        venue: Venue,
        /// What was asked for.
        url: String,
        /// The HTTP status.
        status: u16,
    },
    /// An answer without end.
    #[error("the answer of {venue} to {url} is longer than {most} bytes")]
    TooLarge {
        /// Whose answer.
        venue: Venue,
        /// What was asked for.
        url: String,
        /// The longest that is read.
        most: usize,
    },
    /// More than [`MOST_PAGES`] pages.
    #[error("{venue} answers on more than {MOST_PAGES} pages")]
    TooManyPages {
        /// Whose answers.
        venue: Venue,
    },
    /// The answer is not what the protocol knows.
    #[error("the answer of {venue} to {url} is not understood: {error}")]
    NotUnderstood {
        /// Whose answer.
        venue: Venue,
        /// What was asked for.
        url: String,
        /// Why.
        error: DecodeError,
    },
    /// No HTTP client can be built on this machine.
    #[error("no HTTP client: {0}")]
    NoClient(String),
    /// The waits between tries make no sense.
    #[error(transparent)]
    Backoff(#[from] BackoffError),
}

impl RestError {
    /// Whether the same request may succeed if it is made again after a while.
    pub const fn may_pass(&self) -> bool {
        matches!(self, Self::Limited { .. } | Self::Unreachable { .. })
    }

    /// How long the venue is to be left alone, in the clock's time; zero where it is up to whoever asks.
    pub fn away(&self) -> Duration {
        match self {
            Self::Refused { retry_after, .. } | Self::Limited { retry_after, .. } => *retry_after,
            Self::Unreachable { retry_after, .. } => retry_after.unwrap_or_default(),
            _ => Duration::ZERO,
        }
    }
}
