//! What is traded of one instrument, by second, for the few minutes that a sample can be checked against: a bar comes a
//! second or two after its second, in any order.
//!
//! Counts in the units of its line. Knows seconds and gaps, neither bars nor samples.

use cascade_domain::EventTime;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::packed::{Reader, Writer};
use crate::track::unpacked;

/// Seconds that are held.
const HELD: i64 = 180;
const SLOTS: usize = 180;
const SECOND_MS: i64 = 1_000;
/// A bar further ahead of what is known is of no clock that can be believed.
const AHEAD_MS: i64 = 5_000;

/// Coins traded by second.
#[derive(Clone, Debug, Default)]
pub(crate) struct Traded {
    ring: Option<Box<Ring>>,
    /// The end of the last gap.
    void: Option<EventTime>,
}

#[derive(Clone, Debug)]
struct Ring {
    /// Units by second; the one of second `n` is at `n` modulo their number.
    seconds: [u64; SLOTS],
    /// The latest second that has its place.
    newest: i64,
    /// The end of the first bar that was heard.
    first_end: EventTime,
    /// The end of the latest bar that was heard.
    last_end: EventTime,
}

impl Traded {
    /// Puts the bar of the second that begins at `opened` in its place. One that is too old or too far ahead has none.
    pub(crate) fn take(&mut self, now: EventTime, opened: EventTime, units: u64) {
        if opened > now.plus_ms(AHEAD_MS) {
            return;
        }
        let second = second(opened);
        let end = opened.plus_ms(SECOND_MS);
        let ring = self.ring.get_or_insert_with(|| {
            Box::new(Ring { seconds: [0; SLOTS], newest: second, first_end: end, last_end: end })
        });
        ring.advance(second);
        if second > ring.newest - HELD {
            let sum = &mut ring.seconds[slot(second)];
            *sum = sum.saturating_add(units);
            ring.first_end = ring.first_end.min(end);
            ring.last_end = ring.last_end.max(end);
        }
    }

    /// A gap in trades ended.
    pub(crate) fn void(&mut self, to: EventTime) {
        self.void = self.void.max(Some(to));
    }

    /// Forgets the bars, as their unit is no more.
    pub(crate) fn clear(&mut self) {
        self.ring = None;
    }

    /// Whether every bar from `start` on is known, up to the last that came.
    pub(crate) fn covers_from(&self, start: EventTime) -> bool {
        self.void.is_none_or(|void| start >= void)
            && self.ring.as_ref().is_some_and(|ring| {
                ring.first_end <= start && second(start) > ring.newest.saturating_sub(HELD)
            })
    }

    /// Whether a bar that ends at or after `end` has come.
    pub(crate) fn reaches(&self, end: EventTime) -> bool {
        self.ring.as_ref().is_some_and(|ring| ring.last_end >= end)
    }

    /// Units traded in the seconds that begin before `end` and end after `start`, as far as they are held.
    pub(crate) fn sum(&self, start: EventTime, end: EventTime) -> u64 {
        let Some(ring) = &self.ring else { return 0 };
        let first = second(start).max(ring.newest.saturating_sub(HELD - 1));
        let last = second(end.plus_ms(-1)).min(ring.newest);
        (first..=last).fold(0, |sum: u64, second| sum.saturating_add(ring.seconds[slot(second)]))
    }

    /// Bytes that it takes beside itself.
    pub(crate) fn bytes(&self) -> usize {
        self.ring.as_ref().map_or(0, |_| size_of::<Ring>())
    }
}

impl Ring {
    fn advance(&mut self, second: i64) {
        if second <= self.newest {
            return;
        }
        for passed in (self.newest + 1).max(second - HELD + 1)..=second {
            self.seconds[slot(passed)] = 0;
        }
        self.newest = second;
    }

    fn unpack(from: &mut Reader) -> Option<Self> {
        let time = |ms: i64| Some(EventTime::from_ms(ms)).filter(|time| time.is_plausible());
        let newest = second(time(from.signed()?)?);
        let (first_end, last_end) = (time(from.signed()?)?, time(from.signed()?)?);
        let mut ring = Self { seconds: [0; SLOTS], newest, first_end, last_end };
        for back in (0..HELD).rev() {
            ring.seconds[slot(newest - back)] = from.unsigned()?;
        }
        Some(ring)
    }
}

fn second(at: EventTime) -> i64 {
    at.ms().div_euclid(SECOND_MS)
}

fn slot(second: i64) -> usize {
    usize::try_from(second.rem_euclid(HELD)).unwrap_or(0)
}

/// The gap, then whether there is a ring; of that its times and its seconds, oldest first.
impl Serialize for Traded {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut to = Writer::default();
        to.signed(self.void.map_or(0, EventTime::ms));
        to.count(usize::from(self.ring.is_some()));
        if let Some(ring) = &self.ring {
            to.signed(ring.newest.saturating_mul(SECOND_MS));
            to.signed(ring.first_end.ms());
            to.signed(ring.last_end.ms());
            for back in (0..HELD).rev() {
                to.unsigned(ring.seconds[slot(ring.newest - back)]);
            }
        }
        serializer.serialize_bytes(&to.bytes)
    }
}

impl<'de> Deserialize<'de> for Traded {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        unpacked(deserializer, "what was traded by second", |from| {
            let void = Some(from.signed()?).filter(|ms| *ms != 0).map(EventTime::from_ms);
            let ring = if from.count(1)? == 1 { Some(Box::new(Ring::unpack(from)?)) } else { None };
            Some(Self { ring, void })
        })
    }
}
