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

pub(crate) fn read(fields: &mut Fields<'_>) -> Option<Settings> {
    HOOK.read(fields)
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
