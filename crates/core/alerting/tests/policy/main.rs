//! The policy on a clock that the tests move: alerts are pushed, and exactly these messages come, and nothing else.
#![expect(clippy::unwrap_used, reason = "a test that cannot build its sample has failed")]

mod budgets;
mod bugs;
mod dedup;
mod escalation;
mod filters;
mod market;
mod orders;
mod properties;
mod sample;
mod settings;
mod stage;
