//! Tests of the whole workspace: its architecture, the pipeline end to end, and what holds for whatever comes in.
//!
//! The checks are code of their own because two callers run them: `cargo test` over the inputs in `fuzz/corpus`, and
//! libFuzzer over those that it thinks up.

pub mod checks;
pub mod reference;
