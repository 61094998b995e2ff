//! The command-line tool: the whole system in one process (`up`), and looks at a running one (`tail`, `status`), at
//! what exchanges send (`decode`, `record`, `replay`) or at this machine (`doctor`).
//!
//! Puts the services together and speaks to people; detects and decodes nothing itself.

mod alerts;
mod args;
mod bench;
mod colour;
mod columns;
mod decode;
mod doctor;
mod healthcheck;
mod record;
mod replay;
mod simulate;
mod status;
mod tail;
mod up;

use std::future::Future;
use std::io::Write as _;

use cascade_bus::RedisUrl;
use cascade_message::line as words;
use cascade_service::config::{Document, Mistakes, Origin, Sources};
use cascade_service::{
    CommonArgs, ServiceSettings, Shutdown, Simulated, ask_on_signal, environment, logs, redis_url,
};
use clap::{CommandFactory, Parser};

use args::{Cli, Command, UpArgs};
use bench::{Bench, E2eArgs};
use doctor::DoctorArgs;
use record::RecordArgs;
use simulate::SimulateArgs;
use status::StatusArgs;
use tail::TailArgs;

/// Done as asked.
const DONE: u8 = 0;
/// Failed while running.
const FAILED: u8 = 1;
/// Wrong usage or configuration.
const REFUSED: u8 = 2;

/// Runs the command of this process's arguments; gives its exit code.
pub fn main() -> u8 {
    match Cli::parse().command {
        Command::Up(args) => up(args),
        Command::Simulate(args) => simulate(&args),
        Command::Healthcheck(args) => block_on(healthcheck::run(&args, environment())),
        Command::Tail(args) => tail(&args),
        Command::Status(args) => status(&args),
        Command::History(args) => {
            on_alerts(&args.common, async |redis, path| alerts::history(&args, redis, path).await)
        }
        Command::Dlq(args) => on_alerts(&args.common, async |redis, _| alerts::dlq(&args, redis).await),
        Command::Mute(args) => on_alerts(&args.common, async |redis, _| alerts::mute(&args, redis).await),
        Command::Unmute(args) => on_alerts(&args.common, async |redis, _| alerts::unmute(&args, redis).await),
        Command::Mutes(args) => on_alerts(&args.common, async |redis, _| alerts::mutes(&args, redis).await),
        Command::Ack(args) => {
            on_alerts(&args.common, async |redis, path| alerts::ack(&args, redis, path).await)
        }
        Command::TestAlert(args) => {
            on_alerts(&args.common, async |redis, _| alerts::trial(&args, redis).await)
        }
        Command::Destinations(args) => destinations(&args),
        Command::Record(args) => record(&args),
        Command::Replay(args) => replay::run(&args, environment()),
        Command::Doctor(args) => doctor(&args),
        Command::Bench(Bench::E2e(args)) => bench(&args),
        Command::Bench(Bench::Part(args)) => bench::part(args),
        Command::Decode(args) => {
            let (mut out, mut err) = (std::io::stdout().lock(), std::io::stderr().lock());
            decode::run(&args, std::io::stdin().lock(), &mut out, &mut err)
        }
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "cascade", &mut std::io::stdout());
            DONE
        }
    }
}

fn up(args: UpArgs) -> u8 {
    let (document, service, mut mistakes) = load(&args.sources(environment()));
    let settings = up::Settings::read(&document, &mut mistakes);
    checked(&mistakes, args.common.check_config, || {
        if !up::shows_table(&args) {
            install_log(&service, &document);
        }
        block_on(up::run(args, settings, service))
    })
}

fn simulate(args: &SimulateArgs) -> u8 {
    if let Some(reason) = SimulateArgs::refusal(&environment()) {
        complain(&reason);
        return REFUSED;
    }
    let (_, service, mistakes) = load(&args.sources(environment()));
    checked(&mistakes, false, || {
        if let Ok(filter) = logs::level(&service.log_level) {
            logs::install(service.log_format, filter);
        }
        block_on(until_signal(|shutdown| simulate::run(args, shutdown)))
    })
}

fn tail(args: &TailArgs) -> u8 {
    let (document, service, mut mistakes) = load(&args.common.sources("up", environment()));
    let redis = redis_url(&document, &mut mistakes);
    checked(&mistakes, args.common.check_config, || {
        install_log(&service, &document);
        block_on(until_signal(|shutdown| tail::run(args, &redis, shutdown)))
    })
}

fn bench(args: &E2eArgs) -> u8 {
    if let Ok(filter) = logs::level("warn") {
        logs::install(logs::LogFormat::Text, filter);
    }
    block_on(until_signal(|shutdown| bench::run(args, shutdown)))
}

/// Runs a command that stops when it is asked to by a signal.
async fn until_signal<F: Future<Output = u8>>(command: impl FnOnce(Shutdown) -> F) -> u8 {
    let (shutdown, over) = (Shutdown::new(), Shutdown::new());
    let signals = match ask_on_signal(shutdown.clone(), over.clone()) {
        Ok(signals) => signals,
        Err(error) => return fail(&error),
    };
    let running = async {
        let code = command(shutdown).await;
        over.request();
        code
    };
    tokio::join!(running, signals).0
}

fn status(args: &StatusArgs) -> u8 {
    let (document, _, mut mistakes) = load(&args.common.sources("up", environment()));
    let redis = redis_url(&document, &mut mistakes);
    checked(&mistakes, args.common.check_config, || block_on(status::run(args, &redis)))
}

/// Runs a command that speaks with the dispatcher, on this Redis; where its history lies, if in a file.
fn on_alerts(common: &CommonArgs, command: impl AsyncFnOnce(&RedisUrl, &str) -> u8) -> u8 {
    let (document, service, mut mistakes) = load(&common.sources("dispatch", environment()));
    let redis = redis_url(&document, &mut mistakes);
    let path = document.text("dispatch.history_path").unwrap_or_default();
    checked(&mistakes, common.check_config, || {
        install_log(&service, &document);
        block_on(command(&redis, path))
    })
}

fn destinations(args: &alerts::DestinationsArgs) -> u8 {
    let (document, service, mut mistakes) = load(&args.common.sources("dispatch", environment()));
    let config = alert_dispatcher::Config::read_any(&document, &mut mistakes);
    checked(&mistakes, args.common.check_config, || {
        install_log(&service, &document);
        block_on(alerts::destinations(args, &config))
    })
}

fn record(args: &RecordArgs) -> u8 {
    let (document, service, mut mistakes) = load(&args.sources(environment()));
    let settings = record::Settings::read(&document, &mut mistakes);
    let simulated = Simulated::read(&document, &mut mistakes);
    checked(&mistakes, args.common.check_config, || {
        install_log(&service, &document);
        simulated.warn();
        let deadline = std::time::Duration::from_secs(service.shutdown_deadline_s);
        block_on(record::run(args, settings, deadline))
    })
}

/// Mistakes in the configuration are among what `doctor` is for; it goes on without them.
fn doctor(args: &DoctorArgs) -> u8 {
    let (document, _, mut mistakes) = load(&args.common.sources("up", environment()));
    let settings = doctor::Settings::read(&document, &mut mistakes);
    if args.common.check_config {
        return checked(&mistakes, true, || DONE);
    }
    if let Some(url) = Simulated::read(&document, &mut mistakes).url() {
        complain(&format!("DEMO: simulated exchanges at {url} are looked at, no real ones (simulator.url)"));
    }
    block_on(doctor::run(args, settings, &mistakes))
}

/// The configuration, with what every command reads of it.
fn load(sources: &Sources) -> (Document, ServiceSettings, Mistakes) {
    let (document, mut mistakes) = Document::load(sources);
    let service = ServiceSettings::read(&document, &mut mistakes);
    (document, service, mistakes)
}

/// Runs the command unless the configuration has mistakes, or only they were asked for.
fn checked(mistakes: &Mistakes, only_check: bool, run: impl FnOnce() -> u8) -> u8 {
    if !mistakes.is_empty() {
        let things = if mistakes.len() == 1 { "mistake" } else { "mistakes" };
        complain(&format!("{} {things} in the configuration:\n{mistakes}", mistakes.len()));
        return REFUSED;
    }
    if only_check {
        say("configuration is valid");
        return DONE;
    }
    run()
}

fn block_on(command: impl Future<Output = u8>) -> u8 {
    match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => {
            let code = runtime.block_on(command);
            runtime.shutdown_timeout(std::time::Duration::from_millis(100));
            code
        }
        Err(error) => fail(&error),
    }
}

/// The log of this process: quiet unless a level was asked for, since what people should see is printed.
fn install_log(service: &ServiceSettings, document: &Document) {
    let asked = document.origin("service.log_level") != Origin::Default;
    let level = if asked { service.log_level.as_str() } else { "warn" };
    if let Ok(filter) = logs::level(level) {
        logs::install(service.log_format, filter);
    }
}

/// A line for the person at the terminal; whether anybody reads it is not our affair.
fn say(text: &str) {
    writeln!(std::io::stdout(), "{text}").ok();
}

/// A line about what is wrong.
fn complain(text: &str) {
    writeln!(std::io::stderr(), "{text}").ok();
}

fn fail(error: &dyn std::error::Error) -> u8 {
    complain(&format!("cascade: {error}"));
    FAILED
}
