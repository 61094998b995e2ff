//! `cascade replay`: the engines over recordings, without Redis and without a clock. One JSON finding a line; the same
//! input under the same settings gives the same bytes, however it is compressed or cut into batches.
//!
//! Puts reading, engines and output together and speaks to the person at the terminal. Detects nothing itself.

mod engines;
mod frames;
mod input;
mod line;
mod output;
mod play;
mod summary;

use std::io::{self, ErrorKind, Write as _};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;

use cascade_pace::Clock;
use cascade_service::SystemClock;
use cascade_service::config::{Document, Mistakes, Origin, Override, Sources};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::record::Kind;
use crate::{DONE, FAILED, REFUSED};
use frames::Set;
use input::Source;
use output::Output;
use play::Playing;
use summary::Summary;

/// Pieces that wait to be replayed.
const PIECES: usize = 8;

const EXAMPLES: &str = "\
FILE is a recording (cascade record), or JSON lines of events (docs/recording.md); plain, .gz or
.zst, whatever it is called; - is stdin. Several files are read one after the other.

Examples:
  cascade replay recordings/events-*.jsonl.zst > findings.jsonl
  cascade replay --hash recordings/events-20261121T131500Z.jsonl.zst
  cascade replay frames-*.jsonl.zst --set cascade.preset=seed --out seed.jsonl
  cascade replay events-*.jsonl.zst --set open_interest.preset=seed | grep open_interest
  zcat day.jsonl.gz | cascade replay --as events - | jq -c 'select(.state == \"open\")'

Findings come in the order (known_at_ms, symbol, finding, episode, revision, id). A bad line is
named on stderr and counted, and stops nothing. What was found stands in a summary on stderr.

Exit: 0 done, 1 a file can't be read, breaks off or is no recording, or the output can't be written; 2 usage or
configuration.";

/// The flags of `cascade replay`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ReplayArgs {
    /// What to replay, in this order
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,

    /// What the files hold; by default their first line says it
    #[arg(long = "as", value_enum, value_name = "WHAT")]
    kind: Option<Kind>,

    /// Write the findings to this file instead of stdout
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// Print only the SHA-256 of the findings; with --out they are written all the same
    #[arg(long)]
    hash: bool,

    /// Change one setting, e.g. --set cascade.preset=seed; may be given many times
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,

    /// Read settings from this TOML file, over the built-in defaults
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// How many lines are parsed before the engines hear them; changes no finding
    #[arg(long, value_name = "LINES", default_value = "4096")]
    batch: NonZeroUsize,

    /// Write the summary as one JSON object
    #[arg(long)]
    json_summary: bool,
}

impl ReplayArgs {
    /// The configuration, with every mistake of every layer.
    fn document(&self, environment: Vec<(String, String)>) -> (Document, Mistakes) {
        let (mut overrides, mut malformed) = (Vec::new(), Vec::new());
        for setting in &self.settings {
            match setting.split_once('=').map(|(key, text)| (key.trim(), text.trim())) {
                Some((key, text)) if !key.is_empty() => {
                    let (key, text) = (key.to_owned(), text.to_owned());
                    overrides.push(Override { key, text, flag: "--set".to_owned() });
                }
                _ => malformed.push(setting),
            }
        }
        let file = self.config.clone();
        let (document, mut mistakes) =
            Document::load(&Sources { file, environment, overrides, ..Sources::default() });
        for setting in malformed {
            let reason = "write it as KEY=VALUE, e.g. cascade.preset=seed";
            mistakes.push(setting, Origin::Flag("--set".to_owned()), reason);
        }
        (document, mistakes)
    }
}

/// What the settings come to.
struct Settings {
    signals: cascade_signals::Config,
    interest: oi_detector::Config,
    ingest: liquidation_ingest::Config,
    set: Set,
}

/// Replays. Returns the exit code.
pub(crate) fn run(args: &ReplayArgs, environment: Vec<(String, String)>) -> u8 {
    let (document, mut mistakes) = args.document(environment);
    let given = |key: &str| document.origin(key) != Origin::Default;
    let settings = Settings {
        signals: cascade_signals::Config::read(&document, &mut mistakes),
        interest: oi_detector::Config::read(&document, &mut mistakes),
        ingest: liquidation_ingest::Config::read(&document, &mut mistakes),
        set: Set { symbols: given("ingest.symbols"), exchanges: given("ingest.exchanges") },
    };
    crate::checked(&mistakes, false, || replay(args, settings))
}

fn replay(args: &ReplayArgs, settings: Settings) -> u8 {
    let sources = match Source::open_all(&args.files) {
        Ok(sources) => sources,
        Err(reasons) => {
            for reason in reasons {
                say(&reason);
            }
            return FAILED;
        }
    };
    if let Some(out) = &args.out
        && let Some(file) = args.files.iter().find(|file| is_same(file, out))
    {
        say(&format!("{} is read; name another file to write to: --out FILE", file.display()));
        return REFUSED;
    }
    let out = match Output::open(args.out.as_deref(), args.hash) {
        Ok(out) => out,
        Err(error) => {
            say(&format!("can't write {}: {error}", shown(args)));
            return FAILED;
        }
    };
    let clock = SystemClock::new();
    let begun_ns = clock.now_ns();
    let progress = progress(&sources);
    let mut playing = Playing::new(args, settings, out, progress.clone());
    let names: Vec<String> = sources.iter().map(|source| source.name.clone()).collect();
    let (to, pieces) = sync_channel(PIECES);
    let played = std::thread::scope(|scope| {
        let reading = progress.clone();
        scope.spawn(move || sources.into_iter().all(|source| source.send(&reading, &to)));
        playing.all(&names, pieces)
    });
    progress.finish_and_clear();
    let closed = played.and_then(|()| playing.close());
    match closed {
        Ok((hash, mut summary)) => {
            #[expect(clippy::cast_precision_loss, reason = "seconds, for people")]
            let seconds = (clock.now_ns() - begun_ns) as f64 / 1e9;
            (summary.sha256, summary.seconds) = (hash.clone(), seconds);
            let is_recording = summary.is_recording();
            if !is_recording {
                say("no event was found: this is no recording, or not one of what --as says");
            }
            told(args, &summary);
            if args.hash && is_recording {
                crate::say(&hash);
            }
            if summary.broken_files > 0 || !is_recording { FAILED } else { DONE }
        }
        Err(error) if error.kind() == ErrorKind::BrokenPipe && args.out.is_none() => DONE,
        Err(error) => {
            say(&format!("can't write {}: {error}", shown(args)));
            FAILED
        }
    }
}

fn shown(args: &ReplayArgs) -> String {
    args.out.as_ref().map_or_else(|| "the findings".to_owned(), |out| out.display().to_string())
}

fn is_same(one: &Path, other: &Path) -> bool {
    one.canonicalize().ok().zip(other.canonicalize().ok()).is_some_and(|(one, other)| one == other)
}

fn told(args: &ReplayArgs, summary: &Summary) {
    let json = args.json_summary.then(|| serde_json::to_string(summary).ok()).flatten();
    writeln!(io::stderr(), "{}", json.unwrap_or_else(|| summary.text())).ok();
}

/// Bytes read of all bytes, on a terminal; nothing elsewhere.
fn progress(sources: &[Source]) -> ProgressBar {
    let total: Option<u64> = sources.iter().map(|source| source.bytes).sum();
    let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr());
    let form = if total.is_some() {
        "{bar:30} {bytes}/{total_bytes}, {bytes_per_sec}, {eta} left"
    } else {
        "{spinner} {bytes}, {bytes_per_sec}"
    };
    if let Ok(style) = ProgressStyle::with_template(form) {
        bar.set_style(style);
    }
    bar
}

/// A line for the person at the terminal; if nobody reads it, that is no reason to stop.
fn say(text: &str) {
    writeln!(io::stderr(), "cascade replay: {text}").ok();
}
