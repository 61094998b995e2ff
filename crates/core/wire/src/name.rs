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
}

impl Channel {
    /// All, in order.
    pub const ALL: [Self; 5] = [Self::Signals, Self::Alerts, Self::Critical, Self::Episodes, Self::Large];

    /// Its name on Redis.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Signals => "cascade:signals",
            Self::Alerts => "cascade:alerts",
            Self::Critical => "cascade:critical",
            Self::Episodes => "cascade:episodes",
            Self::Large => "cascade:large",
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
        }
    }

    /// The channel of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|c| c.as_str() == name)
    }

    /// Whether a finding goes out on this channel.
    pub fn carries(self, finding: &Finding) -> bool {
        match (self, finding) {
            (Self::Signals, Finding::Cascade(_)) | (Self::Large, Finding::LargeLiquidation(_)) => true,
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
            alerts: key::alerts(shard),
        }
    }
}

/// Key names.
pub mod key {
    use super::{Shard, Symbol, Venue};

    /// Stream: the shard's market events, gaps, ticks.
    pub fn market(shard: Shard) -> String {
        format!("{{s{shard}}}:market")
    }

    /// Stream: the shard's findings that may concern people.
    pub fn alerts(shard: Shard) -> String {
        format!("{{s{shard}}}:alerts")
    }

    /// Sorted set of the ids of the last minutes, by when they may be forgotten.
    pub fn seen(shard: Shard) -> String {
        format!("{{s{shard}}}:seen")
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
    pub fn feed_health(venue: Venue) -> String {
        format!("feed:{venue}:health")
    }

    /// Heartbeat, TTL 15 s.
    pub fn heartbeat(name: &str, instance: &str) -> String {
        format!("service:{name}:{instance}")
    }

    /// Pattern of all heartbeats.
    pub const HEARTBEATS: &str = "service:*";

    /// Pattern of all velocity read-models.
    pub const VELOCITIES: &str = "velocity:*:current";
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
        assert_eq!(key::velocity(&btc), "velocity:BTCUSDT:current");
        assert_eq!(key::probability(&btc), "cascade:probability:BTCUSDT");
        assert_eq!(key::history(&btc), "cascade:signals:history:BTCUSDT");
        assert_eq!(key::feed_health(Venue::Okx), "feed:okx:health");
        for channel in Channel::ALL {
            assert_eq!(Channel::parse(channel.as_str()), Some(channel));
            assert_eq!(channel.json_twin(), format!("{}:json", channel.as_str()));
        }
    }
}
