//! Open interest: where a scenario wants it, where it is, and the trades that carried it there.
//!
//! A contract is opened or closed by a trade, so what a contract holds never moves by more than was traded of it. The
//! planned course runs ahead; forced orders and trades of their own follow it, from a dice of their own. Amounts are of
//! one side, in base coins; of contracts of dollars in dollars, which do not move with the price. Knows no wire format and
//! no scenario.

use std::collections::BTreeMap;

use cascade_domain::{Taker, Venue};

use crate::listing::{Listing, share};
use crate::numeral::floating;
use crate::random::Dice;
use crate::world::{Liquidation, STEP_MS, Trade};

/// So much is traded for what is opened or closed: the rest of it only changes hands.
const TRADED: (f64, f64) = (1.25, 1.9);
/// The largest trade that carries a change, US dollars.
const LARGEST_USD: f64 = 250_000.0;
/// What a trade waits for, US dollars: the median and the largest, and the deviation of the logarithm.
const LUMP_USD: (f64, f64) = (60_000.0, 120_000.0);
const LUMP_SIGMA: f64 = 0.5;
/// The same as a share of what the contract holds: small contracts move in small steps.
const LUMP_SHARE: f64 = 0.0005;
/// Between two such trades of one contract, milliseconds.
const PAUSE_MS: i64 = 200;
/// How much likelier than not they lean with the price.
const LEAN: f64 = 0.1;

/// How a market moves in a step: what its contracts' planned open interest is multiplied by, and where its price goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pull<'a> {
    /// One step's factor of open interest.
    pub(crate) factor: f64,
    /// The venues on which it moves; all where there are none.
    pub(crate) venues: Option<&'a [Venue]>,
    /// What the price does over the phase: its sign counts.
    pub(crate) drift: f64,
}

/// One base asset's market in a step: US dollars a coin with noise, and how it moves.
pub(crate) type Quote<'a> = (f64, Option<Pull<'a>>);

/// One contract's open interest.
#[derive(Clone, Debug)]
struct Ledger {
    listing: &'static Listing,
    /// Where the scenario wants it.
    planned: f64,
    /// Where it was at first.
    home: f64,
    /// What a step multiplies `planned` by on the way back there, and the millisecond at which it is there.
    back: (f64, i64),
    /// What is open.
    held: f64,
    /// The next trade waits until so many dollars are missing.
    lump_usd: f64,
    /// Millisecond of the scenario from which there may be one.
    free_at_ms: i64,
}

/// All contracts' open interest.
#[derive(Clone, Debug)]
pub(crate) struct Interest {
    ledgers: Vec<Ledger>,
    /// Where a contract's ledger stands.
    places: BTreeMap<(Venue, &'static str), usize>,
    dice: Dice,
}

impl Interest {
    /// The contracts with what they hold at first: their share of what their base holds, which is given in dollars and
    /// with the price of a coin.
    pub(crate) fn new(
        listings: &[&'static Listing],
        holds: impl Fn(usize) -> (f64, f64),
        dice: Dice,
    ) -> Self {
        let mut interest = Self { ledgers: Vec::new(), places: BTreeMap::new(), dice };
        for (place, listing) in listings.iter().enumerate() {
            let (usd, coin) = holds(listing.base);
            let held = usd * share(listing.venue) * listing.weight / one(listing, coin);
            let lump_usd = lump(&mut interest.dice);
            interest.places.insert((listing.venue, listing.instrument), place);
            let back = (1.0, 0);
            interest.ledgers.push(Ledger {
                listing,
                planned: held,
                home: held,
                back,
                held,
                lump_usd,
                free_at_ms: 0,
            });
        }
        interest
    }

    /// What is open of a contract, coins, at a price of a coin.
    pub(crate) fn of(&self, listing: &Listing, coin: f64) -> f64 {
        let place = self.places.get(&(listing.venue, listing.instrument));
        let held = place.and_then(|place| self.ledgers.get(*place)).map_or(0.0, |ledger| ledger.held);
        held * one(listing, coin) / coin
    }

    /// How far the contract that went farthest is from where it began, as a share of where it is.
    pub(crate) fn way_back(&self) -> f64 {
        self.ledgers.iter().map(|ledger| (ledger.home / ledger.planned - 1.0).abs()).fold(0.0, f64::max)
    }

    /// Has every contract go back to where it began, from a millisecond to another.
    pub(crate) fn go_back(&mut self, from_ms: i64, until_ms: i64) {
        let steps = floating((until_ms - from_ms).max(STEP_MS)) / floating(STEP_MS);
        for ledger in &mut self.ledgers {
            ledger.back = ((ledger.home / ledger.planned).powf(1.0 / steps), until_ms);
        }
    }

    /// One step, from this millisecond on, by base: forced orders close what they close, and the trades that carry the
    /// rest are given.
    pub(crate) fn step(&mut self, from_ms: i64, quotes: &[Quote<'_>], forced: &[Liquidation]) -> Vec<Trade> {
        for ledger in &mut self.ledgers {
            let (factor, until_ms) = ledger.back;
            if from_ms < until_ms {
                ledger.planned *= factor;
            }
            let Some((_, Some(pull))) = quotes.get(ledger.listing.base) else { continue };
            if pull.venues.is_none_or(|venues| venues.contains(&ledger.listing.venue)) {
                ledger.planned *= pull.factor;
            }
        }
        for order in forced.iter().filter(|order| !order.backstop) {
            let place = self.places.get(&(order.listing.venue, order.listing.instrument));
            let Some(ledger) = place.and_then(|place| self.ledgers.get_mut(*place)) else { continue };
            let closed = amount(order.listing, order.size, order.price) / traded(&mut self.dice);
            ledger.held -= closed.min((ledger.held - ledger.planned).max(0.0));
        }
        let (ledgers, dice) = (self.ledgers.iter_mut(), &mut self.dice);
        ledgers
            .filter_map(|ledger| {
                let (coin, pull) = quotes.get(ledger.listing.base)?;
                ledger.carried(from_ms, (*coin, pull.map_or(0.0, |pull| pull.drift)), dice)
            })
            .collect()
    }
}

impl Ledger {
    /// The trade that carries what is missing, where that is enough for one. A price is without the spread that a taker
    /// pays.
    fn carried(&mut self, from_ms: i64, (coin, drift): (f64, f64), dice: &mut Dice) -> Option<Trade> {
        let (missing, one) = ((self.planned - self.held).abs(), one(self.listing, coin));
        let least = self.lump_usd.min(self.held * one * LUMP_SHARE);
        if missing * one < least || missing <= 0.0 || from_ms < self.free_at_ms {
            return None;
        }
        let taker = if dice.unit() < 0.5 + LEAN * sign(drift) { Taker::Buy } else { Taker::Sell };
        let spread = if taker == Taker::Buy { 0.000_05 } else { -0.000_05 };
        let (traded, listing) = (traded(dice), self.listing);
        let price = listing.price(coin * (1.0 + spread));
        let size = listing.size((missing * one * traded).min(LARGEST_USD), price);
        let moved = (amount(listing, size, price) / traded).min(missing);
        self.held += if self.planned > self.held { moved } else { -moved };
        let at_ms = from_ms + dice.below(STEP_MS.unsigned_abs());
        self.free_at_ms = at_ms + PAUSE_MS;
        self.lump_usd = lump(dice);
        Some(Trade { listing, taker, price, size, at_ms, account: dice.next(), serial: dice.next() })
    }
}

/// US dollars of one of what a ledger counts, at a price of a coin.
fn one(listing: &Listing, coin: f64) -> f64 {
    if listing.is_inverse() { 1.0 } else { coin }
}

/// What a ledger counts of a size, at a quoted price.
fn amount(listing: &Listing, size: f64, price: f64) -> f64 {
    if listing.is_inverse() { listing.usd(size, price) } else { listing.coins(size, price) }
}

fn traded(dice: &mut Dice) -> f64 {
    TRADED.0 + (TRADED.1 - TRADED.0) * dice.unit()
}

fn lump(dice: &mut Dice) -> f64 {
    dice.lognormal(LUMP_USD.0, LUMP_SIGMA).min(LUMP_USD.1)
}

/// -1, 0 or 1.
fn sign(value: f64) -> f64 {
    if value == 0.0 { 0.0 } else { value.signum() }
}

#[cfg(test)]
mod tests;
