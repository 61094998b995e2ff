//! What one liquidation costs the engine, evaluation included, beside a baseline that computes its windows afresh.
//!
//! `cargo bench -p cascade-detector`
#![expect(clippy::unwrap_used, reason = "a benchmark ends where it can't go on")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use cascade_detector::{CascadeEngine, Config};
use cascade_domain::{
    Coverage, Event, EventTime, FeedStatus, Finding, Id, Instrument, Liquidation, Mark, PriceKind, Shard,
    Side, Symbol, Tick, Usd, Venue, Windows,
};
use cascade_engine::Engine;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};

const START: i64 = 1_790_000_040_000;

/// A stream that is measured.
#[derive(Clone, Copy)]
struct Stream {
    name: &'static str,
    symbols: usize,
    per_second: i64,
    late_ms: u64,
}

impl Stream {
    const fn of(name: &'static str, symbols: usize, per_second: i64, late_ms: u64) -> Self {
        Self { name, symbols, per_second, late_ms }
    }
}

/// In order of what could be known, and with venues behind each other by up to half a second, one second, one and a
/// half.
const STREAMS: [Stream; 5] = [
    Stream::of("600_symbols_random", 600, 1_000, 0),
    Stream::of("100_orders_in_window", 1, 2, 0),
    Stream::of("50000_orders_in_window", 1, 834, 0),
    Stream::of("100_orders_out_of_order", 1, 2, 500),
    Stream::of("50000_orders_out_of_order", 1, 834, 500),
];

/// Events whose cost is taken together in a distribution, and how many such costs make one.
const BATCH: u32 = 64;
const BATCHES: usize = 2_000;

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
}

/// An endless stream of single-print orders over some symbols, so many a second, with a mark per symbol at first.
struct Source {
    dice: Dice,
    symbols: Vec<Symbol>,
    micros: i64,
    step_micros: i64,
    /// How far behind the newest venue each of the others may be, milliseconds a venue.
    late_ms: u64,
}

impl Source {
    fn new(Stream { symbols, per_second, late_ms, .. }: Stream) -> Self {
        let name = |number| match number {
            0 => Symbol::parse("BTCUSDT").unwrap(),
            _ => Symbol::parse(&format!("S{number}USDT")).unwrap(),
        };
        let symbols = (0..symbols).map(name).collect();
        Self { dice: Dice(7), symbols, micros: 0, step_micros: 1_000_000 / per_second, late_ms }
    }

    fn next(&mut self) -> Liquidation {
        self.micros += self.step_micros;
        let place = self.dice.roll(self.symbols.len() as u64);
        let number = self.dice.roll(4);
        let venue = Venue::ALL[usize::try_from(number).unwrap()];
        let late_ms = i64::try_from(self.dice.roll(number * self.late_ms + 1)).unwrap();
        let at = EventTime::from_ms(START + self.micros / 1_000 - late_ms);
        Liquidation {
            id: Id::from_bits(self.dice.roll(u64::MAX)),
            venue,
            symbol: self.symbols[usize::try_from(place).unwrap()],
            instrument: Instrument::parse("BTCUSDT").unwrap(),
            side: if self.dice.roll(8) == 0 { Side::Short } else { Side::Long },
            price: 100_000.0,
            price_kind: PriceKind::Bankruptcy,
            quantity: 0.03,
            notional_usd: Usd::from_dollars(500 + i64::try_from(self.dice.roll(5_000)).unwrap()),
            event_time_ms: at.plus_ms(-i64::try_from(self.dice.roll(200)).unwrap()),
            published_at_ms: None,
            known_at_ms: Some(at),
            coverage: if venue == Venue::Binance { Coverage::Sampled } else { Coverage::Complete },
            account: None,
        }
    }

    fn mark(&self, symbol: Symbol) -> Event {
        let at = EventTime::from_ms(START + self.micros / 1_000);
        Event::Mark(Mark {
            venue: Venue::Bybit,
            symbol,
            instrument: Instrument::parse("BTCUSDT").unwrap(),
            mark_price: Some(100_000.0),
            index_price: None,
            funding_rate: Some(0.0001),
            funding_interval_h: Some(8.0),
            next_funding_time_ms: None,
            event_time_ms: Some(at),
            known_at_ms: Some(at),
        })
    }

    fn tick(&self) -> Event {
        let feeds = Venue::ALL.into_iter().map(|venue| (venue, FeedStatus::Live)).collect();
        Event::Tick(Tick {
            event_time_ms: EventTime::from_ms(START + self.micros / 1_000),
            btc_price: Some(100_000.0),
            btc_usd_volume_1s: None,
            btc_venues_changed: false,
            feeds,
        })
    }
}

/// An engine with full windows, and the stream that goes on.
struct Run {
    source: Source,
    engine: CascadeEngine,
    out: Vec<Finding>,
    second: i64,
}

impl Run {
    /// Runs the stream until the windows are full.
    fn new(stream: Stream) -> Self {
        let config = Config::default();
        let label = config.engine_label();
        let engine = CascadeEngine::new(Arc::new(config), Shard::new(0).unwrap(), label);
        let mut run = Self { source: Source::new(stream), engine, out: Vec::new(), second: 0 };
        for _ in 0..stream.per_second * 65 {
            run.step();
            run.engine.take(&Event::Liquidation(run.source.next()), &mut run.out).unwrap();
        }
        run
    }

    /// Ticks and marks, where a second has passed.
    fn step(&mut self) {
        if self.source.micros / 1_000_000 > self.second {
            self.second = self.source.micros / 1_000_000;
            self.engine.take(&self.source.tick(), &mut self.out).unwrap();
            for symbol in &self.source.symbols {
                self.engine.take(&self.source.mark(*symbol), &mut self.out).unwrap();
            }
        }
        self.out.clear();
    }

    /// What the next liquidations cost together; ticks and marks are not measured.
    fn time(&mut self, events: usize) -> Duration {
        self.step();
        let events: Vec<Event> = (0..events).map(|_| Event::Liquidation(self.source.next())).collect();
        #[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
        let from = std::time::Instant::now();
        for event in &events {
            self.engine.take(black_box(event), &mut self.out).unwrap();
        }
        from.elapsed()
    }
}

/// Mean cost of a liquidation.
fn measure(criterion: &mut Criterion, stream: Stream) {
    // A tenth of a second of the stream, at least ten events, is measured at once.
    let batch = usize::try_from((stream.per_second / 10).max(10)).unwrap();
    let mut run = Run::new(stream);
    criterion
        .benchmark_group("update")
        .throughput(criterion::Throughput::Elements(batch as u64))
        .bench_function(stream.name, |bencher| {
            bencher.iter_custom(|rounds| (0..rounds).map(|_| run.time(batch)).sum());
        });
}

/// How the cost of a liquidation is distributed: batches of 64 are timed, for a clock is too coarse for one.
fn distribution(stream: Stream) {
    let (mut run, name) = (Run::new(stream), stream.name);
    let mut nanos: Vec<f64> =
        (0..BATCHES).map(|_| run.time(BATCH as usize).as_secs_f64() * 1e9 / f64::from(BATCH)).collect();
    nanos.sort_unstable_by(f64::total_cmp);
    let at = |percent: usize| nanos[nanos.len() * percent / 100];
    println!("update/{name}: p50 {:.0} ns, p99 {:.0} ns per event", at(50), at(99));
}

/// The six windows of one symbol, computed afresh from a list at each event: what the engine does not do.
fn baseline(criterion: &mut Criterion, stream: Stream) {
    let mut source = Source::new(stream);
    let mut held: Vec<Liquidation> = (0..stream.per_second * 60).map(|_| source.next()).collect();
    criterion.benchmark_group("fresh").bench_function(stream.name, |bencher| {
        bencher.iter_batched(
            || source.next(),
            |event| {
                let now = event.known_at_ms.unwrap();
                held.push(event);
                let mut sums = [(0_u64, Usd::ZERO, Usd::ZERO); 6];
                for print in &held {
                    for (sum, length) in sums.iter_mut().zip(Windows::<u64>::MS) {
                        if print.known_at_ms.unwrap() > now.plus_ms(-length) {
                            sum.0 += 1;
                            match print.side {
                                Side::Long => sum.1 += print.notional_usd,
                                Side::Short => sum.2 += print.notional_usd,
                            }
                        }
                    }
                }
                held.swap_remove(0);
                black_box(sums)
            },
            BatchSize::SmallInput,
        );
    });
}

fn update(criterion: &mut Criterion) {
    for stream in STREAMS {
        measure(criterion, stream);
    }
    for stream in STREAMS.into_iter().filter(|stream| stream.symbols == 1 && stream.late_ms == 0) {
        baseline(criterion, stream);
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(std::time::Duration::from_millis(500))
        .measurement_time(std::time::Duration::from_secs(2));
    targets = update
}

fn distributions(_: &mut Criterion) {
    for stream in STREAMS {
        distribution(stream);
    }
}

criterion_group!(reports, distributions);
criterion_main!(benches, reports);
