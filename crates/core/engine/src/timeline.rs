//! Entries in time order and exact sums over sliding windows of them, at a cost that does not grow with how many
//! entries a window holds.
//!
//! A cursor stands at a boundary in time and keeps the running total of all that lies at or before it. A window is
//! the difference of two running totals, so nothing is ever recomputed and nothing drifts, as long as the tally is
//! made of integers. Knows nothing of what is summed.

use std::collections::VecDeque;

use cascade_domain::EventTime;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Something that has its place in time.
pub trait Timed {
    /// When.
    fn at(&self) -> EventTime;
}

/// A running total of entries. Subtraction must undo addition exactly, so: integers, wrapping where they may
/// run over in the total but not in a window.
pub trait Tally<E>: Copy + Default {
    /// Counts one more entry.
    fn add(&mut self, entry: &E);

    /// What was counted since `earlier`.
    #[must_use]
    fn since(self, earlier: Self) -> Self;
}

const NEVER: EventTime = EventTime::from_ms(i64::MAX);

/// Entries in time order (equal times: order of arrival) with `N` cursors over them. What each cursor must look at
/// on every step lies side by side; its running total is touched only where an entry is passed.
#[derive(Clone, Debug)]
pub struct Timeline<E, T, const N: usize> {
    entries: VecDeque<E>,
    /// Number of the first entry still held.
    first: u64,
    boundaries: [EventTime; N],
    /// When the first entry after each boundary is; the end of time where there is none.
    nexts: [EventTime; N],
    /// Number, counted from the very first entry, of that entry.
    indices: [u64; N],
    total: T,
    passed: [T; N],
}

impl<E: Timed, T: Tally<E>, const N: usize> Default for Timeline<E, T, N> {
    fn default() -> Self {
        Self {
            entries: VecDeque::new(),
            first: 0,
            boundaries: [EventTime::from_ms(i64::MIN); N],
            nexts: [NEVER; N],
            indices: [0; N],
            total: T::default(),
            passed: [T::default(); N],
        }
    }
}

impl<E: Timed, T: Tally<E>, const N: usize> Timeline<E, T, N> {
    /// How many entries are held.
    #[inline]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none is held.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The oldest entry held.
    #[inline]
    pub fn oldest(&self) -> Option<&E> {
        self.entries.front()
    }

    /// Moves a cursor forward to `boundary`; a boundary that is not later than its own leaves it where it is.
    #[inline]
    pub fn advance(&mut self, cursor: usize, boundary: EventTime) {
        if boundary <= self.boundaries[cursor] {
            return;
        }
        self.boundaries[cursor] = boundary;
        if self.nexts[cursor] <= boundary {
            self.pass(cursor, boundary);
        }
    }

    /// Counts the entries up to the cursor's boundary as passed.
    fn pass(&mut self, cursor: usize, boundary: EventTime) {
        let mut index = self.indices[cursor];
        let passed = &mut self.passed[cursor];
        self.nexts[cursor] = loop {
            match self.entries.get(place(index, self.first)) {
                Some(entry) if entry.at() <= boundary => passed.add(entry),
                Some(entry) => break entry.at(),
                None => break NEVER,
            }
            index += 1;
        };
        self.indices[cursor] = index;
    }

    /// Puts an entry in its place, late or not, and into every window that it lies in.
    #[inline]
    pub fn insert(&mut self, entry: E) {
        let at = entry.at();
        self.total.add(&entry);
        for cursor in 0..N {
            if at <= self.boundaries[cursor] {
                self.passed[cursor].add(&entry);
                self.indices[cursor] += 1;
            } else {
                self.nexts[cursor] = self.nexts[cursor].min(at);
            }
        }
        if self.entries.back().is_none_or(|last| last.at() <= at) {
            self.entries.push_back(entry);
        } else {
            let place = self.entries.partition_point(|held| held.at() <= at);
            self.entries.insert(place, entry);
        }
    }

    /// The sum of all entries after the cursor's boundary.
    #[inline]
    pub fn after(&self, cursor: usize) -> T {
        self.total.since(self.passed[cursor])
    }

    /// The sum of all entries after `boundary`, at the cost of those between it and the cursor's own boundary, which
    /// must not be later.
    #[inline]
    pub fn after_time(&self, cursor: usize, boundary: EventTime) -> T {
        let mut passed = self.passed[cursor];
        if self.nexts[cursor] <= boundary {
            let ahead = self.entries.iter().skip(place(self.indices[cursor], self.first));
            ahead.take_while(|entry| entry.at() <= boundary).for_each(|entry| passed.add(entry));
        }
        self.total.since(passed)
    }

    /// The sum of the entries after the boundary of `earlier`, up to and including that of `later`.
    #[inline]
    pub fn between(&self, earlier: usize, later: usize) -> T {
        self.passed[later].since(self.passed[earlier])
    }

    /// Drops the entries that every cursor has passed.
    #[inline]
    pub fn release(&mut self) {
        let passed = self.indices.iter().copied().min().unwrap_or(self.first);
        while self.first < passed && self.entries.pop_front().is_some() {
            self.first += 1;
        }
    }

    /// Takes the oldest entry out of every window that it still lies in, and hands it over.
    pub fn drop_oldest(&mut self) -> Option<E> {
        let entry = self.entries.pop_front()?;
        let next = self.entries.front().map_or(NEVER, Timed::at);
        for cursor in 0..N {
            if self.indices[cursor] == self.first {
                self.passed[cursor].add(&entry);
                self.indices[cursor] += 1;
                self.nexts[cursor] = next;
            }
        }
        self.first += 1;
        Some(entry)
    }
}

/// Entries and boundaries alone: totals are sums of what is held, and windows are differences of totals.
impl<E: Serialize, T, const N: usize> Serialize for Timeline<E, T, N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (&self.entries, &self.boundaries[..]).serialize(serializer)
    }
}

impl<'de, E: Timed + Deserialize<'de>, T: Tally<E>, const N: usize> Deserialize<'de> for Timeline<E, T, N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (entries, boundaries) = <(Vec<E>, Vec<EventTime>)>::deserialize(deserializer)?;
        let boundaries: [EventTime; N] =
            boundaries.try_into().map_err(|_| D::Error::custom("not as many cursors as the timeline has"))?;
        if !entries.is_sorted_by_key(Timed::at) {
            return Err(D::Error::custom("entries out of order"));
        }
        let mut timeline = Self::default();
        for entry in entries {
            timeline.insert(entry);
        }
        for (cursor, boundary) in boundaries.into_iter().enumerate() {
            timeline.advance(cursor, boundary);
        }
        Ok(timeline)
    }
}

/// Where in the deque the entry of this number is. Windows are far smaller than the address space.
#[inline]
fn place(index: u64, first: u64) -> usize {
    usize::try_from(index - first).unwrap_or(usize::MAX)
}
