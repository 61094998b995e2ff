//! What people write: a configuration file, variables, flags.

use std::io::Write as _;
use std::sync::LazyLock;

use cascade_service::ServiceSettings;
use cascade_service::config::{DEFAULTS, Document, Mistakes, Override, Sources, redact};
use tempfile::NamedTempFile;

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
/// A mistake is not told on one line with its reason, or a password is told.
pub fn config(bytes: &[u8]) -> Verdict {
    let mut file = NamedTempFile::new().map_err(|e| e.to_string())?;
    let sources = sources(bytes, &mut file).map_err(|e| e.to_string())?;
    let mistakes = read(&sources);
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
    Ok(())
}

/// Reads everything that a program reads.
fn read(sources: &Sources) -> Mistakes {
    let (document, mut mistakes) = Document::load(sources);
    ServiceSettings::read(&document, &mut mistakes);
    liquidation_ingest::Config::read(&document, &mut mistakes);
    let signals = cascade_signals::Config::read(&document, &mut mistakes);
    let _label = signals.cascade.engine_label();
    mistakes
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
