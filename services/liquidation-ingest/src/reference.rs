//! The BTC reference of the venues that other replicas read: their marks and bars, from the stream of BTC's shard.
//!
//! Only the tick writer needs it, and only while somebody else reads a venue. Knows no venue's wire.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use cascade_bus::{Bus, BusError, StreamId, StreamReader};
use cascade_domain::{Event, Shard, Symbol, TradeBar};
use cascade_pace::Clock;
use cascade_service::Shutdown;

use crate::bitcoin;
use crate::intake::Shared;
use crate::ticks::Leading;

/// How long one read waits for something to come, wall time.
const BLOCK: Duration = Duration::from_millis(500);
/// Between two looks whether there is something to listen to, wall time.
const LOOK: Duration = Duration::from_millis(500);
/// How many entries one read takes.
const ENTRIES: usize = 500;

/// Listens while this process leads and others read venues, until asked to stop.
pub(crate) async fn listen(
    bus: Bus,
    clock: Arc<dyn Clock>,
    shared: Shared,
    leading: Leading,
    shutdown: Shutdown,
) {
    let Ok(bitcoin) = Symbol::of_base("BTC") else { return };
    let (home, mut reader, mut position) = (Shard::of(&bitcoin), bus.reader(), None);
    loop {
        let needed = leading.load(Ordering::Relaxed) && !shared.board(|board| board.foreign()).is_empty();
        let heard = async {
            if !needed {
                position = None;
                tokio::time::sleep(LOOK).await;
                return Ok(());
            }
            let from = match position {
                Some(from) => from,
                None => bus.newest(&[home]).await?.pop().transpose()?.flatten().unwrap_or(StreamId::ZERO),
            };
            position = Some(read(&mut reader, home, from, (&shared, &*clock)).await?);
            Ok::<(), BusError>(())
        };
        tokio::select! {
            () = shutdown.requested() => return,
            heard = heard => if let Err(error) = heard {
                tracing::debug!(%error, "BTC's stream is not read");
                tokio::time::sleep(LOOK).await;
            }
        }
    }
}

/// Reads on from a position; gives the one after it.
async fn read(
    reader: &mut StreamReader,
    home: Shard,
    from: StreamId,
    (shared, clock): (&Shared, &dyn Clock),
) -> Result<StreamId, BusError> {
    let entries = reader.read(&BTreeMap::from([(home, from)]), BLOCK, ENTRIES).await?;
    let mut to = from;
    for entry in entries.into_iter().flat_map(|(_, entries)| entries) {
        to = entry.id;
        for event in entry.events().unwrap_or_default().into_iter().flatten() {
            match event {
                Event::Mark(mark) => shared.board(|board| {
                    if let Some(price) = bitcoin::price(&mark).filter(|_| !board.owns(mark.venue)) {
                        let now = clock.now();
                        board.bitcoin.mark(mark.venue, price, mark.known_at_ms.map_or(now, |at| at.min(now)));
                    }
                }),
                Event::TradeBar(bar) if bitcoin::is_bitcoin(&bar.symbol) => foreign_bar(shared, &bar),
                _ => {}
            }
        }
    }
    Ok(to)
}

fn foreign_bar(shared: &Shared, bar: &TradeBar) {
    shared.board(|board| {
        if !board.owns(bar.venue) {
            board.bitcoin.bar(bar);
        }
    });
}
