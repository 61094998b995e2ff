//! Settings of a Telegram chat.

use crate::Secret;
use crate::fields::Fields;
use crate::secret::{is_token, looks_secret};

/// Where the Bot API is, if nothing else is configured.
const BASE_URL: &str = "https://api.telegram.org";
/// The most messages a second that may be configured: what a token may send.
const MOST_PER_SECOND: f64 = 30.0;

/// Settings of a Telegram chat.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) token: Secret,
    /// A number, negative for groups and channels; or `@name` of a public one.
    pub(crate) chat: String,
    /// The topic of a forum.
    pub(crate) thread: Option<i64>,
    /// Without a slash at its end.
    pub(crate) base_url: String,
    /// Whether messages bear buttons.
    pub(crate) buttons: bool,
    /// Messages a second to the chat.
    pub(crate) per_second: f64,
}

impl Settings {
    pub(crate) fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let token = fields.secret("token", false, Some("the bot's token"));
        let token = token.and_then(|(token, key)| {
            let is_fine = is_token(token.expose());
            if !is_fine {
                fields.refuse(key, "what it names has not the shape of a bot's token: digits, a colon, 30 or more characters");
            }
            is_fine.then_some(token)
        });
        let chat = read_chat(fields);
        let thread = read_thread(fields);
        let buttons = fields.flag("buttons");
        let per_second = fields.rate("messages_per_second", MOST_PER_SECOND).unwrap_or(1.0);
        let base_url = match fields.text("base_url") {
            // Somebody's own server of the Bot API is inside their own network.
            Some(text) => {
                fields.url("base_url", text, true).map(|url| url.as_str().trim_end_matches('/').to_owned())
            }
            None => Some(BASE_URL.to_owned()),
        };
        Some(Self { token: token?, chat: chat?, thread, base_url: base_url?, buttons, per_second })
    }
}

fn read_chat(fields: &mut Fields<'_>) -> Option<String> {
    let chat = match fields.value("chat_id") {
        None => {
            fields.refuse("chat_id", "is missing: the chat's number, negative for groups, or @name");
            return None;
        }
        Some(toml::Value::Integer(chat)) => chat.to_string(),
        Some(toml::Value::String(chat)) => chat.trim().to_owned(),
        Some(_) => String::new(),
    };
    let digits = chat.strip_prefix('-').unwrap_or(&chat);
    let is_number = (1..=19).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    let is_name = chat.strip_prefix('@').is_some_and(|name| {
        (4..=32).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    });
    if is_number || (is_name && !looks_secret(&chat)) {
        return Some(chat);
    }
    fields.refuse("chat_id", "expected a number like \"-1001234567890\", or @name of a public chat");
    None
}

fn read_thread(fields: &mut Fields<'_>) -> Option<i64> {
    match fields.value("thread_id")? {
        toml::Value::Integer(thread) if *thread > 0 => Some(*thread),
        _ => {
            fields.refuse("thread_id", "expected the number of a topic");
            None
        }
    }
}
