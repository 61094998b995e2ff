//! Listening to channels for ever. A lost connection is made again and everything subscribed anew; a server that went
//! silent is found out by messages that the subscriber publishes to itself. Messages of the time in between are
//! lost, as pub/sub has it: `lost` counts the occasions.
//!
//! Every node of a cluster hears what any of them publishes: one is listened to, and the next one when that is lost.
//!
//! Whatever `next` waits for is kept between calls, so that a caller may drop a call at any time and lose nothing.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Msg, PushInfo, PushKind, RedisResult};
use tokio::sync::{Notify, mpsc};
use tokio::time::{Interval, MissedTickBehavior, Sleep, interval, sleep};

use crate::place::Place;
use crate::settings::Backoffs;
use crate::{BusError, BusSettings, BusStats, field};

/// A message of a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The channel.
    pub channel: String,
    /// What was published.
    pub bytes: Vec<u8>,
}

/// A subscriber with its own connection; made by [`crate::Bus::subscriber`].
pub struct Subscriber {
    seat: Seat,
    backoff: Backoffs,
    state: State,
    lost: u64,
}

impl fmt::Debug for Subscriber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscriber")
            .field("channels", &self.seat.channels)
            .field("lost", &self.lost)
            .finish_non_exhaustive()
    }
}

/// All that a session is made from.
#[derive(Clone)]
struct Seat {
    place: Place,
    /// Which of a cluster's nodes is listened to.
    attempt: usize,
    channels: Vec<String>,
    probe: String,
    settings: Arc<BusSettings>,
    stats: Arc<BusStats>,
    dropped: Arc<AtomicU64>,
}

enum State {
    Waiting(Pin<Box<Sleep>>),
    Opening(BoxFuture<'static, Result<Session, BusError>>),
    Live(Session),
}

/// One connection, subscribed.
struct Session {
    connection: MultiplexedConnection,
    messages: mpsc::Receiver<Message>,
    closed: Arc<Notify>,
    probes: Interval,
    probing: Option<BoxFuture<'static, ()>>,
    unheard: u32,
    heard_one: bool,
}

enum Step {
    Message(Message),
    Nothing,
    Lost(&'static str),
}

impl Subscriber {
    pub(crate) fn new(
        place: Place,
        channels: &[String],
        settings: Arc<BusSettings>,
        stats: Arc<BusStats>,
    ) -> Self {
        let backoff = settings.backoff();
        let probe = format!("cascade:probe:{}", settings.instance);
        // Not all processes at the same node.
        let attempt = usize::try_from(settings.seed % 64).unwrap_or_default();
        let dropped = Arc::default();
        let seat = Seat { place, attempt, channels: channels.to_vec(), probe, settings, stats, dropped };
        let opening = Box::pin(open(seat.clone()));
        Self { seat, backoff, state: State::Opening(opening), lost: 0 }
    }

    /// The next message; waits for ever, through every outage. May be cancelled without losing anything.
    pub async fn next(&mut self) -> Message {
        loop {
            if let Some(message) = self.advance().await {
                return message;
            }
        }
    }

    /// Waits until every channel is subscribed. [`Subscriber::next`] does that by itself.
    pub async fn subscribed(&mut self) {
        while !matches!(self.state, State::Live(_)) {
            self.advance().await;
        }
    }

    /// How often a subscribed connection was lost: each time, messages may have been missed.
    pub const fn lost(&self) -> u64 {
        self.lost
    }

    /// How many messages were dropped because the consumer was slow.
    pub fn dropped(&self) -> u64 {
        self.seat.dropped.load(Ordering::Relaxed)
    }

    /// Waits for one thing to happen.
    async fn advance(&mut self) -> Option<Message> {
        match &mut self.state {
            State::Waiting(wait) => {
                wait.as_mut().await;
                self.state = State::Opening(Box::pin(open(self.seat.clone())));
            }
            State::Opening(opening) => match opening.await {
                Ok(session) => {
                    if self.lost > 0 {
                        self.seat.stats.reconnected();
                    }
                    self.state = State::Live(session);
                }
                Err(error) => {
                    tracing::debug!(%error, "no connection for a subscriber");
                    self.seat.stats.failed();
                    self.rest(false);
                }
            },
            State::Live(session) => match session.step(&self.seat).await {
                Step::Message(message) => return Some(message),
                Step::Nothing => {}
                Step::Lost(why) => {
                    let was_healthy = session.heard_one;
                    tracing::warn!(why, "a subscriber lost its connection; messages may be missing");
                    self.lost += 1;
                    self.seat.stats.failed();
                    self.rest(was_healthy);
                }
            },
        }
        None
    }

    fn rest(&mut self, was_healthy: bool) {
        self.seat.attempt = self.seat.attempt.wrapping_add(1);
        self.state = State::Waiting(Box::pin(sleep(self.backoff.after(was_healthy))));
    }
}

/// Connects and subscribes. The connection's own queue is bounded: what does not fit is dropped and counted.
async fn open(seat: Seat) -> Result<Session, BusError> {
    let (queue, messages) = mpsc::channel(seat.settings.subscriber_queue.max(1));
    let closed = Arc::new(Notify::new());
    let (dropped, on_close) = (Arc::clone(&seat.dropped), Arc::clone(&closed));
    let push = move |push: PushInfo| -> Result<(), redis::aio::SendError> {
        if push.kind == PushKind::Disconnection {
            on_close.notify_one();
        } else if let Some(message) = Msg::from_push_info(push) {
            let channel = message.get_channel_name().to_owned();
            let bytes = message.get_payload_bytes().to_vec();
            if queue.try_send(Message { channel, bytes }).is_err() {
                dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(())
    };
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(seat.settings.connect_timeout))
        .set_response_timeout(Some(seat.settings.response_timeout))
        .set_push_sender(push);
    let made: RedisResult<MultiplexedConnection> = async {
        let mut connection = seat.place.connect_to_listen(&config, seat.attempt).await?;
        let mut channels = seat.channels.clone();
        channels.push(seat.probe.clone());
        connection.subscribe(channels).await?;
        Ok(connection)
    }
    .await;
    let connection = made.map_err(|e| BusError::of(&e))?;
    let mut probes = interval(seat.settings.probe_interval.max(Duration::from_millis(1)));
    probes.set_missed_tick_behavior(MissedTickBehavior::Delay);
    Ok(Session { connection, messages, closed, probes, probing: None, unheard: 0, heard_one: false })
}

/// Unheard probes after which the connection is given up.
const UNHEARD_PROBES: u32 = 2;

impl Session {
    async fn step(&mut self, seat: &Seat) -> Step {
        let probing = async {
            match &mut self.probing {
                Some(probing) => probing.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            Some(message) = self.messages.recv() => {
                // Anything heard is a sign of life.
                self.unheard = 0;
                self.heard_one = true;
                if message.channel == seat.probe { Step::Nothing } else { Step::Message(message) }
            }
            () = self.closed.notified() => Step::Lost("closed"),
            () = probing => {
                self.probing = None;
                Step::Nothing
            }
            _ = self.probes.tick() => {
                if self.unheard >= UNHEARD_PROBES {
                    return Step::Lost("silent");
                }
                self.unheard += 1;
                self.probing = Some(Box::pin(probe(self.connection.clone(), seat.clone())));
                Step::Nothing
            }
        }
    }
}

/// Publishes one probe. Whether that worked is told by the probe being heard, so its own result says nothing more.
/// A node that its cluster has lost hears itself and nobody else: it is asked first.
async fn probe(mut connection: MultiplexedConnection, seat: Seat) {
    let published: RedisResult<()> = async {
        if seat.place.is_cluster() {
            let info: String = redis::cmd("CLUSTER").arg("INFO").query_async(&mut connection).await?;
            if field(&info, "cluster_state") != Some("ok") {
                return Ok(());
            }
        }
        redis::cmd("PUBLISH").arg(seat.probe).arg("").exec_async(&mut connection).await
    }
    .await;
    if let Err(error) = published {
        tracing::debug!(%error, "a probe was not published");
    }
}
