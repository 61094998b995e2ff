//! The program as a shell or an orchestrator runs it, alone and with its replicas.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "the exchanges are no part of what is supervised; helpers outside of test functions"
)]

mod node;
mod process;
mod replicas;
mod support;
mod traces;
