//! `cascade record`: what the exchanges send, or what the shard streams carry, to compressed files of JSON lines
//! (docs/recording.md).
//!
//! Puts readers, queue and writer together and speaks to the person at the terminal. Decodes and detects nothing.

mod archive;
mod events;
mod frames;
mod line;
mod queue;
mod shelf;
mod writer;

use std::fmt::Display;
use std::io::{self, IsTerminal, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use cascade_bus::{Bus, BusSettings};
use cascade_domain::Venue;
use cascade_pace::Clock;
use cascade_service::config::{Document, Mistakes};
use cascade_service::{
    BoxError, CommonArgs, Shutdown, Supervisor, SystemClock, TaskError, VenueSettings, ask_on_signal,
    random_seed,
};
use cascade_venues::Wanted;

use crate::{DONE, FAILED, REFUSED};
use events::{Beginning, Streams};
use frames::Reader;
use line::Source;
pub(crate) use line::{FORMAT, Kind};
use queue::{Lines, Queue, Tally};
use shelf::Shelf;
use writer::{Rotation, Writer};

/// How often the clock is looked at, and the progress shown.
const EVERY: Duration = Duration::from_secs(1);
/// Exchanges get seeds so far apart that no two connections have the same.
const SEEDS_APART: usize = 1000;
/// What sessions and writer may take to end, at least.
const GRACE: Duration = Duration::from_secs(10);

const EXAMPLES: &str = "\
frames: what the exchanges send, word for word, with their instruments; needs no Redis.
events: what the shard streams on Redis carry, each with its shard and the id of its entry.

Examples:
  cascade record --as frames --out recordings
  cascade record --as frames --out recordings --symbols all --exchanges binance,bybit --keep-gb 20
  cascade record --as frames --out recordings --for 10m --rotate-minutes 5
  cascade record --as events --out recordings --from start --redis-url redis://127.0.0.1:6379

Read one:
  zstd -dc recordings/frames-*.jsonl.zst \\
    | jq -r 'select(.venue == \"bybit\" and .conn != \"rest\") | .frame // empty' \\
    | cascade decode --venue bybit

Files are called after the second (UTC) in which they begin: frames-20261121T131500Z.jsonl.zst
While a file is written, and if its recorder was killed, its name ends in .part: then it can be
read up to its last five seconds. Ctrl-C ends a recording well.

Exit: 0 stopped, 1 the disk or Redis failed, 2 usage or configuration.";

/// The flags of `cascade record`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct RecordArgs {
    /// What to record
    #[arg(long = "as", value_enum, value_name = "WHAT")]
    kind: Kind,

    /// The directory to write to; made if it is not there
    #[arg(long, value_name = "DIR")]
    out: PathBuf,

    /// The markets to record, as BASE + USDT, comma-separated; or "all" (frames)
    #[arg(long, value_name = "SYMBOLS")]
    pub(crate) symbols: Option<String>,

    /// The exchanges to record, comma-separated (frames)
    #[arg(long, value_name = "EXCHANGES")]
    pub(crate) exchanges: Option<String>,

    /// Where in the streams to begin (events)
    #[arg(long, value_enum, value_name = "WHERE")]
    from: Option<Beginning>,

    /// Begin a new file when one has so many megabytes, compressed
    #[arg(long, value_name = "MB", default_value = "256", value_parser = amount)]
    rotate_mb: f64,

    /// Begin a new file after so many minutes
    #[arg(long, value_name = "MINUTES", default_value = "60", value_parser = amount)]
    rotate_minutes: f64,

    /// Delete the oldest files of this kind in DIR when all of them together have more gigabytes than this
    #[arg(long, value_name = "GB", value_parser = amount)]
    keep_gb: Option<f64>,

    /// Stop after this time: 90s, 10m, 2h, 1d
    #[arg(long = "for", value_name = "TIME", value_parser = span)]
    length: Option<Duration>,

    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

/// A number above zero.
fn amount(text: &str) -> Result<f64, String> {
    let read = text.parse::<f64>().ok().filter(|number| number.is_finite() && *number > 0.0);
    read.ok_or_else(|| "a number above 0 is expected, e.g. 256 or 0.5".to_owned())
}

/// A length of time with its unit.
fn span(text: &str) -> Result<Duration, String> {
    let seconds = |unit| match unit {
        "s" => Some(1),
        "m" => Some(60),
        "h" => Some(3_600),
        "d" => Some(86_400),
        _ => None,
    };
    let (number, unit) = text.split_at(text.trim_end_matches(|c: char| c.is_ascii_alphabetic()).len());
    let whole = number.parse::<u64>().ok().filter(|number| *number > 0);
    let length = whole.zip(seconds(unit)).and_then(|(number, unit)| number.checked_mul(unit));
    length.map(Duration::from_secs).ok_or_else(|| "a time is expected, e.g. 90s, 10m, 2h or 1d".to_owned())
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "above zero; saturates")]
fn scaled(amount: f64, unit: f64) -> u64 {
    (amount * unit).max(1.0) as u64
}

impl RecordArgs {
    fn rotation(&self) -> Rotation {
        Rotation {
            bytes: scaled(self.rotate_mb, 1e6),
            age_ms: i64::try_from(scaled(self.rotate_minutes, 60e3)).unwrap_or(i64::MAX),
            keep: self.keep_gb.map(|gb| scaled(gb, 1e9)),
        }
    }

    /// A flag that would change nothing for what is recorded.
    fn useless(&self) -> Option<&'static str> {
        match self.kind {
            Kind::Frames => self.from.map(|_| "--from is for --as events: an exchange sends from now on"),
            Kind::Events if self.symbols.is_some() || self.exchanges.is_some() => Some(
                "--symbols and --exchanges are for --as frames: a recording of the streams holds all of them",
            ),
            Kind::Events => None,
        }
    }
}

/// What is read of the configuration.
pub(crate) fn settings(document: &Document, mistakes: &mut Mistakes) -> liquidation_ingest::Config {
    liquidation_ingest::Config::read(document, mistakes)
}

/// Records until it is stopped. Returns the exit code: 0; 1 if Redis does not answer at the start or a file can't be
/// written; 2 for flags that do not go together.
pub(crate) async fn run(args: &RecordArgs, config: liquidation_ingest::Config, deadline: Duration) -> u8 {
    if let Some(reason) = args.useless() {
        say(reason);
        return REFUSED;
    }
    let tally = Arc::new(Tally::default());
    let ended = record(args, config, deadline, &tally).await;
    clear_progress();
    if tally.files.load(Ordering::Relaxed) > 0 {
        say(&summary(&tally, &args.out.display()));
    }
    match ended {
        Ok(()) => DONE,
        Err(error) => {
            say(&error.to_string());
            FAILED
        }
    }
}

async fn record(
    args: &RecordArgs,
    config: liquidation_ingest::Config,
    deadline: Duration,
    tally: &Arc<Tally>,
) -> Result<(), BoxError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let (queue, lines) = queue::queue(tally);
    let shutdown = Shutdown::new();
    let mut supervisor = Supervisor::new(&shutdown, deadline + GRACE);
    let stop = supervisor.shutdown();
    supervisor.spawn("signals", ask_on_signal(shutdown.clone(), stop.clone())?);

    let recording = Recording { args, config, clock: &clock, queue: &queue };
    let (header, told) = match args.kind {
        Kind::Frames => recording.frames(&mut supervisor)?,
        Kind::Events => recording.events(&mut supervisor).await?,
    };
    let shelf = Shelf::open(&args.out, args.kind)?;
    let abandoned = shelf.abandoned()?;
    let writer = Writer::begin(shelf, args.rotation(), header.header(), clock, Arc::clone(tally))?;
    supervisor.spawn("writer", write(writer, lines));
    if !abandoned.is_empty() {
        say(&format!("left by recorders that were killed, readable up to there: {}", abandoned.join(", ")));
    }
    say(&format!("recording {told} to {}; Ctrl-C ends it", args.out.display()));

    let (watched, asked) = (Arc::clone(tally), stop.clone());
    supervisor.spawn("progress", watch(queue, watched, asked));
    if let Some(length) = args.length {
        supervisor.spawn("timer", async move {
            tokio::select! {
                () = stop.requested() => {}
                () = tokio::time::sleep(length) => shutdown.request(),
            }
            Ok(())
        });
    }
    supervisor.run().await.map_err(|error| match error {
        TaskError::Failed { reason, .. } => reason,
        other => other.into(),
    })
}

/// What the readers need.
struct Recording<'a> {
    args: &'a RecordArgs,
    config: liquidation_ingest::Config,
    clock: &'a Arc<dyn Clock>,
    queue: &'a Queue,
}

impl Recording<'_> {
    /// Starts a reader for each exchange; gives what the files say of themselves, and what the person is told.
    fn frames(self, supervisor: &mut Supervisor) -> Result<(Source, String), BoxError> {
        let exchanges = self.config.markets.exchanges.clone();
        let seed = random_seed()?;
        let mut symbols = None;
        for (venue, seed) in exchanges.iter().zip((seed..).step_by(SEEDS_APART)) {
            let wanted = self.config.markets.wanted(*venue);
            symbols.clone_from(&names(&wanted));
            let section = self.config.markets.venues.get(venue).map(VenueSettings::endpoints);
            let reader = Reader {
                venue: *venue,
                endpoints: section.ok_or("a venue without a section")?,
                wanted,
                refresh: self.config.markets.instruments_refresh,
                clock: Arc::clone(self.clock),
                seed,
                queue: self.queue.clone(),
            };
            supervisor.spawn(venue.as_str(), reader.run(supervisor.shutdown()));
        }
        let told = exchanges.iter().map(|venue| venue.as_str()).collect::<Vec<_>>().join(", ");
        Ok((Source::Frames { symbols, exchanges }, format!("frames of {told}")))
    }

    /// Starts the reader of the streams.
    async fn events(self, supervisor: &mut Supervisor) -> Result<(Source, String), BoxError> {
        let url = &self.config.redis_url;
        let seed = random_seed()?;
        let instance = format!("record-{seed:016x}");
        let bus = Bus::open(url.as_str(), BusSettings { instance, seed, ..BusSettings::default() })?;
        let from = self.args.from.unwrap_or_default();
        let streams = Streams::open(bus, from, Arc::clone(self.clock), self.queue.clone()).await;
        let streams = streams.map_err(|error| {
            format!(
                "{url}: {error}; start everything with `cascade up`, or name the Redis to record: --redis-url URL"
            )
        })?;
        supervisor.spawn("streams", streams.run(supervisor.shutdown()));
        let source = Source::Events { from: from.as_str(), redis: url.to_string() };
        Ok((source, format!("the shard streams of {url} from {}", from.as_str())))
    }
}

fn names(wanted: &Wanted) -> Option<Vec<String>> {
    Some(wanted.symbols.as_ref()?.iter().map(|symbol| symbol.as_str().to_owned()).collect())
}

/// Lets the writer run on a thread of its own.
async fn write(writer: Writer, lines: Lines) -> Result<(), BoxError> {
    Ok(tokio::task::spawn_blocking(move || writer.run(lines)).await??)
}

/// Has the writer look at the clock every second, and shows on a terminal how far it is.
async fn watch(queue: Queue, tally: Arc<Tally>, stop: Shutdown) -> Result<(), BoxError> {
    let shows = io::stderr().is_terminal();
    let mut before = 0;
    loop {
        tokio::select! {
            () = stop.requested() => return Ok(()),
            () = tokio::time::sleep(EVERY) => {}
        }
        queue.look();
        let lines = tally.lines.load(Ordering::Relaxed);
        if shows {
            show_progress(&tally, lines - before);
        }
        before = lines;
    }
}

fn show_progress(tally: &Tally, a_second: u64) {
    let (files, bytes) = (tally.files.load(Ordering::Relaxed), tally.bytes());
    let lost = tally.lost.load(Ordering::Relaxed);
    let lost = if lost == 0 { String::new() } else { format!(", {lost} lost") };
    let text = format!("{}, {a_second} lines/s, {}{lost}", counted(files, "file"), megabytes(bytes));
    write!(io::stderr(), "\r\u{1b}[K{text}\r").ok();
}

fn clear_progress() {
    if io::stderr().is_terminal() {
        write!(io::stderr(), "\r\u{1b}[K").ok();
    }
}

/// `12 lines in 1 file, 0.1 MB in DIR (bybit 7, okx 5), 0 lost`.
fn summary(tally: &Tally, dir: &impl Display) -> String {
    let of = |count: &std::sync::atomic::AtomicU64| count.load(Ordering::Relaxed);
    let named = |(venue, count): (Venue, u64)| (count > 0).then(|| format!("{venue} {count}"));
    let frames: Vec<String> = tally.frames().filter_map(named).collect();
    let frames = if frames.is_empty() { String::new() } else { format!(" ({} frames)", frames.join(", ")) };
    let mut text = format!(
        "{} in {}, {} in {dir}{frames}, {} lost",
        counted(of(&tally.lines), "line"),
        counted(of(&tally.files), "file"),
        megabytes(tally.bytes()),
        of(&tally.lost)
    );
    for (count, what) in
        [(of(&tally.refused), "refused on Redis"), (of(&tally.not_understood), "not understood here")]
    {
        if count > 0 {
            text = format!("{text}, {count} {what}");
        }
    }
    text
}

fn counted(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// Megabytes with one decimal.
fn megabytes(bytes: u64) -> String {
    let tenths = bytes.saturating_add(50_000) / 100_000;
    format!("{}.{} MB", tenths / 10, tenths % 10)
}

/// A line for the person at the terminal, over the progress; if nobody reads it, that is no reason to stop.
fn say(text: &str) {
    let clear = if io::stderr().is_terminal() { "\r\u{1b}[K" } else { "" };
    writeln!(io::stderr(), "{clear}cascade record: {text}").ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit() {
        let seconds = |text| span(text).ok().map(|length| length.as_secs());
        assert_eq!(["90s", "10m", "2h", "1d"].map(seconds), [Some(90), Some(600), Some(7_200), Some(86_400)]);
        for bad in ["", "10", "m", "0s", "-5m", "1.5h", "10 m", "10x", "99999999999999999999d"] {
            assert!(span(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn amounts_are_above_zero() {
        assert_eq!(amount("0.5"), Ok(0.5));
        for bad in ["0", "-1", "NaN", "inf", "many"] {
            assert!(amount(bad).is_err(), "{bad}");
        }
        assert_eq!((scaled(256.0, 1e6), scaled(1e-9, 1.0), scaled(1e300, 1e9)), (256_000_000, 1, u64::MAX));
    }

    #[test]
    fn sizes_are_short() {
        assert_eq!([0, 49_999, 50_000, 12_340_000].map(megabytes), ["0.0 MB", "0.0 MB", "0.1 MB", "12.3 MB"]);
    }
}
