//! What all symbols of a shard share: the settings, the last tick, the feeds, the last hole in all that was heard.

use std::sync::Arc;

use cascade_domain::{EventTime, Feeds};
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::line::Rules;
use crate::price::age_ms;
use crate::span::Span;

/// The shard's shared facts.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Facts {
    #[serde(skip)]
    pub(crate) config: Arc<Config>,
    #[serde(skip)]
    pub(crate) label: String,
    pub(crate) tick: Option<EventTime>,
    pub(crate) feeds: Feeds,
    /// The end of the last hole in all that was heard.
    pub(crate) overtaken: Option<EventTime>,
}

impl Facts {
    pub(crate) fn new(config: Arc<Config>, label: String) -> Self {
        Self { config, label, tick: None, feeds: Feeds::new(), overtaken: None }
    }

    /// What was heard, under the settings of others.
    pub(crate) fn under(self, others: &Self) -> Self {
        Self { config: Arc::clone(&others.config), label: others.label.clone(), ..self }
    }

    /// The latest that an event may be known.
    #[inline]
    pub(crate) fn latest(&self) -> Option<EventTime> {
        // Past a hole in the stream the last tick is not the time any more.
        let past = self.overtaken.filter(|_| self.tick.is_some());
        self.tick.max(past).map(|tick| tick.plus_ms(age_ms(self.config.memory.future_s)))
    }

    /// The span over which explosions and collapses are looked for.
    pub(crate) fn window(&self) -> Span {
        Span::of_seconds(self.config.window_s).unwrap_or(Span::M15)
    }

    /// Whether a hole in all that was heard lies inside the window.
    pub(crate) fn is_warming(&self, now: EventTime) -> bool {
        self.overtaken.is_some_and(|end| now < end.plus_ms(age_ms(self.config.window_s)))
    }

    /// Which samples are believed.
    pub(crate) fn rules(&self) -> Rules {
        let suspect = &self.config.suspect;
        Rules {
            fresh_ms: age_ms(self.config.samples.open_interest_s),
            slack_ms: age_ms(suspect.slack_s),
            wait_ms: age_ms(suspect.wait_s),
            window_ms: age_ms(self.config.window_s),
            floor: suspect.floor,
        }
    }
}
