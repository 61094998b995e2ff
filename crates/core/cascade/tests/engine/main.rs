//! The engine as its service sees it: events in, findings out.
#![expect(clippy::unwrap_used, reason = "helpers outside test functions")]

mod episodes;
mod fresh;
mod gaps;
mod interest;
mod memory;
mod oscillation;
mod prices;
mod properties;
mod start;
mod stream;
mod together;
mod velocity;
mod volatility;
