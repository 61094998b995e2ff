//! A venue's clock against ours, from the times that its frames carry. Pure: times are handed in.
//!
//! One way only: a frame's way here counts as its clock being behind. So of each ten seconds the greatest of what their
//! frames say is taken, which is that of the quickest; and of the last minute's ten seconds the middle one, which
//! neither a single bad time nor a burst of late frames can move. A clock that is set is followed within half a minute.

use std::collections::VecDeque;

use cascade_domain::{Event, EventTime};

/// How long frames are looked at together, milliseconds, and how many of such spans count.
const SPAN_MS: i64 = 10_000;
const SPANS: usize = 5;
/// Further off than this a frame's time says nothing of the clock: it is history, or nonsense. Milliseconds.
const MOST_MS: i64 = 10_000;

/// What is known of the offset on one connection.
#[derive(Debug, Default)]
pub(crate) struct Offset {
    /// When each span began, and the greatest of what its frames said.
    spans: VecDeque<(EventTime, i64)>,
}

impl Offset {
    /// Takes what an event says that came at `received`.
    pub(crate) fn take(&mut self, event: &Event, received: EventTime) {
        let at = match event {
            Event::Liquidation(e) => e.published_at_ms,
            Event::Trade(e) => e.published_at_ms.or(Some(e.event_time_ms)),
            Event::Mark(e) => e.event_time_ms,
            _ => None,
        };
        let Some(ahead_ms) = at.map(|at| at.since(received)).filter(|ms| ms.abs() <= MOST_MS) else { return };
        match self.spans.back_mut().filter(|(began, _)| received.since(*began) < SPAN_MS) {
            Some((_, most)) => *most = (*most).max(ahead_ms),
            None => self.spans.push_back((received, ahead_ms)),
        }
        if self.spans.len() > SPANS {
            self.spans.pop_front();
        }
    }

    /// Milliseconds that the venue's clock is ahead of ours, at least; negative = behind, or slow. `None` = unknown.
    pub(crate) fn ms(&self) -> Option<i64> {
        let mut told: Vec<i64> = self.spans.iter().map(|(_, most)| *most).collect();
        told.sort_unstable();
        told.get(told.len() / 2).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cascade_domain::{Instrument, Mark, Symbol, Venue};

    const T: EventTime = EventTime::from_ms(1_791_565_601_000);

    fn mark(at: EventTime) -> Event {
        Event::Mark(Mark {
            venue: Venue::Okx,
            symbol: Symbol::parse("BTCUSDT").unwrap(),
            instrument: Instrument::parse("BTC-USDT-SWAP").unwrap(),
            mark_price: Some(100.0),
            index_price: None,
            funding_rate: None,
            funding_interval_h: None,
            next_funding_time_ms: None,
            event_time_ms: Some(at),
            known_at_ms: None,
        })
    }

    /// One frame every 100 ms from a second on, for so many seconds.
    fn hear(offset: &mut Offset, from_s: i64, seconds: i64, delay_ms: i64) -> Option<i64> {
        for step in 0..seconds * 10 {
            let received = T.plus_ms(from_s * 1000 + step * 100);
            offset.take(&mark(received.plus_ms(-delay_ms)), received);
        }
        offset.ms()
    }

    #[test]
    fn the_quickest_frames_tell_the_offset_and_a_clock_that_is_set_is_followed() {
        let mut offset = Offset::default();
        assert_eq!(offset.ms(), None);
        assert_eq!(hear(&mut offset, 0, 60, 40), Some(-40));
        assert_eq!(hear(&mut offset, 60, 10, 900), Some(-40), "a burst of late frames");
        assert_eq!(hear(&mut offset, 70, 30, 40), Some(-40));
        assert_eq!(hear(&mut offset, 100, 40, -6_000), Some(6_000), "our clock was set back");
        assert_eq!(hear(&mut offset, 140, 40, 40), Some(-40));
    }

    #[test]
    fn one_bad_time_moves_nothing() {
        let mut offset = Offset::default();
        hear(&mut offset, 0, 60, 40);
        offset.take(&mark(T.plus_ms(68_000)), T.plus_ms(60_000));
        assert_eq!(offset.ms(), Some(-40));
        assert_eq!(hear(&mut offset, 61, 120, 40), Some(-40));
    }

    #[test]
    fn history_says_nothing_of_the_clock() {
        let mut offset = Offset::default();
        offset.take(&mark(T.plus_ms(-50_000)), T);
        assert_eq!(offset.ms(), None);
    }
}
