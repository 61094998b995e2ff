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
use cascade_service::{BoxError, Context, Program, Supervisor};
use cascade_venues::protocol;

pub use config::{All, Config, Ingest, Symbols, VenueSettings};

use board::Board;
use intake::Shared;
use venue::Reader;
use writer::Writer;

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
    let bus = Bus::open(&config.redis_url, bus_settings)?;
    let exchanges = &config.ingest.exchanges;
    let now = context.clock.now();
    let board = Board::new(exchanges.iter().map(|venue| (*venue, protocol(*venue).healthy())), now);
    let shared = Shared {
        board: Arc::new(Mutex::new(board)),
        outbox: Arc::new(Outbox::new(config.ingest.queue_events)),
        metrics: context.metrics.clone(),
    };
    let mut supervisor = Supervisor::new(&context.shutdown, context.deadline);
    let shutdown = supervisor.shutdown();

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
            seed,
            shared: shared.clone(),
        };
        supervisor.spawn(venue.as_str(), reader.run(shutdown.clone()));
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
        Ok(())
    });
    let readings = readings::run(bus.clone(), shared.clone(), context.clone(), shutdown.clone());
    supervisor.spawn("readings", async move {
        readings.await;
        Ok(())
    });
    let writer = Writer {
        bus,
        bounds: config.ingest.bounds(),
        clock: Arc::clone(&context.clock),
        venues: exchanges.clone(),
        shared,
    };
    let writing = writer.run(shutdown);
    supervisor.spawn("writer", async move {
        writing.await;
        Ok(())
    });
    supervisor.run().await?;
    Ok(())
}
