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
    /// Whether it could not save last time: then it refuses writes (`stop-writes-on-bgsave-error`).
    pub save_failed: bool,
}

impl Facts {
    /// Whether the version is at least 6.2, which we need.
    pub fn is_new_enough(&self) -> bool {
        crate::is_at_least_6_2(&self.version)
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
            save_failed: field(info, "rdb_last_bgsave_status") == Some("err"),
        }
    }
}

impl Bus {
    /// What the server says of itself.
    ///
    /// # Errors
    /// No answer came, or it does not let us ask: why.
    pub async fn facts(&self) -> Result<Facts, BusError> {
        let info: String = self.link.query(&redis::cmd("INFO"), self.settings.response_timeout).await?;
        Ok(Facts::of(&info))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_read_from_the_lines_and_a_limit_of_0_is_none() {
        let info = "# Server\r\nredis_version:7.0.15\r\n# Memory\r\nused_memory:1048576\r\nmaxmemory:0\r\n\
                    maxmemory_policy:allkeys-lru\r\n# Persistence\r\naof_enabled:1\r\n\
                    rdb_last_bgsave_status:err\r\n# Replication\r\nrole:slave\r\n";
        let facts = Facts::of(info);
        assert_eq!((facts.version.as_str(), facts.role.as_str()), ("7.0.15", "slave"));
        assert_eq!((facts.used_memory, facts.max_memory), (1_048_576, None));
        assert_eq!(facts.memory_policy, "allkeys-lru");
        assert!(facts.is_append_only && facts.save_failed && facts.is_new_enough());
        let limited = Facts::of("redis_version:6.0.9\r\nmaxmemory:100\r\n");
        assert_eq!((limited.max_memory, limited.is_new_enough()), (Some(100), false));
    }
}
