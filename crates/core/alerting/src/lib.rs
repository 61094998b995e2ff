//! The policy of alerts: findings in, decisions with reasons out, for each destination (alerting.md 2).
//!
//! Pure: time is an argument, and the state is a value that can be kept and taken up again. Knows no provider, no text, no
//! Redis, and no kind of finding but by [`cascade_domain::Alert`] (and, for the market-wide cascade, a cascade's figures).

mod budget;
mod case;
mod config;
mod digest;
mod escalate;
mod hours;
mod market;
mod mute;
mod order;
mod policy;
mod seen;
mod state;
mod thread;

pub use config::{Config, QuietHours, Route, known_rule};
pub use policy::Policy;
pub use state::State;
