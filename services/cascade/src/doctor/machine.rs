//! What is looked at on this machine: the configuration, Redis, the program `redis-server`, the ports to serve on.

use std::fs::ReadDir;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use cascade_bus::{Bus, BusError, BusSettings, Facts, RedisUrl};
use cascade_service::config::Mistakes;
use cascade_service::healthcheck;
use tokio::process::Command;
use tokio::time::timeout;

use super::check::Check;

/// How long a program on this machine may take to answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// Used memory above this share of its limit is remarked on, per cent.
const FULL_PERCENT: u64 = 80;

/// The directory in which a node of one's own writes its fills, as ingest will look for it.
pub(super) fn node(directory: &Path) -> Check {
    let hourly = directory.join("hourly");
    let base = if hourly.is_dir() { hourly } else { directory.to_owned() };
    let has_days = |entries: ReadDir| entries.flatten().any(|day| day.path().is_dir());
    match std::fs::read_dir(&base).map(has_days) {
        Ok(true) => Check::ok("hyperliquid node", format!("{} holds days of fills", base.display())),
        Ok(false) => Check::warn(
            "hyperliquid node",
            format!("{} holds no day of fills yet", base.display()),
            "start the node with --write-fills, or correct venues.hyperliquid.node_fills_dir",
        ),
        Err(error) => Check::fail(
            "hyperliquid node",
            format!("{}: {error}", base.display()),
            "correct venues.hyperliquid.node_fills_dir: the directory that contains `hourly`",
        ),
    }
}

/// Every mistake, each by itself.
pub(super) fn configuration(mistakes: &Mistakes) -> Vec<Check> {
    if mistakes.is_empty() {
        return vec![Check::ok("configuration", "valid")];
    }
    let wrong = |mistake| {
        Check::fail(
            "configuration",
            format!("{mistake}"),
            "correct it; config/cascade.toml shows every setting with its default",
        )
    };
    mistakes.iter().map(wrong).collect()
}

/// Whether there is a Redis that can serve us, and serves us well.
pub(super) async fn redis(url: &RedisUrl, is_named: bool) -> Vec<Check> {
    match facts(url).await {
        Ok(facts) => judged(url, &facts),
        Err(error) => vec![no_redis(url, is_named, &error)],
    }
}

async fn facts(url: &RedisUrl) -> Result<Facts, BusError> {
    Bus::open(url.as_str(), BusSettings::default())?.facts().await
}

fn no_redis(url: &RedisUrl, is_named: bool, error: &BusError) -> Check {
    let found = format!("{url}: {error}");
    match error {
        BusError::Credentials(_) => {
            Check::fail("redis", found, "put user and password into the URL: redis://USER:PASSWORD@HOST:PORT")
        }
        error if !error.is_transient() => {
            Check::fail("redis", found, "let the user ask INFO, or name another Redis: --redis-url URL")
        }
        _ if is_named => Check::fail(
            "redis",
            found,
            "start it, correct redis.url (--redis-url URL), or let the network and its firewall through to it",
        ),
        _ => Check::warn(
            "redis",
            found,
            "`cascade up` starts its own; the single services need one: start redis-server or name one by --redis-url URL",
        ),
    }
}

fn judged(url: &RedisUrl, facts: &Facts) -> Vec<Check> {
    let Facts { version, role, .. } = facts;
    let mut checks = Vec::new();
    checks.push(if facts.is_new_enough() {
        Check::ok("redis", format!("{url} answers, version {version}"))
    } else {
        Check::fail(
            "redis",
            format!("{url} is of version {version}, older than 6.2"),
            "install Redis 6.2 or newer",
        )
    });
    checks.push(if role == "master" {
        Check::ok("redis role", "master")
    } else {
        Check::fail(
            "redis role",
            format!("{role}: it takes no writes"),
            "name its master in redis.url (--redis-url URL)",
        )
    });
    checks.push(memory(facts));
    checks.push(if facts.memory_policy == "noeviction" {
        Check::ok("redis eviction", "noeviction")
    } else {
        Check::warn(
            "redis eviction",
            format!(
                "maxmemory-policy is {}: under pressure it deletes streams and leases",
                facts.memory_policy
            ),
            "redis-cli CONFIG SET maxmemory-policy noeviction, and the same in redis.conf",
        )
    });
    let log = if facts.is_append_only {
        "append-only file on: a restart loses about a second"
    } else {
        "append-only file off: a restart loses the streams and what engines have seen"
    };
    checks.push(if facts.save_failed {
        Check::warn(
            "redis disk",
            format!("the last snapshot could not be saved: Redis may refuse writes; {log}"),
            "make room on its disk (redis-cli INFO persistence), or switch snapshots off: CONFIG SET save \"\"",
        )
    } else {
        Check::ok("redis disk", log)
    });
    checks
}

fn memory(facts: &Facts) -> Check {
    let used = megabytes(facts.used_memory);
    let Some(limit) = facts.max_memory else {
        return Check::ok("redis memory", format!("{used} used, no limit of its own"));
    };
    let found = format!("{used} used of {}", megabytes(limit));
    if facts.used_memory.saturating_mul(100) < limit.saturating_mul(FULL_PERCENT) {
        return Check::ok("redis memory", found);
    }
    Check::warn(
        "redis memory",
        format!("{found}: a full Redis takes no writes"),
        "raise maxmemory, or keep less in the streams: ingest.stream_max_age_s, ingest.stream_max_len",
    )
}

fn megabytes(bytes: u64) -> String {
    format!("{} MB", bytes.saturating_add(500_000) / 1_000_000)
}

/// Whether `cascade up` could start a Redis of its own.
pub(super) async fn redis_server() -> Check {
    let name = "redis-server";
    let install = "install it: `apt-get install redis-server` or `brew install redis`; needed only by \
                   `cascade up` where no Redis runs, and by demos";
    let mut asked = Command::new(name);
    asked.arg("--version").stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    match timeout(PATIENCE, asked.output()).await {
        Ok(Ok(output)) => {
            let told = String::from_utf8_lossy(&output.stdout);
            let version = told.split_whitespace().find_map(|word| word.strip_prefix("v="));
            Check::ok(name, format!("installed, version {}", version.unwrap_or("unknown")))
        }
        Ok(Err(error)) if error.kind() == ErrorKind::NotFound => {
            Check::warn(name, "not on the PATH", install)
        }
        Ok(Err(error)) => Check::warn(name, format!("can't be run: {error}"), install),
        Err(_) => Check::warn(name, "says no version within 3 s", install),
    }
}

/// Whether the addresses to serve on are free; `(who, key, address)`.
pub(super) async fn ports(addresses: &[(&'static str, &'static str, String)]) -> Vec<Check> {
    let mut checks = Vec::new();
    for (who, key, address) in addresses {
        checks.push(port(who, key, address).await);
    }
    checks
}

async fn port(who: &str, key: &str, address: &str) -> Check {
    let name = format!("port of {who}");
    if address.ends_with(":0") {
        return Check::ok(name, format!("{address}: a free one is picked"));
    }
    let Err(error) = TcpListener::bind(address) else {
        return Check::ok(name, format!("{address} is free"));
    };
    if error.kind() != ErrorKind::AddrInUse {
        let found = format!("{address} can't be listened on: {error}");
        return Check::fail(
            name,
            found,
            format!("name an address of this machine and a port above 1023: {key}"),
        );
    }
    let is_ours = match timeout(PATIENCE, healthcheck::ask(address)).await {
        Ok(answer) => !matches!(answer, Err(healthcheck::Unready::Silent { .. })),
        Err(_) => false,
    };
    let by = if is_ours {
        "in use, and answers as a service of Cascade does"
    } else {
        "in use by another program"
    };
    let way_out = if is_ours {
        format!("nothing, if it is meant to run (`cascade status`); a second {who} needs another {key}")
    } else {
        format!("stop that program (`ss -ltnp`), or name another port: {key}")
    };
    Check::warn(name, format!("{address} is {by}"), way_out)
}

#[cfg(test)]
mod tests {
    use super::super::check::Status;
    use super::*;

    #[test]
    fn a_node_is_looked_for_where_ingest_will() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(node(&directory.path().join("gone")).status, Status::Fail);
        assert_eq!(node(directory.path()).status, Status::Warn);
        std::fs::create_dir_all(directory.path().join("hourly/20261121")).unwrap();
        assert_eq!(node(directory.path()).status, Status::Ok);
    }

    fn facts() -> Facts {
        Facts {
            version: "7.0.15".to_owned(),
            role: "master".to_owned(),
            used_memory: 50_000_000,
            max_memory: Some(100_000_000),
            memory_policy: "noeviction".to_owned(),
            is_append_only: true,
            uptime_s: Some(3_600),
            save_failed: false,
        }
    }

    fn statuses(facts: &Facts) -> Vec<Status> {
        judged(&RedisUrl::default(), facts).into_iter().map(|check| check.status).collect()
    }

    #[test]
    fn what_a_redis_lacks_is_named_each_by_itself() {
        use Status::{Fail, Ok, Warn};
        assert_eq!(statuses(&facts()), [Ok; 5]);
        let old = Facts { version: "6.0.16".to_owned(), role: "slave".to_owned(), ..facts() };
        assert_eq!(statuses(&old), [Fail, Fail, Ok, Ok, Ok]);
        let tight = Facts { used_memory: 80_000_000, memory_policy: "allkeys-lru".to_owned(), ..facts() };
        assert_eq!(statuses(&tight), [Ok, Ok, Warn, Warn, Ok]);
        let unsaved = Facts { save_failed: true, max_memory: None, ..facts() };
        assert_eq!(statuses(&unsaved), [Ok, Ok, Ok, Ok, Warn]);
    }

    #[test]
    fn a_redis_that_nobody_named_is_missed_less() {
        let away = BusError::Unreachable("connection refused".to_owned());
        let status = |named| no_redis(&RedisUrl::default(), named, &away).status;
        assert_eq!((status(true), status(false)), (Status::Fail, Status::Warn));
        let locked = BusError::Credentials("WRONGPASS".to_owned());
        assert_eq!(no_redis(&RedisUrl::default(), false, &locked).status, Status::Fail);
    }

    #[tokio::test]
    async fn a_port_that_is_taken_is_named_with_the_setting() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap().to_string();
        let check = port("x", "x.health_addr", &address).await;
        assert_eq!(check.status, Status::Warn);
        assert!(check.found.contains(&address) && check.way_out.unwrap().contains("x.health_addr"));
        drop(taken);
        assert_eq!(port("x", "x.health_addr", &address).await.status, Status::Ok);
        assert_eq!(port("x", "x.health_addr", "203.0.113.1:9101").await.status, Status::Fail);
    }
}
