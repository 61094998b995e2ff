//! What holds for every stream.

use std::collections::BTreeMap;

use crate::stream::{FEEDS, START, Stream, at, bar, gap, instrument, mark, sample, symbol, tick};
use cascade_domain::{
    Event, EventTime, FeedHealth, FeedStatus, Gap, GapStream, Mark, OpenInterest, Tick, TradeBar, Usd, Venue,
};
use cascade_engine::Engine;
use cascade_open_interest::Config;
use proptest::prelude::*;

const NAMES: [&str; 2] = ["BTCUSDT", "DOGEUSDT"];

/// An event: how long after the one before, how late, of which kind, and dice for the rest.
type Step = (i64, i64, u8, u64);

fn step(longest: i64) -> impl Strategy<Value = Step> {
    (0..longest, prop_oneof![6 => Just(0i64), 1 => 0i64..20_000], 0u8..20, 0u64..u64::MAX)
}

fn pick<T: Copy>(from: &[T], dice: u64) -> T {
    from[usize::try_from(dice % from.len() as u64).unwrap()]
}

fn small(dice: u64) -> f64 {
    f64::from(u32::try_from(dice % 1_000_000).unwrap())
}

fn build(now: i64, (_, late, kind, dice): Step) -> Event {
    let ms = now - late;
    let (venue, name) = (pick(&Venue::ALL, dice), pick(&NAMES, dice / 5));
    match kind {
        6 if dice.is_multiple_of(5) => {
            let of = gap(pick(&GapStream::ALL, dice / 4), venue, ms - 1_000 * i64::from(kind), ms);
            let reason = if dice.is_multiple_of(7) { "trimmed" } else { "closed" };
            Event::Gap(Gap { reason: reason.into(), ..of })
        }
        7 if dice.is_multiple_of(3) => Event::FeedHealth(FeedHealth {
            venue,
            status: pick(&[FeedStatus::Live, FeedStatus::Dead], dice / 11),
            since_ms: at(ms),
            reason: String::new(),
        }),
        0..=7 => Event::Tick(tick(now, &FEEDS)),
        8..=10 => Event::Mark(Mark {
            funding_rate: dice.is_multiple_of(2).then_some(1e-4),
            funding_interval_h: Some(8.0),
            ..mark(ms, venue, name, 100.0 + small(dice / 3) / 1e6)
        }),
        11..=13 => Event::TradeBar(bar(ms - ms.rem_euclid(1_000), venue, name, small(dice / 7) / 1e3)),
        _ => {
            // Mostly alike, so that there are changes over windows; now and then far away.
            let coins =
                if dice.is_multiple_of(9) { small(dice / 13) * 10.0 } else { 1e6 + small(dice / 13) / 5.0 };
            let told = sample(ms, venue, name, coins);
            if dice.is_multiple_of(10) {
                return Event::OpenInterest(OpenInterest {
                    coins: None,
                    usd: Usd::from_f64(coins * 100.0),
                    instrument: instrument("INVERSE"),
                    ..told
                });
            }
            Event::OpenInterest(told)
        }
    }
}

fn events(steps: &[Step]) -> Vec<Event> {
    let mut now = 0;
    let pass = |step: &Step| {
        now += step.0;
        build(now, *step)
    };
    steps.iter().map(pass).collect()
}

/// A configuration under which a few hundred events make episodes.
fn config() -> Config {
    let mut config = Config { window_s: 60, min_venues: 1, ..Config::default() };
    (config.samples.open_interest_s, config.samples.coverage) = (300, 0.3);
    config.others.minimum_usd = 0.0;
    config
}

fn lines(stream: &Stream) -> Vec<String> {
    stream.said.iter().map(|finding| serde_json::to_string(finding).unwrap()).collect()
}

fn state(stream: &Stream) -> Vec<u8> {
    rmp_serde::to_vec(stream.engine.state()).unwrap()
}

/// What every read-model shows.
fn shown(stream: &Stream) -> String {
    NAMES.map(symbol).iter().fold(String::new(), |text, symbol| {
        let engine = &stream.engine;
        format!("{text}{:?}{:?}{:?}", engine.current(symbol), engine.changes(symbol), engine.funding(symbol))
    })
}

/// The change of a line's coins, computed afresh from all that was ever sampled.
#[derive(Default)]
struct Model {
    now: i64,
    /// Known at, and micro-coins.
    last: Option<(i64, i64)>,
    known: bool,
    /// By step, and the moment.
    points: BTreeMap<(i64, i64), i64>,
}

const STEPS: [i64; 2] = [5_000, 60_000];
const FRESH: i64 = 600_000;

impl Model {
    fn advance(&mut self, to: i64) {
        if to <= self.now {
            return;
        }
        for step in STEPS {
            let mut moment = (self.now - 1).div_euclid(step) * step + step;
            while moment < to && self.known {
                if let Some((at, micros)) = self.last
                    && moment - at <= FRESH
                    && moment >= at
                {
                    self.points.insert((step, moment), micros);
                }
                moment += step;
            }
        }
        self.now = to;
    }

    fn hear(&mut self, event: &Event) {
        let ms = |time: EventTime| time.ms() - START;
        match event {
            Event::Tick(tick) => self.advance(ms(tick.event_time_ms)),
            Event::OpenInterest(told) => {
                let (at, coins) = (ms(told.known_at_ms.unwrap()), told.coins.unwrap());
                self.advance(at);
                self.known = true;
                if self.last.is_none_or(|(last, _)| at >= last) {
                    #[expect(clippy::cast_possible_truncation, reason = "small")]
                    let micros = (coins * 1e6).round_ties_even() as i64;
                    self.last = Some((at, micros));
                }
            }
            Event::Gap(gap) => {
                let (from, to) = (ms(gap.from_ms), ms(gap.to_ms));
                self.points.retain(|(_, moment), _| *moment <= from || *moment > to);
                self.last = self.last.filter(|(at, _)| *at > to);
            }
            _ => {}
        }
    }

    fn change(&self, step: i64, steps: i64) -> Option<(i64, i64)> {
        let (at, after) = self.last.filter(|(at, _)| self.now - at <= FRESH)?;
        assert!(at <= self.now);
        let newest = (self.now - 1).div_euclid(step);
        let known = (newest - steps + 1..=newest)
            .filter(|number| self.points.contains_key(&(step, number * step)))
            .count();
        let start = self.now.div_euclid(step) - steps;
        let before = *self.points.get(&(step, start * step))?;
        (known * 5 >= usize::try_from(steps).unwrap() * 4 && before > 0).then_some((before, after))
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_same_stream_twice_gives_the_same_bytes(steps in prop::collection::vec(step(4_000), 1..300)) {
        let hear = |steps: &[Step]| {
            let mut stream = Stream::with("BTCUSDT", config());
            for event in &events(steps) { stream.hear(event).ok(); }
            (lines(&stream), state(&stream), shown(&stream))
        };
        prop_assert_eq!(hear(&steps), hear(&steps));
    }

    #[test]
    fn a_restart_from_a_snapshot_anywhere_goes_on_with_the_same_bytes(
        steps in prop::collection::vec(step(4_000), 2..300), cut in any::<prop::sample::Index>(),
    ) {
        let events = events(&steps);
        let (before, after) = events.split_at(cut.index(events.len()));
        let mut first = Stream::with("BTCUSDT", config());
        for event in before { first.hear(event).ok(); }
        let told = first.said.len();
        let snapshot = state(&first);
        let current = shown(&first);
        for event in after { first.hear(event).ok(); }

        let mut second = Stream::with("BTCUSDT", config());
        second.engine.resume(rmp_serde::from_slice(&snapshot).unwrap());
        prop_assert_eq!(state(&second), snapshot);
        prop_assert_eq!(shown(&second), current);
        for event in after { second.hear(event).ok(); }
        prop_assert_eq!(lines(&second), &lines(&first)[told..]);
        prop_assert_eq!(state(&second), state(&first));
        prop_assert_eq!(shown(&second), shown(&first));
    }

    #[test]
    fn a_rolling_change_is_a_fresh_change(steps in prop::collection::vec(step(240_000), 1..900), gaps in any::<bool>()) {
        let mut config = Config::default();
        config.samples.open_interest_s = 600;
        config.memory.idle_s = 604_800;
        let mut stream = Stream::with("BTCUSDT", config);
        let mut model = Model::default();
        for event in events(&steps) {
            // One line, and no bars: nothing is suspect.
            let event = match event {
                Event::OpenInterest(told) if told.coins.is_some() => Event::OpenInterest(OpenInterest {
                    venue: Venue::Okx, symbol: symbol("BTCUSDT"), instrument: instrument("BTC"), ..told
                }),
                Event::Gap(of) if gaps => {
                    let reason = "closed".into();
                    Event::Gap(Gap { venue: Venue::Okx, stream: GapStream::OpenInterest, reason, ..of })
                }
                Event::Tick(_) => event,
                _ => continue,
            };
            // Nothing may lie further ahead than a minute of the last tick.
            if stream.hear(&event).is_ok() {
                model.hear(&event);
            }
            let Some(shown) = stream.engine.changes(&symbol("BTCUSDT")) else { continue };
            for (span, step, length) in [
                ("1m", 5_000, 12), ("5m", 5_000, 60), ("15m", 5_000, 180), ("1h", 60_000, 60), ("24h", 60_000, 1_440),
            ] {
                let micros = |coins: f64| (coins * 1e6).round();
                let fresh = model.change(step, length);
                #[expect(clippy::cast_precision_loss, reason = "small")]
                let fresh = fresh.map(|(before, after)| (before as f64, after as f64));
                let rolled = shown.spans.get(span).map(|of| (micros(of.before.coins), micros(of.after.coins)));
                prop_assert_eq!(rolled, fresh, "{} at {}", span, model.now);
            }
        }
    }

    #[test]
    fn no_event_makes_it_panic_and_no_figure_is_no_number(
        steps in prop::collection::vec(
            (step(20_000), prop::num::f64::ANY, prop::num::f64::ANY, any::<i64>(), prop::option::of(any::<i64>())), 1..120,
        ),
    ) {
        let mut stream = Stream::with("BTCUSDT", config());
        let mut now = 0;
        for (one, number, other, whole, time) in steps {
            now += one.0;
            let known_at_ms = time.map(|time| EventTime::from_ms(START.wrapping_add(time % 100_000_000_000)));
            let (number, other) = (number.abs(), other.abs());
            let event = match build(now, one) {
                Event::Mark(told) if one.3.is_multiple_of(3) => Event::Mark(Mark {
                    mark_price: Some(number), funding_rate: Some(other), funding_interval_h: Some(number), known_at_ms, ..told
                }),
                Event::TradeBar(told) if one.3.is_multiple_of(3) => Event::TradeBar(TradeBar {
                    buy_quantity: number, sell_quantity: other, open_time_ms: known_at_ms.unwrap_or(told.open_time_ms),
                    known_at_ms, ..told
                }),
                Event::OpenInterest(told) if one.3.is_multiple_of(3) => Event::OpenInterest(OpenInterest {
                    coins: one.3.is_multiple_of(2).then_some(number), usd: Some(Usd::from_micros(exact(whole))),
                    event_time_ms: known_at_ms, known_at_ms: None, ..told
                }),
                Event::Gap(told) if one.3.is_multiple_of(3) => Event::Gap(Gap {
                    from_ms: known_at_ms.unwrap_or(told.from_ms), ..told
                }),
                Event::Tick(told) if one.3.is_multiple_of(50) => Event::Tick(Tick {
                    event_time_ms: known_at_ms.unwrap_or(told.event_time_ms), ..told
                }),
                event => event,
            };
            stream.hear(&event).ok();
            let shown = shown(&stream);
            prop_assert!(!shown.contains("NaN") && !shown.contains("inf"), "{}", shown);
        }
        for finding in &stream.said {
            prop_assert_eq!(finding.check(), Ok(()));
        }
        let snapshot = state(&stream);
        let mut second = Stream::with("BTCUSDT", config());
        second.engine.resume(rmp_serde::from_slice(&snapshot).unwrap());
        prop_assert_eq!(state(&second), snapshot);
    }

    #[test]
    fn a_snapshot_that_was_tampered_with_is_refused_or_read_and_never_a_panic(
        steps in prop::collection::vec(step(4_000), 50..150),
        tampered in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let events = events(&steps);
        let mut first = Stream::with("BTCUSDT", config());
        for event in &events { first.hear(event).ok(); }
        let mut snapshot = state(&first);
        for (place, byte) in tampered {
            let place = place.index(snapshot.len());
            snapshot[place] = byte;
        }
        if let Ok(read) = rmp_serde::from_slice(&snapshot) {
            let mut second = Stream::with("BTCUSDT", config());
            second.engine.resume(read);
            for event in &events { second.hear(event).ok(); }
            shown(&second);
        }
    }
}

/// As micro-dollars that a double holds to the last one: small ones, and the largest sums.
fn exact(whole: i64) -> i64 {
    if whole % 16 == 0 {
        i64::MAX
    } else if whole % 16 == 1 {
        i64::MIN
    } else {
        whole >> 11
    }
}

/// The streams of the properties have what the properties are about.
#[test]
fn such_streams_have_episodes_and_suspects() {
    let mut dice = 7_u64;
    let mut roll = |sides: u64| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (dice >> 33) % sides
    };
    let mut stream = Stream::with("BTCUSDT", config());
    let steps: Vec<Step> = (0..6_000)
        .map(|_| {
            let step = i64::try_from(roll(4_000)).unwrap();
            (step, 0, u8::try_from(roll(20)).unwrap(), roll(1 << 31))
        })
        .collect();
    for event in &events(&steps) {
        stream.hear(event).ok();
    }
    let suspects: u64 = NAMES.map(symbol).iter().map(|symbol| stream.engine.suspect_samples(symbol)).sum();
    assert!(stream.findings().len() > 10, "{} findings", stream.findings().len());
    assert!(suspects > 10, "{suspects} suspects");
}
