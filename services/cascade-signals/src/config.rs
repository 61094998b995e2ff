//! The settings of cascade-signals: the detector's own section, and how findings go out.

use cascade_bus::RedisUrl;
use cascade_service::config::{Document, Mistakes};
use cascade_service::redis_url;
use serde::Deserialize;

/// Everything that cascade-signals is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where Redis answers.
    pub redis_url: RedisUrl,
    /// The detector's thresholds.
    pub cascade: cascade_detector::Config,
    /// Each message again as JSON, on `<channel>:json`.
    pub json_mirror: bool,
    /// Findings are marked as a demo's. No setting: `cascade up --demo` says so.
    pub demo: bool,
}

/// Section `[bus]`.
#[derive(Debug, Deserialize)]
#[serde(default)]
struct BusSection {
    json_mirror: bool,
}

impl Default for BusSection {
    fn default() -> Self {
        Self { json_mirror: true }
    }
}

impl Config {
    /// Reads the sections, adding what is wrong with them to the mistakes.
    pub fn read(document: &Document, mistakes: &mut Mistakes) -> Self {
        Self {
            redis_url: redis_url(document, mistakes),
            cascade: document.section("cascade", mistakes, cascade_detector::Config::refusals),
            json_mirror: document.section("bus", mistakes, |_: &BusSection| Vec::new()).json_mirror,
            demo: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cascade_service::config::Sources;

    #[test]
    fn the_file_of_defaults_says_what_the_detector_does() {
        let (document, mut mistakes) = Document::load(&Sources::default());
        let config = Config::read(&document, &mut mistakes);
        assert!(mistakes.is_empty(), "{mistakes}");
        assert_eq!(config.cascade.hash(), cascade_detector::Config::default().hash());
    }
}
