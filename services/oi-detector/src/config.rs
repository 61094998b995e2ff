//! The settings of oi-detector: the detector's own section, which markets are read where, and how findings go out.

use cascade_bus::RedisUrl;
use cascade_domain::Refusal;
use cascade_service::config::{Document, Mistakes};
use cascade_service::{Markets, Output, Streams, redis_url};
use serde::Deserialize;

/// Everything that oi-detector is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where Redis answers.
    pub redis_url: RedisUrl,
    /// The markets, and where each exchange is reached.
    pub markets: Markets,
    /// How much of the shard streams is kept.
    pub streams: Streams,
    /// How the exchanges are asked for open interest.
    pub polling: Polling,
    /// The detector's thresholds.
    pub open_interest: cascade_open_interest::Config,
    /// How findings go out.
    pub output: Output,
}

/// Section `[oi]`, but for where health is served.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default)]
pub struct Polling {
    /// How much of what a venue takes of REST requests may be used, above 0 and at most 1.
    pub weight_share: f64,
}

impl Default for Polling {
    fn default() -> Self {
        Self { weight_share: 0.5 }
    }
}

impl Polling {
    fn refusals(&self) -> Vec<Refusal> {
        let share = self.weight_share;
        if share > 0.0 && share <= 1.0 {
            return Vec::new();
        }
        let reason = format!("more than 0 and at most 1, e.g. 0.5 for half of the limits, not {share}");
        vec![Refusal::new("weight_share", reason)]
    }
}

impl Config {
    /// Reads the sections, adding what is wrong with them to the mistakes.
    pub fn read(document: &Document, mistakes: &mut Mistakes) -> Self {
        Self {
            redis_url: redis_url(document, mistakes),
            markets: Markets::read(document, mistakes),
            streams: Streams::read(document, mistakes),
            polling: document.section("oi", mistakes, Polling::refusals),
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
        assert_eq!(config.polling, Polling::default());
    }

    #[test]
    fn a_share_of_nothing_or_of_more_than_all_is_refused_with_the_way_out() {
        for share in ["0", "-0.5", "1.01"] {
            let environment = vec![("CASCADE_OI__WEIGHT_SHARE".to_owned(), share.to_owned())];
            let (document, mut mistakes) = Document::load(&Sources { environment, ..Sources::default() });
            Config::read(&document, &mut mistakes);
            let told = mistakes.to_string();
            assert!(told.contains("oi.weight_share") && told.contains("at most 1"), "{share}: {told}");
        }
    }

    #[test]
    fn any_symbol_may_have_thresholds_of_its_own() {
        let doge = cascade_domain::Symbol::parse("DOGEUSDT").unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "[open_interest.symbols.DOGEUSDT]\nminimum_usd = 7_000_000\n").unwrap();
        let balanced = "CASCADE_OPEN_INTEREST__PRESETS__BALANCED__SYMBOLS__DOGEUSDT".to_owned();
        let seed = cascade_service::config::Override {
            key: "open_interest.presets.seed.symbols.DOGEUSDT".to_owned(),
            text: "40".to_owned(),
            flag: "--set".to_owned(),
        };
        let sources = Sources {
            file: Some(file.path().to_owned()),
            environment: vec![(balanced, "5".to_owned())],
            overrides: vec![seed],
            ..Sources::default()
        };
        let (document, mut mistakes) = Document::load(&sources);
        let config = Config::read(&document, &mut mistakes).open_interest;
        assert!(mistakes.is_empty(), "{mistakes}");
        let own = config.symbol(&doge);
        assert_eq!((own.change_pct, own.minimum_usd), (5.0, 7_000_000.0));
        assert_eq!(config.presets.seed.symbols.get(&doge), Some(&40.0));
        let bitcoin = config.symbol(&cascade_domain::Symbol::parse("BTCUSDT").unwrap());
        assert_eq!((bitcoin.change_pct, bitcoin.minimum_usd), (3.0, 50_000_000.0), "the others stay");
    }
}
