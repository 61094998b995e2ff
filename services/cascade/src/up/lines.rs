//! What happens, a line each: for pipes, logs and demos that end by themselves.

use std::collections::BTreeMap;
use std::io::IsTerminal;

use cascade_domain::{FeedStatus, Finding, Level, State, Venue};
use cascade_wire::FeedHealthReading;

use crate::{say, words};

/// Prints what is new.
#[derive(Debug)]
pub(crate) struct Printer {
    colour: bool,
    feeds: BTreeMap<Venue, FeedStatus>,
}

impl Default for Printer {
    fn default() -> Self {
        Self { colour: std::io::stdout().is_terminal(), feeds: BTreeMap::new() }
    }
}

impl Printer {
    /// A finding; one-second updates are left out.
    pub(crate) fn finding(&mut self, finding: &Finding) {
        let level = match finding {
            Finding::Cascade(signal) if signal.state == State::Update => return,
            Finding::Cascade(signal) => signal.level,
            Finding::LargeLiquidation(_) => Level::None,
        };
        say(&self.painted(level, &words::line(finding)));
    }

    /// The feeds whose state changed.
    pub(crate) fn feeds(&mut self, feeds: &BTreeMap<Venue, Option<FeedHealthReading>>) {
        for (venue, reading) in feeds.iter().filter_map(|(venue, reading)| Some((venue, reading.as_ref()?))) {
            let before = self.feeds.insert(*venue, reading.status);
            let starting = before.is_none() && reading.status == FeedStatus::Dead;
            if before != Some(reading.status) && !starting {
                let why =
                    if reading.reason.is_empty() { String::new() } else { format!(" ({})", reading.reason) };
                let since = words::clock(reading.since_ms);
                say(&format!("{since} feed {venue} is {}{why}", reading.status.as_str()));
            }
        }
    }

    fn painted(&self, level: Level, text: &str) -> String {
        let code = match level {
            Level::None => return text.to_owned(),
            Level::Watch => "36",
            Level::Alert => "33",
            Level::Critical => "31",
            Level::Extreme => "1;31",
        };
        if self.colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}
