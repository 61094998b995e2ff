//! What a number was: each 5 s for 15 min and each minute for 24 h.

use std::fmt;

use cascade_domain::EventTime;
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::grid::Grid;
use crate::packed::{Reader, Writer};
use crate::span::{COARSE, FINE, Span};

/// Both grids of one number. In a snapshot: bytes, differences of neighbours in as few as they need.
#[derive(Clone, Debug)]
pub(crate) struct Track {
    fine: Grid,
    coarse: Grid,
}

impl Track {
    /// Grids whose first points are the next at or after `now`.
    pub(crate) const fn starting(now: EventTime) -> Self {
        Self { fine: Grid::starting(&FINE, now), coarse: Grid::starting(&COARSE, now) }
    }

    /// Samples every moment before `now` that was not sampled yet. `value` is what is known at a moment.
    #[inline]
    pub(crate) fn advance(&mut self, now: EventTime, value: impl Fn(EventTime) -> Option<i64>) {
        self.fine.advance(now, &value);
        self.coarse.advance(now, value);
    }

    /// The number at the beginning of a span that ends at `now`, if it was known at that moment.
    pub(crate) fn before(&self, now: EventTime, span: Span) -> Option<i64> {
        let (grid, place) = self.place(span);
        grid.before(now, place)
    }

    /// The same, if also at least `coverage` (0..=1) of the points since are known.
    pub(crate) fn covered_before(&self, now: EventTime, span: Span, coverage: f64) -> Option<i64> {
        let (grid, place) = self.place(span);
        if grid.is_covered(place, coverage) { grid.before(now, place) } else { None }
    }

    const fn place(&self, span: Span) -> (&Grid, usize) {
        let (is_fine, place) = span.place();
        (if is_fine { &self.fine } else { &self.coarse }, place)
    }

    /// What was sampled after `from` up to and including `to` is not known any more.
    pub(crate) fn void(&mut self, from: EventTime, to: EventTime) {
        self.fine.void(from, to);
        self.coarse.void(from, to);
    }

    /// Bytes that its points take.
    pub(crate) fn bytes(&self) -> usize {
        self.fine.bytes() + self.coarse.bytes()
    }
}

impl Serialize for Track {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut writer = Writer::default();
        self.fine.pack(&mut writer);
        self.coarse.pack(&mut writer);
        serializer.serialize_bytes(&writer.bytes)
    }
}

impl<'de> Deserialize<'de> for Track {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        unpacked(deserializer, "the points of two grids", |from| {
            let (fine, coarse) = (Grid::unpack(&FINE, from)?, Grid::unpack(&COARSE, from)?);
            Some(Self { fine, coarse })
        })
    }
}

/// Reads bytes, all of them, in the way that `read` knows.
pub(crate) fn unpacked<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    what: &'static str,
    read: impl FnOnce(&mut Reader) -> Option<T>,
) -> Result<T, D::Error> {
    struct Bytes(&'static str);
    impl<'de> Visitor<'de> for Bytes {
        type Value = Vec<u8>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
        fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
            Ok(bytes.to_vec())
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<u8>, A::Error> {
            let mut bytes = Vec::new();
            while let Some(byte) = seq.next_element()? {
                bytes.push(byte);
            }
            Ok(bytes)
        }
    }
    let bytes = deserializer.deserialize_bytes(Bytes(what))?;
    let mut reader = Reader::new(&bytes);
    let value = read(&mut reader).filter(|_| reader.is_empty());
    value.ok_or_else(|| D::Error::custom(format_args!("not {what}")))
}
