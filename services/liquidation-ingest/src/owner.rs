//! Who reads a venue: the replica that holds its lease holds all of its connections, hands them over when it stops, and
//! is followed when it dies. Whoever reads fewer venues asks sooner, so that replicas that start together share them.
//!
//! Whoever gives a venue up reads on until its successor delivers, so that nothing is lost between them. That two read
//! one venue for a while does no harm: every event has one id, and the streams take it once. Knows nothing of how a
//! venue is read.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use cascade_bus::{Bus, BusError, Write};
use cascade_domain::{EventTime, FeedStatus, Venue};
use cascade_pace::Clock;
use cascade_service::{BoxError, Lease, Share, Shutdown};
use cascade_wire::{FeedHealthReading, key};

use crate::PROGRAM;
use crate::intake::Shared;
use crate::readings::FEED_TTL_S;

/// How often a successor is looked for, wall time.
const LOOK: Duration = Duration::from_millis(200);
/// How long a Redis that errs is asked again where the last reader was, wall time: shorter than the lease.
const ASKING: Duration = Duration::from_secs(5);
/// What a reader that ended may have lacked of the bars before the last frame that all its connections had heard.
const OPEN_BARS_MS: i64 = 2_000;
/// How long `feed:VENUE:health` stands: a venue without one has not been read for longer, milliseconds.
const READING_MS: i64 = 60_000;

/// The post of a venue's reader.
#[derive(Debug)]
pub(crate) struct Post {
    pub(crate) venue: Venue,
    pub(crate) bus: Bus,
    pub(crate) instance: String,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) shared: Shared,
    /// How many venues this process reads.
    pub(crate) share: Share,
    /// How many venues this process asks for before this one: each begins with another.
    pub(crate) turn: u32,
    /// How long a successor may take before the venue is given up all the same, wall time.
    pub(crate) succession: Duration,
    /// How long the streams keep events, seconds.
    pub(crate) stream_max_age_s: u32,
}

impl Post {
    /// Waits for the lease, reads while it is ours, and gives it back at the end. `read` is given up to where the
    /// venue's events are known, and when to stop.
    ///
    /// # Errors
    /// The reader's.
    pub(crate) async fn hold<R>(
        self,
        read: impl Fn(EventTime, Shutdown) -> R,
        shutdown: Shutdown,
    ) -> Result<(), BoxError>
    where
        R: Future<Output = Result<(), BoxError>>,
    {
        let lease = Lease::new(self.bus.clone(), key::feed_lease(self.venue), self.instance.clone());
        let venue = self.venue.as_str();
        tokio::select! {
            () = shutdown.requested() => return Ok(()),
            () = self.share.wait_for_turn(self.turn) => {}
        }
        while lease.take(|| self.share.pause(), &shutdown).await {
            let part = self.share.taken();
            let since = tokio::select! {
                () = shutdown.requested() => {
                    lease.let_go().await;
                    return Ok(());
                }
                since = self.known_to() => since,
            };
            self.shared.board(|board| board.own(self.venue, since, self.clock.now()));
            tracing::info!(venue, since_ms = since.ms(), "reading it from now on");
            let mine = Shutdown::new();
            let mut reading = pin!(read(since, mine.clone()));
            let ended = tokio::select! {
                ended = &mut reading => Some(ended),
                () = lease.keep(&shutdown) => None,
            };
            self.shared.board(|board| board.disown(self.venue));
            lease.let_go().await;
            let ended = match ended {
                Some(ended) => ended,
                None => {
                    tokio::select! {
                        ended = &mut reading => ended,
                        () = self.succeeded() => {
                            mine.request();
                            reading.await
                        }
                    }
                }
            };
            drop(part);
            ended?;
            if shutdown.is_requested() {
                break;
            }
        }
        Ok(())
    }

    /// Waits until another replica's feed of the venue delivers, for as long as one may be expected to.
    async fn succeeded(&self) {
        let replicas = self.bus.scan(&key::heartbeats_of(PROGRAM.name)).await.unwrap_or_default();
        let own = key::heartbeat(PROGRAM.name, &self.instance);
        if replicas.iter().all(|replica| *replica == own) {
            return self.tell_unread().await;
        }
        let delivers = async {
            loop {
                let reading = self.reading().await;
                if reading.is_some_and(|r| r.reader != self.instance && r.settled) {
                    return;
                }
                tokio::time::sleep(LOOK).await;
            }
        };
        let (venue, within_s) = (self.venue.as_str(), self.succession.as_secs());
        if tokio::time::timeout(self.succession, delivers).await.is_ok() {
            tracing::info!(venue, "handed over");
        } else {
            tracing::warn!(venue, within_s, "no other replica has taken it over");
        }
    }

    /// Says that nobody reads the venue any more.
    async fn tell_unread(&self) {
        let (Some(last), now) = (self.reading().await, self.clock.now()) else { return };
        let since_ms = if last.status == FeedStatus::Dead { last.since_ms } else { now };
        let reason = "nobody reads it: its reader was stopped".to_owned();
        let reading = FeedHealthReading {
            status: FeedStatus::Dead,
            since_ms,
            reason,
            told_ms: now,
            settled: false,
            ..last
        };
        let json = serde_json::to_string(&reading).unwrap_or_default();
        let write = Write::Json { key: key::feed_health(self.venue), json, ttl_s: FEED_TTL_S };
        if let Err(error) = self.bus.write_readings(&[write]).await {
            tracing::debug!(%error, "that nobody reads it is not told");
        }
    }

    /// What the last reader of the venue says.
    async fn reading(&self) -> Option<FeedHealthReading> {
        let text = self.bus.get(&key::feed_health(self.venue)).await.ok()??;
        serde_json::from_str(&text).ok()
    }

    /// Up to where an earlier reader's events are known, not before what the streams hold: what its last reading says,
    /// less what its open bars may have lacked. Where there is none, the last tick if nobody was there since; where
    /// others tick on, the venue was not read for as long as anybody knows. A Redis that holds nothing: now.
    async fn known_to(&self) -> EventTime {
        let now = self.clock.now();
        let oldest = now.plus_ms(-1000 * i64::from(self.stream_max_age_s));
        let asking = async {
            loop {
                match self.ask_known_to().await {
                    Ok(known) => return known,
                    Err(error) => tracing::debug!(%error, "where the last reader was is not known yet"),
                }
                tokio::time::sleep(LOOK).await;
            }
        };
        let known = tokio::time::timeout(ASKING, asking).await;
        let known = match known {
            Ok(Known::To(known)) => known,
            Ok(Known::Nothing) => now.plus_ms(OPEN_BARS_MS),
            Ok(Known::Lost) | Err(_) => oldest,
        };
        known.plus_ms(-OPEN_BARS_MS).clamp(oldest, now)
    }

    async fn ask_known_to(&self) -> Result<Known, BusError> {
        let text = self.bus.get(&key::feed_health(self.venue)).await?;
        let last: Option<FeedHealthReading> = text.and_then(|text| serde_json::from_str(&text).ok());
        if let Some(last) = last {
            self.shared.board(|board| board.heard(self.venue, &last));
            return Ok(last.heard_to_ms.map_or(Known::Lost, Known::To));
        }
        Ok(match self.bus.newest_tick().await? {
            Some(tick) if self.clock.now().since(tick) >= READING_MS => Known::To(tick),
            // Nobody knows since when it was not read; but not before anybody read anything.
            Some(_) => self.bus.oldest_tick().await?.map_or(Known::Lost, Known::To),
            None => Known::Nothing,
        })
    }
}

/// Up to when a venue's events are known from before.
enum Known {
    To(EventTime),
    /// Nobody knows since when it was not read.
    Lost,
    /// There is no before.
    Nothing,
}
