//! The bus against a real redis-server, one per test.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers outside of test functions")]

mod cluster;
mod fence;
mod reading;
mod sentinel;
mod store;
mod subscriber;
mod support;
mod tally;
mod tell;
