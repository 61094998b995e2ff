//! The question a container asks: is the service at this address ready? Knows only HTTP.

use std::net::SocketAddr;
use std::time::Duration;

/// How long a service may take to answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// Why the service is not known to be ready.
#[derive(Debug, thiserror::Error)]
pub enum Unready {
    /// There is no telling where it listens.
    #[error("`{0}` does not say where the service listens; name it with --health-addr HOST:PORT")]
    NoAddress(String),
    /// It did not answer.
    #[error("no answer from {url}: {reason}")]
    Silent {
        /// What was asked.
        url: String,
        /// Why there was no answer.
        reason: String,
    },
    /// It answered that it is not ready.
    #[error("{url} answered {status}: {body}")]
    Refused {
        /// What was asked.
        url: String,
        /// The HTTP status.
        status: u16,
        /// The reasons it gave.
        body: String,
    },
}

/// Asks `/health/ready` of the service that listens on `address`. A service that listens on every address of its
/// machine is asked on the loopback.
///
/// # Errors
/// It is not ready, or did not say so within three seconds.
pub async fn ask(address: &str) -> Result<String, Unready> {
    let url = format!("http://{}/health/ready", target(address)?);
    let silent = |error: reqwest::Error| {
        let reason = if error.is_timeout() { "timed out".to_owned() } else { root(&error) };
        Unready::Silent { url: url.clone(), reason }
    };
    let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().map_err(silent)?;
    let answer = client.get(&url).send().await.map_err(silent)?;
    let status = answer.status();
    let body = answer.text().await.map_err(silent)?;
    if status.is_success() { Ok(body) } else { Err(Unready::Refused { url, status: status.as_u16(), body }) }
}

/// Where to ask a service that listens on `address`.
fn target(address: &str) -> Result<String, Unready> {
    let unknown = || Unready::NoAddress(address.to_owned());
    if let Ok(mut parsed) = address.parse::<SocketAddr>() {
        if parsed.port() == 0 {
            return Err(unknown());
        }
        if parsed.ip().is_unspecified() {
            let loopback =
                if parsed.is_ipv6() { [0, 0, 0, 0, 0, 0, 0, 1].into() } else { [127, 0, 0, 1].into() };
            parsed.set_ip(loopback);
        }
        return Ok(parsed.to_string());
    }
    match address.rsplit_once(':').map(|(host, port)| (host, port.parse::<u16>())) {
        Some((host, Ok(1..))) if !host.is_empty() => Ok(address.to_owned()),
        _ => Err(unknown()),
    }
}

/// The innermost reason: the outer ones repeat the address.
fn root(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_on_every_address_is_asked_on_the_loopback() {
        for (address, asked) in [
            ("127.0.0.1:9101", "127.0.0.1:9101"),
            ("0.0.0.0:9101", "127.0.0.1:9101"),
            ("[::]:9101", "[::1]:9101"),
            ("ingest.local:9101", "ingest.local:9101"),
        ] {
            assert_eq!(target(address).unwrap(), asked);
        }
        for address in ["127.0.0.1:0", "9101", ":9101", "host:port", ""] {
            assert!(target(address).is_err(), "{address}");
        }
    }
}
