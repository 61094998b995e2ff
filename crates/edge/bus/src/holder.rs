//! Who holds what was written: whether they can serve us, which run of which server it is, and how far its replicas
//! have followed. A cluster's masters each hold some shards, a single server holds all. Judges no loss.

use cascade_domain::Shard;
use cascade_wire::key;

use crate::{Bus, BusError, cluster, field, is_at_least_6_2};

/// A master and what it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// What names this run of the server: another one was restarted, or is another server.
    pub id: String,
    /// The shards that it serves, ascending.
    pub shards: Vec<Shard>,
    /// How far it has written, bytes of its replication stream; comparable within one `id`.
    pub written: u64,
    /// How far the replica that lags most among those connected has confirmed to follow, in the same bytes;
    /// `None` = it has no replica.
    pub followed: Option<u64>,
}

impl Bus {
    /// Whether this Redis can serve us: it answers, is a master, and is of version 6.2 or newer (`XTRIM MINID`). Of a
    /// cluster: all of its masters, and every slot has one.
    ///
    /// # Errors
    /// Why it can't; [`BusError::Unfit`] if waiting will not change that.
    pub async fn ready(&self) -> Result<(), BusError> {
        let limit = self.settings.response_timeout;
        if self.link.is_cluster() {
            let mut ask = redis::cmd("CLUSTER");
            ask.arg("INFO");
            let asked = self.link.query::<String>(&ask, limit).await;
            cluster_is_ok(&asked.map_err(named_as_no_cluster)?)?;
        }
        for (node, info) in self.link.each_master::<String>(&redis::cmd("INFO"), limit).await? {
            fit(&info?, self.link.is_cluster()).map_err(|error| at(&node, error))?;
        }
        Ok(())
    }

    /// What names this run of the server, or of all masters of a cluster: another one means that Redis was restarted,
    /// or is another Redis.
    ///
    /// # Errors
    /// No answer came: why.
    pub async fn run_id(&self) -> Result<String, BusError> {
        let mut ids: Vec<_> = self.holders().await?.into_iter().map(|holder| holder.id).collect();
        ids.sort_unstable();
        Ok(ids.join("+"))
    }

    /// Who holds the shards at present; of a cluster only masters that serve a shard.
    ///
    /// # Errors
    /// One of them did not answer: why.
    pub async fn holders(&self) -> Result<Vec<Holder>, BusError> {
        let limit = self.settings.response_timeout;
        let answers = self.link.each_master::<String>(&redis::cmd("INFO"), limit).await?;
        let topology = self.place.topology();
        let mut holders = Vec::with_capacity(answers.len());
        for (node, info) in answers {
            let serves = |shard: &Shard| {
                let slot = cluster::slot(key::market(*shard).as_bytes());
                topology.master_of(slot).is_some_and(|master| master.to_string() == node)
            };
            let shards = Shard::all().filter(|shard| !self.link.is_cluster() || serves(shard)).collect();
            holders.push(Holder::of(&info.map_err(|error| at(&node, error))?, shards)?);
        }
        holders.retain(|holder| !holder.shards.is_empty());
        Ok(holders)
    }
}

impl Holder {
    fn of(info: &str, shards: Vec<Shard>) -> Result<Self, BusError> {
        let id = field(info, "run_id").ok_or_else(|| BusError::Reply("INFO without a run_id".to_owned()))?;
        let number = |text: Option<&str>| text.and_then(|text| text.parse::<u64>().ok());
        let replicas = info.lines().filter(|line| line.starts_with("slave") && line.contains("offset="));
        let confirmed = replicas.filter_map(|line| {
            number(line.split(',').find_map(|part| part.strip_prefix("offset=")).map(str::trim))
        });
        Ok(Self {
            id: id.to_owned(),
            shards,
            written: number(field(info, "master_repl_offset")).unwrap_or_default(),
            followed: confirmed.min(),
        })
    }
}

/// Whether the server that says this of itself knows `XTRIM MINID`.
pub(crate) fn fit_version(info: &str) -> Result<(), BusError> {
    let version = field(info, "redis_version").unwrap_or("unknown");
    if is_at_least_6_2(version) {
        Ok(())
    } else {
        Err(BusError::Unfit(format!("version {version} is older than 6.2")))
    }
}

fn fit(info: &str, is_in_cluster: bool) -> Result<(), BusError> {
    fit_version(info)?;
    let role = field(info, "role").unwrap_or("node of unknown role");
    if !is_in_cluster && field(info, "redis_mode") == Some("cluster") {
        return Err(BusError::Unfit("it is a node of a cluster; write redis+cluster://HOST:PORT".to_owned()));
    }
    match role {
        "master" => Ok(()),
        // A failover is under way.
        role if is_in_cluster => Err(BusError::Unreachable(format!("it is a {role} since just now"))),
        role => Err(BusError::Unfit(format!("it is a {role}, not a master"))),
    }
}

fn cluster_is_ok(info: &str) -> Result<(), BusError> {
    let number = |name: &str| field(info, name).and_then(|text| text.parse::<u32>().ok()).unwrap_or_default();
    let (assigned, served) = (number("cluster_slots_assigned"), number("cluster_slots_ok"));
    let why = if assigned < SLOTS {
        format!("{} of {SLOTS} slots are given to no master", SLOTS - assigned)
    } else if served < SLOTS {
        format!("the masters of {} of {SLOTS} slots do not answer", SLOTS - served)
    } else if field(info, "cluster_state") == Some("ok") {
        return Ok(());
    } else {
        "it says that it is down".to_owned()
    };
    Err(BusError::Unreachable(format!("the cluster: {why}")))
}

const SLOTS: u32 = 16_384;

fn named_as_no_cluster(error: BusError) -> BusError {
    let is_single = |text: &String| text.contains("cluster support disabled");
    match &error {
        BusError::Refused(text) | BusError::Unreachable(text) if is_single(text) => {
            BusError::Unfit("it is no cluster; write redis://HOST:PORT".to_owned())
        }
        _ => error,
    }
}

/// An error that names the node of the cluster.
fn at(node: &str, error: BusError) -> BusError {
    match error {
        BusError::Unfit(reason) if !node.is_empty() => BusError::Unfit(format!("{node}: {reason}")),
        BusError::Unreachable(reason) if !node.is_empty() => {
            BusError::Unreachable(format!("{node}: {reason}"))
        }
        error => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holder_is_followed_as_far_as_its_slowest_replica() {
        let info = "run_id:abc\r\nrole:master\r\nconnected_slaves:2\r\n\
                    slave0:ip=127.0.0.1,port=1,state=online,offset=90,lag=1\r\n\
                    slave1:ip=127.0.0.1,port=2,state=online,offset=70,lag=0\r\nmaster_repl_offset:100\r\n";
        let holder = Holder::of(info, Vec::new()).unwrap();
        assert_eq!((holder.id.as_str(), holder.written, holder.followed), ("abc", 100, Some(70)));
        assert_eq!(Holder::of("run_id:abc\r\nconnected_slaves:0", Vec::new()).unwrap().followed, None);
        assert!(Holder::of("role:master", Vec::new()).is_err());
    }

    #[test]
    fn what_is_wrong_with_a_cluster_is_named() {
        let of = |state: &str, assigned: u32, ok: u32| {
            let info = format!(
                "cluster_enabled:1\r\ncluster_state:{state}\r\ncluster_slots_assigned:{assigned}\r\n\
                 cluster_slots_ok:{ok}\r\n"
            );
            cluster_is_ok(&info).map_err(|error| error.to_string())
        };
        assert_eq!(of("ok", 16_384, 16_384), Ok(()));
        assert!(of("fail", 16_384, 10_923).unwrap_err().contains("the masters of 5461 of 16384 slots"));
        assert!(of("ok", 16_000, 16_000).unwrap_err().contains("384 of 16384 slots are given to no master"));
        assert!(of("fail", 16_384, 16_384).unwrap_err().contains("it says that it is down"));
    }

    #[test]
    fn a_wrong_scheme_is_named() {
        let of = |info: &str, in_cluster| fit(info, in_cluster).map_err(|error| error.to_string());
        let node = "redis_version:7.0.15\r\nredis_mode:cluster\r\nrole:master\r\n";
        assert!(of(node, false).unwrap_err().contains("redis+cluster://") && of(node, true).is_ok());
        let replica = "redis_version:7.0.15\r\nredis_mode:standalone\r\nrole:slave\r\n";
        assert!(of(replica, false).unwrap_err().contains("not a master"));
        assert!(of("redis_version:6.0.9\r\nrole:master", true).unwrap_err().contains("older than 6.2"));
    }
}
