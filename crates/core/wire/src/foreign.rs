//! What other programs publish: MessagePack or JSON, of whatever shape.

use serde::de::IgnoredAny;
use serde_json::Value;

use crate::WireError;
use crate::event::unpacked;

/// A message of another program as a JSON text: an object or an array of JSON as it is, else a MessagePack map or array.
///
/// # Errors
/// Neither of them, or too deep.
pub fn json_of(bytes: &[u8]) -> Result<String, WireError> {
    // In MessagePack these two bytes are small numbers, which are no messages.
    if matches!(bytes.trim_ascii_start().first(), Some(b'{' | b'[')) {
        let text = std::str::from_utf8(bytes).map_err(|e| WireError::malformed(&e))?;
        serde_json::from_str::<IgnoredAny>(text).map_err(|e| WireError::malformed(&e))?;
        return Ok(text.trim_ascii().to_owned());
    }
    match unpacked::<Value>(bytes)? {
        value @ (Value::Object(_) | Value::Array(_)) => Ok(value.to_string()),
        _ => Err(WireError::malformed(&"neither an object nor an array")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn messages_of_either_encoding_are_told_as_json() {
        assert_eq!(json_of(b" {\"bot\": \"a\"}\n").unwrap(), "{\"bot\": \"a\"}");
        let packed = rmp_serde::to_vec_named(&json!({"bot": "a", "pnl": -1.5, "fills": [1, 2]})).unwrap();
        assert_eq!(json_of(&packed).unwrap(), r#"{"bot":"a","fills":[1,2],"pnl":-1.5}"#);
        assert_eq!(json_of(b"[]").unwrap(), "[]");
    }

    #[test]
    fn what_is_no_message_is_refused() {
        let deep = [vec![0x91; 5_000], vec![0xc0]].concat();
        let deep_json = "[".repeat(5_000);
        let bad: [&[u8]; 8] =
            [b"", b"hello", b"{\"a\":", b"{}{}", &[0xc0], &[0x81, 0xa1], &deep, deep_json.as_bytes()];
        for bytes in bad {
            assert!(json_of(bytes).is_err(), "{bytes:?}");
        }
    }
}
