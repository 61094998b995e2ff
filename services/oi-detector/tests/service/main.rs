//! oi-detector as a whole: the program as a shell runs it, its pollers against simulated exchanges, its replicas, and what
//! it says compared with what its engine says of the same events.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test starts its services itself, and what they share may fail it"
)]

mod faults;
mod findings;
mod market;
mod polling;
mod process;
mod replicas;
mod support;
