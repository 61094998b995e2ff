//! `cascade bench`: how long the system takes, measured on this machine against a floor of the same run.
//!
//! Here what is measured is said and put in order; `site` has the processes, `floor` what they are compared with,
//! `heard` the stopwatch, `report` the table. Decides nothing about cascades and connects to no exchange.

mod floor;
mod heard;
mod process;
mod report;
mod site;

use std::ffi::OsString;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cascade_pace::Clock;
use cascade_service::{BoxError, Shutdown, Supervisor, SystemClock, environment, start};
use cascade_simulator::{Schedule, Volley};
use clap::{Args, Subcommand};

use crate::{DONE, FAILED, REFUSED, complain, say};
use floor::Floor;
use heard::{Figures, Heard};
use report::{Report, Row};
use site::Site;

/// Frames leave no more often than this a second; a faster rate has more liquidations in each.
const MOST_FRAMES: u32 = 5_000;
/// How long nothing may come before what is missing counts as lost, wall time.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it is looked whether everything came, wall time.
const LOOK: Duration = Duration::from_millis(20);
/// Between a phase's being made ready and its first frame, nanoseconds.
const AHEAD_NS: i64 = 50_000_000;

const EXAMPLES: &str = "\
Measures from the moment at which a simulated exchange is meant to write a liquidation to its
socket to the moment at which a subscriber on Redis has the finding that it causes:

  exchange (WebSocket) -> liquidation-ingest -> Redis -> cascade-signals -> PUBLISH -> subscriber

Every liquidation is an order of its own and above the limit of `large_liquidation`, so each one
causes exactly one finding. The loop is open: liquidations leave on a schedule whatever became
of those before, and each counts from when it was meant to leave, so that a stall is in the
figures of all it held up.

`floor` is the same with empty work, at the same rate, taking turns with the system: the encoded
event is XADDed, read by XREAD and PUBLISHed once. What the system takes beyond it is ours; the
floor is Redis', the kernel's and this machine's. Figures of a busy machine say little, ratios
to the floor more.

Redis (a private one each for floor and system), liquidation-ingest and cascade-signals are
processes of their own; the exchange, the subscriber and the floor's relay share this one.

Examples:
  cascade bench e2e
  cascade bench e2e --rate 10000 --seconds 60 --rounds 1
  cascade bench e2e --rate 1000,10000 --json | jq '.rates[] | [.rate, .system.p50_us, .ratio.p50]'

Exit: 0 nothing lost, 1 something was lost or could not be measured, 2 usage.";

/// What can be measured.
#[derive(Debug, Subcommand)]
pub(crate) enum Bench {
    /// From an exchange's socket to a subscriber, beside the floor of the same run
    E2e(E2eArgs),
    /// Run a service as a program of its own, as the benchmark does
    #[command(hide = true)]
    Part(PartArgs),
}

/// The flags of `cascade bench e2e`.
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct E2eArgs {
    /// Liquidations a second, comma-separated; each rate is measured by itself
    #[arg(long, value_name = "N,N", value_delimiter = ',', default_values_t = [1_000, 10_000, 50_000],
          value_parser = clap::value_parser!(u32).range(1..=200_000))]
    rate: Vec<u32>,

    /// How long each phase lasts, in seconds
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=600))]
    seconds: u32,

    /// How often floor and system take turns at each rate
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=20))]
    rounds: u32,

    /// How many markets there are; at least one for each thousand liquidations a second
    #[arg(long, value_name = "N", default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..=5_000))]
    symbols: u32,

    /// Print everything as one JSON object; the table goes to stderr
    #[arg(long)]
    json: bool,
}

/// What `cascade bench part` is told: a service and its own arguments.
#[derive(Clone, Debug, Args)]
#[command(disable_help_flag = true)]
pub(crate) struct PartArgs {
    program: String,
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

impl E2eArgs {
    /// What can't be measured so.
    fn mistake(&self) -> Option<String> {
        let fastest = self.rate.iter().copied().max().unwrap_or_default();
        let needed = fastest.div_ceil(1_000);
        if self.symbols < needed {
            return Some(format!(
                "--symbols {}: {fastest} liquidations a second need {needed} markets, or two of one market would \
                 share a millisecond and be one order",
                self.symbols
            ));
        }
        let phases = u64::from(self.seconds) * u64::from(self.rounds) * 2;
        let numbers: u64 = self.rate.iter().map(|rate| u64::from(*rate) * phases).sum();
        (numbers > Volley::NUMBERS).then(|| {
            format!(
                "{numbers} liquidations are more than can be told apart ({}): fewer rates, seconds or rounds",
                Volley::NUMBERS
            )
        })
    }
}

/// Runs a service as its own program does. Returns its exit code.
pub(crate) fn part(args: PartArgs) -> u8 {
    let arguments = std::iter::once(OsString::from(&args.program)).chain(args.arguments);
    match args.program.as_str() {
        "liquidation-ingest" => {
            start(&liquidation_ingest::PROGRAM, arguments, environment(), liquidation_ingest::run)
        }
        "cascade-signals" => start(&cascade_signals::PROGRAM, arguments, environment(), cascade_signals::run),
        other => {
            complain(&format!("`{other}` is no service"));
            REFUSED
        }
    }
}

/// Measures and prints. Returns the exit code: 0; 1 if something was lost, or could not be measured.
pub(crate) async fn run(args: &E2eArgs, shutdown: Shutdown) -> u8 {
    if let Some(mistake) = args.mistake() {
        complain(&format!("cascade: {mistake}"));
        return REFUSED;
    }
    let measured = tokio::select! {
        biased;
        () = shutdown.requested() => Err("stopped before the end".into()),
        measured = measure(args) => measured,
    };
    let report = match measured {
        Ok(report) => report,
        Err(error) => {
            complain(&format!("cascade: {error}"));
            return FAILED;
        }
    };
    if args.json {
        complain(&report.table());
        say(&report.json().to_string());
    } else {
        say(&report.table());
    }
    if report.lost() == 0 { DONE } else { FAILED }
}

async fn measure(args: &E2eArgs) -> Result<Report, BoxError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    // Its tasks end when it is dropped.
    let mut tasks = Supervisor::new(&Shutdown::new(), PATIENCE);
    complain(&format!("{} markets; starting Redis, liquidation-ingest and cascade-signals", args.symbols));
    let site = Site::start(args.symbols, &clock, &mut tasks).await?;
    let mut report = Report::new(args.symbols, site.memory()?);
    let mut first = 0;
    for rate in args.rate.iter().copied() {
        let per_frame = rate.div_ceil(MOST_FRAMES);
        let frames = (u64::from(rate) * u64::from(args.seconds)).div_ceil(u64::from(per_frame));
        let mut row = Row::new(rate)?;
        for round in 1..=args.rounds {
            for what in ["floor", "system"] {
                complain(&format!("{rate}/s, {} s, {what} (round {round} of {})", args.seconds, args.rounds));
                let schedule =
                    Schedule { start_ns: clock.now_ns() + AHEAD_NS, rate, per_frame, frames, first };
                first += schedule.events();
                if what == "floor" {
                    // A Redis of its own, gone when the phase is over.
                    let floor = Floor::start(&clock).await?;
                    let schedule = Schedule { start_ns: clock.now_ns() + AHEAD_NS, ..schedule };
                    let fire = floor.fire(args.symbols);
                    row.floor.add(play(schedule, &clock, &floor.heard, fire).await?)?;
                } else {
                    let volley = Arc::clone(&site.volley);
                    let fire = move |schedule: &Schedule, frame| volley.fire(schedule, frame);
                    row.system.add(play(schedule, &clock, &site.heard, fire).await?)?;
                }
            }
        }
        row.memory = site.memory()?;
        row.stages = site.stages().await?;
        report.rows.push(row);
    }
    Ok(report)
}

/// Stops the thread that sends when nobody waits for it any more.
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Plays a schedule on a thread of its own, waits for what it caused, and says what came of it.
async fn play(
    schedule: Schedule,
    clock: &Arc<dyn Clock>,
    heard: &Heard,
    mut fire: impl FnMut(&Schedule, u64) -> u64 + Send + 'static,
) -> Result<Figures, BoxError> {
    heard.begin(schedule)?;
    let stop = Arc::new(AtomicBool::new(false));
    let (_guard, clock) = (StopOnDrop(Arc::clone(&stop)), Arc::clone(clock));
    let playing = tokio::task::spawn_blocking(move || {
        let mut sent = 0;
        schedule.play(&*clock, &stop, |frame| sent += fire(&schedule, frame));
        sent
    });
    let sent = playing.await?;
    let (mut received, mut quiet) = (heard.received(), Duration::ZERO);
    while received < sent && quiet < PATIENCE {
        tokio::time::sleep(LOOK).await;
        let now = heard.received();
        quiet = if now == received { quiet + LOOK } else { Duration::ZERO };
        received = now;
    }
    heard.end(sent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        args: E2eArgs,
    }

    fn args(words: &[&str]) -> E2eArgs {
        Cli::try_parse_from([&["bench"], words].concat()).unwrap().args
    }

    #[test]
    fn what_can_not_be_told_apart_is_refused() {
        assert_eq!(args(&[]).mistake(), None);
        let few = args(&["--rate", "200,50000", "--symbols", "49"]).mistake().unwrap();
        assert!(few.contains("need 50 markets"), "{few}");
        let many = args(&["--rate", "50000,50000", "--seconds", "600"]).mistake().unwrap();
        assert!(many.contains("240000000 liquidations"), "{many}");
    }
}
