//! What all symbols of a shard share: the last tick, the feeds, the gaps that are in every symbol.

use std::sync::Arc;

use cascade_domain::{EventTime, FeedStatus, Feeds, Regime, Tick, Venue};
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::returns::Returns;
use crate::volatility::{self, Figures};

/// Until when a venue's liquidations are known to have a gap.
pub(crate) type GapEnds = [Option<EventTime>; Venue::ALL.len()];

/// BTC's volatility as it is used.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Volatility {
    pub(crate) figures: Figures,
    pub(crate) regime: Option<Regime>,
    pub(crate) multiplier: Option<f64>,
}

/// The shard's shared facts.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Facts {
    #[serde(skip)]
    pub(crate) config: Arc<Config>,
    #[serde(skip)]
    pub(crate) label: String,
    /// How many prints and orders of a symbol are held.
    #[serde(skip)]
    pub(crate) room: usize,
    pub(crate) tick: Option<EventTime>,
    pub(crate) feeds: Feeds,
    pub(crate) btc_price: Option<f64>,
    pub(crate) gaps: GapEnds,
    pub(crate) returns: Returns,
    /// What the returns say under these settings, as of the last tick: figures, the regime, the multiplier.
    #[serde(skip)]
    pub(crate) volatility: Volatility,
    /// From when on the stream was heard without a break of our own.
    pub(crate) heard_from: Option<EventTime>,
}

impl Facts {
    pub(crate) fn new(config: Arc<Config>, label: String) -> Self {
        Self {
            room: usize::try_from(config.memory.max_orders).unwrap_or(usize::MAX),
            config,
            label,
            tick: None,
            feeds: Feeds::new(),
            btc_price: None,
            gaps: GapEnds::default(),
            returns: Returns::default(),
            volatility: Volatility::default(),
            heard_from: None,
        }
    }

    /// What was heard, under the settings of others.
    pub(crate) fn under(self, others: &Self) -> Self {
        let (config, label) = (Arc::clone(&others.config), others.label.clone());
        let mut facts = Self { config, label, room: others.room, ..self };
        facts.refresh_volatility();
        facts
    }

    /// Takes what a tick says of BTC.
    pub(crate) fn take_btc(&mut self, tick: &Tick) {
        self.btc_price = tick.btc_price;
        self.returns.take(tick, self.config.samples.coverage);
        self.refresh_volatility();
    }

    fn refresh_volatility(&mut self) {
        let (config, samples) = (&self.config.volatility, &self.config.samples);
        let figures = self.returns.figures(samples.coverage, config.least_samples);
        self.volatility = Volatility {
            figures,
            regime: volatility::regime(config, &figures),
            multiplier: volatility::multiplier(config, &figures),
        };
    }

    /// The latest that an event may be known.
    #[inline]
    pub(crate) fn latest(&self) -> Option<EventTime> {
        // Past a hole in the stream the last tick is not the time any more.
        self.tick
            .max(self.heard_from.filter(|_| self.tick.is_some()))
            .map(|tick| tick.plus_ms(i64::from(self.config.memory.future_s) * 1_000))
    }

    /// What lies before this is not wholly known, for whatever symbol.
    #[inline]
    pub(crate) fn void(&self) -> Option<EventTime> {
        self.heard_from.max(last(&self.gaps))
    }

    /// Share of live venues, 0..=1; 1 where no venue is read that could be live.
    pub(crate) fn live_share(&self) -> f64 {
        let counted = self.feeds.values().filter(|status| **status != FeedStatus::Partial);
        let (live, all) = counted.fold((0.0, 0.0), |(live, all), status| {
            (live + f64::from(u8::from(status.counts_as_live())), all + 1.0)
        });
        if all > 0.0 { live / all } else { 1.0 }
    }
}

/// The latest end of a gap.
pub(crate) fn last(gaps: &GapEnds) -> Option<EventTime> {
    gaps.iter().copied().max().flatten()
}
