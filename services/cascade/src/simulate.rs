//! `cascade simulate`: the four exchanges' wire formats over real WebSockets and HTTP, for programs that are started by
//! themselves.
//!
//! Reads neither Redis nor exchanges, and detects nothing: it only plays.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use cascade_pace::Clock;
use cascade_service::config::{Override, Sources};
use cascade_service::logs::LogFormat;
use cascade_service::{Shutdown, SystemClock};
use cascade_simulator::{Scenario, Simulator, SimulatorError};
use clap::ValueEnum as _;

use crate::{DONE, fail, say};

/// Where it serves, if it is not told.
pub(crate) const LISTEN: &str = "127.0.0.1:9300";
/// What leads every program to simulated exchanges.
const VARIABLE: &str = "CASCADE_SIMULATOR__URL";

const EXAMPLES: &str = "\
Examples:
  cascade simulate --repeat
  cascade simulate --listen 0.0.0.0:9300 --scenario dead-feed --start-after-s 60

Every program reads it instead of the real exchanges when it is told where it is, by simulator.url:
  CASCADE_SIMULATOR__URL=http://127.0.0.1:9300 CASCADE_DISPATCH__STDOUT=true cascade up
Serves /health/live and /health/ready too. Logs when a play begins and ends.

Exit: 0 stopped, 1 the address can't be had, 2 usage.";

/// The flags of `cascade simulate`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct SimulateArgs {
    /// Where to serve; port 0 picks a free port and prints it
    #[arg(long, value_name = "HOST:PORT", default_value = LISTEN)]
    pub(crate) listen: String,

    /// What to play
    #[arg(long, value_name = "NAME", default_value = "cascade",
          value_parser = clap::builder::PossibleValuesParser::new(Scenario::NAMES.iter().copied()))]
    scenario: String,

    /// What the markets are drawn from; the same seed gives the same markets
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    /// How long the markets are quiet before the scenario begins, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 20)]
    start_after_s: u64,

    /// Play it again and again, with connections kept; else the exchanges stay open and quiet when it is over
    #[arg(long)]
    repeat: bool,

    /// How long the markets are quiet between two plays, in seconds, at least (with --repeat)
    #[arg(long, value_name = "SECONDS", requires = "repeat", default_value_t = 60,
          value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pause_s: u64,

    /// How to write the log to stderr
    #[arg(long, value_enum, value_name = "FORMAT")]
    log_format: Option<LogFormat>,
}

impl SimulateArgs {
    /// The layers of the configuration, of which only section `[service]` is read.
    pub(crate) fn sources(&self, environment: Vec<(String, String)>) -> Sources {
        let ours = |(name, _): &(String, String)| name.starts_with("CASCADE_SERVICE__");
        let environment = environment.into_iter().filter(ours).collect();
        let format = self.log_format.and_then(|format| format.to_possible_value());
        let overrides = format.map(|format| Override {
            key: "service.log_format".to_owned(),
            text: format.get_name().to_owned(),
            flag: "--log-format".to_owned(),
        });
        Sources { environment, overrides: overrides.into_iter().collect(), ..Sources::default() }
    }

    /// Why it shall not run: where the variable is there and empty, everybody else reads the real exchanges, and somebody
    /// believes that this is a demo.
    pub(crate) fn refusal(environment: &[(String, String)]) -> Option<String> {
        let is_empty = environment.iter().any(|(name, text)| name == VARIABLE && text.is_empty());
        is_empty.then(|| {
            format!(
                "cascade simulate: {VARIABLE} is empty, so that the other programs read the real exchanges and nobody would \
                 read these.\nStart a demo with deploy/scripts/start --demo, or with both of\n  \
                 COMPOSE_PROFILES=demo CASCADE_SIMULATOR_URL=http://simulator:9300 docker compose up"
            )
        })
    }
}

/// Serves until it is asked to stop; gives the exit code.
pub(crate) async fn run(args: &SimulateArgs, shutdown: Shutdown) -> u8 {
    match serve(args, shutdown).await {
        Ok(()) => DONE,
        Err(error) => fail(&error),
    }
}

async fn serve(args: &SimulateArgs, shutdown: Shutdown) -> Result<(), SimulatorError> {
    let clock = Arc::new(SystemClock::new()) as Arc<dyn Clock>;
    let Some(scenario) = Scenario::named(&args.scenario) else { return Ok(()) };
    let mut simulator = Simulator::bind_to(&args.listen, scenario, args.seed, clock).await?;
    if args.repeat {
        simulator = simulator.repeating(Duration::from_secs(args.pause_s));
    }
    let simulator = Arc::new(simulator);
    say(&greeting(args, reached(simulator.addr())));
    let asked = shutdown.clone();
    let running = Arc::clone(&simulator).run(async move { asked.requested().await });
    let starting = async {
        tokio::time::sleep(Duration::from_secs(args.start_after_s)).await;
        simulator.start();
        std::future::pending().await
    };
    tokio::select! {
        ended = running => ended,
        never = starting => never,
    }
}

/// Where the exchanges are reached from this machine.
fn reached(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(Ipv4Addr::LOCALHOST.into());
    }
    address
}

fn greeting(args: &SimulateArgs, address: SocketAddr) -> String {
    let SimulateArgs { scenario, seed, start_after_s, pause_s, .. } = args;
    let then = if args.repeat { format!(", again after {pause_s} s each time") } else { String::new() };
    format!(
        "simulated exchanges on http://{address}: `{scenario}` (seed {seed}) begins in {start_after_s} s{then}; \
         read them with {VARIABLE}=http://{address}"
    )
}
