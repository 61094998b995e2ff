//! One mistake in a setting.

use std::fmt;

/// A setting that is refused: which key, and why, in words that name the way out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Refusal {
    /// The offending key, relative to the section that was checked, e.g. `windows.flow_s`.
    pub key: String,
    /// What is wrong and what would be right.
    pub reason: String,
}

impl Refusal {
    /// A refusal of `key` because of `reason`.
    pub fn new(key: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { key: key.into(), reason: reason.into() }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.reason)
    }
}
