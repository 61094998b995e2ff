//! Names of markets: `Symbol` is ours and compares venues, `Instrument` is the venue's own.
//!
//! Both are `Copy` values of bounded length, so that an event is moved without allocating.

use std::fmt;

use arrayvec::ArrayString;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Longest symbol, in bytes of UTF-8.
const SYMBOL_BYTES: usize = 32;
/// Longest instrument name, in bytes of UTF-8.
const INSTRUMENT_BYTES: usize = 40;

/// Why a text is not a market name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing there.
    #[error("an empty name")]
    Empty,
    /// Longer than any venue's names are.
    #[error("a name of {0} bytes is longer than any market's")]
    TooLong(usize),
    /// Whitespace, control characters or braces (which would break a Redis hash tag).
    #[error("a name with a character that no market has: {0:?}")]
    BadCharacter(char),
}

const fn is_reserved(c: char) -> bool {
    matches!(c, '{' | '}' | '"' | '\\')
}

fn checked<const N: usize>(text: &str) -> Result<ArrayString<N>, NameError> {
    if text.is_empty() {
        return Err(NameError::Empty);
    }
    // Nearly every name is plain: what the others are made of is looked up character by character.
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !is_reserved(char::from(byte));
    let is_bad = |c: &char| c.is_whitespace() || c.is_control() || is_reserved(*c);
    if !text.bytes().all(is_plain)
        && let Some(bad) = text.chars().find(is_bad)
    {
        return Err(NameError::BadCharacter(bad));
    }
    ArrayString::from(text).map_err(|_| NameError::TooLong(text.len()))
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $bytes:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(ArrayString<$bytes>);

        impl $name {
            /// Takes a text as a name.
            ///
            /// # Errors
            /// Empty, too long, or with a character that no market has.
            pub fn parse(text: &str) -> Result<Self, NameError> {
                checked(text).map(Self)
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Text;
                impl serde::de::Visitor<'_> for Text {
                    type Value = $name;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("a market name")
                    }
                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$name, E> {
                        $name::parse(text).map_err(E::custom)
                    }
                }
                deserializer.deserialize_str(Text)
            }
        }
    };
}

name!(
    /// The market in which venues are compared: BASE + `USDT` for every dollar-quoted perpetual of that base,
    /// whatever it is margined in. Multiplied listings are already undone (`1000PEPEUSDT` is `PEPEUSDT`).
    Symbol,
    SYMBOL_BYTES
);
name!(
    /// The venue's own name of a contract, e.g. `BTC-USDT-SWAP`.
    Instrument,
    INSTRUMENT_BYTES
);

impl Symbol {
    /// The symbol of a base asset's dollar-quoted perpetuals.
    ///
    /// # Errors
    /// As [`Symbol::parse`], of the text with `USDT` added.
    pub fn of_base(base: &str) -> Result<Self, NameError> {
        let mut text = checked::<SYMBOL_BYTES>(base)?;
        text.try_push_str("USDT").map_err(|_| NameError::TooLong(base.len() + 4))?;
        Ok(Self(text))
    }

    /// The base asset: the symbol without its `USDT`.
    pub fn base(&self) -> &str {
        self.as_str().strip_suffix("USDT").unwrap_or(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_becomes_a_symbol_and_back() {
        let symbol = Symbol::of_base("1INCH").unwrap();
        assert_eq!((symbol.as_str(), symbol.base()), ("1INCHUSDT", "1INCH"));
        assert_eq!(Symbol::parse("币安人生USDT").unwrap().as_str(), "币安人生USDT");
    }

    #[test]
    fn nonsense_is_refused_with_its_reason() {
        assert_eq!(Symbol::parse(""), Err(NameError::Empty));
        assert_eq!(Symbol::parse("BTC USDT"), Err(NameError::BadCharacter(' ')));
        assert_eq!(Symbol::parse("{s01}"), Err(NameError::BadCharacter('{')));
        assert_eq!(Symbol::parse(&"A".repeat(33)), Err(NameError::TooLong(33)));
    }
}
