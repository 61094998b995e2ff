//! Which shards are ours: who lives, what is handed over and taken, leases, and what is let be for a while.
//!
//! Knows nothing of what the engines hear and say.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cascade_bus::{BusError, Owned};
use cascade_domain::Shard;

use super::held::Held;
use super::{Detector, LEASE_MS, Pump, RETRY, condition, rank};
use crate::{Metric, Shutdown};

/// How long it is tried to tell the others that we go, and again that shards are free, wall time. When it is time to stop,
/// all of it together has `Pump::patience`.
const PATIENCE: Duration = Duration::from_secs(2);

impl<D: Detector> Pump<D> {
    /// Takes leave: others take our shards as soon as they see that we are gone and the leases are free.
    pub(super) async fn leave(&mut self, shutdown: &Shutdown) {
        // A connection that just broke is made again: the others would wait for our last word to run out.
        insist("take leave", || self.bus.part(self.context.name, &self.context.instance)).await;
        // All: Redis may have given us some that we did not hear of.
        let all: Vec<_> = Shard::all().collect();
        self.hand_over(&all, shutdown).await;
    }

    /// Looks who lives: what is not ours is handed over, what is ours and free is taken. `renews`: leases are renewed,
    /// and others are told that we live.
    pub(super) async fn look(&mut self, renews: bool, shutdown: &Shutdown) -> Result<(), BusError> {
        let (group, me) = (self.context.name, self.context.instance.clone());
        let mut live = self.bus.meet(group, renews.then_some(me.as_str()), LEASE_MS).await?;
        if !live.iter().any(|(member, _)| *member == me) {
            live = self.bus.meet(group, Some(&me), LEASE_MS).await?;
        }
        let members = self.members.proven(live, &me);
        if renews {
            self.renew().await?;
        }
        let is_ours = |shard: &Shard| rank::best(*shard, &members) == Some(&me);
        let others: Vec<_> = self.shards.keys().copied().filter(|shard| !is_ours(shard)).collect();
        if !others.is_empty() {
            tracing::info!(shards = others.len(), "handed over to another replica");
            self.hand_over(&others, shutdown).await;
        }
        let is_free = |shard: &Shard| !self.shards.contains_key(shard) && !self.broken.contains(shard);
        let wanted: Vec<_> = Shard::all().filter(|shard| is_ours(shard) && is_free(shard)).collect();
        for (shard, owned) in wanted.iter().zip(self.bus.take(&self.claim, &wanted).await) {
            match owned {
                Ok(Some(owned)) => self.load(*shard, owned),
                Ok(None) => {}
                Err(error) if error.is_transient() => self.warn(&error, "can't take a shard"),
                Err(error) => self.set_aside(*shard, &error),
            }
        }
        let state = if self.shards.is_empty() {
            Err("no shard is free: other replicas own them all".to_owned())
        } else {
            Ok(())
        };
        self.context.health.set(&condition("shards", &self.detector), state);
        Ok(())
    }

    fn load(&mut self, shard: Shard, owned: Owned) {
        let (held, refused) =
            Held::load(shard, self.detector.engine(shard), owned, self.detector.snapshot_every());
        if let Some(error) = refused {
            self.context.metrics.add(Metric::SnapshotRefused, &[self.detector.name(), error.label()], 1);
            tracing::warn!(%shard, %error, "the snapshot can't be used: a cold start, and findings say `warming`");
        }
        self.shards.insert(shard, held);
    }

    /// Commits what was read of these shards, with their snapshots, and gives their leases back.
    async fn hand_over(&mut self, shards: &[Shard], shutdown: &Shutdown) {
        self.commit(Some(shards), shutdown).await;
        insist("give leases back", || self.bus.release(&self.claim, shards)).await;
        for shard in shards {
            self.part_with(*shard);
        }
    }

    /// Renews what is ours, and looks which streams can't be read and whose engines own what.
    async fn renew(&mut self) -> Result<(), BusError> {
        let held: Vec<_> = self.shards.iter().map(|(shard, held)| (*shard, held.epoch)).collect();
        let mut lost = Vec::new();
        for ((shard, _), ours) in held.iter().zip(self.bus.renew(&self.claim, &held).await?) {
            match ours {
                Ok(true) => {}
                Ok(false) => lost.push(*shard),
                Err(error) => self.warn(&error, "can't renew a lease"),
            }
        }
        self.give_up(&lost, "lease_lost");
        let all: Vec<_> = Shard::all().collect();
        self.broken.clear();
        for (shard, oldest) in all.iter().zip(self.bus.oldest(&all).await?) {
            match oldest {
                Ok(_) => {}
                Err(error) if error.is_transient() => self.warn(&error, "can't look at a stream"),
                // Asked for together with the others, it would keep them all from being read.
                Err(error) => self.set_aside(*shard, &error),
            }
        }
        let owners = self.bus.owners(&self.claim.engine).await?;
        self.count_owners(owners.into_iter().flatten());
        Ok(())
    }

    /// Tells how many shards each engine owns, by version and configuration: more than one is a change under way.
    fn count_owners(&mut self, owners: impl Iterator<Item = String>) {
        let mut shards: BTreeMap<String, u32> = self.labels.iter().cloned().map(|label| (label, 0)).collect();
        for owner in owners {
            let label = owner.rsplit(' ').next().unwrap_or_default().to_owned();
            *shards.entry(label).or_default() += 1;
        }
        for (label, count) in &shards {
            self.context.metrics.set(Metric::ShardOwners, &[self.detector.name(), label], f64::from(*count));
        }
        let live: BTreeSet<String> =
            shards.into_iter().filter(|(_, count)| *count > 0).map(|(label, _)| label).collect();
        if live.len() > 1 && live != self.labels {
            tracing::warn!(engines = ?live, "two versions or configurations at once; shards move by hand-over");
        }
        self.labels = live;
    }

    /// A shard of which something on Redis is of the wrong kind is let be until the next renewal.
    pub(super) fn set_aside(&mut self, shard: Shard, error: &BusError) {
        if let Some(suppressed) = self.throttle.admit("set_aside", self.context.clock.now()) {
            tracing::warn!(%shard, %error, suppressed, "the shard can't be served");
        }
        self.broken.insert(shard);
        if self.shards.contains_key(&shard) {
            self.forget(shard, "unreadable");
        }
    }

    /// Shards that are not ours any more, all for one reason: one line, however many they are.
    pub(super) fn give_up(&mut self, shards: &[Shard], reason: &'static str) {
        let Some(first) = shards.first() else { return };
        tracing::warn!(shards = shards.len(), %first, reason, "shards given up; they are loaded anew when they are free");
        for shard in shards {
            self.forget(*shard, reason);
        }
    }

    fn forget(&mut self, shard: Shard, reason: &'static str) {
        self.context.metrics.add(Metric::CommitRefused, &[self.detector.name(), reason], 1);
        self.part_with(shard);
    }

    /// It is ours no more, and its next owner tells how large its snapshots are.
    fn part_with(&mut self, shard: Shard) {
        if self.shards.remove(&shard).is_some() {
            let labels = [self.detector.name(), &shard.to_string()];
            self.context.metrics.set(Metric::SnapshotBytes, &labels, f64::NAN);
        }
    }
}

/// Tries until it works, or for as long as makes sense: what is not said runs out by itself.
async fn insist<F: Future<Output = Result<(), BusError>>>(what: &str, act: impl Fn() -> F) {
    let tries = async {
        while let Err(error) = act().await {
            tracing::debug!(%error, "can't {what} yet");
            tokio::time::sleep(RETRY).await;
        }
    };
    if tokio::time::timeout(PATIENCE, tries).await.is_err() {
        tracing::warn!("can't {what}: the others notice when our time has run out");
    }
}
