//! alert-dispatcher as a whole: its configuration, the program as a shell runs it, and dispatchers on a real Redis that tell
//! real receivers.
#![expect(
    clippy::disallowed_methods,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test starts its services itself, and what they share may fail it"
)]

mod buttons;
mod config;
mod failing;
mod history;
mod orders;
mod process;
mod providers;
mod support;
mod telling;
