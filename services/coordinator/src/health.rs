//! Whether the system does its work: judges one look, by rules alone. Knows neither Redis nor HTTP.

use std::collections::BTreeMap;
use std::time::Duration;

use cascade_domain::EventTime;
use cascade_message::line::rfc3339;
use serde::Serialize;
use utoipa::ToSchema;

use crate::overview::{ENGINES, Server, Service};
use crate::past::Past;
use crate::{Config, Overview};

/// What `GET /health` says.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct Report {
    /// Whether Redis answers and every expected service does its work.
    pub healthy: bool,
    /// How many of the expected services do, of how many: `4/4`.
    pub services_healthy: String,
    /// Since the coordinator started, wall time.
    pub uptime_seconds: u64,
    /// When it looked last, RFC 3339 in UTC.
    pub last_check: String,
    /// Each expected service.
    pub services: BTreeMap<String, ServiceReport>,
    /// What is wrong besides, by name: `redis`, `ticks`, `feeds`, `shards:ENGINE`, `signal_path:ENGINE`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub reasons: BTreeMap<String, String>,
}

/// What is said of one expected service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct ServiceReport {
    /// Whether at least one replica is ready, and none fell silent.
    pub healthy: bool,
    /// Replicas whose heartbeat stands.
    pub replicas: u32,
    /// Those of them that are ready to work.
    pub ready: u32,
    /// Why it is not healthy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A heartbeat that was not renewed for so long: its process died without a farewell, or hangs. Wall time.
pub const SILENT: Duration = Duration::from_secs(10);
/// A tick comes every second; older than this, nobody writes them. Wall time.
const OLD_TICK: Duration = Duration::from_secs(10);
/// Shards may have no owner for so long: those of a replica that was killed are taken within 15 s. Wall time.
const UNOWNED: Duration = Duration::from_secs(20);
/// The newest tick that came the whole way may be so old. Wall time.
const OLD_PATH: Duration = Duration::from_secs(30);
/// For so long a restart of Redis is told: it may be over between two looks, and took along what was not on disk yet. Wall time.
const RESTARTED: Duration = Duration::from_secs(10);
/// What is not seen so soon after the coordinator started may be starting, too: that is said, and changes nothing.
const STARTING: Duration = Duration::from_secs(30);
/// So many replicas are named in a reason.
const NAMED: usize = 3;

/// One look, as it is judged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sight<'a> {
    /// What is expected.
    pub(crate) config: &'a Config,
    /// All that stands there, or why it is not known.
    pub(crate) overview: Result<&'a Overview, &'a str>,
    /// What earlier looks have left, and this one.
    pub(crate) past: &'a Past,
    /// Since the coordinator started, wall time.
    pub(crate) uptime: Duration,
    /// When it looked.
    pub(crate) at: EventTime,
}

impl Report {
    /// What is to be thought of it.
    pub(crate) fn of(sight: &Sight<'_>) -> Self {
        let expected = &sight.config.coordinator.services;
        let services: BTreeMap<String, ServiceReport> =
            expected.iter().map(|name| (name.clone(), ServiceReport::of(name, sight))).collect();
        let healthy = services.values().filter(|service| service.healthy).count();
        let reasons = reasons(sight);
        Self {
            healthy: healthy == services.len() && reasons.is_empty(),
            services_healthy: format!("{healthy}/{}", services.len()),
            uptime_seconds: sight.uptime.as_secs(),
            last_check: rfc3339(sight.at),
            services,
            reasons,
        }
    }

    /// Everything that is wrong, a line each; empty if all is well.
    pub fn complaints(&self) -> Vec<String> {
        let services =
            self.services.iter().filter_map(|(name, service)| Some((name, service.reason.as_ref()?)));
        services.chain(&self.reasons).map(|(name, reason)| format!("{name}: {reason}")).collect()
    }
}

impl ServiceReport {
    fn of(name: &str, sight: &Sight<'_>) -> Self {
        let Ok(overview) = sight.overview else {
            return Self { reason: Some("not known: Redis can't be asked".to_owned()), ..Self::default() };
        };
        let replicas: Vec<&Service> = overview.services.iter().filter(|s| s.name == name).collect();
        let ready = replicas.iter().filter(|replica| replica.heartbeat.unready.is_none()).count();
        let silent: Vec<&Service> = replicas.iter().copied().filter(|replica| is_silent(replica)).collect();
        let reason = if replicas.is_empty() {
            Some(missing(name, sight))
        } else if !silent.is_empty() {
            Some(named(&silent, |replica| {
                let age_s = replica.beat_age_ms.unwrap_or_default() / 1000;
                format!("{} has been silent for {age_s} s", replica.instance)
            }))
        } else if ready == 0 {
            Some(named(&replicas, |replica| {
                let why = replica.heartbeat.unready.as_deref().unwrap_or_default();
                format!("{} is not ready ({why})", replica.instance)
            }))
        } else {
            None
        };
        Self { healthy: reason.is_none(), replicas: count(replicas.len()), ready: count(ready), reason }
    }
}

/// Whether it has said nothing for too long; one whose word never runs out is no replica of ours to judge.
fn is_silent(replica: &Service) -> bool {
    replica.beat_age_ms.is_some_and(|age| Duration::from_millis(age) > SILENT)
}

/// Why a service without a heartbeat has none.
fn missing(name: &str, sight: &Sight<'_>) -> String {
    let unreadable = sight.overview.is_ok_and(|overview| {
        overview.unreadable.keys().any(|key| key.starts_with(&format!("service:{name}:")))
    });
    let looked_s = sight.uptime.as_secs();
    match sight.past.last_seen(name, sight.uptime) {
        _ if unreadable => "its heartbeat can't be read".to_owned(),
        Some(ago) => format!("gone: its last heartbeat stood {} s ago", ago.as_secs()),
        None if sight.uptime < STARTING => {
            format!("not seen yet: the coordinator has looked for {looked_s} s, it may be starting")
        }
        None => format!("never seen since the coordinator started {looked_s} s ago"),
    }
}

fn named(replicas: &[&Service], say: impl Fn(&Service) -> String) -> String {
    let mut said: Vec<String> = replicas.iter().take(NAMED).map(|replica| say(replica)).collect();
    if replicas.len() > NAMED {
        said.push(format!("and {} more", replicas.len() - NAMED));
    }
    said.join(", ")
}

/// What is wrong besides the services.
fn reasons(sight: &Sight<'_>) -> BTreeMap<String, String> {
    let mut reasons = BTreeMap::new();
    let overview = match sight.overview {
        Ok(overview) => overview,
        Err(why) => {
            reasons.insert("redis".to_owned(), why.to_owned());
            return reasons;
        }
    };
    let mut complain =
        |name: &str, why: Option<String>| reasons.extend(why.map(|why| (name.to_owned(), why)));
    complain("redis", overview.redis_server.as_ref().and_then(|server| unfit(server, sight.uptime)));
    complain("ticks", ticks(overview));
    complain("feeds", feeds(overview));
    for (engine, service) in ENGINES {
        if sight.config.coordinator.services.iter().any(|expected| expected == service) {
            complain(&format!("shards:{engine}"), shards(engine, overview, sight));
            complain(&format!("signal_path:{engine}"), path(engine, sight));
        }
    }
    reasons
}

/// Why a Redis that answers can't serve us all the same.
fn unfit(server: &Server, looked_for: Duration) -> Option<String> {
    if server.role == "slave" {
        return Some("it is a replica, and takes no writes".to_owned());
    }
    if let Some(limit) = server.max_memory_bytes.filter(|limit| server.used_memory_bytes >= *limit) {
        return Some(format!(
            "its memory is full ({} of {limit} bytes): it refuses writes",
            server.used_memory_bytes
        ));
    }
    // One that was there already when the first look was taken has not been restarted since.
    let restarted_s = server.uptime_s.filter(|up_s| *up_s < RESTARTED.as_secs());
    if let Some(up_s) = restarted_s.filter(|up_s| up_s + 2 < looked_for.as_secs()) {
        return Some(format!("it was restarted {up_s} s ago"));
    }
    server.save_failed.then(|| "it could not save, and refuses writes until it can".to_owned())
}

fn ticks(overview: &Overview) -> Option<String> {
    match overview.ticks {
        None => Some("there is none: nobody has written any".to_owned()),
        Some(ticks) => (Duration::from_millis(ticks.age_ms) > OLD_TICK)
            .then(|| format!("the newest is {} s old: nobody writes them", ticks.age_ms / 1000)),
    }
}

/// Without a venue that delivers there is nothing to find.
fn feeds(overview: &Overview) -> Option<String> {
    if overview.feeds.is_empty() || overview.feeds.values().any(|reading| reading.status.delivers()) {
        return None;
    }
    let states = overview.feeds.iter().map(|(venue, reading)| format!("{venue} {}", reading.status.as_str()));
    Some(format!("no venue delivers: {}", states.collect::<Vec<_>>().join(", ")))
}

fn shards(engine: &str, overview: &Overview, sight: &Sight<'_>) -> Option<String> {
    let lasted = sight.past.unowned_for(engine, sight.uptime).filter(|lasted| *lasted > UNOWNED)?;
    Some(format!("{} of 64 have had no owner for {} s", unowned(engine, overview), lasted.as_secs()))
}

/// How many shards of an engine nobody owns.
pub(crate) fn unowned(engine: &str, overview: &Overview) -> usize {
    let all = usize::from(cascade_domain::SHARDS);
    overview.engines.get(engine).map_or(all, |shards| shards.unowned.len())
}

fn path(engine: &str, sight: &Sight<'_>) -> Option<String> {
    match sight.past.path_age(engine, sight.uptime) {
        Some(age) if age > OLD_PATH => {
            Some(format!("the newest tick that came the whole way is {} s old", age.as_secs()))
        }
        None if sight.uptime > OLD_PATH => {
            Some(format!("no tick came the whole way in {} s", sight.uptime.as_secs()))
        }
        Some(_) | None => None,
    }
}

fn count(of: usize) -> u32 {
    u32::try_from(of).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
