//! The history in real files, and from a real Redis.
#![expect(clippy::unwrap_used, reason = "without its file or its Redis a test has nothing to test")]

mod files;
mod questions;
mod stream;
mod support;
