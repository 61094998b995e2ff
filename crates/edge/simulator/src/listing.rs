//! What is listed where, and in which unit: the contracts of the four venues with their real contract sizes.
//!
//! A table, any number of generated bases beside it (`synthetic`), and the arithmetic between a venue's unit and
//! dollars. Knows no wire format and no scenario.

use cascade_domain::Venue;

use crate::numeral::{rounded, step_of};
use crate::synthetic;

/// A base asset: its coin's price and the traffic it has on a quiet day.
#[derive(Debug)]
pub(crate) struct Base {
    /// The coin's ticker.
    pub(crate) name: &'static str,
    /// US dollars a coin where a scenario names none.
    pub(crate) price: f64,
    /// Open interest of all venues, US dollars.
    pub(crate) open_interest_usd: f64,
    /// Ordinary trades a second on one venue.
    pub(crate) trades_per_s: f64,
}

const fn base(name: &'static str, price: f64, open_interest_usd: f64, trades_per_s: f64) -> Base {
    Base { name, price, open_interest_usd, trades_per_s }
}

const BTC: usize = 0;
const ETH: usize = 1;
const SOL: usize = 2;
const DOGE: usize = 3;
const PEPE: usize = 4;
const SHIB: usize = 5;
const INCH: usize = 6;

/// Every real base asset; a [`Listing`] names its own by index, and the generated ones follow.
pub(crate) static BASES: [Base; 7] = [
    base("BTC", 82_400.0, 18e9, 4.0),
    base("ETH", 2_650.0, 9e9, 3.0),
    base("SOL", 104.0, 3e9, 2.0),
    base("DOGE", 0.115, 8e8, 0.6),
    base("PEPE", 0.000_006_2, 2e8, 0.3),
    base("SHIB", 0.000_007_8, 1e8, 0.2),
    base("1INCH", 0.145, 2e7, 0.1),
];

/// What one unit of a contract's size is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Unit {
    /// One coin.
    Coin,
    /// A thousand coins, and the price is that of a thousand.
    Thousand,
    /// A contract of so many coins.
    Coins(f64),
    /// A contract of so many US dollars, margined in the coin (inverse).
    Dollars(f64),
}

/// One contract on one venue.
#[derive(Debug, PartialEq)]
pub(crate) struct Listing {
    /// The venue.
    pub(crate) venue: Venue,
    /// The venue's own name.
    pub(crate) instrument: &'static str,
    /// Index of the base asset: in [`BASES`], then in the generated ones.
    pub(crate) base: usize,
    /// `USDT`, `USDC` or `USD`.
    pub(crate) quote: &'static str,
    /// What its size counts.
    pub(crate) unit: Unit,
    /// Decimals of prices.
    pub(crate) price_decimals: usize,
    /// Decimals of sizes.
    pub(crate) size_decimals: usize,
    /// Share of the venue's business in this base.
    pub(crate) weight: f64,
}

impl Listing {
    /// The base asset.
    pub(crate) fn base(&self) -> &'static Base {
        BASES.get(self.base).unwrap_or_else(|| &synthetic::bases()[self.base - BASES.len()])
    }

    /// Whether the contract is margined in its coin.
    pub(crate) const fn is_inverse(&self) -> bool {
        matches!(self.unit, Unit::Dollars(_))
    }

    /// Price of what the contract quotes, from the price of a coin; rounded to the contract's step.
    pub(crate) fn price(&self, coin: f64) -> f64 {
        let quoted = if self.unit == Unit::Thousand { coin * 1000.0 } else { coin };
        rounded(quoted, self.price_decimals).max(step_of(self.price_decimals))
    }

    /// US dollars of a size at a quoted price.
    pub(crate) fn usd(&self, size: f64, price: f64) -> f64 {
        match self.unit {
            Unit::Coin | Unit::Thousand => size * price,
            Unit::Coins(coins) => size * coins * price,
            Unit::Dollars(dollars) => size * dollars,
        }
    }

    /// The size nearest to so many US dollars at a quoted price, at least one step.
    pub(crate) fn size(&self, usd: f64, price: f64) -> f64 {
        let one = self.usd(1.0, price);
        rounded(usd / one, self.size_decimals).max(step_of(self.size_decimals))
    }

    /// The coins of the base that a size is, at a quoted price.
    pub(crate) fn coins(&self, size: f64, price: f64) -> f64 {
        match self.unit {
            Unit::Coin => size,
            Unit::Thousand => size * 1000.0,
            Unit::Coins(each) => size * each,
            Unit::Dollars(dollars) => size * dollars / price,
        }
    }

    /// The size that so many coins of the base are, at this price of a coin.
    pub(crate) fn size_of_coins(&self, coins: f64, coin: f64) -> f64 {
        match self.unit {
            Unit::Coin => coins,
            Unit::Thousand => coins / 1000.0,
            Unit::Coins(each) => coins / each,
            Unit::Dollars(dollars) => coins * coin / dollars,
        }
    }
}

/// Share of all business that a venue has.
pub(crate) const fn share(venue: Venue) -> f64 {
    match venue {
        Venue::Binance => 0.40,
        Venue::Bybit => 0.27,
        Venue::Okx => 0.18,
        Venue::Hyperliquid => 0.15,
    }
}

/// A row: `(base, quote)` and `(price decimals, size decimals, weight)`.
const fn row(
    venue: Venue,
    instrument: &'static str,
    market: (usize, &'static str),
    unit: Unit,
    scale: (usize, usize, f64),
) -> Listing {
    let (price_decimals, size_decimals, weight) = scale;
    Listing {
        venue,
        instrument,
        base: market.0,
        quote: market.1,
        unit,
        price_decimals,
        size_decimals,
        weight,
    }
}

use Unit::{Coin, Coins, Dollars, Thousand};
use Venue::{Binance, Bybit, Hyperliquid, Okx};

/// Every real contract.
#[rustfmt::skip]
pub(crate) static LISTINGS: [Listing; 39] = [
    row(Binance, "BTCUSDT", (BTC, "USDT"), Coin, (2, 3, 0.86)),
    row(Binance, "BTCUSDC", (BTC, "USDC"), Coin, (1, 3, 0.06)),
    row(Binance, "BTCUSD_PERP", (BTC, "USD"), Dollars(100.0), (1, 0, 0.08)),
    row(Binance, "ETHUSDT", (ETH, "USDT"), Coin, (2, 3, 0.86)),
    row(Binance, "ETHUSDC", (ETH, "USDC"), Coin, (2, 3, 0.06)),
    row(Binance, "ETHUSD_PERP", (ETH, "USD"), Dollars(10.0), (2, 0, 0.08)),
    row(Binance, "SOLUSDT", (SOL, "USDT"), Coin, (2, 2, 0.88)),
    row(Binance, "SOLUSDC", (SOL, "USDC"), Coin, (2, 2, 0.06)),
    row(Binance, "SOLUSD_PERP", (SOL, "USD"), Dollars(10.0), (2, 0, 0.06)),
    row(Binance, "DOGEUSDT", (DOGE, "USDT"), Coin, (5, 0, 1.0)),
    row(Binance, "1000PEPEUSDT", (PEPE, "USDT"), Thousand, (7, 0, 1.0)),
    row(Binance, "1000SHIBUSDT", (SHIB, "USDT"), Thousand, (6, 0, 1.0)),
    row(Binance, "1INCHUSDT", (INCH, "USDT"), Coin, (4, 0, 1.0)),
    row(Bybit, "BTCUSDT", (BTC, "USDT"), Coin, (2, 3, 0.88)),
    row(Bybit, "BTCPERP", (BTC, "USDC"), Coin, (2, 3, 0.05)),
    row(Bybit, "BTCUSD", (BTC, "USD"), Dollars(1.0), (2, 0, 0.07)),
    row(Bybit, "ETHUSDT", (ETH, "USDT"), Coin, (2, 2, 0.88)),
    row(Bybit, "ETHPERP", (ETH, "USDC"), Coin, (2, 2, 0.05)),
    row(Bybit, "ETHUSD", (ETH, "USD"), Dollars(1.0), (2, 0, 0.07)),
    row(Bybit, "SOLUSDT", (SOL, "USDT"), Coin, (3, 1, 0.94)),
    row(Bybit, "SOLUSD", (SOL, "USD"), Dollars(1.0), (3, 0, 0.06)),
    row(Bybit, "DOGEUSDT", (DOGE, "USDT"), Coin, (5, 0, 1.0)),
    row(Bybit, "1000PEPEUSDT", (PEPE, "USDT"), Thousand, (7, 0, 1.0)),
    row(Bybit, "SHIB1000USDT", (SHIB, "USDT"), Thousand, (6, 0, 1.0)),
    row(Bybit, "1INCHUSDT", (INCH, "USDT"), Coin, (4, 1, 1.0)),
    row(Okx, "BTC-USDT-SWAP", (BTC, "USDT"), Coins(0.01), (1, 2, 0.84)),
    row(Okx, "BTC-USD-SWAP", (BTC, "USD"), Dollars(100.0), (1, 0, 0.16)),
    row(Okx, "ETH-USDT-SWAP", (ETH, "USDT"), Coins(0.1), (2, 2, 0.84)),
    row(Okx, "ETH-USD-SWAP", (ETH, "USD"), Dollars(10.0), (2, 0, 0.16)),
    row(Okx, "SOL-USDT-SWAP", (SOL, "USDT"), Coins(1.0), (2, 2, 0.90)),
    row(Okx, "SOL-USD-SWAP", (SOL, "USD"), Dollars(10.0), (2, 0, 0.10)),
    row(Okx, "DOGE-USDT-SWAP", (DOGE, "USDT"), Coins(1000.0), (5, 2, 1.0)),
    row(Okx, "1INCH-USDT-SWAP", (INCH, "USDT"), Coins(1.0), (4, 0, 1.0)),
    row(Hyperliquid, "BTC", (BTC, "USD"), Coin, (0, 5, 1.0)),
    row(Hyperliquid, "ETH", (ETH, "USD"), Coin, (1, 4, 1.0)),
    row(Hyperliquid, "SOL", (SOL, "USD"), Coin, (2, 2, 1.0)),
    row(Hyperliquid, "DOGE", (DOGE, "USD"), Coin, (5, 0, 1.0)),
    row(Hyperliquid, "kPEPE", (PEPE, "USD"), Thousand, (6, 0, 1.0)),
    row(Hyperliquid, "kSHIB", (SHIB, "USD"), Thousand, (6, 0, 1.0)),
];

/// What there is to trade in a scenario: the real contracts, then those of so many generated bases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Catalogue {
    /// How many generated bases.
    pub(crate) synthetic: usize,
}

impl Catalogue {
    /// Every base; a listing's `base` is an index here.
    pub(crate) fn bases(self) -> impl Iterator<Item = &'static Base> {
        BASES.iter().chain(synthetic::bases().iter().take(self.synthetic))
    }

    /// Every contract.
    pub(crate) fn listings(self) -> impl Iterator<Item = &'static Listing> {
        let made = synthetic::listings().iter().filter(move |l| l.base - BASES.len() < self.synthetic);
        LISTINGS.iter().chain(made)
    }

    /// A venue's contracts, in order.
    pub(crate) fn listed(self, venue: Venue) -> impl Iterator<Item = &'static Listing> {
        self.listings().filter(move |listing| listing.venue == venue)
    }
}

/// A venue's real contracts, in order.
#[cfg(test)]
pub(crate) fn listed(venue: Venue) -> impl Iterator<Item = &'static Listing> + Clone {
    LISTINGS.iter().filter(move |listing| listing.venue == venue)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(venue: Venue, instrument: &str) -> &'static Listing {
        listed(venue).find(|l| l.instrument == instrument).unwrap()
    }

    #[test]
    #[expect(clippy::float_cmp, reason = "exact by construction")]
    fn a_size_is_counted_in_the_venues_own_unit() {
        assert_eq!(of(Okx, "BTC-USDT-SWAP").size(82_400.0, 82_400.0), 100.0, "contracts of 0.01 BTC");
        assert_eq!(of(Binance, "BTCUSD_PERP").size(5_000.0, 82_400.0), 50.0, "contracts of 100 USD");
        assert_eq!(of(Binance, "ETHUSD_PERP").usd(50.0, 2_650.0), 500.0, "contracts of 10 USD");
        assert_eq!(of(Bybit, "BTCUSD").size(5_000.0, 82_400.0), 5_000.0, "dollars");
        assert_eq!(of(Hyperliquid, "kPEPE").price(0.000_006_2), 0.0062, "the price of a thousand");
        assert_eq!(of(Okx, "BTC-USDT-SWAP").coins(100.0, 82_400.0), 1.0, "coins of contracts");
        assert_eq!(of(Okx, "BTC-USD-SWAP").coins(824.0, 82_400.0), 1.0, "coins of contracts of 100 USD");
    }

    #[test]
    fn weights_and_shares_are_whole() {
        assert!((Venue::ALL.into_iter().map(share).sum::<f64>() - 1.0).abs() < 1e-9);
        for venue in Venue::ALL {
            for (index, base) in BASES.iter().enumerate() {
                let sum: f64 = listed(venue).filter(|l| l.base == index).map(|l| l.weight).sum();
                assert!(sum == 0.0 || (sum - 1.0).abs() < 1e-9, "{venue} {}: {sum}", base.name);
            }
        }
    }
}
