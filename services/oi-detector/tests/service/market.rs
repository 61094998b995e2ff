//! A prepared market: BTC on three venues, whose open interest stands still, explodes, explodes further and falls back; told
//! as a stream of samples, marks and ticks.

use cascade_domain::{
    Event, EventTime, FeedStatus, Feeds, Instrument, Mark, OpenInterest, Shard, Symbol, Tick, Venue,
};

/// A whole minute in the past.
const START: i64 = 1_790_000_040_000;
/// How often each venue tells its open interest, seconds.
const SAMPLED_S: i64 = 5;
const VENUES: [Venue; 3] = [Venue::Binance, Venue::Bybit, Venue::Okx];

/// Seconds: the rise begins, is over, and all is over.
pub(crate) const RISES: i64 = 1_200;
pub(crate) const HIGH: i64 = 1_800;
pub(crate) const OVER: i64 = 3_600;

/// The symbol.
pub(crate) fn symbol() -> Symbol {
    Symbol::parse("BTCUSDT").unwrap()
}

/// Its shard.
pub(crate) fn shard() -> Shard {
    Shard::of(&symbol())
}

/// Coins on one venue: 6 % more within ten minutes, then the same for good.
#[expect(clippy::cast_precision_loss, reason = "seconds")]
fn coins(second: i64) -> f64 {
    let part = (second.clamp(RISES, HIGH) - RISES) as f64 / (HIGH - RISES) as f64;
    10_000.0 * (1.0 + 0.06 * part)
}

fn at(second: i64) -> EventTime {
    EventTime::from_ms(START + second * 1000)
}

/// What is told of one second, the tick last.
pub(crate) fn second(second: i64) -> Vec<Event> {
    let at = at(second);
    let mut events = Vec::new();
    for (place, venue) in (0..).zip(VENUES) {
        let instrument = Instrument::parse("BTCUSDT").unwrap();
        if second % SAMPLED_S == place {
            events.push(Event::OpenInterest(OpenInterest {
                venue,
                symbol: symbol(),
                instrument,
                coins: Some(coins(second)),
                usd: None,
                inverse: false,
                event_time_ms: Some(at),
                published_at_ms: Some(at),
                known_at_ms: Some(at),
            }));
        }
        if second % 2 == 0 {
            events.push(Event::Mark(Mark {
                venue,
                symbol: symbol(),
                instrument,
                mark_price: Some(80_000.0),
                index_price: None,
                funding_rate: Some(0.0001),
                funding_interval_h: Some(8.0),
                next_funding_time_ms: None,
                event_time_ms: Some(at),
                known_at_ms: Some(at),
            }));
        }
    }
    events.push(Event::Tick(Tick {
        event_time_ms: at,
        btc_price: Some(80_000.0),
        btc_usd_volume_1s: None,
        btc_venues_changed: false,
        feeds: VENUES.into_iter().map(|venue| (venue, FeedStatus::Live)).collect::<Feeds>(),
    }));
    events
}
