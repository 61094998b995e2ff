//! Logs: text for people or JSON for machines, on stderr. Knows nothing of what is logged.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// How the log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Lines for people; coloured on a terminal.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl LogFormat {
    /// The word in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
        }
    }
}

/// The filter for a level such as `info` or `info,cascade_bus=debug`.
///
/// # Errors
/// A sentence that says which part is no level.
pub fn level(text: &str) -> Result<EnvFilter, String> {
    let known = |word: &str| matches!(word, "error" | "warn" | "info" | "debug" | "trace" | "off");
    for part in text.split(',') {
        let level = part.rsplit_once('=').map_or(part, |(_, level)| level).trim();
        if !known(level) {
            return Err(format!("`{level}` is no level; one of error, warn, info, debug, trace, off"));
        }
    }
    EnvFilter::builder().parse(text).map_err(|error| error.to_string())
}

/// Installs the log of this process. Where one was installed before, that one stays.
pub fn install(format: LogFormat, filter: EnvFilter) {
    let registry = tracing_subscriber::registry().with(filter);
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    // Colours only on a terminal, and not there either where NO_COLOR is set: that is the layer's own default.
    let layer = if std::io::stderr().is_terminal() { layer } else { layer.with_ansi(false) };
    let installed = match format {
        LogFormat::Text => registry.with(layer).try_init(),
        LogFormat::Json => registry.with(layer.json().flatten_event(true).with_ansi(false)).try_init(),
    };
    if installed.is_err() {
        tracing::debug!("a log was installed before; it stays");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_words_or_words_by_room() {
        for text in ["info", "off", "info,cascade_bus=debug", "cascade_feed=trace"] {
            assert!(level(text).is_ok(), "{text}");
        }
        for text in ["loud", "", "info,cascade_bus=loud"] {
            assert!(level(text).is_err(), "{text}");
        }
    }
}
