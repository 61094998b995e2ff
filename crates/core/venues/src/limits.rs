//! How much a venue takes from one address, as the protocols know it. Plain figures; who keeps to them is not known here.

use std::time::Duration;

/// So many within any span of this length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// How many.
    pub most: usize,
    /// Within how long, in the clock's time.
    pub within: Duration,
}

impl Quota {
    pub(crate) const fn new(most: usize, within: Duration) -> Self {
        Self { most, within }
    }
}

/// What a venue counts of all our requests together, and tells with every answer: the programs on one address share it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weight {
    /// The header that tells how much is used of the span at hand.
    pub header: &'static str,
    /// How much there is.
    pub most: u32,
    /// For how long; a span begins when a multiple of it since the Unix epoch is over.
    pub within: Duration,
}

/// What a venue takes from one address, less a margin: others may share the address, and requests do not arrive as
/// evenly as they are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections that stand at once, all routes and overlaps together.
    pub connections: usize,
    /// New connections, whatever becomes of them.
    pub connects: Quota,
    /// Topics that are subscribed to, over all connections; `usize::MAX` = as many as the connections take.
    pub subscriptions: usize,
    /// Subscription frames on one connection, where they are counted apart from all frames.
    pub requests: Option<Quota>,
    /// REST requests of all kinds.
    pub rest: Quota,
    /// What it counts of REST requests itself, where it tells.
    pub weight: Option<Weight>,
}
