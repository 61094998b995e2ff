//! What holds for every stream (signals.md 9).

use crate::stream::{START, Stream, at, gap, interest, liquidation, mark, symbol, tick};
use cascade_detector::rungs::{RungInput, Sides, Thresholds};
use cascade_detector::score::{ScoreInput, rate};
use cascade_detector::{Config, PresetName};
use cascade_domain::{
    Coverage, Event, FeedStatus, GapStream, Instrument, Liquidation, Side, Usd, Venue, Windows,
};
use cascade_engine::Engine;
use proptest::prelude::*;

const NAMES: [&str; 3] = ["BTCUSDT", "ETHUSDT", "DOGEUSDT"];

/// Any event, some milliseconds after the one before, some of them late.
fn event() -> impl Strategy<Value = (i64, i64, u8, u64)> {
    (0i64..900, prop_oneof![4 => Just(0i64), 1 => 0i64..50_000], 0u8..16, 0u64..u64::MAX)
}

fn build(now: i64, late: i64, kind: u8, dice: u64) -> Event {
    let ms = now - late;
    let small = i64::try_from(dice % 1_000_000).unwrap();
    let venue = Venue::ALL[usize::try_from(dice % 4).unwrap()];
    let name = symbol(NAMES[usize::try_from(dice / 7 % 3).unwrap()]);
    match kind {
        0 => Event::Tick(tick(now, &[(venue, FeedStatus::Live), (Venue::Okx, FeedStatus::Sampled)])),
        1 => Event::Gap(gap(GapStream::ALL[usize::try_from(dice % 4).unwrap()], ms - 100, ms)),
        2 | 3 => {
            let price = 100_000.0 + f64::from(i32::try_from(small % 2_000).unwrap());
            Event::Mark(cascade_domain::Mark { venue, symbol: name, ..mark(ms, price) })
        }
        4 => {
            let coins = f64::from(i32::try_from(small).unwrap());
            Event::OpenInterest(cascade_domain::OpenInterest { venue, symbol: name, ..interest(ms, coins) })
        }
        _ => Event::Liquidation(Liquidation {
            venue,
            symbol: name,
            side: if dice.is_multiple_of(3) { Side::Short } else { Side::Long },
            coverage: if venue == Venue::Binance { Coverage::Sampled } else { Coverage::Complete },
            event_time_ms: at(ms - small % 3),
            ..liquidation(ms, small)
        }),
    }
}

fn events(steps: &[(i64, i64, u8, u64)]) -> Vec<Event> {
    let mut now = 0;
    let pass = |(step, late, kind, dice): &(i64, i64, u8, u64)| {
        now += step;
        build(now, *late, *kind, *dice)
    };
    steps.iter().map(pass).collect()
}

/// Every finding as a line of JSON.
fn lines(stream: &Stream) -> Vec<String> {
    stream.said.iter().map(|finding| serde_json::to_string(finding).unwrap()).collect()
}

/// The same, and how the engine then stands.
fn hear(events: &[Event]) -> (Vec<String>, String) {
    let mut stream = Stream::new();
    for event in events {
        stream.hear(event).ok();
    }
    (lines(&stream), format!("{:?}", stream.engine))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_same_stream_twice_gives_the_same_bytes(steps in prop::collection::vec(event(), 1..150)) {
        let events = events(&steps);
        prop_assert_eq!(hear(&events), hear(&events));
    }

    #[test]
    fn a_cold_engine_that_hears_the_stream_again_goes_on_with_the_same_bytes(
        steps in prop::collection::vec(event(), 2..150), cut in any::<prop::sample::Index>(),
    ) {
        let events = events(&steps);
        let (before, after) = events.split_at(cut.index(events.len()));
        let mut first = Stream::new();
        for event in before { first.hear(event).ok(); }
        let told = first.said.len();
        for event in after { first.hear(event).ok(); }

        let mut second = Stream::new();
        for event in before {
            // What it says again is dropped as it comes.
            second.hear(event).ok();
            second.said.clear();
        }
        for event in after { second.hear(event).ok(); }
        prop_assert_eq!(lines(&second), &lines(&first)[told..]);
        prop_assert_eq!(format!("{:?}", second.engine), format!("{:?}", first.engine));
    }

    #[test]
    fn a_restart_from_a_snapshot_anywhere_goes_on_with_the_same_bytes(
        steps in prop::collection::vec(event(), 2..150), cut in any::<prop::sample::Index>(),
    ) {
        let events = events(&steps);
        let (before, after) = events.split_at(cut.index(events.len()));
        let mut first = Stream::new();
        for event in before { first.hear(event).ok(); }
        let told = first.said.len();
        let snapshot = rmp_serde::to_vec(first.engine.state()).unwrap();
        for event in after { first.hear(event).ok(); }

        let mut second = Stream::new();
        second.engine.resume(rmp_serde::from_slice(&snapshot).unwrap());
        prop_assert_eq!(&rmp_serde::to_vec(second.engine.state()).unwrap(), &snapshot);
        for event in after { second.hear(event).ok(); }
        prop_assert_eq!(lines(&second), &lines(&first)[told..]);
        prop_assert_eq!(
            rmp_serde::to_vec(second.engine.state()).unwrap(), rmp_serde::to_vec(first.engine.state()).unwrap()
        );
    }

    #[test]
    fn rolling_windows_are_fresh_windows(steps in prop::collection::vec(event(), 1..150)) {
        let mut stream = Stream::new();
        let mut taken: Vec<Liquidation> = Vec::new();
        let (mut now, mut last_tick) = (i64::MIN, i64::MIN);
        for event in events(&steps) {
            if stream.hear(&event).is_err() {
                continue;
            }
            let known = event.known_at().map_or(i64::MIN, cascade_domain::EventTime::ms);
            if matches!(event, Event::Tick(_)) {
                last_tick = last_tick.max(known);
            } else if event.symbol() == Some(&symbol("BTCUSDT")) {
                now = now.max(known);
            }
            if let Event::Liquidation(print) = event && print.symbol == symbol("BTCUSDT") {
                now = now.max(last_tick);
                taken.push(print);
            }
            let Some(shown) = stream.engine.velocity(&symbol("BTCUSDT")) else { continue };
            if taken.is_empty() || shown.count.0[5] == 0 {
                continue;
            }
            let now = now.max(last_tick);
            prop_assert_eq!(shown.event_time_ms.ms(), now);
            for (window, length) in Windows::<u64>::MS.into_iter().enumerate() {
                let within = |print: &&Liquidation| {
                    let at = print.known_at_ms.unwrap().ms();
                    at > now - length && at <= now && (window > 1 || print.coverage == Coverage::Complete)
                };
                let mut keys: Vec<(i64, Venue, Side)> = Vec::new();
                let mut first = 0;
                for print in &taken {
                    let key = (print.event_time_ms.ms(), print.venue, print.side);
                    if !keys.contains(&key) {
                        keys.push(key);
                        first += u64::from(within(&print));
                    }
                }
                prop_assert_eq!(shown.count.0[window], first, "count of window {}", window);
                let usd = taken.iter().filter(within).fold(Usd::ZERO, |sum, print| sum + print.notional_usd);
                let fresh = usd.dollars() * 1e3 / f64::from(i32::try_from(length).unwrap());
                prop_assert!((shown.usd_velocity.0[window] - fresh).abs() <= fresh * 1e-12);
            }
        }
    }

    #[test]
    fn scores_are_fractions_and_contributions_add_up(
        inputs in prop::collection::vec(prop::option::of(prop::num::f64::ANY), 7), seed in any::<bool>(),
    ) {
        let preset = if seed { PresetName::Seed } else { PresetName::Balanced };
        let config = Config { preset, ..Config::default() };
        let scored = rate(&config.score, config.preset(), &ScoreInput {
            velocity: inputs[0],
            acceleration: inputs[1],
            volume: inputs[2],
            oi_change: inputs[3],
            funding: inputs[4],
            multiplier: inputs[5],
            venue_correlation: inputs[6],
        });
        for value in [scored.raw, scored.boosted, scored.score].into_iter().chain(scored.scores.to_array()) {
            prop_assert!((0.0..=1.0).contains(&value), "{:?}", scored);
        }
        let sum: f64 = scored.contributions.to_array().into_iter().sum();
        prop_assert!((sum - scored.raw).abs() < 1e-12);
        prop_assert!(scored.boosted >= scored.raw && scored.score >= scored.boosted - 1e-15);
    }

    #[test]
    fn more_of_the_dominant_side_never_lowers_the_level(
        long in 0i128..40_000_000, short in 0i128..20_000_000, more in 0i128..40_000_000,
        change in prop::option::of(-0.05f64..0.05), quarter in prop::option::of(-0.1f64..0.1),
        score in 0.0f64..1.0, count in 1u64..20,
    ) {
        let long = long + short;
        let thresholds = Thresholds::of(&Config::default(), &symbol("BTCUSDT"));
        let level = |long: i128| thresholds.reach(&RungInput {
            sides: Sides { long: long * 1_000_000, short: short * 1_000_000 },
            count,
            unit: thresholds.unit(None),
            change_60s: change,
            change_15m: quarter,
            score: Some(score),
            ..RungInput::default()
        }).level;
        prop_assert!(level(long + more) >= level(long));
    }

    #[test]
    fn arbitrary_numbers_and_times_never_panic(
        numbers in prop::collection::vec(
            (prop::num::f64::ANY, any::<i64>(), any::<i64>(), any::<i64>(), 0u8..6), 1..40),
    ) {
        let mut stream = Stream::new();
        for (number, usd, known, event, kind) in numbers {
            let known = if kind % 2 == 0 { known } else { known % 100_000 };
            let time = Some(cascade_domain::EventTime::from_ms(START.wrapping_add(known)));
            let event = match kind {
                0 | 1 => Event::Liquidation(Liquidation {
                    price: number.abs(),
                    notional_usd: Usd::from_micros(usd.wrapping_abs()),
                    event_time_ms: cascade_domain::EventTime::from_ms(event),
                    known_at_ms: time,
                    ..liquidation(0, 0)
                }),
                2 | 3 => Event::Mark(cascade_domain::Mark {
                    mark_price: Some(number),
                    funding_rate: Some(number),
                    funding_interval_h: Some(number.abs()),
                    known_at_ms: time,
                    ..mark(0, 1.0)
                }),
                4 => Event::OpenInterest(cascade_domain::OpenInterest {
                    coins: Some(number),
                    usd: Some(Usd::from_micros(usd)),
                    known_at_ms: time,
                    ..interest(0, 1.0)
                }),
                _ => Event::Tick(cascade_domain::Tick { btc_price: Some(number), ..tick(known, &[]) }),
            };
            stream.hear(&event).ok();
            stream.engine.velocity(&symbol("BTCUSDT"));
            stream.engine.score(&symbol("BTCUSDT"));
        }
        for finding in &stream.said {
            prop_assert!(serde_json::to_string(finding).is_ok());
        }
    }
}

#[test]
fn an_instrument_more_is_no_end() {
    let mut stream = Stream::warm();
    for number in 0..600 {
        let instrument = Instrument::parse(&format!("BTC{number}")).unwrap();
        stream.liquidate(Liquidation { instrument, ..liquidation(number, 1_000) });
    }
    assert_eq!(stream.engine.velocity(&symbol("BTCUSDT")).unwrap().count.0[5], 600);
}
