//! cascade-signals: runs the cascade engine over the shard streams and publishes what it says.
//!
//! Everything is decided in `cascade-detector`; how streams are read and findings put out once is the pump's affair.
//! Here they are put together, with the read-models that people look at.

mod config;

use std::sync::Arc;
use std::time::Duration;

use cascade_bus::Write;
use cascade_detector::CascadeEngine;
use cascade_domain::{Finding, Level, Shard};
use cascade_service::pump::{Detector, Pump};
use cascade_service::{BoxError, Context, Program};
use cascade_wire::{
    btc_price_json, btc_volatility_json, finding_to_json, key, regime_json, score_json, velocity_json,
};

pub use config::Config;

/// How long the read-models stand, seconds.
const READING_TTL_S: u32 = 60;
/// How many signals a symbol's history keeps.
const HISTORY: u32 = 1000;

/// How old a shard's snapshot may grow, wall time.
const SNAPSHOT: Duration = Duration::from_secs(8);
/// How often the read-models are written, wall time.
const SHOW: Duration = Duration::from_millis(200);

/// The engine's name in the names of keys.
pub const ENGINE: &str = "cascade";

/// What the program is.
pub const PROGRAM: Program<Config> = Program {
    name: "cascade-signals",
    about: "Detects liquidation cascades in the shard streams on Redis and publishes signals",
    version: env!("CARGO_PKG_VERSION"),
    section: "signals",
    settings: Config::read,
};

/// Runs until it is asked to stop; then what was read is committed and the shards are given back.
///
/// # Errors
/// The Redis URL is none, or a task died.
pub async fn run(config: Config, context: Context) -> Result<(), BoxError> {
    let bus = context.bus(&config.redis_url)?;
    let cascades = Cascades { label: config.cascade.engine_label(), config: Arc::new(config.cascade) };
    Ok(Pump::new(cascades, config.output, context, bus).supervised().run().await?)
}

/// The cascade engine, as the pump runs it.
#[derive(Debug)]
struct Cascades {
    config: Arc<cascade_detector::Config>,
    label: String,
}

impl Detector for Cascades {
    type Engine = CascadeEngine;

    fn name(&self) -> &'static str {
        ENGINE
    }

    fn label(&self) -> &str {
        &self.label
    }

    fn engine(&self, shard: Shard) -> CascadeEngine {
        CascadeEngine::new(Arc::clone(&self.config), shard, self.label.clone())
    }

    fn snapshot_every(&self) -> Duration {
        SNAPSHOT
    }

    fn show_every(&self) -> Duration {
        SHOW
    }

    fn readings(&self, engine: &CascadeEngine) -> Vec<Write> {
        let json = |key: String, json: String| Write::Json { key, json, ttl_s: READING_TTL_S };
        // Only the engine of BTC's shard has these three.
        let shared = [
            (key::BTC_PRICE, engine.btc_price().map(|state| btc_price_json(&state))),
            (key::BTC_VOLATILITY, engine.btc_volatility().map(|state| btc_volatility_json(&state))),
            (key::REGIME, engine.regime().map(|state| regime_json(&state))),
        ];
        let mut writes: Vec<Write> = shared
            .into_iter()
            .filter_map(|(key, state)| Some(json(key.to_owned(), state?.to_string())))
            .collect();
        for symbol in engine.symbols() {
            if let Some(state) = engine.velocity(symbol) {
                writes.push(json(key::velocity(symbol), velocity_json(&state).to_string()));
            }
            if let Some(state) = engine.score(symbol) {
                writes.push(json(key::probability(symbol), score_json(&state).to_string()));
            }
        }
        writes
    }

    fn history(&self, finding: &Finding) -> Option<Write> {
        match finding {
            Finding::Cascade(signal) if signal.level >= Level::Alert => Some(Write::History {
                key: key::history(&signal.symbol),
                score: signal.known_at_ms.ms(),
                member: finding_to_json(finding).ok()?,
                keep: HISTORY,
            }),
            _ => None,
        }
    }
}
