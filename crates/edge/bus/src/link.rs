//! One connection that mends itself: it is made when first needed, given up when it errs or stalls, and made again
//! for ever, with growing jittered waits. Knows no command and no name on Redis.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Cmd, FromRedisValue, Pipeline, RedisResult};
use tokio::sync::Mutex;
use tokio::time::{Sleep, sleep, timeout};

use crate::settings::Backoffs;
use crate::{BusError, BusSettings, BusStats};

/// A connection for one role. Cheap to share by reference; commands of several tasks are pipelined.
#[derive(Debug)]
pub(crate) struct Link {
    client: Client,
    config: AsyncConnectionConfig,
    stats: Arc<BusStats>,
    state: Mutex<State>,
    /// The connection in use has answered something: the waits start over when it is lost.
    answered: AtomicBool,
    /// Why the last attempt to connect failed.
    refusal: std::sync::Mutex<Option<BusError>>,
}

#[derive(Debug)]
struct State {
    connection: Option<MultiplexedConnection>,
    /// Counts connections, so that a late failure of an old one does not end the new one.
    generation: u64,
    /// The rest of the wait before the next attempt; kept here, so that a cancelled caller does not start it over.
    wait: Option<Pin<Box<Sleep>>>,
    backoff: Backoffs,
}

/// Why a call failed, and which connection is to be given up for it.
struct Failure {
    error: BusError,
    broken: Option<u64>,
}

impl Link {
    pub(crate) fn new(client: Client, settings: &BusSettings, stats: Arc<BusStats>) -> Self {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(settings.connect_timeout))
            .set_response_timeout(None);
        let backoff = settings.backoff();
        Self {
            client,
            config,
            stats,
            state: Mutex::new(State { connection: None, generation: 0, wait: None, backoff }),
            answered: AtomicBool::new(false),
            refusal: std::sync::Mutex::new(None),
        }
    }

    /// Sends one command and waits at most `limit` for its answer, connecting included.
    pub(crate) async fn query<T: FromRedisValue>(&self, cmd: &Cmd, limit: Duration) -> Result<T, BusError> {
        self.run(limit, async |connection| cmd.query_async(connection).await).await
    }

    /// Sends many commands at once; each has its own result.
    pub(crate) async fn pipeline<T: FromRedisValue>(
        &self,
        pipe: &mut Pipeline,
        limit: Duration,
    ) -> Result<Vec<RedisResult<T>>, BusError> {
        if pipe.is_empty() {
            return Ok(Vec::new());
        }
        let pipe = &*pipe.ignore_errors();
        self.run(limit, async |connection| pipe.query_async(connection).await).await
    }

    async fn run<T>(
        &self,
        limit: Duration,
        work: impl AsyncFnOnce(&mut MultiplexedConnection) -> RedisResult<T>,
    ) -> Result<T, BusError> {
        let mut used = None;
        let result = timeout(limit, async {
            let (mut connection, generation) = self.connection().await?;
            used = Some(generation);
            work(&mut connection).await.map_err(|error| Failure {
                broken: (error.is_io_error() || error.is_unrecoverable_error()).then_some(generation),
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
    async fn connection(&self) -> Result<(MultiplexedConnection, u64), Failure> {
        let mut state = self.state.lock().await;
        if let Some(connection) = &state.connection {
            return Ok((connection.clone(), state.generation));
        }
        if let Some(wait) = &mut state.wait {
            wait.as_mut().await;
        }
        state.wait = None;
        match self.client.get_multiplexed_async_connection_with_config(&self.config).await {
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
