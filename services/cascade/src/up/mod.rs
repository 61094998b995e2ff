//! `cascade up`: every service in one process, on live or simulated exchanges, with something to look at.

mod alerts;
mod books;
mod demo;
mod lines;
mod redis;
mod table;
mod verdict;
mod view;

use std::fmt::Display;
use std::io::IsTerminal;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use cascade_bus::{Bus, BusSettings, RedisUrl};
use cascade_pace::Clock;
use cascade_service::config::{Document, Mistakes};
use cascade_service::{
    BoxError, Context, Health, Metrics, Routes, ServiceSettings, Shutdown, Simulated, Supervisor,
    SystemClock, Traces, TracesSettings, address, ask_on_signal, health, random_seed, watch_demo,
};
use cascade_simulator::{Scenario, Simulator};
use cascade_wire::Channel;

use crate::args::UpArgs;
use crate::{DONE, FAILED, complain};
use redis::{Origin, Redis, Wish};
use view::View;

/// What the process has left, after the services' own deadline.
const GRACE: Duration = Duration::from_secs(2);
/// How long a terminal that does not read may hold up the end.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The services that run here, besides the coordinator that looks after them.
const SERVICES: [&str; 4] = [
    liquidation_ingest::PROGRAM.name,
    oi_detector::PROGRAM.name,
    cascade_signals::PROGRAM.name,
    alert_dispatcher::PROGRAM.name,
];

/// The settings of everything that runs.
#[derive(Debug)]
pub(crate) struct Settings {
    ingest: liquidation_ingest::Config,
    signals: cascade_signals::Config,
    interest: oi_detector::Config,
    dispatch: alert_dispatcher::Config,
    coordinator: coordinator::Config,
    simulated: Simulated,
    redis: Wish,
    traces: TracesSettings,
    health_addr: String,
}

impl Settings {
    /// Reads every section, adding what is wrong with them to the mistakes.
    pub(crate) fn read(document: &Document, mistakes: &mut Mistakes) -> Self {
        let ingest = liquidation_ingest::Config::read(document, mistakes);
        Self {
            signals: cascade_signals::Config::read(document, mistakes),
            interest: oi_detector::Config::read(document, mistakes),
            dispatch: alert_dispatcher::Config::read_any(document, mistakes),
            coordinator: coordinator::Config::read(document, mistakes),
            simulated: Simulated::read(document, mistakes),
            redis: Wish::new(ingest.redis_url.clone(), document),
            traces: TracesSettings::read(document, mistakes),
            health_addr: address(document, mistakes, "up.health_addr"),
            ingest,
        }
    }
}

impl Settings {
    /// Whether simulated exchanges are read, of this process' own or elsewhere.
    fn is_demo(&self, args: &UpArgs) -> bool {
        args.demo.is_some() || self.simulated.url().is_some()
    }

    /// Has every service use this Redis, and the coordinator expect those that run.
    fn run_on(&mut self, redis: &RedisUrl, demo: bool) {
        for (url, output) in [
            (&mut self.ingest.redis_url, &mut self.ingest.output),
            (&mut self.signals.redis_url, &mut self.signals.output),
            (&mut self.interest.redis_url, &mut self.interest.output),
        ] {
            url.clone_from(redis);
            output.demo = demo;
        }
        // Whether an alert is of a demo, its finding says.
        self.dispatch.redis_url.clone_from(redis);
        self.coordinator.redis_url.clone_from(redis);
        self.coordinator.coordinator.services = SERVICES.map(str::to_owned).to_vec();
    }
}

/// Where what is read comes from.
fn origin(args: &UpArgs, settings: &Settings) -> Origin {
    match (args.demo.is_some(), settings.is_demo(args)) {
        (true, _) => Origin::Demo,
        (false, true) => Origin::Simulated,
        (false, false) => Origin::Live,
    }
}

/// Whether the live table is shown: on a terminal, but for a demo that ends by itself and leaves its lines behind.
pub(crate) fn shows_table(args: &UpArgs) -> bool {
    !args.once && std::io::stdout().is_terminal()
}

/// Runs until Ctrl-C, or with `--once` until the scenario is over; gives the exit code.
pub(crate) async fn run(args: UpArgs, settings: Settings, service: ServiceSettings) -> u8 {
    let clock = match SystemClock::try_new(args.speed) {
        Ok(clock) => Arc::new(clock),
        Err(error) => return fail(&error).await,
    };
    let mut redis = match settings.redis.clone().fulfil(origin(&args, &settings), clock.now()).await {
        Ok(redis) => redis,
        Err(error) => return fail(&error).await,
    };
    let ended = match assemble(&args, settings, &service, &redis, clock).await {
        Ok(system) => system.run(&mut redis).await,
        Err(error) => Err(error),
    };
    redis.stop().await;
    match ended {
        Ok(code) => code,
        Err(error) => fail(&error).await,
    }
}

/// Everything that runs.
struct System {
    supervisor: Supervisor,
    shutdown: Shutdown,
    view: View,
}

impl System {
    /// Runs to the end; gives the exit code. Without its private Redis nothing can go on, or be finished.
    async fn run(self, redis: &mut Redis) -> Result<u8, BoxError> {
        let mut running = pin!(self.supervisor.run());
        tokio::select! {
            biased;
            how = redis.ended() => {
                self.shutdown.request();
                tokio::time::timeout(GRACE, running).await.ok();
                let url = &redis.url;
                Err(format!("the private Redis {url} ended by itself ({how}); start anew, or name one: --redis-url URL").into())
            }
            ended = &mut running => {
                ended?;
                Ok(if self.view.verdict() == Some(false) { FAILED } else { DONE })
            }
        }
    }
}

/// Prints, and lets nobody but the caller wait for a terminal or a pipe that is not read.
async fn say(text: String) {
    tokio::task::spawn_blocking(move || crate::say(&text)).await.ok();
}

async fn fail(error: &(impl Display + ?Sized)) -> u8 {
    let text = format!("cascade: {error}");
    let told = tokio::task::spawn_blocking(move || complain(&text));
    tokio::time::timeout(LAST_WORDS, told).await.ok();
    FAILED
}

/// Puts all services, the simulated exchanges and the screen together, all of them running.
async fn assemble(
    args: &UpArgs,
    mut settings: Settings,
    service: &ServiceSettings,
    redis: &Redis,
    clock: Arc<SystemClock>,
) -> Result<System, BoxError> {
    let seed = random_seed()?;
    let deadline = Duration::from_secs(service.shutdown_deadline_s);
    let shutdown = Shutdown::new();
    let mut supervisor = Supervisor::new(&shutdown, deadline + GRACE);
    let stop = supervisor.shutdown();
    supervisor.spawn("signals", ask_on_signal(shutdown.clone(), stop.clone())?);

    let (health, metrics) = (Health::new(), Metrics::new("cascade", env!("CARGO_PKG_VERSION")));
    let routes = Routes::default();
    let (address, server) =
        health::serve(&settings.health_addr, health.clone(), metrics.clone(), routes.clone(), stop.clone())
            .await?;
    supervisor.spawn("health", server);

    let view = View::new(&settings.ingest.markets.exchanges);
    let shown = if shows_table(args) { view::Screen::Table } else { view::Screen::Lines };
    let alerts = alerts::prepare(&mut settings.dispatch, args, &view, shown)?;
    let simulator = simulator(args, &clock, &mut settings).await?;
    tokio::select! {
        () = say(greeting(args, &settings, redis, address) + "\n" + &alerts) => {}
        () = stop.requested() => {}
    }
    let demo = settings.is_demo(args);
    settings.run_on(&redis.url, demo);

    let context = |name| Context {
        name,
        version: env!("CARGO_PKG_VERSION"),
        instance: format!("{:08x}", seed >> 32),
        clock: Arc::clone(&clock) as Arc<dyn Clock>,
        seed,
        health: health.part(),
        metrics: metrics.clone(),
        routes: routes.clone(),
        traces: Traces::off(),
        shutdown: stop.clone(),
        deadline,
    };
    let bus = Bus::open(
        redis.url.as_str(),
        BusSettings { instance: "up".to_owned(), seed, ..BusSettings::default() },
    )?;
    if let Some(simulator) = &simulator {
        let (running, asked) = (Arc::clone(simulator), stop.clone());
        supervisor.spawn("simulator", async move {
            Ok(running.run(async move { asked.requested().await }).await?)
        });
    }
    let exchanges = settings.ingest.markets.exchanges.clone();
    let ingest = liquidation_ingest::PROGRAM.name;
    let reading = context(ingest).traced(&settings.traces, &mut supervisor);
    supervisor.spawn(ingest, liquidation_ingest::run(settings.ingest, reading));
    let signals = cascade_signals::PROGRAM.name;
    supervisor.spawn(signals, cascade_signals::run(settings.signals, context(signals)));
    let interest = oi_detector::PROGRAM.name;
    supervisor.spawn(interest, oi_detector::run(settings.interest, context(interest)));
    let destinations =
        settings.dispatch.destinations.iter().map(|target| target.destination.name.clone()).collect();
    let dispatch = alert_dispatcher::PROGRAM.name;
    supervisor.spawn(dispatch, alert_dispatcher::run(settings.dispatch, context(dispatch)));

    if args.demo.is_none() {
        let watching = watch_demo(bus.clone(), settings.simulated, context("cascade"), stop.clone());
        supervisor.spawn("demo-mark", watching);
    }
    let looks_after = coordinator::PROGRAM.name;
    supervisor.spawn(looks_after, coordinator::run(settings.coordinator, context(looks_after)));

    let looking = view::watch(bus.clone(), view.clone(), shown, stop.clone());
    supervisor.spawn("watch", looking);
    if shows_table(args) {
        let title = match &args.demo {
            Some(name) => format!("DEMO {name} at speed {}", args.speed),
            None if demo => "DEMO".to_owned(),
            None => "live".to_owned(),
        };
        let listen = format!("{} SUBSCRIBE {}", redis.hint(), worth_hearing(args));
        let drawing = table::draw(view.clone(), title, listen, shutdown.clone(), stop.clone());
        supervisor.spawn("table", drawing);
    }
    if let Some(simulator) = simulator {
        let (view, once) = (view.clone(), args.once);
        let demo = demo::Demo { simulator, bus, view, clock, exchanges, destinations, once };
        supervisor.spawn("demo", demo.run(shutdown.clone(), stop));
    }
    Ok(System { supervisor, shutdown, view })
}

/// The simulated exchanges of a demo; the venues' addresses become theirs, and nobody's node is read.
async fn simulator(
    args: &UpArgs,
    clock: &Arc<SystemClock>,
    settings: &mut Settings,
) -> Result<Option<Arc<Simulator>>, BoxError> {
    let Some(name) = &args.demo else { return Ok(None) };
    let scenario = Scenario::named(name).ok_or_else(|| format!("no scenario `{name}`"))?;
    let simulator = Simulator::bind(scenario, args.seed, Arc::clone(clock) as Arc<dyn Clock>).await?;
    let sections = [&mut settings.ingest.markets.venues, &mut settings.interest.markets.venues];
    for (venue, section) in sections.into_iter().flatten() {
        section.lead_to(simulator.endpoints(*venue));
    }
    Ok(Some(Arc::new(simulator)))
}

fn greeting(args: &UpArgs, settings: &Settings, redis: &Redis, health: std::net::SocketAddr) -> String {
    let exchanges: Vec<_> = settings.ingest.markets.exchanges.iter().map(|venue| venue.as_str()).collect();
    let exchanges = exchanges.join(", ");
    let source = match (&args.demo, settings.simulated.url()) {
        (Some(name), _) => {
            format!("DEMO: simulated exchanges play `{name}` (seed {}, speed {})", args.seed, args.speed)
        }
        (None, Some(url)) => format!("DEMO: simulated exchanges at {url}"),
        (None, None) => "live exchanges".to_owned(),
    };
    let private = if redis.is_private() { " (private, ends with this process)" } else { "" };
    format!(
        "{source}: {exchanges}\nRedis: {}{private}    health, status, page: http://{health}\n\
         listen with: {} SUBSCRIBE {}",
        redis.url,
        redis.hint(),
        worth_hearing(args)
    )
}

/// The channel on which what runs has something to say: of a demo what is expected of it.
fn worth_hearing(args: &UpArgs) -> &'static str {
    let scenario = args.demo.as_deref().and_then(Scenario::named);
    let is_of_interest = scenario.is_some_and(|scenario| {
        let swings = scenario.expected_interest().iter().any(|expected| expected.direction.is_some());
        swings && scenario.expected().iter().all(|expected| expected.at_least.is_none())
    });
    if is_of_interest { Channel::OpenInterest.json_twin() } else { Channel::Critical.json_twin() }
}
