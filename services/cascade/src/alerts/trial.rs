//! `cascade test-alert`: a marked alert that goes the whole way, and what every destination made of it.
//!
//! Asks the dispatcher and follows its history. Sends nothing itself.

use std::collections::BTreeMap;
use std::time::Duration;

use cascade_bus::{Bus, BusError, RedisUrl};
use cascade_domain::{Alert, Ask, Ending, Id, IdHasher, Priority};
use cascade_pace::Clock;
use cascade_service::{CommonArgs, SystemClock, random_seed};
use cascade_wire::{HistoryEntry, HistoryOf};
use tokio::time::timeout;

use super::asking::{Follower, Heard, ask, nobody_heard, order};
use super::span::length;
use super::{bus, has_dispatcher, note, print, unreachable};
use crate::colour::{self, Mood};
use crate::columns::{Cell, table};
use crate::words::plain;
use crate::{DONE, FAILED};

const COMMAND: &str = "test-alert";

const EXAMPLES: &str = "\
Every destination is told, whatever it filters and whatever is muted; the message says that it is a
test. What each provider answered is printed, with its receipt.

Examples:
  cascade test-alert
  cascade test-alert --priority low --wait 2m
  cascade test-alert --destination phone       all are told, only this one is waited for

Exit: 0 every destination got it, 1 one did not in time, no dispatcher answers or Redis does not, 2
usage or configuration.";

/// The flags of `cascade test-alert`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct TrialArgs {
    /// How urgent it is: low, medium or high
    #[arg(long, value_name = "PRIORITY", default_value = "high")]
    priority: Priority,

    /// Wait for this destination only
    #[arg(long, value_name = "NAME")]
    destination: Option<String>,

    /// Wait so long for all of them: 30s, 2m
    #[arg(long, value_name = "TIME", value_parser = length, default_value = "60s")]
    wait: Duration,

    /// Print what each destination made of it as one JSON array
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

/// Sends one, and says what came of it; gives the exit code.
pub(crate) async fn run(args: &TrialArgs, redis: &RedisUrl) -> u8 {
    match tried(args, redis).await {
        Ok(code) => code,
        Err(error) => unreachable(COMMAND, redis, &error),
    }
}

async fn tried(args: &TrialArgs, redis: &RedisUrl) -> Result<u8, BusError> {
    let bus = bus(redis).await?;
    let mut follower = Follower::from_now(&bus).await?;
    let seed = random_seed().map_err(|error| BusError::Server(error.to_string()))?;
    let id = IdHasher::new("test").int(seed.cast_signed()).finish();
    let order = order(SystemClock::new().now(), Ask::Test { id, priority: args.priority });
    let mut trial =
        Trial { id, destination: args.destination.clone(), revision: None, rows: BTreeMap::new() };
    let is_over = match ask(&mut follower, &order).await? {
        Heard::Done(entries) => {
            trial.hear(&entries);
            timeout(args.wait, trial.follow(&mut follower))
                .await
                .map_or(Ok(false), |ended| ended.map(|()| true))?
        }
        Heard::Refused(why) => {
            note(COMMAND, &format!("the dispatcher refuses: {}", plain(&why)));
            return Ok(FAILED);
        }
        Heard::NotYet => {
            nobody_heard(COMMAND, has_dispatcher(&bus).await?);
            return Ok(FAILED);
        }
    };
    Ok(trial.verdict(args, is_over, &bus).await)
}

/// What became of the alert at one destination so far.
#[derive(Clone, Debug, Default, PartialEq)]
struct Outcome {
    destination: String,
    tries: u32,
    /// What was said last.
    said: String,
    ended: Option<(Ending, String)>,
    receipt: Option<String>,
}

/// A test alert on its way.
#[derive(Debug)]
struct Trial {
    id: Id,
    destination: Option<String>,
    revision: Option<Id>,
    rows: BTreeMap<Id, Outcome>,
}

impl Trial {
    /// Takes in what came, until every row has ended.
    async fn follow(&mut self, follower: &mut Follower<'_>) -> Result<(), BusError> {
        while !self.is_over() {
            let entries = follower.next().await?;
            self.hear(&entries);
        }
        Ok(())
    }

    /// Whether there are rows, and all of those that count have ended. All are decided at once.
    fn is_over(&self) -> bool {
        !self.rows.is_empty() && self.counting().all(|outcome| outcome.ended.is_some())
    }

    /// What counts: all destinations, or the one that was named.
    fn counting(&self) -> impl Iterator<Item = &Outcome> {
        let is_meant =
            |outcome: &&Outcome| self.destination.as_ref().is_none_or(|name| *name == outcome.destination);
        self.rows.values().filter(is_meant)
    }

    fn hear(&mut self, entries: &[HistoryEntry]) {
        for entry in entries {
            match &entry.what {
                HistoryOf::Alert { revision, alert, rule, scope, .. } => {
                    if *alert == Alert::id_of(rule, scope, self.id) {
                        self.revision = Some(*revision);
                    }
                }
                HistoryOf::Decision { row, revision, destination, reason, ending } => {
                    if self.revision == Some(*revision) {
                        let outcome = self.rows.entry(*row).or_default();
                        outcome.destination.clone_from(destination);
                        outcome.ended = ending.map(|ending| (ending, reason.as_str().to_owned()));
                    }
                }
                HistoryOf::Attempt { rows, said, outcome: word, .. } => {
                    for row in rows {
                        if let Some(outcome) = self.rows.get_mut(row) {
                            outcome.tries += 1;
                            outcome.said = if said.is_empty() { word.clone() } else { said.clone() };
                        }
                    }
                }
                HistoryOf::End { row, ending, reason, receipt, .. } => {
                    if let Some(outcome) = self.rows.get_mut(row) {
                        outcome.ended = Some((*ending, reason.clone()));
                        outcome.receipt = receipt.as_ref().and_then(|receipt| receipt.message.clone());
                    }
                }
                HistoryOf::Order { .. } | HistoryOf::Letters { .. } => {}
            }
        }
    }

    /// Prints what became of it; gives the exit code.
    async fn verdict(&self, args: &TrialArgs, is_over: bool, bus: &Bus) -> u8 {
        let all_sent = is_over
            && self.counting().next().is_some()
            && self.counting().all(|outcome| matches!(outcome.ended, Some((Ending::Sent, _))));
        let printed = if args.json {
            let all: Vec<_> = self.counting().map(Outcome::json).collect();
            print(COMMAND, &serde_json::Value::from(all).to_string())
        } else {
            let rows = self.counting().map(|outcome| outcome.row(colour::is_wanted())).collect();
            table(&["DESTINATION", "ENDING", "WHY", "TRIES", "RECEIPT"], rows)
                .map_or(DONE, |table| print(COMMAND, &table))
        };
        if self.counting().next().is_none() {
            self.nobody(args);
        } else if !is_over {
            let seconds = args.wait.as_secs();
            note(
                COMMAND,
                &format!(
                    "not all have ended within {seconds} s; they are tried on: see `cascade history --rule test`"
                ),
            );
            if !has_dispatcher(bus).await.unwrap_or(true) {
                note(COMMAND, "the dispatcher has gone meanwhile: see its log");
            }
        } else if !all_sent {
            note(COMMAND, "not every destination got it: see `cascade destinations check`");
        }
        if all_sent { printed } else { FAILED }
    }

    /// Says that there was no destination to wait for.
    fn nobody(&self, args: &TrialArgs) {
        let known: Vec<&str> = self.rows.values().map(|outcome| outcome.destination.as_str()).collect();
        match &args.destination {
            Some(name) if !known.is_empty() => {
                note(
                    COMMAND,
                    &format!(
                        "the dispatcher has no destination `{}`; it has {}",
                        plain(name),
                        known.join(", ")
                    ),
                );
            }
            _ => note(COMMAND, "the dispatcher has no destination: see `cascade destinations list`"),
        }
    }
}

impl Outcome {
    fn row(&self, colour: bool) -> Vec<Cell> {
        let dash = || "-".to_owned();
        let (ending, mood, why) = match &self.ended {
            Some((Ending::Sent, _)) => ("sent", Mood::Good, String::new()),
            Some((ending, why)) if self.said.is_empty() => (ending.as_str(), Mood::Bad, why.clone()),
            Some((ending, why)) => (ending.as_str(), Mood::Bad, format!("{why}: {}", self.said)),
            None => ("open", Mood::Doubtful, self.said.clone()),
        };
        vec![
            plain(&self.destination).into(),
            Cell::of(ending, Some(mood).filter(|_| colour)),
            if why.is_empty() { dash() } else { plain(&why) }.into(),
            self.tries.to_string().into(),
            self.receipt.as_deref().map_or_else(dash, plain).into(),
        ]
    }

    fn json(&self) -> serde_json::Value {
        serde_json::json!({
            "destination": self.destination,
            "ending": self.ended.as_ref().map(|(ending, _)| ending.as_str()),
            "why": self.ended.as_ref().map(|(_, why)| why),
            "tries": self.tries,
            "said": self.said,
            "receipt": self.receipt,
        })
    }
}
