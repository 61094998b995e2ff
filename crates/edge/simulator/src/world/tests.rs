//! The world's course: decided by the seed, true to the scenario.

use super::*;
use crate::listing::listed;
use crate::sampling::Sampler;

fn course(name: &str, seed: u64, steps: usize) -> Vec<Step> {
    let mut world = World::new(&Scenario::named(name).unwrap(), seed);
    (0..steps).map(|_| world.step()).collect()
}

#[test]
fn the_seed_decides_the_world() {
    assert_eq!(course("cascade", 7, 600), course("cascade", 7, 600));
    assert_ne!(course("cascade", 7, 100), course("cascade", 8, 100));
}

#[test]
fn every_forced_order_happens_once_and_in_its_phase() {
    let steps = course("busy-day", 3, 36_000);
    let of = |base: &str| {
        steps.iter().flat_map(|s| &s.liquidations).filter(|l| l.listing.base().name == base).count()
    };
    assert_eq!((of("BTC"), of("ETH"), of("SOL")), (150, 120, 60));
    for step in &steps {
        let within = |at: i64| at >= step.end_ms - STEP_MS && at < step.end_ms;
        assert!(step.liquidations.iter().all(|l| within(l.at_ms)));
        assert!(step.trades.iter().all(|t| within(t.at_ms)));
    }
}

#[test]
fn the_price_goes_where_the_scenario_says_and_stays_there() {
    let scenario = Scenario::named("cascade").unwrap();
    let mut world = World::new(&scenario, 1);
    let btc = listed(Venue::Binance).next().unwrap();
    let at = |world: &mut World, second: i64| {
        while world.elapsed_ms < second * 1000 {
            world.step();
        }
        world.mark(btc)
    };
    let (before, after) = (at(&mut world, 42), at(&mut world, 66));
    let fall = after / before - 1.0;
    assert!((-0.042..-0.038).contains(&fall), "{fall}");
    let (end, later) = (at(&mut world, duration_ms(&scenario) / 1000), at(&mut world, 300));
    assert!((later / end - 1.0).abs() < 0.002, "the market is quiet after the end");
}

#[test]
fn what_a_seed_does_in_the_built_in_scenarios_never_changes() {
    for (name, seconds, expected) in
        [("cascade", 176, 0xbc75_8838_31f7_5631_u64), ("busy-day", 600, 0xe63e_294c_a692_959d)]
    {
        let mut world = World::new(&Scenario::named(name).unwrap(), 7);
        let mut digest = 0xcbf2_9ce4_8422_2325_u64;
        for _ in 0..seconds * 10 {
            // What carries open interest has a dice of its own, and may change without these.
            let Step { end_ms, trades, liquidations, .. } = world.step();
            let text =
                format!("Step {{ end_ms: {end_ms:?}, trades: {trades:?}, liquidations: {liquidations:?} }}");
            for byte in text.bytes() {
                digest = (digest ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
            }
        }
        assert_eq!(digest, expected, "{name}: {digest:#018x}");
    }
}

#[test]
fn a_storm_comes_as_fast_as_it_is_meant_to_and_only_while_it_lasts() {
    const SECONDS: i64 = 8;
    let scenario = Scenario::named("storm").unwrap();
    let swarm = scenario.swarm().unwrap();
    let (from, until) = (milliseconds(swarm.from_s), milliseconds(swarm.from_s) + SECONDS * 1000);
    let mut world = World::new(&scenario, 1);
    let mut samplers = Venue::ALL.map(Sampler::of);
    let (mut trades, mut published, mut before) = (0, 0, 0);
    while world.elapsed_ms < until {
        let step = world.step();
        for (venue, sampler) in Venue::ALL.into_iter().zip(&mut samplers) {
            let happened: Vec<_> =
                step.liquidations.iter().filter(|order| order.listing.venue == venue).cloned().collect();
            let orders = sampler.step(&happened, step.end_ms).into_iter().map(|p| p.orders.len());
            published += orders.sum::<usize>();
        }
        if step.end_ms <= from {
            before += step.trades.len();
            assert!(step.liquidations.iter().all(|order| order.listing.base < BASES.len()));
        } else {
            trades += step.trades.len();
        }
    }
    let seconds = usize::try_from(SECONDS).unwrap();
    // Binance's first windows are open for a second.
    assert!((1_800..2_300).contains(&(published / seconds)), "{published} in {SECONDS} s");
    assert!((19_000..21_500).contains(&(trades / seconds)), "{trades} in {SECONDS} s");
    assert!(before < trades / 10, "{before} trades in the quiet");
}
