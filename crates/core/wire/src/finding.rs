//! Findings: the same map on its channel, in `{sNN}:alerts`, and as a line of JSON.

use cascade_domain::Finding;

use crate::WireError;
use crate::event::unpacked;

/// A finding as a MessagePack map.
///
/// # Errors
/// Never for a finding of this workspace's engines.
pub fn encode_finding(finding: &Finding) -> Result<Vec<u8>, WireError> {
    rmp_serde::to_vec_named(finding).map_err(|e| WireError::malformed(&e))
}

/// Reads a MessagePack finding of this or an older version; fields it does not know are passed over.
///
/// # Errors
/// Not such a map, of a newer version, or figures that make no sense.
pub fn decode_finding(bytes: &[u8]) -> Result<Finding, WireError> {
    readable(unpacked(bytes)?)
}

/// A finding as one line of JSON.
///
/// # Errors
/// Never for a finding of this workspace's engines.
pub fn finding_to_json(finding: &Finding) -> Result<String, WireError> {
    serde_json::to_string(finding).map_err(|e| WireError::malformed(&e))
}

/// Reads one line of JSON as a finding.
///
/// # Errors
/// As [`decode_finding`].
pub fn finding_from_json(text: &str) -> Result<Finding, WireError> {
    readable(serde_json::from_str(text).map_err(|e| WireError::malformed(&e))?)
}

fn readable(finding: Finding) -> Result<Finding, WireError> {
    let found = finding.version();
    if found > Finding::VERSION {
        return Err(WireError::TooNew { found, known: Finding::VERSION });
    }
    finding.check()?;
    Ok(finding)
}
