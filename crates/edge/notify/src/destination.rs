//! One `[[destination]]` of the configuration (contract.md 7).

use std::collections::BTreeSet;
use std::str::FromStr;

use cascade_alerting::QuietHours;
use cascade_domain::{Finding, Priority, Refusal, Symbol};
use serde::Deserialize;
use toml::{Table, Value};

use crate::fields::{Fields, unknown};
use crate::secret::shown;
use crate::{Secret, SecretPlace, dead_man, discord, file, slack, telegram, webhook};

/// The longest name of a destination.
const LONGEST_NAME: usize = 32;
/// The name of the watchdog's own destination.
const DEAD_MAN: &str = "dead-man";

/// The kinds of destinations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A chat of a Telegram bot.
    Telegram,
    /// A Discord webhook.
    Discord,
    /// A Slack webhook.
    Slack,
    /// A generic webhook, signed by Standard Webhooks 1.0.
    Webhook,
    /// This process' standard output.
    Stdout,
    /// A file, one JSON object a line.
    File,
    /// A URL that is asked when the watchdog arrives.
    DeadMan,
}

impl Kind {
    /// Those that a configuration can name.
    pub const NAMED: [Self; 6] =
        [Self::Telegram, Self::Discord, Self::Slack, Self::Webhook, Self::Stdout, Self::File];

    /// The lower-case word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Telegram => "telegram",
            Self::Discord => "discord",
            Self::Slack => "slack",
            Self::Webhook => "webhook",
            Self::Stdout => "stdout",
            Self::File => "file",
            Self::DeadMan => "dead_man",
        }
    }
}

/// One `[[destination]]`, read and found good.
#[derive(Clone, Debug)]
pub struct Destination {
    /// Its name: lower-case letters, digits, `-` and `_`.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// The least urgent alerts that it wants.
    pub minimum_priority: Priority,
    /// The kinds of alerts that it wants; empty = all.
    pub kinds: BTreeSet<String>,
    /// The markets that it wants; empty = all.
    pub symbols: BTreeSet<Symbol>,
    /// The IANA name of the zone in which times are given besides UTC.
    pub zone: String,
    /// Its own quiet hours, instead of those of all.
    pub quiet_hours: Option<QuietHours>,
    pub(crate) settings: Settings,
}

/// What only one kind of destination has.
#[derive(Clone, Debug)]
pub(crate) enum Settings {
    Telegram(telegram::Settings),
    Discord(discord::Settings),
    Slack(slack::Settings),
    Webhook(webhook::Settings),
    Stdout,
    File(file::Settings),
    DeadMan(dead_man::Settings),
}

impl Settings {
    fn read(kind: Kind, fields: &mut Fields<'_>) -> Option<Self> {
        match kind {
            Kind::Telegram => telegram::Settings::read(fields).map(Self::Telegram),
            Kind::Discord => discord::read(fields).map(Self::Discord),
            Kind::Slack => slack::read(fields).map(Self::Slack),
            Kind::Webhook => webhook::Settings::read(fields).map(Self::Webhook),
            Kind::Stdout => Some(Self::Stdout),
            Kind::File => file::Settings::read(fields).map(Self::File),
            // No configuration names it.
            Kind::DeadMan => None,
        }
    }
}

impl Destination {
    /// Every field that a destination of some kind has.
    pub const FIELDS: [&'static str; 21] = [
        "name",
        "kind",
        "minimum_priority",
        "kinds",
        "symbols",
        "zone",
        "quiet_hours",
        "token_env",
        "token_file",
        "chat_id",
        "thread_id",
        "base_url",
        "buttons",
        "url",
        "url_env",
        "url_file",
        "secret_env",
        "secret_file",
        "allow_private_targets",
        "messages_per_second",
        "path",
    ];

    /// Reads one table of the configuration. `secret` = the text of a variable or a file that holds a secret.
    ///
    /// # Errors
    /// Everything that is wrong with it, keys relative to the table.
    pub fn read(
        table: &Table,
        secret: &dyn Fn(&SecretPlace) -> Option<Secret>,
    ) -> Result<Self, Vec<Refusal>> {
        let mut fields = Fields::new(table, secret);
        let name = read_name(&mut fields);
        let kind = read_kind(&mut fields);
        let minimum_priority = read_priority(&mut fields);
        let kinds = read_kinds(&mut fields);
        let symbols = read_symbols(&mut fields);
        let zone = read_zone(&mut fields);
        let quiet_hours = read_quiet_hours(&mut fields);
        let settings = kind.and_then(|kind| Settings::read(kind, &mut fields));
        if kind.is_none() {
            fields.know(&Self::FIELDS);
        }
        let refusals = fields.finish();
        match (name, kind, settings) {
            (Some(name), Some(kind), Some(settings)) if refusals.is_empty() => {
                Ok(Self { name, kind, minimum_priority, kinds, symbols, zone, quiet_hours, settings })
            }
            _ => Err(refusals),
        }
    }

    /// The watchdog's own destination: a URL that is asked each time the watchdog arrives.
    ///
    /// # Errors
    /// It is not an address; the key is empty.
    pub fn dead_man(url: Secret) -> Result<Self, Vec<Refusal>> {
        let settings = dead_man::Settings::read(url).map_err(|refusal| vec![refusal])?;
        Ok(Self {
            name: DEAD_MAN.to_owned(),
            kind: Kind::DeadMan,
            minimum_priority: Priority::Low,
            kinds: BTreeSet::new(),
            symbols: BTreeSet::new(),
            zone: "UTC".to_owned(),
            quiet_hours: None,
            settings: Settings::DeadMan(settings),
        })
    }

    /// Whether its messages bear buttons, whose presses somebody must read.
    pub const fn has_buttons(&self) -> bool {
        matches!(&self.settings, Settings::Telegram(settings) if settings.buttons)
    }
}

fn read_name(fields: &mut Fields<'_>) -> Option<String> {
    let name = fields.required("name", "what this destination is called")?;
    let is_fine = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_');
    if !name.bytes().all(is_fine) || name.len() > LONGEST_NAME {
        let reason = format!("expected lower-case letters, digits, - and _, {LONGEST_NAME} at most");
        fields.refuse("name", reason);
        return None;
    }
    if name == DEAD_MAN {
        fields.refuse("name", format!("`{DEAD_MAN}` is the watchdog's own destination"));
        return None;
    }
    Some(name.to_owned())
}

fn read_kind(fields: &mut Fields<'_>) -> Option<Kind> {
    let known = Kind::NAMED.map(Kind::as_str);
    let word = fields.required("kind", &format!("one of {}", known.join(", ")))?;
    let kind = Kind::NAMED.into_iter().find(|kind| kind.as_str() == word);
    if word == "email" {
        fields.refuse("kind", format!("email is not built yet; there are {}", known.join(", ")));
    } else if kind.is_none() {
        fields.refuse("kind", format!("`{}` {}", shown(word), unknown(word, &known)));
    }
    kind
}

fn read_priority(fields: &mut Fields<'_>) -> Priority {
    let Some(word) = fields.text("minimum_priority") else { return Priority::Low };
    Priority::from_str(word).unwrap_or_else(|error| {
        fields.refuse("minimum_priority", format!("`{}`: {error}", shown(word)));
        Priority::Low
    })
}

fn read_kinds(fields: &mut Fields<'_>) -> BTreeSet<String> {
    let kinds = fields.texts("kinds");
    for kind in &kinds {
        if !Finding::KINDS.contains(kind) {
            fields.refuse("kinds", format!("`{}` {}", shown(kind), unknown(kind, &Finding::KINDS)));
        }
    }
    kinds.into_iter().map(str::to_owned).collect()
}

fn read_symbols(fields: &mut Fields<'_>) -> BTreeSet<Symbol> {
    let mut symbols = BTreeSet::new();
    for text in fields.texts("symbols") {
        match Symbol::parse(text) {
            Ok(symbol) if text.chars().any(char::is_lowercase) => {
                let meant = symbol.as_str().to_uppercase();
                fields.refuse(
                    "symbols",
                    format!("`{}` is in lower case; did you mean `{meant}`?", shown(text)),
                );
            }
            Ok(symbol) => drop(symbols.insert(symbol)),
            Err(error) => fields.refuse("symbols", format!("`{}`: {error}", shown(text))),
        }
    }
    symbols
}

fn read_zone(fields: &mut Fields<'_>) -> String {
    let Some(zone) = fields.text("zone") else { return "UTC".to_owned() };
    if jiff::tz::TimeZone::get(zone).is_err() {
        fields.refuse("zone", format!("`{}` is no time zone; a name like Europe/Berlin is", shown(zone)));
    }
    zone.to_owned()
}

fn read_quiet_hours(fields: &mut Fields<'_>) -> Option<QuietHours> {
    const KEYS: [&str; 4] = ["from", "to", "zone", "minimum_priority"];
    let value = fields.value("quiet_hours")?;
    let Some(table) = value.as_table() else {
        fields.refuse("quiet_hours", "expected { from, to, zone, minimum_priority }");
        return None;
    };
    for key in table.keys().filter(|key| !KEYS.contains(&key.as_str())) {
        fields.refuse(format!("quiet_hours.{}", shown(key)), unknown(key, &KEYS));
    }
    let known = table.iter().filter(|(key, _)| KEYS.contains(&key.as_str()));
    let known: Table = known.map(|(key, value)| (key.clone(), value.clone())).collect();
    match QuietHours::deserialize(Value::Table(known)) {
        Ok(hours) => {
            let config = cascade_alerting::Config { quiet_hours: Some(hours), ..Default::default() };
            for refusal in config.refusals() {
                fields.refuse(refusal.key, refusal.reason);
            }
            config.quiet_hours
        }
        Err(error) => {
            fields.refuse("quiet_hours", shown(error.message()));
            None
        }
    }
}
