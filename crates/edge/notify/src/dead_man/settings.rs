//! Settings of the dead-man URL.

use cascade_domain::Refusal;
use url::Url;

use crate::Secret;

/// Settings of the dead-man URL. Who knows it can keep the alarm quiet: it is a secret.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) url: Secret,
}

impl Settings {
    pub(crate) fn read(url: Secret) -> Result<Self, Refusal> {
        match Url::parse(url.expose()) {
            Ok(parsed) if matches!(parsed.scheme(), "http" | "https") && parsed.host().is_some() => {
                Ok(Self { url })
            }
            _ => Err(Refusal::new("", "expected an address that begins with https:// or http://")),
        }
    }
}
