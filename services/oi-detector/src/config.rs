//! The settings of oi-detector: the detector's own section, which markets are read where, and how findings go out.

use cascade_bus::RedisUrl;
use cascade_service::config::{Document, Mistakes};
use cascade_service::{Markets, Output, redis_url};

/// Everything that oi-detector is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where Redis answers.
    pub redis_url: RedisUrl,
    /// The markets, and where each exchange is reached.
    pub markets: Markets,
    /// The detector's thresholds.
    pub open_interest: cascade_open_interest::Config,
    /// How findings go out.
    pub output: Output,
}

impl Config {
    /// Reads the sections, adding what is wrong with them to the mistakes.
    pub fn read(document: &Document, mistakes: &mut Mistakes) -> Self {
        Self {
            redis_url: redis_url(document, mistakes),
            markets: Markets::read(document, mistakes),
            open_interest: document.section(
                "open_interest",
                mistakes,
                cascade_open_interest::Config::refusals,
            ),
            output: Output::read(document, mistakes),
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
        assert_eq!(config.open_interest.hash(), cascade_open_interest::Config::default().hash());
    }
}
