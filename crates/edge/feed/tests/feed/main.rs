//! Sessions and REST clients against real servers on loopback that speak the venues' wire.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

mod ear;
mod exchange;
mod keep;
mod probe;
mod rest;
mod session;
mod shutdown;
mod venues;
mod web;
