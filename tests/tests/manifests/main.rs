//! What we ship beside the programs (compose, Kubernetes, rules, dashboards, scripts, pages) names only what there is, and
//! runs everything as it promises: read as files, without any server.
//!
//! Each check is a function that gives what is wrong, and has a test with planted mistakes: a blind check would fail it.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a file of ours that can't be read is a failed test")]

mod compose;
mod files;
mod images;
mod kubernetes;
mod metrics;
mod promql;
mod reference;
mod services;
mod settings;
mod variables;
