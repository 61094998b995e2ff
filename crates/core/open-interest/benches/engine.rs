//! What a sample, a trade bar and a tick cost the engine, with a short history and with a day's.
//!
//! `cargo bench -p cascade-open-interest`
#![expect(clippy::unwrap_used, reason = "a benchmark ends where it can't go on")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use cascade_domain::{
    Event, EventTime, FeedStatus, Finding, Instrument, Mark, OpenInterest, Shard, Symbol, Tick, TradeBar,
    Usd, Venue,
};
use cascade_engine::Engine;
use cascade_open_interest::{Config, OpenInterestEngine};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const START: i64 = 1_790_035_200_000;

/// A splitmix64 sequence: the same stream in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u32) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        f64::from(u32::try_from((z ^ (z >> 31)) % u64::from(sides)).unwrap())
    }
}

/// An engine and the stream that goes on: each symbol on four venues, sampled each five seconds, marked and traded each
/// second.
struct Run {
    dice: Dice,
    names: Vec<(Symbol, Instrument)>,
    engine: OpenInterestEngine,
    out: Vec<Finding>,
    second: i64,
}

impl Run {
    /// Runs until the history is this long; all but its last quarter of an hour in steps of half a minute.
    fn new(symbols: usize, history_s: i64) -> Self {
        let config = Config::default();
        let label = config.engine_label();
        let name = |number| {
            let name = format!("S{number}USDT");
            (Symbol::parse(&name).unwrap(), Instrument::parse(&name).unwrap())
        };
        let engine = OpenInterestEngine::new(Arc::new(config), Shard::new(0).unwrap(), label);
        let names = (0..symbols).map(name).collect();
        let mut run = Self { dice: Dice(7), names, engine, out: Vec::new(), second: 0 };
        while run.second < history_s {
            run.second += if run.second < history_s - 910 { 30 } else { 1 };
            let [samples, rest, tick] = run.events();
            for event in samples.iter().chain(&rest).chain(&tick) {
                run.engine.take(event, &mut run.out).unwrap();
            }
        }
        assert!(run.engine.changes(&run.names[0].0).unwrap().spans.contains_key("15m"));
        run
    }

    /// What is told in this second: samples, then marks and bars, then the tick.
    fn events(&mut self) -> [Vec<Event>; 3] {
        let at = EventTime::from_ms(START + self.second * 1_000);
        let [mut samples, mut rest] = [Vec::new(), Vec::new()];
        for (symbol, instrument) in &self.names {
            for venue in Venue::ALL {
                let (symbol, instrument) = (*symbol, *instrument);
                samples.push(Event::OpenInterest(OpenInterest {
                    venue,
                    symbol,
                    instrument,
                    coins: Some(1e6 + self.dice.roll(5_000)),
                    usd: None,
                    inverse: false,
                    event_time_ms: Some(at),
                    published_at_ms: None,
                    known_at_ms: Some(at),
                }));
                rest.push(Event::Mark(Mark {
                    venue,
                    symbol,
                    instrument,
                    mark_price: Some(100.0 + self.dice.roll(1_000) / 1e4),
                    index_price: None,
                    funding_rate: Some(1e-4),
                    funding_interval_h: Some(8.0),
                    next_funding_time_ms: None,
                    event_time_ms: Some(at),
                    known_at_ms: Some(at),
                }));
                rest.push(Event::TradeBar(bar(
                    venue,
                    symbol,
                    instrument,
                    at.plus_ms(-2_000),
                    &mut self.dice,
                )));
            }
        }
        let feeds = Venue::ALL.into_iter().map(|venue| (venue, FeedStatus::Live)).collect();
        let tick = Tick {
            event_time_ms: at,
            btc_price: None,
            btc_usd_volume_1s: None,
            btc_venues_changed: false,
            feeds,
        };
        [samples, rest, vec![Event::Tick(tick)]]
    }

    /// What so many seconds cost of samples (0), of marks and bars (1), of ticks (2); the others are not measured.
    fn time(&mut self, seconds: u64, part: usize) -> Duration {
        let mut spent = Duration::ZERO;
        for _ in 0..seconds {
            self.second += 1;
            for (number, events) in self.events().into_iter().enumerate() {
                #[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
                let from = std::time::Instant::now();
                for event in &events {
                    self.engine.take(black_box(event), &mut self.out).unwrap();
                }
                spent += if number == part { from.elapsed() } else { Duration::ZERO };
            }
            self.out.clear();
        }
        spent
    }
}

fn bar(venue: Venue, symbol: Symbol, instrument: Instrument, open: EventTime, dice: &mut Dice) -> TradeBar {
    TradeBar {
        venue,
        symbol,
        instrument,
        open_time_ms: open,
        close_time_ms: open.plus_ms(1_000),
        open: 100.0,
        high: 100.0,
        low: 100.0,
        close: 100.0,
        buy_quantity: dice.roll(1_000),
        sell_quantity: dice.roll(1_000),
        buy_usd: Usd::ZERO,
        sell_usd: Usd::ZERO,
        trades: 1,
        largest_usd: Usd::ZERO,
        known_at_ms: Some(open.plus_ms(2_000)),
    }
}

/// Each symbol on four venues.
const LINES: u64 = 4;

fn histories(criterion: &mut Criterion) {
    for (name, history_s) in [("15_minutes", 930), ("24_hours", 86_400)] {
        let mut run = Run::new(10, history_s);
        let mut group = criterion.benchmark_group("sample");
        group.throughput(Throughput::Elements(10 * LINES));
        group.bench_function(name, |bencher| bencher.iter_custom(|rounds| run.time(rounds, 0)));
        group.finish();
    }
}

fn shards(criterion: &mut Criterion) {
    let mut run = Run::new(300, 930);
    let mut group = criterion.benchmark_group("300_symbols_on_4_venues");
    group.throughput(Throughput::Elements(1));
    group.bench_function("tick", |bencher| bencher.iter_custom(|rounds| run.time(rounds, 2)));
    group.throughput(Throughput::Elements(300 * LINES * 2));
    group.bench_function("marks_and_bars", |bencher| bencher.iter_custom(|rounds| run.time(rounds, 1)));
    group.bench_function("snapshot", |bencher| {
        bencher.iter(|| black_box(rmp_serde::to_vec(run.engine.state()).unwrap()).len());
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = histories, shards
}
criterion_main!(benches);
