//! The services as they run, in one process with a fast clock: real sockets from simulated exchanges, a real Redis,
//! and an observer that shares no code with them.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "what cannot be started fails the test; each service is a process here, and stops alone"
)]

mod again;
mod cluster;
mod faults;
mod feeds;
mod harness;
mod interest;
mod metrics;
mod once;
