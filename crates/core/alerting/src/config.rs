//! What the policy is told: section `[dispatch]`, and what each destination wants to hear.
//!
//! Knows no file and no environment; what is wrong with a setting is said by [`Config::refusals`].

use std::collections::BTreeSet;

use cascade_domain::{Priority, Refusal, Symbol};
use serde::Deserialize;

use crate::hours::{self, Hours};

/// The kinds and rules of alerts that can be switched off.
const NAMES: [&str; 8] = [
    "cascade",
    "market_cascade",
    "large_liquidation",
    "open_interest",
    "oi_explosion",
    "oi_collapse",
    "feed",
    "digest",
];

/// Section `[dispatch]`, as far as it decides.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Whether what comes from simulated exchanges is told. No setting: a demo says so of itself.
    #[serde(skip)]
    pub demo: bool,
    /// Kinds or rules that nobody is told.
    pub disabled_alerts: BTreeSet<String>,
    /// When only urgent alerts are told.
    pub quiet_hours: Option<QuietHours>,
    /// For so many seconds after an alert of markets or operations was told, the same is a duplicate.
    pub dedup_s: u32,
    /// The same for alerts of trading bots.
    pub bot_dedup_s: u32,
    /// So many MEDIUM and LOW alerts of one kind a destination is told in any hour.
    pub budget_per_hour: u32,
    /// So many HIGH ones, of all kinds together.
    pub high_budget_per_hour: u32,
    /// So many milliseconds a MEDIUM alert waits for others.
    pub medium_wait_ms: u32,
    /// So many a LOW one.
    pub low_wait_ms: u32,
    /// The message of an alert is edited once in so many milliseconds at most.
    pub edit_every_ms: u32,
    /// An alert known for more than so many seconds is no news.
    pub expire_s: u32,
    /// A digest has so many lines at most; the rest is counted.
    pub digest_lines: u32,
    /// Cascades on so many symbols are one of the whole market,
    pub market_symbols: u32,
    /// if they came within so many seconds.
    pub market_within_s: u32,
    /// A symbol of it that is silent for so many seconds counts as over.
    pub market_silence_s: u32,
    /// The kinds of alerts about its symbols that it tells in their place.
    pub market_kinds: BTreeSet<String>,
    /// An alert of operations or of a bot that nobody acknowledges for so many seconds, and that goes on, is escalated.
    pub escalate_s: u32,
    /// To this destination; none = to those that were told.
    pub escalation: Option<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            demo: false,
            disabled_alerts: BTreeSet::new(),
            quiet_hours: None,
            dedup_s: 300,
            bot_dedup_s: 60,
            budget_per_hour: 10,
            high_budget_per_hour: 60,
            medium_wait_ms: 2_000,
            low_wait_ms: 30_000,
            edit_every_ms: 5_000,
            expire_s: 900,
            digest_lines: 20,
            market_symbols: 5,
            market_within_s: 120,
            market_silence_s: 1_800,
            market_kinds: ["cascade", "large_liquidation", "open_interest"].map(str::to_owned).into(),
            escalate_s: 120,
            escalation: None,
        }
    }
}

/// Hours of the day in which only urgent alerts are told.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
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
    /// The markets that it wants; empty = all. Alerts about no market pass, but for a market-wide cascade: who wants some
    /// markets is told theirs.
    pub symbols: BTreeSet<Symbol>,
    /// Its own quiet hours; else those of all.
    pub quiet_hours: Option<QuietHours>,
    /// The watchdog's own destination: hears nothing else, and nobody else hears the watchdog.
    pub is_watchdog: bool,
}

impl QuietHours {
    /// What is wrong with them; each refusal's key begins with `key`.
    pub fn refusals(&self, key: &str) -> Vec<Refusal> {
        let clock = |name: &str, text: &str| {
            let reason = format!("`{text}` is no time of day: write HH:MM, 00:00 to 23:59");
            hours::minute(text).is_none().then(|| Refusal::new(format!("{key}.{name}"), reason))
        };
        let zone = hours::zone(&self.zone).is_none().then(|| {
            let reason = format!("`{}` is no time zone: write an IANA name such as Europe/Berlin", self.zone);
            Refusal::new(format!("{key}.zone"), reason)
        });
        let empty =
            hours::minute(&self.from).is_some() && hours::minute(&self.from) == hours::minute(&self.to);
        let empty = empty.then(|| {
            Refusal::new(format!("{key}.to"), "is the same as `from`: give an end, or leave quiet_hours out")
        });
        [clock("from", &self.from), clock("to", &self.to), zone, empty].into_iter().flatten().collect()
    }

    /// Ready for use; `None` where they are refused.
    pub(crate) fn parsed(&self) -> Option<Hours> {
        Hours::parse(&self.from, &self.to, &self.zone, self.minimum_priority)
    }
}

/// Refuses a word that is no kind or rule of alerts.
///
/// # Errors
/// Why, with those that there are.
pub fn known_rule(name: &str) -> Result<(), String> {
    if NAMES.contains(&name) {
        return Ok(());
    }
    Err(format!("`{name}` is no kind or rule of alerts: use {}", NAMES.join(", ")))
}

impl Config {
    /// What is wrong with it.
    pub fn refusals(&self) -> Vec<Refusal> {
        let mut refusals = Vec::new();
        for (key, names) in [("disabled_alerts", &self.disabled_alerts), ("market_kinds", &self.market_kinds)]
        {
            let wrong = names.iter().filter_map(|name| known_rule(name).err());
            refusals.extend(wrong.map(|reason| Refusal::new(key, reason)));
        }
        if let Some(quiet) = &self.quiet_hours {
            refusals.extend(quiet.refusals("quiet_hours"));
        }
        let counts = [
            ("dedup_s", self.dedup_s),
            ("bot_dedup_s", self.bot_dedup_s),
            ("budget_per_hour", self.budget_per_hour),
            ("high_budget_per_hour", self.high_budget_per_hour),
            ("edit_every_ms", self.edit_every_ms),
            ("expire_s", self.expire_s),
            ("digest_lines", self.digest_lines),
            ("market_within_s", self.market_within_s),
            ("market_silence_s", self.market_silence_s),
            ("escalate_s", self.escalate_s),
        ];
        for (key, _) in counts.into_iter().filter(|(_, count)| *count == 0) {
            refusals.push(Refusal::new(key, "is 0: give at least 1"));
        }
        if self.market_symbols < 2 {
            refusals.push(Refusal::new("market_symbols", "one symbol is no market: give at least 2"));
        }
        for (key, wait) in [("medium_wait_ms", self.medium_wait_ms), ("low_wait_ms", self.low_wait_ms)] {
            if i64::from(wait) >= self.expire_ms() {
                let reason = "is as long as expire_s: what waits would be too old to be told; give less";
                refusals.push(Refusal::new(key, reason));
            }
        }
        refusals
    }

    /// What is wrong with it for these destinations.
    pub fn refusals_for(&self, routes: &[Route]) -> Vec<Refusal> {
        let Some(name) = &self.escalation else { return Vec::new() };
        let reason = match routes.iter().find(|route| route.name == *name) {
            Some(route) if !route.is_watchdog => return Vec::new(),
            Some(_) => {
                format!("`{name}` is the watchdog's destination, which hears nothing else: name another")
            }
            None => format!("`{name}` is no destination: use the name of a [[destination]]"),
        };
        vec![Refusal::new("escalation", reason)]
    }

    pub(crate) fn expire_ms(&self) -> i64 {
        ms(self.expire_s)
    }
}

/// Seconds as milliseconds.
pub(crate) fn ms(seconds: u32) -> i64 {
    i64::from(seconds) * 1_000
}
