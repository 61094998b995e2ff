//! Names on Redis (contract.md 4).

use cascade_domain::{Finding, Level, Shard, Symbol, Venue};

/// A pub/sub channel, as a closed set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Channel {
    /// Every signal.
    Signals,
    /// Level ALERT and above.
    Alerts,
    /// Level CRITICAL and EXTREME.
    Critical,
    /// Per episode: first ALERT, changes of level, `resolved`; nothing repeated.
    Episodes,
    /// Single large liquidations.
    Large,
    /// Open-interest explosions and collapses.
    OpenInterest,
    /// Manipulation.
    Manipulation,
    /// Whales.
    Whales,
    /// Feeds and services.
    Ops,
    /// Trading bots' executions, as the risk monitor publishes them.
    TradeAlerts,
}

impl Channel {
    /// All, in order.
    pub const ALL: [Self; 10] = [
        Self::Signals,
        Self::Alerts,
        Self::Critical,
        Self::Episodes,
        Self::Large,
        Self::OpenInterest,
        Self::Manipulation,
        Self::Whales,
        Self::Ops,
        Self::TradeAlerts,
    ];

    /// Its name on Redis.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Signals => "cascade:signals",
            Self::Alerts => "cascade:alerts",
            Self::Critical => "cascade:critical",
            Self::Episodes => "cascade:episodes",
            Self::Large => "cascade:large",
            Self::OpenInterest => "cascade:oi",
            Self::Manipulation => "cascade:manipulation",
            Self::Whales => "cascade:whales",
            Self::Ops => "cascade:ops",
            Self::TradeAlerts => "trade_alerts",
        }
    }

    /// The channel of the same events as JSON.
    pub const fn json_twin(self) -> &'static str {
        match self {
            Self::Signals => "cascade:signals:json",
            Self::Alerts => "cascade:alerts:json",
            Self::Critical => "cascade:critical:json",
            Self::Episodes => "cascade:episodes:json",
            Self::Large => "cascade:large:json",
            Self::OpenInterest => "cascade:oi:json",
            Self::Manipulation => "cascade:manipulation:json",
            Self::Whales => "cascade:whales:json",
            Self::Ops => "cascade:ops:json",
            Self::TradeAlerts => "trade_alerts:json",
        }
    }

    /// The channel of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|c| c.as_str() == name)
    }

    /// Whether a finding goes out on this channel.
    pub fn carries(self, finding: &Finding) -> bool {
        match (self, finding) {
            (Self::Signals, Finding::Cascade(_))
            | (Self::Large, Finding::LargeLiquidation(_))
            | (Self::OpenInterest, Finding::OpenInterest(_))
            | (Self::Ops, Finding::Feed(_)) => true,
            (Self::Alerts, Finding::Cascade(f)) => f.level >= Level::Alert,
            (Self::Critical, Finding::Cascade(f)) => f.level >= Level::Critical,
            (Self::Episodes, Finding::Cascade(_)) => finding.is_transition(),
            _ => false,
        }
    }

    /// The channels that a finding goes out on, in order.
    pub fn of(finding: &Finding) -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(move |channel| channel.carries(finding))
    }
}

/// The keys of one engine in one shard; all in the shard's slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineKeys {
    /// Owner with engine version and configuration hash.
    pub lease: String,
    /// The fence.
    pub epoch: String,
    /// The stream id up to which outputs are out.
    pub cursor: String,
    /// The snapshot, with the stream id at which it stands.
    pub state: String,
    /// The durable findings of the shard.
    pub alerts: String,
}

impl EngineKeys {
    /// The keys of `engine` (`cascade`, `oi`, ...) in `shard`.
    pub fn of(shard: Shard, engine: &str) -> Self {
        Self {
            lease: format!("{{s{shard}}}:{engine}:lease"),
            epoch: format!("{{s{shard}}}:{engine}:epoch"),
            cursor: format!("{{s{shard}}}:{engine}:cursor"),
            state: format!("{{s{shard}}}:{engine}:state"),
            alerts: key::alerts(shard),
        }
    }
}

/// Key names.
pub mod key {
    use super::{Shard, Symbol, Venue};

    /// There where simulated exchanges are read, and for 900 s longer: nothing in it is of the market. JSON: where they are,
    /// or `true` where a demo started a Redis for itself.
    pub const DEMO: &str = "cascade:demo";

    /// Stream: the shard's market events, gaps, ticks.
    pub fn market(shard: Shard) -> String {
        format!("{{s{shard}}}:market")
    }

    /// Stream: the shard's findings that may concern people.
    pub fn alerts(shard: Shard) -> String {
        format!("{{s{shard}}}:alerts")
    }

    /// Hash by reader: up to where it has read the shard's findings, and when it said so (Redis' time, seconds).
    pub fn alerts_read(shard: Shard) -> String {
        format!("{{s{shard}}}:alerts:read")
    }

    /// Sorted set of the ids of the last minutes, by when they may be forgotten.
    pub fn seen(shard: Shard) -> String {
        format!("{{s{shard}}}:seen")
    }

    /// Hash by engine: where its snapshot stands, and when it was kept (Redis' time).
    pub fn snapshots(shard: Shard) -> String {
        format!("{{s{shard}}}:snapshots")
    }

    /// Sorted set of a service's live replicas.
    pub fn members(name: &str) -> String {
        format!("members:{name}")
    }

    /// Who writes the ticks.
    pub const TICK_LEASE: &str = "ticks:lease";

    /// Read-model, TTL 60 s.
    pub fn velocity(symbol: &Symbol) -> String {
        format!("velocity:{symbol}:current")
    }

    /// Read-model, TTL 60 s.
    pub fn probability(symbol: &Symbol) -> String {
        format!("cascade:probability:{symbol}")
    }

    /// Sorted set by event time of the last 1000 signals of level ALERT and above, JSON.
    pub fn history(symbol: &Symbol) -> String {
        format!("cascade:signals:history:{symbol}")
    }

    /// Read-model, TTL 60 s.
    pub const BTC_PRICE: &str = "btc:price:current";

    /// Read-model, TTL 60 s.
    pub const BTC_VOLATILITY: &str = "btc:volatility:current";

    /// Read-model, TTL 60 s.
    pub const REGIME: &str = "regime:current";

    /// Read-model, TTL 10 min.
    pub fn open_interest(symbol: &Symbol) -> String {
        format!("oi:{symbol}:current")
    }

    /// Read-model, TTL 10 min.
    pub fn open_interest_change(symbol: &Symbol) -> String {
        format!("oi:{symbol}:change")
    }

    /// Read-model, TTL 10 min.
    pub fn funding(symbol: &Symbol) -> String {
        format!("funding:{symbol}:current")
    }

    /// Read-model, TTL 60 s.
    pub fn feed_health(venue: Venue) -> String {
        format!("feed:{venue}:health")
    }

    /// Hash by hour since 1970: how many liquidations of a venue were stored in it. Goes 26 h after the last one.
    pub fn liquidations(venue: Venue) -> String {
        format!("feed:{venue}:liquidations")
    }

    /// Who reads a venue.
    pub fn feed_lease(venue: Venue) -> String {
        format!("feed:{venue}:lease")
    }

    /// Who asks a venue for its open interest over REST.
    pub fn poll_lease(venue: Venue) -> String {
        format!("poll:{venue}:lease")
    }

    /// Read-model, TTL 24 h, its `told_ms` says how old it is: how the questions for a venue's open interest do. Whoever
    /// asks next goes on from it.
    pub fn poll_health(venue: Venue) -> String {
        format!("poll:{venue}:health")
    }

    /// Up to where the files of a venue's own node are read.
    pub fn feed_position(venue: Venue) -> String {
        format!("feed:{venue}:position")
    }

    /// Hash: the finding that was last told of a scope such as `feed:binance`, in the scope's shard.
    pub fn told(scope: &str) -> String {
        format!("{{s{}}}:told:{scope}", Shard::of_scope(scope))
    }

    /// Heartbeat, TTL 15 s.
    pub fn heartbeat(name: &str, instance: &str) -> String {
        format!("service:{name}:{instance}")
    }

    /// Pattern of the heartbeats of one service.
    pub fn heartbeats_of(name: &str) -> String {
        format!("service:{name}:*")
    }

    /// Pattern of all heartbeats.
    pub const HEARTBEATS: &str = "service:*";

    /// Pattern of all velocity read-models.
    pub const VELOCITIES: &str = "velocity:*:current";
}

/// Key names of the dispatcher. All but the read-model are in one slot, so that one script can keep the books.
pub mod dispatch {
    use cascade_domain::{Id, Priority};

    /// Hash: `generation`, `writer`, `state` (the policy's snapshot with the cursors of its streams).
    pub const POLICY: &str = "{dispatch}:policy";

    /// Who decides.
    pub const DECIDER_LEASE: &str = "{dispatch}:decider:lease";

    /// Who writes the history to SQLite.
    pub const PROJECTOR_LEASE: &str = "{dispatch}:projector:lease";

    /// Stream, field `e`: what people and the clock ask of the dispatcher.
    pub const ORDERS: &str = "{dispatch}:orders";

    /// Stream, field `e` = JSON: what was decided, tried and done. Kept `history_days`.
    pub const HISTORY: &str = "{dispatch}:history";

    /// Stream of deliveries that ended dead, the last 10,000: field `e` = JSON (when, why, which row), `d` = the delivery.
    pub const DEAD: &str = "{dispatch}:dead";

    /// Sorted set of the rows that were decided in the last 25 h, by when (Redis' time, ms): none is made twice.
    pub const DECIDED: &str = "{dispatch}:decided";

    /// Sorted set of the claims that hold, by when they run out (Redis' time, ms).
    pub const CLAIMED: &str = "{dispatch}:claimed";

    /// Hash of counts: `produced:DESTINATION`, `ENDING:DESTINATION`, `ended:DESTINATION:ENDING:REASON`,
    /// `ambiguous:DESTINATION`.
    pub const COUNTS: &str = "{dispatch}:counts";

    /// Read-model, no TTL: the mutes that hold, JSON.
    pub const MUTES: &str = "dispatch:mutes";

    /// Read-model, TTL 60 s: how each destination does, JSON.
    pub const DESTINATIONS: &str = "dispatch:destinations";

    /// Sorted set of a destination's rows that have not ended, by when they are too old (the dispatchers' clock, ms).
    pub fn open(destination: &str) -> String {
        format!("{{dispatch}}:open:{destination}")
    }

    /// Hash: the rows of a claim; 10 min longer what they were settled with.
    pub fn claim(token: &str) -> String {
        format!("{{dispatch}}:claim:{token}")
    }

    /// Hash: a row that has not ended.
    pub fn row(row: Id) -> String {
        format!("{{dispatch}}:row:{row}")
    }

    /// Sorted set of a destination's rows that wait in a lane, by when they are due (the dispatchers' clock, ms).
    pub fn due(destination: &str, lane: Priority) -> String {
        format!("{{dispatch}}:due:{destination}:{lane}")
    }

    /// String, TTL 25 h: what the destination was told of an alert ([`crate::Receipt`]).
    pub fn told(destination: &str, alert: Id) -> String {
        format!("{{dispatch}}:told:{destination}:{alert}")
    }

    /// String that runs out by itself: what is being sent to a destination. With `:HIGH` behind it: what overtakes that.
    pub fn flight(destination: &str) -> String {
        format!("{{dispatch}}:flight:{destination}")
    }

    /// Hash: what is used up of a provider's budget, and until when it is closed. `budget` is a hash of whatever secret
    /// it is for.
    pub fn budget(budget: &str) -> String {
        format!("{{dispatch}}:budget:{budget}")
    }

    /// String: why a destination is off for good.
    pub fn off(destination: &str) -> String {
        format!("{{dispatch}}:off:{destination}")
    }

    /// String: names the destination's settings, then the chat that the configured one has become.
    pub fn moved(destination: &str) -> String {
        format!("{{dispatch}}:moved:{destination}")
    }

    /// String, TTL 3 days: the last `update_id` of a Telegram bot that was handled. `bot` is a hash of its token.
    pub fn updates(bot: &str) -> String {
        format!("{{dispatch}}:updates:{bot}")
    }

    /// Who asks a Telegram bot for updates.
    pub fn updates_lease(bot: &str) -> String {
        format!("{{dispatch}}:updates:{bot}:lease")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_contract() {
        let shard = Shard::new(5).unwrap();
        let btc = Symbol::parse("BTCUSDT").unwrap();
        assert_eq!(key::market(shard), "{s05}:market");
        assert_eq!(key::seen(shard), "{s05}:seen");
        assert_eq!(EngineKeys::of(shard, "cascade").cursor, "{s05}:cascade:cursor");
        assert_eq!(EngineKeys::of(shard, "oi").state, "{s05}:oi:state");
        assert_eq!(key::members("cascade-signals"), "members:cascade-signals");
        assert_eq!(key::open_interest(&btc), "oi:BTCUSDT:current");
        assert_eq!(key::open_interest_change(&btc), "oi:BTCUSDT:change");
        assert_eq!(key::funding(&btc), "funding:BTCUSDT:current");
        assert_eq!(key::velocity(&btc), "velocity:BTCUSDT:current");
        assert_eq!(key::probability(&btc), "cascade:probability:BTCUSDT");
        assert_eq!(key::history(&btc), "cascade:signals:history:BTCUSDT");
        assert_eq!(key::feed_health(Venue::Okx), "feed:okx:health");
        assert_eq!(key::feed_lease(Venue::Okx), "feed:okx:lease");
        let told = format!("{{s{}}}:told:feed:okx", Shard::of_scope("feed:okx"));
        assert_eq!(key::told("feed:okx"), told);
        for channel in Channel::ALL {
            assert_eq!(Channel::parse(channel.as_str()), Some(channel));
            assert_eq!(channel.json_twin(), format!("{}:json", channel.as_str()));
        }
    }
}
