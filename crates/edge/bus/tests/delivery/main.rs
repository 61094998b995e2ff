//! The dispatcher's books against a real redis-server, one per test.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers outside of test functions")]

mod audit;
mod budgets;
mod claiming;
mod cluster;
mod deciding;
mod letters;
mod model;
mod reader;
mod settling;
mod support;
