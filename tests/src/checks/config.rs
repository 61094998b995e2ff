//! What people write: a configuration file, variables, flags.

use std::io::Write as _;
use std::sync::{Arc, LazyLock};

use cascade_detector::CascadeEngine;
use cascade_domain::{Event, Shard};
use cascade_engine::Engine;
use cascade_service::ServiceSettings;
use cascade_service::config::{DEFAULTS, Document, Mistakes, Override, Sources, redact};
use cascade_wire::event_from_json;
use tempfile::NamedTempFile;

use super::wire::retold;
use super::{Verdict, ensure};

/// The line that ends the file; below it, variables.
const VARIABLES: &str = "=== variables";
/// The line that ends the variables; below it, flags.
const FLAGS: &str = "=== flags";

/// The defaults without the comments among them, which would be most of the work of every check.
static PLAIN: LazyLock<String> = LazyLock::new(|| {
    let lines = DEFAULTS.lines().filter(|line| !line.is_empty() && !line.starts_with("# "));
    lines.collect::<Vec<_>>().join("\n")
});

/// The bytes as a TOML file; then, where a line `=== variables` stands, as NAME=VALUE lines of the environment, and
/// after a line `=== flags` as KEY=VALUE lines of what flags say.
///
/// # Errors
/// A mistake is not told on one line with its reason, a password is told, or a detector of a configuration without
/// mistakes tells what makes no sense.
pub fn config(bytes: &[u8]) -> Verdict {
    let mut file = NamedTempFile::new().map_err(|e| e.to_string())?;
    let sources = sources(bytes, &mut file).map_err(|e| e.to_string())?;
    let (mistakes, detector) = read(&sources);
    for mistake in mistakes.iter() {
        ensure!(!mistake.reason.is_empty(), "a mistake without a reason: {mistake:?}");
    }
    let lines = mistakes.to_string().lines().count();
    ensure!(lines == mistakes.len(), "{} mistakes on {lines} lines:\n{mistakes}", mistakes.len());
    let text = String::from_utf8_lossy(bytes);
    for told in [mistakes.to_string(), redact(&text).into_owned()] {
        ensure!(!shows_password(&told), "a password is told: {told}");
        ensure!(redact(&told) == told, "more was to be redacted in {told}");
    }
    if mistakes.is_empty() { detects(detector) } else { Ok(()) }
}

/// A large liquidation a second, and what is said of it, under these thresholds.
fn detects(thresholds: cascade_detector::Config) -> Verdict {
    let label = thresholds.engine_label();
    let mut engine = CascadeEngine::new(Arc::new(thresholds), Shard::of_scope("BTCUSDT"), label);
    let mut findings = Vec::new();
    for second in 0..90 {
        for event in moment(1_791_565_600_000 + second * 1000) {
            engine.take(&event, &mut findings).map_err(|refused| format!("{refused:?}: {event:?}"))?;
        }
    }
    findings.iter().try_for_each(retold)
}

/// What is known at a time: a mark, open interest, a liquidation, and the tick.
fn moment(at: i64) -> Vec<Event> {
    let of = r#""venue":"okx","symbol":"BTCUSDT","instrument":"BTC-USDT-SWAP""#;
    let price = 80_000 - at % 60_000 / 10;
    [
        format!(r#"{{"kind":"mark",{of},"mark_price":{price},"funding_rate":0.0001,"funding_interval_h":8,"event_time_ms":{at}}}"#),
        format!(r#"{{"kind":"open_interest",{of},"coins":{price}.5,"event_time_ms":{at}}}"#),
        format!(r#"{{"kind":"liquidation",{of},"id":"{at:016x}","side":"long","price":{price},"price_kind":"fill","quantity":50,"notional_usd":4e6,"event_time_ms":{at},"coverage":"complete"}}"#),
        format!(r#"{{"kind":"tick","event_time_ms":{at},"btc_price":{price},"btc_usd_volume_1s":1e6,"feeds":{{"okx":"live"}}}}"#),
    ]
    .iter()
    .filter_map(|json| event_from_json(json).ok())
    .collect()
}

/// Reads everything that a program reads.
fn read(sources: &Sources) -> (Mistakes, cascade_detector::Config) {
    let (document, mut mistakes) = Document::load(sources);
    ServiceSettings::read(&document, &mut mistakes);
    liquidation_ingest::Config::read(&document, &mut mistakes);
    let signals = cascade_signals::Config::read(&document, &mut mistakes);
    (mistakes, signals.cascade)
}

fn sources(bytes: &[u8], file: &mut NamedTempFile) -> std::io::Result<Sources> {
    let (toml, rest) = cut(bytes, VARIABLES);
    let (variables, flags) = cut(rest, FLAGS);
    file.write_all(toml)?;
    file.flush()?;
    let environment = pairs(variables).collect();
    let overrides = pairs(flags).map(|(key, text)| Override { key, text, flag: "--flag".to_owned() });
    let (file, overrides) = (Some(file.path().to_owned()), overrides.collect());
    Ok(Sources { defaults: PLAIN.as_str(), file, environment, overrides })
}

/// What stands before a line, and what stands after it.
fn cut<'a>(bytes: &'a [u8], line: &str) -> (&'a [u8], &'a [u8]) {
    let at = bytes.windows(line.len()).position(|window| window == line.as_bytes());
    at.map_or((bytes, &[]), |at| (&bytes[..at], &bytes[at + line.len()..]))
}

fn pairs(bytes: &[u8]) -> impl Iterator<Item = (String, String)> {
    let lines = bytes.split(|byte| *byte == b'\n').map(String::from_utf8_lossy);
    lines.filter_map(|line| line.split_once('=').map(|(name, text)| (name.to_owned(), text.to_owned())))
}

/// Whether the text holds a URL with a user or password that was not starred out.
fn shows_password(text: &str) -> bool {
    text.split("://").skip(1).any(|after| {
        let end = after.find(char::is_whitespace).unwrap_or(after.len());
        after[..end].rfind('@').is_some_and(|at| &after[..at] != "***")
    })
}
