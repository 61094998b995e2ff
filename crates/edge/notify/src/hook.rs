//! Settings that the hooks of chats have in common: an address that is the secret, at one of its provider's hosts.
//!
//! Knows no provider.

use url::Url;

use crate::Secret;
use crate::address::{PrivateTarget, is_plainly_private};
use crate::fields::Fields;

/// The most messages a second that may be configured: what Discord takes of one address.
const MOST_PER_SECOND: f64 = 50.0;

/// What a provider's hooks look like.
#[derive(Debug)]
pub(crate) struct Hook {
    /// Where they are; the first names them.
    pub(crate) hosts: &'static [&'static str],
    /// Whether an address is one of them.
    pub(crate) is_one: fn(&Url) -> bool,
    /// One as an example.
    pub(crate) example: &'static str,
    /// Messages a second to each, where nothing is said.
    pub(crate) per_second: f64,
}

/// Settings of a hook.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) url: Secret,
    pub(crate) allow_private: bool,
    /// Messages a second to the hook.
    pub(crate) per_second: f64,
}

impl Hook {
    pub(crate) fn read(&self, fields: &mut Fields<'_>) -> Option<Settings> {
        let allow_private = fields.flag("allow_private_targets");
        let per_second = fields.rate("messages_per_second", MOST_PER_SECOND).unwrap_or(self.per_second);
        let (text, key) = fields.secret("url", true, Some("the webhook's address"))?;
        let url = fields.url(&key, text.expose(), allow_private)?;
        let is_there = self.hosts.iter().any(|host| url.host_str() == Some(host)) && url.port().is_none();
        if is_there && key == "url" {
            let reason = "who knows it can write there, so it never stands in the configuration: use url_env or url_file";
            fields.refuse(key, reason);
            return None;
        }
        if !is_there && !allow_private {
            let reason = if is_plainly_private(&url) {
                PrivateTarget.to_string()
            } else {
                format!("expected an address at {}", self.hosts.first().copied().unwrap_or_default())
            };
            fields.refuse(key, reason);
            return None;
        }
        if !(self.is_one)(&url) {
            fields.refuse(key, format!("expected {}", self.example));
            return None;
        }
        Some(Settings { url: Secret::new(url.into()), allow_private, per_second })
    }
}
