//! The greatest value of a sliding window, without looking through the window.

use std::collections::VecDeque;

use cascade_domain::EventTime;
use serde::{Deserialize, Serialize};

/// The greatest of the values put in, as old ones are forgotten. Holds only values that may still become the
/// greatest: each is smaller than all that are older.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Peak<V> {
    held: VecDeque<(EventTime, V)>,
}

impl<V> Default for Peak<V> {
    fn default() -> Self {
        Self { held: VecDeque::new() }
    }
}

impl<V: Copy + Ord> Peak<V> {
    /// Puts a value in its place in time, late or not.
    #[inline]
    pub fn insert(&mut self, at: EventTime, value: V) {
        let place = if self.held.back().is_none_or(|(last, _)| *last <= at) {
            self.held.len()
        } else {
            self.held.partition_point(|(held, _)| *held <= at)
        };
        if self.held.get(place).is_some_and(|(_, later)| *later >= value) {
            return;
        }
        if place == self.held.len() {
            while self.held.back().is_some_and(|(_, earlier)| *earlier <= value) {
                self.held.pop_back();
            }
            self.held.push_back((at, value));
            return;
        }
        let first = self.held.partition_point(|(held, greater)| *held <= at && *greater > value);
        self.held.drain(first..place);
        self.held.insert(first, (at, value));
    }

    /// Forgets the values at or before `boundary`.
    #[inline]
    pub fn forget(&mut self, boundary: EventTime) {
        while self.held.front().is_some_and(|(at, _)| *at <= boundary) {
            self.held.pop_front();
        }
    }

    /// The greatest value.
    pub fn greatest(&self) -> Option<V> {
        self.held.front().map(|(_, value)| *value)
    }
}
