//! How often one and the same refusal is logged: a broken feed must not fill a disk. Time is an argument.

use std::collections::BTreeMap;

use cascade_domain::EventTime;

/// At most so many log lines per reason and interval.
#[derive(Clone, Debug)]
pub struct Throttle {
    lines: u32,
    interval_ms: i64,
    reasons: BTreeMap<&'static str, Window>,
}

#[derive(Clone, Debug)]
struct Window {
    since: EventTime,
    lines: u32,
    suppressed: u64,
}

impl Throttle {
    /// At most `lines` of each reason in `interval_ms` milliseconds.
    pub const fn new(lines: u32, interval_ms: i64) -> Self {
        Self { lines, interval_ms, reasons: BTreeMap::new() }
    }

    /// Whether a line for this reason may be written now; if so, how many were suppressed since the last one.
    pub fn admit(&mut self, reason: &'static str, now: EventTime) -> Option<u64> {
        let fresh = Window { since: now, lines: 0, suppressed: 0 };
        let window = self.reasons.entry(reason).or_insert(fresh);
        if now.since(window.since) >= self.interval_ms {
            (window.since, window.lines) = (now, 0);
        }
        if window.lines >= self.lines {
            window.suppressed += 1;
            return None;
        }
        window.lines += 1;
        Some(std::mem::take(&mut window.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_lines_of_an_interval_are_written_and_the_next_interval_tells_how_many_were_not() {
        let mut throttle = Throttle::new(2, 1000);
        let mut at = |ms| throttle.admit("unknown topic", EventTime::from_ms(ms));
        assert_eq!([at(0), at(1), at(2), at(999)], [Some(0), Some(0), None, None]);
        assert_eq!([at(1000), at(1001), at(1002)], [Some(2), Some(0), None]);
    }

    #[test]
    fn reasons_do_not_silence_each_other() {
        let mut throttle = Throttle::new(1, 1000);
        assert_eq!(throttle.admit("a", EventTime::from_ms(0)), Some(0));
        assert_eq!(throttle.admit("a", EventTime::from_ms(1)), None);
        assert_eq!(throttle.admit("b", EventTime::from_ms(1)), Some(0));
    }
}
