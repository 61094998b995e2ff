//! What must not be printed: passwords inside URLs, and the values of keys that hold secrets.

use std::borrow::Cow;

/// The text with the user and password of every URL in it replaced by `***`, e.g. `redis://***@host:6379`.
pub fn redact(text: &str) -> Cow<'_, str> {
    if !text.contains("://") {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("://") {
        let (before, after) = rest.split_at(start + 3);
        out.push_str(before);
        let end = after.find(char::is_whitespace).unwrap_or(after.len());
        // To the last `@`: a password that was not percent-encoded may hold any character.
        match after[..end].rfind('@') {
            Some(at) => {
                out.push_str("***");
                out.push_str(&after[at..end]);
            }
            None => out.push_str(&after[..end]),
        }
        rest = &after[end..];
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// Whether the value of this key is a secret that no message may show.
pub(super) fn holds_secret(key: &str) -> bool {
    ["token", "secret", "password"].iter().any(|end| key.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_and_passwords_in_urls_are_redacted_wherever_they_stand() {
        for (text, shown) in [
            ("redis://127.0.0.1:6379", "redis://127.0.0.1:6379"),
            ("redis://user:pass@host:6379/0", "redis://***@host:6379/0"),
            ("`rediss://:p/a@s@host` and wss://k@v x", "`rediss://***@host` and wss://***@v x"),
            ("`redis://u:p`w@host`", "`redis://***@host`"),
            ("no address", "no address"),
        ] {
            assert_eq!(redact(text), shown);
        }
    }

    #[test]
    fn a_key_that_names_where_a_secret_lies_is_not_a_secret() {
        assert!(holds_secret("dispatch.bot_token") && holds_secret("redis.password"));
        assert!(!holds_secret("destination.secret_env") && !holds_secret("redis.url"));
    }
}
