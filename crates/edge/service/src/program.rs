//! What every service program does around its service: arguments, configuration, logs, health, signals, exit code.
//!
//! A binary's `main` is one call of `run_service`. Knows nothing of any service.

use std::ffi::OsString;
use std::future::Future;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use cascade_bus::{Bus, BusError, BusSettings, RedisUrl, Write};
use cascade_domain::Refusal;
use cascade_pace::Clock;
use cascade_wire::{EngineBeat, Heartbeat, key};
use clap::error::ErrorKind;
use serde::Deserialize;

use crate::args::{Cli, Command};
use crate::config::{Document, Mistakes};
use crate::logs::{self, LogFormat};
use crate::supervisor::{BoxError, Supervisor};
use crate::{
    Health, Metrics, Routes, Shutdown, Simulated, SystemClock, Traces, TracesSettings, address,
    ask_on_signal, health, healthcheck, random_seed, redis_url, watch_demo,
};

/// Stopped as asked, or all is well.
const DONE: u8 = 0;
/// Failed while running.
const FAILED: u8 = 1;
/// Wrong usage or configuration.
const REFUSED: u8 = 2;

/// What the whole process has left, after the service's own deadline, before it gives up on tasks.
const GRACE: Duration = Duration::from_secs(2);

/// What a service program is.
#[derive(Clone, Copy, Debug)]
pub struct Program<C> {
    /// The binary's name, e.g. `liquidation-ingest`.
    pub name: &'static str,
    /// One sentence on what it does, for `--help`.
    pub about: &'static str,
    /// Its version.
    pub version: &'static str,
    /// Its own section of the configuration, which has `health_addr`.
    pub section: &'static str,
    /// Reads its settings, adding what is wrong with them to the mistakes.
    pub settings: fn(&Document, &mut Mistakes) -> C,
}

/// What a running service is given.
#[derive(Clone, Debug)]
pub struct Context {
    /// The service's name, as in `service:NAME:INSTANCE`.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
    /// The name of this process among its replicas.
    pub instance: String,
    /// The one clock.
    pub clock: Arc<dyn Clock>,
    /// A random number: the seed of everything that jitters.
    pub seed: u64,
    /// Where it says whether it is ready. It must set at least one condition.
    pub health: Health,
    /// Where it counts.
    pub metrics: Metrics,
    /// What else it serves on its health address.
    pub routes: Routes,
    /// Where it tells what became of single pieces of its work.
    pub traces: Traces,
    /// When it must stop.
    pub shutdown: Shutdown,
    /// How long it may take to stop, wall time.
    pub deadline: Duration,
}

/// How long a heartbeat stands without being renewed, wall time.
pub const HEARTBEAT_TTL: Duration = Duration::from_secs(15);

impl Context {
    /// The Redis at this URL, asked in the name of this process.
    ///
    /// # Errors
    /// The URL is none.
    pub fn bus(&self, url: &RedisUrl) -> Result<Bus, BusError> {
        let (instance, seed) = (self.instance.clone(), self.seed);
        Bus::open(url.as_str(), BusSettings { instance, seed, ..BusSettings::default() })
    }

    /// The heartbeat of this process, to be written at least every few seconds.
    pub fn heartbeat(&self, engine: Option<EngineBeat>) -> Write {
        let (version, uptime_s) = (self.version.to_owned(), self.metrics.uptime_s());
        let unready = self.health.readiness().unready();
        let heartbeat = Heartbeat { version, uptime_s, unready, engine };
        Write::Json {
            key: key::heartbeat(self.name, &self.instance),
            json: serde_json::to_string(&heartbeat).unwrap_or_default(),
            ttl_s: u32::try_from(HEARTBEAT_TTL.as_secs()).unwrap_or(u32::MAX),
        }
    }

    /// The last word of this process: it beats no more.
    pub fn farewell(&self) -> Write {
        Write::Forget { key: key::heartbeat(self.name, &self.instance) }
    }
}

/// The section `[service]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub struct ServiceSettings {
    /// Seconds to finish the work after a signal, in [1, 300].
    pub shutdown_deadline_s: u64,
    /// How the log is written.
    pub log_format: LogFormat,
    /// The least severe level that is written, or levels by room.
    pub log_level: String,
}

impl Default for ServiceSettings {
    fn default() -> Self {
        let log_level = "info".to_owned();
        Self { shutdown_deadline_s: 10, log_format: LogFormat::Text, log_level }
    }
}

impl ServiceSettings {
    /// The section of this document.
    pub fn read(document: &Document, mistakes: &mut Mistakes) -> Self {
        document.section("service", mistakes, Self::refusals)
    }

    fn refusals(&self) -> Vec<Refusal> {
        let mut refusals = Vec::new();
        let deadline = self.shutdown_deadline_s;
        if !(1..=300).contains(&deadline) {
            let reason = format!("must be from 1 to 300 seconds, not {deadline}");
            refusals.push(Refusal::new("shutdown_deadline_s", reason));
        }
        if let Err(reason) = logs::level(&self.log_level) {
            refusals.push(Refusal::new("log_level", reason));
        }
        refusals
    }
}

/// Everything a program is told before it starts.
struct Settings<C> {
    own: C,
    service: ServiceSettings,
    traces: TracesSettings,
    redis_url: RedisUrl,
    simulated: Simulated,
    health_addr: String,
}

/// Runs a service program to its end: reads arguments and configuration, answers `--check-config` and `healthcheck`, or
/// runs `run` with health, metrics and signals around it. SIGTERM and SIGINT ask it to stop.
///
/// Exit code: 0 = stopped as asked, 1 = failed while running (the service ended by itself, too), 2 = usage or configuration.
pub fn run_service<C, R, F>(program: &Program<C>, run: R) -> ExitCode
where
    R: FnOnce(C, Context) -> F,
    F: Future<Output = Result<(), BoxError>> + Send + 'static,
{
    ExitCode::from(start(program, std::env::args_os(), environment(), run))
}

/// The environment variables of this process whose names and values are text.
pub fn environment() -> Vec<(String, String)> {
    let text =
        |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
    std::env::vars_os().filter_map(text).collect()
}

/// [`run_service`] with the outside as arguments.
pub fn start<C, R, F>(
    program: &Program<C>,
    arguments: impl IntoIterator<Item = OsString>,
    environment: Vec<(String, String)>,
    run: R,
) -> u8
where
    R: FnOnce(C, Context) -> F,
    F: Future<Output = Result<(), BoxError>> + Send + 'static,
{
    let cli = match Cli::read(arguments, program.name, program.about, program.version) {
        Ok(cli) => cli,
        Err(error) => {
            let asked = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            error.print().ok();
            return if asked { DONE } else { REFUSED };
        }
    };
    let (document, mut mistakes) = Document::load(&cli.common.sources(program.section, environment));
    let settings = settings(program, &document, &mut mistakes);
    if !mistakes.is_empty() {
        let count = mistakes.len();
        let things = if count == 1 { "mistake" } else { "mistakes" };
        say(&mut std::io::stderr(), &format!("{count} {things} in the configuration:\n{mistakes}"));
        return REFUSED;
    }
    if cli.common.check_config {
        say(&mut std::io::stdout(), "configuration is valid");
        return DONE;
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            say(&mut std::io::stderr(), &format!("{}: can't start threads: {error}", program.name));
            return FAILED;
        }
    };
    let code = runtime.block_on(async {
        match cli.command {
            Some(Command::Healthcheck) => check(&settings.health_addr).await,
            None => supervise(program, settings, run).await,
        }
    });
    // Not even a task that blocks its thread may keep the process alive.
    runtime.shutdown_timeout(Duration::from_millis(100));
    code
}

fn settings<C>(program: &Program<C>, document: &Document, mistakes: &mut Mistakes) -> Settings<C> {
    let service = ServiceSettings::read(document, mistakes);
    let traces = TracesSettings::read(document, mistakes);
    let own = (program.settings)(document, mistakes);
    let health_addr = address(document, mistakes, &format!("{}.health_addr", program.section));
    let redis_url = redis_url(document, mistakes);
    let simulated = Simulated::read(document, mistakes);
    Settings { own, service, traces, redis_url, simulated, health_addr }
}

async fn check(address: &str) -> u8 {
    match healthcheck::ask(address).await {
        Ok(body) => {
            say(&mut std::io::stdout(), &body);
            DONE
        }
        Err(error) => {
            say(&mut std::io::stderr(), &error.to_string());
            FAILED
        }
    }
}

async fn supervise<C, R, F>(program: &Program<C>, settings: Settings<C>, run: R) -> u8
where
    R: FnOnce(C, Context) -> F,
    F: Future<Output = Result<(), BoxError>> + Send + 'static,
{
    let service = &settings.service;
    if let Ok(filter) = logs::level(&service.log_level) {
        logs::install(service.log_format, filter);
    }
    settings.simulated.warn();
    match assemble(program, settings, run).await {
        Ok(supervisor) => match supervisor.run().await {
            Ok(()) => {
                tracing::info!("stopped");
                DONE
            }
            Err(_) => FAILED, // the supervisor has logged why
        },
        Err(error) => {
            tracing::error!(%error, "not started");
            FAILED
        }
    }
}

/// Puts the service among its signals and its health server, all of them running.
async fn assemble<C, R, F>(
    program: &Program<C>,
    settings: Settings<C>,
    run: R,
) -> Result<Supervisor, BoxError>
where
    R: FnOnce(C, Context) -> F,
    F: Future<Output = Result<(), BoxError>> + Send + 'static,
{
    let shutdown = Shutdown::new();
    let deadline = Duration::from_secs(settings.service.shutdown_deadline_s);
    let mut supervisor = Supervisor::new(&shutdown, deadline + GRACE);
    supervisor.spawn("signals", ask_on_signal(shutdown, supervisor.shutdown())?);

    let (health, metrics) = (Health::new(), Metrics::new(program.name, program.version));
    let (routes, stop) = (Routes::default(), supervisor.shutdown());
    let (address, server) =
        health::serve(&settings.health_addr, health.clone(), metrics.clone(), routes.clone(), stop).await?;
    say(
        &mut std::io::stdout(),
        &format!("{} {}: health and metrics on http://{address}", program.name, program.version),
    );
    supervisor.spawn("health", server);

    let seed = random_seed()?;
    let context = Context {
        name: program.name,
        version: program.version,
        instance: format!("{:08x}", seed >> 32),
        clock: Arc::new(SystemClock::new()),
        seed,
        health,
        metrics,
        routes,
        traces: Traces::off(),
        shutdown: supervisor.shutdown(),
        deadline,
    };
    let context = context.traced(&settings.traces, &mut supervisor);
    let (bus, stop) = (context.bus(&settings.redis_url)?, supervisor.shutdown());
    supervisor.spawn("demo", watch_demo(bus, settings.simulated, context.clone(), stop));
    supervisor.spawn(program.name, run(settings.own, context));
    Ok(supervisor)
}

/// Writes a line for the person who started the program; whether anybody reads it is not our affair.
fn say(to: &mut dyn std::io::Write, text: &str) {
    writeln!(to, "{text}").ok();
}
