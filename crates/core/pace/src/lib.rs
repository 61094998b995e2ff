//! Pace: the clock as an argument, backoff with jitter.
//!
//! Nothing here reads a clock, sleeps or draws randomness: time and seeds are handed in, so that a schedule can be
//! tested to the millisecond.

mod backoff;
mod clock;

pub use backoff::{Backoff, BackoffError};
pub use clock::Clock;
