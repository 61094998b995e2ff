//! The engine as its service sees it: events in, findings and read-models out.
#![expect(clippy::unwrap_used, reason = "helpers outside test functions")]
#![expect(clippy::float_cmp, reason = "coins are whole micro-coins: what is shown of them is exact")]

mod doubt;
mod episodes;
mod figures;
mod gaps;
mod lines;
mod memory;
mod properties;
mod readings;
mod stream;
mod thresholds;
