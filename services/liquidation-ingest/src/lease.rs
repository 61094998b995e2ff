//! Leases on Redis: who reads a venue, who writes the ticks. Knows nothing of what is done under one.

use std::time::Duration;

use cascade_bus::Bus;
use cascade_service::Shutdown;

/// How long a lease holds without being renewed, milliseconds of wall time: a killed owner is followed after this.
const LEASE_MS: u64 = 6_000;
/// How often it is renewed, wall time.
const RENEW: Duration = Duration::from_secs(2);

/// A lease that may be ours.
#[derive(Clone, Debug)]
pub(crate) struct Lease {
    bus: Bus,
    key: String,
    owner: String,
}

impl Lease {
    /// The lease at `key`, for this process.
    pub(crate) const fn new(bus: Bus, key: String, owner: String) -> Self {
        Self { bus, key, owner }
    }

    /// Asks for it until it is ours, as often as `every` says; `false` = asked to stop before.
    pub(crate) async fn take(&self, every: impl Fn() -> Duration, shutdown: &Shutdown) -> bool {
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
    pub(crate) async fn keep(&self, shutdown: &Shutdown) {
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
    pub(crate) async fn let_go(&self) {
        if let Err(error) = self.bus.let_go(&self.key, &self.owner).await {
            tracing::warn!(lease = self.key, %error, "not given back; it runs out by itself");
        }
    }
}
