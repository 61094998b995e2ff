//! Why a session ended, in a closed set of words.

use std::fmt;
use std::time::Duration;

use cascade_domain::EventTime;

/// Why a session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// We were asked to stop.
    Shutdown,
    /// The connection was closed, by the venue or by what lies between.
    Closed {
        /// The WebSocket close code, where the venue sent one.
        code: Option<u16>,
        /// The venue's words, or the system's.
        reason: String,
    },
    /// No market data within the route's `silent_after`.
    Silent,
    /// The venue refused every subscription, or us (then there are no topics).
    Refused {
        /// What was refused, by the venue's names.
        topics: Vec<String>,
        /// The venue's words, and where we are refused ourselves, the way out.
        reason: String,
    },
    /// These subscriptions were not acknowledged within the route's `ack_within`.
    Unacknowledged {
        /// What was not acknowledged, by the venue's names.
        topics: Vec<String>,
    },
    /// There is no connection to be had.
    Unreachable(String),
    /// What came is not the WebSocket protocol.
    Garbled(String),
    /// A frame longer than [`crate::SessionLimits::max_frame_bytes`].
    TooLarge,
}

impl End {
    /// The one word for metrics and for the reason of a gap.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Shutdown => "shutdown",
            Self::Closed { .. } => "closed",
            Self::Silent => "silent",
            Self::Refused { .. } => "refused",
            Self::Unacknowledged { .. } => "unacknowledged",
            Self::Unreachable(_) => "unreachable",
            Self::Garbled(_) => "garbled",
            Self::TooLarge => "too_large",
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shutdown => f.write_str("asked to stop"),
            Self::Closed { code: Some(code), reason } => write!(f, "closed ({code}): {reason}"),
            Self::Closed { code: None, reason } => write!(f, "closed: {reason}"),
            Self::Silent => f.write_str("no market data came in time"),
            Self::Refused { topics, reason } if topics.is_empty() => write!(f, "refused: {reason}"),
            Self::Refused { topics, reason } => write!(f, "refused {}: {reason}", Named(topics)),
            Self::Unacknowledged { topics } => write!(f, "not acknowledged: {}", Named(topics)),
            Self::Unreachable(reason) => write!(f, "unreachable: {reason}"),
            Self::Garbled(reason) => write!(f, "not the WebSocket protocol: {reason}"),
            Self::TooLarge => f.write_str("a frame above the size limit"),
        }
    }
}

/// Topics by name: the first few of many.
struct Named<'a>(&'a [String]);

/// How many topics are named.
const NAMED: usize = 5;

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (named, more) = self.0.split_at(self.0.len().min(NAMED));
        f.write_str(&named.join(", "))?;
        if more.is_empty() { Ok(()) } else { write!(f, " and {} more", more.len()) }
    }
}

/// How a session went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Why it ended.
    pub end: End,
    /// How long the connection stood, in the clock's time; zero where there was none.
    pub connected_for: Duration,
    /// How long data flowed with every subscription settled: from live to the last market data, in the clock's time.
    pub live_for: Duration,
    /// When the last frame of market data came, if any did.
    pub last_frame_at: Option<EventTime>,
    /// The HTTP status by which the venue refused the connection, if it did.
    pub status: Option<u16>,
    /// How long the venue asked us to stay away (HTTP `Retry-After`).
    pub retry_after: Option<Duration>,
}

impl Ended {
    /// The end of a session for which there never was a connection.
    pub(crate) const fn before_it_began(end: End) -> Self {
        Self {
            end,
            connected_for: Duration::ZERO,
            live_for: Duration::ZERO,
            last_frame_at: None,
            status: None,
            retry_after: None,
        }
    }
}
