//! Texts that are never shown, and the removal of them from what others say.

use std::fmt;

/// The shortest part of a secret that is removed by itself: shorter ones are in every other sentence.
const SHORTEST: usize = 6;
/// The longest word of a provider that is kept, in characters.
const LONGEST_SAID: usize = 300;

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides a text.
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    /// The text, for the one who needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// A value that bears a secret and is never shown.
#[derive(Clone)]
pub(crate) struct Hidden<T>(pub(crate) T);

impl<T> fmt::Debug for Hidden<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Where a secret lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretPlace {
    /// In this environment variable.
    Variable(String),
    /// In this file.
    File(String),
}

/// What is removed from every text that leaves a sender.
#[derive(Clone, Default)]
pub(crate) struct Redaction(Vec<String>);

impl fmt::Debug for Redaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Redaction of {}", self.0.len())
    }
}

impl Redaction {
    /// Removes these secrets, and what they are made of: an answer may repeat a part of a path as well as the whole.
    pub(crate) fn of(secrets: &[&Secret]) -> Self {
        let mut parts = Vec::new();
        for secret in secrets {
            let text = secret.expose();
            parts.push(text.to_owned());
            let is_url = text.contains("://");
            let path =
                text.split_once("://").and_then(|(_, rest)| rest.split_once('/')).map(|(_, path)| path);
            let inside = if is_url { path.unwrap_or_default() } else { text };
            parts.push(inside.to_owned());
            parts.extend(inside.split(['/', ':', '?', '&', '=', '#', '@']).map(str::to_owned));
        }
        parts.retain(|part| part.len() >= SHORTEST && !PLAIN.contains(&part.as_str()));
        // The longest first: a part of it would leave the rest behind.
        parts.sort_by_key(|part| std::cmp::Reverse(part.len()));
        parts.dedup();
        Self(parts)
    }

    /// A text without secrets, on one line, not longer than anybody reads.
    pub(crate) fn clean(&self, text: &str) -> String {
        let mut clean = text.to_owned();
        for secret in &self.0 {
            clean = clean.replace(secret.as_str(), "***");
        }
        let words: Vec<&str> = clean.split(|c: char| c.is_whitespace() || c.is_control()).collect();
        let line = words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
        line.chars().take(LONGEST_SAID).collect()
    }
}

/// Parts of paths that are no secrets.
const PLAIN: [&str; 2] = ["webhooks", "services"];

/// Whether a text looks like a secret rather than like a name of something: it is not shown then.
pub(crate) fn looks_secret(text: &str) -> bool {
    let has = |is: fn(&char) -> bool| text.chars().any(|c| is(&c));
    let is_mixed =
        has(char::is_ascii_digit) && has(char::is_ascii_lowercase) && has(char::is_ascii_uppercase);
    text.contains("://")
        || text.starts_with("whsec_")
        || text.starts_with("xox")
        || is_token(text)
        || (text.len() >= 20 && is_mixed)
        || (text.len() >= 32 && has(char::is_ascii_digit) && !text.contains(['/', '_', ' ']))
}

/// Whether a text has the shape of a Telegram bot's token: `\d+:[A-Za-z0-9_-]{30,}`.
pub(crate) fn is_token(text: &str) -> bool {
    let is_key = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    text.split_once(':').is_some_and(|(bot, key)| {
        !bot.is_empty()
            && bot.bytes().all(|b| b.is_ascii_digit())
            && key.len() >= 30
            && key.chars().all(is_key)
    })
}

/// A text as an error may repeat it.
pub(crate) fn shown(text: &str) -> String {
    if looks_secret(text) { "***".to_owned() } else { text.chars().take(60).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_removed_whole_and_in_parts() {
        let url =
            Secret::new("https://discord.com/api/webhooks/1234567/AbCdEfGhIjKl?thread_id=99".to_owned());
        let redaction = Redaction::of(&[&url]);
        assert_eq!(redaction.clean("Unknown AbCdEfGhIjKl\n of 1234567"), "Unknown *** of ***");
        assert_eq!(redaction.clean(&format!("to {}", url.expose())), "to ***");
        assert_eq!(redaction.clean("Unknown webhooks"), "Unknown webhooks");
    }

    #[test]
    fn tokens_and_addresses_look_like_secrets_and_names_do_not() {
        for secret in [
            "123456:AAbbccddeeffgghhiijjkkllmmnnooppqqr",
            "https://hooks.slack.com/services/T0/B0/x",
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        ] {
            assert!(looks_secret(secret));
        }
        for name in ["TELEGRAM_BOT_TOKEN", "/run/secrets/desk_hook_1", "Europe/Berlin", "BTCUSDT", "a2"] {
            assert!(!looks_secret(name), "{name}");
        }
    }
}
