//! Who owns the shards of each engine, and how old the newest tick is that every one of them has taken.

use std::collections::BTreeMap;
use std::time::Duration;

use cascade_bus::{Bus, BusError};
use cascade_domain::Shard;
use cascade_pace::Clock;
use serde::Serialize;

use super::Service;

/// The engines by their names in keys, each with the service whose replicas run it.
pub const ENGINES: [(&str, &str); 2] = [("cascade", "cascade-signals"), ("oi", "oi-detector")];

/// The shards of one engine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct EngineShards {
    /// The service whose replicas run it.
    pub service: String,
    /// How many shards have an owner.
    pub owned: u32,
    /// The shards that have none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unowned: Vec<Shard>,
    /// The owners, by instance.
    pub owners: Vec<Owner>,
    /// The worst lag that one of the replicas tells, milliseconds of its clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lag_ms: Option<i64>,
    /// How old the newest tick is that came the whole way: written into every shard, taken there, and told of. Wall time;
    /// absent while a shard has no owner, or an owner tells no lag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_age_ms: Option<u64>,
}

/// Who owns shards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Owner {
    /// Which replica.
    pub instance: String,
    /// The engine's version and configuration hash.
    pub engine: String,
    /// Its shards.
    pub shards: Vec<Shard>,
}

impl EngineShards {
    /// From who owns each shard, in order, as the lease spells it: `INSTANCE ENGINE`.
    fn of(service: &str, leases: Vec<Option<String>>) -> Self {
        let mut unowned = Vec::new();
        let mut owners: BTreeMap<(String, String), Vec<Shard>> = BTreeMap::new();
        for (shard, lease) in Shard::all().zip(leases) {
            match lease {
                Some(lease) => {
                    let (instance, engine) = lease.rsplit_once(' ').unwrap_or((&lease, ""));
                    owners.entry((instance.to_owned(), engine.to_owned())).or_default().push(shard);
                }
                None => unowned.push(shard),
            }
        }
        let owned = owners.values().map(|shards| u32::try_from(shards.len()).unwrap_or(u32::MAX)).sum();
        let of = |((instance, engine), shards)| Owner { instance, engine, shards };
        let owners = owners.into_iter().map(of).collect();
        Self { service: service.to_owned(), owned, unowned, owners, ..Self::default() }
    }

    /// The same with what the replicas say of how far they are.
    fn with_lags(mut self, services: &[Service], clock: &dyn Clock) -> Self {
        let replicas: Vec<&Service> = services.iter().filter(|s| s.name == self.service).collect();
        let lag = |replica: &Service| replica.heartbeat.engine.as_ref()?.lag_ms;
        self.lag_ms = replicas.iter().filter_map(|replica| lag(replica)).max();
        // What it has taken when it said so, and how long ago that was.
        let age = |owner: &Owner| {
            let replica = replicas.iter().find(|replica| replica.instance == owner.instance)?;
            let lag = Duration::from_millis(u64::try_from(lag(replica)?).unwrap_or(0));
            let lag_ms = u64::try_from(clock.wall(lag).as_millis()).unwrap_or(u64::MAX);
            Some(lag_ms.saturating_add(replica.beat_age_ms?))
        };
        if self.unowned.is_empty() {
            self.path_age_ms =
                self.owners.iter().map(age).collect::<Option<Vec<_>>>().and_then(|a| a.into_iter().max());
        }
        self
    }
}

/// The shards of each engine that somebody runs.
pub(super) async fn read(
    bus: &Bus,
    services: &[Service],
    clock: &dyn Clock,
) -> Result<BTreeMap<String, EngineShards>, BusError> {
    let mut engines = BTreeMap::new();
    for (engine, service) in ENGINES {
        let shards = EngineShards::of(service, bus.owners(engine).await?).with_lags(services, clock);
        if shards.owned > 0 || services.iter().any(|replica| replica.name == service) {
            engines.insert(engine.to_owned(), shards);
        }
    }
    Ok(engines)
}

#[cfg(test)]
mod tests {
    use cascade_domain::EventTime;

    use super::*;

    /// A clock that stands, and runs at ten times the wall's pace.
    #[derive(Debug)]
    struct Fast;

    impl Clock for Fast {
        fn now_ns(&self) -> i64 {
            EventTime::from_ms(1).ms() * 1_000_000
        }

        fn wall(&self, of_clock: Duration) -> Duration {
            of_clock / 10
        }
    }

    fn replica(instance: &str, lag_ms: Option<i64>, beat_age_ms: u64) -> Service {
        let lag = lag_ms.map_or_else(String::new, |lag| format!(r#","lag_ms":{lag}"#));
        let text = format!(r#"{{"version":"1","uptime_s":1,"engine":"1+a","shards_owned":32{lag}}}"#);
        Service {
            name: "cascade-signals".to_owned(),
            instance: instance.to_owned(),
            heartbeat: serde_json::from_str(&text).unwrap(),
            beat_age_ms: Some(beat_age_ms),
        }
    }

    fn halves() -> Vec<Option<String>> {
        (0..64).map(|n| Some(if n < 32 { "a b 1+a" } else { "c 2+b" }.to_owned())).collect()
    }

    #[test]
    fn owners_are_told_apart_by_instance_and_engine() {
        let shards = EngineShards::of("cascade-signals", halves());
        let told: Vec<_> =
            shards.owners.iter().map(|o| (o.instance.as_str(), o.engine.as_str(), o.shards.len())).collect();
        assert_eq!(told, [("a b", "1+a", 32), ("c", "2+b", 32)]);
        assert_eq!((shards.owned, shards.unowned.len()), (64, 0));
    }

    #[test]
    fn the_path_is_as_old_as_the_oldest_word_of_an_owner_and_its_lag() {
        let of = |replicas: &[Service]| {
            EngineShards::of("cascade-signals", halves()).with_lags(replicas, &Fast).path_age_ms
        };
        let (a, c) = (replica("a b", Some(900), 2_000), replica("c", Some(30_000), 500));
        assert_eq!(of(&[a.clone(), c]), Some(3_500), "30 s of a fast clock are 3 s");
        assert_eq!(of(&[a.clone(), replica("c", None, 500)]), None, "one tells no lag");
        assert_eq!(of(&[a, replica("d", Some(1), 1)]), None, "an owner that says nothing");
    }

    #[test]
    fn without_an_owner_of_every_shard_there_is_no_path() {
        let mut leases = halves();
        leases[7] = None;
        let replicas = [replica("a b", Some(0), 1), replica("c", Some(5), 1)];
        let shards = EngineShards::of("cascade-signals", leases).with_lags(&replicas, &Fast);
        assert_eq!((shards.owned, shards.path_age_ms, shards.lag_ms), (63, None, Some(5)));
        assert_eq!(shards.unowned, [Shard::new(7).unwrap()]);
    }
}
