//! What runs: replicas of cascade-signals as processes, and the Redis that they share.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cascade_domain::Shard;
use cascade_testkit::{Observer, TestProcess, TestRedis, eventually};
use cascade_wire::{EngineKeys, key};
use serde::de::IgnoredAny;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::Failure;

/// How long a program may take to start or to say something on a busy machine, wall time.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long Redis may take to answer the observer.
const ANSWER: Duration = Duration::from_secs(1);
/// How long replicas may take to share the shards among them, before the next damage is done all the same.
const SETTLE: Duration = Duration::from_secs(6);
/// How long a takeover is waited for, though it has failed long before.
const TAKEOVER: Duration = Duration::from_secs(40);

#[expect(clippy::disallowed_methods, reason = "takeovers are measured in wall time")]
pub(crate) fn wall() -> Instant {
    Instant::now()
}

/// One replica.
#[derive(Debug)]
pub(crate) struct Replica {
    pub(crate) process: TestProcess,
    /// Its name in leases.
    pub(crate) instance: String,
    address: String,
}

impl Replica {
    /// What Redis has refused it so far, by reason.
    pub(crate) async fn refused(&self) -> Result<BTreeMap<String, u64>, Failure> {
        let ask = async {
            let mut stream = TcpStream::connect(&self.address).await?;
            let request =
                format!("GET /metrics HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.address);
            stream.write_all(request.as_bytes()).await?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await?;
            Ok::<_, Failure>(answer)
        };
        let answer = timeout(PATIENCE, ask).await??;
        let mut refused = BTreeMap::new();
        for line in answer.lines() {
            let Some(labels) = line.strip_prefix("cascade_commit_refused_total{") else { continue };
            let reason = labels.split("reason=\"").nth(1).and_then(|rest| rest.split('"').next());
            let count = labels.rsplit(' ').next().and_then(|count| count.parse::<f64>().ok());
            if let (Some(reason), Some(count)) = (reason, count) {
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
                refused.insert(reason.to_owned(), count as u64);
            }
        }
        Ok(refused)
    }
}

/// Who has each shard, and up to where its findings are out.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shards {
    /// Instance by shard; absent = no live lease.
    pub(crate) owner: BTreeMap<Shard, String>,
    /// Cursor by shard.
    pub(crate) cursor: BTreeMap<Shard, String>,
}

impl Shards {
    /// The shards of an instance.
    pub(crate) fn of(&self, instance: &str) -> Vec<Shard> {
        self.owner.iter().filter(|(_, owner)| *owner == instance).map(|(shard, _)| *shard).collect()
    }
}

/// How long it took until all shards of a victim were somebody else's, and until their cursors moved again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Takeover {
    pub(crate) owned: Duration,
    pub(crate) moving: Duration,
}

/// A Redis and who works on it.
#[derive(Debug)]
pub(crate) struct Site {
    program: PathBuf,
    pub(crate) redis: TestRedis,
    pub(crate) observer: Observer,
    pub(crate) replicas: Vec<Replica>,
}

impl Site {
    /// A Redis that writes its file as most do (`everysec`), and replicas that have taken every shard.
    pub(crate) async fn start(program: &Path, replicas: usize) -> Result<Self, Failure> {
        let redis = TestRedis::start_append_only().await?;
        let observer = Observer::connect(&redis.url(), &["cascade:episodes", "cascade:large"]).await?;
        let mut site = Self { program: program.to_owned(), redis, observer, replicas: Vec::new() };
        site.write_every_second().await?;
        for _ in 0..replicas {
            site.add_replica().await?;
        }
        if site.settle().await { Ok(site) } else { Err("the replicas don't take every shard".into()) }
    }

    async fn write_every_second(&self) -> Result<(), Failure> {
        let set: String = self.observer.command("CONFIG", &["SET", "appendfsync", "everysec"]).await?;
        if set == "OK" { Ok(()) } else { Err(set.into()) }
    }

    /// Starts one more replica.
    pub(crate) async fn add_replica(&mut self) -> Result<(), Failure> {
        let before = self.heartbeats().await?;
        let url = self.redis.url();
        let arguments = ["--redis-url", &url, "--health-addr", "127.0.0.1:0"];
        let quiet = [("CASCADE_SERVICE__LOG_LEVEL".to_owned(), "error".to_owned())];
        let program = self.program.to_str().ok_or("a path that is no text")?;
        let mut process = TestProcess::start(program, &arguments, &quiet)?;
        let greeting = process.line().await?.ok_or("it said nothing")?;
        let address =
            greeting.rsplit_once("http://").ok_or("it does not say where its metrics are")?.1.to_owned();
        let mut instance = None;
        let announced = eventually(PATIENCE, async || {
            let now = self.heartbeats().await.unwrap_or_default();
            instance = now.difference(&before).next().cloned();
            instance.is_some()
        });
        if !announced.await {
            return Err("a replica without a heartbeat".into());
        }
        self.replicas.push(Replica { process, instance: instance.unwrap_or_default(), address });
        Ok(())
    }

    /// Takes a replica out of the list, to be damaged.
    pub(crate) fn remove(&mut self, instance: &str) -> Result<Replica, Failure> {
        let place = self.replicas.iter().position(|replica| replica.instance == instance);
        Ok(self.replicas.remove(place.ok_or_else(|| format!("no replica {instance}"))?))
    }

    async fn heartbeats(&self) -> Result<BTreeSet<String>, Failure> {
        let pattern = key::heartbeats_of("cascade-signals");
        let keys: Vec<String> = self.observer.command("KEYS", &[&pattern]).await?;
        Ok(keys.iter().filter_map(|key| Some(key.rsplit_once(':')?.1.to_owned())).collect())
    }

    /// Who has what just now; asked again where the observer's own connection has just been lost.
    pub(crate) async fn shards(&self) -> Result<Shards, Failure> {
        let mut seen = Err("not asked yet".into());
        eventually(PATIENCE, async || {
            seen = self.look().await;
            seen.is_ok()
        })
        .await;
        seen
    }

    async fn look(&self) -> Result<Shards, Failure> {
        let all: Vec<_> = Shard::all().map(|shard| (shard, EngineKeys::of(shard, "cascade"))).collect();
        let keys: Vec<&str> =
            all.iter().flat_map(|(_, keys)| [keys.lease.as_str(), keys.cursor.as_str()]).collect();
        let values: Vec<Option<String>> = timeout(ANSWER, self.observer.command("MGET", &keys)).await??;
        let mut shards = Shards::default();
        for ((shard, _), pair) in all.iter().zip(values.chunks_exact(2)) {
            if let Some(lease) = &pair[0] {
                let instance = lease.split(' ').next().unwrap_or_default();
                shards.owner.insert(*shard, instance.to_owned());
            }
            if let Some(cursor) = &pair[1] {
                shards.cursor.insert(*shard, cursor.clone());
            }
        }
        Ok(shards)
    }

    /// Waits until live replicas have every shard, and a while for each of them to have some.
    pub(crate) async fn settle(&self) -> bool {
        let live = |shards: &Shards| {
            shards.owner.len() == Shard::all().count()
                && shards.owner.values().all(|o| self.replicas.iter().any(|replica| replica.instance == *o))
        };
        let shared = eventually(SETTLE, async || {
            let Ok(shards) = self.look().await else { return false };
            live(&shards) && self.replicas.iter().all(|replica| !shards.of(&replica.instance).is_empty())
        });
        shared.await
            || eventually(PATIENCE, async || self.look().await.is_ok_and(|shards| live(&shards))).await
    }

    /// Measures how the shards of a victim are taken over that was hit at `since`. A cursor moves again when it is no
    /// longer where it was when the new owner was first seen: what the victim itself put out while leaving is no move.
    pub(crate) async fn takeover(
        &self,
        victim: &str,
        before: &Shards,
        since: Instant,
    ) -> Result<Takeover, Failure> {
        let lost = before.of(victim);
        let mut found: BTreeMap<Shard, Option<String>> = BTreeMap::new();
        let mut moving: BTreeSet<Shard> = BTreeSet::new();
        let mut owned = None;
        let through = eventually(TAKEOVER, async || {
            let Ok(now) = self.look().await else { return false };
            for shard in &lost {
                if now.owner.get(shard).is_some_and(|owner| owner != victim) {
                    let cursor = now.cursor.get(shard).cloned();
                    if *found.entry(*shard).or_insert_with(|| cursor.clone()) != cursor {
                        moving.insert(*shard);
                    }
                }
            }
            if found.len() == lost.len() {
                owned.get_or_insert_with(|| since.elapsed());
            }
            moving.len() == lost.len()
        });
        if through.await {
            let all = since.elapsed();
            return Ok(Takeover { owned: owned.unwrap_or(all), moving: all });
        }
        let counts = (lost.len(), found.len(), moving.len());
        Err(format!("no takeover from {victim}: lost, taken and moving are {counts:?}").into())
    }

    /// Restarts Redis: killed, or asked to end. What it had written to its file is there again.
    pub(crate) async fn restart_redis(&mut self, kill: bool) -> Result<(), Failure> {
        if kill {
            self.redis.server.kill9().await?;
        } else {
            self.redis.server.stop().await?;
        }
        self.redis.server.restart().await?;
        let configured = eventually(PATIENCE, async || {
            timeout(ANSWER, self.write_every_second()).await.is_ok_and(|r| r.is_ok())
        });
        if configured.await { Ok(()) } else { Err("Redis does not come back".into()) }
    }

    /// Redis keeps everybody who writes waiting for so long; who reads is answered.
    pub(crate) async fn hold_writes(&self, time: Duration) -> Result<(), Failure> {
        let ms = time.as_millis().to_string();
        let _: String = self.observer.command("CLIENT", &["PAUSE", &ms, "WRITE"]).await?;
        Ok(())
    }

    /// Redis ends every connection but ours and its subscribers'; what was held back on them is not done.
    pub(crate) async fn cut_connections(&self) -> Result<(), Failure> {
        let _: u64 = self.observer.command("CLIENT", &["KILL", "TYPE", "normal"]).await?;
        Ok(())
    }

    /// Cuts every stream to what lies after the engine's snapshot (whose own entry stays), so that only the snapshot
    /// knows what was before. How many streams were cut; shards without a snapshot keep theirs.
    pub(crate) async fn trim(&self) -> Result<usize, Failure> {
        let mut cut = 0;
        for shard in Shard::all() {
            let state = EngineKeys::of(shard, "cascade").state;
            let snapshot: Option<Vec<u8>> = self.observer.command("GET", &[&state]).await?;
            let Some(snapshot) = snapshot else { continue };
            let (_, at, _): (u32, String, IgnoredAny) = rmp_serde::from_slice(&snapshot)?;
            let gone: i64 = self.observer.command("XTRIM", &[&key::market(shard), "MINID", &at]).await?;
            cut += usize::from(gone > 0);
        }
        Ok(cut)
    }
}
