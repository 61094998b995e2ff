//! `cascade record`, as a shell runs it, against simulated exchanges and a Redis of its own.
#![expect(clippy::unwrap_used, reason = "a program that cannot be run fails the test")]

mod events;
mod frames;
#[path = "../market/mod.rs"]
mod market;
mod recorder;
