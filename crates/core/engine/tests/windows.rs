//! Rolling figures against figures computed afresh, and the edges of each window.

use cascade_domain::EventTime;
use cascade_engine::{Peak, Series, Tally, Timed, Timeline, correlation, deviation, median};
use proptest::prelude::*;

#[derive(Clone, Copy, Debug)]
struct Entry(i64, i64);

impl Timed for Entry {
    fn at(&self) -> EventTime {
        EventTime::from_ms(self.0)
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Sum(u64, i128);

impl Tally<Entry> for Sum {
    fn add(&mut self, entry: &Entry) {
        self.0 += 1;
        self.1 += i128::from(entry.1);
    }
    fn since(self, earlier: Self) -> Self {
        Self(self.0 - earlier.0, self.1 - earlier.1)
    }
}

fn fresh(entries: &[Entry], after: i64, to: i64) -> Sum {
    let mut sum = Sum::default();
    entries.iter().filter(|e| e.0 > after && e.0 <= to).for_each(|e| sum.add(e));
    sum
}

const LAGS: [i64; 3] = [100, 2_000, 60_000];

proptest! {
    #[test]
    fn rolling_sums_are_fresh_sums_with_late_entries_too(
        steps in prop::collection::vec((0i64..3_000, 0i64..50_000, 0i64..i64::MAX / 4), 1..200),
    ) {
        let mut timeline: Timeline<Entry, Sum, 3> = Timeline::default();
        let mut peak = Peak::default();
        let mut all = Vec::new();
        let mut now = 1_000_000;
        for (pass, late, amount) in steps {
            now += pass;
            for (cursor, lag) in LAGS.iter().enumerate() {
                timeline.advance(cursor, EventTime::from_ms(now - lag));
            }
            timeline.release();
            peak.forget(EventTime::from_ms(now - 60_000));
            let entry = Entry(now - if late % 3 == 0 { late } else { 0 }, amount);
            timeline.insert(entry);
            peak.insert(entry.at(), amount);
            all.push(entry);
            for (cursor, lag) in LAGS.iter().enumerate() {
                prop_assert_eq!(timeline.after(cursor), fresh(&all, now - lag, now));
            }
            prop_assert_eq!(timeline.between(2, 1), fresh(&all, now - 60_000, now - 2_000));
            let ahead = timeline.after_time(2, EventTime::from_ms(now - 700));
            prop_assert_eq!(ahead, fresh(&all, now - 700, now));
            let greatest = all.iter().filter(|e| e.0 > now - 60_000).map(|e| e.1).max();
            prop_assert_eq!(peak.greatest(), greatest);
        }
        prop_assert_eq!(timeline.len(), all.iter().filter(|e| e.0 > now - 60_000).count());
    }

    #[test]
    fn entries_dropped_for_room_leave_every_window(
        gaps in prop::collection::vec(0i64..700, 1..150), room in 1usize..40,
    ) {
        let mut timeline: Timeline<Entry, Sum, 3> = Timeline::default();
        let mut held: Vec<Entry> = Vec::new();
        let mut now = 0;
        for gap in gaps {
            now += gap;
            for (cursor, lag) in LAGS.iter().enumerate() {
                timeline.advance(cursor, EventTime::from_ms(now - lag));
            }
            timeline.release();
            held.retain(|e| e.0 > now - 60_000);
            timeline.insert(Entry(now, gap));
            held.push(Entry(now, gap));
            while timeline.len() > room {
                timeline.drop_oldest();
                held.remove(0);
            }
            for (cursor, lag) in LAGS.iter().enumerate() {
                prop_assert_eq!(timeline.after(cursor), fresh(&held, now - lag, now));
            }
        }
    }
}

fn sampled(values: &[Option<f64>]) -> Series {
    let mut series = Series::new(1_000, &[5]);
    for (step, value) in (0..).zip(values) {
        series.record(step, *value);
    }
    series
}

proptest! {
    #[test]
    fn a_series_says_what_looking_through_its_samples_says(
        samples in prop::collection::vec((prop::option::weighted(0.85, 0.0f64..9.0), 0u8..60, 0i64..1_000), 1..80),
    ) {
        const SPANS: [usize; 2] = [5, 12];
        let mut series = Series::new(1_000, &SPANS);
        let mut held: Vec<Option<f64>> = Vec::new();
        let mut step = 1_790_000_040;
        for (value, skip, ms) in samples {
            step += 1;
            if skip == 0 {
                step += 1;
                held.clear();
            }
            series.record(step, value);
            held.push(value);
            for (span, length) in SPANS.into_iter().enumerate() {
                let known = held.iter().rev().take(length).filter(|value| value.is_some()).count();
                let then = held.len().checked_sub(length + 1).and_then(|place| held[place]);
                // 4 of 5 samples, 10 of 12.
                let fresh = then.filter(|_| known >= [4, 10][span]);
                let now = EventTime::from_ms(step * 1_000 + ms);
                prop_assert_eq!(series.before(now, span, 0.8), fresh, "span {} of {:?}", length, held);
            }
        }
    }
}

#[test]
fn a_change_needs_a_known_end_and_four_fifths_of_its_samples() {
    let at = |ms| EventTime::from_ms(ms);
    let full = [Some(1.0), Some(2.0), Some(3.0), Some(4.0), Some(5.0), Some(6.0)];
    assert_eq!(sampled(&full).before(at(5_900), 0, 0.8), Some(1.0));
    assert_eq!(sampled(&full).before(at(6_000), 0, 0.8), Some(2.0));
    let mut one_hole = full;
    one_hole[3] = None;
    assert_eq!(sampled(&one_hole).before(at(5_900), 0, 0.8), Some(1.0));
    let mut two_holes = one_hole;
    two_holes[4] = None;
    assert_eq!(sampled(&two_holes).before(at(5_900), 0, 0.8), None);
    let mut no_end = full;
    no_end[0] = None;
    assert_eq!(sampled(&no_end).before(at(5_900), 0, 0.8), None);
    assert_eq!(sampled(&full[1..]).before(at(4_900), 0, 0.8), None, "not yet so long");
}

#[test]
fn samples_are_due_once_and_a_long_pause_starts_over() {
    let mut series = Series::new(1_000, &[5]);
    assert_eq!(series.due(EventTime::from_ms(10_000)).collect::<Vec<_>>(), [9]);
    series.record(9, Some(1.0));
    assert_eq!(series.due(EventTime::from_ms(10_000)).count(), 0);
    assert_eq!(series.due(EventTime::from_ms(12_001)).collect::<Vec<_>>(), [10, 11, 12]);
    let late: Vec<i64> = series.due(EventTime::from_ms(4_000_000_000_000)).collect();
    assert!(late.len() < 10, "{} steps", late.len());
    for step in late {
        series.record(step, Some(2.0));
    }
    assert_eq!(series.before(EventTime::from_ms(4_000_000_000_000), 0, 0.8), Some(2.0));
}

#[test]
fn statistics_of_small_samples() {
    assert_eq!(median(&mut [3.0, 1.0, 2.0]), Some(2.0));
    assert_eq!(median(&mut [4.0, 1.0]), Some(2.5));
    assert_eq!(median(&mut []), None);
    assert_eq!(deviation(&[2.0, 4.0]), Some(1.0));
    assert_eq!(correlation(&[1.0, 2.0, 3.0], &[2.0, 4.0, 6.0]), Some(1.0));
    assert_eq!(correlation(&[1.0, 2.0, 3.0], &[3.0, 2.0, 1.0]), Some(-1.0));
    assert_eq!(correlation(&[1.0, 1.0, 1.0], &[3.0, 2.0, 1.0]), None, "constant");
    assert_eq!(correlation(&[f64::NAN, 1.0], &[1.0, 2.0]), None);
}
