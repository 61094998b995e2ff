//! Settings of a Discord webhook.

use url::Url;

use crate::fields::Fields;
use crate::hook::Hook;
pub(crate) use crate::hook::Settings;

/// With `thread_id` for a thread.
const HOOK: Hook = Hook {
    hosts: &["discord.com", "canary.discord.com", "ptb.discord.com", "discordapp.com"],
    is_one: is_webhook,
    example: "https://discord.com/api/webhooks/NUMBER/TOKEN",
    per_second: 1.5,
};

<<<<<<< HEAD
pub(crate) fn read(fields: &mut Fields<'_>) -> Option<Settings> {
    HOOK.read(fields)
=======
/// Settings of a Discord webhook.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// `https://discord.com/api/webhooks/ID/TOKEN`, with `thread_id` for a thread.
    pub(crate) url: Secret,
    pub(crate) allow_private: bool,
    /// Messages a second to the webhook.
    pub(crate) per_second: f64,
}

impl Settings {
    pub(crate) fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let allow_private = fields.flag("allow_private_targets");
        let per_second = fields.rate("messages_per_second", MOST_PER_SECOND).unwrap_or(1.5);
        let (text, key) = fields.secret("url", true, Some("the webhook's address"))?;
        let url = fields.url(&key, text.expose(), allow_private)?;
        let is_there = HOSTS.iter().any(|host| url.host_str() == Some(host)) && url.port().is_none();
        if is_there && key == "url" {
            fields.refuse(key, "who knows it can write there, so it never stands in the configuration: use url_env or url_file");
            return None;
        }
        if !is_there && !allow_private {
            let reason = if is_plainly_private(&url) {
                PrivateTarget.to_string()
            } else {
                "expected an address at discord.com".to_owned()
            };
            fields.refuse(key, reason);
            return None;
        }
        if !is_webhook(&url) {
            fields.refuse(key, "expected https://discord.com/api/webhooks/NUMBER/TOKEN");
            return None;
        }
        Some(Self { url: Secret::new(url.into()), allow_private, per_second })
    }
>>>>>>> user
}

/// `/api/webhooks/NUMBER/TOKEN`, with or without a version of the API.
fn is_webhook(url: &Url) -> bool {
    let path: Vec<&str> = url.path().split('/').skip(1).collect();
    let (id, token) = match path.as_slice() {
        ["api", "webhooks", id, token] => (*id, *token),
        ["api", version, "webhooks", id, token] if version.starts_with('v') => (*id, *token),
        _ => return false,
    };
    let is_number = !id.is_empty() && id.bytes().all(|b| b.is_ascii_digit());
    is_number && !token.is_empty() && token.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
}
