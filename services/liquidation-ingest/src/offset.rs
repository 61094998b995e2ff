//! A venue's clock against ours, from the times that its frames carry. Pure: times are handed in.
//!
//! One way only: a frame's way here counts as its clock being behind. So the greatest of what a minute's frames say is
//! taken, which is that of the quickest.

use cascade_domain::{Event, EventTime};

/// How long a sample counts, at least and at most twice, milliseconds.
const SPAN_MS: i64 = 60_000;
/// Further off than this a frame's time says nothing of the clock: it is history, or nonsense. Milliseconds.
const MOST_MS: i64 = 10_000;

/// What is known of the offset on one connection.
#[derive(Debug, Default)]
pub(crate) struct Offset {
    current: Option<i64>,
    previous: Option<i64>,
    since: EventTime,
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
        let ahead_ms = at.map(|at| at.since(received)).filter(|ms| ms.abs() <= MOST_MS);
        let age_ms = received.since(self.since);
        if age_ms >= SPAN_MS {
            self.previous = self.current.take().filter(|_| age_ms < 2 * SPAN_MS);
            self.since = received;
        }
        self.current = self.current.max(ahead_ms);
    }

    /// Milliseconds that the venue's clock is ahead of ours, at least; negative = behind, or slow. `None` = unknown.
    pub(crate) fn ms(&self) -> Option<i64> {
        self.current.max(self.previous)
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

    #[test]
    fn the_quickest_frame_of_the_last_minute_tells_the_offset() {
        let mut offset = Offset::default();
        assert_eq!(offset.ms(), None);
        for (received_ms, delay_ms, told) in [
            (0, 5_000, -5_000),
            (100, 40, -40),
            (200, 900, -40),
            (60_000, 4_000, -40),
            (120_100, 4_000, -4_000),
            (120_200, -4_000, 4_000),
        ] {
            let received = T.plus_ms(received_ms);
            offset.take(&mark(received.plus_ms(-delay_ms)), received);
            assert_eq!(offset.ms(), Some(told), "at {received_ms}");
        }
    }

    #[test]
    fn history_says_nothing_of_the_clock() {
        let mut offset = Offset::default();
        offset.take(&mark(T.plus_ms(-50_000)), T);
        assert_eq!(offset.ms(), None);
    }
}
