//! The settings of cascade-signals: the detector's own section, and how findings go out.

use cascade_bus::RedisUrl;
use cascade_service::config::{Document, Mistakes};
use cascade_service::{Output, redis_url};

/// Everything that cascade-signals is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where Redis answers.
    pub redis_url: RedisUrl,
    /// The detector's thresholds.
    pub cascade: cascade_detector::Config,
    /// How findings go out.
    pub output: Output,
}

impl Config {
    /// Reads the sections, adding what is wrong with them to the mistakes.
    pub fn read(document: &Document, mistakes: &mut Mistakes) -> Self {
        Self {
            redis_url: redis_url(document, mistakes),
            cascade: document.section("cascade", mistakes, cascade_detector::Config::refusals),
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
        assert_eq!(config.cascade.hash(), cascade_detector::Config::default().hash());
    }
}
