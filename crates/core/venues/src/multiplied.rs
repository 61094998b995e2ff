//! Listings of many coins as one, by venue: the explicit table, never a pattern (`1INCHUSDT` is 1INCH).
//!
//! Read from the venues' lists of instruments. A name that is not here stands for itself.

use cascade_domain::Venue;

/// A base as a venue lists it, the coin it stands for, and how many of them.
type Row = (&'static str, &'static str, u32);

/// Binance USD-M (`/fapi/v1/exchangeInfo`), sorted.
const BINANCE: &[Row] = &[
    ("1000000BOB", "BOB", 1_000_000),
    ("1000000MOG", "MOG", 1_000_000),
    ("1000BONK", "BONK", 1_000),
    ("1000CAT", "CAT", 1_000),
    ("1000CHEEMS", "CHEEMS", 1_000),
    ("1000FLOKI", "FLOKI", 1_000),
    ("1000LUNC", "LUNC", 1_000),
    ("1000PEPE", "PEPE", 1_000),
    ("1000RATS", "RATS", 1_000),
    ("1000SATS", "SATS", 1_000),
    ("1000SHIB", "SHIB", 1_000),
    ("1000WHY", "WHY", 1_000),
    ("1000X", "X", 1_000),
    ("1000XEC", "XEC", 1_000),
    ("1MBABYDOGE", "BABYDOGE", 1_000_000),
];

/// Bybit linear (`/v5/market/instruments-info`), sorted.
const BYBIT: &[Row] = &[
    ("1000000BABYDOGE", "BABYDOGE", 1_000_000),
    ("1000000CHEEMS", "CHEEMS", 1_000_000),
    ("1000000MOG", "MOG", 1_000_000),
    ("1000000PEIPEI", "PEIPEI", 1_000_000),
    ("10000COQ", "COQ", 10_000),
    ("10000ELON", "ELON", 10_000),
    ("10000LADYS", "LADYS", 10_000),
    ("10000QUBIC", "QUBIC", 10_000),
    ("10000SATS", "SATS", 10_000),
    ("10000WEN", "WEN", 10_000),
    ("10000WHY", "WHY", 10_000),
    ("1000APU", "APU", 1_000),
    ("1000BEER", "BEER", 1_000),
    ("1000BONK", "BONK", 1_000),
    ("1000BTT", "BTT", 1_000),
    ("1000CAT", "CAT", 1_000),
    ("1000CATS", "CATS", 1_000),
    ("1000FLOKI", "FLOKI", 1_000),
    ("1000LUNC", "LUNC", 1_000),
    ("1000MUMU", "MUMU", 1_000),
    ("1000NEIROCTO", "NEIROCTO", 1_000),
    ("1000PEPE", "PEPE", 1_000),
    ("1000RATS", "RATS", 1_000),
    ("1000TOSHI", "TOSHI", 1_000),
    ("1000TURBO", "TURBO", 1_000),
    ("1000X", "X", 1_000),
    ("1000XEC", "XEC", 1_000),
    ("SHIB1000", "SHIB", 1_000),
];

/// Hyperliquid (`{"type":"meta"}`), sorted.
const HYPERLIQUID: &[Row] = &[
    ("kBONK", "BONK", 1_000),
    ("kDOGS", "DOGS", 1_000),
    ("kFLOKI", "FLOKI", 1_000),
    ("kLUNC", "LUNC", 1_000),
    ("kNEIRO", "NEIRO", 1_000),
    ("kPEPE", "PEPE", 1_000),
    ("kSHIB", "SHIB", 1_000),
];

const fn table(venue: Venue) -> &'static [Row] {
    match venue {
        Venue::Binance => BINANCE,
        Venue::Bybit => BYBIT,
        Venue::Hyperliquid => HYPERLIQUID,
        // OKX lists single coins and puts the multiple into the contract size.
        Venue::Okx => &[],
    }
}

/// The coin that a listed base stands for, and how many of them one is.
pub(crate) fn undo(venue: Venue, listed: &str) -> (&str, u32) {
    let rows = table(venue);
    rows.binary_search_by(|row| row.0.cmp(listed)).map_or((listed, 1), |at| (rows[at].1, rows[at].2))
}

/// The base under which a venue lists this coin.
pub(crate) fn listed(venue: Venue, base: &str) -> &str {
    table(venue).iter().find(|row| row.1 == base).map_or(base, |row| row.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_sorted_so_that_they_can_be_searched() {
        for venue in Venue::ALL {
            assert!(table(venue).is_sorted_by(|a, b| a.0 < b.0), "{venue}");
        }
    }

    #[test]
    fn only_the_table_multiplies() {
        assert_eq!(undo(Venue::Binance, "1000PEPE"), ("PEPE", 1000));
        assert_eq!(undo(Venue::Binance, "1INCH"), ("1INCH", 1));
        assert_eq!(undo(Venue::Bybit, "10000SATS"), ("SATS", 10_000));
        assert_eq!(undo(Venue::Bybit, "SHIB1000"), ("SHIB", 1000));
        assert_eq!(undo(Venue::Hyperliquid, "kPEPE"), ("PEPE", 1000));
        assert_eq!(undo(Venue::Hyperliquid, "kUNKNOWN"), ("kUNKNOWN", 1));
        assert_eq!(undo(Venue::Okx, "1000PEPE"), ("1000PEPE", 1));
        assert_eq!(listed(Venue::Hyperliquid, "SHIB"), "kSHIB");
        assert_eq!(listed(Venue::Binance, "BTC"), "BTC");
    }
}
