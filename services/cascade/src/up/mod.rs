//! `cascade up`: every service in one process, on live or simulated exchanges, with something to look at.

mod demo;
mod lines;
mod redis;
mod table;
mod view;

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use cascade_bus::{Bus, BusSettings};
use cascade_pace::Clock;
use cascade_service::config::{Document, Mistakes};
use cascade_service::{
    BoxError, Context, Health, Metrics, ServiceSettings, Shutdown, Supervisor, SystemClock, ask_on_signal,
    health, random_seed,
};
use cascade_simulator::{Scenario, Simulator};

use crate::args::UpArgs;
use crate::{DONE, FAILED, complain, say};
use redis::{Redis, Wish};
use view::View;

/// What the process has left, after the services' own deadline.
const GRACE: Duration = Duration::from_secs(2);

/// The settings of everything that runs.
#[derive(Debug)]
pub(crate) struct Settings {
    ingest: liquidation_ingest::Config,
    signals: cascade_signals::Config,
    redis: Wish,
    health_addr: String,
}

impl Settings {
    /// Reads every section, adding what is wrong with them to the mistakes.
    pub(crate) fn read(document: &Document, mistakes: &mut Mistakes) -> Self {
        Self {
            ingest: liquidation_ingest::Config::read(document, mistakes),
            signals: cascade_signals::Config::read(document, mistakes),
            redis: Wish::read(document),
            health_addr: document.text("up.health_addr").unwrap_or_default().to_owned(),
        }
    }
}

/// Whether the live table is shown: on a terminal, but for a demo that ends by itself and leaves its lines behind.
pub(crate) fn shows_table(args: &UpArgs) -> bool {
    !args.once && std::io::stdout().is_terminal()
}

/// Runs until Ctrl-C, or with `--once` until the scenario is over; gives the exit code.
pub(crate) async fn run(args: UpArgs, settings: Settings, service: ServiceSettings) -> u8 {
    let redis = match settings.redis.clone().fulfil(args.demo.is_some()).await {
        Ok(redis) => redis,
        Err(error) => {
            complain(&format!("cascade: {error}"));
            return FAILED;
        }
    };
    let ended = assemble(&args, settings, &service, &redis).await;
    let code = match ended {
        Ok((supervisor, view)) => match supervisor.run().await {
            Ok(()) => view.verdict().map_or(DONE, |agreed| if agreed { DONE } else { FAILED }),
            Err(error) => {
                complain(&format!("cascade: {error}"));
                FAILED
            }
        },
        Err(error) => {
            complain(&format!("cascade: {error}"));
            FAILED
        }
    };
    redis.stop().await;
    code
}

/// Puts all services, the simulated exchanges and the screen together, all of them running.
async fn assemble(
    args: &UpArgs,
    mut settings: Settings,
    service: &ServiceSettings,
    redis: &Redis,
) -> Result<(Supervisor, View), BoxError> {
    let clock = Arc::new(SystemClock::try_new(args.speed)?);
    let seed = random_seed()?;
    let deadline = Duration::from_secs(service.shutdown_deadline_s);
    let shutdown = Shutdown::new();
    let mut supervisor = Supervisor::new(&shutdown, deadline + GRACE);
    let stop = supervisor.shutdown();
    supervisor.spawn("signals", ask_on_signal(shutdown.clone(), stop.clone())?);

    let (health, metrics) = (Health::new(), Metrics::new("cascade", env!("CARGO_PKG_VERSION")));
    let (address, server) =
        health::serve(&settings.health_addr, health.clone(), metrics.clone(), stop.clone()).await?;
    supervisor.spawn("health", server);

    let simulator = simulator(args, &clock, &mut settings).await?;
    greet(args, &settings, redis, address);
    settings.ingest.redis_url.clone_from(&redis.url);
    settings.signals.redis_url.clone_from(&redis.url);
    settings.signals.demo = simulator.is_some();

    let context = |name| Context {
        name,
        version: env!("CARGO_PKG_VERSION"),
        instance: format!("{:08x}", seed >> 32),
        clock: Arc::clone(&clock) as Arc<dyn Clock>,
        seed,
        health: health.clone(),
        metrics: metrics.clone(),
        shutdown: stop.clone(),
        deadline,
        heartbeat: Duration::from_secs(service.heartbeat_s),
    };
    let bus =
        Bus::open(&redis.url, BusSettings { instance: "up".to_owned(), seed, ..BusSettings::default() })?;
    let view = View::new(&settings.ingest.ingest.exchanges);
    if let Some(simulator) = &simulator {
        let (running, asked) = (Arc::clone(simulator), stop.clone());
        supervisor.spawn("simulator", async move {
            Ok(running.run(async move { asked.requested().await }).await?)
        });
    }
    let exchanges = settings.ingest.ingest.exchanges.clone();
    let ingest = liquidation_ingest::PROGRAM.name;
    supervisor.spawn(ingest, liquidation_ingest::run(settings.ingest, context(ingest)));
    let signals = cascade_signals::PROGRAM.name;
    supervisor.spawn(signals, cascade_signals::run(settings.signals, context(signals)));

    let shown = if shows_table(args) { view::Screen::Table } else { view::Screen::Lines };
    let looking = view::watch(bus.clone(), view.clone(), shown, stop.clone());
    supervisor.spawn("watch", looking);
    if shows_table(args) {
        let title = args
            .demo
            .as_ref()
            .map_or("live".to_owned(), |name| format!("DEMO {name} at speed {}", args.speed));
        let drawing = table::draw(view.clone(), title, redis.hint(), shutdown.clone(), stop.clone());
        supervisor.spawn("table", drawing);
    }
    if let Some(simulator) = simulator {
        let demo = demo::Demo { simulator, bus, view: view.clone(), clock, exchanges, once: args.once };
        supervisor.spawn("demo", demo.run(shutdown, stop));
    }
    Ok((supervisor, view))
}

/// The simulated exchanges of a demo; the venues' addresses become theirs.
async fn simulator(
    args: &UpArgs,
    clock: &Arc<SystemClock>,
    settings: &mut Settings,
) -> Result<Option<Arc<Simulator>>, BoxError> {
    let Some(name) = &args.demo else { return Ok(None) };
    let scenario = Scenario::named(name).ok_or_else(|| format!("no scenario `{name}`"))?;
    let simulator = Simulator::bind(scenario, args.seed, Arc::clone(clock) as Arc<dyn Clock>).await?;
    for (venue, section) in &mut settings.ingest.venues {
        let endpoints = simulator.endpoints(*venue);
        section.ws_url = endpoints.ws_url;
        section.rest_url = endpoints.rest_url;
        section.coinm_rest_url = endpoints.coinm_rest_url;
    }
    Ok(Some(Arc::new(simulator)))
}

fn greet(args: &UpArgs, settings: &Settings, redis: &Redis, health: std::net::SocketAddr) {
    let exchanges: Vec<_> = settings.ingest.ingest.exchanges.iter().map(|venue| venue.as_str()).collect();
    let source = match &args.demo {
        Some(name) => {
            format!("DEMO: simulated exchanges play `{name}` (seed {}, speed {})", args.seed, args.speed)
        }
        None => "live exchanges".to_owned(),
    };
    let private = if redis.is_private() { " (private, ends with this process)" } else { "" };
    say(&format!("{source}: {}", exchanges.join(", ")));
    say(&format!(
        "Redis: {}{private}    health and metrics: http://{health}",
        cascade_bus::redacted(&redis.url)
    ));
    say(&format!("listen with: {} SUBSCRIBE cascade:critical:json", redis.hint()));
}
