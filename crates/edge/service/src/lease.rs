//! Leases on Redis: who reads or asks a venue, who writes the ticks; and how replicas share several of them.
//!
//! Knows nothing of what is done under one.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cascade_bus::{Bus, BusError};
use tokio::time::Instant;

use crate::Shutdown;

/// How long a lease holds without being renewed, milliseconds of wall time: a killed owner is followed after this.
const LEASE_MS: u64 = 6_000;
/// How often it is renewed, wall time.
const RENEW: Duration = Duration::from_secs(2);
/// How often a free lease is asked for by who holds none of its kind, wall time.
const ASK: Duration = Duration::from_millis(750);
/// How long it is tried to give one back, wall time: it runs out by itself.
const LAST_WORD: Duration = Duration::from_secs(1);
/// How long before the lease may be another's whoever holds it strictly gives up, wall time: what the clocks may differ
/// by, and what it takes to stop.
const MARGIN: Duration = Duration::from_millis(500);
/// How much less often for each that is held already.
const ASK_MODESTLY: Duration = Duration::from_millis(250);

/// A lease that may be ours. Clones are of one and the same.
#[derive(Clone, Debug)]
pub struct Lease {
    bus: Bus,
    key: String,
    owner: String,
    /// Until when nobody else can have it, as far as Redis has told us.
    ours_until: Arc<Mutex<Option<Instant>>>,
}

#[expect(clippy::disallowed_methods, reason = "leases are wall time, and this is `service`")]
fn now() -> Instant {
    Instant::now()
}

impl Lease {
    /// The lease at `key`, for this process.
    pub fn new(bus: Bus, key: String, owner: String) -> Self {
        Self { bus, key, owner, ours_until: Arc::default() }
    }

    /// Asks for it until it is ours, as often as `every` says (wall time); `false` = asked to stop before.
    pub async fn take(&self, every: impl Fn() -> Duration, shutdown: &Shutdown) -> bool {
        loop {
            let held = tokio::select! {
                held = self.hold() => held,
                () = shutdown.requested() => {
                    // What Redis makes of the question, nobody is there to hear.
                    self.let_go().await;
                    return false;
                }
            };
            match held {
                Ok(true) => return true,
                Ok(false) => {}
                Err(error) => tracing::debug!(lease = self.key, %error, "not asked for"),
            }
            tokio::select! {
                () = shutdown.requested() => return false,
                () = tokio::time::sleep(every()) => {}
            }
        }
    }

    /// Renews it until it is somebody else's, or until asked to stop; also while Redis does not answer. Where Redis is
    /// away for everybody, nobody takes it meanwhile; where only this process is cut off, another may have it from when
    /// it has run out, and both do the work until this one can ask again. For work that two may do at once.
    pub async fn keep(&self, shutdown: &Shutdown) {
        loop {
            let held = tokio::select! {
                () = shutdown.requested() => return,
                held = self.renewed() => held,
            };
            match held {
                Ok(true) => {}
                Ok(false) => return tracing::warn!(lease = self.key, "somebody else has taken it"),
                Err(error) => tracing::debug!(lease = self.key, %error, "not renewed"),
            }
        }
    }

    /// As [`Lease::keep`], and no longer than nobody else can have it: where Redis does not answer, this ends before
    /// the lease that was taken or renewed last has run out. For work that only one may do.
    pub async fn keep_strictly(&self, shutdown: &Shutdown) {
        tokio::select! {
            biased;
            () = self.run_out() => {
                tracing::warn!(lease = self.key, "can't be renewed: another may take it");
            }
            () = self.keep(shutdown) => {}
        }
    }

    /// Gives it back, so that the next owner need not wait for it to run out; a Redis that does not answer is not
    /// waited for.
    pub async fn let_go(&self) {
        *self.ours_until() = None;
        match tokio::time::timeout(LAST_WORD, self.bus.let_go(&self.key, &self.owner)).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => {
                tracing::warn!(lease = self.key, %error, "not given back; it runs out by itself");
            }
            Err(_) => tracing::warn!(lease = self.key, "not given back in time; it runs out by itself"),
        }
    }

    /// When it is time to renew it, does so.
    async fn renewed(&self) -> Result<bool, BusError> {
        tokio::time::sleep(RENEW).await;
        self.hold().await
    }

    async fn hold(&self) -> Result<bool, BusError> {
        // It runs out after a time that began, on Redis, after this.
        let asked = now();
        let held = self.bus.hold(&self.key, &self.owner, LEASE_MS).await;
        match held {
            Ok(true) => *self.ours_until() = Some(asked + Duration::from_millis(LEASE_MS)),
            Ok(false) => *self.ours_until() = None,
            // Nothing is known but what was known before.
            Err(_) => {}
        }
        held
    }

    /// Waits until another may have it soon.
    async fn run_out(&self) {
        loop {
            let Some(until) = *self.ours_until() else { return };
            let until = until - MARGIN;
            if now() >= until {
                return;
            }
            tokio::time::sleep_until(until).await;
        }
    }

    fn ours_until(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        // A time alone: nothing in there can be left half-done by a panic.
        self.ours_until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many leases of one kind this process holds: whoever holds fewer asks sooner, so that replicas that start together
/// share them. Clones count together.
#[derive(Clone, Debug, Default)]
pub struct Share(Arc<AtomicU32>);

/// One of the leases that are counted; dropped, it is counted no more.
#[derive(Debug)]
pub struct Part(Arc<AtomicU32>);

impl Drop for Part {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Share {
    /// Counts one more for as long as it is kept.
    #[must_use]
    pub fn taken(&self) -> Part {
        self.0.fetch_add(1, Ordering::Relaxed);
        Part(Arc::clone(&self.0))
    }

    /// How long until a free lease is asked for again.
    pub fn pause(&self) -> Duration {
        ASK + self.modesty()
    }

    /// Waits before the first question. `turn` = how many leases of this kind the process asks for before this one, so
    /// that each process begins with another.
    pub async fn wait_for_turn(&self, turn: u32) {
        tokio::time::sleep(ASK_MODESTLY.saturating_mul(turn)).await;
        tokio::time::sleep(self.modesty()).await;
    }

    fn modesty(&self) -> Duration {
        ASK_MODESTLY.saturating_mul(self.0.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use cascade_bus::{BusSettings, PortChoice, PrivateRedis};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::task::JoinSet;

    use super::*;

    const KEY: &str = "lease";
    /// Longer than any lease, by far.
    const LONG: Duration = Duration::from_mins(1);

    fn lease(url: &str, owner: &str) -> Lease {
        let settings = BusSettings { instance: owner.to_owned(), ..BusSettings::default() };
        Lease::new(Bus::open(url, settings).unwrap(), KEY.to_owned(), owner.to_owned())
    }

    /// Takes it; asks often.
    async fn taken(lease: &Lease) -> Instant {
        let shutdown = Shutdown::new();
        let taking = lease.take(|| Duration::from_millis(20), &shutdown);
        assert!(tokio::time::timeout(LONG, taking).await.unwrap());
        now()
    }

    /// Lets those who ask at `listener` through to `url`, until it is dropped. Then nobody answers them, but the
    /// listener takes their calls.
    async fn let_through(listener: &TcpListener, url: &str) {
        let (to, mut calls) = (url.trim_start_matches("redis://").trim_end_matches('/'), JoinSet::new());
        loop {
            let (mut from, _) = listener.accept().await.unwrap();
            let mut to = TcpStream::connect(to).await.unwrap();
            calls.spawn(async move { tokio::io::copy_bidirectional(&mut from, &mut to).await });
        }
    }

    #[tokio::test]
    async fn who_is_cut_off_has_given_up_when_another_takes_it_only_if_it_holds_it_strictly() {
        let redis = PrivateRedis::start(PortChoice::Free).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let through = format!("redis://{}", listener.local_addr().unwrap());
        let url = redis.url();
        let (cut_off, other, shutdown) = (lease(&through, "a"), lease(&url, "b"), Shutdown::new());
        tokio::select! {
            () = let_through(&listener, &url) => {}
            _ = taken(&cut_off) => {}
        }
        let given_up = async {
            cut_off.keep_strictly(&shutdown).await;
            now()
        };
        let both = async { tokio::join!(given_up, taken(&other)) };
        // Who holds it loosely goes on.
        let ends = tokio::select! {
            biased;
            () = cut_off.keep(&shutdown) => None,
            both = both => Some(both),
        };
        let (given_up, taken) = ends.unwrap();
        assert!(given_up < taken, "two at once for {:?}", given_up - taken);
    }

    #[tokio::test]
    async fn who_holds_it_strictly_and_can_renew_it_keeps_it() {
        let redis = PrivateRedis::start(PortChoice::Free).await.unwrap();
        let (holds, shutdown) = (lease(&redis.url(), "a"), Shutdown::new());
        taken(&holds).await;
        let longer = Duration::from_millis(LEASE_MS) + RENEW;
        assert!(tokio::time::timeout(longer, holds.keep_strictly(&shutdown)).await.is_err(), "it gave up");
    }

    #[tokio::test]
    async fn a_redis_that_hangs_holds_up_nobody_who_is_asked_to_stop() {
        let redis = PrivateRedis::start(PortChoice::Free).await.unwrap();
        let (asks, holds) = (lease(&redis.url(), "a"), lease(&redis.url(), "b"));
        taken(&holds).await;
        redis.pause().await.unwrap();
        let shutdown = Shutdown::new();
        let began = now();
        let asking = asks.take(|| LONG, &shutdown);
        let stops = async {
            tokio::task::yield_now().await;
            shutdown.request();
        };
        let (is_taken, ()) = tokio::join!(asking, stops);
        assert!(!is_taken);
        tokio::join!(holds.keep(&shutdown), holds.let_go());
        assert!(began.elapsed() < 2 * LAST_WORD + MARGIN, "{:?}", began.elapsed());
    }

    #[test]
    fn whoever_holds_more_asks_later_and_what_is_given_back_counts_no_more() {
        let share = Share::default();
        let alone = share.pause();
        let (one, two) = (share.taken(), share.clone().taken());
        assert_eq!(share.pause(), alone + 2 * ASK_MODESTLY);
        drop(one);
        drop(two);
        assert_eq!(share.pause(), alone);
    }
}
