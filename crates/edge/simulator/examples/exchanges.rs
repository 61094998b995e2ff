//! The four simulated exchanges as a process of their own, for measuring those who read them.
//!
//! `cargo run --release -p cascade-simulator --example exchanges -- --scenario storm --speed 1`
//!
//! Prints JSON, one object a line: first the venues' addresses, then every ten seconds and at the end what happened so
//! far. The scenario begins with the first line on standard input, or after `--start-after-s` (10); every further line
//! asks what happened so far. Ends with the scenario, or when standard input does. `--file PATH` plays a scenario of
//! one's own.

use std::error::Error;
use std::io::{BufRead, Write};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use cascade_domain::{EventTime, Venue};
use cascade_pace::Clock;
use cascade_simulator::{Scenario, Simulator, Tally};
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;

/// How often it tells what happened, on the wall.
const BEAT: Duration = Duration::from_secs(10);
/// How often it looks whether the scenario is over, on the wall.
const LOOK: Duration = Duration::from_millis(100);

/// The machine's clock, or one so many times as fast.
#[derive(Debug)]
struct WallClock {
    began: Instant,
    anchor_ns: i64,
    speed: u32,
}

impl WallClock {
    #[expect(clippy::disallowed_methods, reason = "the one clock of this process")]
    fn new(speed: u32) -> Result<Self, Box<dyn Error>> {
        let anchor = SystemTime::now().duration_since(UNIX_EPOCH)?;
        Ok(Self { began: Instant::now(), anchor_ns: i64::try_from(anchor.as_nanos())?, speed })
    }
}

impl Clock for WallClock {
    fn now_ns(&self) -> i64 {
        let elapsed = self.began.elapsed() * self.speed;
        self.anchor_ns.saturating_add(i64::try_from(elapsed.as_nanos()).unwrap_or(i64::MAX))
    }

    fn wall(&self, of_clock: Duration) -> Duration {
        of_clock / self.speed
    }
}

struct Arguments {
    scenario: Scenario,
    seed: u64,
    speed: u32,
    start_after_s: u64,
}

impl Arguments {
    fn read(mut words: impl Iterator<Item = String>) -> Result<Self, Box<dyn Error>> {
        let (mut name, mut file) = ("storm".to_owned(), None);
        let (mut seed, mut times, mut start_after_s) = (7, 1, 10);
        while let Some(flag) = words.next() {
            let value = words.next().ok_or_else(|| format!("{flag} needs a value"))?;
            match flag.as_str() {
                "--scenario" => name = value,
                "--file" => file = Some(value),
                "--seed" => seed = value.parse()?,
                "--speed" => times = value.parse()?,
                "--start-after-s" => start_after_s = value.parse()?,
                _ => return Err(format!("unknown flag {flag}").into()),
            }
        }
        if times == 0 {
            return Err("--speed is 0".into());
        }
        let scenario = match file {
            Some(path) => Scenario::parse(&std::fs::read_to_string(path)?)?,
            None => Scenario::named(&name).ok_or_else(|| format!("no scenario `{name}`"))?,
        };
        Ok(Self { scenario, seed, speed: times, start_after_s })
    }
}

/// What comes in on standard input; its end is the channel's.
#[expect(clippy::disallowed_methods, reason = "a thread that waits for input, in an example")]
fn lines() -> mpsc::Receiver<()> {
    let (sender, lines) = mpsc::channel(16);
    std::thread::spawn(move || {
        let mut input = std::io::stdin().lock().lines();
        while let Some(Ok(_)) = input.next() {
            if sender.blocking_send(()).is_err() {
                return;
            }
        }
    });
    lines
}

fn say(line: &Value) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

fn by_venue(value: impl Fn(Venue) -> Value) -> Value {
    Venue::ALL.into_iter().map(|venue| (venue.to_string(), value(venue))).collect::<Map<_, _>>().into()
}

fn addresses(simulator: &Simulator, arguments: &Arguments) -> Value {
    let venues = by_venue(|venue| {
        let endpoints = simulator.endpoints(venue);
        json!({"ws_url": endpoints.ws_url, "rest_url": endpoints.rest_url, "coinm_rest_url": endpoints.coinm_rest_url})
    });
    let scenario = simulator.scenario();
    json!({
        "scenario": scenario.name(), "duration_s": scenario.duration_s(), "seed": arguments.seed,
        "speed": arguments.speed, "venues": venues,
    })
}

/// What happened so far.
fn so_far(simulator: &Simulator, clock: &WallClock) -> Value {
    let truth = simulator.truth();
    let tally = |t: Tally| json!({"orders": t.orders, "usd": t.usd});
    let venues = by_venue(|venue| {
        let shown = truth.venues.get(&venue).copied().unwrap_or_default();
        json!({
            "real": tally(shown.real), "published": tally(shown.published), "withheld": tally(simulator.withheld(venue)),
            "trades": simulator.trades(venue), "connections": simulator.connections(venue),
            "opened": simulator.opened(venue), "refused_for_rate": simulator.refused_for_rate(venue),
            "slow_readers": simulator.slow_readers(venue),
        })
    });
    let since = |at: EventTime| clock.now().since(at);
    json!({
        "elapsed_ms": simulator.started_at().map(since), "over": simulator.is_over(), "cpu_ms": cpu_ms(),
        "resident_kb": resident_kb(), "venues": venues,
    })
}

/// The processor time of this process so far; none where there is no `/proc`.
fn cpu_ms() -> Option<u64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |index: usize| fields.get(index)?.parse::<u64>().ok();
    // Ticks of 10 ms.
    Some((ticks(11)? + ticks(12)?) * 10)
}

/// The memory of this process; none where there is no `/proc`.
fn resident_kb() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Starts the scenario in time and tells of it until it is over or standard input ends.
async fn play(simulator: &Simulator, clock: &WallClock, start_after: Duration) -> std::io::Result<()> {
    let mut lines = lines();
    let mut start = std::pin::pin!(tokio::time::sleep(start_after));
    let mut beat = tokio::time::interval(BEAT);
    beat.tick().await;
    let mut look = tokio::time::interval(LOOK);
    while !simulator.is_over() {
        tokio::select! {
            line = lines.recv() => match line {
                Some(()) if simulator.started_at().is_none() => simulator.start(),
                Some(()) => say(&so_far(simulator, clock))?,
                None => break,
            },
            () = &mut start, if simulator.started_at().is_none() => simulator.start(),
            _ = beat.tick() => say(&so_far(simulator, clock))?,
            _ = look.tick() => {}
        }
    }
    say(&so_far(simulator, clock))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::read(std::env::args().skip(1))?;
    let clock = Arc::new(WallClock::new(arguments.speed)?);
    let shared: Arc<dyn Clock> = Arc::clone(&clock) as _;
    let simulator = Arc::new(Simulator::bind(arguments.scenario.clone(), arguments.seed, shared).await?);
    say(&addresses(&simulator, &arguments))?;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = Arc::clone(&simulator).run(async {
        stopped.await.ok();
    });
    #[expect(clippy::disallowed_methods, reason = "the exchanges are an own task, in an example")]
    let running = tokio::spawn(running);
    let played = play(&simulator, &clock, Duration::from_secs(arguments.start_after_s)).await;
    drop(stop);
    running.await??;
    Ok(played?)
}
