//! Where events go and for how long their keys are remembered: what all who write the shard streams agree on.

use std::collections::BTreeMap;

use cascade_domain::{Event, Shard};
use cascade_wire::WireError;

use crate::Stored;

/// How long the ids of liquidations and trades are remembered: OKX has delivered one eight minutes late. Seconds.
const REMEMBER_EVENTS_S: u32 = 900;
/// How long the keys of bars, marks and samples are remembered: only overlapping readers repeat them. Seconds.
const REMEMBER_SAMPLES_S: u32 = 120;

/// How long an event's key is remembered, seconds.
pub const fn remembered_s(event: &Event) -> u32 {
    match event {
        Event::Liquidation(_) | Event::LargeTrade(_) | Event::Trade(_) => REMEMBER_EVENTS_S,
        _ => REMEMBER_SAMPLES_S,
    }
}

/// The events of each shard, in the order given, ready for [`crate::Bus::store_many`]. One that can't be encoded is left
/// out and handed to `refused`.
pub fn by_shard(
    events: &[Event],
    mut refused: impl FnMut(&Event, WireError),
) -> BTreeMap<Shard, Vec<Stored>> {
    let mut batches: BTreeMap<Shard, Vec<Stored>> = BTreeMap::new();
    for event in events {
        match Stored::event(event, remembered_s(event)) {
            Ok(stored) => {
                for shard in shards(event) {
                    batches.entry(shard).or_default().push(stored.clone());
                }
            }
            Err(error) => refused(event, error),
        }
    }
    batches
}

/// Where an event goes: its symbol's shard, or the shards of a gap's symbols, or everywhere.
fn shards(event: &Event) -> Vec<Shard> {
    match event {
        Event::Gap(gap) if !gap.symbols.is_empty() => {
            let mut shards: Vec<_> = gap.symbols.iter().map(Shard::of).collect();
            shards.sort_unstable();
            shards.dedup();
            shards
        }
        event => event.symbol().map_or_else(|| Shard::all().collect(), |symbol| vec![Shard::of(symbol)]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cascade_domain::{EventTime, Gap, GapStream, Instrument, OpenInterest, Symbol, Venue};

    #[test]
    fn a_sample_goes_to_its_shard_and_a_gap_to_those_of_its_symbols_or_to_all() {
        let symbol = |name: &str| Symbol::parse(name).unwrap();
        let sample = Event::OpenInterest(OpenInterest {
            venue: Venue::Okx,
            symbol: symbol("BTCUSDT"),
            instrument: Instrument::parse("BTC-USDT-SWAP").unwrap(),
            coins: Some(1.0),
            usd: None,
            inverse: false,
            event_time_ms: None,
            published_at_ms: None,
            known_at_ms: Some(EventTime::from_ms(1_791_565_601_000)),
        });
        let gap = |symbols: &[&str]| {
            Event::Gap(Gap {
                venue: Venue::Okx,
                stream: GapStream::OpenInterest,
                symbols: symbols.iter().map(|name| symbol(name)).collect(),
                from_ms: EventTime::from_ms(1),
                to_ms: EventTime::from_ms(2),
                reason: "test".to_owned(),
            })
        };
        let of = |events: &[Event]| {
            let batches = by_shard(events, |event, error| panic!("{event:?}: {error}"));
            batches.into_iter().map(|(shard, stored)| (shard, stored.len())).collect::<Vec<_>>()
        };
        let btc = Shard::of(&symbol("BTCUSDT"));
        assert_eq!(of(&[sample.clone(), sample]), [(btc, 2)]);
        assert_eq!(of(&[gap(&["BTCUSDT", "BTCUSDT"])]), [(btc, 1)]);
        assert_eq!(of(&[gap(&[])]).len(), Shard::all().count());
    }
}
