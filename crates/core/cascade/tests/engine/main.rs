//! The engine as its service sees it: events in, findings out.
#![expect(clippy::unwrap_used, reason = "helpers outside test functions")]

mod episodes;
mod properties;
mod start;
mod stream;
