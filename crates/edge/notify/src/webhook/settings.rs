//! Settings of a generic webhook.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use url::Url;

use crate::Secret;
use crate::address::is_plainly_private;
use crate::fields::Fields;

/// The most messages a second that may be configured.
const MOST_PER_SECOND: f64 = 1000.0;
/// The shortest key of a signature, bytes.
const SHORTEST_KEY: usize = 16;

/// Settings of a generic webhook.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// The address; many bear a token in it.
    pub(crate) url: Secret,
    /// What bodies are signed with; absent = they are not.
    pub(crate) secret: Option<Secret>,
    pub(crate) allow_private: bool,
    pub(crate) per_second: f64,
}

impl Settings {
    pub(crate) fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let allow_private = fields.flag("allow_private_targets");
        let per_second = fields.rate("messages_per_second", MOST_PER_SECOND).unwrap_or(10.0);
        let secret = fields.secret("secret", false, None);
        if let Some((secret, key)) = &secret
            && let Some(reason) = wrong_key(secret)
        {
            fields.refuse(key.clone(), reason);
        }
        let (text, key) = fields.secret("url", true, Some("the address that is told"))?;
        let url = fields.url(&key, text.expose(), allow_private)?;
        if !allow_private && is_plainly_private(&url) {
            fields.refuse(key, crate::address::PrivateTarget.to_string());
            return None;
        }
        Some(Self {
            url: Secret::new(url.into()),
            secret: secret.map(|(secret, _)| secret),
            allow_private,
            per_second,
        })
    }

    /// The address, parsed; it was found good when it was read.
    pub(crate) fn url(&self) -> Result<Url, String> {
        Url::parse(self.url.expose()).map_err(|e| e.to_string())
    }
}

/// The bytes of a secret: what `whsec_` is followed by is base64, any other text is itself.
pub(crate) fn key(secret: &Secret) -> Option<Vec<u8>> {
    match secret.expose().strip_prefix("whsec_") {
        Some(encoded) => BASE64_STANDARD.decode(encoded).ok(),
        None => Some(secret.expose().as_bytes().to_vec()),
    }
}

fn wrong_key(secret: &Secret) -> Option<&'static str> {
    match key(secret) {
        None => Some("what follows whsec_ is not base64"),
        Some(key) if key.len() < SHORTEST_KEY => {
            Some("a key of less than 16 bytes is too short to sign with")
        }
        Some(_) => None,
    }
}
