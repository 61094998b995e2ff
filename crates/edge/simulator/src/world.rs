//! The world: prices, ordinary trades, open interest and forced orders, in steps of 100 ms of scenario time.
//!
//! Its content depends on the scenario and the seed alone, never on who listens or on how fast the wall clock goes.
//! Knows no wire format; what of it a venue publishes is in `sampling`.

use std::collections::VecDeque;

use cascade_domain::{Side, Symbol, Taker, Venue};

use crate::interest::{Interest, Pull, Quote};
use crate::listing::{BASES, Base, Listing, share};
use crate::numeral::floating;
use crate::plan::Swarm;
use crate::random::{Dice, at_fraction};
use crate::scenario::{Course, Phase, Scenario};

/// Length of a step, milliseconds.
pub(crate) const STEP_MS: i64 = 100;
/// The same, seconds.
const STEP_S: f64 = 0.1;
/// The largest forced order, US dollars: venues close larger positions in parts.
const LARGEST_USD: f64 = 12e6;

/// One forced order, as it really happened.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Liquidation {
    pub(crate) listing: &'static Listing,
    /// The position that was closed.
    pub(crate) side: Side,
    /// Average fill, as the contract quotes.
    pub(crate) price: f64,
    /// The price at which the position's margin was gone.
    pub(crate) bankruptcy: f64,
    /// In the contract's unit.
    pub(crate) size: f64,
    /// US dollars at the fill.
    pub(crate) usd: f64,
    /// Millisecond of the scenario.
    pub(crate) at_ms: i64,
    /// Whose position it was.
    pub(crate) victim: u64,
    /// Taken over by the venue's own vault instead of being sold on the book.
    pub(crate) backstop: bool,
}

impl Liquidation {
    /// The side of the order that closes the position.
    pub(crate) const fn order(&self) -> Taker {
        match self.side {
            Side::Long => Taker::Sell,
            Side::Short => Taker::Buy,
        }
    }

    /// The market in which venues are compared.
    pub(crate) fn symbol(&self) -> Option<Symbol> {
        Symbol::of_base(self.listing.base().name).ok()
    }
}

/// One trade on the book.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Trade {
    pub(crate) listing: &'static Listing,
    pub(crate) taker: Taker,
    pub(crate) price: f64,
    /// In the contract's unit.
    pub(crate) size: f64,
    /// Millisecond of the scenario.
    pub(crate) at_ms: i64,
    /// Who took.
    pub(crate) account: u64,
    /// A number of its own.
    pub(crate) serial: u64,
}

/// What happened in 100 ms.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Step {
    /// Millisecond of the scenario at which the step ends.
    pub(crate) end_ms: i64,
    /// In order of time.
    pub(crate) trades: Vec<Trade>,
    /// In order of time. Each is among the trades too, but for those that a vault took over.
    pub(crate) liquidations: Vec<Liquidation>,
    /// The trades by which positions are opened and closed as the scenario wants: beside `trades`, by contract.
    pub(crate) carriers: Vec<Trade>,
}

impl Step {
    /// Every trade on the book, those that carry open interest too.
    pub(crate) fn all_trades(&self) -> impl Iterator<Item = &Trade> {
        self.trades.iter().chain(&self.carriers)
    }
}

/// A forced order that is to come.
#[derive(Clone, Debug)]
struct Scheduled {
    at_ms: i64,
    listing: &'static Listing,
    side: Side,
    usd: f64,
    victim: u64,
    backstop: bool,
}

/// One base asset's market.
#[derive(Clone, Debug)]
struct Market {
    /// US dollars a coin, without noise.
    trend: f64,
    /// Deviation from the trend, a fraction; returns to zero by itself.
    noise: f64,
    /// Per 8 hours, a fraction.
    funding: f64,
    /// The stretches to come, the current one first, with the millisecond at which each began.
    phases: VecDeque<(i64, Phase)>,
}

/// The markets as they are now, and what is to come.
#[derive(Clone, Debug)]
pub(crate) struct World {
    elapsed_ms: i64,
    listings: Vec<&'static Listing>,
    markets: Vec<Market>,
    schedule: VecDeque<Scheduled>,
    /// Millisecond at which the play that is going on, or the next, begins; none before the first.
    begins_ms: Option<i64>,
    /// What the generated markets do.
    swarm: Option<Swarm>,
    interest: Interest,
    prices: Dice,
    traffic: Dice,
    crowd: Dice,
}

impl World {
    /// The world of a scenario, at its second 0.
    pub(crate) fn new(scenario: &Scenario, seed: u64) -> Self {
        let mut world = Self::quiet(scenario, seed ^ 1);
        world.plan(scenario, seed, 0);
        world
    }

    /// Puts the scenario behind what is planned, its second 0 at this one.
    fn plan(&mut self, scenario: &Scenario, seed: u64, from_s: u64) {
        let mut dice = Dice::of(seed, 1);
        let mut schedule = Vec::new();
        for (index, base) in scenario.catalogue().bases().enumerate() {
            let Some(course) = course_of(scenario, base.name) else { continue };
            let mut began = milliseconds(from_s);
            for phase in &course.phases {
                let phase = Phase { until_s: phase.until_s.saturating_add(from_s), ..phase.clone() };
                let places = (index, self.listings.as_slice());
                schedule.extend((0..phase.orders).map(|_| scheduled(places, began, &phase, &mut dice)));
                let ended = ends(&phase);
                self.markets[index].phases.push_back((began, phase));
                began = ended;
            }
        }
        schedule.sort_by_key(|order| order.at_ms);
        self.schedule.extend(schedule);
        self.begins_ms = Some(milliseconds(from_s));
    }

    /// The markets before the scenario begins: prices hover, people trade, nobody is liquidated.
    pub(crate) fn quiet(scenario: &Scenario, seed: u64) -> Self {
        let catalogue = scenario.catalogue();
        let market = |base: &Base| {
            let course = course_of(scenario, base.name);
            let price = course.map_or(base.price, |course| course.price);
            Market {
                trend: price,
                noise: 0.0,
                funding: course.map_or(0.0001, |course| course.funding_8h),
                phases: VecDeque::new(),
            }
        };
        let markets: Vec<Market> = catalogue.bases().map(market).collect();
        let held = |base: &Base| course_of(scenario, base.name).and_then(|course| course.open_interest_usd);
        let holds: Vec<(f64, f64)> = catalogue
            .bases()
            .zip(&markets)
            .map(|(base, market)| (held(base).unwrap_or(base.open_interest_usd), market.trend))
            .collect();
        let listings: Vec<&'static Listing> = catalogue.listings().collect();
        let holds = |base: usize| holds.get(base).copied().unwrap_or((0.0, 1.0));
        Self {
            elapsed_ms: 0,
            interest: Interest::new(&listings, holds, Dice::of(seed, 5)),
            listings,
            markets,
            schedule: VecDeque::new(),
            begins_ms: None,
            swarm: scenario.swarm().cloned(),
            prices: Dice::of(seed, 2),
            traffic: Dice::of(seed, 3),
            crowd: Dice::of(seed, 4),
        }
    }

    /// The next 100 ms.
    pub(crate) fn step(&mut self) -> Step {
        let end_ms = self.elapsed_ms + STEP_MS;
        for market in &mut self.markets {
            market.advance(end_ms, &mut self.prices);
        }
        let liquidations = self.forced(end_ms);
        let mut trades = self.ordinary();
        let taken = liquidations.iter().filter(|order| !order.backstop);
        trades.extend(taken.map(|order| Trade {
            listing: order.listing,
            taker: order.order(),
            price: order.price,
            size: order.size,
            at_ms: order.at_ms,
            account: order.victim,
            serial: order.victim ^ 0x5a5a,
        }));
        trades.sort_by_key(|trade| trade.at_ms);
        let quotes: Vec<Quote<'_>> = self.markets.iter().map(Market::quote).collect();
        let carriers = self.interest.step(self.elapsed_ms, &quotes, &liquidations);
        self.elapsed_ms = end_ms;
        Step { end_ms, trades, liquidations, carriers }
    }

    /// US dollars a coin of the listing's base.
    pub(crate) fn coin(&self, listing: &Listing) -> f64 {
        let market = &self.markets[listing.base];
        market.trend * (1.0 + market.noise)
    }

    /// The mark price as the contract quotes it.
    pub(crate) fn mark(&self, listing: &Listing) -> f64 {
        listing.price(self.coin(listing))
    }

    /// The index price as the contract quotes it: without the contract's own noise.
    pub(crate) fn index(&self, listing: &Listing) -> f64 {
        listing.price(self.markets[listing.base].trend)
    }

    /// Funding per 8 hours, a fraction.
    pub(crate) fn funding(&self, listing: &Listing) -> f64 {
        self.markets[listing.base].funding
    }

    /// One side's open interest of the contract, coins.
    pub(crate) fn open_interest(&self, listing: &Listing) -> f64 {
        self.interest.of(listing, self.coin(listing))
    }

    fn forced(&mut self, end_ms: i64) -> Vec<Liquidation> {
        let due = self.schedule.partition_point(|order| order.at_ms < end_ms);
        let mut orders: Vec<Scheduled> = self.schedule.drain(..due).collect();
        self.swarm_orders(&mut orders);
        orders.into_iter().map(|order| self.filled(&order)).collect()
    }

    fn filled(&mut self, order: &Scheduled) -> Liquidation {
        let listing = order.listing;
        let (slip, margin) = (self.prices.unit() * 0.0004, 0.001 + self.prices.unit() * 0.003);
        let away = if order.side == Side::Long { -1.0 } else { 1.0 };
        let coin = self.coin(listing);
        let price = listing.price(coin * (1.0 + away * slip));
        let size = listing.size(order.usd, price);
        Liquidation {
            listing,
            side: order.side,
            price,
            bankruptcy: listing.price(coin * (1.0 + away * margin)),
            size,
            usd: listing.usd(size, price),
            at_ms: order.at_ms,
            victim: order.victim,
            backstop: order.backstop,
        }
    }

    /// Whether the generated markets are at their full pace.
    fn swarms(&self, swarm: &Swarm) -> bool {
        let (from, until) = (milliseconds(swarm.from_s), milliseconds(swarm.until_s));
        self.begins_ms.is_some_and(|began| (from..until).contains(&(self.elapsed_ms - began)))
    }

    /// Draws the forced orders of the generated markets in this step.
    fn swarm_orders(&mut self, orders: &mut Vec<Scheduled>) {
        let Some(swarm) = self.swarm.as_ref().filter(|swarm| self.swarms(swarm)) else { return };
        let dice = &mut self.crowd;
        for listing in self.listings.iter().filter(|listing| listing.base >= BASES.len()) {
            let rate = swarm.orders_per_s.get(&listing.venue).copied().unwrap_or_default();
            for _ in 0..dice.poisson(rate * STEP_S) {
                let at_ms = self.elapsed_ms + dice.below(STEP_MS.unsigned_abs());
                let side = if dice.unit() < swarm.long_share { Side::Long } else { Side::Short };
                let usd = dice.lognormal(swarm.median_usd, swarm.sigma).clamp(10.0, LARGEST_USD);
                orders.push(Scheduled { at_ms, listing, side, usd, victim: dice.next(), backstop: false });
            }
        }
        orders.sort_by_key(|order| order.at_ms);
    }

    /// Ordinary trades a second of a contract.
    fn traffic_of(&self, listing: &Listing) -> f64 {
        match &self.swarm {
            Some(swarm) if listing.base >= BASES.len() => {
                let pace = if self.swarms(swarm) { 1.0 } else { swarm.quiet_share };
                pace * swarm.trades_per_s.get(&listing.venue).copied().unwrap_or_default()
            }
            _ => {
                let phase = self.markets[listing.base].phases.front();
                let rate = phase.map_or(1.0, |(_, phase)| phase.trade_rate);
                listing.base().trades_per_s * rate * listing.weight
            }
        }
    }

    fn ordinary(&mut self) -> Vec<Trade> {
        let mut trades = Vec::new();
        for listing in self.listings.iter().copied() {
            let mean = self.traffic_of(listing) * floating(STEP_MS) / 1000.0;
            for _ in 0..self.traffic.poisson(mean) {
                let dice = &mut self.traffic;
                let taker = if dice.unit() < 0.5 { Taker::Buy } else { Taker::Sell };
                let spread = if taker == Taker::Buy { 0.00005 } else { -0.00005 };
                let (usd, at) = (dice.lognormal(1500.0, 1.3).min(2e6), dice.below(STEP_MS.unsigned_abs()));
                let (account, serial) = (dice.next(), dice.next());
                let market = &self.markets[listing.base];
                let price = listing.price(market.trend * (1.0 + market.noise + spread));
                let size = listing.size(usd, price);
                trades.push(Trade {
                    listing,
                    taker,
                    price,
                    size,
                    at_ms: self.elapsed_ms + at,
                    account,
                    serial,
                });
            }
        }
        trades
    }
}

impl Market {
    fn advance(&mut self, end_ms: i64, dice: &mut Dice) {
        while self.phases.front().is_some_and(|(_, phase)| ends(phase) < end_ms) {
            self.phases.pop_front();
        }
        self.noise = self.noise * 0.97 + dice.normal() * 0.000_03;
        if let Some((began, phase)) = self.phases.front() {
            self.trend *= part_of(phase.drift_pct, *began, phase);
        }
    }

    /// What its contracts' open interest needs to know of it in this step.
    fn quote(&self) -> Quote<'_> {
        let moves = self.phases.front().filter(|(_, phase)| phase.open_interest_pct != 0.0);
        let pull = moves.map(|(began, phase)| Pull {
            factor: part_of(phase.open_interest_pct, *began, phase),
            venues: phase.open_interest_venues.as_deref(),
            drift: phase.drift_pct,
        });
        (self.trend * (1.0 + self.noise), pull)
    }
}

/// What a step multiplies by, so that a phase moves by so many per cent.
fn part_of(per_cent: f64, began: i64, phase: &Phase) -> f64 {
    (1.0 + per_cent / 100.0).powf(floating(STEP_MS) / floating(ends(phase) - began))
}

/// The millisecond at which a phase ends.
fn ends(phase: &Phase) -> i64 {
    milliseconds(phase.until_s)
}

/// A second of the scenario as a millisecond.
pub(crate) fn milliseconds(second: u64) -> i64 {
    i64::try_from(second).unwrap_or(i64::MAX / 1000).saturating_mul(1000)
}

fn course_of<'a>(scenario: &'a Scenario, base: &str) -> Option<&'a Course> {
    scenario.courses().iter().find(|course| course.symbol.base() == base)
}

/// Draws one forced order of a phase: when, where, whose, how large.
fn scheduled(
    (base, listings): (usize, &[&'static Listing]),
    began: i64,
    phase: &Phase,
    dice: &mut Dice,
) -> Scheduled {
    let at_ms = at_fraction(began, ends(phase), dice.unit());
    let side = if dice.unit() < phase.long_share { Side::Long } else { Side::Short };
    let usd = dice.lognormal(phase.median_usd, phase.sigma).clamp(10.0, LARGEST_USD);
    let here = listings.iter().map(|l| if l.base == base { share(l.venue) * l.weight } else { 0.0 });
    let listing = listings[dice.weighted(here)];
    let backstop = listing.venue == Venue::Hyperliquid && dice.unit() < phase.backstop_share;
    Scheduled { at_ms, listing, side, usd, victim: dice.next(), backstop }
}

/// The scenario's length in milliseconds.
pub(crate) fn duration_ms(scenario: &Scenario) -> i64 {
    milliseconds(scenario.duration_s())
}

mod again;
#[cfg(test)]
mod tests;
