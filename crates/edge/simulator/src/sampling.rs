//! What a venue publishes of its liquidations: less than happens, and each venue less in its own way.
//!
//! Pure, in scenario time. Knows no wire format.
//!
//! * Binance: the largest order of a contract in 1000 ms from the first, when those are over. (In captured frames of
//!   2026 the frame's time is about a second after the order's, also where it was the only one.)
//! * Bybit: every order, in batches of a contract every 500 ms.
//! * OKX: at most one order a contract and second: the first.
//! * Hyperliquid: none but those that its vaults take over.

use std::collections::BTreeMap;

use cascade_domain::Venue;

use crate::world::Liquidation;

/// Binance's window and OKX's pause, milliseconds.
const WINDOW_MS: i64 = 1000;
/// Bybit's beat, milliseconds.
const BATCH_MS: i64 = 500;

/// Orders of one contract that leave together.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Publication {
    /// Millisecond of the scenario at which they leave.
    pub(crate) at_ms: i64,
    /// At least one, all of one contract, in order of time.
    pub(crate) orders: Vec<Liquidation>,
}

/// A venue's rule and what it holds back.
#[derive(Clone, Debug)]
pub(crate) enum Sampler {
    /// By contract: when the window was opened, and the largest since.
    Largest(BTreeMap<&'static str, (i64, Liquidation)>),
    /// By contract: all since the last batch.
    Batches(BTreeMap<&'static str, Vec<Liquidation>>),
    /// By contract: when the last one left.
    First(BTreeMap<&'static str, i64>),
    /// Only what a vault takes over.
    Backstops,
}

impl Sampler {
    /// The rule of a venue.
    pub(crate) const fn of(venue: Venue) -> Self {
        match venue {
            Venue::Binance => Self::Largest(BTreeMap::new()),
            Venue::Bybit => Self::Batches(BTreeMap::new()),
            Venue::Okx => Self::First(BTreeMap::new()),
            Venue::Hyperliquid => Self::Backstops,
        }
    }

    /// Takes what happened on the venue in a step that ends at `end_ms`, and gives what it publishes by then.
    pub(crate) fn step(&mut self, happened: &[Liquidation], end_ms: i64) -> Vec<Publication> {
        match self {
            Self::Largest(windows) => largest(windows, happened, end_ms),
            Self::Batches(batches) => {
                for order in happened {
                    batches.entry(order.listing.instrument).or_default().push(order.clone());
                }
                if end_ms % BATCH_MS != 0 {
                    return Vec::new();
                }
                let due = std::mem::take(batches).into_values();
                due.map(|orders| Publication { at_ms: end_ms, orders }).collect()
            }
            Self::First(left) => happened.iter().filter_map(|order| first(left, order)).collect(),
            Self::Backstops => happened.iter().filter(|order| order.backstop).map(alone).collect(),
        }
    }
}

fn alone(order: &Liquidation) -> Publication {
    Publication { at_ms: order.at_ms, orders: vec![order.clone()] }
}

fn first(left: &mut BTreeMap<&'static str, i64>, order: &Liquidation) -> Option<Publication> {
    let second = order.at_ms.div_euclid(WINDOW_MS);
    (left.insert(order.listing.instrument, second) != Some(second)).then(|| alone(order))
}

fn largest(
    windows: &mut BTreeMap<&'static str, (i64, Liquidation)>,
    happened: &[Liquidation],
    end_ms: i64,
) -> Vec<Publication> {
    let mut published = Vec::new();
    let close =
        |(opened, order): (i64, Liquidation)| Publication { at_ms: opened + WINDOW_MS, orders: vec![order] };
    for order in happened {
        let instrument = order.listing.instrument;
        if let Some(window) = windows.remove(instrument) {
            if order.at_ms >= window.0 + WINDOW_MS {
                published.push(close(window));
            } else {
                let larger = if order.usd > window.1.usd { order.clone() } else { window.1 };
                windows.insert(instrument, (window.0, larger));
                continue;
            }
        }
        windows.insert(instrument, (order.at_ms, order.clone()));
    }
    let over: Vec<_> =
        windows.iter().filter(|(_, window)| window.0 + WINDOW_MS <= end_ms).map(|(i, _)| *i).collect();
    published.extend(over.into_iter().filter_map(|instrument| windows.remove(instrument)).map(close));
    published.sort_by_key(|publication| publication.at_ms);
    published
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::scenario::Scenario;
    use crate::world::World;

    /// What really happened on a venue in the first 100 s of the cascade, and what it published of it.
    fn run(venue: Venue) -> (Vec<Liquidation>, Vec<Publication>) {
        let mut world = World::new(&Scenario::named("cascade").unwrap(), 11);
        let mut sampler = Sampler::of(venue);
        let (mut real, mut published) = (Vec::new(), Vec::new());
        for _ in 0..1000 {
            let step = world.step();
            let happened: Vec<_> =
                step.liquidations.into_iter().filter(|order| order.listing.venue == venue).collect();
            let out = sampler.step(&happened, step.end_ms);
            assert!(out.iter().all(|p| p.at_ms <= step.end_ms && p.at_ms > step.end_ms - 1100));
            real.extend(happened);
            published.extend(out);
        }
        assert!(real.len() > 500, "{venue}: {}", real.len());
        (real, published)
    }

    #[test]
    fn binance_publishes_the_largest_of_a_window_when_it_is_over() {
        let (real, published) = run(Venue::Binance);
        let mut last = BTreeMap::new();
        for publication in &published {
            let [order] = publication.orders.as_slice() else { panic!("one order a frame") };
            let instrument = order.listing.instrument;
            let before = last.insert(instrument, publication.at_ms);
            assert!(before.is_none_or(|at| publication.at_ms - at >= 1000), "at most one a second");
            let window = publication.at_ms - 1000..publication.at_ms;
            let rivals =
                real.iter().filter(|o| o.listing.instrument == instrument && window.contains(&o.at_ms));
            assert!(rivals.map(|o| o.usd).fold(0.0, f64::max) <= order.usd, "the largest of its window");
        }
        let lone = published.first().unwrap();
        assert_eq!(lone.at_ms - lone.orders[0].at_ms, 1000, "also a lone order leaves at its window's end");
        assert!(published.len() * 3 < real.len(), "{} of {}", published.len(), real.len());
    }

    #[test]
    fn bybit_publishes_everything_in_batches_of_500_ms() {
        let (real, published) = run(Venue::Bybit);
        assert_eq!(published.iter().map(|p| p.orders.len()).sum::<usize>(), real.len());
        assert!(published.iter().all(|p| p.at_ms % 500 == 0));
        assert!(published.iter().any(|p| p.orders.len() > 5), "several events a frame");
        for publication in &published {
            assert!(
                publication.orders.windows(2).all(|w| w[0].listing.instrument == w[1].listing.instrument)
            );
            assert!(publication.orders.iter().all(|o| (0..=500).contains(&(publication.at_ms - o.at_ms))));
        }
    }

    #[test]
    fn okx_publishes_one_a_contract_and_second() {
        let (real, published) = run(Venue::Okx);
        let key = |o: &Liquidation| (o.listing.instrument, o.at_ms / 1000);
        let seconds: BTreeSet<_> = real.iter().map(key).collect();
        let shown: Vec<_> = published.iter().map(|p| key(&p.orders[0])).collect();
        assert_eq!(shown.len(), seconds.len(), "one for every second that had any");
        assert_eq!(shown.into_iter().collect::<BTreeSet<_>>(), seconds);
    }

    #[test]
    fn hyperliquid_publishes_only_what_its_vaults_take_over() {
        let (real, published) = run(Venue::Hyperliquid);
        assert!(published.iter().all(|p| p.orders[0].backstop));
        assert!(!published.is_empty() && published.len() * 20 < real.len(), "{}", published.len());
    }
}
