//! The BTC reference that every tick carries: the venues' marks of their linear dollar contract, and what was traded.
//! Pure: time is handed in.

use std::collections::{BTreeMap, VecDeque};

use cascade_domain::{EventTime, Mark, Symbol, TradeBar, Usd, Venue};
use cascade_engine::median;
use cascade_venues::protocol;

/// A mark older than this is no reference.
const MARK_FRESH_MS: i64 = 5_000;
/// A second's bars are complete by two seconds after it began: one second of trading, and the bars' grace.
const VOLUME_DELAY_MS: i64 = 2_000;
/// Seconds whose volume is held.
const SECONDS: usize = 10;

/// Whether a market is BTC's, whose price and volume every tick carries.
pub(crate) fn is_bitcoin(symbol: &Symbol) -> bool {
    symbol.base() == "BTC"
}

/// The price of a mark, if it is of the venue's BTC reference contract.
pub(crate) fn price(mark: &Mark) -> Option<f64> {
    let reference = protocol(mark.venue).btc_reference();
    mark.mark_price.filter(|_| is_bitcoin(&mark.symbol) && mark.instrument.as_str() == reference)
}

/// What the venues last said of BTC.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bitcoin {
    marks: BTreeMap<Venue, (f64, EventTime)>,
    volume: VecDeque<(EventTime, Usd)>,
    /// Whose marks made the last price.
    venues: Vec<Venue>,
}

impl Bitcoin {
    /// The venue's last mark of its reference contract.
    pub(crate) fn mark(&mut self, venue: Venue, price: f64, at: EventTime) {
        self.marks.insert(venue, (price, at));
    }

    /// A bar closed.
    pub(crate) fn bar(&mut self, bar: &TradeBar) {
        let usd = bar.buy_usd + bar.sell_usd;
        match self.volume.iter_mut().find(|(second, _)| *second == bar.open_time_ms) {
            Some((_, sum)) => *sum += usd,
            None => self.volume.push_back((bar.open_time_ms, usd)),
        }
        while self.volume.len() > SECONDS {
            self.volume.pop_front();
        }
    }

    /// Median of the fresh marks of the venues that deliver, and whether the set of those venues changed since the last
    /// call.
    pub(crate) fn price(&mut self, now: EventTime, delivers: impl Fn(&Venue) -> bool) -> (Option<f64>, bool) {
        let fresh = |(venue, (price, at)): (&Venue, &(f64, EventTime))| {
            (delivers(venue) && now.since(*at) <= MARK_FRESH_MS).then_some((*venue, *price))
        };
        let (venues, mut prices): (Vec<_>, Vec<_>) = self.marks.iter().filter_map(fresh).unzip();
        let changed = venues != self.venues;
        self.venues = venues;
        (median(&mut prices), changed)
    }

    /// US dollars traded in the last second whose bars are complete.
    pub(crate) fn usd_1s(&self, tick: EventTime) -> Option<Usd> {
        let second = tick.second().plus_ms(-VOLUME_DELAY_MS);
        self.volume.iter().find(|(at, _)| *at == second).map(|(_, usd)| *usd)
    }
}
