//! What a Redis says of itself that decides whether it can serve us well. Judges nothing.

use crate::{Bus, BusError, field};

/// What `INFO` tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// `redis_version`; empty where it is not told.
    pub version: String,
    /// `role`: `master` or `slave`.
    pub role: String,
    /// `used_memory`, bytes.
    pub used_memory: u64,
    /// `maxmemory`, bytes; `None` = no limit of its own.
    pub max_memory: Option<u64>,
    /// `maxmemory_policy`: what it does when the limit is reached.
    pub memory_policy: String,
    /// `aof_enabled`: whether every write goes to a file.
    pub is_append_only: bool,
    /// `uptime_in_seconds`: since it started; of several masters, the one that started last.
    pub uptime_s: Option<u64>,
    /// Whether it could not save last time: then it refuses writes (`stop-writes-on-bgsave-error`).
    pub save_failed: bool,
}

impl Facts {
    /// Whether the version is at least 6.2, which we need.
    pub fn is_new_enough(&self) -> bool {
        crate::is_at_least_6_2(&self.version)
    }

    /// The worst of two masters.
    fn and(&self, other: &Self) -> Self {
        let numbers =
            |version: &str| -> Vec<u32> { version.split('.').map_while(|n| n.parse().ok()).collect() };
        let (fuller, emptier) = if other.fills() > self.fills() { (other, self) } else { (self, other) };
        let is_older = numbers(&other.version) < numbers(&self.version);
        let evicts = |facts: &Self| facts.memory_policy != "noeviction";
        Self {
            version: if is_older { other } else { self }.version.clone(),
            role: if self.role == "master" { other } else { self }.role.clone(),
            used_memory: fuller.used_memory,
            max_memory: fuller.max_memory.or(emptier.max_memory),
            memory_policy: if evicts(self) { self } else { other }.memory_policy.clone(),
            is_append_only: self.is_append_only && other.is_append_only,
            uptime_s: self.uptime_s.into_iter().chain(other.uptime_s).min(),
            save_failed: self.save_failed || other.save_failed,
        }
    }

    /// How full it is, in 1/1000 of its own limit; then by what it uses.
    fn fills(&self) -> (u64, u64) {
        let share = self.max_memory.map_or(0, |limit| self.used_memory.saturating_mul(1000) / limit.max(1));
        (share, self.used_memory)
    }

    fn of(info: &str) -> Self {
        let text = |name: &str| field(info, name).unwrap_or_default().to_owned();
        let number = |name: &str| field(info, name).and_then(|value| value.parse::<u64>().ok());
        Self {
            version: text("redis_version"),
            role: text("role"),
            used_memory: number("used_memory").unwrap_or_default(),
            max_memory: number("maxmemory").filter(|limit| *limit > 0),
            memory_policy: text("maxmemory_policy"),
            is_append_only: field(info, "aof_enabled") == Some("1"),
            uptime_s: number("uptime_in_seconds"),
            save_failed: field(info, "rdb_last_bgsave_status") == Some("err"),
        }
    }
}

impl Bus {
    /// What the server says of itself. Of a cluster, what decides: the oldest version, the memory of the master that
    /// is fullest, and of the rest the worst that one of them says.
    ///
    /// # Errors
    /// No answer came, or it does not let us ask: why.
    pub async fn facts(&self) -> Result<Facts, BusError> {
        let mut worst: Option<Facts> = None;
        let limit = self.settings.response_timeout;
        for (_, info) in self.link.each_master::<String>(&redis::cmd("INFO"), limit).await? {
            let facts = Facts::of(&info?);
            worst = Some(match worst {
                Some(others) => others.and(&facts),
                None => facts,
            });
        }
        worst.ok_or_else(|| BusError::Unreachable("no master is known".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_read_from_the_lines_and_a_limit_of_0_is_none() {
        let info = "# Server\r\nredis_version:7.0.15\r\nuptime_in_seconds:7\r\n# Memory\r\nused_memory:1048576\r\nmaxmemory:0\r\n\
                    maxmemory_policy:allkeys-lru\r\n# Persistence\r\naof_enabled:1\r\n\
                    rdb_last_bgsave_status:err\r\n# Replication\r\nrole:slave\r\n";
        let facts = Facts::of(info);
        assert_eq!((facts.version.as_str(), facts.role.as_str()), ("7.0.15", "slave"));
        assert_eq!((facts.used_memory, facts.max_memory), (1_048_576, None));
        assert_eq!(facts.memory_policy, "allkeys-lru");
        assert!(facts.is_append_only && facts.save_failed && facts.is_new_enough());
        assert_eq!(facts.uptime_s, Some(7));
        let limited = Facts::of("redis_version:6.0.9\r\nmaxmemory:100\r\n");
        assert_eq!((limited.max_memory, limited.is_new_enough()), (Some(100), false));
    }

    #[test]
    fn of_two_masters_the_fuller_and_the_worse_counts() {
        let of = |used: u64, limit: u64, version: &str, policy: &str| {
            Facts::of(&format!(
                "redis_version:{version}\nrole:master\nused_memory:{used}\nmaxmemory:{limit}\n\
                 maxmemory_policy:{policy}\naof_enabled:1\n"
            ))
        };
        let worst = of(50, 100, "7.0.15", "noeviction").and(&of(90, 1000, "6.2.14", "allkeys-lru"));
        assert_eq!((worst.used_memory, worst.max_memory, worst.role.as_str()), (50, Some(100), "master"));
        assert_eq!((worst.version.as_str(), worst.memory_policy.as_str()), ("6.2.14", "allkeys-lru"));
        let unlimited = of(50, 0, "7.0.15", "noeviction").and(&of(90, 0, "10.0.0", "noeviction"));
        assert_eq!((unlimited.used_memory, unlimited.max_memory), (90, None));
        assert_eq!((unlimited.version.as_str(), unlimited.is_append_only), ("7.0.15", true));
    }
}
