//! One connection that mends itself: it is made when first needed, given up when it errs or stalls, and made again
//! for ever, with growing jittered waits. On a cluster it reaches all nodes. Knows no name on Redis.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Either, join_all, select};
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::RoutingInfo;
use redis::{
    AsyncConnectionConfig, Cmd, ErrorKind, FromRedisValue, Pipeline, RedisError, RedisResult,
    ServerErrorKind, Value, from_redis_value,
};
use tokio::sync::Mutex;
use tokio::time::{Sleep, sleep, timeout};

use crate::cluster::{Group, Together, Topology};
use crate::place::{Place, Wire};
use crate::settings::Backoffs;
use crate::{BusError, BusSettings, BusStats};

/// A connection for one role. Cheap to share by reference; commands of several tasks are pipelined.
#[derive(Debug)]
pub(crate) struct Link {
    place: Place,
    config: AsyncConnectionConfig,
    /// For one node's connection, and for one node's answer.
    patience: (Duration, Duration),
    stats: Arc<BusStats>,
    state: Mutex<State>,
    /// The connection in use has answered something: the waits start over when it is lost.
    answered: AtomicBool,
    /// Why the last attempt to connect failed.
    refusal: std::sync::Mutex<Option<BusError>>,
}

#[derive(Debug)]
struct State {
    connection: Option<Wire>,
    /// Counts connections, so that a late failure of an old one does not end the new one.
    generation: u64,
    /// The rest of the wait before the next attempt; kept here, so that a cancelled caller does not start it over.
    wait: Option<Pin<Box<Sleep>>>,
    /// The attempt under way on a cluster, kept for the same reason: with a node that hangs it takes longer than a
    /// caller waits.
    attempt: Option<Attempt>,
    backoff: Backoffs,
}

struct Attempt(BoxFuture<'static, RedisResult<Wire>>);

impl std::fmt::Debug for Attempt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Attempt")
    }
}

/// Why a call failed, and which connection is to be given up for it.
struct Failure {
    error: BusError,
    broken: Option<u64>,
}

impl Link {
    pub(crate) fn new(place: Place, settings: &BusSettings, stats: Arc<BusStats>) -> Self {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(settings.connect_timeout))
            .set_response_timeout(None);
        let backoff = settings.backoff();
        Self {
            place,
            config,
            patience: (settings.connect_timeout, settings.response_timeout),
            stats,
            state: Mutex::new(State { connection: None, generation: 0, wait: None, attempt: None, backoff }),
            answered: AtomicBool::new(false),
            refusal: std::sync::Mutex::new(None),
        }
    }

    /// Sends one command and waits at most `limit` for its answer, connecting included.
    pub(crate) async fn query<T: FromRedisValue>(&self, cmd: &Cmd, limit: Duration) -> Result<T, BusError> {
        self.run(limit, async |wire| match wire {
            Wire::One(connection) => cmd.query_async(connection).await,
            Wire::Cluster(connection) => cmd.query_async(connection).await,
        })
        .await
    }

    /// Sends many commands at once; each has its own result. On a cluster those of one slot keep their order, and a
    /// node that does not answer fails its own commands alone.
    pub(crate) async fn pipeline<T: FromRedisValue>(
        &self,
        pipe: &mut Pipeline,
        limit: Duration,
    ) -> Result<Vec<RedisResult<T>>, BusError> {
        if pipe.is_empty() {
            return Ok(Vec::new());
        }
        if self.place.is_cluster() {
            return Box::pin(self.by_groups(pipe, Together::Slot, limit)).await;
        }
        let pipe = &*pipe.ignore_errors();
        self.run(limit, async |wire| match wire {
            Wire::One(connection) => {
                let results: Vec<RedisResult<T>> = pipe.query_async(connection).await?;
                // A master that sentinels have made a replica: the next connection is to the new master.
                if self.place.is_behind_sentinels() {
                    demoted(&results)?;
                }
                Ok(results)
            }
            Wire::Cluster(connection) => pipe.query_async(connection).await,
        })
        .await
    }

    /// As [`Link::pipeline`], for reads: on a cluster one round trip a node.
    pub(crate) async fn read_all<T: FromRedisValue>(
        &self,
        pipe: &mut Pipeline,
        limit: Duration,
    ) -> Result<Vec<RedisResult<T>>, BusError> {
        if !self.place.is_cluster() {
            return self.pipeline(pipe, limit).await;
        }
        let results = Box::pin(self.by_groups(pipe, Together::Node, limit)).await?;
        if results.iter().any(Result::is_err) {
            // Slots may have moved.
            self.learn(limit).await.ok();
        }
        Ok(results)
    }

    /// Asks every master, and says which answered what; a single server is its own master.
    pub(crate) async fn each_master<T: FromRedisValue>(
        &self,
        cmd: &Cmd,
        limit: Duration,
    ) -> Result<Vec<(String, Result<T, BusError>)>, BusError> {
        if !self.place.is_cluster() {
            return Ok(vec![(String::new(), Ok(self.query(cmd, limit).await?))]);
        }
        let topology = self.learn(limit).await?;
        let masters: Vec<_> = topology.masters().into_iter().map(ToString::to_string).collect();
        let asked = masters.into_iter().map(async |node| {
            let answer = self.query_at(&node, cmd, limit).await;
            (node, answer)
        });
        Ok(Box::pin(join_all(asked)).await)
    }

    /// Asks one master, as [`Link::each_master`] names it.
    pub(crate) async fn query_at<T: FromRedisValue>(
        &self,
        master: &str,
        cmd: &Cmd,
        limit: Duration,
    ) -> Result<T, BusError> {
        let topology = self.place.topology();
        let node = topology.masters().into_iter().find(|node| node.to_string() == master).cloned();
        self.run(limit, async move |wire| match (wire, node) {
            (Wire::Cluster(connection), Some(node)) => {
                let routing = RoutingInfo::SingleNode(node.route());
                of_value(connection.route_command(cmd.clone(), routing).await?)
            }
            (Wire::Cluster(connection), None) => cmd.query_async(connection).await,
            (Wire::One(connection), _) => cmd.query_async(connection).await,
        })
        .await
    }

    /// Whether this is a cluster.
    pub(crate) const fn is_cluster(&self) -> bool {
        self.place.is_cluster()
    }

    /// Asks a cluster who serves what.
    pub(crate) async fn learn(&self, limit: Duration) -> Result<Arc<Topology>, BusError> {
        if self.place.is_cluster() {
            let slots: Vec<Vec<Value>> = self.query(&Topology::ask(), limit).await?;
            self.place.learnt(Topology::of(slots));
        }
        Ok(self.place.topology())
    }

    async fn by_groups<T: FromRedisValue>(
        &self,
        pipe: &Pipeline,
        together: Together,
        limit: Duration,
    ) -> Result<Vec<RedisResult<T>>, BusError> {
        let late = sleep(limit).shared();
        let (wire, generation) = match select(std::pin::pin!(self.connection()), late.clone()).await {
            Either::Left((Ok(made), _)) => made,
            Either::Left((Err(failure), _)) => {
                self.stats.failed();
                return Err(failure.error);
            }
            Either::Right(((), _)) => {
                self.stats.failed();
                return Err(self.overdue(limit, None));
            }
        };
        let Wire::Cluster(connection) = wire else { return Err(BusError::Timeout(limit.as_millis())) };
        let groups = self.place.topology().groups(pipe, together);
        let sent = groups.into_iter().map(|group| {
            let (connection, late) = (connection.clone(), late.clone());
            async move {
                let places = group.places.clone();
                match select(Box::pin(send(connection, group)), late).await {
                    Either::Left((answers, _)) => (places, answers),
                    Either::Right(((), _)) => {
                        (places, Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()))
                    }
                }
            }
        });
        let mut results: Vec<Option<RedisResult<T>>> = pipe.cmd_iter().map(|_| None).collect();
        let (mut is_broken, mut has_answered) = (false, false);
        for (places, answers) in join_all(sent).await {
            is_broken |= answers.as_ref().is_err_and(is_a_break);
            has_answered |= answers.is_ok();
            let mut answers = answers.map(Vec::into_iter);
            for place in places {
                let answer = match &mut answers {
                    Ok(values) => values.next().map(of_value),
                    Err(error) => Some(Err(error.clone())),
                };
                results[place] = answer;
            }
        }
        if has_answered {
            self.answered.store(true, Ordering::Relaxed);
        }
        if is_broken {
            self.stats.failed();
            self.give_up(generation).await;
        }
        let missing =
            || Err(RedisError::from((ErrorKind::UnexpectedReturnType, "a command without an answer")));
        Ok(results.into_iter().map(|result| result.unwrap_or_else(missing)).collect())
    }

    async fn run<T>(
        &self,
        limit: Duration,
        work: impl AsyncFnOnce(&mut Wire) -> RedisResult<T>,
    ) -> Result<T, BusError> {
        let mut used = None;
        let result = timeout(limit, async {
            let (mut connection, generation) = self.connection().await?;
            used = Some(generation);
            work(&mut connection).await.map_err(|error| Failure {
                broken: is_a_break(&error).then_some(generation),
                error: BusError::of(&error),
            })
        })
        .await;
        let failure = match result {
            Ok(Ok(value)) => {
                self.answered.store(true, Ordering::Relaxed);
                return Ok(value);
            }
            Ok(Err(failure)) => failure,
            Err(_) => Failure { error: self.overdue(limit, used), broken: used },
        };
        self.stats.failed();
        if let Some(generation) = failure.broken {
            self.give_up(generation).await;
        }
        Err(failure.error)
    }

    /// The connection and its number; makes it if there is none.
    async fn connection(&self) -> Result<(Wire, u64), Failure> {
        let mut state = self.state.lock().await;
        if let Some(connection) = &state.connection {
            return Ok((connection.clone(), state.generation));
        }
        if let Some(wait) = &mut state.wait {
            wait.as_mut().await;
        }
        state.wait = None;
        let made = if self.place.is_cluster() {
            let (place, config, patience) = (self.place.clone(), self.config.clone(), self.patience);
            let attempt = state.attempt.get_or_insert_with(|| {
                Attempt(async move { place.connect(&config, patience).await }.boxed())
            });
            let made = attempt.0.as_mut().await;
            state.attempt = None;
            made
        } else {
            self.place.connect(&self.config, self.patience).boxed().await
        };
        match made {
            Ok(connection) => {
                if state.generation > 0 {
                    self.stats.reconnected();
                }
                state.generation += 1;
                state.connection = Some(connection.clone());
                self.answered.store(false, Ordering::Relaxed);
                self.refused_by(None);
                Ok((connection, state.generation))
            }
            Err(error) => {
                let error = BusError::of(&error);
                state.rest(false);
                self.refused_by(Some(error.clone()));
                Err(Failure { error, broken: None })
            }
        }
    }

    fn refused_by(&self, error: Option<BusError>) {
        *self.refusal.lock().unwrap_or_else(PoisonError::into_inner) = error;
    }

    /// What to say of a call that took too long: why there is no connection, if there is none.
    fn overdue(&self, limit: Duration, used: Option<u64>) -> BusError {
        let refusal = match used {
            Some(_) => None,
            None => self.refusal.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        };
        refusal.unwrap_or(BusError::Timeout(limit.as_millis()))
    }

    async fn give_up(&self, generation: u64) {
        let mut state = self.state.lock().await;
        if state.generation == generation && state.connection.take().is_some() {
            state.rest(self.answered.load(Ordering::Relaxed));
        }
    }
}

impl State {
    /// Starts the wait before the next attempt.
    fn rest(&mut self, was_healthy: bool) {
        let wait = self.backoff.after(was_healthy);
        self.wait = Some(Box::pin(sleep(wait)));
    }
}

/// Whether a connection is of no more use after this.
fn is_a_break(error: &RedisError) -> bool {
    error.is_io_error()
        || error.is_unrecoverable_error()
        || error.kind() == ErrorKind::ClusterConnectionNotFound
}

/// An error if one of the commands met a replica.
fn demoted<T>(results: &[RedisResult<T>]) -> RedisResult<()> {
    let is_replica = |error: &&RedisError| error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly);
    match results.iter().filter_map(|result| result.as_ref().err()).find(is_replica) {
        Some(error) => Err(std::io::Error::other(error.to_string()).into()),
        None => Ok(()),
    }
}

async fn send(mut connection: ClusterConnection, group: Group) -> RedisResult<Vec<Value>> {
    let count = group.places.len();
    connection.route_pipeline(group.commands, 0, count, group.route).await
}

fn of_value<T: FromRedisValue>(value: Value) -> RedisResult<T> {
    from_redis_value(value.extract_error()?).map_err(RedisError::from)
}
