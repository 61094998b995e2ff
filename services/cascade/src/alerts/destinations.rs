//! `cascade destinations`: who is told of alerts, as the configuration has it, and whether messages will arrive.
//!
//! Asks the providers itself, as the dispatcher would. Sends no message and shows no secret. Needs Redis only to open again
//! what was switched off.

use std::collections::BTreeSet;

use alert_dispatcher::{Config, Opened, Target, open_again};
use cascade_bus::BusError;
use cascade_notify::{Check, Sender};
use cascade_service::CommonArgs;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{bus, note, print};
use crate::FAILED;
use crate::colour::{self, Mood};
use crate::columns::{Cell, table};
use crate::words::plain;

const COMMAND: &str = "destinations";

const EXAMPLES: &str = "\
Destinations stand in the file given by --config, a table [[destination]] each; with none there,
TELEGRAM_BOT_TOKEN and TELEGRAM_CHAT_ID, DISCORD_WEBHOOK_URL, SLACK_WEBHOOK_URL and
ALERT_WEBHOOK_URL in the environment make one each.

Examples:
  cascade destinations list --config cascade.toml
  cascade destinations check
  cascade destinations check phone desk --json

A destination whose provider refused it for good (a token that was revoked, a chat that is gone) is
off: nothing is sent there. One that `check` finds good again is on again; what died meanwhile is
in `cascade dlq`. With other settings it is on again when the dispatcher is started with them.

Exit: 0 done and all are good, 1 one is not good or there is none of that name, 2 usage or
configuration.";

/// The flags of `cascade destinations`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DestinationsArgs {
    #[command(subcommand)]
    what: Asked,

    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

#[derive(Debug, Subcommand)]
enum Asked {
    /// Show who is told, and of what
    List {
        /// Print them as one JSON array
        #[arg(long)]
        json: bool,
    },
    /// Ask each provider whether token, chat or hook are good, without sending a message where that can be done; what was
    /// off and is good is on again
    Check {
        /// Only these
        #[arg(value_name = "NAME")]
        names: Vec<String>,
        /// Print what was found as one JSON array
        #[arg(long)]
        json: bool,
    },
}

/// Lists or checks; gives the exit code.
pub(crate) async fn run(args: &DestinationsArgs, config: &Config) -> u8 {
    match &args.what {
        Asked::List { json } => list(config, *json),
        Asked::Check { names, json } => check(config, names, *json).await,
    }
}

fn list(config: &Config, as_json: bool) -> u8 {
    if as_json {
        let all: Vec<Value> = config.destinations.iter().map(json_of).collect();
        return print(COMMAND, &Value::from(all).to_string());
    }
    let all = |names: Vec<String>| if names.is_empty() { "all".to_owned() } else { names.join(",") };
    let row = |target: &Target| {
        let destination = &target.destination;
        vec![
            destination.name.clone(),
            destination.kind.as_str().to_owned(),
            destination.minimum_priority.to_string(),
            all(destination.kinds.iter().map(|kind| plain(kind)).collect()),
            all(destination.symbols.iter().map(ToString::to_string).collect()),
            destination.zone.clone(),
            if destination.has_buttons() { "yes" } else { "no" }.to_owned(),
        ]
    };
    let head = ["DESTINATION", "KIND", "FROM", "KINDS", "SYMBOLS", "ZONE", "BUTTONS"];
    let table = table(&head, config.destinations.iter().map(row).collect());
    let code = print(COMMAND, &table.unwrap_or_else(|| "no destination: nobody is told anything".to_owned()));
    if config.destinations.iter().any(|target| target.destination.has_buttons())
        && config.allowed_users.is_empty()
    {
        note(COMMAND, "nobody may press buttons: telegram.allowed_users is empty");
    }
    code
}

fn json_of(target: &Target) -> Value {
    let destination = &target.destination;
    json!({
        "name": destination.name,
        "kind": destination.kind.as_str(),
        "minimum_priority": destination.minimum_priority,
        "kinds": destination.kinds,
        "symbols": destination.symbols,
        "zone": destination.zone,
        "buttons": destination.has_buttons(),
    })
}

async fn check(config: &Config, names: &[String], as_json: bool) -> u8 {
    let known: BTreeSet<&str> =
        config.destinations.iter().map(|target| target.destination.name.as_str()).collect();
    let unknown: Vec<&str> = names.iter().map(String::as_str).filter(|name| !known.contains(name)).collect();
    if !unknown.is_empty() {
        let known: Vec<&str> = known.into_iter().collect();
        note(COMMAND, &format!("there is no {}; there are {}", unknown.join(", "), known.join(", ")));
        return FAILED;
    }
    let dead_man = config.dead_man().ok().flatten().filter(|_| names.is_empty());
    let asked = config
        .destinations
        .iter()
        .filter(|target| names.is_empty() || names.contains(&target.destination.name));
    let asked: Vec<Target> = asked.cloned().chain(dead_man).collect();
    if asked.is_empty() {
        note(COMMAND, "there is no destination: see `cascade destinations --help`");
        return FAILED;
    }
    // All at once: each may take its time.
    let found = futures_util::future::join_all(asked.iter().map(|target| checked(target, config))).await;
    let all_good = found.iter().all(|check| check.good);
    let good: Vec<&Target> =
        asked.iter().zip(&found).filter(|(_, check)| check.good).map(|(target, _)| target).collect();
    let printed = if as_json {
        let of = |(target, check): (&Target, &Check)| {
            let destination = &target.destination;
            json!({"name": destination.name, "kind": destination.kind.as_str(), "good": check.good, "found": check.found})
        };
        let all: Vec<Value> = asked.iter().zip(&found).map(of).collect();
        print(COMMAND, &Value::from(all).to_string())
    } else {
        let colour = colour::is_wanted();
        let row = |(target, check): (&Target, &Check)| {
            let (word, mood) = if check.good { ("good", Mood::Good) } else { ("BAD", Mood::Bad) };
            vec![
                Cell::from(target.destination.name.as_str()),
                target.destination.kind.as_str().into(),
                Cell::of(word, Some(mood).filter(|_| colour)),
                plain(&check.found).into(),
            ]
        };
        let rows = asked.iter().zip(&found).map(row).collect();
        print(COMMAND, &table(&["DESTINATION", "KIND", "STANDS", "FOUND"], rows).unwrap_or_default())
    };
    if let Err(error) = reopened(config, &good).await {
        note(COMMAND, &format!("one that is off stays off, for Redis does not say which: {error}"));
    }
    if all_good { printed } else { FAILED }
}

/// What was switched off and is good is on again.
async fn reopened(config: &Config, good: &[&Target]) -> Result<(), BusError> {
    if good.is_empty() {
        return Ok(());
    }
    let bus = bus(&config.redis_url).await?;
    for target in good {
        let name = &target.destination.name;
        match open_again(&bus, target).await? {
            Opened::WasOn => {}
            Opened::Again(why) => {
                let rest = "what died meanwhile: `cascade dlq list`";
                note(COMMAND, &format!("{name} was off ({}) and is on again; {rest}", plain(&why)));
            }
            Opened::OtherSettings(why) => {
                let rest = "it is on again when the dispatcher is started with these";
                note(COMMAND, &format!("{name} is off with other settings ({}); {rest}", plain(&why)));
            }
        }
    }
    Ok(())
}

async fn checked(target: &Target, config: &Config) -> Check {
    match Sender::new(target.destination.clone(), config.network()) {
        Ok(sender) => sender.check().await,
        Err(found) => Check { good: false, found },
    }
}
