//! Which order a print belongs to: prints of one venue, instrument, side and account with the same event time are one
//! order. Decided on arrival, never revised.

use std::collections::VecDeque;

use cascade_domain::{EventTime, Id, Instrument, Liquidation, Side, Usd, Venue};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Markets of one symbol are few; a stream that names more than this has the order book of names started over.
const MAX_LINES: usize = 256;
/// Room for so many orders at least, once there is one.
const LEAST_CHAINS: usize = 32;

/// What prints of one order have in common: event time, line, side and whether there is an account, packed into one
/// number; and the account. Small, because there are many and they are searched at each print.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Key {
    packed: u64,
    account: u64,
}

impl Key {
    fn of(print: &Liquidation, line: usize) -> Self {
        let event = print.event_time_ms.ms().unsigned_abs();
        let line = u64::try_from(line).unwrap_or(0);
        let side = u64::from(print.side == Side::Short);
        let account = print.account.map(Id::bits);
        // Plausible times take 42 bits, lines 8.
        let packed = event << 10 | line << 2 | side << 1 | u64::from(account.is_some());
        Self { packed, account: account.unwrap_or(0) }
    }

    /// Which of so many chains, a power of two, it belongs to. Orders of about the same time have chains side by side,
    /// which the processor then has at hand; those of accounts, of which many may share a time, lie anywhere.
    #[inline]
    fn chain(self, chains: usize) -> usize {
        let line = (self.packed & 0x3ff).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 63;
        let local = (self.packed >> 10 << 1) | line;
        // The upper half of a product depends on all bits of its factor.
        let account = self.account.wrapping_mul(0xd6e8_feb8_6659_fd93) >> 32;
        usize::try_from((local ^ account) & u64::from(u32::MAX)).unwrap_or(0) & (chains - 1)
    }
}

#[derive(Clone, Copy, Debug)]
struct Order {
    key: Key,
    id: Id,
    sum: Usd,
    arrived: EventTime,
    /// Number of the order before it in its chain.
    older: u64,
}

/// No order has this number.
const NONE: u64 = 0;

/// What a print turned out to be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Filed {
    /// The first print of its order.
    pub(crate) first: bool,
    /// Id of the order's first print.
    pub(crate) id: Id,
    /// The order's sum before this print.
    pub(crate) before: Usd,
    /// The order's sum with this print.
    pub(crate) sum: Usd,
}

/// The orders of the last 60 s by arrival, numbered from 1 on. Each is in one of some chains, newest first, so that a
/// key is found, added and forgotten at the same cost however many orders there are: a chain ends at the first order
/// that is no longer held. Nothing ever goes through the chains, so their order decides nothing.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(from = "Kept")]
pub(crate) struct Ledger {
    lines: Vec<(Venue, Instrument)>,
    orders: VecDeque<Order>,
    /// Number of the oldest order held.
    #[serde(skip)]
    first: u64,
    /// Number of the newest order of each chain.
    #[serde(skip)]
    chains: Vec<u64>,
}

/// What of it is written down: numbers and chains are made anew.
#[derive(Deserialize)]
struct Kept {
    lines: Vec<(Venue, Instrument)>,
    orders: VecDeque<Order>,
}

impl From<Kept> for Ledger {
    fn from(kept: Kept) -> Self {
        let mut ledger = Self { lines: kept.lines, orders: kept.orders, ..Self::default() };
        if !ledger.orders.is_empty() {
            ledger.lengthen();
        }
        ledger
    }
}

/// As bare numbers: there are many of them.
impl Serialize for Order {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Key { packed, account } = self.key;
        (packed, account, self.id.bits(), self.sum.micros(), self.arrived).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Order {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (packed, account, id, micros, arrived) = Deserialize::deserialize(deserializer)?;
        let (key, id, sum) = (Key { packed, account }, Id::from_bits(id), Usd::from_micros(micros));
        Ok(Self { key, id, sum, arrived, older: NONE })
    }
}

impl Default for Ledger {
    fn default() -> Self {
        Self { lines: Vec::new(), orders: VecDeque::new(), first: 1, chains: Vec::new() }
    }
}

impl Ledger {
    /// Files a print that arrived at `now`; at most `room` orders are remembered, the oldest go.
    #[inline]
    pub(crate) fn file(&mut self, now: EventTime, print: &Liquidation, room: usize) -> Filed {
        let line = self.line(print.venue, &print.instrument);
        let key = Key::of(print, line);
        let usd = print.notional_usd;
        if let Some(order) = self.find(key) {
            let before = order.sum;
            order.sum += usd;
            return Filed { first: false, id: order.id, before, sum: order.sum };
        }
        self.add(Order { key, id: print.id, sum: usd, arrived: now, older: NONE });
        if self.orders.len() > room {
            self.forget_oldest();
        }
        Filed { first: true, id: print.id, before: Usd::ZERO, sum: usd }
    }

    /// Forgets the orders that arrived at or before `boundary`.
    #[inline]
    pub(crate) fn forget(&mut self, boundary: EventTime) {
        while self.orders.front().is_some_and(|order| order.arrived <= boundary) {
            self.forget_oldest();
        }
    }

    #[inline]
    fn forget_oldest(&mut self) {
        if self.orders.pop_front().is_some() {
            self.first += 1;
        }
    }

    #[inline]
    fn find(&mut self, key: Key) -> Option<&mut Order> {
        if self.chains.is_empty() {
            return None;
        }
        let mut number = self.chains[key.chain(self.chains.len())];
        while number >= self.first {
            let place = self.place(number);
            let order = self.orders.get(place)?;
            if order.key == key {
                return self.orders.get_mut(place);
            }
            number = order.older;
        }
        None
    }

    #[inline]
    fn add(&mut self, mut order: Order) {
        if self.orders.len() * 2 >= self.chains.len() {
            self.lengthen();
        }
        let number = self.first + self.orders.len() as u64;
        let chain = order.key.chain(self.chains.len());
        order.older = std::mem::replace(&mut self.chains[chain], number);
        self.orders.push_back(order);
    }

    /// Makes at least twice as many chains and puts the orders into them anew.
    fn lengthen(&mut self) {
        let chains = (self.orders.len() + 1).next_power_of_two().max(LEAST_CHAINS) * 4;
        self.chains.clear();
        self.chains.resize(chains, NONE);
        for (number, order) in (self.first..).zip(&mut self.orders) {
            order.older = std::mem::replace(&mut self.chains[order.key.chain(chains)], number);
        }
    }

    /// Where the order of this number is, which is not older than the oldest held.
    #[inline]
    fn place(&self, number: u64) -> usize {
        usize::try_from(number - self.first).unwrap_or(usize::MAX)
    }

    fn line(&mut self, venue: Venue, instrument: &Instrument) -> usize {
        if let Some(line) = self.lines.iter().position(|line| line.0 == venue && line.1 == *instrument) {
            return line;
        }
        if self.lines.len() == MAX_LINES {
            *self = Self::default();
        }
        self.lines.push((venue, *instrument));
        self.lines.len() - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_order_held_is_found_and_none_that_was_forgotten() {
        let key =
            |number: u64| Key { packed: ((number / 7) << 10) | ((number % 7) << 1), account: number % 3 };
        let order = |number: u64| Order {
            key: key(number),
            id: Id::from_bits(number),
            sum: Usd::ZERO,
            arrived: EventTime::from_ms(i64::try_from(number).unwrap()),
            older: NONE,
        };
        let mut ledger = Ledger::default();
        for number in 0..5_000 {
            assert!(ledger.find(key(number)).is_none());
            ledger.add(order(number));
        }
        ledger.forget(EventTime::from_ms(1_999));
        for number in 0..5_000 {
            let found = ledger.find(key(number)).map(|order| order.id);
            assert_eq!(found, (number >= 2_000).then_some(Id::from_bits(number)));
        }
    }
}
