//! coordinator over HTTP, as a client sees it: the real program on a real Redis, over real sockets.
#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test starts its services itself, and what they share may fail it"
)]

mod alerts;
mod described;
mod findings;
mod hostile;
mod orders;
mod page;
mod routes;
mod sockets;
mod support;
