//! Trades become one-second bars, and single large trades are told by themselves: a venue's trades would not fit
//! through Redis, its seconds do. Pure: time is handed in.

use std::collections::{BTreeMap, BTreeSet};

use cascade_domain::{Event, EventTime, Id, Instrument, LargeTrade, Taker, Trade, TradeBar, Usd};

/// How long after its end a second stays open for trades that arrive late, on a connection that tells later ones.
const GRACE_MS: i64 = 500;
/// The same where nothing later has come: the market is quiet, or what it told waits to be read (a busy machine).
const PATIENCE_MS: i64 = 3_000;
/// A trade that is already older than this when it arrives is a replay; it makes a bar only where one is missing.
const OLDEST_MS: i64 = 5_000;
/// No older than this.
const OLDEST_REPLAY_MS: i64 = 60_000;
/// Trades further ahead of our clock than this are refused: their second would stay open for ever.
const FURTHEST_AHEAD_MS: i64 = 10_000;

/// A second that is still open.
#[derive(Debug)]
struct Open {
    bar: TradeBar,
    ids: BTreeSet<Id>,
    first: EventTime,
    last: EventTime,
}

/// The open seconds of the instruments of one connection.
#[derive(Debug)]
pub(crate) struct Bars {
    large: Usd,
    open: BTreeMap<(Instrument, EventTime), Open>,
    /// The oldest of the open seconds: until it is over, none is.
    oldest: Option<EventTime>,
    closed_to: BTreeMap<Instrument, EventTime>,
    /// The latest time of any trade.
    heard_to: Option<EventTime>,
    /// The second in which the last replay of an instrument began: it may lack trades.
    cut: BTreeMap<Instrument, EventTime>,
}

/// What became of a trade.
#[derive(Debug, PartialEq)]
pub(crate) enum Taken {
    /// It is in its bar, and is so large that it is told by itself.
    Large(Box<Event>),
    /// It is in its bar.
    Counted,
    /// Its second is closed already, or it is a replay.
    Late,
    /// It is in the bar already.
    Duplicate,
    /// It claims to be from the future.
    Early,
}

impl Bars {
    /// No open second yet; trades of at least `large` are told by themselves.
    pub(crate) const fn new(large: Usd) -> Self {
        Self {
            large,
            open: BTreeMap::new(),
            oldest: None,
            heard_to: None,
            closed_to: BTreeMap::new(),
            cut: BTreeMap::new(),
        }
    }

    /// Looks at a frame's trades before they are taken: where its oldest trade of an instrument is a replay, its second
    /// may have begun before the replay did.
    pub(crate) fn replayed(
        &mut self,
        trades: impl Iterator<Item = (Instrument, EventTime)>,
        received: EventTime,
        offset_ms: i64,
    ) {
        let mut oldest: BTreeMap<Instrument, EventTime> = BTreeMap::new();
        for (instrument, at) in trades.filter(|(_, at)| age_ms(*at, received, offset_ms) > OLDEST_MS) {
            let second = oldest.entry(instrument).or_insert_with(|| at.second());
            *second = (*second).min(at.second());
        }
        self.cut.extend(oldest);
    }

    /// Puts a trade into its second. `offset_ms` is the venue's clock against ours, by which the trade has its time.
    pub(crate) fn take(&mut self, trade: &Trade, received: EventTime, offset_ms: i64) -> Taken {
        let second = trade.event_time_ms.second();
        let closed_to = self.closed_to.get(&trade.instrument);
        let age_ms = age_ms(trade.event_time_ms, received, offset_ms);
        let is_missing = age_ms <= OLDEST_REPLAY_MS
            && closed_to.is_some()
            && self.cut.get(&trade.instrument).is_none_or(|cut| second != *cut);
        if closed_to.is_some_and(|to| second < *to) || (age_ms > OLDEST_MS && !is_missing) {
            return Taken::Late;
        }
        if -age_ms > FURTHEST_AHEAD_MS {
            return Taken::Early;
        }
        self.oldest = Some(self.oldest.map_or(second, |oldest| oldest.min(second)));
        self.heard_to = self.heard_to.max(Some(trade.event_time_ms));
        let open = self.open.entry((trade.instrument, second)).or_insert_with(|| Open::of(trade, second));
        if !open.ids.insert(trade.id) {
            return Taken::Duplicate;
        }
        open.add(trade);
        if trade.notional_usd >= self.large {
            Taken::Large(Box::new(large_trade(trade)))
        } else {
            Taken::Counted
        }
    }

    /// The bars of the seconds that are over by the venue's clock, in order of instrument and time.
    pub(crate) fn close(&mut self, now: EventTime, offset_ms: i64) -> Vec<TradeBar> {
        let heard_to = self.heard_to.map(|at| at.min(now.plus_ms(offset_ms)));
        let over = |second: EventTime| {
            heard_to.is_some_and(|at| at.since(second) >= 1000 + GRACE_MS)
                || age_ms(second, now, offset_ms) >= 1000 + PATIENCE_MS
        };
        if !self.oldest.is_some_and(over) {
            return Vec::new();
        }
        let closed: Vec<_> = self.open.extract_if(.., |(_, second), _| over(*second)).collect();
        self.oldest = self.open.keys().map(|(_, second)| *second).min();
        closed
            .into_iter()
            .map(|((instrument, second), open)| {
                let to = self.closed_to.entry(instrument).or_insert(second);
                *to = (*to).max(second.plus_ms(1000));
                TradeBar { known_at_ms: Some(now), ..open.bar }
            })
            .collect()
    }
}

/// How old something is now by the clock that stamped it, milliseconds.
const fn age_ms(at: EventTime, now: EventTime, offset_ms: i64) -> i64 {
    now.plus_ms(offset_ms).since(at)
}

impl Open {
    fn of(trade: &Trade, second: EventTime) -> Self {
        let bar = TradeBar {
            venue: trade.venue,
            symbol: trade.symbol,
            instrument: trade.instrument,
            open_time_ms: second,
            close_time_ms: second.plus_ms(1000),
            open: trade.price,
            high: trade.price,
            low: trade.price,
            close: trade.price,
            buy_quantity: 0.0,
            sell_quantity: 0.0,
            buy_usd: Usd::ZERO,
            sell_usd: Usd::ZERO,
            trades: 0,
            largest_usd: Usd::ZERO,
            known_at_ms: None,
        };
        Self { bar, ids: BTreeSet::new(), first: trade.event_time_ms, last: trade.event_time_ms }
    }

    fn add(&mut self, trade: &Trade) {
        let bar = &mut self.bar;
        if trade.event_time_ms < self.first {
            (self.first, bar.open) = (trade.event_time_ms, trade.price);
        }
        if trade.event_time_ms >= self.last {
            (self.last, bar.close) = (trade.event_time_ms, trade.price);
        }
        bar.high = bar.high.max(trade.price);
        bar.low = bar.low.min(trade.price);
        let (quantity, usd) = match trade.side {
            Taker::Buy => (&mut bar.buy_quantity, &mut bar.buy_usd),
            Taker::Sell => (&mut bar.sell_quantity, &mut bar.sell_usd),
        };
        *quantity += trade.quantity;
        *usd += trade.notional_usd;
        bar.trades += 1;
        bar.largest_usd = bar.largest_usd.max(trade.notional_usd);
    }
}

fn large_trade(trade: &Trade) -> Event {
    Event::LargeTrade(LargeTrade {
        id: trade.id,
        venue: trade.venue,
        symbol: trade.symbol,
        instrument: trade.instrument,
        side: trade.side,
        price: trade.price,
        quantity: trade.quantity,
        notional_usd: trade.notional_usd,
        event_time_ms: trade.event_time_ms,
        published_at_ms: trade.published_at_ms,
        known_at_ms: trade.known_at_ms,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use cascade_domain::{Symbol, Venue};

    const T: EventTime = EventTime::from_ms(1_791_565_601_000);

    fn trade(id: u64, at: EventTime, price: f64, side: Taker) -> Trade {
        Trade {
            id: Id::from_bits(id),
            venue: Venue::Bybit,
            symbol: Symbol::parse("BTCUSDT").unwrap(),
            instrument: Instrument::parse("BTCUSDT").unwrap(),
            side,
            price,
            quantity: 2.0,
            notional_usd: Usd::from_f64(price * 2.0).unwrap(),
            event_time_ms: at,
            published_at_ms: None,
            known_at_ms: None,
        }
    }

    fn bars() -> Bars {
        Bars::new(Usd::from_dollars(300_000))
    }

    #[test]
    fn a_second_of_trades_is_one_bar_whatever_their_order() {
        let mut bars = bars();
        for (id, ms, price, side) in [
            (1, 500, 100.0, Taker::Buy),
            (2, 900, 98.0, Taker::Sell),
            (3, 100, 101.0, Taker::Buy),
            (4, 1499, 50.0, Taker::Buy),
        ] {
            assert_eq!(bars.take(&trade(id, T.plus_ms(ms), price, side), T.plus_ms(1500), 0), Taken::Counted);
        }
        assert!(bars.close(T.plus_ms(1500), 0).is_empty(), "nothing of half a second later has come");
        let next = trade(5, T.plus_ms(1500), 50.0, Taker::Buy);
        assert_eq!(bars.take(&next, T.plus_ms(1500), 0), Taken::Counted);
        let closed = bars.close(T.plus_ms(1500), 0);
        assert_eq!(closed.len(), 1);
        let bar = &closed[0];
        assert_eq!((bar.open, bar.high, bar.low, bar.close, bar.trades), (101.0, 101.0, 98.0, 98.0, 3));
        assert_eq!(
            (bar.buy_usd, bar.sell_usd, bar.largest_usd),
            (Usd::from_dollars(402), Usd::from_dollars(196), Usd::from_dollars(202))
        );
        assert_eq!((bar.close_time_ms, bar.known_at_ms), (T.plus_ms(1000), Some(T.plus_ms(1500))));
        assert_eq!(bars.close(T.plus_ms(5000), 0).len(), 1, "the next second is a bar of its own");
    }

    #[test]
    fn a_second_whose_trades_wait_to_be_read_is_not_closed_before_they_are() {
        let mut bars = bars();
        bars.take(&trade(1, T.plus_ms(100), 100.0, Taker::Buy), T.plus_ms(110), 0);
        assert!(bars.close(T.plus_ms(3_900), 0).is_empty(), "this process stood still");
        assert_eq!(
            bars.take(&trade(2, T.plus_ms(900), 100.0, Taker::Buy), T.plus_ms(3_900), 0),
            Taken::Counted
        );
        assert_eq!(bars.close(T.plus_ms(4_000), 0)[0].trades, 2, "but a quiet market is not waited for");
    }

    #[test]
    fn a_trade_from_the_future_closes_nothing() {
        let mut bars = bars();
        bars.take(&trade(1, T, 100.0, Taker::Buy), T, 0);
        bars.take(&trade(2, T.plus_ms(9_000), 100.0, Taker::Buy), T.plus_ms(100), 0);
        assert!(bars.close(T.plus_ms(200), 0).is_empty());
    }

    #[test]
    fn a_replayed_trade_is_counted_once() {
        let mut bars = bars();
        let one = trade(1, T, 100.0, Taker::Buy);
        assert_eq!(bars.take(&one, T, 0), Taken::Counted);
        assert_eq!(bars.take(&one, T, 0), Taken::Duplicate);
        assert_eq!(bars.close(T.plus_ms(4000), 0)[0].trades, 1);
        assert_eq!(bars.take(&one, T.plus_ms(4100), 0), Taken::Late);
        assert!(bars.close(T.plus_ms(9000), 0).is_empty());
        assert_eq!(
            bars.take(&trade(3, T.plus_ms(20_001), 1.0, Taker::Buy), T.plus_ms(10_000), 0),
            Taken::Early
        );
    }

    #[test]
    fn a_large_trade_is_told_by_itself_and_in_its_bar() {
        let mut bars = bars();
        assert!(matches!(bars.take(&trade(1, T, 150_000.0, Taker::Sell), T, 0), Taken::Large(_)));
        assert_eq!(bars.take(&trade(2, T, 149_999.9, Taker::Sell), T, 0), Taken::Counted);
        assert_eq!(bars.close(T.plus_ms(4000), 0)[0].trades, 2);
    }

    #[test]
    fn what_is_replayed_after_a_break_fills_the_seconds_that_are_missing() {
        let mut bars = bars();
        let replay = |bars: &mut Bars| {
            let trades: Vec<_> = (0..40)
                .map(|at| trade(100 + at, T.plus_ms(1000 * at.cast_signed() + 600), 100.0, Taker::Buy))
                .collect();
            let received = T.plus_ms(47_000);
            bars.replayed(trades.iter().map(|t| (t.instrument, t.event_time_ms)), received, 0);
            trades.iter().map(|trade| bars.take(trade, received, 0)).collect::<Vec<_>>()
        };
        assert!(replay(&mut bars).iter().all(|taken| *taken == Taken::Late), "nothing is known of before");
        bars.take(&trade(1, T.plus_ms(4_000), 99.0, Taker::Buy), T.plus_ms(4_050), 0);
        assert_eq!(bars.close(T.plus_ms(8_000), 0).len(), 1);
        let taken = replay(&mut bars);
        assert!(taken[..5].iter().all(|taken| *taken == Taken::Late), "told already");
        assert!(taken[5..].iter().all(|taken| *taken == Taken::Counted));
        assert_eq!(bars.close(T.plus_ms(47_000), 0).len(), 35);
    }

    #[test]
    fn the_second_in_which_a_replay_begins_makes_no_bar() {
        let mut bars = bars();
        bars.take(&trade(1, T, 99.0, Taker::Buy), T, 0);
        bars.close(T.plus_ms(4_000), 0);
        let trades = [8_600, 8_900, 9_100].map(|at| trade(at, T.plus_ms(at.cast_signed()), 1.0, Taker::Buy));
        let received = T.plus_ms(20_000);
        bars.replayed(trades.iter().map(|t| (t.instrument, t.event_time_ms)), received, 0);
        let taken = trades.each_ref().map(|trade| bars.take(trade, received, 0));
        assert_eq!(taken, [Taken::Late, Taken::Late, Taken::Counted]);
    }

    #[test]
    fn a_venues_wrong_clock_tears_no_second_apart() {
        for offset_ms in [-4_000, 4_000] {
            let (mut bars, mut told) = (bars(), Vec::new());
            for step in 0..40_i64 {
                let now = T.plus_ms(step * 100);
                let one = trade(step.cast_unsigned(), now.plus_ms(offset_ms), 100.0, Taker::Buy);
                assert_eq!(bars.take(&one, now, offset_ms), Taken::Counted, "{offset_ms} {step}");
                told.extend(bars.close(now, offset_ms));
            }
            told.extend(bars.close(T.plus_ms(10_000), offset_ms));
            let trades: Vec<u64> = told.iter().map(|bar| bar.trades).collect();
            assert_eq!(trades, [10, 10, 10, 10], "{offset_ms}");
        }
    }
}
