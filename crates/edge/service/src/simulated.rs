//! Section `[simulator]`: whether simulated exchanges are read instead of the real ones, and where they are.
//!
//! Knows where they stand, not what they play.

use cascade_domain::Refusal;
use serde::Deserialize;

use crate::config::{Document, Mistakes};

/// Section `[simulator]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Simulated {
    url: String,
    /// Whether a demo's alerts go to real destinations too.
    pub notify: bool,
}

impl Simulated {
    /// Reads the section, adding what is wrong with it to the mistakes.
    pub fn read(document: &Document, mistakes: &mut Mistakes) -> Self {
        document.section("simulator", mistakes, Self::refusals)
    }

    /// Where the simulated exchanges are; `None` = the real ones are read.
    pub fn url(&self) -> Option<&str> {
        Some(self.url.as_str()).filter(|url| !url.is_empty())
    }

    /// Says loudly in the log that the market is none, if it is none.
    pub fn warn(&self) {
        if let Some(url) = self.url() {
            tracing::warn!("DEMO: reads simulated exchanges at {url}; nothing of it is of the market");
        }
    }

    fn refusals(&self) -> Vec<Refusal> {
        let is_fit = self.url().is_none_or(is_base);
        let reason = "must be http://HOST:PORT or https://HOST:PORT of `cascade simulate`, e.g. \
                      http://127.0.0.1:9300; empty for the exchanges under [venues.*]";
        if is_fit { Vec::new() } else { vec![Refusal::new("url", reason)] }
    }
}

/// Whether paths can be appended: http or https, a host, a port that is one, and no more.
fn is_base(url: &str) -> bool {
    let Some(host) = ["http://", "https://"].iter().find_map(|scheme| url.strip_prefix(scheme)) else {
        return false;
    };
    let host = host.trim_end_matches('/');
    let letters = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, port.parse::<u16>().is_ok_and(|port| port > 0)),
        _ => (host, true),
    };
    port && !name.is_empty() && host.chars().all(letters)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Sources;
    use crate::{Markets, Output};
    use cascade_domain::Venue;

    fn read(environment: &[(&str, &str)]) -> (Document, Mistakes) {
        let environment = environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Document::load(&Sources { environment, ..Sources::default() })
    }

    #[test]
    fn every_venue_is_led_to_the_simulator_and_every_finding_marked() {
        let (document, mut mistakes) = read(&[
            ("CASCADE_SIMULATOR__URL", "http://simulator:9300"),
            ("CASCADE_VENUES__HYPERLIQUID__NODE_FILLS_DIR", "/home/ann/fills"),
        ]);
        let markets = Markets::read(&document, &mut mistakes);
        assert!(Output::read(&document, &mut mistakes).demo);
        assert!(mistakes.is_empty(), "{mistakes}");
        for venue in Venue::ALL {
            let at = markets.endpoints(venue);
            assert_eq!(at.ws_url, format!("ws://simulator:9300/{venue}"));
            assert_eq!(at.rest_url, format!("http://simulator:9300/{venue}"));
            assert_eq!(at.coinm_rest_url.is_some(), venue == Venue::Binance);
        }
        assert_eq!(markets.node_fills(Venue::Hyperliquid), None);
        assert_eq!(markets.wanted(Venue::Hyperliquid).vaults.len(), 5, "what else is set stays");
    }

    #[test]
    fn without_an_address_the_real_exchanges_are_read() {
        for environment in [&[][..], &[("CASCADE_SIMULATOR__URL", "")]] {
            let (document, mut mistakes) = read(environment);
            let markets = Markets::read(&document, &mut mistakes);
            assert_eq!(markets.endpoints(Venue::Okx).rest_url, "https://www.okx.com");
            assert!(!Output::read(&document, &mut mistakes).demo && mistakes.is_empty(), "{mistakes}");
        }
    }

    #[test]
    fn an_address_that_is_none_is_refused_with_the_way_out() {
        for url in [
            "simulator:9300",
            "ws://simulator:9300",
            "http://",
            "http://:9300",
            "http://a:port",
            "http://a b",
            "http://a:1/x",
        ] {
            let (document, mut mistakes) = read(&[("CASCADE_SIMULATOR__URL", url)]);
            Markets::read(&document, &mut mistakes);
            Output::read(&document, &mut mistakes);
            let told = mistakes.to_string();
            assert_eq!(mistakes.len(), 1, "{url}: {told}");
            assert!(
                told.contains("simulator.url") && told.contains("http://127.0.0.1:9300"),
                "{url}: {told}"
            );
        }
        for url in ["http://[::1]:9300", "http://[::1]", "https://demo.example/", "http://127.0.0.1:9300"] {
            let (document, mut mistakes) = read(&[("CASCADE_SIMULATOR__URL", url)]);
            Markets::read(&document, &mut mistakes);
            assert!(mistakes.is_empty(), "{url}: {mistakes}");
        }
    }
}
