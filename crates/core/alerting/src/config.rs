//! What the policy is told: section `[dispatch]`, and what each destination wants to hear.

use std::collections::BTreeSet;

use cascade_domain::{Priority, Refusal, Symbol};
use serde::Deserialize;

/// Section `[dispatch]`, as far as it decides.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Kinds or rules that nobody is told.
    pub disabled_alerts: BTreeSet<String>,
    /// When only urgent alerts are told.
    pub quiet_hours: Option<QuietHours>,
}

/// Hours of the day in which only urgent alerts are told.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct QuietHours {
    /// From then on, `HH:MM`.
    pub from: String,
    /// Until then, `HH:MM`; earlier than `from` = over midnight.
    pub to: String,
    /// The time zone's IANA name.
    pub zone: String,
    /// What is told all the same.
    pub minimum_priority: Priority,
}

/// A destination, as far as the policy knows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// Its name.
    pub name: String,
    /// Whether what was sent can be edited as the alert goes on.
    pub can_edit: bool,
    /// The least urgent alerts that it wants.
    pub minimum_priority: Priority,
    /// The kinds that it wants; empty = all.
    pub kinds: BTreeSet<String>,
    /// The markets that it wants; empty = all. Alerts about no market pass.
    pub symbols: BTreeSet<Symbol>,
    /// Its own quiet hours; else those of all.
    pub quiet_hours: Option<QuietHours>,
    /// The watchdog's own destination: hears nothing else, and nobody else hears the watchdog.
    pub is_watchdog: bool,
}

impl Config {
    /// What is wrong with it.
    pub fn refusals(&self) -> Vec<Refusal> {
        Vec::new()
    }
}
