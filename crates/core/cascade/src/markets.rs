//! The shard's symbols in order of their names, found by a few comparisons of whole numbers.

use cascade_domain::Symbol;
use serde::{Deserialize, Serialize};

use crate::market::Market;

/// Markets by symbol. The first bytes of all names lie side by side, so that a search seldom reads a name.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(from = "Kept")]
pub(crate) struct Markets {
    #[serde(skip)]
    heads: Vec<u128>,
    #[expect(
        clippy::vec_box,
        reason = "a market is kilobytes: one that comes or goes must not move the others"
    )]
    markets: Vec<Box<Market>>,
}

/// What of it is written down.
#[derive(Deserialize)]
struct Kept {
    #[expect(clippy::vec_box, reason = "as in `Markets`")]
    markets: Vec<Box<Market>>,
}

impl From<Kept> for Markets {
    fn from(Kept { mut markets }: Kept) -> Self {
        markets.sort_by_key(|market| market.symbol);
        markets.dedup_by_key(|market| market.symbol);
        Self { heads: markets.iter().map(|market| head(&market.symbol)).collect(), markets }
    }
}

impl Markets {
    pub(crate) fn len(&self) -> usize {
        self.markets.len()
    }

    pub(crate) fn get(&self, symbol: &Symbol) -> Option<&Market> {
        let place = self.place(symbol).ok()?;
        self.markets.get(place).map(AsRef::as_ref)
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, symbol: &Symbol) -> Option<&mut Market> {
        let place = self.place(symbol).ok()?;
        self.markets.get_mut(place).map(AsMut::as_mut)
    }

    /// The symbol's market, which `new` makes if there is none.
    pub(crate) fn get_or_insert_with(
        &mut self,
        symbol: &Symbol,
        new: impl FnOnce() -> Market,
    ) -> &mut Market {
        let place = self.place(symbol).unwrap_or_else(|place| {
            self.heads.insert(place, head(symbol));
            self.markets.insert(place, Box::new(new()));
            place
        });
        &mut self.markets[place]
    }

    pub(crate) fn remove(&mut self, symbol: &Symbol) {
        if let Ok(place) = self.place(symbol) {
            self.heads.remove(place);
            self.markets.remove(place);
        }
    }

    /// In order of their symbols.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Market> {
        self.markets.iter().map(AsRef::as_ref)
    }

    /// In order of their symbols.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Market> {
        self.markets.iter_mut().map(AsMut::as_mut)
    }

    /// Visits all in order of their symbols, and lets those go for which `keep` says no.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&mut Market) -> bool) {
        let before = self.markets.len();
        self.markets.retain_mut(|market| keep(market));
        if self.markets.len() != before {
            self.heads.clear();
            self.heads.extend(self.markets.iter().map(|market| head(&market.symbol)));
        }
    }

    /// Where the symbol is, or where it belongs.
    #[inline]
    fn place(&self, symbol: &Symbol) -> Result<usize, usize> {
        let head = head(symbol);
        let mut place = self.heads.partition_point(|held| *held < head);
        while self.heads.get(place) == Some(&head) {
            match self.markets[place].symbol.cmp(symbol) {
                std::cmp::Ordering::Less => place += 1,
                std::cmp::Ordering::Equal => return Ok(place),
                std::cmp::Ordering::Greater => break,
            }
        }
        Err(place)
    }
}

/// The first 16 bytes of the name, with zeros after a shorter one, which no name contains: in order as the names are.
#[inline]
fn head(symbol: &Symbol) -> u128 {
    let name = symbol.as_str().as_bytes();
    let mut bytes = [0; 16];
    for (byte, letter) in bytes.iter_mut().zip(name) {
        *byte = *letter;
    }
    u128::from_be_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::config::Config;
    use crate::facts::Facts;

    #[test]
    fn markets_are_found_and_listed_by_name_however_long_their_names() {
        let facts = Facts::new(Arc::new(Config::default()), String::new());
        let names =
            ["A", "ABCDEFGHIJKLMNOP", "ABCDEFGHIJKLMNOPQ", "ABCDEFGHIJKLMNOPQR", "B", "币安人生币安人生USDT"];
        let symbols = names.map(|name| Symbol::parse(name).unwrap());
        let mut markets = Markets::default();
        for place in [3, 1, 5, 2, 0, 4] {
            markets.get_or_insert_with(&symbols[place], || Market::new(symbols[place], &facts));
        }
        assert!(markets.iter().map(|market| market.symbol).eq(symbols));
        assert!(
            symbols.iter().all(|symbol| markets.get(symbol).is_some_and(|found| found.symbol == *symbol))
        );
        markets.remove(&symbols[1]);
        markets.retain(|market| market.symbol != symbols[4]);
        assert!(markets.get(&symbols[1]).is_none() && markets.get(&symbols[4]).is_none());
        assert!(markets.get_mut(&symbols[2]).is_some_and(|found| found.symbol == symbols[2]));
    }
}
