//! What `cascade status` shows of the system itself: its Redis, who is not well, who owns the shards, how old the signal
//! path is.

use std::fmt::Write;
use std::time::Duration;

use coordinator::{EngineShards, Overview, SILENT, Service};

use super::unknown;
use crate::columns::table;
use crate::words::plain;

const MIB: u64 = 1 << 20;

/// A line on the Redis, and one on the ticks; nothing of what is not known.
pub(super) fn server(overview: &Overview) -> String {
    let mut text = String::new();
    if let Some(server) = &overview.redis_server {
        let limit = server.max_memory_bytes.map_or("no limit".to_owned(), mib);
        let file = if server.append_only { "append-only file" } else { "no append-only file" };
        let (version, policy) = (plain(&server.version), plain(&server.memory_policy));
        let used = mib(server.used_memory_bytes);
        writeln!(text, "version {version}, {used} of {limit}, {policy}, {file}").ok();
    }
    if let Some(ticks) = overview.ticks {
        writeln!(text, "newest tick {} ago", seconds(ticks.age_ms)).ok();
    }
    text
}

/// A line for each process that is not ready, or silent.
pub(super) fn troubles(overview: &Overview) -> String {
    overview.services.iter().flat_map(trouble).collect()
}

fn trouble(Service { name, instance, heartbeat, beat_age_ms }: &Service) -> Vec<String> {
    let who = format!("{} {}", plain(name), plain(instance));
    let silent = beat_age_ms.filter(|age_ms| Duration::from_millis(*age_ms) > SILENT);
    let mut lines: Vec<String> =
        silent.map(|age_ms| format!("{who} has been silent for {}\n", seconds(age_ms))).into_iter().collect();
    lines.extend(heartbeat.unready.as_ref().map(|why| format!("{who} is not ready: {}\n", plain(why))));
    lines
}

/// The table of the engines; empty where none runs.
pub(super) fn engines(overview: &Overview) -> String {
    let row = |(engine, shards): (&String, &EngineShards)| {
        let owners: Vec<_> = shards
            .owners
            .iter()
            .map(|owner| format!("{} {}", plain(&owner.instance), owner.shards.len()))
            .collect();
        vec![
            plain(engine),
            shards.owned.to_string(),
            shards.unowned.len().to_string(),
            shards.path_age_ms.map_or_else(unknown, seconds),
            if owners.is_empty() { unknown() } else { owners.join(", ") },
        ]
    };
    let rows = overview.engines.iter().map(row).collect();
    let table = table(&["ENGINE", "OWNED", "UNOWNED", "SIGNAL PATH", "OWNERS"], rows);
    table.map(|table| format!("\n{table}")).unwrap_or_default()
}

fn mib(bytes: u64) -> String {
    format!("{} MiB", bytes / MIB)
}

fn seconds(ms: u64) -> String {
    format!("{}.{} s", ms / 1000, ms % 1000 / 100)
}
