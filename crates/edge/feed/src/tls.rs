//! The one TLS provider of the process. Knows no certificate and no host.

use rustls::crypto::{CryptoProvider, aws_lc_rs};

/// Makes aws-lc-rs the TLS provider of the process. Sessions and REST clients call it themselves; calling it again,
/// or after another part of the process has chosen a provider, changes nothing.
pub fn install_tls() {
    if CryptoProvider::get_default().is_none() && aws_lc_rs::default_provider().install_default().is_err() {
        tracing::debug!("another part of the process installed its TLS provider first");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_may_be_installed_twice() {
        install_tls();
        install_tls();
        assert!(CryptoProvider::get_default().is_some());
    }
}
