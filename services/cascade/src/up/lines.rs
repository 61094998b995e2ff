//! What happens, a line each: for pipes, logs and demos that end by themselves.

use std::collections::BTreeMap;

use cascade_domain::{FeedStatus, Finding, State, Venue};
use cascade_wire::FeedHealthReading;

use crate::{colour, words};

/// Knows what was said, and what is new.
#[derive(Debug)]
pub(crate) struct Lines {
    colour: bool,
    feeds: BTreeMap<Venue, FeedStatus>,
}

impl Default for Lines {
    fn default() -> Self {
        Self { colour: colour::is_wanted(), feeds: BTreeMap::new() }
    }
}

impl Lines {
    /// A finding's line; none for a one-second update.
    pub(crate) fn finding(&self, finding: &Finding) -> Option<String> {
        if matches!(finding, Finding::Cascade(signal) if signal.state == State::Update) {
            return None;
        }
        Some(if self.colour { colour::painted(finding) } else { words::line(finding) })
    }

    /// A line for each feed whose state changed.
    pub(crate) fn feeds(&mut self, feeds: &BTreeMap<Venue, Option<FeedHealthReading>>) -> Vec<String> {
        let mut lines = Vec::new();
        for (venue, reading) in feeds.iter().filter_map(|(venue, reading)| Some((venue, reading.as_ref()?))) {
            // A feed that has just been begun is not news; one that does not get further is.
            let begins = reading.status == FeedStatus::Dead && reading.reason == "not connected yet";
            if begins && !self.feeds.contains_key(venue) {
                continue;
            }
            let before = self.feeds.insert(*venue, reading.status);
            if before != Some(reading.status) {
                let why =
                    if reading.reason.is_empty() { String::new() } else { format!(" ({})", reading.reason) };
                let since = words::clock(reading.since_ms);
                lines.push(format!("{since} feed {venue} is {}{why}", reading.status.as_str()));
            }
        }
        lines
    }
}
