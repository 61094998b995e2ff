//! The fills that a node of one's own writes: followed beside the connections, from where the last reader left them.
//!
//! The place is kept on Redis, and only moved when everything before it is written there: after a crash a few seconds
//! are read twice, and stored once.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cascade_bus::{Bus, Write};
use cascade_domain::Venue;
use cascade_feed::{Follow, FollowLimits, Position, follow};
use cascade_service::Shutdown;
use cascade_venues::{Instruments, node_route};
use cascade_wire::key;
use tokio::sync::watch;

use super::Reader;
use crate::intake::{Intake, SharedIntake};

/// How often the place is looked at, wall time.
const LOOK: Duration = Duration::from_millis(250);
/// How long the place is kept, seconds: an older one is of no use, the node has deleted its files by then.
const KEPT_S: u32 = 7 * 86_400;
/// Everything that waited when a place was reached is written when the queue has been emptied so often since: once may
/// have begun before.
const DRAINS: u64 = 2;

impl Reader {
    /// Follows the node's files until asked to stop; at once where there are none to follow.
    pub(crate) async fn follow_node(&self, table: &watch::Receiver<Arc<Instruments>>, shutdown: &Shutdown) {
        let Some(directory) = &self.node_fills else { return };
        let venue = self.protocol.venue();
        let route = node_route(&directory.display().to_string());
        self.shared.board(|board| board.expect(venue, &route.name, &route.symbols, self.since));
        let (protocol, wanted) = (self.protocol, self.wanted.clone());
        let intake = Intake::new(protocol, &route.name, wanted, self.large_trade, self.shared.clone());
        let from = tokio::select! {
            () = shutdown.requested() => return,
            from = self.place(venue) => from,
        };
        tracing::info!(
            venue = venue.as_str(),
            directory = %directory.display(),
            from = from.as_ref().map_or_else(|| "the newest line".to_owned(), Position::to_string),
            "following a node's fills"
        );
        let plan = Follow {
            route,
            directory: directory.clone(),
            instruments: Arc::clone(&table.borrow()),
            clock: Arc::clone(&self.clock),
            since: self.since,
            limits: FollowLimits::default(),
        };
        let reached = Mutex::new(None);
        let mut note = |position: &Position| {
            *reached.lock().unwrap_or_else(PoisonError::into_inner) = Some(position.clone());
        };
        let mut sink = SharedIntake::new(intake);
        tokio::join!(
            follow(&plan, from, &mut sink, &mut note, shutdown.requested()),
            keep_place(&self.bus, venue, &reached, &self.shared.drained, shutdown),
        );
    }

    /// Where the last reader of the node's files was.
    async fn place(&self, venue: Venue) -> Option<Position> {
        loop {
            match self.bus.get(&key::feed_position(venue)).await {
                Ok(place) => {
                    return place.and_then(|text| {
                        let read: Result<Position, _> = text.parse();
                        read.inspect_err(|error| tracing::warn!(%error, "begins at the newest line")).ok()
                    });
                }
                Err(error) => tracing::debug!(%error, "where the last reader was is not known"),
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// Keeps the place on Redis as it moves.
async fn keep_place(
    bus: &Bus,
    venue: Venue,
    reached: &Mutex<Option<Position>>,
    drained: &AtomicU64,
    shutdown: &Shutdown,
) {
    let mut waiting: Option<(Position, u64)> = None;
    let mut kept = None;
    loop {
        tokio::select! {
            () = shutdown.requested() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
        let drains = drained.load(Ordering::Relaxed);
        if let Some((position, _)) = waiting.take_if(|(_, since)| drains >= *since + DRAINS) {
            let json = position.to_string();
            let write = Write::Json { key: key::feed_position(venue), json, ttl_s: KEPT_S };
            match bus.write_readings(&[write]).await {
                Ok(()) => kept = Some(position),
                Err(error) => tracing::debug!(%error, "the place in the node's files is not kept for now"),
            }
        }
        if waiting.is_none() {
            let newest = reached.lock().unwrap_or_else(PoisonError::into_inner).clone();
            waiting = newest.filter(|newest| kept.as_ref() != Some(newest)).map(|newest| (newest, drains));
        }
    }
}
