//! The last twenty one-minute prices of a symbol, of which its trend is made. A price that was not known at its minute
//! is unknown, and where minutes were missed the samples start over.

use std::collections::VecDeque;

use cascade_domain::EventTime;
use serde::{Deserialize, Serialize};

use crate::price::change;
use crate::regime::Course;

/// Milliseconds between two samples.
pub(crate) const STEP_MS: i64 = 60_000;
const HELD: usize = 20;
const RECENT: usize = 10;

/// Prices at whole minutes, oldest first.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Minutes {
    /// Number of the newest.
    newest: Option<i64>,
    prices: VecDeque<Option<f64>>,
}

impl Minutes {
    /// Records the price at a minute.
    pub(crate) fn record(&mut self, minute: i64, price: Option<f64>) {
        if self.newest.is_some_and(|newest| newest.checked_add(1) != Some(minute)) {
            self.prices.clear();
        }
        self.newest = Some(minute);
        self.prices.push_back(price);
        if self.prices.len() > HELD {
            self.prices.pop_front();
        }
    }

    /// How the price went up to the last minute that `now` has passed; unknown unless both ends of the last ten are
    /// known, and the share `coverage` (0..=1) of the ten and of the twenty.
    pub(crate) fn course(&self, now: EventTime, coverage: f64) -> Option<Course> {
        if self.newest != Some(now.plus_ms(-1).ms().div_euclid(STEP_MS)) {
            return None;
        }
        let recent = self.prices.len().checked_sub(RECENT)?;
        let first = (*self.prices.get(recent)?)?;
        let last = (*self.prices.back()?)?;
        Some(Course {
            recent_mean: mean(self.prices.range(recent..), RECENT, coverage)?,
            mean: mean(self.prices.iter(), HELD, coverage)?,
            change: change(first, last)?,
        })
    }
}

/// The mean of what is known, if that is enough of `whole`.
#[expect(clippy::cast_precision_loss, reason = "twenty samples")]
fn mean<'a>(prices: impl Iterator<Item = &'a Option<f64>>, whole: usize, coverage: f64) -> Option<f64> {
    let (sum, known) = prices.flatten().fold((0.0, 0_usize), |(sum, known), price| (sum + price, known + 1));
    (known > 0 && known as f64 >= coverage * whole as f64).then(|| sum / known as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const COVERAGE: f64 = 0.8;

    fn minutes(prices: &[Option<f64>]) -> (Minutes, EventTime) {
        let mut minutes = Minutes::default();
        for (minute, price) in (1_000..).zip(prices) {
            minutes.record(minute, *price);
        }
        let end = 1_000 + i64::try_from(prices.len()).unwrap();
        (minutes, EventTime::from_ms(end * STEP_MS))
    }

    #[test]
    fn a_course_is_of_the_last_twenty() {
        let mut prices = vec![Some(7.0)];
        prices.extend([Some(100.0); 10]);
        prices.extend((0..10).map(|step| Some(100.0 + f64::from(step))));
        let (minutes, now) = minutes(&prices);
        let course = minutes.course(now, COVERAGE).unwrap();
        assert_eq!(course, Course { recent_mean: 104.5, mean: 102.25, change: 0.09 });
        assert_eq!(minutes.course(now.plus_ms(1), COVERAGE), None, "the next minute has passed");
    }

    #[test]
    fn a_course_needs_both_ends_and_eighty_percent() {
        let with = |unknown: &[usize]| {
            let mut prices = vec![Some(1.0); 20];
            for place in unknown {
                prices[*place] = None;
            }
            let (minutes, now) = minutes(&prices);
            minutes.course(now, COVERAGE).is_some()
        };
        assert!(with(&[]) && with(&[0, 1, 2, 3]) && with(&[0, 1, 11, 12]));
        assert!(!with(&[0, 1, 2, 3, 4]), "15 of 20");
        assert!(!with(&[11, 12, 13]), "7 of 10");
        assert!(!with(&[10]) && !with(&[19]), "the ends");
        let (minutes, now) = minutes(&[Some(1.0); 15]);
        assert_eq!(minutes.course(now, COVERAGE), None, "15 minutes after the start");
    }

    #[test]
    fn missed_minutes_start_over() {
        let (mut minutes, now) = minutes(&[Some(1.0); 20]);
        assert!(minutes.course(now, COVERAGE).is_some());
        minutes.record(1_021, Some(1.0));
        assert_eq!(minutes.course(now.plus_ms(2 * STEP_MS), COVERAGE), None);
    }
}
