//! Identity of events and findings: a 64-bit hash, written as 16 hex digits, the same on every machine.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use xxhash_rust::xxh3::xxh3_64;

/// 64 bits that name one event, finding or episode; 16 lower-case hex digits on the wire.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(u64);

impl Id {
    /// The id of these bits.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// The bits.
    pub const fn bits(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Hex;
        impl serde::de::Visitor<'_> for Hex {
            type Value = Id;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("16 hex digits")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Id, E> {
                let bits =
                    |bits: u64, digit: u8| Some(bits << 4 | u64::from(char::from(digit).to_digit(16)?));
                let bits = (text.len() == 16).then(|| text.bytes().try_fold(0, bits)).flatten();
                bits.map(Id).ok_or_else(|| E::custom("an id that is not 16 hex digits"))
            }
        }
        deserializer.deserialize_str(Hex)
    }
}

/// Builds an [`Id`] from fields in order; texts are length-prefixed, so that no two field lists run together.
#[derive(Clone)]
pub struct IdHasher(Vec<u8>);

/// Bytes that the fields of most ids fit in.
const COMMON_BYTES: usize = 192;

impl fmt::Debug for IdHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdHasher")
    }
}

impl IdHasher {
    /// A hasher for things of this kind (`"liquidation"`, `"cascade"`, ...).
    pub fn new(kind: &str) -> Self {
        Self(Vec::with_capacity(COMMON_BYTES)).text(kind)
    }

    /// Adds a text.
    #[must_use]
    pub fn text(mut self, text: &str) -> Self {
        self.0.extend_from_slice(&(text.len() as u64).to_le_bytes());
        self.0.extend_from_slice(text.as_bytes());
        self
    }

    /// Adds an integer.
    #[must_use]
    pub fn int(mut self, value: i64) -> Self {
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }

    /// Adds a number by its bits (`82396.90` and `82396.9` are one number; so are `-0` and `0`).
    #[must_use]
    pub fn number(mut self, value: f64) -> Self {
        self.0.extend_from_slice(&(value + 0.0).to_bits().to_le_bytes());
        self
    }

    /// The id.
    pub fn finish(self) -> Id {
        Id(xxh3_64(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_never_change() {
        let id = IdHasher::new("liquidation").text("bybit").text("币安人生USDT").int(-1_790_000_040_123);
        assert_eq!(id.clone().finish().to_string(), "1564d43e914969af");
        assert_eq!(
            id.number(-0.0).number(82_396.9).text(&"x".repeat(600)).finish().to_string(),
            "661e727500ec14e0"
        );
        assert_eq!(IdHasher::new("").finish().to_string(), "c77b3abb6f87acd9");
    }
}
