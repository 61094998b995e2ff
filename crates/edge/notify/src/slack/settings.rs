//! Settings of a Slack webhook.

use url::Url;

use crate::fields::Fields;
use crate::hook::Hook;
pub(crate) use crate::hook::Settings;

const HOOK: Hook = Hook {
    hosts: &["hooks.slack.com", "hooks.slack-gov.com"],
    is_one: is_webhook,
    example: "https://hooks.slack.com/services/T.../B.../TOKEN",
    per_second: 1.0,
};

pub(crate) fn read(fields: &mut Fields<'_>) -> Option<Settings> {
    HOOK.read(fields)
}

/// `/services/TEAM/HOOK/TOKEN`.
fn is_webhook(url: &Url) -> bool {
    let path: Vec<&str> = url.path().split('/').skip(1).collect();
    matches!(path.as_slice(), ["services", team, hook, token] if [team, hook, token].iter().all(|p| !p.is_empty()))
}
