//! What the shard of BTC shows for all: the price of BTC, its volatility, the kind of market it is in.

use cascade_domain::{EventTime, PriceReading, RegimeReading, Shard, Symbol, VolatilityReading};

use crate::engine::CascadeEngine;
use crate::market::Market;
use crate::regime;

/// The market whose shard shows them.
const BTC: &str = "BTCUSDT";
/// A market that was not led so far for so long, milliseconds, says nothing of now.
const STALE_MS: i64 = 60_000;

impl CascadeEngine {
    /// The price of BTC by the last tick; `None` of any shard but that of BTC, and where it is not known.
    pub fn btc_price(&self) -> Option<PriceReading> {
        let (_, event_time_ms) = self.btc()?;
        Some(PriceReading { price: self.state.facts.btc_price?, event_time_ms })
    }

    /// BTC's volatility by the last tick; `None` of any shard but that of BTC.
    pub fn btc_volatility(&self) -> Option<VolatilityReading> {
        let (_, event_time_ms) = self.btc()?;
        let volatility = &self.state.facts.volatility;
        let figures = volatility.figures;
        Some(VolatilityReading {
            vol_1m: figures.vol_1m,
            vol_5m: figures.vol_5m,
            vol_15m: figures.vol_15m,
            vol_1h: figures.vol_1h,
            percentile_24h: figures.percentile,
            z_score: figures.z_score,
            multiplier: volatility.multiplier.unwrap_or(1.0),
            event_time_ms,
        })
    }

    /// The regime of BTC's market as of the last tick; `None` of any shard but that of BTC.
    pub fn regime(&self) -> Option<RegimeReading> {
        let (btc, event_time_ms) = self.btc()?;
        let facts = &self.state.facts;
        let market = self.state.markets.get(&btc);
        let market = market.filter(|market: &&Market| event_time_ms.since(market.now) <= STALE_MS);
        let (liquidity, regime) =
            market.map_or((None, facts.volatility.regime), |market| market.regime(facts));
        let course = market.and_then(|market| market.price.course(market.now, &facts.config.samples));
        Some(RegimeReading {
            regime,
            volatility_regime: facts.volatility.regime,
            liquidity,
            trend: course.map(|course| regime::trend(&facts.config.regime, &course)),
            event_time_ms,
        })
    }

    /// The name of BTC's market, and the last tick, where this is its shard.
    fn btc(&self) -> Option<(Symbol, EventTime)> {
        let btc = Symbol::parse(BTC).ok()?;
        (self.shard() == Shard::of(&btc)).then_some((btc, self.state.facts.tick?))
    }
}
