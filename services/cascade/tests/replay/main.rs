//! `cascade replay`, as a shell runs it: over a committed recording, over what is recorded here, and over nonsense.
#![expect(clippy::unwrap_used, reason = "a program that cannot be run fails the test")]

mod frames;
mod golden;
mod input;
mod live;
#[path = "../market/mod.rs"]
mod market;
#[path = "../record/recorder.rs"]
mod recorder;
mod replayed;
