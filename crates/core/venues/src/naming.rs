//! What a venue's name of an instrument says by itself, where no listing is at hand.
//!
//! Knows only dollar-quoted perpetuals; every other name (dated futures, options, spot, other quotes) says nothing.

use cascade_domain::Venue;

use crate::instruments::{Quote, Sizing};

/// What a name says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Named<'a> {
    /// The base as listed, multiples not yet undone.
    pub(crate) base: &'a str,
    /// What it is quoted in.
    pub(crate) quote: Quote,
    /// How quantities count; `None` = in contracts of a size that only the venue's instruments tell.
    pub(crate) sizing: Option<Sizing>,
}

/// Reads a name; `None` = no dollar-quoted perpetual.
pub(crate) fn read(venue: Venue, name: &str) -> Option<Named<'_>> {
    let named = match venue {
        Venue::Binance => binance(name),
        Venue::Bybit => bybit(name),
        Venue::Okx => okx(name),
        Venue::Hyperliquid => Some(Named { base: name, quote: Quote::Usdc, sizing: Some(Sizing::Coins) }),
    };
    named.filter(|named| !named.base.is_empty() && named.base.chars().all(char::is_alphanumeric))
}

/// `BTCUSDT`, `BTCUSDC`; COIN-M `BTCUSD_PERP`. Dated contracts end in `_210625`.
fn binance(name: &str) -> Option<Named<'_>> {
    if let Some(pair) = name.strip_suffix("_PERP") {
        return Some(Named { base: pair.strip_suffix("USD")?, quote: Quote::Usd, sizing: None });
    }
    [Quote::Usdt, Quote::Usdc, Quote::Fdusd, Quote::Busd].into_iter().find_map(|quote| suffixed(name, quote))
}

/// `BTCUSDT`, `BTCPERP` (USDC), inverse `BTCUSD`. Dated contracts end in `-25MAR` or `H25`.
fn bybit(name: &str) -> Option<Named<'_>> {
    if let Some(base) = name.strip_suffix("PERP") {
        return Some(Named { base, quote: Quote::Usdc, sizing: Some(Sizing::Coins) });
    }
    [Quote::Usdt, Quote::Usdc].into_iter().find_map(|quote| suffixed(name, quote)).or_else(|| {
        let base = name.strip_suffix("USD")?;
        Some(Named { base, quote: Quote::Usd, sizing: Some(Sizing::Usd) })
    })
}

/// `BTC-USDT-SWAP`, `BTC-USD-SWAP`; always in contracts.
fn okx(name: &str) -> Option<Named<'_>> {
    let (base, quote) = name.strip_suffix("-SWAP")?.split_once('-')?;
    Some(Named { base, quote: Quote::parse(quote)?, sizing: None })
}

fn suffixed(name: &str, quote: Quote) -> Option<Named<'_>> {
    let base = name.strip_suffix(quote.as_str())?;
    Some(Named { base, quote, sizing: Some(Sizing::Coins) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(venue: Venue, name: &str) -> Option<(&str, Quote)> {
        read(venue, name).map(|named| (named.base, named.quote))
    }

    #[test]
    fn perpetuals_are_read_by_their_quote() {
        assert_eq!(base(Venue::Binance, "1INCHUSDT"), Some(("1INCH", Quote::Usdt)));
        assert_eq!(base(Venue::Binance, "币安人生USDT"), Some(("币安人生", Quote::Usdt)));
        assert_eq!(base(Venue::Binance, "BTCUSD_PERP"), Some(("BTC", Quote::Usd)));
        assert_eq!(base(Venue::Bybit, "BTCPERP"), Some(("BTC", Quote::Usdc)));
        assert_eq!(base(Venue::Bybit, "BTCUSD"), Some(("BTC", Quote::Usd)));
        assert_eq!(base(Venue::Okx, "BTC-USD-SWAP"), Some(("BTC", Quote::Usd)));
        assert_eq!(base(Venue::Hyperliquid, "kPEPE"), Some(("kPEPE", Quote::Usdc)));
    }

    #[test]
    fn all_else_says_nothing() {
        for (venue, name) in [
            (Venue::Binance, "BTCUSDT_210625"),
            (Venue::Binance, "BTCUSD_210625"),
            (Venue::Binance, "ETHBTC"),
            (Venue::Binance, "BTCEUR"),
            (Venue::Binance, "USDT"),
            (Venue::Binance, "_PERP"),
            (Venue::Bybit, "BTCUSDH25"),
            (Venue::Bybit, "BTCUSDT-25MAR"),
            (Venue::Bybit, "BTC-25MAR22"),
            (Venue::Okx, "BTC-USDT"),
            (Venue::Okx, "BTC-USDT-220325"),
            (Venue::Okx, "BTC-USD-220304-32000-P"),
            (Venue::Okx, "ETH-BTC-SWAP"),
            (Venue::Hyperliquid, "@107"),
            (Venue::Hyperliquid, "PURR/USDC"),
            (Venue::Hyperliquid, "xyz:CRWV"),
        ] {
            assert_eq!(read(venue, name), None, "{venue} {name}");
        }
    }
}
