//! The velocity engine of one symbol: counts and sums over six windows, acceleration and jerk on a grid of 100 ms,
//! the largest order, the leading venue. Integers throughout: rolling figures equal fresh ones exactly.

use std::cmp::Reverse;

use cascade_domain::{Coverage, EventTime, Liquidation, Side, Usd, Venue, Windows};
use cascade_engine::{Peak, Tally, Timed, Timeline};
use serde::{Deserialize, Serialize};

use crate::ledger::{Filed, Ledger};
use crate::rungs::Sides;

/// The longest window, milliseconds.
pub(crate) const LONGEST_MS: i64 = Windows::<u64>::MS[5];
/// Acceleration and jerk are taken at whole multiples of this.
const GRID_MS: i64 = 100;
/// How far behind the grid point each of the four grid cursors stands.
const GRID_LAGS_MS: [i64; 4] = [0, 2_000, 4_000, 6_000];
/// The windows that an evaluation needs or that say what is still held; the others' cursors follow once a second, and
/// where they are shown in between, they are worked out.
const WATCHED: [usize; 4] = [2, 3, 4, 5];
const SHOWN: [usize; 2] = [0, 1];

/// Which of the six windows.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Window {
    Ms100,
    S2 = 2,
    S10,
    S30,
    S60,
}

/// One print in its place in time.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(into = "Kept", try_from = "Kept")]
struct Print {
    at: EventTime,
    usd: Usd,
    venue: Venue,
    side: Side,
    /// The first print of its order.
    first: bool,
    /// Of a venue that publishes every liquidation.
    complete: bool,
}

impl Timed for Print {
    #[inline]
    fn at(&self) -> EventTime {
        self.at
    }
}

/// A print as it is written down: when, micro-dollars, and the rest in one small number. There are many of them.
type Kept = (EventTime, i64, usize);

impl From<Print> for Kept {
    fn from(print: Print) -> Self {
        let flags = [print.side == Side::Short, print.first, print.complete];
        let flags =
            flags.into_iter().fold(print.venue as usize, |packed, flag| packed << 1 | usize::from(flag));
        (print.at, print.usd.micros(), flags)
    }
}

impl TryFrom<Kept> for Print {
    type Error = &'static str;

    fn try_from((at, micros, flags): Kept) -> Result<Self, Self::Error> {
        let venue = *Venue::ALL.get(flags >> 3).ok_or("a print of no venue")?;
        let side = if flags & 4 == 0 { Side::Long } else { Side::Short };
        let (first, complete) = (flags & 2 != 0, flags & 1 != 0);
        Ok(Self { at, usd: Usd::from_micros(micros), venue, side, first, complete })
    }
}

/// Orders and micro-dollars, of all venues and of those that publish every liquidation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sum {
    count: u64,
    long: i128,
    short: i128,
    complete_count: u64,
    complete_usd: i128,
}

impl Tally<Print> for Sum {
    #[inline]
    fn add(&mut self, print: &Print) {
        // Masks instead of branches: sides and venues come in no order that a processor could foresee.
        let usd = print.usd.micros();
        let first = u64::from(print.first);
        let only = |applies: bool| i128::from(usd & -i64::from(applies));
        self.count = self.count.wrapping_add(first);
        self.long = self.long.wrapping_add(only(print.side == Side::Long));
        self.short = self.short.wrapping_add(only(print.side == Side::Short));
        self.complete_count = self.complete_count.wrapping_add(first & u64::from(print.complete));
        self.complete_usd = self.complete_usd.wrapping_add(only(print.complete));
    }

    #[inline]
    fn since(self, earlier: Self) -> Self {
        Self {
            count: self.count.wrapping_sub(earlier.count),
            long: self.long.wrapping_sub(earlier.long),
            short: self.short.wrapping_sub(earlier.short),
            complete_count: self.complete_count.wrapping_sub(earlier.complete_count),
            complete_usd: self.complete_usd.wrapping_sub(earlier.complete_usd),
        }
    }
}

/// The beginning of an order.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Pulse(EventTime);

impl Timed for Pulse {
    #[inline]
    fn at(&self) -> EventTime {
        self.0
    }
}

/// Orders.
#[derive(Clone, Copy, Debug, Default)]
struct Count(u64);

impl Tally<Pulse> for Count {
    #[inline]
    fn add(&mut self, _: &Pulse) {
        self.0 = self.0.wrapping_add(1);
    }

    #[inline]
    fn since(self, earlier: Self) -> Self {
        Self(self.0.wrapping_sub(earlier.0))
    }
}

/// The velocity engine of one symbol.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Flow {
    prints: Timeline<Print, Sum, 6>,
    /// The orders of the 6 s before the grid point and of what came since.
    pulses: Timeline<Pulse, Count, 4>,
    /// Micro-dollars.
    largest: Peak<i64>,
    leading: Peak<(Reverse<EventTime>, Reverse<Venue>)>,
    ledger: Ledger,
    now: EventTime,
    /// The last grid point passed.
    grid: EventTime,
    /// The orders of the three 2 s that end there, latest first.
    beats: [u64; 3],
    /// When the last print that was dropped for want of room was, by venue.
    trimmed: [Option<EventTime>; Venue::ALL.len()],
}

impl Default for Flow {
    fn default() -> Self {
        let start = EventTime::from_ms(0);
        Self {
            prints: Timeline::default(),
            pulses: Timeline::default(),
            largest: Peak::default(),
            leading: Peak::default(),
            ledger: Ledger::default(),
            now: start,
            grid: start,
            beats: [0; 3],
            trimmed: [None; Venue::ALL.len()],
        }
    }
}

impl Flow {
    /// Whether no print lies in the longest window.
    pub(crate) fn is_empty(&self) -> bool {
        self.prints.is_empty()
    }

    /// Moves every window forward to `now`.
    #[inline]
    pub(crate) fn advance(&mut self, now: EventTime) {
        if now <= self.now {
            return;
        }
        let second_passed = now.second() > self.now.second();
        self.now = now;
        for window in WATCHED {
            self.prints.advance(window, now.plus_ms(-Windows::<u64>::MS[window]));
        }
        if second_passed {
            for window in SHOWN {
                self.prints.advance(window, now.plus_ms(-Windows::<u64>::MS[window]));
            }
        }
        self.advance_grid();
        let boundary = now.plus_ms(-LONGEST_MS);
        if self.prints.oldest().is_some_and(|oldest| oldest.at <= boundary) {
            self.prints.release();
        }
        self.largest.forget(boundary);
        self.leading.forget(boundary);
        self.ledger.forget(boundary);
    }

    #[inline]
    fn advance_grid(&mut self) {
        let passed = self.now.plus_ms(-1).ms();
        let grid = EventTime::from_ms(passed.saturating_sub(passed.rem_euclid(GRID_MS)));
        if grid <= self.grid {
            return;
        }
        self.grid = grid;
        for (cursor, lag) in GRID_LAGS_MS.iter().enumerate() {
            self.pulses.advance(cursor, grid.plus_ms(-lag));
        }
        self.beats = std::array::from_fn(|beat| self.pulses.between(beat + 1, beat).0);
        self.pulses.release();
    }

    /// Takes a print known `at` some time of the longest window, and says what order it belongs to.
    #[inline]
    pub(crate) fn take(&mut self, at: EventTime, print: &Liquidation, room: usize) -> Filed {
        let filed = self.ledger.file(self.now, print, room);
        let complete = print.coverage == Coverage::Complete;
        self.prints.insert(Print {
            at,
            usd: print.notional_usd,
            venue: print.venue,
            side: print.side,
            first: filed.first,
            complete,
        });
        if filed.first {
            self.pulses.insert(Pulse(at));
        }
        self.largest.insert(at, filed.sum.micros());
        if complete {
            self.leading.insert(at, (Reverse(print.event_time_ms), Reverse(print.venue)));
        }
        if self.prints.len() > room
            && let Some(dropped) = self.prints.drop_oldest()
        {
            if dropped.first && self.pulses.oldest().is_some_and(|oldest| oldest.0 == dropped.at) {
                self.pulses.drop_oldest();
            }
            self.largest.forget(dropped.at);
            self.leading.forget(dropped.at);
            let trimmed = &mut self.trimmed[dropped.venue as usize];
            *trimmed = (*trimmed).max(Some(dropped.at));
        }
        filed
    }

    /// Orders of a window; of the two shortest, only those of venues that publish every liquidation.
    #[inline]
    pub(crate) fn count(&self, window: Window) -> u64 {
        self.counts(window as usize)
    }

    /// Orders a second.
    #[inline]
    #[expect(clippy::cast_precision_loss, reason = "orders of a minute, and a length in milliseconds")]
    pub(crate) fn velocity(&self, window: Window) -> f64 {
        self.count(window) as f64 * 1e3 / Windows::<u64>::MS[window as usize] as f64
    }

    /// US dollars a second.
    #[inline]
    pub(crate) fn usd_velocity(&self, window: Window) -> f64 {
        self.usd_velocities(window as usize)
    }

    /// Micro-dollars by side, of all venues.
    #[inline]
    pub(crate) fn sides(&self, window: Window) -> Sides {
        let sum = self.sum(window as usize);
        Sides { long: sum.long, short: sum.short }
    }

    /// All six windows: orders, orders a second, US dollars a second.
    pub(crate) fn windows(&self) -> (Windows<u64>, Windows<f64>, Windows<f64>) {
        let counts: [u64; 6] = std::array::from_fn(|window| self.counts(window));
        #[expect(clippy::cast_precision_loss, reason = "orders of a minute, and a length in milliseconds")]
        let velocities: [f64; 6] =
            std::array::from_fn(|window| counts[window] as f64 * 1e3 / Windows::<u64>::MS[window] as f64);
        let usd = std::array::from_fn(|window| self.usd_velocities(window));
        (Windows(counts), Windows(velocities), Windows(usd))
    }

    /// Orders a second, a second, at the last grid point passed; unknown if what happened up to `void` is not.
    #[inline]
    #[expect(clippy::cast_precision_loss, reason = "orders of two seconds")]
    pub(crate) fn acceleration(&self, void: EventTime) -> Option<f64> {
        let [latest, before, _] = self.beats;
        (void <= self.grid.plus_ms(-GRID_LAGS_MS[2])).then(|| (latest as f64 - before as f64) / 4.0)
    }

    /// Orders a second, a second, a second, likewise.
    #[expect(clippy::cast_precision_loss, reason = "orders of two seconds")]
    pub(crate) fn jerk(&self, void: EventTime) -> Option<f64> {
        let [latest, before, first] = self.beats.map(|count| count as f64);
        (void <= self.grid.plus_ms(-GRID_LAGS_MS[3])).then(|| (latest - 2.0 * before + first) / 8.0)
    }

    /// The largest order of which a print lies in the last 60 s.
    pub(crate) fn largest(&self) -> Usd {
        self.largest.greatest().map_or(Usd::ZERO, Usd::from_micros)
    }

    /// The first venue by event time in the last 60 s, among those that publish every liquidation.
    pub(crate) fn leading(&self) -> Option<Venue> {
        self.leading.greatest().map(|(_, Reverse(venue))| venue)
    }

    /// Whether prints of this venue that belong into the last 60 s were dropped for want of room.
    pub(crate) fn trimmed(&self, venue: Venue) -> bool {
        self.trimmed[venue as usize].is_some_and(|at| at > self.now.plus_ms(-LONGEST_MS))
    }

    /// What lies in a window as of now.
    #[inline]
    fn sum(&self, window: usize) -> Sum {
        if WATCHED.contains(&window) {
            return self.prints.after(window);
        }
        self.prints.after_time(window, self.now.plus_ms(-Windows::<u64>::MS[window]))
    }

    #[inline]
    fn counts(&self, window: usize) -> u64 {
        let sum = self.sum(window);
        if window < 2 { sum.complete_count } else { sum.count }
    }

    #[inline]
    #[expect(clippy::cast_precision_loss, reason = "shown, and scored; sums stay in micro-dollars")]
    fn usd_velocities(&self, window: usize) -> f64 {
        let sum = self.sum(window);
        let usd = if window < 2 { sum.complete_usd } else { sum.long.saturating_add(sum.short) };
        // The same double either way, but a short integer is converted by the processor.
        let usd = i64::try_from(usd).map_or(usd as f64, |usd| usd as f64);
        usd / (1e3 * Windows::<u64>::MS[window] as f64)
    }
}
