//! The instruments of a venue: which market each name belongs to and how its quantities count.
//!
//! Dollar-quoted perpetuals only. Filled from the venue's own answers by its protocol; knows no wire format.

use std::collections::BTreeMap;

use cascade_domain::{Instrument, Symbol, Venue};
use rust_decimal::Decimal;

use crate::{DecodeError, multiplied, naming};

/// How the quantities of an instrument count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sizing {
    /// In listed coins.
    Coins,
    /// In contracts of so many listed coins.
    ContractsOfCoins(Decimal),
    /// In contracts of so many US dollars.
    ContractsOfUsd(Decimal),
    /// In US dollars.
    Usd,
}

impl Sizing {
    /// Whether the contract is inverse: its quantities are dollars, and it is margined in the coin.
    pub const fn is_inverse(&self) -> bool {
        matches!(self, Self::ContractsOfUsd(_) | Self::Usd)
    }
}

/// The dollar that an instrument is quoted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the asset of that name")]
pub enum Quote {
    Usd,
    Usdt,
    Usdc,
    Fdusd,
    Busd,
}

impl Quote {
    /// The asset's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Usd => "USD",
            Self::Usdt => "USDT",
            Self::Usdc => "USDC",
            Self::Fdusd => "FDUSD",
            Self::Busd => "BUSD",
        }
    }

    /// The dollar of this name; `None` = no dollar.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Usd, Self::Usdt, Self::Usdc, Self::Fdusd, Self::Busd].into_iter().find(|q| q.as_str() == text)
    }
}

/// One dollar-quoted perpetual of a venue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listing {
    /// The venue's name.
    pub instrument: Instrument,
    /// The market it belongs to.
    pub symbol: Symbol,
    /// Coins in one listed coin: 1000 for `1000PEPEUSDT`.
    pub multiplier: u32,
    /// How its quantities count.
    pub sizing: Sizing,
    /// What it is quoted in.
    pub quote: Quote,
    /// Hours between two payments of funding, where the venue tells it of the listing and not with each rate.
    pub funding_interval_h: Option<u8>,
}

impl Listing {
    /// A listing of a base as the venue spells it; multiplied listings are undone by the venue's table.
    ///
    /// # Errors
    /// A name that is no market's.
    pub fn of(
        venue: Venue,
        instrument: &str,
        listed_base: &str,
        quote: Quote,
        sizing: Sizing,
    ) -> Result<Self, DecodeError> {
        let (base, multiplier) = multiplied::undo(venue, listed_base);
        let (instrument, symbol) = (Instrument::parse(instrument)?, Symbol::of_base(base)?);
        Ok(Self { instrument, symbol, multiplier, sizing, quote, funding_interval_h: None })
    }
}

/// A venue's listings by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Instruments(BTreeMap<Instrument, Listing>);

impl Instruments {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a listing, or replaces the one of that name.
    pub fn insert(&mut self, listing: Listing) {
        self.0.insert(listing.instrument, listing);
    }

    /// Sets the hours between two payments of funding: those named, and `others` for every other listing.
    pub(crate) fn set_funding_intervals(&mut self, named: &BTreeMap<&str, u8>, others: u8) {
        for listing in self.0.values_mut() {
            let hours = named.get(listing.instrument.as_str()).copied();
            listing.funding_interval_h = Some(hours.unwrap_or(others));
        }
    }

    /// The listing of this name.
    pub fn get(&self, instrument: &Instrument) -> Option<&Listing> {
        self.0.get(instrument)
    }

    /// All, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Listing> {
        self.0.values()
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The market behind a venue's name: by its listing, else by what the name says.
    ///
    /// # Errors
    /// A name that is no market's, or of something that is no dollar-quoted perpetual.
    pub(crate) fn market(&self, venue: Venue, name: &str) -> Result<Market, DecodeError> {
        let instrument = Instrument::parse(name)?;
        if let Some(listing) = self.0.get(&instrument) {
            let Listing { instrument, symbol, multiplier, sizing, funding_interval_h, .. } = *listing;
            return Ok(Market { instrument, symbol, multiplier, sizing: Some(sizing), funding_interval_h });
        }
        let named = naming::read(venue, name)
            .ok_or_else(|| DecodeError::NotPerpetual(instrument.as_str().to_owned()))?;
        let (base, multiplier) = multiplied::undo(venue, named.base);
        let (symbol, sizing) = (Symbol::of_base(base)?, named.sizing);
        Ok(Market { instrument, symbol, multiplier, sizing, funding_interval_h: None })
    }
}

/// What decoding needs of an instrument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Market {
    pub(crate) instrument: Instrument,
    pub(crate) symbol: Symbol,
    pub(crate) multiplier: u32,
    sizing: Option<Sizing>,
    pub(crate) funding_interval_h: Option<u8>,
}

impl Market {
    /// How quantities count.
    ///
    /// # Errors
    /// In contracts of a size that is not known.
    pub(crate) fn sizing(&self) -> Result<Sizing, DecodeError> {
        self.sizing.ok_or_else(|| DecodeError::UnknownContractSize(self.instrument.as_str().to_owned()))
    }

    /// Whether quantities are plainly coins.
    pub(crate) fn counts_coins(&self) -> bool {
        self.sizing == Some(Sizing::Coins)
    }

    /// Whether quantities are dollars.
    pub(crate) fn is_inverse(&self) -> bool {
        self.sizing.is_some_and(|sizing| sizing.is_inverse())
    }

    /// The same market, said by the frame itself to count in contracts: only a listing's contract size will do.
    #[must_use]
    pub(crate) fn in_contracts(mut self) -> Self {
        self.sizing =
            self.sizing.filter(|s| matches!(s, Sizing::ContractsOfUsd(_) | Sizing::ContractsOfCoins(_)));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_goes_before_what_the_name_says() {
        let mut table = Instruments::new();
        let size = Sizing::ContractsOfUsd(Decimal::from(100));
        table.insert(Listing::of(Venue::Binance, "BTCUSD_PERP", "BTC", Quote::Usd, size).unwrap());
        let market = table.market(Venue::Binance, "BTCUSD_PERP").unwrap();
        assert_eq!((market.symbol.as_str(), market.sizing().unwrap()), ("BTCUSDT", size));
        let unlisted = table.market(Venue::Binance, "ETHUSD_PERP").unwrap();
        assert_eq!(unlisted.sizing(), Err(DecodeError::UnknownContractSize("ETHUSD_PERP".to_owned())));
    }

    #[test]
    fn multiples_are_undone_and_1inch_is_1inch() {
        let table = Instruments::new();
        let of = |name: &str| {
            table.market(Venue::Binance, name).map(|m| (m.symbol.to_string(), m.multiplier)).unwrap()
        };
        assert_eq!(of("1000PEPEUSDT"), ("PEPEUSDT".to_owned(), 1000));
        assert_eq!(of("1INCHUSDT"), ("1INCHUSDT".to_owned(), 1));
        assert_eq!(of("1000SATSUSDT"), ("SATSUSDT".to_owned(), 1000));
    }
}
