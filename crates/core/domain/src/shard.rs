//! The 64 fixed shards: which one a symbol (or a scope) belongs to.

use std::fmt;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::Symbol;

/// How many shards there are. Fixed for ever: it is part of the contract.
pub const SHARDS: u8 = 64;

/// One of the 64 shards, written as two digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Shard(u8);

impl Shard {
    /// The shard of this number; `None` from 64 on.
    pub fn new(number: u8) -> Option<Self> {
        (number < SHARDS).then_some(Self(number))
    }

    /// The shard of a symbol: `xxh3_64(UTF-8 symbol, seed 0) mod 64`.
    pub fn of(symbol: &Symbol) -> Self {
        Self::of_scope(symbol.as_str())
    }

    /// The shard of a scope such as `feed:binance`, by the same rule.
    pub fn of_scope(scope: &str) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "a remainder of 64 fits")]
        Self((xxh3_64(scope.as_bytes()) % u64::from(SHARDS)) as u8)
    }

    /// All shards, in order.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..SHARDS).map(Self)
    }

    /// 0..=63.
    pub const fn number(self) -> u8 {
        self.0
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shards_of_well_known_symbols_never_move() {
        let of = |text| Shard::of(&Symbol::parse(text).unwrap()).number();
        assert_eq!((of("BTCUSDT"), of("ETHUSDT"), of("SOLUSDT")), (5, 7, 7));
        assert_eq!(Shard::new(64), None);
    }
}
