//! Episodes: told once, held without flapping, closed when quiet. Knows levels and times, not what they come from.

use cascade_domain::{EventTime, Id, IdHasher, Level, Side, State, Symbol};
use serde::{Deserialize, Serialize};

use crate::rungs::{Reached, Reasons, Sides};

/// When each level was last reached, and by which rungs.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Hold {
    seen: [Option<(EventTime, Reasons)>; Level::ALL.len()],
}

impl Hold {
    /// Notes an evaluation.
    pub(crate) fn note(&mut self, now: EventTime, reached: Reached) {
        self.seen[reached.level as usize] = Some((now, reached.reasons));
    }

    /// The highest level of the last `hold_ms`, with its rungs as of its last evaluation.
    pub(crate) fn held(&self, now: EventTime, hold_ms: i64) -> Reached {
        let start = now.plus_ms(-hold_ms);
        for level in [Level::Extreme, Level::Critical, Level::Alert, Level::Watch] {
            if let Some((at, reasons)) = self.seen[level as usize]
                && at > start
            {
                return Reached { level, reasons };
            }
        }
        Reached::default()
    }
}

/// What is to be told of an episode.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told {
    pub(crate) state: State,
    pub(crate) held: Reached,
    pub(crate) previous: Level,
}

/// One cascade, from its onset on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Episode {
    pub(crate) id: Id,
    pub(crate) onset: EventTime,
    pub(crate) onset_price: Option<f64>,
    pub(crate) revision: u64,
    pub(crate) level: Level,
    pub(crate) peak: Level,
    pub(crate) direction: Side,
    /// Orders and micro-dollars since 30 s before the onset.
    pub(crate) orders: u64,
    pub(crate) sides: Sides,
    /// Since when the held level is NONE, and the reference price then.
    pub(crate) quiet: Option<(EventTime, Option<f64>)>,
}

impl Episode {
    /// An episode that begins now.
    pub(crate) fn open(symbol: &Symbol, onset: EventTime, price: Option<f64>) -> Self {
        Self {
            id: IdHasher::new("episode").text(symbol.as_str()).int(onset.ms()).finish(),
            onset,
            onset_price: price,
            revision: 0,
            level: Level::None,
            peak: Level::None,
            direction: Side::Long,
            orders: 0,
            sides: Sides::default(),
            quiet: None,
        }
    }

    /// Counts what was liquidated: at the opening what opened it, then what follows.
    #[inline]
    pub(crate) fn add(&mut self, orders: u64, sides: Sides) {
        self.orders = self.orders.saturating_add(orders);
        self.sides.long = self.sides.long.saturating_add(sides.long);
        self.sides.short = self.sides.short.saturating_add(sides.short);
    }

    /// Takes the held level as of now and says what there is to tell: the opening, a change of level, and on a tick
    /// that it goes on at ALERT or above.
    pub(crate) fn step(
        &mut self,
        now: EventTime,
        held: Reached,
        price: Option<f64>,
        is_tick: bool,
    ) -> Option<Told> {
        let previous = self.level;
        if held.level == previous {
            let goes_on = is_tick && held.level >= Level::Alert;
            return goes_on.then_some(Told { state: State::Update, held, previous });
        }
        let state = if self.peak == Level::None { State::Open } else { State::Level };
        self.level = held.level;
        self.peak = self.peak.max(held.level);
        self.quiet = (held.level == Level::None).then_some((now, price));
        Some(Told { state, held, previous })
    }

    /// What is to be told if the episode has been quiet for `close_ms`. From here on its direction is the side of
    /// which it liquidated more, whatever came last.
    pub(crate) fn over(&mut self, now: EventTime, close_ms: i64) -> Option<Told> {
        let (since, _) = self.quiet?;
        if now.since(since) < close_ms {
            return None;
        }
        self.direction = self.sides.dominant();
        let state = if self.peak >= Level::Alert { State::Resolved } else { State::Closed };
        Some(Told { state, held: Reached::default(), previous: self.level })
    }
}
