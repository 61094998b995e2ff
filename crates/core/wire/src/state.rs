//! Snapshots: of an engine as MessagePack without names, under a version and the stream id at which they stand; of the
//! policy of alerts with names, because there are alerts in it.
//!
//! Knows no engine. A snapshot that this build can't read is refused, never half read.

use serde::Serialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use crate::WireError;
use crate::event::unpacked;

/// A snapshot of a state as of the stream id `at` (`ms-seq`), in the form that `version` names.
///
/// # Errors
/// The state can't be encoded; never for an engine's.
pub fn encode_state<S: Serialize>(version: u32, at: &str, state: &S) -> Result<Vec<u8>, WireError> {
    rmp_serde::to_vec(&(version, at, state)).map_err(|e| WireError::malformed(&e))
}

/// Reads a snapshot: the stream id at which it stands, and the state.
///
/// # Errors
/// Another version, or not such a state.
pub fn decode_state<S: DeserializeOwned>(version: u32, bytes: &[u8]) -> Result<(String, S), WireError> {
    let (found, _, _): (u32, IgnoredAny, IgnoredAny) = unpacked(bytes)?;
    if found != version {
        return Err(WireError::OtherState { found, known: version });
    }
    let (_, at, state): (u32, String, S) = unpacked(bytes)?;
    Ok((at, state))
}

/// A snapshot of a state that has its places inside, in the form that `version` names.
///
/// # Errors
/// The state can't be encoded; never for the policy's.
pub fn encode_kept<S: Serialize>(version: u32, state: &S) -> Result<Vec<u8>, WireError> {
    rmp_serde::to_vec_named(&(version, state)).map_err(|e| WireError::malformed(&e))
}

/// Reads such a snapshot.
///
/// # Errors
/// Another version, or not such a state.
pub fn decode_kept<S: DeserializeOwned>(version: u32, bytes: &[u8]) -> Result<S, WireError> {
    let (found, _): (u32, IgnoredAny) = unpacked(bytes)?;
    if found != version {
        return Err(WireError::OtherState { found, known: version });
    }
    unpacked::<(u32, S)>(bytes).map(|(_, state)| state)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    /// As alerts have it: what is absent is left out.
    #[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
    struct Sparse {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        first: Option<u8>,
        second: u8,
    }

    #[test]
    fn a_snapshot_with_names_is_read_back_without_what_is_absent() {
        let state = (vec![Sparse { first: None, second: 7 }], "1791565601482-7".to_owned());
        let bytes = encode_kept(1, &state).unwrap();
        assert_eq!(decode_kept::<(Vec<Sparse>, String)>(1, &bytes).unwrap(), state);
        let read = |version, bytes| decode_kept::<(Vec<Sparse>, String)>(version, bytes);
        assert_eq!(read(2, &bytes).unwrap_err(), WireError::OtherState { found: 1, known: 2 });
        for cut in 0..bytes.len() {
            assert!(matches!(read(1, &bytes[..cut]), Err(WireError::Malformed(_))), "{cut}");
        }
    }

    #[test]
    fn a_snapshot_is_read_back_and_another_version_or_a_cut_one_is_refused() {
        let state = (vec![Some(0.1), None], -(1_i128 << 100), i64::MAX);
        let bytes = encode_state(3, "1791565601482-7", &state).unwrap();
        assert_eq!(decode_state(3, &bytes).unwrap(), ("1791565601482-7".to_owned(), state));
        let read = |version, bytes| decode_state::<(Vec<Option<f64>>, i128, i64)>(version, bytes);
        assert_eq!(read(4, &bytes).unwrap_err(), WireError::OtherState { found: 3, known: 4 });
        for cut in 0..bytes.len() {
            assert!(matches!(read(3, &bytes[..cut]), Err(WireError::Malformed(_))), "{cut}");
        }
    }
}
