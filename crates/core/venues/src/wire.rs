//! Pieces of wire shapes that all venues share: texts borrowed from the frame, integers, rows that may be bad.
//!
//! Knows JSON and nothing of any venue's channels.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use cascade_domain::EventTime;
use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::number::{Number, cut};
use crate::{DecodeError, Decoded, Meaning};

/// A text, borrowed where the frame spells it without escapes. A JSON number is taken as its text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Text<'a>(Cow<'a, str>);

impl Deref for Text<'_> {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Borrowing;
        impl<'de> Visitor<'de> for Borrowing {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a number")
            }
            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
            fn visit_u64<E: Error>(self, value: u64) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(value.to_string())))
            }
            fn visit_i64<E: Error>(self, value: i64) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(value.to_string())))
            }
            fn visit_f64<E: Error>(self, value: f64) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(value.to_string())))
            }
        }
        deserializer.deserialize_any(Borrowing)
    }
}

/// An integer, as a JSON number or as text; an empty text is 0, which no time and no id is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Integer(pub(crate) i64);

impl<'de> Deserialize<'de> for Integer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Whole;
        impl Visitor<'_> for Whole {
            type Value = Integer;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an integer")
            }
            fn visit_u64<E: Error>(self, value: u64) -> Result<Integer, E> {
                i64::try_from(value)
                    .map(Integer)
                    .map_err(|_| E::invalid_value(Unexpected::Unsigned(value), &self))
            }
            fn visit_i64<E: Error>(self, value: i64) -> Result<Integer, E> {
                Ok(Integer(value))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Integer, E> {
                if text.is_empty() {
                    return Ok(Integer(0));
                }
                text.parse().map(Integer).map_err(|_| E::invalid_value(Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_any(Whole)
    }
}

impl Integer {
    /// A time in milliseconds.
    ///
    /// # Errors
    /// Outside 2010..2100.
    pub(crate) fn time(self, field: &'static str) -> Result<EventTime, DecodeError> {
        let time = EventTime::from_ms(self.0);
        if time.is_plausible() { Ok(time) } else { Err(DecodeError::BadTime { field, value: self.0 }) }
    }
}

/// A time in milliseconds that may be absent, empty or 0.
///
/// # Errors
/// Outside 2010..2100.
pub(crate) fn time_if_told(
    field: &'static str,
    value: Option<Integer>,
) -> Result<Option<EventTime>, DecodeError> {
    value.filter(|value| value.0 != 0).map(|value| value.time(field)).transpose()
}

/// The text of a field that may be absent or empty.
pub(crate) fn told<'a>(text: Option<&'a Text<'_>>) -> Option<&'a str> {
    text.map(|text| &**text).filter(|text| !text.is_empty())
}

/// A price that may be absent; empty and 0 mean that there is none.
///
/// # Errors
/// No number, or below zero.
pub(crate) fn price_if_told<'a>(
    field: &'static str,
    text: Option<&'a Text<'_>>,
) -> Result<Option<Number<'a>>, DecodeError> {
    let price = told(text).map(|text| Number::not_negative(field, text)).transpose()?;
    Ok(price.filter(|price| !price.decimal.is_zero()))
}

/// A number of either sign that may be absent or empty.
///
/// # Errors
/// No number.
pub(crate) fn rate_if_told(field: &'static str, text: Option<&Text<'_>>) -> Result<Option<f64>, DecodeError> {
    Ok(told(text).map(|text| Number::parse(field, text)).transpose()?.map(|number| number.double))
}

/// A quantity of zero or more that may be absent or empty.
///
/// # Errors
/// No number, or below zero.
pub(crate) fn size_if_told<'a>(
    field: &'static str,
    text: Option<&'a Text<'_>>,
) -> Result<Option<Number<'a>>, DecodeError> {
    told(text).map(|text| Number::not_negative(field, text)).transpose()
}

/// The refusal of what serde could not read.
pub(crate) fn malformed(error: &serde_json::Error) -> DecodeError {
    DecodeError::Malformed(cut(&error.to_string(), 160))
}

/// Reads a whole JSON text.
///
/// # Errors
/// Not of that shape.
pub(crate) fn read<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, DecodeError> {
    serde_json::from_str(text).map_err(|error| malformed(&error))
}

/// Reads a frame through its envelope. The rows under `data` are most of a frame, so the envelope is first read
/// without them, and nothing is scanned twice. Whatever is refused in that way is read again as a whole, so that the
/// short cut decides nothing.
///
/// # Errors
/// Nothing in the frame could be understood.
pub(crate) fn by_parts(
    frame: &str,
    out: &mut Decoded,
    read: impl Fn(&str, Option<&str>, &mut Decoded) -> Result<Meaning, DecodeError>,
) -> Result<Meaning, DecodeError> {
    if let Some((envelope, data)) = parted(frame) {
        match read(&envelope, Some(data), out) {
            Ok(meaning) if out.refused.is_empty() => return Ok(meaning),
            _ => out.clear(),
        }
    }
    read(frame, None, out)
}

/// A frame without its last-but-scalars member `data`, and that member.
fn parted(frame: &str) -> Option<(String, &str)> {
    let (head, rest) = frame.split_once(r#","data":"#)?;
    let inside = rest.trim_ascii_end().strip_suffix('}')?;
    let (data, tail) = inside.split_at(inside.rfind([']', '}'])? + 1);
    Some(([head, tail, "}"].concat(), data))
}

/// Takes each row of an array, or the one row that stands alone. Rows that are refused go to `out.refused`, by
/// themselves: their neighbours are taken all the same.
///
/// # Errors
/// No JSON array and no object.
pub(crate) fn each_row<'a, T: Deserialize<'a>>(
    text: &'a str,
    out: &mut Decoded,
    mut take: impl FnMut(T, &mut Decoded) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    let mut one = |row: Result<T, DecodeError>, out: &mut Decoded| {
        if let Err(refusal) = row.and_then(|row| take(row, out)) {
            out.refused.push(refusal);
        }
    };
    if !text.starts_with('[') {
        if !text.starts_with('{') {
            return Err(DecodeError::Malformed(format!("no rows in {}", cut(text, 48))));
        }
        one(read(text), out);
    } else if let Ok(rows) = serde_json::from_str::<Vec<T>>(text) {
        for row in rows {
            one(Ok(row), out);
        }
    } else {
        let rows: Vec<&'a RawValue> = read(text)?;
        for row in rows {
            one(read(row.get()), out);
        }
    }
    Ok(())
}

/// Reads a REST answer's body as text.
///
/// # Errors
/// Not UTF-8.
pub(crate) fn body_text(body: &[u8]) -> Result<&str, DecodeError> {
    std::str::from_utf8(body).map_err(|error| DecodeError::Malformed(error.to_string()))
}

/// A text for the query of an address. What is percent-encoded already stays as it is (cursors come so); what is not
/// safe there is escaped.
pub(crate) fn escaped(text: &str) -> String {
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || b"%-._~".contains(&byte);
    let spelled = |byte| if safe(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(spelled).collect()
}

/// The rows of an answer that can be read; single bad ones are passed over.
pub(crate) fn readable_rows<'a, T: Deserialize<'a>>(rows: &[&'a RawValue]) -> impl Iterator<Item = T> {
    rows.iter().filter_map(|row| serde_json::from_str(row.get()).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Row<'a> {
        #[serde(borrow)]
        p: Text<'a>,
        t: Integer,
    }

    #[test]
    fn one_bad_row_leaves_its_neighbours() {
        let text = r#"[{"p":"1","t":1},{"p":[],"t":1},{"p":2.5,"t":"3"},7]"#;
        let (mut out, mut seen) = (Decoded::default(), Vec::new());
        each_row(text, &mut out, |row: Row<'_>, _| {
            seen.push((row.p.to_string(), row.t.0));
            Ok(())
        })
        .unwrap();
        assert_eq!(seen, [("1".to_owned(), 1), ("2.5".to_owned(), 3)]);
        assert_eq!(out.refused.len(), 2);
    }

    #[test]
    fn an_envelope_is_parted_from_its_data_wherever_the_scalars_stand() {
        let part = |frame| parted(frame).map(|(envelope, data)| (envelope, data.to_owned()));
        let parts = |envelope: &str, data: &str| Some((envelope.to_owned(), data.to_owned()));
        assert_eq!(part(r#"{"c":"x","data":[{"a":1}]}"#), parts(r#"{"c":"x"}"#, r#"[{"a":1}]"#));
        assert_eq!(part(r#"{"c":"x","data":{"a":1},"ts":5} "#), parts(r#"{"c":"x","ts":5}"#, r#"{"a":1}"#));
        assert_eq!(part(r#"{"c":"x","data":7}"#), None);
        assert_eq!(part(r#"{"c":"x"}"#), None);
    }

    #[test]
    fn a_time_in_seconds_or_nanoseconds_is_refused() {
        assert!(Integer(1_791_565_600_992).time("T").is_ok());
        for value in [0, -1, 1_791_565_600, 1_791_565_600_992_000] {
            assert_eq!(Integer(value).time("T"), Err(DecodeError::BadTime { field: "T", value }));
        }
    }
}
