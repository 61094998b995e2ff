//! What the built-in scenarios reach, by arithmetic over the sampled output: flow in 30 s against the thresholds that a
//! detector has by default (signals.md 6), and the price's change over 60 s. Only tests.

use std::collections::BTreeMap;

use cascade_domain::{Level, Side, Venue};

use crate::listing::listed;
use crate::plan::FaultKind;
use crate::sampling::Sampler;
use crate::scenario::Scenario;
use crate::world::{Liquidation, STEP_MS, World, duration_ms, milliseconds};

/// What a subscriber to everything could know of one market.
struct Seen {
    /// When each published order could be known, in milliseconds of the scenario, and the order.
    orders: Vec<(i64, Liquidation)>,
    /// The mark at each whole second from 0.
    marks: Vec<f64>,
}

/// (unit A in dollars, fall over 60 s of CRITICAL, of EXTREME, orders and dollars of the cascade rule)
fn thresholds(base: &str) -> (f64, f64, f64, (usize, f64)) {
    match base {
        "BTC" => (3e6, 0.005, 0.015, (5, 500_000.0)),
        "ETH" => (2e6, 0.007, 0.03, (5, 250_000.0)),
        _ => (5e5, 0.01, 0.03, (4, 100_000.0)),
    }
}

fn watch(name: &str, seed: u64) -> BTreeMap<&'static str, Seen> {
    watch_all(&Scenario::named(name).unwrap(), seed)
}

fn watch_all(scenario: &Scenario, seed: u64) -> BTreeMap<&'static str, Seen> {
    let mut world = World::new(scenario, seed);
    let mut samplers = Venue::ALL.map(|venue| (venue, Sampler::of(venue)));
    let mut all: BTreeMap<&'static str, Seen> = BTreeMap::new();
    for base in ["BTC", "ETH", "SOL"] {
        all.insert(base, Seen { orders: Vec::new(), marks: Vec::new() });
    }
    while {
        let step = world.step();
        for (venue, sampler) in &mut samplers {
            let here = step.liquidations.iter().filter(|o| o.listing.venue == *venue);
            let happened: Vec<_> = here.cloned().collect();
            let muted = scenario.faults().iter().any(|fault| {
                let silence = milliseconds(fault.from_s)..milliseconds(fault.until_s);
                fault.kind == FaultKind::Mute
                    && fault.venue == *venue
                    && silence.contains(&(step.end_ms - STEP_MS))
            });
            for publication in sampler.step(&happened, step.end_ms) {
                if muted {
                    continue;
                }
                for order in publication.orders {
                    let Some(market) = all.get_mut(order.listing.base().name) else { continue };
                    market.orders.push((publication.at_ms, order));
                }
            }
        }
        if step.end_ms % 1000 == 0 {
            for (base, seen) in &mut all {
                let main = listed(Venue::Binance).find(|l| l.base().name == *base).unwrap();
                seen.marks.push(world.mark(main));
            }
        }
        step.end_ms < duration_ms(scenario)
    } {}
    all
}

impl Seen {
    /// Orders and dollars of a side that were published in (second - 30, second].
    fn flow(&self, side: Side, second: i64) -> (usize, f64) {
        let window = (second - 30) * 1000 + 1..=second * 1000;
        let orders = self.orders.iter().filter(|(at, o)| window.contains(at) && o.side == side);
        orders.fold((0, 0.0), |(n, usd), (_, o)| (n + 1, usd + o.usd))
    }

    /// The level that flow and price reach at a second, by the `flow` and `cascade_rule` rungs alone. Marks are known
    /// from second 1 on.
    fn level(&self, base: &str, second: i64) -> Level {
        let (unit, critical, extreme, (n, least)) = thresholds(base);
        let ((longs, long), (shorts, short)) =
            (self.flow(Side::Long, second), self.flow(Side::Short, second));
        let (usd, share) = (long.max(short), long.max(short) / (long + short));
        let now = usize::try_from(second).unwrap();
        let fall = (now > 60).then(|| 1.0 - self.marks[now - 1] / self.marks[now - 61]);
        let one_sided = share >= 0.75;
        let fallen = |least: f64, unknown: f64| fall.map_or(usd >= unknown * unit, |f| f >= least);
        if one_sided && usd >= 10.0 * unit && fallen(extreme, 20.0) {
            Level::Extreme
        } else if one_sided && usd >= 3.0 * unit && fallen(critical, 6.0) {
            Level::Critical
        } else if one_sided && usd >= unit {
            Level::Alert
        } else if usd >= unit / 3.0 || (longs + shorts >= n && long + short >= least) {
            Level::Watch
        } else {
            Level::None
        }
    }
}

#[test]
fn the_cascade_reaches_its_levels_in_time_on_what_is_published_alone() {
    let scenario = Scenario::named("cascade").unwrap();
    for seed in 0..12 {
        let seen = watch("cascade", seed);
        for expected in scenario.expected() {
            let base = expected.symbol.base();
            let (onset, within) = (expected.onset_s, expected.within_s.unwrap());
            let last = i64::try_from(onset + within).unwrap();
            let reached = (i64::try_from(onset).unwrap()..=last).map(|s| seen[base].level(base, s)).max();
            assert!(reached >= expected.at_least, "seed {seed}: {base} reaches {reached:?}");
            let before = (1..38).map(|s| seen[base].level(base, s)).max().unwrap();
            assert_eq!(before, Level::None, "seed {seed}: {base} before the build-up");
        }
        let btc = &seen["BTC"];
        let most = (42..=102).map(|s| btc.flow(Side::Long, s).1).fold(0.0, f64::max);
        assert!(most >= 33e6, "seed {seed}: {most} of the 30M that EXTREME needs, with 10 % to spare");
    }
}

#[test]
fn without_binance_the_others_still_carry_a_cascade_to_critical() {
    let scenario = Scenario::named("dead-feed").unwrap();
    let [fault] = scenario.faults() else { panic!("one fault") };
    let silent = i64::try_from(fault.from_s).unwrap();
    assert!(fault.until_s - fault.from_s >= 110 && scenario.duration_s() <= 260);
    assert!(scenario.expected_feeds().iter().all(|feed| feed.venue == fault.venue));
    for seed in 0..12 {
        let mut seen = watch("dead-feed", seed);
        for expected in scenario.expected() {
            let base = expected.symbol.base();
            let (onset, within) = (expected.onset_s, expected.within_s.unwrap());
            let (onset, last) = (i64::try_from(onset).unwrap(), i64::try_from(onset + within).unwrap());
            let heard = &seen[base];
            let at_silence = heard.level(base, silent);
            assert!(at_silence >= Level::Watch, "seed {seed}: {base} has begun: {at_silence}");
            assert!(at_silence < Level::Critical, "seed {seed}: {base} is still to rise: {at_silence}");
            let reached = (onset..=last).map(|s| heard.level(base, s)).max();
            assert!(reached >= expected.at_least, "seed {seed}: {base} reaches {reached:?}");
            seen.get_mut(base).unwrap().orders.retain(|(_, o)| o.listing.venue != Venue::Binance);
            let alone = (silent..=last).map(|s| seen[base].level(base, s)).max();
            assert!(alone >= expected.at_least, "seed {seed}: {base} reaches {alone:?} without Binance");
        }
    }
}

#[test]
fn a_storm_is_load_and_no_cascade() {
    // One of the generated markets: they have nothing to do with the real ones, nor with each other.
    let storm = include_str!("../scenarios/storm.toml").replace("bases = 300", "bases = 1");
    let scenario = Scenario::parse(&storm).unwrap();
    for seed in 0..3 {
        let btc = &watch_all(&scenario, seed)["BTC"];
        assert_eq!((1..=600).map(|s| btc.level("BTC", s)).max(), Some(Level::None), "seed {seed}");
    }
}

#[test]
fn a_cascade_is_over_early_enough_to_be_told_as_resolved() {
    for (name, seed) in (0..12).flat_map(|seed| [("cascade", seed), ("dead-feed", seed)]) {
        let end = i64::try_from(Scenario::named(name).unwrap().duration_s()).unwrap();
        let seen = watch(name, seed);
        for base in ["BTC", "ETH", "SOL"] {
            // NONE for 60 s after the highest level was held for 10 s, and a second for the tick.
            let last = (1..=end).filter(|s| seen[base].level(base, *s) > Level::None).max().unwrap();
            assert!(last + 10 + 60 + 1 < end, "{name}, seed {seed}: {base} is above NONE until {last} s");
        }
    }
}

#[test]
fn a_busy_day_stays_below_alert() {
    for seed in 0..3 {
        for (base, seen) in watch("busy-day", seed) {
            let unit = thresholds(base).0;
            for second in 1..=3600 {
                let most = Side::ALL.map(|side| seen.flow(side, second).1).into_iter().fold(0.0, f64::max);
                assert!(most < unit, "seed {seed}: {base} {most} at {second} s");
                assert!(seen.level(base, second) < Level::Alert);
            }
        }
    }
}

#[test]
fn the_cascade_has_the_shape_of_a_real_one() {
    let scenario = Scenario::named("cascade").unwrap();
    let mut world = World::new(&scenario, 3);
    let orders: Vec<Liquidation> = (0..1760).flat_map(|_| world.step().liquidations).collect();
    let at_peak = orders.iter().filter(|o| (50_000..51_000).contains(&o.at_ms)).count();
    assert!((180..400).contains(&at_peak), "{at_peak} orders in a second of the peak");
    let millions = orders.iter().filter(|o| o.usd >= 1e6).count();
    assert!((3..200).contains(&millions), "{millions} orders of a million or more");
}

#[test]
fn open_interest_on_the_move_is_no_cascade() {
    for seed in 0..3 {
        for (base, seen) in watch("oi-explosion", seed) {
            let most = (1..=2880).map(|second| seen.level(base, second)).max();
            assert_eq!(most, Some(Level::None), "seed {seed}: {base}");
            // Far from what calls a long move an alert.
            let moves = seen.marks.windows(901).map(|w| (w[900] / w[0] - 1.0).abs());
            assert!(moves.fold(0.0, f64::max) < 0.027, "seed {seed}: {base}");
        }
    }
}
