//! liquidation-ingest: reads liquidations, trades and marks from the exchanges and writes them, each event once, into
//! the 64 shard streams on Redis; and the ticks that carry time, the BTC reference and the state of every feed.
//!
//! Decides nothing about cascades. What a venue says is `cascade-venues`' affair, how a session is held `cascade-feed`'s.

mod bars;
mod bitcoin;
mod board;
mod config;
mod intake;
mod kept;
mod marks;
mod offline;
mod offset;
mod outage;
mod owner;
mod readings;
mod reference;
mod refusals;
mod retention;
mod samples;
mod ticks;
mod trails;
mod venue;
mod writer;

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cascade_bus::{Bus, Outbox};
use cascade_service::{
    BoxError, Context, Program, Share, Shutdown, StopWhenGone, Supervisor, beat, watch_redis,
};
use cascade_venues::protocol;

pub use config::{Config, Ingest};
pub use offline::Offline;

use board::Board;
use intake::Shared;
use outage::Outages;
use owner::Post;
use retention::Retention;
use ticks::Leading;
use trails::Trails;
use venue::Reader;
use writer::Writer;

/// How long a venue's successor may take at most, wall time; half of the deadline, where that is shorter.
const LONGEST_SUCCESSION: Duration = Duration::from_secs(6);

/// What the program is.
pub const PROGRAM: Program<Config> = Program {
    name: "liquidation-ingest",
    about: "Reads liquidations, trades and prices from the exchanges into the shard streams on Redis",
    version: env!("CARGO_PKG_VERSION"),
    section: "ingest",
    settings: Config::read,
};

/// Runs until it is asked to stop; then the sessions end, what is queued is written, and the leases are given back.
///
/// # Errors
/// The Redis URL is none, or a task died.
pub async fn run(config: Config, context: Context) -> Result<(), BoxError> {
    cascade_feed::install_tls();
    let bus = context.bus(&config.redis_url)?;
    let exchanges = &config.markets.exchanges;
    let now = context.clock.now();
    let board = Board::new(exchanges.iter().map(|venue| (*venue, config.healthy(*venue))), now);
    let shared = Shared {
        board: Arc::new(Mutex::new(board)),
        outbox: Arc::new(Outbox::new(config.ingest.queue_events)),
        drained: Arc::default(),
        trails: Arc::new(Trails::new(context.traces.clone(), Arc::clone(&context.clock))),
        metrics: context.metrics.clone(),
    };
    context.health.set("feeds", Err("none connected yet".to_owned()));
    let mut tasks = Tasks {
        supervisor: Supervisor::new(&context.shutdown, context.deadline),
        drained: Arc::new(StopWhenGone::new(Shutdown::new())),
        leading: Arc::new(AtomicBool::new(false)),
        config: Arc::new(config),
        context,
        bus,
        shared,
    };
    tasks.readers();
    tasks.ticks();
    tasks.writer().run().await?;
    Ok(())
}

/// The tasks of the process, as they are put together.
struct Tasks {
    supervisor: Supervisor,
    /// Asks the writer to end when the last of those who put events into the queue is gone.
    drained: Arc<StopWhenGone>,
    leading: Leading,
    config: Arc<Config>,
    context: Context,
    bus: Bus,
    shared: Shared,
}

impl Tasks {
    fn spawn(&mut self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.supervisor.spawn(name, async move {
            task.await;
            Ok(())
        });
    }

    /// One for each venue, which reads it while its lease is ours.
    fn readers(&mut self) {
        let share = Share::default();
        let mut exchanges = self.config.markets.exchanges.clone();
        // Replicas that start together shall not all ask for the same venue first.
        let first = usize::try_from(self.context.seed >> 8).unwrap_or_default() % exchanges.len().max(1);
        exchanges.rotate_left(first);
        for ((turn, venue), seed) in (0..).zip(exchanges).zip((self.context.seed..).step_by(1000)) {
            let post = Post {
                venue,
                bus: self.bus.clone(),
                instance: self.context.instance.clone(),
                clock: Arc::clone(&self.context.clock),
                shared: self.shared.clone(),
                share: share.clone(),
                turn,
                succession: LONGEST_SUCCESSION.min(self.context.deadline / 2),
                stream_max_age_s: self.config.streams.max_age_s,
            };
            let (config, shared, bus) = (Arc::clone(&self.config), self.shared.clone(), self.bus.clone());
            let (clock, drained) = (Arc::clone(&self.context.clock), Arc::clone(&self.drained));
            let shutdown = self.supervisor.shutdown();
            self.supervisor.spawn(venue.as_str(), async move {
                let read = |since, mine| {
                    let reader = Reader {
                        protocol: protocol(venue),
                        endpoints: config.markets.endpoints(venue),
                        wanted: config.markets.wanted(venue),
                        large_trade: config.ingest.large_trade(),
                        clock: Arc::clone(&clock),
                        since,
                        seed,
                        refresh: config.markets.instruments_refresh,
                        node_fills: config.markets.node_fills(venue),
                        bus: bus.clone(),
                        shared: shared.clone(),
                    };
                    reader.run(mine)
                };
                let ended = post.hold(read, shutdown).await;
                drop(drained);
                ended
            });
        }
    }

    /// The ticks with what they need of the other replicas, and what the tick writer alone says.
    fn ticks(&mut self) {
        let (shutdown, leading) = (self.supervisor.shutdown(), || Arc::clone(&self.leading));
        let (bus, shared, clock) = (self.bus.clone(), self.shared.clone(), Arc::clone(&self.context.clock));
        let lease = ticks::lead(bus.clone(), self.context.instance.clone(), leading(), shutdown.clone());
        let ticking = ticks::run(Arc::clone(&clock), shared.clone(), leading(), shutdown.clone());
        let (lead, drained) = (leading(), Arc::clone(&self.drained));
        let listening =
            reference::listen(bus.clone(), Arc::clone(&clock), shared.clone(), leading(), shutdown.clone());
        let output = self.config.output;
        let outages = Outages { bus, output, clock, shared, leading: lead };
        self.spawn("tick-lease", lease);
        self.spawn("ticks", async move {
            ticking.await;
            drop(drained);
        });
        self.spawn("reference", listening);
        self.spawn("outages", outages.run(shutdown));
    }

    /// The way into Redis, and what is shown there.
    fn writer(mut self) -> Supervisor {
        let (shutdown, bus) = (self.supervisor.shutdown(), self.bus.clone());
        let context = self.context.clone();
        self.spawn(
            "readings",
            readings::run(bus.clone(), self.shared.clone(), context.clone(), shutdown.clone()),
        );
        let clock = Arc::clone(&context.clock);
        let ingest = &self.config.ingest;
        let retention = Retention::new(self.config.streams.bounds(), ingest.redis_memory());
        let writer = Writer::new(
            bus.clone(),
            retention,
            clock,
            self.config.markets.exchanges.clone(),
            self.shared.clone(),
        );
        let drain = self.drained.shutdown();
        self.spawn("writer", async move { writer.run(drain).await });
        // Said when it is time to stop, not when all is written: who takes a venue over need not wait for this replica.
        self.supervisor.spawn("heartbeat", beat(bus.clone(), context.clone(), shutdown.clone()));
        self.supervisor.spawn("redis", watch_redis(bus, context, shutdown));
        self.supervisor
    }
}
