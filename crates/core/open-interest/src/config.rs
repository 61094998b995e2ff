//! The settings of the open-interest engine, section `[open_interest]`.

use cascade_domain::{Id, IdHasher, Refusal};
use serde::Deserialize;

/// The settings.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {}

impl Config {
    /// What is wrong with these settings; empty = nothing.
    pub fn refusals(&self) -> Vec<Refusal> {
        Vec::new()
    }

    /// What names these settings: equal settings have equal hashes, on every machine.
    pub fn hash(&self) -> Id {
        IdHasher::new("open-interest-config").text(&format!("{self:?}")).finish()
    }

    /// What findings call this engine: its version, and the first 8 hex digits of [`Config::hash`].
    pub fn engine_label(&self) -> String {
        let hash = self.hash().to_string();
        format!("{}+{}", env!("CARGO_PKG_VERSION"), hash.get(..8).unwrap_or(&hash))
    }
}
