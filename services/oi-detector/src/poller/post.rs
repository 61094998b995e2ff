//! Who asks a venue: the replica that holds its lease. Replicas share the venues; one that dies is followed when its lease
//! has run out, one that stops gives it back. The next owner asks anew: of open interest only the present counts.

use std::sync::Arc;
use std::time::Duration;

use cascade_bus::{Bus, Write};
use cascade_domain::{EventTime, Venue};
use cascade_feed::{Poll, poll};
use cascade_pace::Clock;
use cascade_service::{BoxError, Lease, Metric, Share, Shutdown};
use cascade_wire::{PollReading, key};

use super::desk::Desk;
use super::intake::Intake;
use super::readings::reading;

/// How long a Redis that errs is asked where the one before us was, and told that we go, wall time.
const PATIENCE: Duration = Duration::from_secs(2);
/// How far ahead of our clock the one before us may be, milliseconds: what a faster clock told, as a demo's, means nothing.
const MOST_AHEAD_MS: i64 = 60_000;
/// Between two tries, wall time.
const RETRY: Duration = Duration::from_millis(200);

/// The post of a venue's poller.
#[derive(Debug)]
pub(crate) struct Post {
    pub(crate) poll: Poll,
    /// Whether the venue's sockets tell its open interest, too.
    pub(crate) is_streamed: bool,
    pub(crate) bus: Bus,
    pub(crate) instance: String,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) desk: Desk,
    pub(crate) share: Share,
    /// How many venues this process asks for before this one: each begins with another.
    pub(crate) turn: u32,
}

impl Post {
    /// Waits for the lease, asks while it is ours, and gives it back at the end.
    ///
    /// # Errors
    /// None at present: whatever a venue answers, it is asked on.
    pub(crate) async fn hold(self, shutdown: Shutdown) -> Result<(), BoxError> {
        let venue = self.venue();
        let lease = Lease::new(self.bus.clone(), key::poll_lease(venue), self.instance.clone());
        tokio::select! {
            () = shutdown.requested() => return Ok(()),
            () = self.share.wait_for_turn(self.turn) => {}
        }
        while lease.take(|| self.share.pause(), &shutdown).await {
            let part = self.share.taken();
            tokio::select! {
                biased;
                () = lease.keep_strictly(&shutdown) => {}
                () = self.ask() => {}
            }
            let why = "nobody asks it: its poller was stopped";
            let last = self.desk.disown(venue, &self.instance, self.clock.now(), why);
            self.desk.metrics.set(Metric::PollUp, &[venue.as_str()], 0.0);
            self.desk.metrics.set(Metric::PollRound, &[venue.as_str()], f64::NAN);
            drop(part);
            if shutdown.is_requested() {
                if let Some(last) = last {
                    self.tell(last).await;
                }
                lease.let_go().await;
                return Ok(());
            }
            tracing::info!(venue = venue.as_str(), "asked by us no more: the lease is another's, or may be");
        }
        Ok(())
    }

    /// Asks until this is dropped.
    async fn ask(&self) {
        let (venue, before) = (self.venue(), self.before().await);
        self.desk.own(venue, self.clock.now(), before.as_ref(), self.is_streamed);
        let known_to_ms = before.as_ref().and_then(|before| before.stored_to_ms).map(EventTime::ms);
        let away_until = before.and_then(|before| before.away_until_ms);
        if let Some(until) = away_until {
            self.poll.client.close_until(self.poll.protocol, until);
        }
        let away_until_ms = away_until.map(EventTime::ms);
        tracing::info!(venue = venue.as_str(), known_to_ms, away_until_ms, "asked by us");
        let mut intake = Intake::new(venue, self.desk.clone());
        poll(&self.poll, &mut intake, std::future::pending()).await;
    }

    /// What the one who asked before us told last, as far as anybody knows.
    async fn before(&self) -> Option<PollReading> {
        let key = key::poll_health(self.venue());
        let asking = async {
            loop {
                match self.bus.get(&key).await {
                    Ok(text) => return text,
                    Err(error) => tracing::debug!(%error, "who asked before us is not known yet"),
                }
                tokio::time::sleep(RETRY).await;
            }
        };
        let text = tokio::time::timeout(PATIENCE, asking).await.ok()??;
        let before: PollReading = serde_json::from_str(&text).ok()?;
        (before.told_ms.since(self.clock.now()) <= MOST_AHEAD_MS).then_some(before)
    }

    async fn tell(&self, last: PollReading) {
        let writes: Vec<Write> = reading(self.venue(), &last).into_iter().collect();
        match tokio::time::timeout(PATIENCE, self.bus.write_readings(&writes)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "that nobody asks it is not told"),
            Err(_) => tracing::debug!("Redis does not take that nobody asks it"),
        }
    }

    fn venue(&self) -> Venue {
        self.poll.protocol.venue()
    }
}
