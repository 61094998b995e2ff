//! A whole number sampled at whole steps of event time, a hole where it was not known: 8 bytes a point, in a ring that
//! never grows beyond what the longest span needs.
//!
//! How much of each span is known is counted as it rolls, so that asking costs nothing. Knows not what the numbers are.

use std::collections::VecDeque;
use std::ops::RangeInclusive;

use cascade_domain::EventTime;

use crate::packed::{Reader, Writer};
use crate::span::Pace;

/// What is never a value: values are not negative.
const HOLE: i64 = i64::MIN;
/// No grid has more spans.
const SPANS: usize = 3;
/// Larger powers of ten are not looked for.
const MOST_TENS: u32 = 9;

/// Points at whole steps, oldest first.
#[derive(Clone, Debug)]
pub(crate) struct Grid {
    pace: &'static Pace,
    /// Number of the newest point, or of the one before the first: its time divided by the step.
    newest: i64,
    points: VecDeque<i64>,
    /// How many of the points of each span are known.
    known: [usize; SPANS],
}

impl Grid {
    /// A grid whose first point is the next at or after `now`.
    pub(crate) const fn starting(pace: &'static Pace, now: EventTime) -> Self {
        Self { pace, newest: last(pace, now), points: VecDeque::new(), known: [0; SPANS] }
    }

    /// One more than the longest span has steps, for both its ends, and one for the step that is not yet passed.
    fn capacity(&self) -> usize {
        self.pace.spans.last().map_or(0, |longest| longest + 2)
    }

    /// The steps whose moment lies before `now` and that have no point yet, oldest first; after a long pause only as many
    /// as are held are due.
    fn due(&self, now: EventTime) -> RangeInclusive<i64> {
        let last = last(self.pace, now);
        let reach = i64::try_from(self.capacity()).unwrap_or(i64::MAX);
        self.newest.saturating_add(1).max(last.saturating_sub(reach))..=last
    }

    /// Samples every step whose moment lies before `now`.
    #[inline]
    pub(crate) fn advance(&mut self, now: EventTime, value: impl Fn(EventTime) -> Option<i64>) {
        for step in self.due(now) {
            let moment = EventTime::from_ms(step.saturating_mul(self.pace.step_ms));
            self.record(step, value(moment).filter(|value| *value >= 0));
        }
    }

    /// A step that does not follow the newest one starts the grid over.
    fn record(&mut self, step: i64, value: Option<i64>) {
        if self.newest.checked_add(1) != Some(step) {
            self.points.clear();
            self.known = [0; SPANS];
        }
        self.newest = step;
        let capacity = self.capacity();
        if self.points.len() == capacity {
            self.points.pop_front();
        }
        self.points.reserve_exact(capacity - self.points.len());
        self.points.push_back(value.unwrap_or(HOLE));
        let length = self.points.len();
        for (known, steps) in self.known.iter_mut().zip(self.pace.spans) {
            let gone = length.checked_sub(1 + steps).and_then(|gone| self.points.get(gone));
            *known += usize::from(value.is_some());
            *known = known.saturating_sub(usize::from(gone.is_some_and(|gone| *gone != HOLE)));
        }
    }

    /// Makes holes of the points after `from`, up to and including `to`.
    pub(crate) fn void(&mut self, from: EventTime, to: EventTime) {
        let newest = self.newest;
        let held = i64::try_from(self.points.len()).unwrap_or(i64::MAX);
        let oldest = newest.saturating_sub(held).saturating_add(1);
        let first = from.ms().div_euclid(self.pace.step_ms).saturating_add(1).max(oldest);
        let last = to.ms().div_euclid(self.pace.step_ms).min(newest);
        for step in first..=last {
            let place = usize::try_from(step.saturating_sub(oldest)).ok();
            if let Some(point) = place.and_then(|place| self.points.get_mut(place)) {
                *point = HOLE;
            }
        }
        self.count();
    }

    /// Counts anew what is known.
    fn count(&mut self) {
        for (known, steps) in self.known.iter_mut().zip(self.pace.spans) {
            *known = self.points.iter().rev().take(*steps).filter(|point| **point != HOLE).count();
        }
    }

    /// The value at `now` less the `span`-th span, in whole steps; `None` if it was not known at that moment.
    pub(crate) fn before(&self, now: EventTime, span: usize) -> Option<i64> {
        let steps = *self.pace.spans.get(span)?;
        let step = now.ms().div_euclid(self.pace.step_ms).checked_sub(i64::try_from(steps).ok()?)?;
        let back = usize::try_from(self.newest.checked_sub(step)?).ok()?;
        let place = self.points.len().checked_sub(back.checked_add(1)?)?;
        self.points.get(place).copied().filter(|point| *point != HOLE)
    }

    /// Whether at least `coverage` (0..=1) of the `span`-th span's points are known.
    #[expect(clippy::cast_precision_loss, reason = "spans have thousands of steps, not quadrillions")]
    pub(crate) fn is_covered(&self, span: usize, coverage: f64) -> bool {
        let steps = self.pace.spans.get(span).copied().unwrap_or(usize::MAX);
        self.known.get(span).is_some_and(|known| *known as f64 >= coverage * steps as f64)
    }

    /// Bytes that the points take.
    pub(crate) fn bytes(&self) -> usize {
        self.points.capacity() * size_of::<i64>()
    }

    /// Writes it down: the newest step, the number of points, the power of ten that all of them are whole multiples of,
    /// then each without it as its difference from the last known one; holes as runs.
    pub(crate) fn pack(&self, to: &mut Writer) {
        to.signed(self.newest);
        to.count(self.points.len());
        let mut known = self.points.iter().filter(|point| **point != HOLE).peekable();
        let mut tens = if known.peek().is_some() { MOST_TENS } else { 0 };
        for point in known {
            while point % ten(tens) != 0 {
                tens -= 1;
            }
        }
        to.unsigned(u64::from(tens));
        let (mut last, mut holes) = (0, 0);
        for point in &self.points {
            if *point == HOLE {
                holes += 1;
                continue;
            }
            to.holes(std::mem::take(&mut holes));
            to.difference(point / ten(tens), last);
            last = point / ten(tens);
        }
        to.holes(holes);
    }

    /// Reads back what [`Grid::pack`] wrote; `None` of anything else.
    pub(crate) fn unpack(pace: &'static Pace, from: &mut Reader) -> Option<Self> {
        let newest = from.signed()?;
        let latest = EventTime::LATEST.ms() / pace.step_ms;
        let mut grid = Self::starting(pace, EventTime::default());
        grid.newest = Some(newest).filter(|newest| (-1..=latest).contains(newest))?;
        let length = from.count(grid.capacity())?;
        let tens = u32::try_from(from.count(MOST_TENS as usize)?).ok()?;
        if length > 0 {
            grid.points.reserve_exact(grid.capacity());
        }
        let mut last = 0;
        while grid.points.len() < length {
            match from.point(last)? {
                Ok(point) => {
                    last = point;
                    grid.points.push_back(point.checked_mul(ten(tens))?);
                }
                Err(run) => {
                    if run > length - grid.points.len() {
                        return None;
                    }
                    grid.points.extend(std::iter::repeat_n(HOLE, run));
                }
            }
        }
        grid.count();
        Some(grid)
    }
}

const fn ten(tens: u32) -> i64 {
    10_i64.pow(tens)
}

/// The last step whose moment lies before `now`.
const fn last(pace: &Pace, now: EventTime) -> i64 {
    now.ms().saturating_sub(1).div_euclid(pace.step_ms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::span::FINE;

    fn at(seconds: i64) -> EventTime {
        EventTime::from_ms(1_790_035_200_000 + seconds * 1_000)
    }

    fn packed(grid: &Grid) -> Vec<u8> {
        let mut writer = Writer::default();
        grid.pack(&mut writer);
        writer.bytes
    }

    #[test]
    fn what_is_packed_is_read_back_at_the_ends_of_the_numbers_too() {
        let rows: [&[Option<i64>]; 5] = [
            &[],
            &[None, None],
            &[Some(0), Some(i64::MAX), Some(0), None, Some(i64::MAX - 1)],
            &[Some(3_000_000_000_000), None, None, Some(7_000_000_000_000)],
            &[None, Some(1), Some(0), None],
        ];
        for points in rows {
            let mut grid = Grid::starting(&FINE, at(0));
            for (point, seconds) in points.iter().zip((1..).step_by(5)) {
                grid.advance(at(seconds), |_| *point);
            }
            let bytes = packed(&grid);
            let mut reader = Reader::new(&bytes);
            let read = Grid::unpack(&FINE, &mut reader).unwrap();
            assert!(reader.is_empty());
            assert_eq!((read.newest, &read.points, read.known), (grid.newest, &grid.points, grid.known));
            for cut in 0..bytes.len() {
                assert!(Grid::unpack(&FINE, &mut Reader::new(&bytes[..cut])).is_none(), "{points:?} {cut}");
            }
        }
    }

    #[test]
    fn a_grid_holds_what_its_longest_span_needs_and_no_more() {
        let mut grid = Grid::starting(&FINE, at(0));
        for second in 0..3_000 {
            grid.advance(at(second), |moment| Some(moment.ms()));
            assert!(grid.points.len() <= 182);
        }
        assert_eq!(grid.bytes(), 182 * 8);
        assert_eq!(grid.before(at(2_999), 2), Some(at(2_995 - 900).ms()));
        // After a pause of any length only what is held is sampled.
        grid.advance(at(1_000_000_000), |_| None);
        assert_eq!((grid.points.len(), grid.known), (182, [0; 3]));
    }
}
