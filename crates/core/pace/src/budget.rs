//! How much may be done at once and within a span of time, so that nobody else's limit is ever passed.
//!
//! Knows neither what is done nor a clock: the time of every question is an argument, in nanoseconds.

use std::collections::VecDeque;
use std::time::Duration;

/// So many within a sliding span of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub most: usize,
    /// Within how long.
    pub within: Duration,
}

/// Whether it is somebody's turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Yes; it is counted, and held until it is given back.
    Now,
    /// Not before this long from now, if nobody else comes first.
    In(Duration),
    /// Not before something that is held is given back.
    Full,
}

/// What is left of a rate, and of how much may be held at once. Each turn stays counted for the whole span, however
/// soon it is given back: reconnecting quickly is what such limits are for.
#[derive(Clone, Debug)]
pub struct Budget {
    at_once: usize,
    rate: Rate,
    held: usize,
    /// When the turns were taken that still count, oldest first.
    taken: VecDeque<i64>,
    not_before: i64,
}

impl Budget {
    /// A budget of which nothing is used: `at_once` held together, taken at no more than `rate`. A most of zero counts
    /// as one: a budget that never gives a turn is a standstill, which nobody asks for by a number.
    pub fn new(at_once: usize, rate: Rate) -> Self {
        let rate = Rate { most: rate.most.max(1), ..rate };
        Self { at_once: at_once.max(1), rate, held: 0, taken: VecDeque::new(), not_before: i64::MIN }
    }

    /// Takes a turn, if it is time for one.
    pub fn take(&mut self, now_ns: i64) -> Turn {
        let within = nanoseconds(self.rate.within);
        while self.taken.front().is_some_and(|at| now_ns.saturating_sub(*at) >= within) {
            self.taken.pop_front();
        }
        if self.held >= self.at_once {
            return Turn::Full;
        }
        let next = match self.taken.front() {
            Some(oldest) if self.taken.len() >= self.rate.most => oldest.saturating_add(within),
            _ => now_ns,
        };
        let next = next.max(self.not_before);
        if next > now_ns {
            return Turn::In(Duration::from_nanos(u64::try_from(next.saturating_sub(now_ns)).unwrap_or(0)));
        }
        self.taken.push_back(now_ns);
        self.held += 1;
        Turn::Now
    }

    /// Gives back one that was held.
    pub fn give_back(&mut self) {
        self.held = self.held.saturating_sub(1);
    }

    /// No turn before this time. An earlier wish for a later time stands.
    pub fn hold_until(&mut self, until_ns: i64) {
        self.not_before = self.not_before.max(until_ns);
    }

    /// How many are held.
    pub const fn held(&self) -> usize {
        self.held
    }
}

/// A span in nanoseconds; saturates.
fn nanoseconds(span: Duration) -> i64 {
    i64::try_from(span.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    fn budget(at_once: usize, most: usize) -> Budget {
        Budget::new(at_once, Rate { most, within: Duration::from_secs(60) })
    }

    #[test]
    fn a_turn_counts_for_the_whole_span_even_if_it_was_given_back_at_once() {
        let mut budget = budget(9, 3);
        for at in 0..3 {
            assert_eq!(budget.take(at * SECOND), Turn::Now);
            budget.give_back();
        }
        assert_eq!(budget.take(10 * SECOND), Turn::In(Duration::from_secs(50)));
        assert_eq!(budget.take(60 * SECOND), Turn::Now);
        assert_eq!(budget.take(60 * SECOND), Turn::In(Duration::from_secs(1)));
    }

    #[test]
    fn what_is_held_keeps_others_out_until_it_is_given_back() {
        let mut budget = budget(2, 100);
        assert_eq!([budget.take(0), budget.take(0), budget.take(0)], [Turn::Now, Turn::Now, Turn::Full]);
        budget.give_back();
        assert_eq!((budget.take(0), budget.held()), (Turn::Now, 2));
    }

    #[test]
    fn being_asked_to_stay_away_outranks_what_is_left() {
        let mut budget = budget(2, 100);
        budget.hold_until(5 * SECOND);
        budget.hold_until(2 * SECOND);
        assert_eq!(budget.take(SECOND), Turn::In(Duration::from_secs(4)));
        assert_eq!(budget.take(5 * SECOND), Turn::Now);
    }

    #[test]
    fn a_storm_of_a_hundred_that_come_back_whenever_they_are_told_to_never_passes_the_rate() {
        let mut budget = budget(1000, 25);
        let (mut waiting, mut granted) = (vec![0i64; 100], Vec::new());
        while !waiting.is_empty() {
            let (at, now) = waiting.iter().copied().enumerate().min_by_key(|(_, now)| *now).unwrap();
            match budget.take(now) {
                Turn::Now => {
                    granted.push(now);
                    waiting.swap_remove(at);
                }
                Turn::In(wait) => waiting[at] = now + nanoseconds(wait),
                Turn::Full => panic!("a thousand fit"),
            }
        }
        for (at, first) in granted.iter().enumerate() {
            let within = granted[at..].iter().filter(|next| **next - first < 60 * SECOND).count();
            assert!(within <= 25, "{within} within a minute");
        }
        assert_eq!(granted.last(), Some(&(3 * 60 * SECOND)), "and no turn is left unused");
    }
}
