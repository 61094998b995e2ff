//! What can be asked of the command-line tool.

use cascade_service::config::{Override, Sources};
use cascade_service::{CommonArgs, SystemClock};
use clap::{Args, Parser, Subcommand};

use crate::alerts::{
    AckArgs, DestinationsArgs, DlqArgs, HistoryArgs, MuteArgs, MutesArgs, TrialArgs, UnmuteArgs,
};
use crate::bench::Bench;
use crate::decode::DecodeArgs;
use crate::doctor::DoctorArgs;
use crate::healthcheck::HealthcheckArgs;
use crate::record::RecordArgs;
use crate::replay::ReplayArgs;
use crate::simulate::SimulateArgs;
use crate::status::StatusArgs;
use crate::tail::TailArgs;

const EXAMPLES: &str = "Examples:
  cascade up --demo                     a liquidation cascade on simulated exchanges, three minutes
  cascade up --demo oi-explosion        open interest on the move, 48 minutes (--speed 60: one)
  cascade up                            the live exchanges, until Ctrl-C
  cascade simulate --repeat             simulated exchanges by themselves; CASCADE_SIMULATOR__URL=http://127.0.0.1:9300
                                        has every program read them instead of the real ones
  cascade up --symbols BTCUSDT,DOGEUSDT --exchanges binance,bybit
  cascade tail cascade:critical --json  what is published, as JSON lines
  cascade decode --venue bybit < frames.txt
  cascade record --as frames --out recordings --for 10m
  cascade replay recordings/*.zst       the findings of a recording, the same every time
  cascade history --since 1h            which alerts there were, and who was told
  cascade test-alert                    whether every destination is told
  cascade mute --symbol BTCUSDT --for 1h
  cascade healthcheck alert-dispatcher  whether a program of this machine is ready: exit 0 if it is, else 1
  cascade doctor                        what is wrong on this machine, and how to mend it
  cascade bench e2e                     from an exchange's socket to a subscriber, in milliseconds

Settings come from the built-in defaults, --config, variables CASCADE_<SECTION>__<FIELD> and flags; later wins.
Exit: 0 done, 1 failed while running, 2 usage or configuration.";

/// Detects liquidation cascades on crypto exchanges while they begin
#[derive(Debug, Parser)]
#[command(name = "cascade", version, after_help = EXAMPLES, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the whole system in one process, on the live exchanges or on simulated ones
    Up(UpArgs),
    /// Serve simulated exchanges, for programs that are started by themselves
    Simulate(SimulateArgs),
    /// Print what is published on Redis as it comes
    Tail(TailArgs),
    /// Turn an exchange's raw frames into events: frames on stdin, JSON lines on stdout
    Decode(DecodeArgs),
    /// Write what the exchanges send, or what the shard streams carry, to compressed files
    Record(RecordArgs),
    /// Run the detectors over recordings, without Redis: the same findings every time
    Replay(ReplayArgs),
    /// Show what runs, and how the feeds are
    Status(StatusArgs),
    /// Show which alerts there were, and what became of each at each destination
    History(HistoryArgs),
    /// Show deliveries that no provider would take; put them back on their way, or drop them
    Dlq(DlqArgs),
    /// Tell nobody of some alerts for a while
    Mute(MuteArgs),
    /// Tell of them again
    Unmute(UnmuteArgs),
    /// Show what is muted
    Mutes(MutesArgs),
    /// Take care of an alert: it is not escalated
    Ack(AckArgs),
    /// Send a marked alert to every destination, and say what each made of it
    TestAlert(TrialArgs),
    /// Show who is told of alerts, and ask each provider whether messages will arrive
    Destinations(DestinationsArgs),
    /// Ask a program of this machine whether it is ready
    Healthcheck(HealthcheckArgs),
    /// Say what is wrong on this machine, and how to mend it
    Doctor(DoctorArgs),
    /// Measure how long the system takes on this machine
    #[command(subcommand)]
    Bench(Bench),
    /// Print the completions of a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// Run the whole system in one process
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Where no Redis answers and none was named, a private redis-server is started on 127.0.0.1 \
                        and stopped at the end. A demo always has its own unless --redis-url is given."
)]
pub(crate) struct UpArgs {
    /// The markets to read, as BASE + USDT, comma-separated; or "all"
    #[arg(long, value_name = "SYMBOLS")]
    pub(crate) symbols: Option<String>,

    /// The exchanges to read, comma-separated
    #[arg(long, value_name = "EXCHANGES")]
    pub(crate) exchanges: Option<String>,

    /// Read simulated exchanges that play this scenario over real WebSockets; `cascade` if none is named. busy-day: an
    /// hour that must stay below ALERT; dead-feed: Binance falls silent in a cascade; oi-explosion: open interest
    /// explodes and collapses in 48 minutes without a cascade; storm: ten minutes of load
    #[arg(long, value_name = "NAME", num_args = 0..=1, default_missing_value = "cascade",
          value_parser = clap::builder::PossibleValuesParser::new(cascade_simulator::Scenario::NAMES.iter().copied()))]
    pub(crate) demo: Option<String>,

    /// Let the one clock of the process run so many times as fast (with --demo)
    #[arg(long, value_name = "N", requires = "demo", default_value_t = 1.0, value_parser = speed)]
    pub(crate) speed: f64,

    /// Stop when the scenario is over, print what was expected and what was seen; exit 0 only if they agree (with --demo)
    #[arg(long, requires = "demo")]
    pub(crate) once: bool,

    /// Send a demo's alerts, marked DEMO, to the configured destinations too (with --demo)
    #[arg(long, requires = "demo")]
    pub(crate) demo_notify: bool,

    /// What the simulated markets are drawn from; the same seed gives the same markets (with --demo)
    #[arg(long, value_name = "N", requires = "demo", default_value_t = 1)]
    pub(crate) seed: u64,

    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

impl UpArgs {
    /// The layers of the configuration.
    pub(crate) fn sources(&self, environment: Vec<(String, String)>) -> Sources {
        let mut sources = what_to_read(
            self.common.sources("up", environment),
            self.symbols.as_deref(),
            self.exchanges.as_deref(),
        );
        if self.demo.is_some() {
            // A demo of its own has simulated exchanges of its own.
            sources.overrides.push(Override {
                key: "simulator.url".to_owned(),
                text: String::new(),
                flag: "--demo".to_owned(),
            });
        }
        sources
    }
}

impl RecordArgs {
    /// The layers of the configuration.
    pub(crate) fn sources(&self, environment: Vec<(String, String)>) -> Sources {
        what_to_read(
            self.common.sources("up", environment),
            self.symbols.as_deref(),
            self.exchanges.as_deref(),
        )
    }
}

/// The layers with what `--symbols` and `--exchanges` say.
fn what_to_read(mut sources: Sources, symbols: Option<&str>, exchanges: Option<&str>) -> Sources {
    let of = |key: &str, text: Option<&str>, flag: &str| {
        text.map(|text| Override { key: key.to_owned(), text: text.to_owned(), flag: flag.to_owned() })
    };
    sources.overrides.extend(of("ingest.symbols", symbols, "--symbols"));
    sources.overrides.extend(of("ingest.exchanges", exchanges, "--exchanges"));
    sources
}

/// A speed that a clock can have.
fn speed(text: &str) -> Result<f64, String> {
    let speed = text.parse().map_err(|_| "a number is expected, e.g. 8".to_owned())?;
    SystemClock::try_new(speed).map(|clock| clock.speed()).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use cascade_service::Simulated;
    use cascade_service::config::Document;
    use clap::CommandFactory;

    #[test]
    fn the_arguments_hold_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_demo_without_a_name_is_the_cascade() {
        let cli = Cli::try_parse_from(["cascade", "up", "--demo", "--once"]).unwrap();
        let Command::Up(up) = cli.command else { panic!("not up") };
        assert_eq!((up.demo.as_deref(), up.once, up.seed), (Some("cascade"), true, 1));
        assert!(Cli::try_parse_from(["cascade", "up", "--once"]).is_err(), "once is for demos");
        assert!(Cli::try_parse_from(["cascade", "up", "--demo", "crash"]).is_err(), "no such scenario");
    }

    #[test]
    fn a_demo_of_its_own_reads_no_other_simulator() {
        let environment = vec![("CASCADE_SIMULATOR__URL".to_owned(), "http://simulator:9300".to_owned())];
        for (arguments, url) in
            [(&["cascade", "up"][..], Some("http://simulator:9300")), (&["cascade", "up", "--demo"], None)]
        {
            let Command::Up(up) = Cli::try_parse_from(arguments).unwrap().command else { panic!("not up") };
            let (document, mut mistakes) = Document::load(&up.sources(environment.clone()));
            assert_eq!(Simulated::read(&document, &mut mistakes).url(), url, "{arguments:?}");
            assert!(mistakes.is_empty(), "{mistakes}");
        }
    }

    #[test]
    fn a_speed_that_no_clock_can_have_is_refused() {
        for speed in ["0", "-1", "1001", "NaN", "fast"] {
            let speed = format!("--speed={speed}");
            let refused = Cli::try_parse_from(["cascade", "up", "--demo", &speed]).unwrap_err();
            assert!(refused.to_string().contains("number"), "{refused}");
        }
        assert!(Cli::try_parse_from(["cascade", "up", "--demo", "--speed", "0.5"]).is_ok());
    }

    #[test]
    fn a_flag_that_would_change_nothing_is_refused() {
        for command in [&["decode", "--venue", "bybit"][..], &["completions", "bash"]] {
            let arguments = [&["cascade"], command, &["--check-config"]].concat();
            assert!(Cli::try_parse_from(arguments).is_err(), "{command:?}");
        }
        for command in ["up", "tail", "status", "doctor"] {
            assert!(Cli::try_parse_from(["cascade", command, "--check-config"]).is_ok(), "{command}");
        }
    }
}
