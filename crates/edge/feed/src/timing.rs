//! Spans of the clock's time, held long enough on the wall for a network to answer.

use std::time::Duration;

use cascade_pace::Clock;

/// However fast the clock runs, a network and a busy machine take their time: no wait for an answer is shorter than
/// this on the wall.
const SHORTEST: Duration = Duration::from_secs(1);

/// How long to wait on the wall for an answer that may take `span` of the clock.
pub(crate) fn patience(clock: &dyn Clock, span: Duration) -> Duration {
    clock.wall(span).max(SHORTEST)
}

/// The same in nanoseconds of the clock: `span`, or what the clock runs in the shortest wait on the wall.
pub(crate) fn patience_ns(clock: &dyn Clock, span: Duration) -> i64 {
    let wall = clock.wall(Duration::from_hours(1)).as_nanos().max(1);
    let shortest = SHORTEST.as_nanos().saturating_mul(Duration::from_hours(1).as_nanos()) / wall;
    nanoseconds(span).max(i64::try_from(shortest).unwrap_or(i64::MAX))
}

/// A span in nanoseconds; saturates.
pub(crate) fn nanoseconds(span: Duration) -> i64 {
    i64::try_from(span.as_nanos()).unwrap_or(i64::MAX)
}

/// The span from one time in nanoseconds to another; zero if it is the wrong way round.
pub(crate) fn between(from_ns: i64, to_ns: i64) -> Duration {
    Duration::from_nanos(u64::try_from(to_ns.saturating_sub(from_ns)).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Speed(u32);

    impl Clock for Speed {
        fn now_ns(&self) -> i64 {
            0
        }

        fn wall(&self, of_clock: Duration) -> Duration {
            of_clock / self.0
        }
    }

    #[test]
    fn at_the_walls_pace_a_span_is_itself() {
        let span = Duration::from_secs(30);
        assert_eq!((patience(&Speed(1), span), patience_ns(&Speed(1), span)), (span, nanoseconds(span)));
    }

    #[test]
    fn a_fast_clock_leaves_a_second_on_the_wall() {
        let span = Duration::from_secs(10);
        assert_eq!(patience(&Speed(100), span), SHORTEST);
        assert_eq!(patience_ns(&Speed(100), span), nanoseconds(Duration::from_secs(100)));
    }
}
