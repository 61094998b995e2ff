//! When each event of a measurement is meant to leave, whatever became of those before it (an open loop).
//!
//! Who measures against these times leaves nothing out: an event that had to wait for its turn counts from when its
//! turn should have been. Knows no wire format and no socket.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cascade_pace::Clock;

/// So many events, evenly spread over time. Events leave in frames of a few, all of a frame at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// When the first frame leaves, nanoseconds of the clock.
    pub start_ns: i64,
    /// Events a second; above 0.
    pub rate: u32,
    /// Events of a frame; above 0.
    pub per_frame: u32,
    /// How many frames there are.
    pub frames: u64,
    /// The number of the first event; the others count on from it.
    pub first: u64,
}

impl Schedule {
    /// How many events there are.
    pub const fn events(&self) -> u64 {
        self.frames.saturating_mul(self.per_frame as u64)
    }

    /// When a frame (counted from 0) leaves, nanoseconds of the clock.
    pub fn leaves_ns(&self, frame: u64) -> i64 {
        let after =
            u128::from(frame) * u128::from(self.per_frame) * 1_000_000_000 / u128::from(self.rate.max(1));
        self.start_ns.saturating_add(i64::try_from(after).unwrap_or(i64::MAX))
    }

    /// When the event of this number is meant to leave, nanoseconds of the clock; `None` if it is not of this schedule.
    pub fn intended_ns(&self, number: u64) -> Option<i64> {
        let place = number.checked_sub(self.first).filter(|place| *place < self.events())?;
        Some(self.leaves_ns(place / u64::from(self.per_frame.max(1))))
    }

    /// The numbers of a frame's events.
    pub fn numbers(&self, frame: u64) -> std::ops::Range<u64> {
        let per_frame = u64::from(self.per_frame);
        let first = self.first + frame * per_frame;
        first..first + per_frame
    }

    /// Calls `leave` for each frame when its time has come; frames that are late leave one after the other without a
    /// pause. Ends early when `stop` is set. Blocks its thread, which it lets sleep in between.
    pub fn play(&self, clock: &dyn Clock, stop: &AtomicBool, mut leave: impl FnMut(u64)) {
        for frame in 0..self.frames {
            let due_ns = self.leaves_ns(frame);
            while let Ok(left @ 1..) = u64::try_from(due_ns.saturating_sub(clock.now_ns())) {
                // Sleeps to within some tens of microseconds; a runtime's timer counts in milliseconds.
                std::thread::park_timeout(clock.wall(Duration::from_nanos(left.min(100_000_000))));
                if stop.load(Ordering::Relaxed) {
                    return;
                }
            }
            if stop.load(Ordering::Relaxed) {
                return;
            }
            leave(frame);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicI64;

    use super::*;

    const SCHEDULE: Schedule = Schedule { start_ns: 1_000, rate: 1_000, per_frame: 4, frames: 3, first: 70 };

    /// A clock that is read late by so much each time.
    #[derive(Debug)]
    struct Slow(AtomicI64, i64);

    impl Clock for Slow {
        fn now_ns(&self) -> i64 {
            self.0.fetch_add(self.1, Ordering::Relaxed)
        }

        fn wall(&self, _: Duration) -> Duration {
            Duration::ZERO
        }
    }

    #[test]
    fn each_event_is_meant_to_leave_with_its_frame() {
        assert_eq!(SCHEDULE.events(), 12);
        let meant: Vec<_> = (69..83).map(|number| SCHEDULE.intended_ns(number)).collect();
        let frame = |ns| [Some(ns); 4];
        let expected = [frame(1_000), frame(4_001_000), frame(8_001_000)].concat();
        assert_eq!((meant[0], &meant[1..13], meant[13]), (None, expected.as_slice(), None));
        assert_eq!(SCHEDULE.numbers(2), 78..82);
    }

    #[test]
    fn frames_that_are_late_all_leave_and_keep_the_times_they_were_meant_to() {
        for step_ns in [1, 1_000_000, 60_000_000_000] {
            let (clock, mut left) = (Slow(AtomicI64::new(0), step_ns), Vec::new());
            if step_ns == 1 {
                clock.0.store(i64::MAX / 2, Ordering::Relaxed);
            }
            SCHEDULE.play(&clock, &AtomicBool::new(false), |frame| left.push(frame));
            assert_eq!(left, [0, 1, 2], "{step_ns}");
        }
    }

    #[test]
    fn no_frame_leaves_before_its_time_and_none_after_it_is_stopped() {
        let (clock, stop) = (Slow(AtomicI64::new(0), 100_000), AtomicBool::new(false));
        let mut left = Vec::new();
        SCHEDULE.play(&clock, &stop, |frame| {
            left.push((frame, clock.0.load(Ordering::Relaxed) >= SCHEDULE.leaves_ns(frame)));
            stop.store(frame == 1, Ordering::Relaxed);
        });
        assert_eq!(left, [(0, true), (1, true)]);
    }
}
