//! Leases on Redis: who reads or asks a venue, who writes the ticks; and how replicas share several of them.
//!
//! Knows nothing of what is done under one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use cascade_bus::Bus;

use crate::Shutdown;

/// How long a lease holds without being renewed, milliseconds of wall time: a killed owner is followed after this.
const LEASE_MS: u64 = 6_000;
/// How often it is renewed, wall time.
const RENEW: Duration = Duration::from_secs(2);
/// How often a free lease is asked for by who holds none of its kind, wall time.
const ASK: Duration = Duration::from_millis(750);
/// How much less often for each that is held already.
const ASK_MODESTLY: Duration = Duration::from_millis(250);

/// A lease that may be ours.
#[derive(Clone, Debug)]
pub struct Lease {
    bus: Bus,
    key: String,
    owner: String,
}

impl Lease {
    /// The lease at `key`, for this process.
    pub const fn new(bus: Bus, key: String, owner: String) -> Self {
        Self { bus, key, owner }
    }

    /// Asks for it until it is ours, as often as `every` says (wall time); `false` = asked to stop before.
    pub async fn take(&self, every: impl Fn() -> Duration, shutdown: &Shutdown) -> bool {
        loop {
            match self.bus.hold(&self.key, &self.owner, LEASE_MS).await {
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

    /// Renews it until it is somebody else's, or until asked to stop. While Redis is away nothing changes: nobody can
    /// take it meanwhile.
    pub async fn keep(&self, shutdown: &Shutdown) {
        loop {
            tokio::select! {
                () = shutdown.requested() => return,
                () = tokio::time::sleep(RENEW) => {}
            }
            match self.bus.hold(&self.key, &self.owner, LEASE_MS).await {
                Ok(true) => {}
                Ok(false) => return tracing::warn!(lease = self.key, "somebody else has taken it"),
                Err(error) => tracing::debug!(lease = self.key, %error, "not renewed"),
            }
        }
    }

    /// Gives it back, so that the next owner need not wait for it to run out.
    pub async fn let_go(&self) {
        if let Err(error) = self.bus.let_go(&self.key, &self.owner).await {
            tracing::warn!(lease = self.key, %error, "not given back; it runs out by itself");
        }
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
    use super::*;

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
