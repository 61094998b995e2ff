//! oi-detector: asks the exchanges that stream no open interest for it, runs the open-interest engine over the shard
//! streams, and publishes what it says.
//!
//! What is decided is `cascade-open-interest`'s affair; how streams are read and findings put out once is the pump's.

mod config;
mod poller;

use std::sync::Arc;
use std::time::Duration;

use cascade_bus::Write;
use cascade_domain::{Finding, Shard};
use cascade_open_interest::OpenInterestEngine;
use cascade_service::pump::{Detector, Pump};
use cascade_service::{BoxError, Context, Program};
use cascade_wire::{funding_json, key, open_interest_change_json, open_interest_json};

pub use config::{Config, Polling};

use poller::Asked;

/// How long the read-models stand, seconds.
const READING_TTL_S: u32 = 600;

/// How old a shard's snapshot may grow, wall time.
const SNAPSHOT: Duration = Duration::from_secs(90);
/// How often the read-models are written, wall time.
const SHOW: Duration = Duration::from_secs(2);

/// The engine's name in the names of keys.
pub const ENGINE: &str = "oi";

/// What the program is.
pub const PROGRAM: Program<Config> = Program {
    name: "oi-detector",
    about: "Asks the exchanges for open interest, and detects its explosions and collapses in the shard streams on Redis",
    version: env!("CARGO_PKG_VERSION"),
    section: "oi",
    settings: Config::read,
};

/// Runs until it is asked to stop; then what waits is written, what was read is committed, and leases and shards are given
/// back.
///
/// # Errors
/// The Redis URL is none, there is no HTTP client to be had, or a task died.
pub async fn run(config: Config, context: Context) -> Result<(), BoxError> {
    let bus = context.bus(&config.redis_url)?;
    let detector =
        OpenInterest { label: config.open_interest.engine_label(), config: Arc::new(config.open_interest) };
    let (needed, read) = (detector.config.min_venues, config.markets.exchanges.len());
    if usize::try_from(needed).unwrap_or(usize::MAX) > read {
        tracing::warn!(
            needed,
            read,
            "nothing can be confirmed: fewer exchanges are read (ingest.exchanges) than open_interest.min_venues asks for"
        );
    }
    let mut supervisor = Pump::new(detector, config.output, context.clone(), bus.clone()).supervised();
    let asked =
        Asked { markets: config.markets, streams: config.streams, weight_share: config.polling.weight_share };
    poller::start(&asked, &context, &bus, &mut supervisor)?;
    Ok(supervisor.run().await?)
}

/// The open-interest engine, as the pump runs it.
#[derive(Debug)]
struct OpenInterest {
    config: Arc<cascade_open_interest::Config>,
    label: String,
}

impl Detector for OpenInterest {
    type Engine = OpenInterestEngine;

    fn name(&self) -> &'static str {
        ENGINE
    }

    fn label(&self) -> &str {
        &self.label
    }

    fn engine(&self, shard: Shard) -> OpenInterestEngine {
        OpenInterestEngine::new(Arc::clone(&self.config), shard, self.label.clone())
    }

    fn snapshot_every(&self) -> Duration {
        SNAPSHOT
    }

    fn show_every(&self) -> Duration {
        SHOW
    }

    fn readings(&self, engine: &OpenInterestEngine) -> Vec<Write> {
        let json = |key: String, json: String| Write::Json { key, json, ttl_s: READING_TTL_S };
        let mut writes = Vec::new();
        for symbol in engine.symbols() {
            if let Some(state) = engine.current(symbol) {
                writes.push(json(key::open_interest(symbol), open_interest_json(&state).to_string()));
            }
            if let Some(state) = engine.changes(symbol) {
                let state = open_interest_change_json(&state).to_string();
                writes.push(json(key::open_interest_change(symbol), state));
            }
            if let Some(state) = engine.funding(symbol) {
                writes.push(json(key::funding(symbol), funding_json(&state).to_string()));
            }
        }
        writes
    }

    fn history(&self, _finding: &Finding) -> Option<Write> {
        None
    }
}
