//! Coins as whole numbers: micro-coins where they are summed and compared, and for each line a unit of its own in which
//! they are kept.
//!
//! A unit is a power of ten of micro-coins, the smallest in which a line's first sample is at most 10^16: 16 digits, as
//! many as the number that was read had, and room to grow 900 times. 30 trillion PEPE are kept in units of a hundredth
//! of a coin, 30 thousand BTC in micro-coins.

use serde::{Deserialize, Serialize};

const MICRO: f64 = 1e6;
/// More micro-coins than this are no open interest, and nothing that sums and products have room for.
const MOST: f64 = 1e26;
/// A first sample has at most so many units.
const ROOM: i128 = 10_000_000_000_000_000;
/// A sample of fewer is too coarse for a unit above a micro-coin.
const COARSE: i64 = 10_000_000;
const LARGEST: u8 = 10;

/// Whole micro-coins of so many coins; `None` of an amount that is none.
pub(crate) fn micros(coins: f64) -> Option<i128> {
    let micros = (coins * MICRO).round_ties_even();
    #[expect(clippy::cast_possible_truncation, reason = "the range is checked on the same line")]
    (0.0..=MOST).contains(&micros).then_some(micros as i128)
}

/// Coins of so many micro-coins, as the nearest double.
#[expect(clippy::cast_precision_loss, reason = "for people and prices; sums stay in micro-coins")]
pub(crate) fn coins(micros: i128) -> f64 {
    micros as f64 / MICRO
}

/// The power of ten of micro-coins in which a line is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub(crate) struct Unit(u8);

impl Unit {
    /// The unit of a line that begins with so many micro-coins.
    pub(crate) fn of(micros: i128) -> Self {
        Self((0..LARGEST).find(|exponent| micros <= ROOM * Self(*exponent).size()).unwrap_or(LARGEST))
    }

    const fn size(self) -> i128 {
        10_i128.pow(self.0 as u32)
    }

    /// So many micro-coins in this unit, the nearest whole number; `None` if they are too many for it, or so few that it
    /// would tell no change of them.
    pub(crate) fn count(self, micros: i128) -> Option<i64> {
        let count = i64::try_from(micros.saturating_add(self.size() / 2) / self.size()).ok()?;
        (self.0 == 0 || count >= COARSE).then_some(count)
    }

    /// So many of this unit in micro-coins.
    pub(crate) fn micros(self, count: i64) -> i128 {
        i128::from(count) * self.size()
    }
}

impl TryFrom<u8> for Unit {
    type Error = &'static str;

    fn try_from(exponent: u8) -> Result<Self, Self::Error> {
        if exponent <= LARGEST { Ok(Self(exponent)) } else { Err("a unit of coins that no line has") }
    }
}

impl From<Unit> for u8 {
    fn from(unit: Unit) -> Self {
        unit.0
    }
}
