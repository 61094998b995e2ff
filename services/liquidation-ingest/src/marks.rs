//! Mark prices arrive several times a second, in parts (a price here, the funding there); the stream gets at most one
//! whole mark a second and instrument. Pure.

use std::collections::BTreeMap;

use cascade_domain::{EventTime, Instrument, Mark};

/// The last known parts of each instrument's mark on one connection.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    known: BTreeMap<Instrument, (Mark, Option<EventTime>)>,
}

impl Marks {
    /// Takes what a frame said (absent = unchanged); gives the whole mark if this is the first of its second.
    pub(crate) fn take(&mut self, part: &Mark, received: EventTime) -> Option<Mark> {
        let (whole, told) = self.known.entry(part.instrument).or_insert_with(|| (part.clone(), None));
        whole.mark_price = part.mark_price.or(whole.mark_price);
        whole.index_price = part.index_price.or(whole.index_price);
        whole.funding_rate = part.funding_rate.or(whole.funding_rate);
        whole.funding_interval_h = part.funding_interval_h.or(whole.funding_interval_h);
        whole.next_funding_time_ms = part.next_funding_time_ms.or(whole.next_funding_time_ms);
        part.mark_price?;
        whole.event_time_ms = part.event_time_ms;
        whole.known_at_ms = part.known_at_ms;
        let second = whole.event_time_ms.unwrap_or(received).second();
        if told.is_some_and(|told| second <= told) {
            return None;
        }
        *told = Some(second);
        Some(whole.clone())
    }

    /// Forgets everything: after a break what was not sent again is not known.
    pub(crate) fn clear(&mut self) {
        self.known.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cascade_domain::{Symbol, Venue};

    const T: EventTime = EventTime::from_ms(1_791_565_601_000);

    fn part(price: Option<f64>, funding: Option<f64>, at: EventTime) -> Mark {
        Mark {
            venue: Venue::Okx,
            symbol: Symbol::parse("BTCUSDT").unwrap(),
            instrument: Instrument::parse("BTC-USDT-SWAP").unwrap(),
            mark_price: price,
            index_price: None,
            funding_rate: funding,
            funding_interval_h: None,
            next_funding_time_ms: None,
            event_time_ms: Some(at),
            known_at_ms: Some(at),
        }
    }

    #[test]
    fn parts_are_merged_and_one_whole_mark_a_second_is_told() {
        let mut marks = Marks::default();
        assert_eq!(marks.take(&part(None, Some(0.0001), T), T), None, "no price, no mark");
        let first = marks.take(&part(Some(100.0), None, T.plus_ms(200)), T).unwrap();
        assert_eq!((first.mark_price, first.funding_rate), (Some(100.0), Some(0.0001)));
        assert_eq!(marks.take(&part(Some(101.0), None, T.plus_ms(400)), T), None);
        assert_eq!(marks.take(&part(Some(102.0), None, T.plus_ms(1000)), T).unwrap().mark_price, Some(102.0));
        assert_eq!(
            marks.take(&part(Some(99.0), None, T.plus_ms(300)), T),
            None,
            "a late one does not run back"
        );
    }

    #[test]
    fn after_a_break_nothing_old_is_told() {
        let mut marks = Marks::default();
        marks.take(&part(Some(100.0), Some(0.0001), T), T);
        marks.clear();
        assert_eq!(marks.take(&part(Some(100.0), None, T.plus_ms(1000)), T).unwrap().funding_rate, None);
    }
}
