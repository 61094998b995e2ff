//! What a recorded event costs a replay: its line parsed, the engines of all shards, and both; beside what parsing costs
//! without the straight way (the baseline).
//!
//! `cargo bench -p cascade-detector --bench replay`
#![expect(clippy::unwrap_used, reason = "a benchmark ends where it can't go on")]

use std::hint::black_box;
use std::sync::Arc;

use cascade_detector::{CascadeEngine, Config};
use cascade_domain::{
    Coverage, Event, EventTime, FeedStatus, Finding, Id, Instrument, Liquidation, Mark, PriceKind, Side,
    Symbol, Tick, TradeBar, Usd, Venue,
};
use cascade_engine::Replay;
use cascade_wire::{event_from_json, event_to_json};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

const START: i64 = 1_790_000_040_000;
/// Half a minute of 60 symbols on four exchanges: bars and marks of each a second, 500 liquidations, one tick.
const SECONDS: i64 = 30;
const SYMBOLS: u64 = 60;
const LIQUIDATIONS: u64 = 500;

/// A splitmix64 sequence: the same stream in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }

    #[expect(clippy::cast_precision_loss, reason = "small")]
    fn price(&mut self) -> f64 {
        90_000.0 + self.roll(100_000) as f64 / 10.0
    }
}

fn symbol(number: u64) -> (Symbol, Instrument) {
    let name = format!("COIN{number}USDT");
    (Symbol::parse(&name).unwrap(), Instrument::parse(&name).unwrap())
}

fn liquidation(dice: &mut Dice, at: EventTime) -> Event {
    let ((symbol, instrument), price) = (symbol(dice.roll(SYMBOLS)), dice.price());
    Event::Liquidation(Liquidation {
        id: Id::from_bits(dice.roll(u64::MAX)),
        venue: Venue::ALL[usize::try_from(dice.roll(4)).unwrap()],
        symbol,
        instrument,
        side: if dice.roll(10) == 0 { Side::Short } else { Side::Long },
        price,
        price_kind: PriceKind::Bankruptcy,
        quantity: 0.006,
        notional_usd: Usd::from_f64(price * 0.006).unwrap(),
        event_time_ms: at.plus_ms(-40),
        published_at_ms: Some(at),
        known_at_ms: Some(at),
        coverage: Coverage::Complete,
        account: None,
    })
}

fn samples(dice: &mut Dice, number: u64, venue: Venue, at: EventTime) -> [Event; 2] {
    let ((symbol, instrument), price) = (symbol(number), dice.price());
    let bar = TradeBar {
        venue,
        symbol,
        instrument,
        open_time_ms: at.plus_ms(-2000),
        close_time_ms: at.plus_ms(-1000),
        open: price,
        high: price + 1.5,
        low: price - 0.7,
        close: price + 0.1,
        buy_quantity: 6.851,
        sell_quantity: 0.25,
        buy_usd: Usd::from_f64(price * 6.851).unwrap(),
        sell_usd: Usd::from_f64(price * 0.25).unwrap(),
        trades: 31,
        largest_usd: Usd::from_f64(price).unwrap(),
        known_at_ms: Some(at),
    };
    let mark = Mark {
        venue,
        symbol,
        instrument,
        mark_price: Some(price),
        index_price: Some(price - 0.03),
        funding_rate: Some(0.0003),
        funding_interval_h: Some(8.0),
        next_funding_time_ms: Some(EventTime::from_ms(START + 28_800_000)),
        event_time_ms: Some(at),
        known_at_ms: Some(at),
    };
    [Event::TradeBar(bar), Event::Mark(mark)]
}

fn stream() -> Vec<Event> {
    let (mut dice, mut events) = (Dice(7), Vec::new());
    for second in 0..SECONDS {
        let at = EventTime::from_ms(START + second * 1000);
        events.push(Event::Tick(Tick {
            event_time_ms: at,
            btc_price: Some(82_340.1),
            btc_usd_volume_1s: Some(Usd::from_dollars(1_000_000)),
            btc_venues_changed: false,
            feeds: Venue::ALL.into_iter().map(|venue| (venue, FeedStatus::Live)).collect(),
        }));
        for number in 0..SYMBOLS {
            for venue in Venue::ALL {
                events.extend(samples(&mut dice, number, venue, at.plus_ms(100)));
            }
        }
        for print in 0..LIQUIDATIONS {
            let into = i64::try_from(200 + print * 700 / LIQUIDATIONS).unwrap();
            events.push(liquidation(&mut dice, at.plus_ms(into)));
        }
    }
    events
}

fn replay(events: impl Iterator<Item = Event>) -> Vec<Finding> {
    let (config, label) = (Arc::new(Config::default()), Config::default().engine_label());
    let mut replay = Replay::new(|shard| CascadeEngine::new(Arc::clone(&config), shard, label.clone()));
    let mut said = Vec::new();
    for event in events {
        replay.take(None, &event, &mut said).unwrap();
    }
    said.extend(replay.finish());
    said
}

fn bench(criterion: &mut Criterion) {
    let events = stream();
    let lines: Vec<String> = events.iter().map(|event| event_to_json(event).unwrap()).collect();
    let mut group = criterion.benchmark_group("replay");
    group.throughput(Throughput::Elements(events.len() as u64)).sample_size(20);
    group.bench_function("parsed_the_general_way", |b| {
        b.iter(|| lines.iter().filter(|line| serde_json::from_str::<Event>(black_box(line)).is_ok()).count());
    });
    group.bench_function("parsed", |b| {
        b.iter(|| lines.iter().filter(|line| event_from_json(black_box(line)).is_ok()).count());
    });
    group.bench_function("engines", |b| {
        b.iter_batched(|| events.clone(), |events| replay(events.into_iter()).len(), BatchSize::LargeInput);
    });
    group.bench_function("parsed_and_engines", |b| {
        b.iter(|| replay(lines.iter().map(|line| event_from_json(black_box(line)).unwrap())).len());
    });
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
