//! Sessions and REST clients against real servers on loopback that speak the venues' wire.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

mod backfill;
mod desk;
mod ear;
mod exchange;
mod follow;
mod frames;
mod grow;
mod keep;
mod limits;
mod poll;
mod probe;
mod renew;
mod rest;
mod session;
mod shutdown;
mod venues;
mod web;
mod weight;
