//! What a provider allows.
//!
//! Only says it: what is used up is kept by the delivery machine, for all dispatchers together.

use std::time::Duration;

use sha2::{Digest, Sha256};

/// What a provider allows, kept by all dispatchers together: one message each `every`, `burst` at once.
///
/// In any window `w` that lets `burst + w / every` pass; what a provider allows in its window is never less than that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Names it; a hash, for it stands for a secret.
    pub name: String,
    /// One message each so long, on average.
    pub every: Duration,
    /// So many at once at most.
    pub burst: u32,
    /// Of these, so many are kept for HIGH.
    pub reserve: u32,
}

/// The name of the budget of these: 32 hex digits.
pub(crate) fn name(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.len().to_be_bytes());
        hash.update(part.as_bytes());
    }
    let bits = hash.finalize().iter().take(16).fold(0_u128, |bits, byte| bits << 8 | u128::from(*byte));
    format!("{bits:032x}")
}
