//! Every metric there is, as one closed set: its name, help, kind and labels.
//!
//! Nothing can be measured under a name that does not stand here. Knows nothing of how values are collected.

/// What a metric is, as Prometheus sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts by size.
    Histogram,
    /// Quantiles, told by [`crate::Latency`].
    Summary,
}

/// How a metric is told to Prometheus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spec {
    /// The name under which Prometheus reads it; counters end in `_total`, times in `_seconds`.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// The keys of its labels, in the order in which values are given.
    pub labels: &'static [&'static str],
    /// One sentence on what it counts.
    pub help: &'static str,
}

/// A metric. Base units: seconds and bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Metric {
    /// The program and its version; always 1.
    BuildInfo,
    /// Seconds since the program started.
    Uptime,
    /// Frames received from a venue.
    Frames,
    /// Events decoded from a venue's frames.
    Events,
    /// Frames or events of a venue that were refused.
    Refused,
    /// Events of markets that nobody asked for.
    Filtered,
    /// Events that had been stored before.
    Duplicates,
    /// Events lost because the queue was full.
    Dropped,
    /// Trades that took a winning position to cover a loss; they are no liquidations.
    AutoDeleveraged,
    /// Trades that came after their second was told.
    LateTrades,
    /// Gaps told about a venue's stream.
    Gaps,
    /// Sessions with a venue that ended, and why.
    Sessions,
    /// What came of asking a venue again for what was missed.
    Backfills,
    /// 1 while the venue delivers, else 0.
    FeedUp,
    /// From an event's own time to its receipt.
    VenueDelay,
    /// A venue's clock against ours, at least; negative = behind, or slow.
    ClockOffset,
    /// Events that wait for Redis.
    Queue,
    /// How long the shard streams are kept at present.
    StreamAge,
    /// Ticks written to the shards.
    Ticks,
    /// How late the last tick was written.
    TickLag,
    /// Connections to Redis that were built anew.
    RedisReconnects,
    /// Commands that Redis failed or did not answer.
    RedisErrors,
    /// Spans of traces that no collector took.
    SpansDropped,
    /// Messages published on a channel.
    Published,
    /// Events that an engine took.
    EngineEvents,
    /// Events that an engine refused.
    EngineRefused,
    /// Stream entries that could not be read.
    EntriesRefused,
    /// Findings told.
    Findings,
    /// Batches that Redis refused: another owner or cursor.
    CommitRefused,
    /// Snapshots that could not be used: the engine started cold.
    SnapshotRefused,
    /// How large a shard's snapshot is.
    SnapshotBytes,
    /// How many shards each build of an engine owns, on this Redis.
    ShardOwners,
    /// Times that a shard's stream was trimmed before it was read.
    Overtaken,
    /// How far the worst shard is behind its stream.
    ShardLag,
    /// Answers to the questions for open interest, and what became of each.
    Polls,
    /// Samples of open interest that a venue's answers told.
    Samples,
    /// Samples of open interest that newer ones replaced before they were written.
    Superseded,
    /// 1 while a venue answers the questions for its open interest, else 0.
    PollUp,
    /// How long the last round over all questions took.
    PollRound,
    /// Alert revisions that were decided.
    Alerts,
    /// Deliveries that ended, and how.
    Deliveries,
    /// Messages that were tried, and what became of each.
    Attempts,
    /// Messages whose answer was never seen, and that were sent again.
    Ambiguous,
    /// From when an alert could be known to its first try at a provider's door, by the clock.
    DeliveryDelay,
    /// Deliveries that have not ended.
    DeliveriesOpen,
    /// How long the oldest delivery that is due has waited.
    OldestDelivery,
    /// 1 while a destination takes messages, 0 while it fails or is off.
    DestinationUp,
    /// Deliveries that ended dead and were neither replayed nor dropped.
    DeadLetters,
    /// Deliveries that nothing waited for any more, and that the audit put back.
    Orphans,
    /// Deliveries produced, less those ended and open: 0, or the books are wrong.
    AuditDifference,
    /// What people and the watchdog asked of the dispatcher.
    Orders,
    /// How long the oldest finding that is not decided has stood in its stream.
    DispatchLag,
    /// How long ago the watchdog's last sign of life arrived.
    WatchdogAge,
    /// Entries of the history that are not in SQLite yet.
    HistoryLag,
    /// 1 while an expected service does its work, else 0.
    ServiceUp,
    /// Replicas of a service whose heartbeat stands.
    ServiceReplicas,
    /// 1 while Redis answers the coordinator, else 0.
    RedisUp,
    /// Memory that Redis uses; of a cluster the fullest master.
    RedisMemory,
    /// The memory at which Redis refuses writes; 0 = it has no limit.
    RedisMemoryLimit,
    /// How old the newest tick in the streams is.
    TickAge,
    /// How old the newest tick is that came the whole way: written, taken by the engine in every shard, and seen again.
    PathAge,
    /// Shards of an engine that nobody owns.
    ShardsUnowned,
    /// HTTP requests that the coordinator answered.
    Requests,
    /// Clients that listen on the WebSocket.
    Listeners,
    /// Events that a client on the WebSocket was too slow for.
    ListenersLost,
    /// From when an event could be known to its finding.
    Pipeline,
    /// How long events spend in each stage of their way ([`crate::Stage`]).
    Stage,
}

impl Metric {
    /// Every metric.
    pub const ALL: [Self; 67] = [
        Self::BuildInfo,
        Self::Uptime,
        Self::Frames,
        Self::Events,
        Self::Refused,
        Self::Filtered,
        Self::Duplicates,
        Self::Dropped,
        Self::AutoDeleveraged,
        Self::LateTrades,
        Self::Gaps,
        Self::Sessions,
        Self::Backfills,
        Self::FeedUp,
        Self::VenueDelay,
        Self::ClockOffset,
        Self::Queue,
        Self::StreamAge,
        Self::Ticks,
        Self::TickLag,
        Self::RedisReconnects,
        Self::RedisErrors,
        Self::SpansDropped,
        Self::Published,
        Self::EngineEvents,
        Self::EngineRefused,
        Self::EntriesRefused,
        Self::Findings,
        Self::CommitRefused,
        Self::SnapshotRefused,
        Self::SnapshotBytes,
        Self::ShardOwners,
        Self::Overtaken,
        Self::ShardLag,
        Self::Polls,
        Self::Samples,
        Self::Superseded,
        Self::PollUp,
        Self::PollRound,
        Self::Alerts,
        Self::Deliveries,
        Self::Attempts,
        Self::Ambiguous,
        Self::DeliveryDelay,
        Self::DeliveriesOpen,
        Self::OldestDelivery,
        Self::DestinationUp,
        Self::DeadLetters,
        Self::Orphans,
        Self::AuditDifference,
        Self::Orders,
        Self::DispatchLag,
        Self::WatchdogAge,
        Self::HistoryLag,
        Self::ServiceUp,
        Self::ServiceReplicas,
        Self::RedisUp,
        Self::RedisMemory,
        Self::RedisMemoryLimit,
        Self::TickAge,
        Self::PathAge,
        Self::ShardsUnowned,
        Self::Requests,
        Self::Listeners,
        Self::ListenersLost,
        Self::Pipeline,
        Self::Stage,
    ];

    /// How it is told.
    pub const fn spec(self) -> Spec {
        let (kind, name) = self.kind_and_name();
        Spec { name, kind, labels: self.labels(), help: self.help() }
    }

    const fn kind_and_name(self) -> (Kind, &'static str) {
        match self {
            Self::BuildInfo => (Kind::Gauge, "cascade_build_info"),
            Self::Uptime => (Kind::Gauge, "cascade_uptime_seconds"),
            Self::Frames => (Kind::Counter, "cascade_frames_total"),
            Self::Events => (Kind::Counter, "cascade_events_total"),
            Self::Refused => (Kind::Counter, "cascade_refused_total"),
            Self::Filtered => (Kind::Counter, "cascade_filtered_total"),
            Self::Duplicates => (Kind::Counter, "cascade_duplicates_total"),
            Self::Dropped => (Kind::Counter, "cascade_dropped_total"),
            Self::AutoDeleveraged => (Kind::Counter, "cascade_ingest_auto_deleveragings_total"),
            Self::LateTrades => (Kind::Counter, "cascade_late_trades_total"),
            Self::Gaps => (Kind::Counter, "cascade_gaps_total"),
            Self::Sessions => (Kind::Counter, "cascade_sessions_total"),
            Self::Backfills => (Kind::Counter, "cascade_backfills_total"),
            Self::FeedUp => (Kind::Gauge, "cascade_feed_up"),
            Self::VenueDelay => (Kind::Histogram, "cascade_venue_delay_seconds"),
            Self::ClockOffset => (Kind::Gauge, "cascade_clock_offset_seconds"),
            Self::Queue => (Kind::Gauge, "cascade_queue_events"),
            Self::StreamAge => (Kind::Gauge, "cascade_stream_age_seconds"),
            Self::Ticks => (Kind::Counter, "cascade_ticks_total"),
            Self::TickLag => (Kind::Gauge, "cascade_tick_lag_seconds"),
            Self::RedisReconnects => (Kind::Counter, "cascade_redis_reconnects_total"),
            Self::RedisErrors => (Kind::Counter, "cascade_redis_errors_total"),
            Self::SpansDropped => (Kind::Counter, "cascade_spans_dropped_total"),
            Self::Published => (Kind::Counter, "cascade_published_total"),
            Self::EngineEvents => (Kind::Counter, "cascade_engine_events_total"),
            Self::EngineRefused => (Kind::Counter, "cascade_engine_refused_total"),
            Self::EntriesRefused => (Kind::Counter, "cascade_entries_refused_total"),
            Self::Findings => (Kind::Counter, "cascade_findings_total"),
            Self::CommitRefused => (Kind::Counter, "cascade_commit_refused_total"),
            Self::SnapshotRefused => (Kind::Counter, "cascade_snapshots_refused_total"),
            Self::SnapshotBytes => (Kind::Gauge, "cascade_snapshot_bytes"),
            Self::ShardOwners => (Kind::Gauge, "cascade_shards_owned"),
            Self::Overtaken => (Kind::Counter, "cascade_overtaken_total"),
            Self::ShardLag => (Kind::Gauge, "cascade_shard_lag_seconds"),
            Self::Polls => (Kind::Counter, "cascade_polls_total"),
            Self::Samples => (Kind::Counter, "cascade_samples_total"),
            Self::Superseded => (Kind::Counter, "cascade_samples_superseded_total"),
            Self::PollUp => (Kind::Gauge, "cascade_poll_up"),
            Self::PollRound => (Kind::Gauge, "cascade_poll_round_seconds"),
            Self::Alerts => (Kind::Counter, "cascade_alerts_total"),
            Self::Deliveries => (Kind::Counter, "cascade_deliveries_total"),
            Self::Attempts => (Kind::Counter, "cascade_delivery_attempts_total"),
            Self::Ambiguous => (Kind::Counter, "cascade_deliveries_ambiguous_total"),
            Self::DeliveryDelay => (Kind::Histogram, "cascade_delivery_delay_seconds"),
            Self::DeliveriesOpen => (Kind::Gauge, "cascade_deliveries_open"),
            Self::OldestDelivery => (Kind::Gauge, "cascade_delivery_oldest_seconds"),
            Self::DestinationUp => (Kind::Gauge, "cascade_destination_up"),
            Self::DeadLetters => (Kind::Gauge, "cascade_dead_letters"),
            Self::Orphans => (Kind::Counter, "cascade_deliveries_orphaned_total"),
            Self::AuditDifference => (Kind::Gauge, "cascade_delivery_audit_difference"),
            Self::Orders => (Kind::Counter, "cascade_dispatch_orders_total"),
            Self::DispatchLag => (Kind::Gauge, "cascade_dispatch_lag_seconds"),
            Self::WatchdogAge => (Kind::Gauge, "cascade_watchdog_age_seconds"),
            Self::HistoryLag => (Kind::Gauge, "cascade_history_lag_entries"),
            Self::ServiceUp => (Kind::Gauge, "cascade_service_up"),
            Self::ServiceReplicas => (Kind::Gauge, "cascade_service_replicas"),
            Self::RedisUp => (Kind::Gauge, "cascade_redis_up"),
            Self::RedisMemory => (Kind::Gauge, "cascade_redis_memory_bytes"),
            Self::RedisMemoryLimit => (Kind::Gauge, "cascade_redis_memory_limit_bytes"),
            Self::TickAge => (Kind::Gauge, "cascade_tick_age_seconds"),
            Self::PathAge => (Kind::Gauge, "cascade_signal_path_age_seconds"),
            Self::ShardsUnowned => (Kind::Gauge, "cascade_shards_unowned"),
            Self::Requests => (Kind::Counter, "cascade_http_requests_total"),
            Self::Listeners => (Kind::Gauge, "cascade_ws_clients"),
            Self::ListenersLost => (Kind::Counter, "cascade_ws_events_dropped_total"),
            Self::Pipeline => (Kind::Histogram, "cascade_pipeline_seconds"),
            Self::Stage => (Kind::Summary, "cascade_stage_seconds"),
        }
    }

    const fn labels(self) -> &'static [&'static str] {
        match self {
            Self::BuildInfo => &["service", "version"],
            Self::Uptime
            | Self::Duplicates
            | Self::Queue
            | Self::StreamAge
            | Self::Ticks
            | Self::TickLag
            | Self::RedisReconnects
            | Self::RedisErrors
            | Self::DeadLetters
            | Self::Orphans
            | Self::AuditDifference
            | Self::DispatchLag
            | Self::WatchdogAge
            | Self::HistoryLag
            | Self::RedisUp
            | Self::RedisMemory
            | Self::RedisMemoryLimit
            | Self::TickAge
            | Self::Listeners
            | Self::ListenersLost => &[],
            Self::Overtaken | Self::ShardLag | Self::Pipeline | Self::PathAge | Self::ShardsUnowned => {
                &["engine"]
            }
            Self::Frames
            | Self::Filtered
            | Self::AutoDeleveraged
            | Self::LateTrades
            | Self::FeedUp
            | Self::VenueDelay
            | Self::ClockOffset
            | Self::Samples
            | Self::Superseded
            | Self::PollUp
            | Self::PollRound => &["venue"],
            Self::Stage => &["stage"],
            Self::ServiceUp | Self::ServiceReplicas => &["service"],
            Self::Requests => &["route", "status"],
            Self::Events => &["venue", "kind"],
            Self::Refused => &["venue", "reason"],
            Self::Dropped => &["kind"],
            Self::EngineEvents => &["engine", "kind"],
            Self::Gaps => &["venue", "stream"],
            Self::Sessions => &["venue", "end"],
            Self::Backfills | Self::Polls => &["venue", "outcome"],
            Self::Published => &["channel"],
            Self::SpansDropped => &["reason"],
            Self::EngineRefused | Self::EntriesRefused | Self::CommitRefused | Self::SnapshotRefused => {
                &["engine", "reason"]
            }
            Self::Alerts => &["kind", "priority"],
            Self::Deliveries => &["destination", "ending", "reason"],
            Self::Attempts => &["destination", "outcome"],
            Self::Ambiguous | Self::DeliveriesOpen | Self::OldestDelivery | Self::DestinationUp => {
                &["destination"]
            }
            Self::DeliveryDelay => &["destination", "lane"],
            Self::Orders => &["order"],
            Self::SnapshotBytes => &["engine", "shard"],
            Self::ShardOwners => &["engine", "build"],
            Self::Findings => &["finding", "level"],
        }
    }

    const fn help(self) -> &'static str {
        match self {
            Self::BuildInfo => "The program and its version; always 1.",
            Self::Uptime => "Seconds since the program started.",
            Self::Frames => "Frames received from a venue.",
            Self::Events => "Events decoded from a venue's frames.",
            Self::Refused => "Frames or events of a venue that were refused.",
            Self::Filtered => "Events of markets that nobody asked for.",
            Self::Duplicates => "Events that had been stored before.",
            Self::Dropped => "Events lost because the queue was full.",
            Self::AutoDeleveraged => {
                "Trades that took a winning position to cover a loss; they are no liquidations."
            }
            Self::LateTrades => "Trades that came after their second was told.",
            Self::Gaps => "Gaps told about a venue's stream.",
            Self::Sessions => "Sessions with a venue that ended, and why.",
            Self::Backfills => "What came of asking a venue again for what was missed.",
            Self::FeedUp => "1 while the venue delivers, else 0.",
            Self::VenueDelay => "From an event's own time to its receipt.",
            Self::ClockOffset => "A venue's clock against ours, at least; negative = behind, or slow.",
            Self::Queue => "Events that wait for Redis.",
            Self::StreamAge => {
                "How long the shard streams are kept at present; shorter while Redis fills up."
            }
            Self::Ticks => "Ticks written to the shards.",
            Self::TickLag => "How late the last tick was written.",
            Self::RedisReconnects => "Connections to Redis that were built anew.",
            Self::RedisErrors => "Commands that Redis failed or did not answer.",
            Self::SpansDropped => "Spans of traces that no collector took.",
            Self::Published => "Messages published on a channel.",
            Self::EngineEvents => "Events that an engine took.",
            Self::EngineRefused => "Events that an engine refused.",
            Self::EntriesRefused => "Stream entries that could not be read.",
            Self::Findings => "Findings told.",
            Self::CommitRefused => "Batches that Redis refused: another owner or cursor.",
            Self::SnapshotRefused => "Snapshots that could not be used: the engine started cold.",
            Self::SnapshotBytes => "How large a shard's snapshot is.",
            Self::ShardOwners => {
                "How many shards each build of an engine (version and configuration) owns on this Redis."
            }
            Self::Overtaken => "Times that a shard's stream was trimmed before it was read.",
            Self::ShardLag => "How far the worst shard is behind its stream.",
            Self::Polls => "Answers to the questions for open interest, and what became of each.",
            Self::Samples => "Samples of open interest that a venue's answers told.",
            Self::Superseded => {
                "Samples of open interest that newer ones replaced before they were written: Redis is slow or away."
            }
            Self::PollUp => "1 while a venue answers the questions for its open interest, else 0.",
            Self::PollRound => "How long the last round over all questions took.",
            Self::Alerts => "Alert revisions that were decided.",
            Self::Deliveries => "Deliveries that ended, and how.",
            Self::Attempts => "Messages that were tried, and what became of each.",
            Self::Ambiguous => "Messages whose answer was never seen, and that were sent again.",
            Self::DeliveryDelay => {
                "From when an alert could be known to its first try at a provider's door, by the clock."
            }
            Self::DeliveriesOpen => "Deliveries that have not ended.",
            Self::OldestDelivery => "How long the oldest delivery that is due has waited.",
            Self::DestinationUp => "1 while a destination takes messages, 0 while it fails or is off.",
            Self::DeadLetters => "Deliveries that ended dead and were neither replayed nor dropped.",
            Self::Orphans => "Deliveries that nothing waited for any more, and that the audit put back.",
            Self::AuditDifference => {
                "Deliveries produced, less those ended and open: 0, or the books are wrong."
            }
            Self::Orders => "What people and the watchdog asked of the dispatcher.",
            Self::DispatchLag => "How long the oldest finding that is not decided has stood in its stream.",
            Self::WatchdogAge => "How long ago the watchdog's last sign of life arrived.",
            Self::HistoryLag => "Entries of the history that are not in SQLite yet.",
            Self::ServiceUp => "1 while an expected service does its work, else 0.",
            Self::ServiceReplicas => "Replicas of a service whose heartbeat stands.",
            Self::RedisUp => "1 while Redis answers the coordinator, else 0.",
            Self::RedisMemory => "Memory that Redis uses; of a cluster the fullest master.",
            Self::RedisMemoryLimit => "The memory at which Redis refuses writes; 0 = it has no limit.",
            Self::TickAge => "How old the newest tick in the streams is.",
            Self::PathAge => {
                "How old the newest tick is that came the whole way: written, taken by the engine in every shard, and seen again."
            }
            Self::ShardsUnowned => "Shards of an engine that nobody owns.",
            Self::Requests => "HTTP requests that the coordinator answered.",
            Self::Listeners => "Clients that listen on the WebSocket.",
            Self::ListenersLost => "Events that a client on the WebSocket was too slow for.",
            Self::Pipeline => "From when an event could be known to its finding.",
            Self::Stage => {
                "How long events spend in each stage of their way; quantiles over the last minute."
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn all_of_them_are_listed_and_named_by_the_rules_of_prometheus() {
        let names: BTreeSet<&str> = Metric::ALL.iter().map(|metric| metric.spec().name).collect();
        assert_eq!(names.len(), Metric::ALL.len());
        assert_eq!(Metric::ALL.len(), Metric::Stage as usize + 1, "the last variant stands last");
        for metric in Metric::ALL {
            let Spec { name, kind, help, .. } = metric.spec();
            assert!(name.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{name}");
            assert_eq!(name.ends_with("_total"), kind == Kind::Counter, "{name}");
            assert!(!matches!(kind, Kind::Histogram | Kind::Summary) || name.ends_with("_seconds"), "{name}");
            assert!(help.ends_with('.'), "{name}");
        }
    }
}
