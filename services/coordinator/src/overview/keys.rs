//! What stands at keys: read as JSON, and what can't be read is named. Knows no key's meaning.

use std::collections::BTreeMap;

use cascade_bus::{Bus, BusError};
use serde::de::DeserializeOwned;

/// Keys that could not be read, and why.
pub(super) type Unreadable = BTreeMap<String, String>;

/// What stands at these keys; what is gone is left out, what is no such reading is named.
pub(super) async fn values<T: DeserializeOwned>(
    bus: &Bus,
    keys: Vec<String>,
    unreadable: &mut Unreadable,
) -> Result<Vec<(String, T)>, BusError> {
    let texts = bus.get_each(&keys).await?;
    let mut found = Vec::new();
    for (key, text) in keys.into_iter().zip(texts) {
        let Some(Some(text)) = or_named(&key, text, unreadable)? else { continue };
        if let Some(value) = parsed(&key, &text, unreadable) {
            found.push((key, value));
        }
    }
    Ok(found)
}

/// What this text at `key` says.
pub(super) fn parsed<T: DeserializeOwned>(key: &str, text: &str, unreadable: &mut Unreadable) -> Option<T> {
    match serde_json::from_str(text) {
        Ok(value) => Some(value),
        Err(error) => {
            unreadable.insert(key.to_owned(), error.to_string());
            None
        }
    }
}

/// What was answered of `key`; `None` where that says nothing but why.
///
/// # Errors
/// Redis is away.
pub(super) fn or_named<T>(
    key: &str,
    answer: Result<T, BusError>,
    unreadable: &mut Unreadable,
) -> Result<Option<T>, BusError> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_transient() => Err(error),
        Err(error) => {
            unreadable.insert(key.to_owned(), error.to_string());
            Ok(None)
        }
    }
}
