//! What exchanges say: frames, and a node's lines, with and without the instruments of the venue.

use cascade_domain::Venue;
use cascade_venues::{
    DecodeError, Decoded, Instruments, Listing, Meaning, Quote, Sizing, decode_node_line, is_node_line,
    protocol,
};

use super::wire::sound;
use super::{Verdict, ensure, told};

/// The bytes as a frame of Binance.
///
/// # Errors
/// An event came out that makes no sense, or two readings of the frame differ.
pub fn binance(bytes: &[u8]) -> Verdict {
    frame(Venue::Binance, bytes)
}

/// The bytes as a frame of Bybit.
///
/// # Errors
/// As [`binance`].
pub fn bybit(bytes: &[u8]) -> Verdict {
    frame(Venue::Bybit, bytes)
}

/// The bytes as a frame of OKX.
///
/// # Errors
/// As [`binance`].
pub fn okx(bytes: &[u8]) -> Verdict {
    frame(Venue::Okx, bytes)
}

/// The bytes as a frame of Hyperliquid.
///
/// # Errors
/// As [`binance`].
pub fn hyperliquid(bytes: &[u8]) -> Verdict {
    frame(Venue::Hyperliquid, bytes)
}

/// What is no UTF-8 never becomes a frame: sockets refuse it.
fn frame(venue: Venue, bytes: &[u8]) -> Verdict {
    let Ok(text) = std::str::from_utf8(bytes) else { return Ok(()) };
    decoded(venue, text, &Instruments::new())?;
    decoded(venue, text, &listed(venue))
}

/// The bytes as a line that a node of Hyperliquid writes.
///
/// # Errors
/// As [`binance`].
pub fn node_fills(bytes: &[u8]) -> Verdict {
    let Ok(text) = std::str::from_utf8(bytes) else { return Ok(()) };
    for table in [Instruments::new(), listed(Venue::Hyperliquid)] {
        twice(Venue::Hyperliquid, |out| decode_node_line(text, &table, out))?;
        let mut out = Decoded::default();
        let read = decode_node_line(text, &table, &mut out);
        let frame = protocol(Venue::Hyperliquid).decode(text, &table, &mut out);
        let both = read.is_ok() && frame.is_ok() && is_node_line(text);
        ensure!(!both, "a node's line that is a frame too: {text}");
    }
    Ok(())
}

/// Decodes a frame, and looks at all that comes out.
pub(super) fn decoded(venue: Venue, text: &str, table: &Instruments) -> Verdict {
    twice(venue, |out| protocol(venue).decode(text, table, out))
}

/// Decodes three times, into a new place and into a used one, and looks at all that comes out.
fn twice(venue: Venue, decode: impl Fn(&mut Decoded) -> Result<Meaning, DecodeError>) -> Verdict {
    let (mut first, mut again) = (Decoded::default(), Decoded::default());
    let meaning = decode(&mut first);
    for _ in 0..2 {
        let second = decode(&mut again);
        let same = meaning == second
            && first.events == again.events
            && first.refused == again.refused
            && first.auto_deleveraged == again.auto_deleveraged;
        ensure!(same, "{meaning:?} {first:?} and then {second:?} {again:?}");
    }
    if let Err(refusal) = &meaning {
        told(refusal)?;
        ensure!(first.events.is_empty(), "events of a frame that was not understood: {:?}", first.events);
    }
    usable(venue, &first)
}

/// What holds for all that comes out of a decoder.
pub(super) fn usable(venue: Venue, out: &Decoded) -> Verdict {
    out.refused.iter().try_for_each(told)?;
    for event in &out.events {
        ensure!(event.venue() == Some(venue), "an event of another venue: {event:?}");
        sound(event)?;
    }
    Ok(())
}

/// Listings with every way to count.
pub(super) fn listed(venue: Venue) -> Instruments {
    let contract = |coins: &str| Sizing::ContractsOfCoins(coins.parse().unwrap_or_default());
    let listings = [
        ("BTC-USDT-SWAP", "BTC", Quote::Usdt, contract("0.01")),
        ("PEPE-USDT-SWAP", "PEPE", Quote::Usdt, contract("10000000")),
        ("BTC-USD-SWAP", "BTC", Quote::Usd, Sizing::ContractsOfUsd(100.into())),
        ("BTCUSD_PERP", "BTC", Quote::Usd, Sizing::ContractsOfUsd(100.into())),
        ("BTCUSD", "BTC", Quote::Usd, Sizing::Usd),
        ("1000PEPEUSDT", "1000PEPE", Quote::Usdt, Sizing::Coins),
        ("kPEPE", "kPEPE", Quote::Usdc, Sizing::Coins),
    ];
    let mut table = Instruments::new();
    for (name, base, quote, sizing) in listings {
        if let Ok(mut listing) = Listing::of(venue, name, base, quote, sizing) {
            listing.funding_interval_h = Some(4);
            table.insert(listing);
        }
    }
    table
}
