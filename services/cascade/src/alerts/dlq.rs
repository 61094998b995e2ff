//! `cascade dlq`: deliveries that no provider would take, to be looked at, put back on their way, or dropped.
//!
//! Changes the books by itself, by the same scripts as the dispatcher: none needs to run.

use cascade_bus::{Bus, BusError, RedisUrl, StreamId};
use cascade_domain::EventTime;
use cascade_pace::Clock;
use cascade_service::{CommonArgs, SystemClock};
use cascade_wire::{Letter, WireError};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::asking::by;
use super::span::ms;
use super::{bus, has_dispatcher, note, print, unreachable};
use crate::columns::table;
use crate::words::{date_time, plain};
use crate::{FAILED, REFUSED};

const COMMAND: &str = "dlq";
/// How many letters are asked for at once.
const PAGE: usize = 500;
/// For how long a letter that is put back may be told.
const FRESH: std::time::Duration = std::time::Duration::from_mins(15);

const EXAMPLES: &str = "\
A delivery is dead when its provider refuses it for good: a chat that is gone, a token that is not
good, a message that makes no sense to it. Mend the cause first: `cascade destinations check`.

Examples:
  cascade dlq list
  cascade dlq show 1795266000000-0
  cascade dlq replay 1795266000000-0 1795266000000-1
  cascade dlq replay --all
  cascade dlq drop --all --yes

Exit: 0 done, 1 Redis does not answer or there is no such letter, 2 usage or configuration.";

/// The flags of `cascade dlq`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DlqArgs {
    #[command(subcommand)]
    what: Dlq,

    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

#[derive(Debug, Subcommand)]
enum Dlq {
    /// Show which deliveries are dead, and why
    List {
        /// Print them as one JSON array
        #[arg(long)]
        json: bool,
    },
    /// Show everything about one of them, as JSON
    Show {
        /// The letter, as `list` names it
        #[arg(value_name = "ID", value_parser = letter)]
        id: StreamId,
    },
    /// Put some back on their way: they are sent anew, for 15 minutes at most
    Replay(Which),
    /// Let go of some: they stay dead, and stand in the history
    Drop {
        #[command(flatten)]
        which: Which,
        /// Yes, really all of them
        #[arg(long, requires = "all")]
        yes: bool,
    },
}

#[derive(Debug, Args)]
struct Which {
    /// The letters, as `list` names them
    #[arg(value_name = "ID", value_parser = letter, required_unless_present = "all", conflicts_with = "all")]
    ids: Vec<StreamId>,
    /// All of them
    #[arg(long)]
    all: bool,
}

fn letter(text: &str) -> Result<StreamId, String> {
    text.parse()
        .map_err(|_| "a letter's id is expected, e.g. 1795266000000-0: see `cascade dlq list`".to_owned())
}

/// A letter as it stands.
type Standing = (StreamId, Result<Letter, WireError>);

/// Does what is asked; gives the exit code.
pub(crate) async fn run(args: &DlqArgs, redis: &RedisUrl) -> u8 {
    if let Dlq::Drop { which: Which { all: true, .. }, yes: false } = args.what {
        note(
            COMMAND,
            "this lets go of every dead letter; say --yes if that is meant, or look first: `cascade dlq list`",
        );
        return REFUSED;
    }
    let done = async {
        let bus = bus(redis).await?;
        match &args.what {
            Dlq::List { json } => list(&bus, *json).await,
            Dlq::Show { id } => show(&bus, *id).await,
            Dlq::Replay(which) => replay(&bus, which).await,
            Dlq::Drop { which, .. } => let_go(&bus, which).await,
        }
    };
    match done.await {
        Ok(code) => code,
        Err(error) => unreachable(COMMAND, redis, &error),
    }
}

/// All letters, oldest first.
async fn letters(bus: &Bus) -> Result<Vec<Standing>, BusError> {
    let mut letters = Vec::new();
    let mut after = StreamId::ZERO;
    loop {
        let page = bus.letters(after, PAGE).await?;
        let Some((last, _)) = page.last() else { return Ok(letters) };
        after = *last;
        letters.extend(page);
    }
}

async fn list(bus: &Bus, as_json: bool) -> Result<u8, BusError> {
    let letters = letters(bus).await?;
    if as_json {
        let letters: Vec<Value> = letters.iter().map(json_of).collect();
        return Ok(print(COMMAND, &Value::from(letters).to_string()));
    }
    let rows = letters.iter().map(row).collect();
    let head = ["ID", "DEAD SINCE", "DESTINATION", "REASON", "TRIES", "SAID", "ALERT"];
    Ok(print(COMMAND, &table(&head, rows).unwrap_or_else(|| "no dead letters".to_owned())))
}

fn row((id, letter): &Standing) -> Vec<String> {
    match letter {
        Ok(letter) => vec![
            id.to_string(),
            date_time(letter.at_ms),
            plain(&letter.delivery.destination),
            plain(&letter.reason),
            letter.attempts.to_string(),
            if letter.said.is_empty() { "-".to_owned() } else { plain(&letter.said) },
            plain(&cascade_message::title(&letter.delivery.alert)),
        ],
        Err(error) => {
            let unknown = || "-".to_owned();
            vec![
                id.to_string(),
                unknown(),
                unknown(),
                "unreadable".to_owned(),
                unknown(),
                plain(&error.to_string()),
                unknown(),
            ]
        }
    }
}

fn json_of((id, letter): &Standing) -> Value {
    match letter {
        Ok(letter) => json!({"id": id.to_string(), "letter": letter}),
        Err(error) => json!({"id": id.to_string(), "unreadable": error.to_string()}),
    }
}

async fn show(bus: &Bus, id: StreamId) -> Result<u8, BusError> {
    let Some(found) = letters(bus).await?.into_iter().find(|(known, _)| *known == id) else {
        return Ok(not_there(&[id]));
    };
    let text = serde_json::to_string_pretty(&json_of(&found)).unwrap_or_default();
    Ok(print(COMMAND, &text))
}

/// The letters that are meant.
async fn meant(bus: &Bus, which: &Which) -> Result<Vec<StreamId>, BusError> {
    if !which.all {
        return Ok(which.ids.clone());
    }
    Ok(letters(bus).await?.into_iter().map(|(id, _)| id).collect())
}

async fn replay(bus: &Bus, which: &Which) -> Result<u8, BusError> {
    let ids = meant(bus, which).await?;
    let mut done = Vec::new();
    for part in ids.chunks(PAGE) {
        let now = now();
        done.extend(bus.replay_letters(part, &by(), now, now.plus_ms(ms(FRESH))).await?);
    }
    let code = told(&ids, &done, "put back on their way");
    if done.contains(&true) && !has_dispatcher(bus).await? {
        note(
            COMMAND,
            "no dispatcher runs: start one within 15 minutes (`alert-dispatcher`, or everything with `cascade up`)",
        );
    }
    Ok(code)
}

async fn let_go(bus: &Bus, which: &Which) -> Result<u8, BusError> {
    let ids = meant(bus, which).await?;
    let mut done = Vec::new();
    for part in ids.chunks(PAGE) {
        done.extend(bus.drop_letters(part, &by(), now()).await?);
    }
    Ok(told(&ids, &done, "dropped"))
}

fn now() -> EventTime {
    SystemClock::new().now()
}

/// Says what was done, and which letters there were not; gives the exit code.
fn told(ids: &[StreamId], done: &[bool], word: &str) -> u8 {
    let missing: Vec<StreamId> =
        ids.iter().zip(done).filter(|(_, done)| !**done).map(|(id, _)| *id).collect();
    let count = done.iter().filter(|done| **done).count();
    let code = print(COMMAND, &format!("{count} {word}"));
    if missing.is_empty() { code } else { not_there(&missing) }
}

fn not_there(ids: &[StreamId]) -> u8 {
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    note(COMMAND, &format!("no such dead letter: {}; see `cascade dlq list`", ids.join(", ")));
    FAILED
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DONE;

    #[test]
    fn what_was_not_there_is_a_failure_by_name() {
        let ids = [StreamId { ms: 1, seq: 0 }, StreamId { ms: 2, seq: 0 }];
        assert_eq!(told(&ids, &[true, true], "dropped"), DONE);
        assert_eq!(told(&ids, &[true, false], "dropped"), FAILED);
        assert_eq!(told(&[], &[], "dropped"), DONE);
    }
}
