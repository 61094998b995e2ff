//! What the coordinator thinks of a system on a real Redis: services that die, hang or are not ready, shards without an
//! owner, ticks that stop, and a Redis that does not answer.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "helpers of tests, outside of any service"
)]

mod redis;
mod services;
mod shards;
mod support;
