//! The engines of all shards over one sequence of events, and what they say in one order.
//!
//! Where an event goes is decided as the writer of the streams decides it. Findings come out ordered by what they are
//! known at, symbol, kind, episode, revision and id, each as soon as nothing that is still to come can precede it. Several
//! detectors over one sequence are several [`Shards`] that say what they have to say into one [`Order`].
//! Knows no file, no encoding and no detector.

use std::collections::BTreeMap;

use cascade_domain::{Event, EventTime, Finding, Id, Shard, Symbol};

use crate::{Engine, Refused};

/// The id of a stream entry: milliseconds and sequence number, in the order in which Redis compares them.
pub type EntryId = (u64, u64);

/// Where an event stood, if it was read from a shard's stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The stream's shard, whose engine alone hears it.
    pub shard: Shard,
    /// The entry.
    pub entry: Option<EntryId>,
}

/// Why no engine took an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passed {
    /// Every engine that heard it passed over it; why the first one did.
    Refused(Refused),
    /// It stands at or before the snapshot from which its shard was resumed, which holds it already.
    InSnapshot,
}

/// What findings are ordered by. The last figure counts them, so that equal ones keep their order and none is lost.
type Rank = (EventTime, Option<Symbol>, &'static str, Option<Id>, u64, Id, u64);

/// One shard's engine.
#[derive(Debug)]
struct Hearing<E> {
    engine: E,
    /// The newest tick that it took: what it says from here on is not known before that.
    tick: Option<EventTime>,
    /// Where the snapshot stood from which it was resumed.
    resumed_at: Option<EntryId>,
}

/// One detector's engines, of all shards.
#[derive(Debug)]
pub struct Shards<E> {
    shards: Vec<Hearing<E>>,
    said: Vec<Finding>,
}

impl<E: Engine> Shards<E> {
    /// Engines that have heard nothing yet, made by `engine`.
    pub fn new(engine: impl Fn(Shard) -> E) -> Self {
        let hearing = |shard| Hearing { engine: engine(shard), tick: None, resumed_at: None };
        Self { shards: Shard::all().map(hearing).collect(), said: Vec::new() }
    }

    /// Has a shard's engine go on from a snapshot; its events up to the entry at which that stands are passed over.
    /// Belongs before the shard's events: a snapshot that leads back in time has findings follow later ones.
    pub fn resume(&mut self, shard: Shard, at: EntryId, state: E::State) {
        if let Some(hearing) = self.shards.get_mut(usize::from(shard.number())) {
            hearing.engine.resume(state);
            (hearing.tick, hearing.resumed_at) = (None, Some(at));
        }
    }

    /// Takes the next event: with a place that shard's engine alone; without one the engine of its symbol, a gap those
    /// of its symbols, and what concerns everybody all of them. What they say goes into `order`.
    ///
    /// # Errors
    /// No engine took it, and why.
    pub fn take(&mut self, place: Option<Place>, event: &Event, order: &mut Order) -> Result<(), Passed> {
        match (place, event.symbol(), event) {
            (Some(place), _, _) => self.hand(place.shard, place.entry, event, order),
            (None, Some(symbol), _) => self.hand(Shard::of(symbol), None, event, order),
            (None, None, Event::Gap(gap)) if !gap.symbols.is_empty() => {
                let mut shards: Vec<_> = gap.symbols.iter().map(Shard::of).collect();
                shards.sort_unstable();
                shards.dedup();
                self.hand_all(shards.into_iter(), event, order)
            }
            (None, None, _) => self.hand_all(Shard::all(), event, order),
        }
    }

    /// The newest tick of the shard that is furthest behind: nothing that is still to be said is known before it. `None`
    /// while a shard has taken none.
    pub fn behind(&self) -> Option<EventTime> {
        self.shards.iter().map(|hearing| hearing.tick).min().flatten()
    }

    /// Whether any of these shards took it.
    fn hand_all(
        &mut self,
        shards: impl Iterator<Item = Shard>,
        event: &Event,
        order: &mut Order,
    ) -> Result<(), Passed> {
        let mut taken = Err(None);
        for shard in shards {
            match (self.hand(shard, None, event, order), taken) {
                (Ok(()), _) => taken = Ok(()),
                (Err(passed), Err(None)) => taken = Err(Some(passed)),
                (Err(_), _) => {}
            }
        }
        taken.map_err(|passed| passed.unwrap_or(Passed::InSnapshot))
    }

    fn hand(
        &mut self,
        shard: Shard,
        entry: Option<EntryId>,
        event: &Event,
        order: &mut Order,
    ) -> Result<(), Passed> {
        let Some(hearing) = self.shards.get_mut(usize::from(shard.number())) else { return Ok(()) };
        if entry.is_some_and(|entry| hearing.resumed_at.is_some_and(|at| entry <= at)) {
            return Err(Passed::InSnapshot);
        }
        let taken = hearing.engine.take(event, &mut self.said);
        if let (Ok(()), Event::Tick(tick)) = (taken, event) {
            hearing.tick = hearing.tick.max(Some(tick.event_time_ms));
        }
        self.said.drain(..).for_each(|finding| order.put(finding));
        taken.map_err(Passed::Refused)
    }
}

/// Findings that are held back until nothing can precede them any more.
#[derive(Debug, Default)]
pub struct Order {
    held: BTreeMap<Rank, Finding>,
    count: u64,
}

impl Order {
    /// Holds a finding.
    fn put(&mut self, finding: Finding) {
        self.count += 1;
        self.held.insert(rank(&finding, self.count), finding);
    }

    /// Pushes, in order, what nothing can precede any more: what is known before the furthest that any detector who
    /// speaks into this is `behind` ([`Shards::behind`]). Nothing where one of them has not begun.
    pub fn release(&mut self, behind: &[Option<EventTime>], out: &mut Vec<Finding>) {
        let Some(behind) = behind.iter().copied().min().flatten() else { return };
        while let Some(first) = self.held.first_entry().filter(|first| first.key().0 < behind) {
            out.push(first.remove());
        }
    }

    /// The findings that are still held, in order; to be asked for when no event is left.
    pub fn finish(self) -> impl Iterator<Item = Finding> {
        self.held.into_values()
    }

    /// Whether none is held.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// How many are held.
    pub fn len(&self) -> usize {
        self.held.len()
    }
}

/// One detector over one sequence of events.
///
/// A finding is held back until every shard has taken a tick past it; where a shard never hears one, to the end.
/// So what is held is a second's findings where ticks go to all shards, and in any case no more than the findings.
#[derive(Debug)]
pub struct Replay<E> {
    shards: Shards<E>,
    order: Order,
}

impl<E: Engine> Replay<E> {
    /// Engines that have heard nothing yet, made by `engine`.
    pub fn new(engine: impl Fn(Shard) -> E) -> Self {
        Self { shards: Shards::new(engine), order: Order::default() }
    }

    /// As [`Shards::resume`].
    pub fn resume(&mut self, shard: Shard, at: EntryId, state: E::State) {
        self.shards.resume(shard, at, state);
    }

    /// As [`Shards::take`]. Pushes the findings that nothing can precede any more.
    ///
    /// # Errors
    /// No engine took it, and why.
    pub fn take(
        &mut self,
        place: Option<Place>,
        event: &Event,
        out: &mut Vec<Finding>,
    ) -> Result<(), Passed> {
        let taken = self.shards.take(place, event, &mut self.order);
        if let Event::Tick(_) = event
            && !self.order.is_empty()
        {
            self.order.release(&[self.shards.behind()], out);
        }
        taken
    }

    /// As [`Order::finish`].
    pub fn finish(self) -> impl Iterator<Item = Finding> {
        self.order.finish()
    }

    /// How many findings are held back.
    pub fn held(&self) -> usize {
        self.order.len()
    }
}

fn rank(finding: &Finding, count: u64) -> Rank {
    let (episode, revision) = match finding {
        Finding::Cascade(cascade) => (Some(cascade.episode), cascade.revision),
        Finding::OpenInterest(interest) => (Some(interest.episode), interest.revision),
        Finding::LargeLiquidation(_) | Finding::Feed(_) => (None, 0),
    };
    let symbol = finding.symbol().copied();
    (finding.known_at(), symbol, finding.kind(), episode, revision, finding.id(), count)
}
