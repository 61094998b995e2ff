//! What is wrong with settings: each refusal names its key and what would be right.

use cascade_domain::{Refusal, Venue};

use crate::config::Config;
use crate::preset::Preset;
use crate::span::Span;

/// No change above this is a threshold, percent: what it is compared with stays within whole numbers.
const MOST_PCT: f64 = 1_000.0;

impl Config {
    /// Every mistake in these settings; keys are relative to the section.
    pub fn refusals(&self) -> Vec<Refusal> {
        let mut found = Vec::new();
        let check = &mut found;
        self.check_counts(check);
        for (key, value) in [
            ("samples.coverage", self.samples.coverage),
            ("episode.update_step", self.episode.update_step),
            ("episode.resolve_below", self.episode.resolve_below),
        ] {
            if !(0.01..=1.0).contains(&value) {
                check.push(Refusal::new(key, format!("{value} is not between 0.01 and 1")));
            }
        }
        for (key, value) in [("flat_move", self.flat_move), ("suspect.floor", self.suspect.floor)] {
            if !(0.0..=1.0).contains(&value) {
                check.push(Refusal::new(key, format!("{value} is not between 0 and 1")));
            }
        }
        minimum(check, "others.minimum_usd", self.others.minimum_usd);
        for (symbol, own) in &self.symbols {
            if let Some(pct) = own.threshold_pct {
                threshold(check, &format!("symbols.{symbol}.threshold_pct"), pct);
            }
            if let Some(usd) = own.minimum_usd {
                minimum(check, &format!("symbols.{symbol}.minimum_usd"), usd);
            }
        }
        preset(check, "balanced", &self.presets.balanced);
        preset(check, "seed", &self.presets.seed);
        found
    }

    fn check_counts(&self, found: &mut Vec<Refusal>) {
        if Span::of_seconds(self.window_s).is_none() {
            let reason = format!("{} is not one of 60, 300, 900, 3600, 86400", self.window_s);
            found.push(Refusal::new("window_s", reason));
        }
        let venues = u32::try_from(Venue::ALL.len()).unwrap_or(u32::MAX);
        let (memory, samples, suspect) = (&self.memory, &self.samples, &self.suspect);
        for (key, value, from, to) in [
            ("min_venues", self.min_venues, 1, venues),
            ("memory.future_s", memory.future_s, 1, 86_400),
            ("memory.idle_s", memory.idle_s, 60, 604_800),
            ("memory.max_symbols", memory.max_symbols, 1, 1 << 16),
            ("memory.max_instruments", memory.max_instruments, 1, 64),
            ("samples.mark_s", samples.mark_s, 1, 60),
            ("samples.open_interest_s", samples.open_interest_s, 5, 3_600),
            ("samples.funding_s", samples.funding_s, 1, 86_400),
            ("suspect.slack_s", suspect.slack_s, 0, 60),
            ("suspect.wait_s", suspect.wait_s, 1, 60),
        ] {
            if value < from || value > to {
                found.push(Refusal::new(key, format!("{value} is not between {from} and {to}")));
            }
        }
    }
}

fn preset(found: &mut Vec<Refusal>, name: &str, preset: &Preset) {
    threshold(found, &format!("presets.{name}.threshold_pct"), preset.threshold_pct);
    for (symbol, pct) in &preset.symbols {
        threshold(found, &format!("presets.{name}.symbols.{symbol}"), *pct);
    }
}

fn threshold(found: &mut Vec<Refusal>, key: &str, pct: f64) {
    if !(0.001..=MOST_PCT).contains(&pct) {
        found.push(Refusal::new(key, format!("{pct} is not between 0.001 and {MOST_PCT} percent")));
    }
}

fn minimum(found: &mut Vec<Refusal>, key: &str, usd: f64) {
    if !(0.0..=1e12).contains(&usd) {
        found.push(Refusal::new(key, format!("{usd} is not between 0 and 1000000000000")));
    }
}
