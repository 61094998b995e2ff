//! `[[destination]]` as the configuration has it, or as well-known variables of the environment imply it.
//!
//! What a destination's own keys mean is `cascade-notify`'s affair; here are its place, its secrets, and what is wrong with
//! all of them together.

use std::cell::RefCell;
use std::collections::BTreeSet;

use cascade_domain::{Id, IdHasher, Refusal};
use cascade_notify::{Destination, Secret, SecretPlace};
use cascade_service::config::{Document, Item, Mistakes, Origin};
use toml::{Table, Value};

/// The list's name.
pub(crate) const LIST: &str = "destination";

/// What is said where there is no destination.
pub(crate) const NOBODY: &str = "there is none, so nobody would be told anything: name one under [[destination]] in a \
    file (--config FILE), or set TELEGRAM_BOT_TOKEN and TELEGRAM_CHAT_ID, DISCORD_WEBHOOK_URL, SLACK_WEBHOOK_URL or \
    ALERT_WEBHOOK_URL, or have standard output told: CASCADE_DISPATCH__STDOUT=true";

/// A destination, with what tells its settings from others.
#[derive(Clone, Debug)]
pub struct Target {
    /// The destination.
    pub destination: Destination,
    /// Names its settings, secrets included: another one where any of them changed.
    pub settings: Id,
}

impl Target {
    /// A destination; `settings` = everything that would make it another one if it changed.
    pub fn new(destination: Destination, settings: &[String]) -> Self {
        let hasher =
            settings.iter().fold(IdHasher::new("destination"), |hasher, setting| hasher.text(setting));
        Self { destination, settings: hasher.finish() }
    }
}

/// The variables that stand for a destination: its kind, which is its name too, and each variable with the key it is for.
const VARIABLES: [(&str, &[(&str, Key)]); 4] = [
    (
        "telegram",
        &[("TELEGRAM_BOT_TOKEN", Key::Secret("token_env")), ("TELEGRAM_CHAT_ID", Key::Plain("chat_id"))],
    ),
    ("discord", &[("DISCORD_WEBHOOK_URL", Key::Secret("url_env"))]),
    ("slack", &[("SLACK_WEBHOOK_URL", Key::Secret("url_env"))]),
    ("webhook", &[("ALERT_WEBHOOK_URL", Key::Secret("url_env"))]),
];

/// How a variable becomes a key.
#[derive(Clone, Copy)]
enum Key {
    /// The key holds the variable's name.
    Secret(&'static str),
    /// The key holds its text.
    Plain(&'static str),
}

/// Whether a variable stands for a destination.
pub(crate) fn is_in_environment(document: &Document) -> bool {
    let mut variables = VARIABLES.iter().flat_map(|(_, variables)| variables.iter());
    variables.any(|(variable, _)| document.variable(variable).is_some())
}

/// The destinations of the file, or if it names none those of the environment. What is wrong with each is told by name.
pub(crate) fn read(document: &Document, mistakes: &mut Mistakes) -> Vec<Target> {
    let listed = document.items(LIST);
    let implied = if listed.is_empty() { implied(document, mistakes) } else { Vec::new() };
    let mut names = BTreeSet::new();
    let mut targets = Vec::new();
    for (number, item) in (1..).zip(listed.iter().chain(&implied)) {
        let name = item.table().get("name").and_then(Value::as_str);
        let label = name.map_or_else(|| format!("#{number}"), str::to_owned);
        let mut refuse = |refusal: Refusal| {
            let key = format!("{LIST}.{label}.{}", refusal.key);
            mistakes.push(key, item.origin(&refusal.key).clone(), refusal.reason);
        };
        match target(document, item) {
            Ok(target) => targets.push(target),
            Err(refusals) => refusals.into_iter().for_each(&mut refuse),
        }
        if name.is_some_and(|name| !names.insert(name)) {
            refuse(Refusal::new("name", "another destination has the same name: each needs its own"));
        }
    }
    targets
}

fn target(document: &Document, item: &Item) -> Result<Target, Vec<Refusal>> {
    let table = item.table();
    let settings = RefCell::new(vec![table.to_string()]);
    let secret = |place: &SecretPlace| {
        let text = match place {
            SecretPlace::Variable(name) => document.variable(name).map(str::to_owned),
            SecretPlace::File(path) => document.file(path),
        }?;
        settings.borrow_mut().push(text.clone());
        Some(Secret::new(text))
    };
    let destination = Destination::read(table, &secret)?;
    Ok(Target::new(destination, &settings.borrow()))
}

/// The destinations that the environment's variables stand for.
fn implied(document: &Document, mistakes: &mut Mistakes) -> Vec<Item> {
    let mut items = Vec::new();
    for (kind, variables) in VARIABLES {
        let (there, missing): (Vec<_>, Vec<_>) =
            variables.iter().partition(|(variable, _)| document.variable(variable).is_some());
        let Some((first, _)) = there.first() else { continue };
        let origin = Origin::Variable((*first).to_owned());
        for (variable, _) in &missing {
            let reason = format!("{variable} is needed too");
            mistakes.push(format!("{LIST}.{kind}"), origin.clone(), reason);
        }
        if !missing.is_empty() {
            continue;
        }
        let mut table = Table::new();
        table.insert("name".to_owned(), kind.into());
        table.insert("kind".to_owned(), kind.into());
        for (variable, key) in there {
            match key {
                Key::Secret(key) => table.insert((*key).to_owned(), (*variable).into()),
                Key::Plain(key) => {
                    table.insert((*key).to_owned(), document.variable(variable).unwrap_or_default().into())
                }
            };
        }
        items.push(Item::made(table, origin));
    }
    items
}
