//! The one source of randomness: seeds for jitter and names of instances.

/// A random number from the operating system.
///
/// # Errors
/// The operating system has no randomness to give.
pub fn random_seed() -> Result<u64, getrandom::Error> {
    getrandom::u64()
}
