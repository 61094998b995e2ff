//! Money: whole micro-dollars, so that sums are exact and the same on every machine.

use std::fmt;
use std::ops::{Add, AddAssign, Sub, SubAssign};

use rust_decimal::{Decimal, RoundingStrategy, prelude::ToPrimitive};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// US dollars in whole micro-dollars. On the wire a number of dollars (`494.3814`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Usd(i64);

/// One more than the largest sum has micro-dollars, and the double nearest to it.
const TWO_POW_63: f64 = 9_223_372_036_854_775_808.0;

impl Usd {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// The largest sum that one event may bear, one trillion dollars: more is a unit error, never a trade.
    pub const LARGEST_EVENT: Self = Self(1_000_000_000_000_000_000);

    /// So many micro-dollars.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// So many whole dollars; saturates beyond nine trillion.
    pub const fn from_dollars(dollars: i64) -> Self {
        Self(dollars.saturating_mul(1_000_000))
    }

    /// A decimal number of dollars, rounded half to even to whole micro-dollars.
    /// `None` if that does not fit.
    pub fn from_decimal(dollars: Decimal) -> Option<Self> {
        let micros = dollars.checked_mul(Decimal::from(1_000_000))?;
        micros.round_dp_with_strategy(0, RoundingStrategy::MidpointNearestEven).to_i64().map(Self)
    }

    /// A floating number of dollars, rounded half to even to whole micro-dollars.
    /// `None` if it is not finite or does not fit. All that [`Usd::dollars`] gives does, the largest sum included.
    pub fn from_f64(dollars: f64) -> Option<Self> {
        let micros = (dollars * 1e6).round_ties_even();
        #[expect(clippy::cast_possible_truncation, reason = "2^63 becomes the largest sum, more is refused")]
        (micros.abs() <= TWO_POW_63).then_some(Self(micros as i64))
    }

    /// Micro-dollars.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Dollars, as the nearest double.
    #[expect(clippy::cast_precision_loss, reason = "for people and ratios; sums stay in micro-dollars")]
    pub fn dollars(self) -> f64 {
        self.0 as f64 / 1e6
    }
}

impl Add for Usd {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Usd {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for Usd {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl SubAssign for Usd {
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}

impl fmt::Display for Usd {
    /// Short, for people: `$950`, `$18.4k`, `$1.2M`, `$3.1B`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dollars = self.dollars();
        let text = match dollars.abs() {
            d if d >= 999.95e6 => format!("${:.1}B", dollars / 1e9),
            d if d >= 999.95e3 => format!("${:.1}M", dollars / 1e6),
            d if d >= 999.5 => format!("${:.1}k", dollars / 1e3),
            _ => format!("${dollars:.0}"),
        };
        f.pad(&text)
    }
}

impl Serialize for Usd {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.dollars())
    }
}

impl<'de> Deserialize<'de> for Usd {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let dollars = f64::deserialize(deserializer)?;
        Self::from_f64(dollars).ok_or_else(|| serde::de::Error::custom("dollars that are no finite amount"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn micro_dollars_round_half_to_even() {
        let of = |text: &str| Usd::from_decimal(text.parse().unwrap()).unwrap().micros();
        assert_eq!(of("0.0000005"), 0);
        assert_eq!(of("0.0000015"), 2);
        assert_eq!(of("0.0000025"), 2);
        assert_eq!(of("-0.0000015"), -2);
        assert_eq!(of("494.3814"), 494_381_400);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert_eq!(Usd::from_decimal(Decimal::MAX), None);
        assert_eq!(Usd::from_f64(f64::NAN), None);
        assert_eq!(Usd::from_f64(f64::INFINITY), None);
        assert_eq!(Usd::from_f64(1e13), None);
        assert_eq!(Usd::from_f64(-1e13), None);
    }

    #[test]
    fn the_largest_sums_are_read_as_they_were_written() {
        for micros in
            [i64::MIN, i64::MIN + 1, -9_200_000_000_000_000_001, 9_200_000_000_000_000_001, i64::MAX]
        {
            let dollars = Usd::from_micros(micros).dollars();
            assert_eq!(Usd::from_f64(dollars).map(Usd::dollars), Some(dollars), "{micros}");
        }
    }

    #[test]
    fn people_read_short_amounts() {
        let shown = |dollars| Usd::from_dollars(dollars).to_string();
        assert_eq!(shown(950), "$950");
        assert_eq!(shown(18_400), "$18.4k");
        assert_eq!(shown(1_200_000), "$1.2M");
        assert_eq!(shown(999_960), "$1.0M");
        assert_eq!(shown(3_100_000_000), "$3.1B");
    }
}
