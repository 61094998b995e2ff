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

<<<<<<< HEAD
/// `/services/TEAM/HOOK/TOKEN`.
fn is_webhook(url: &Url) -> bool {
    let path: Vec<&str> = url.path().split('/').skip(1).collect();
    matches!(path.as_slice(), ["services", team, hook, token] if [team, hook, token].iter().all(|p| !p.is_empty()))
=======
impl Settings {
    pub(crate) fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let allow_private = fields.flag("allow_private_targets");
        let per_second = fields.rate("messages_per_second", MOST_PER_SECOND).unwrap_or(1.0);
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
                "expected an address at hooks.slack.com".to_owned()
            };
            fields.refuse(key, reason);
            return None;
        }
        let path: Vec<&str> = url.path().split('/').skip(1).collect();
        if !matches!(path.as_slice(), ["services", team, hook, token] if [team, hook, token].iter().all(|p| !p.is_empty()))
        {
            fields.refuse(key, "expected https://hooks.slack.com/services/T.../B.../TOKEN");
            return None;
        }
        Some(Self { url: Secret::new(url.into()), allow_private, per_second })
    }
>>>>>>> user
}
