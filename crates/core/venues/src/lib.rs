//! What each exchange says, turned into nouns; one file a venue.
//!
//! Pure: a protocol knows where a venue's streams are, what to send, what the answers mean and when silence is
//! suspicious. It opens no socket, knows no time and keeps no state between frames. Sides, units, ids and coverage
//! leave here as contract.md means them: nothing behind this room counts in contracts or in order sides.

mod instruments;
mod limits;
mod multiplied;
mod naming;
mod number;
mod plan;
mod print;
mod protocol;
mod wire;

mod binance;
mod bybit;
mod hyperliquid;
mod okx;

pub use hyperliquid::node::{decode_node_line, is_node_line, node_route};
pub use instruments::{Instruments, Listing, Quote, Sizing};
pub use limits::{Limits, Quota, Weight};
pub use protocol::{
    Ack, DecodeError, Decoded, Endpoints, Keepalive, Meaning, Method, Missed, Ping, Protocol, RestRequest,
    Route, Sampling, Subscription, Wanted, Watch,
};

use cascade_domain::Venue;

/// The protocol of a venue.
pub fn protocol(venue: Venue) -> &'static dyn Protocol {
    match venue {
        Venue::Binance => &binance::Binance,
        Venue::Bybit => &bybit::Bybit,
        Venue::Okx => &okx::Okx,
        Venue::Hyperliquid => &hyperliquid::Hyperliquid,
    }
}
