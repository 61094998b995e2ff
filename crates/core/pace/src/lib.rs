//! Pace: the clock as an argument, backoff with jitter, budgets.
//!
//! Nothing here reads a clock, sleeps or draws randomness: time and seeds are handed in, so that a schedule can be
//! tested to the millisecond.

mod backoff;
mod budget;
mod clock;

pub use backoff::{Backoff, BackoffError};
pub use budget::{Budget, Rate, Turn};
pub use clock::Clock;
