//! What must hold for any bytes at every door of Cascade: one check for each door, named as its fuzz target is.
//!
//! A check gives what is wrong with what came out, and lets panics through. Without network, and without knowledge of
//! who thinks up the bytes.

mod backfill;
mod config;
mod frames;
mod instruments;
mod samples;
mod wire;

pub use backfill::backfill;
pub use config::config;
pub use frames::{binance, bybit, hyperliquid, node_fills, okx};
pub use instruments::instruments;
pub use samples::samples;
pub use wire::{wire_event, wire_finding};

/// `Err` says what is wrong.
pub type Verdict = Result<(), String>;

/// What looks at the bytes.
pub type Check = fn(&[u8]) -> Verdict;

/// Every check, with the name of its target and of its folder in `fuzz/corpus`.
pub const ALL: &[(&str, Check)] = &[
    ("backfill", backfill),
    ("binance", binance),
    ("bybit", bybit),
    ("config", config),
    ("hyperliquid", hyperliquid),
    ("instruments", instruments),
    ("node_fills", node_fills),
    ("okx", okx),
    ("samples", samples),
    ("wire_event", wire_event),
    ("wire_finding", wire_finding),
];

/// Ends a check that does not hold.
macro_rules! ensure {
    ($holds:expr, $($wrong:tt)+) => {
        if !$holds {
            return Err(format!($($wrong)+));
        }
    };
}
use ensure;

/// A refusal is told in the log and by `decode`: it must be short, and say something.
fn told(refusal: &impl std::fmt::Display) -> Verdict {
    let text = refusal.to_string();
    ensure!(!text.is_empty() && text.len() <= 600, "a refusal of {} bytes: {text}", text.len());
    Ok(())
}
