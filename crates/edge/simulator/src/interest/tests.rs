//! What is open moves by what is traded, and goes where the scenario says.

use super::*;
use crate::listing::{LISTINGS, listed};
use crate::scenario::Scenario;
use crate::world::{Step, World, duration_ms};

/// A market of one phase, a minute long.
fn phase(keys: &str) -> Scenario {
    Scenario::parse(&format!(
        "name = \"one\"\nduration_s = 60\n[[symbol]]\nsymbol = \"BTCUSDT\"\nprice = 82400\nfunding_8h = 0\n\
         open_interest_usd = 1e9\n[[symbol.phase]]\nuntil_s = 60\norders = 0\nmedian_usd = 1\nsigma = 0\n\
         long_share = 0\n{keys}\n"
    ))
    .unwrap()
}

/// Plays a scenario to its end; after each step the world is shown.
fn play(scenario: &Scenario, seed: u64, mut look: impl FnMut(&World, &Step)) {
    let mut world = World::new(scenario, seed);
    while {
        let step = world.step();
        look(&world, &step);
        step.end_ms < duration_ms(scenario)
    } {}
}

/// What is open of a contract, as its ledger counts.
fn counted(world: &World, listing: &Listing) -> f64 {
    let coin = world.coin(listing);
    world.open_interest(listing) * coin / one(listing, coin)
}

/// What is traded of each contract in a step, counted alike.
fn traded_amounts(step: &Step) -> BTreeMap<(Venue, &'static str), f64> {
    let mut amounts = BTreeMap::new();
    for trade in step.all_trades() {
        let listing = trade.listing;
        *amounts.entry((listing.venue, listing.instrument)).or_default() +=
            amount(listing, trade.size, trade.price);
    }
    amounts
}

#[test]
fn what_is_open_never_moves_by_more_than_was_traded_of_it() {
    for (name, seed) in [("cascade", 1), ("cascade", 2), ("dead-feed", 1), ("oi-explosion", 1)] {
        let scenario = Scenario::named(name).unwrap();
        let world = World::new(&scenario, seed);
        let mut held: Vec<f64> = LISTINGS.iter().map(|listing| counted(&world, listing)).collect();
        let (mut moved, mut carried) = (0.0, 0.0);
        play(&scenario, seed, |world, step| {
            let traded = traded_amounts(step);
            for (listing, held) in LISTINGS.iter().zip(&mut held) {
                let now = counted(world, listing);
                let change = (now - *held).abs();
                let amount = traded.get(&(listing.venue, listing.instrument)).copied().unwrap_or_default();
                assert!(
                    change * 1.2 <= amount + 1e-12 * now,
                    "{name}: {} {change} of {amount}",
                    listing.instrument
                );
                moved += change * one(listing, world.coin(listing));
                *held = now;
            }
            carried += step.carriers.iter().map(|t| t.listing.usd(t.size, t.price)).sum::<f64>();
        });
        // No more is traded for it than it takes.
        assert!(moved > 1e8 && carried < moved * 2.0, "{name}: {moved} by {carried}");
    }
}

#[test]
fn what_carries_it_are_few_trades_of_ordinary_size() {
    for name in ["cascade", "busy-day", "oi-explosion"] {
        let scenario = Scenario::named(name).unwrap();
        let mut seconds: BTreeMap<(Venue, &'static str, i64), u32> = BTreeMap::new();
        let (mut all, mut most) = (BTreeMap::<i64, u32>::new(), 0.0_f64);
        play(&scenario, 1, |_, step| {
            for trade in &step.carriers {
                assert!((step.end_ms - STEP_MS..step.end_ms).contains(&trade.at_ms));
                let second = trade.at_ms / 1000;
                *seconds.entry((trade.listing.venue, trade.listing.instrument, second)).or_default() += 1;
                *all.entry(second).or_default() += 1;
                most = most.max(trade.listing.usd(trade.size, trade.price));
            }
        });
        assert!(most < 260_000.0, "{name}: {most}");
        assert!(seconds.values().all(|count| *count <= 5), "{name}");
        let peak = all.values().copied().max();
        assert!(peak <= Some(80), "{name}: {peak:?} in a second");
    }
}

/// Coins that a contract holds; of contracts of dollars at one price, whatever the price does.
fn steady(world: &World, listing: &Listing) -> f64 {
    let coins = world.open_interest(listing);
    if listing.is_inverse() { coins * world.coin(listing) / listing.base().price } else { coins }
}

/// By venue: what is open of a base on it, coins, at these seconds.
fn course(scenario: &Scenario, base: &str, seconds: &[i64]) -> BTreeMap<Venue, Vec<f64>> {
    let mut seen: BTreeMap<Venue, Vec<f64>> = BTreeMap::new();
    play(scenario, 3, |world, step| {
        if step.end_ms % 1000 == 0 && seconds.contains(&(step.end_ms / 1000)) {
            for venue in Venue::ALL {
                let here = listed(venue).filter(|listing| listing.base().name == base);
                seen.entry(venue).or_default().push(here.map(|l| steady(world, l)).sum());
            }
        }
    });
    seen
}

#[test]
fn an_explosion_goes_the_way_that_is_expected_on_every_venue_and_is_over_before_the_end() {
    let scenario = Scenario::named("oi-explosion").unwrap();
    let seconds: Vec<i64> = (1..=scenario.duration_s()).map(|second| second.try_into().unwrap()).collect();
    let window = 900;
    for expected in scenario.expected_interest() {
        let (base, threshold) = match expected.symbol.base() {
            "SOL" => ("SOL", 4.0),
            base => (base, 3.0),
        };
        for (venue, held) in course(&scenario, base, &seconds) {
            let changes: Vec<f64> =
                held.windows(window + 1).map(|w| (w[window] / w[0] - 1.0) * 100.0).collect();
            let (low, high) = changes.iter().fold((0.0_f64, 0.0_f64), |(l, h), c| (l.min(*c), h.max(*c)));
            let last = changes.last().unwrap().abs();
            let named = format!("{venue} {base}: {low} to {high}, {last} at the end");
            match expected.direction {
                Some(cascade_domain::Swing::Explosion) => assert!(high > 4.6 && low > -0.5, "{named}"),
                Some(cascade_domain::Swing::Collapse) => assert!(low < -4.6 && high < 0.5, "{named}"),
                None => assert!(high < threshold * 0.6 && low > -0.5, "{named}"),
            }
            // The quiet before is quiet, and half of the threshold is undercut for minutes before the end.
            assert!(changes[..1080 - window].iter().all(|change| change.abs() < 0.2), "{named}");
            let calm = &changes[changes.len() - 300..];
            assert!(calm.iter().all(|change| change.abs() < threshold / 2.0 - 0.2), "{named}");
            assert!(!expected.resolved || last < threshold / 2.0, "{named}");
        }
    }
}

#[test]
fn it_falls_with_the_liquidations_of_a_cascade() {
    for name in ["cascade", "dead-feed"] {
        let scenario = Scenario::named(name).unwrap();
        for base in ["BTC", "ETH", "SOL"] {
            for (venue, held) in course(&scenario, base, &[40, 66]) {
                let fall = (1.0 - held[1] / held[0]) * 100.0;
                assert!((1.5..3.0).contains(&fall), "{name}: {venue} {base} falls {fall} %");
            }
        }
    }
    // Of that much, what was liquidated on the book closed a good part.
    let (mut closed, mut carried) = (0.0, 0.0);
    play(&Scenario::named("cascade").unwrap(), 3, |_, step| {
        if (42_000..66_000).contains(&step.end_ms) {
            closed += step.liquidations.iter().filter(|o| !o.backstop).map(|o| o.usd).sum::<f64>();
            carried += step.carriers.iter().map(|t| t.listing.usd(t.size, t.price)).sum::<f64>();
        }
    });
    assert!(carried < closed * 2.0, "{carried} beside {closed}");
}

#[test]
fn a_phase_may_move_some_venues_alone_and_a_market_at_rest_none() {
    let alone = phase("open_interest_pct = 3.0\nopen_interest_venues = [\"binance\"]");
    for (venue, held) in course(&alone, "BTC", &[1, 60]) {
        let change = (held[1] / held[0] - 1.0) * 100.0;
        if venue == Venue::Binance {
            assert!((2.8..3.0).contains(&change), "{venue} {change}");
        } else {
            assert!(change.abs() < 1e-9, "{venue} {change}");
        }
    }
    play(&phase("trade_rate = 2.0"), 1, |_, step| assert!(step.carriers.is_empty()));
}

#[test]
fn what_cannot_be_carried_at_once_comes_later() {
    let text = "name = \"late\"\nduration_s = 60\n[[symbol]]\nsymbol = \"BTCUSDT\"\nprice = 82400\nfunding_8h = 0\nphase = [\
        { until_s = 2, orders = 0, median_usd = 1, sigma = 0, long_share = 0, open_interest_pct = -0.5 },\
        { until_s = 60, orders = 0, median_usd = 1, sigma = 0, long_share = 0 } ]";
    let held = course(&Scenario::parse(text).unwrap(), "BTC", &[2, 60]);
    let binance = &held[&Venue::Binance];
    let begin = 18e9 / 82_400.0 * share(Venue::Binance);
    assert!(binance[0] > begin * 0.9985 && binance[1] < begin * 0.9952, "{binance:?} of {begin}");
}

#[test]
fn a_vault_that_takes_a_position_over_closes_none() {
    let listing = listed(Venue::Hyperliquid).next().unwrap();
    let order = |backstop| Liquidation {
        listing,
        side: cascade_domain::Side::Long,
        price: 100.0,
        bankruptcy: 99.0,
        size: 10.0,
        usd: 1000.0,
        at_ms: 0,
        victim: 1,
        backstop,
    };
    let pull = Pull { factor: 0.9, venues: None, drift: -1.0 };
    let held_after = |backstop| {
        let mut interest = Interest::new(&[listing], |_| (100_000.0, 100.0), Dice::of(1, 1));
        // Free from later on: nothing but forced orders moves it.
        interest.ledgers[0].free_at_ms = i64::MAX;
        let carriers = interest.step(0, &[(100.0, Some(pull))], &[order(backstop)]);
        assert!(carriers.is_empty());
        interest.of(listing, 100.0)
    };
    let begin = 1000.0 * share(Venue::Hyperliquid);
    assert!((held_after(true) - begin).abs() < 1e-9);
    assert!((5.0..8.0).contains(&(begin - held_after(false))), "10 coins traded close 5.2 to 8");
}

#[test]
fn contracts_of_dollars_do_not_move_with_the_price() {
    let listing = listed(Venue::Binance).find(|listing| listing.is_inverse()).unwrap();
    let mut contracts = Vec::new();
    play(&phase("drift_pct = -10.0"), 1, |world, _| {
        contracts.push(listing.size_of_coins(world.open_interest(listing), world.coin(listing)));
    });
    let begin = 1e9 * share(Venue::Binance) * listing.weight / 100.0;
    assert!(contracts.iter().all(|size| (size - begin).abs() < 0.01), "{begin}: {contracts:?}");
}
