//! What is wrong with a configuration, and where each wrong thing came from.
//!
//! Knows nothing of TOML or of any section. Nothing here prints a secret.

use std::error::Error;
use std::fmt;

use super::secret::redact;

/// Where a setting came from, weakest first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// The defaults that are compiled in.
    Default,
    /// A line of a file, counted from 1.
    File {
        /// The path, as it was given.
        path: String,
        /// The line; 0 for the file as a whole.
        line: usize,
    },
    /// An environment variable, by name.
    Variable(String),
    /// A command-line flag, by name, e.g. `--redis-url`.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("built-in default"),
            Self::File { path, line: 0 } => write!(f, "file {path}"),
            Self::File { path, line } => write!(f, "file {path}, line {line}"),
            Self::Variable(name) => write!(f, "environment variable {name}"),
            Self::Flag(name) => write!(f, "flag {name}"),
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mistake {
    /// The dotted key, e.g. `redis.url`; empty where a whole file is wrong.
    pub key: String,
    /// Who gave it.
    pub origin: Origin,
    /// What is wrong and what would be right.
    pub reason: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, origin, reason } = self;
        let told = if key.is_empty() {
            format!("{origin}: {reason}")
        } else {
            format!("{key}: {reason} ({origin})")
        };
        // Names and paths are as free as values: a line break in one would look like another mistake, a URL may be
        // anywhere.
        f.write_str(&redact(&on_one_line(&told)))
    }
}

/// The text with its line breaks and other control characters written out.
fn on_one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() { line.extend(c.escape_default()) } else { line.push(c) }
    }
    line
}

/// Everything that is wrong, so that it can be mended in one go. Empty = the configuration is valid.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mistakes(Vec<Mistake>);

impl Mistakes {
    /// Adds one, unless it is there: several sections may have read the same key.
    pub fn push(&mut self, key: impl Into<String>, origin: Origin, reason: impl Into<String>) {
        let mistake = Mistake { key: key.into(), origin, reason: reason.into() };
        if !self.0.contains(&mistake) {
            self.0.push(mistake);
        }
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many things are wrong.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// All of them, in the order they were found.
    pub fn iter(&self) -> impl Iterator<Item = &Mistake> {
        self.0.iter()
    }
}

/// One line each, sorted by key, whatever was written.
impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut sorted: Vec<&Mistake> = self.0.iter().collect();
        sorted.sort();
        for (index, mistake) in sorted.into_iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{mistake}")?;
        }
        Ok(())
    }
}

impl Error for Mistakes {}
