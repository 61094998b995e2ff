//! The engines that a replay runs side by side, and what they say in one order. Knows no file and no encoding.

use std::sync::Arc;

use cascade_detector::{CascadeEngine, CascadeState};
use cascade_domain::{Event, Finding, Shard};
use cascade_engine::{EntryId, Order, Passed, Place, Shards};
use cascade_open_interest::{OpenInterestEngine, OpenInterestState};

/// A snapshot of one of the engines.
#[derive(Debug)]
pub(super) enum Snapshot {
    /// Of the cascade engine.
    Cascade(Box<CascadeState>),
    /// Of the open-interest engine.
    OpenInterest(Box<OpenInterestState>),
}

/// Both engines of all shards.
#[derive(Debug)]
pub(super) struct Engines {
    cascade: Shards<CascadeEngine>,
    interest: Shards<OpenInterestEngine>,
    order: Order,
}

impl Engines {
    /// Engines that have heard nothing yet, under these settings.
    pub(super) fn new(cascade: &cascade_detector::Config, interest: &cascade_open_interest::Config) -> Self {
        let (config, label) = (Arc::new(cascade.clone()), cascade.engine_label());
        let cascade = Shards::new(|shard| CascadeEngine::new(Arc::clone(&config), shard, label.clone()));
        let (config, label) = (Arc::new(interest.clone()), interest.engine_label());
        let interest =
            Shards::new(|shard| OpenInterestEngine::new(Arc::clone(&config), shard, label.clone()));
        Self { cascade, interest, order: Order::default() }
    }

    /// Has a shard's engine go on from its snapshot; the other one is left as it is.
    pub(super) fn resume(&mut self, shard: Shard, at: EntryId, snapshot: Snapshot) {
        match snapshot {
            Snapshot::Cascade(state) => self.cascade.resume(shard, at, *state),
            Snapshot::OpenInterest(state) => self.interest.resume(shard, at, *state),
        }
    }

    /// Has both hear the next event. Pushes the findings that nothing can precede any more.
    ///
    /// # Errors
    /// Both refused it, or their snapshots hold it already.
    pub(super) fn take(
        &mut self,
        place: Option<Place>,
        event: &Event,
        out: &mut Vec<Finding>,
    ) -> Result<(), Passed> {
        let of_cascade = self.cascade.take(place, event, &mut self.order);
        let of_interest = self.interest.take(place, event, &mut self.order);
        if let Event::Tick(_) = event
            && !self.order.is_empty()
        {
            self.order.release(&[self.cascade.behind(), self.interest.behind()], out);
        }
        match (of_cascade, of_interest) {
            (Ok(()), _) | (_, Ok(())) => Ok(()),
            (Err(Passed::InSnapshot), other) => other,
            (of_cascade, _) => of_cascade,
        }
    }

    /// The findings that are still held, in order; to be asked for when no event is left.
    pub(super) fn finish(self) -> impl Iterator<Item = Finding> {
        self.order.finish()
    }
}

#[cfg(test)]
mod tests {
    use cascade_domain::{EventTime, Feeds, Tick};
    use cascade_engine::{Engine, Refused};

    use super::*;

    fn engines() -> Engines {
        Engines::new(&cascade_detector::Config::default(), &cascade_open_interest::Config::default())
    }

    fn tick(second: i64) -> Event {
        Event::Tick(Tick {
            event_time_ms: EventTime::from_ms(1_791_565_600_000 + second * 1000),
            btc_price: None,
            btc_usd_volume_1s: None,
            btc_venues_changed: false,
            feeds: Feeds::default(),
        })
    }

    #[test]
    fn each_engine_passes_over_what_its_own_snapshot_holds() {
        let shard = Shard::all().next().unwrap();
        let mut cascade = CascadeEngine::new(Arc::default(), shard, String::new());
        cascade.take(&tick(3), &mut Vec::new()).unwrap();
        let interest = OpenInterestEngine::new(Arc::default(), shard, String::new());
        let mut both = engines();
        both.resume(shard, (3, 0), Snapshot::Cascade(Box::new(cascade.state().clone())));
        both.resume(shard, (1, 0), Snapshot::OpenInterest(Box::new(interest.state().clone())));
        let mut taken = |entry, second| {
            both.take(Some(Place { shard, entry: Some((entry, 0)) }), &tick(second), &mut Vec::new())
        };
        assert_eq!(taken(1, 1), Err(Passed::InSnapshot), "both hold it");
        assert_eq!(taken(2, 2), Ok(()), "one of them needs it");
        assert_eq!(taken(4, 3), Ok(()), "one of them refuses it, the other takes it");
        assert_eq!(taken(5, 3), Err(Passed::Refused(Refused::OldTick)), "both refuse it");
        assert_eq!(taken(6, 4), Ok(()));
    }
}
