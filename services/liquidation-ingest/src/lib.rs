//! liquidation-ingest: reads liquidations, trades and marks from the exchanges and writes them, each event once, into
//! the 64 shard streams on Redis; and the ticks that carry time, the BTC reference and the state of every feed.
//!
//! Decides nothing about cascades. What a venue says is `cascade-venues`' affair, how a session is held `cascade-feed`'s.

mod bars;
mod board;
mod config;
mod intake;
mod marks;
mod readings;
mod ticks;
mod venue;
mod writer;

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use cascade_bus::{Bus, BusSettings, Outbox};
use cascade_domain::EventTime;
use cascade_service::{BoxError, Context, Program, Shutdown, Supervisor, watch_redis};
use cascade_venues::protocol;

pub use config::{All, Config, Ingest, Symbols, VenueSettings};

use board::Board;
use intake::Shared;
use venue::Reader;
use writer::Writer;

/// What a process that ended may have lacked of the bars before its last tick.
const OPEN_BARS_MS: i64 = 2_000;

/// What the program is.
pub const PROGRAM: Program<Config> = Program {
    name: "liquidation-ingest",
    about: "Reads liquidations, trades and prices from the exchanges into the shard streams on Redis",
    version: env!("CARGO_PKG_VERSION"),
    section: "ingest",
    settings: Config::read,
};

/// Runs until it is asked to stop; then the sessions end and what is queued is written.
///
/// # Errors
/// The Redis URL is none, or a task died.
pub async fn run(config: Config, context: Context) -> Result<(), BoxError> {
    cascade_feed::install_tls();
    let bus_settings =
        BusSettings { instance: context.instance.clone(), seed: context.seed, ..BusSettings::default() };
    let bus = Bus::open(config.redis_url.as_str(), bus_settings)?;
    let exchanges = &config.ingest.exchanges;
    let now = context.clock.now();
    let board = Board::new(exchanges.iter().map(|venue| (*venue, protocol(*venue).healthy())), now);
    let shared = Shared {
        board: Arc::new(Mutex::new(board)),
        outbox: Arc::new(Outbox::new(config.ingest.queue_events)),
        metrics: context.metrics.clone(),
    };
    context.health.set("feeds", Err("none connected yet".to_owned()));
    let since = known_to(&bus, now, config.ingest.stream_max_age_s).await;
    let mut supervisor = Supervisor::new(&context.shutdown, context.deadline);
    let shutdown = supervisor.shutdown();
    let drained = Arc::new(Drained(Shutdown::new()));
    let drain = drained.0.clone();

    for (venue, seed) in exchanges.iter().zip((context.seed..).step_by(1000)) {
        let reader = Reader {
            protocol: protocol(*venue),
            endpoints: config
                .venues
                .get(venue)
                .map(VenueSettings::endpoints)
                .ok_or("a venue without a section")?,
            wanted: config.wanted(*venue),
            large_trade: config.ingest.large_trade(),
            clock: Arc::clone(&context.clock),
            since,
            seed,
            refresh: config.ingest.instruments_refresh(),
            shared: shared.clone(),
        };
        let (shutdown, drained) = (shutdown.clone(), Arc::clone(&drained));
        supervisor.spawn(venue.as_str(), async move {
            let ended = reader.run(shutdown).await;
            drop(drained);
            ended
        });
    }
    let leading = Arc::new(AtomicBool::new(false));
    let lease =
        ticks::hold_lease(bus.clone(), context.instance.clone(), Arc::clone(&leading), shutdown.clone());
    supervisor.spawn("tick-lease", async move {
        lease.await;
        Ok(())
    });
    let ticking = ticks::run(Arc::clone(&context.clock), shared.clone(), leading, shutdown.clone());
    supervisor.spawn("ticks", async move {
        ticking.await;
        drop(drained);
        Ok(())
    });
    let readings = readings::run(bus.clone(), shared.clone(), context.clone(), shutdown.clone());
    supervisor.spawn("readings", async move {
        readings.await;
        Ok(())
    });
    let clock = Arc::clone(&context.clock);
    let writer = Writer::new(bus.clone(), config.ingest.bounds(), clock, exchanges.clone(), shared);
    supervisor.spawn("writer", async move {
        writer.run(drain).await;
        Ok(())
    });
    supervisor.spawn("redis", watch_redis(bus, context, shutdown));
    supervisor.run().await?;
    Ok(())
}

/// Asks the writer to end when the last of those who put events into the queue is gone.
#[derive(Debug)]
struct Drained(Shutdown);

impl Drop for Drained {
    fn drop(&mut self) {
        self.0.request();
    }
}

/// Up to where an earlier process's events are known: its last tick, less the time that its open bars may have
/// lacked. Not before what the streams hold; where there was none, or Redis is away, up to now.
async fn known_to(bus: &Bus, now: EventTime, stream_max_age_s: u32) -> EventTime {
    let oldest = now.plus_ms(-1000 * i64::from(stream_max_age_s));
    match bus.newest_tick().await {
        Ok(Some(tick)) => tick.plus_ms(-OPEN_BARS_MS).clamp(oldest, now),
        _ => now,
    }
}
