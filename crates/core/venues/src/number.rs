//! Numbers from the venues' text: exact decimals for money, correctly rounded doubles for prices and quantities.
//!
//! Knows nothing of sides, instruments or frames. A number carries the venue's name of its field, so that a refusal
//! can say where it stood.

use cascade_domain::Usd;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use crate::DecodeError;
use crate::instruments::{Market, Sizing};

/// Longest text that is read as a number.
const LONGEST: usize = 80;
/// Largest power of ten by which an exponent may move the point.
const LARGEST_EXPONENT: i32 = 60;
/// Powers of ten that a double holds exactly.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
    1e19, 1e20, 1e21, 1e22,
];
/// Largest integer up to which a double holds every one.
const EXACT: u64 = 1 << 53;

/// A finite number as it stood in a field.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Number<'a> {
    /// The venue's name of the field.
    field: &'static str,
    /// What stood there.
    text: &'a str,
    /// Its value, to 28 digits.
    pub(crate) decimal: Decimal,
    /// The double nearest to its text.
    pub(crate) double: f64,
}

impl<'a> Number<'a> {
    /// Reads a text such as `82396.90`, `-0.0001` or `1.5e-7`. Texts of no finite number, and numbers too large or too
    /// small for 28 decimal digits, are refused.
    pub(crate) fn parse(field: &'static str, text: &'a str) -> Result<Self, DecodeError> {
        plain(text)
            .or_else(|| general(text))
            .map(|(decimal, double)| Self { field, text, decimal, double })
            .ok_or_else(|| bad(field, text))
    }

    /// Reads a number above zero.
    pub(crate) fn positive(field: &'static str, text: &'a str) -> Result<Self, DecodeError> {
        let number = Self::parse(field, text)?;
        if number.decimal.is_sign_negative() || number.decimal.is_zero() {
            Err(number.bad())
        } else {
            Ok(number)
        }
    }

    /// Reads a number of zero or more.
    pub(crate) fn not_negative(field: &'static str, text: &'a str) -> Result<Self, DecodeError> {
        let number = Self::parse(field, text)?;
        if number.decimal.is_sign_negative() && !number.decimal.is_zero() {
            Err(number.bad())
        } else {
            Ok(number)
        }
    }

    /// So many times as much.
    ///
    /// # Errors
    /// More than 28 digits hold.
    pub(crate) fn times(&self, factor: Decimal) -> Result<Self, DecodeError> {
        let decimal = self.decimal.checked_mul(factor).ok_or_else(|| self.bad())?;
        Ok(Self { decimal, double: nearest(decimal), ..*self })
    }

    /// The refusal of this number.
    fn bad(&self) -> DecodeError {
        bad(self.field, self.text)
    }
}

/// The refusal of what stood in a field.
pub(crate) fn bad(field: &'static str, text: &str) -> DecodeError {
    DecodeError::BadNumber { field, value: cut(text, 48) }
}

/// A text cut to at most so many characters.
pub(crate) fn cut(text: &str, most: usize) -> String {
    let mut short: String = text.chars().take(most).collect();
    if short.len() < text.len() {
        short.push_str("...");
    }
    short
}

/// Digits with at most one point and 18 digits in all: nearly every number that a venue sends.
fn plain(text: &str) -> Option<(Decimal, f64)> {
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    if digits.is_empty() || digits.len() > 19 {
        return None;
    }
    let mut mantissa = 0_u64;
    let mut count = 0_u32;
    let mut scale = None;
    for byte in digits.bytes() {
        match byte {
            b'0'..=b'9' if count < 18 => {
                mantissa = mantissa * 10 + u64::from(byte - b'0');
                count += 1;
                scale = scale.map(|s: u32| s + 1);
            }
            b'.' if scale.is_none() => scale = Some(0),
            _ => return None,
        }
    }
    let scale = scale.unwrap_or(0);
    if count == 0 {
        return None;
    }
    let mut decimal = Decimal::new(i64::try_from(mantissa).ok()?, scale);
    decimal.set_sign_negative(negative && mantissa != 0);
    let double = match quotient(mantissa, scale) {
        Some(double) if negative => -double,
        Some(double) => double,
        None => text.parse().ok()?,
    };
    Some((decimal, double))
}

/// Exponents, long quantities and whatever else the standard library reads as a finite number.
fn general(text: &str) -> Option<(Decimal, f64)> {
    if text.len() > LONGEST || text.contains('_') {
        return None;
    }
    let double: f64 = text.parse().ok().filter(|d: &f64| d.is_finite())?;
    let decimal = match text.find(['e', 'E']) {
        None => text.parse().ok()?,
        Some(at) => {
            let exponent: i32 = text[at + 1..].parse().ok().filter(|e: &i32| e.abs() <= LARGEST_EXPONENT)?;
            shifted(text[..at].parse().ok()?, exponent)?
        }
    };
    ((double == 0.0) == decimal.is_zero()).then_some((decimal, double))
}

/// A decimal with its point moved to the right by so many digits.
fn shifted(mut decimal: Decimal, exponent: i32) -> Option<Decimal> {
    decimal = decimal.normalize();
    let scale = i64::from(decimal.scale()) - i64::from(exponent);
    if (0..=28).contains(&scale) {
        decimal.set_scale(u32::try_from(scale).ok()?).ok()?;
        return Some(decimal);
    }
    if scale > 28 {
        return None;
    }
    let power = 10_i128.checked_pow(u32::try_from(-scale).ok()?)?;
    let up = Decimal::try_from_i128_with_scale(power, 0).ok()?;
    decimal.set_scale(0).ok()?;
    decimal.checked_mul(up)
}

/// An integer over a power of ten, correctly rounded, where both are exact in a double.
#[expect(clippy::cast_precision_loss, reason = "integers up to 2^53 are exact")]
fn quotient(mantissa: u64, scale: u32) -> Option<f64> {
    let power = POWERS.get(scale as usize)?;
    (mantissa <= EXACT).then(|| mantissa as f64 / power)
}

/// The double nearest to a decimal of zero or more.
pub(crate) fn nearest(decimal: Decimal) -> f64 {
    let short = decimal.mantissa().to_u64().and_then(|mantissa| quotient(mantissa, decimal.scale()));
    short.unwrap_or_else(|| decimal.to_string().parse().unwrap_or(f64::NAN))
}

/// A price and a quantity as the contract means them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Amount {
    /// US dollars per base coin.
    pub(crate) price: f64,
    /// Base coins.
    pub(crate) quantity: f64,
    /// US dollars, exact to the micro-dollar.
    pub(crate) usd: Usd,
}

/// What so much of a market is worth: contracts, listed coins and multiplied listings undone.
/// Refuses amounts above [`Usd::LARGEST_EVENT`] and markets of unknown contract size.
pub(crate) fn amount(market: &Market, price: &Number, quantity: &Number) -> Result<Amount, DecodeError> {
    let too_large = || quantity.bad();
    let multiplier = Decimal::from(market.multiplier);
    let linear = |coins: Decimal| coins.checked_mul(price.decimal).ok_or_else(too_large);
    let (usd, coins) = match market.sizing()? {
        Sizing::Coins => (linear(quantity.decimal)?, Some(quantity.decimal)),
        Sizing::ContractsOfCoins(size) => {
            let coins = quantity.decimal.checked_mul(size).ok_or_else(too_large)?;
            (linear(coins)?, Some(coins))
        }
        Sizing::ContractsOfUsd(size) => (quantity.decimal.checked_mul(size).ok_or_else(too_large)?, None),
        Sizing::Usd => (quantity.decimal, None),
    };
    let exact = Usd::from_decimal(usd).filter(|usd| *usd <= Usd::LARGEST_EVENT).ok_or_else(too_large)?;
    let per_coin = unit_price(market, price)?;
    let base_coins = match coins {
        Some(_) if market.multiplier == 1 && market.counts_coins() => quantity.double,
        Some(coins) => nearest(coins.checked_mul(multiplier).ok_or_else(too_large)?),
        None => nearest(usd) / per_coin,
    };
    let usable = |value: f64| value.is_finite() && value > 0.0;
    if !usable(per_coin) {
        return Err(price.bad());
    }
    if !usable(base_coins) {
        return Err(quantity.bad());
    }
    Ok(Amount { price: per_coin, quantity: base_coins, usd: exact })
}

/// A price above zero per listed coin as a price per base coin. Refused if 28 decimals do not hold it.
pub(crate) fn unit_price(market: &Market, price: &Number) -> Result<f64, DecodeError> {
    if market.multiplier == 1 {
        return Ok(price.double);
    }
    let unit = price.decimal.checked_div(Decimal::from(market.multiplier)).filter(|unit| !unit.is_zero());
    unit.map(nearest).ok_or_else(|| price.bad())
}

/// A quantity of listed coins as base coins.
pub(crate) fn unit_coins(market: &Market, coins: &Number) -> Result<f64, DecodeError> {
    if market.multiplier == 1 {
        return Ok(coins.double);
    }
    coins.decimal.checked_mul(Decimal::from(market.multiplier)).map(nearest).ok_or_else(|| coins.bad())
}

/// A number of US dollars of any size that micro-dollars hold (open interest may exceed what one event bears).
pub(crate) fn dollars(number: &Number) -> Result<Usd, DecodeError> {
    Usd::from_decimal(number.decimal).ok_or_else(|| number.bad())
}

/// What so many listed coins are worth at a price per listed coin.
pub(crate) fn worth(coins: &Number, price: &Number) -> Result<Usd, DecodeError> {
    coins.decimal.checked_mul(price.decimal).and_then(Usd::from_decimal).ok_or_else(|| coins.bad())
}

/// Half of a number, for figures that count both sides.
pub(crate) fn half<'a>(number: &Number<'a>) -> Number<'a> {
    let decimal = number.decimal.checked_div(Decimal::TWO).unwrap_or(number.decimal);
    Number { decimal, double: number.double / 2.0, ..*number }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<(String, f64)> {
        Number::parse("p", text).ok().map(|n| (n.decimal.to_string(), n.double))
    }

    #[test]
    fn numbers_read_as_the_standard_library_reads_them() {
        for text in
            ["0", "1", "82396.90", "0.00000001234", "0.1", "123456789012345678", "9007199254740993", "-0.5"]
        {
            assert_eq!(read(text).unwrap().1.to_bits(), text.parse::<f64>().unwrap().to_bits(), "{text}");
        }
    }

    #[test]
    fn exponents_and_long_quantities_are_exact() {
        assert_eq!(read("1.5e-7").unwrap(), ("0.00000015".to_owned(), 1.5e-7));
        assert_eq!(read("1E3").unwrap(), ("1000".to_owned(), 1000.0));
        assert_eq!(read("12e+2").unwrap().0, "1200");
        assert_eq!(read("12345678901234567890").unwrap().0, "12345678901234567890");
        assert_eq!(read("0.12345678901234567890").unwrap().0, "0.12345678901234567890");
        assert_eq!(read("1e-28").unwrap().0, "0.0000000000000000000000000001");
    }

    #[test]
    fn what_is_no_finite_number_is_refused() {
        for text in [
            "",
            "-",
            ".",
            "NaN",
            "inf",
            "-Infinity",
            "1e400",
            "1e-4294967295",
            "1e99",
            "0x10",
            "1_000",
            " 1",
            "1,5",
            "1.2.3",
            "1e-40",
            "1e30",
            "9e28",
            "0e59",
            "one",
            "99999999999999999999999999999999",
            "--1",
            "1e",
            "é",
        ] {
            assert_eq!(read(text), None, "{text:?}");
        }
        assert!(Number::positive("p", "0.000").is_err());
        assert!(Number::positive("p", "-1").is_err());
        assert!(Number::not_negative("p", "-0").is_ok());
        assert!(Number::not_negative("p", "-1").is_err());
        let long = "9".repeat(500);
        assert!(Number::parse("p", &long).unwrap_err().to_string().len() < 100);
    }

    #[test]
    fn the_nearest_double_of_a_decimal_is_the_nearest() {
        for text in ["0.0855", "79228162514264337593543950335", "0.3333333333333333333333333333", "8.55"] {
            assert_eq!(
                nearest(text.parse().unwrap()).to_bits(),
                text.parse::<f64>().unwrap().to_bits(),
                "{text}"
            );
        }
    }
}
