//! The forms of answers that are made elsewhere, for the description of the API alone.
#![expect(dead_code, reason = "read by the derived descriptions, never by a program")]

use std::collections::BTreeMap;

use serde_json::Value;
use utoipa::ToSchema;

/// What went wrong, as RFC 9457 has it.
#[derive(ToSchema)]
pub(super) struct ProblemShown {
    /// Always `about:blank`: the title is the status' own words.
    r#type: String,
    /// The status in words.
    title: String,
    /// The HTTP status.
    status: u16,
    /// What to do about it.
    detail: String,
}

/// All that runs on a Redis, as the services themselves say it. What is not known is absent.
#[derive(ToSchema)]
pub(super) struct StatusShown {
    /// The Redis, without its secrets.
    redis: String,
    /// What it says of itself: version, memory, persistence.
    redis_server: Option<BTreeMap<String, Value>>,
    /// Every process whose heartbeat stands: `name`, `instance`, `version`, `uptime_s`, `unready`, and of an engine
    /// `engine`, `shards_owned`, `lag_ms`.
    services: Vec<BTreeMap<String, Value>>,
    /// Who owns the shards of each engine, by the engine's name.
    engines: BTreeMap<String, BTreeMap<String, Value>>,
    /// The newest tick: `newest_ms`, `age_ms`.
    ticks: Option<BTreeMap<String, Value>>,
    /// Each venue's feed, by the venue's name.
    feeds: BTreeMap<String, BTreeMap<String, Value>>,
    /// The questions for each venue's open interest, by the venue's name.
    polls: BTreeMap<String, BTreeMap<String, Value>>,
    /// How the dispatcher does: `destinations`, `deliveries`, `alerts`, `mutes`, `dead_letters`.
    dispatch: BTreeMap<String, Value>,
    /// Each market's state, by symbol.
    velocity: BTreeMap<String, BTreeMap<String, Value>>,
    /// Keys that could not be read, and why.
    unreadable: Option<BTreeMap<String, String>>,
}

/// How the venues' feeds do.
#[derive(ToSchema)]
pub(super) struct FeedsShown {
    /// Each venue's feed, by the venue's name.
    feeds: BTreeMap<String, FeedShown>,
    /// The questions for each venue's open interest, by the venue's name.
    polls: BTreeMap<String, BTreeMap<String, Value>>,
}

/// A venue's feed; what is not known is absent.
#[derive(ToSchema)]
pub(super) struct FeedShown {
    /// `live`, `sampled`, `partial`, `stale`, `dead`, ...
    status: String,
    /// Since when, milliseconds since 1970.
    since_ms: i64,
    /// When the last frame came.
    last_frame_ms: Option<i64>,
    /// When the last event came.
    last_event_ms: Option<i64>,
    /// Which instance reads it.
    reader: String,
    /// Connections that ended since the service started.
    reconnects: u64,
    /// Liquidations read since the service started.
    liquidations: u64,
    /// Why, in words.
    reason: String,
}

/// Findings, newest first.
#[derive(ToSchema)]
pub(super) struct FindingsShown {
    /// Each as on its channel.
    findings: Vec<FindingShown>,
    /// Whether the search ended before `limit` was reached: it goes through 5,000 entries at most.
    truncated: bool,
    /// Entries that could not be read.
    unreadable: usize,
}

/// A finding. These fields are every kind's; each kind has more of its own.
#[derive(ToSchema)]
pub(super) struct FindingShown {
    /// Version of the encoding.
    v: u8,
    /// `cascade`, `large_liquidation`, `open_interest` or `feed`.
    finding: String,
    /// Names it: 16 hex digits, the same in a replay.
    id: String,
    /// The market; a feed has none.
    symbol: Option<String>,
    /// From a demo's simulated exchanges.
    demo: Option<bool>,
    /// When it was decided, milliseconds since 1970.
    known_at_ms: i64,
}
