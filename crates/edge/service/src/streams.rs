//! How much of the shard streams is kept: `ingest.stream_max_age_s` and `ingest.stream_max_len`, as every program reads
//! them that writes there. One writer must not trim more than another wants.

use cascade_bus::StreamBounds;
use cascade_domain::Refusal;
use serde::Deserialize;

use crate::config::{Document, Mistakes};

/// For so much longer entries stay that an engine's snapshot does not know yet, seconds.
const FOR_SNAPSHOTS_S: u32 = 600;

/// How much of each shard stream is kept.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Streams {
    /// How long events stay, seconds.
    #[serde(rename = "stream_max_age_s")]
    pub max_age_s: u32,
    /// How many entries a stream holds at most.
    #[serde(rename = "stream_max_len")]
    pub max_len: u32,
}

impl Default for Streams {
    fn default() -> Self {
        Self { max_age_s: 600, max_len: 500_000 }
    }
}

impl Streams {
    /// Reads the settings, adding what is wrong with them to the mistakes.
    pub fn read(document: &Document, mistakes: &mut Mistakes) -> Self {
        document.section("ingest", mistakes, Self::refusals)
    }

    fn refusals(&self) -> Vec<Refusal> {
        let mut refusals = Vec::new();
        if self.max_age_s < 120 {
            let reason = "at least 120 seconds: detectors look back that far";
            refusals.push(Refusal::new("stream_max_age_s", reason));
        }
        if self.max_len < 10_000 {
            refusals.push(Refusal::new("stream_max_len", "at least 10000 entries"));
        }
        refusals
    }

    /// The same, as the bus takes it.
    pub const fn bounds(&self) -> StreamBounds {
        StreamBounds { max_age_s: self.max_age_s, max_len: self.max_len, for_snapshots_s: FOR_SNAPSHOTS_S }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Sources;

    #[test]
    fn the_file_of_defaults_says_what_the_code_does_and_too_little_is_refused() {
        let (document, mut mistakes) = Document::load(&Sources::default());
        assert_eq!(Streams::read(&document, &mut mistakes), Streams::default());
        assert!(mistakes.is_empty(), "{mistakes}");
        let environment = ["STREAM_MAX_AGE_S", "STREAM_MAX_LEN"]
            .map(|key| (format!("CASCADE_INGEST__{key}"), "5".to_owned()))
            .to_vec();
        let (document, mut mistakes) = Document::load(&Sources { environment, ..Sources::default() });
        Streams::read(&document, &mut mistakes);
        let told = mistakes.to_string();
        assert!(told.contains("ingest.stream_max_age_s") && told.contains("ingest.stream_max_len"), "{told}");
    }
}
