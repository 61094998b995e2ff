//! `cascade history`: which alerts there were, what became of each at each destination, and who asked for what.
//!
//! Asks the file of the history where there is one on this machine, else the stream on Redis. Changes nothing.

use std::path::Path;

use cascade_bus::RedisUrl;
use cascade_domain::{AlertReason, Ask, Ending, EventTime, Symbol};
use cascade_history::{Act, Delivered, History, HistoryError, Question, Stand, Told, projected};
use cascade_pace::Clock;
use cascade_service::{CommonArgs, SystemClock};
use serde_json::{Value, json};

use super::mute::named;
use super::span::{When, when};
use super::{bus, note, print, unreachable};
use crate::FAILED;
use crate::colour::{self, Mood};
use crate::columns::{Cell, table};
use crate::words::{date_time, duration, plain};

const COMMAND: &str = "history";

const EXAMPLES: &str = "\
Each line is an alert at one destination: why it was told or not, how that ended, how often it was
tried, how long that took, and the provider's receipt. Below: who muted, acknowledged, replayed.

The file at dispatch.history_path is asked if it is on this machine, else the stream on Redis.

Examples:
  cascade history --since 1h
  cascade history --symbol BTCUSDT --since 2026-11-21 --until 2026-11-22
  cascade history --destination phone --ending dead
  cascade history --json | jq '.alerts[] | select(.priority == \"HIGH\") | .title'

Exit: 0 done (also if nothing is found), 1 no history can be read, 2 usage or configuration.";

/// The flags of `cascade history`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct HistoryArgs {
    /// Alerts decided since then: 1h (ago), 2026-11-21, 2026-11-21T14:30 (UTC)
    #[arg(long, value_name = "TIME", value_parser = when, default_value = "24h")]
    since: When,

    /// Alerts decided before that
    #[arg(long, value_name = "TIME", value_parser = when)]
    until: Option<When>,

    /// About this market
    #[arg(long, value_name = "SYMBOL", value_parser = symbol)]
    symbol: Option<Symbol>,

    /// At this destination only
    #[arg(long, value_name = "NAME")]
    destination: Option<String>,

    /// Of this rule or kind, e.g. cascade, feed, test
    #[arg(long, value_name = "RULE")]
    rule: Option<String>,

    /// Whose delivery ended like this
    #[arg(long, value_name = "ENDING", value_parser = stand,
          help = "Whose delivery ended like this: sent, suppressed, expired, dead; or is open")]
    ending: Option<Stand>,

    /// The latest so many alerts
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,

    /// Print everything as one JSON object
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

pub(super) fn symbol(text: &str) -> Result<Symbol, String> {
    Symbol::parse(&text.to_uppercase()).map_err(|error| error.to_string())
}

fn stand(text: &str) -> Result<Stand, String> {
    let ending = Ending::ALL.into_iter().find(|ending| ending.as_str() == text);
    let stand = ending.map(Stand::Ended).or_else(|| (text == "open").then_some(Stand::Open));
    stand.ok_or_else(|| "one of sent, suppressed, expired, dead, open".to_owned())
}

impl HistoryArgs {
    fn question(&self, now: EventTime) -> Question {
        Question {
            since: Some(self.since.at(now)),
            until: self.until.map(|until| until.at(now)),
            symbol: self.symbol,
            destination: self.destination.clone(),
            rule: self.rule.clone(),
            ending: self.ending,
            limit: self.limit,
        }
    }

    /// Whether only some alerts are asked for: then acts are not what is looked for.
    fn narrows(&self) -> bool {
        let texts = self.destination.is_some() || self.rule.is_some();
        texts || self.symbol.is_some() || self.ending.is_some()
    }
}

/// What was found.
struct Found {
    /// Where it was read.
    source: String,
    alerts: Vec<Told>,
    acts: Vec<Act>,
}

/// Prints what was found; gives the exit code.
pub(crate) async fn run(args: &HistoryArgs, redis: &RedisUrl, path: &str) -> u8 {
    let (history, source) = match open(redis, path).await {
        Ok(opened) => opened,
        Err(code) => return code,
    };
    note(COMMAND, &format!("from {source}"));
    let (question, narrows) = (args.question(SystemClock::new().now()), args.narrows());
    let asking = move || -> Result<Found, HistoryError> {
        let acts = if narrows { Vec::new() } else { history.acts(&question)? };
        Ok(Found { source, alerts: history.alerts(&question)?, acts })
    };
    let found = match tokio::task::spawn_blocking(asking).await {
        Ok(Ok(found)) => found,
        Ok(Err(error)) => return failed(&error),
        Err(error) => return failed(&HistoryError::Stream(error.to_string())),
    };
    if args.json {
        let Found { source, alerts, acts } = found;
        return print(COMMAND, &json!({"source": source, "alerts": alerts, "acts": acts}).to_string());
    }
    print(COMMAND, &text(&found, colour::is_wanted()))
}

/// The history, and where it is.
async fn open(redis: &RedisUrl, path: &str) -> Result<(History, String), u8> {
    if !path.is_empty() && Path::new(path).exists() {
        let file = path.to_owned();
        let opened = tokio::task::spawn_blocking(move || History::read(&file)).await;
        let opened = opened.unwrap_or_else(|error| Err(HistoryError::Stream(error.to_string())));
        return opened.map(|history| (history, path.to_owned())).map_err(|error| failed(&error));
    }
    let bus = bus(redis).await.map_err(|error| unreachable(COMMAND, redis, &error))?;
    let (history, refused) = projected(&bus).await.map_err(|error| failed(&error))?;
    if refused > 0 {
        note(COMMAND, &format!("{refused} entries of the stream can't be read and are left out"));
    }
    Ok((history, format!("the stream on {redis}")))
}

/// The history for commands that need to find something in it.
pub(super) async fn found(redis: &RedisUrl, path: &str) -> Result<History, u8> {
    open(redis, path).await.map(|(history, _)| history)
}

fn failed(error: &HistoryError) -> u8 {
    note(COMMAND, &error.to_string());
    FAILED
}

fn text(found: &Found, colour: bool) -> String {
    const HEAD: [&str; 11] = [
        "AT",
        "ALERT",
        "PRIORITY",
        "PHASE",
        "DESTINATION",
        "REASON",
        "ENDING",
        "WHY",
        "TRIES",
        "TOOK",
        "RECEIPT",
    ];
    let mut text = String::new();
    let mut rows = Vec::new();
    for told in &found.alerts {
        if told.deliveries.is_empty() {
            rows.push((lead(told), vec![Cell::from("-")], told));
        }
        for (place, delivered) in told.deliveries.iter().enumerate() {
            let lead = if place == 0 { lead(told) } else { vec![Cell::default(); 4] };
            rows.push((lead, row(delivered, told.at_ms, colour), told));
        }
    }
    let head: Vec<&str> = HEAD.into_iter().chain(["TITLE"]).collect();
    let mut last = None;
    let lines = rows.into_iter().map(|(mut cells, rest, told)| {
        cells.extend(rest);
        cells.resize(HEAD.len(), Cell::default());
        // The longest cell comes last, and once.
        let title = if last == Some(told.revision) { String::new() } else { plain(&told.title) };
        last = Some(told.revision);
        cells.push(title.into());
        cells
    });
    text.push_str(&table(&head, lines.collect()).unwrap_or_else(|| "no alerts\n".to_owned()));
    let acts = found.acts.iter().map(|act| {
        let about = about(&act.about);
        let refused = act.refused.as_deref().map_or_else(|| "-".to_owned(), plain);
        vec![date_time(act.at_ms), plain(&act.by), plain(&act.act), refused, about]
    });
    if let Some(acts) = table(&["AT", "WHO", "ACT", "REFUSED", "ABOUT"], acts.collect()) {
        text.push('\n');
        text.push_str(&acts);
    }
    text
}

/// What an act was about, in words where it is an order.
fn about(about: &Value) -> String {
    let words = match serde_json::from_value(about.clone()) {
        Ok(Ask::Mute(mute)) => format!("{}, until {} UTC", named(&mute.what), date_time(mute.until_ms)),
        Ok(Ask::Unmute { what }) => named(&what),
        Ok(Ask::Ack { alert }) => format!("alert {alert}"),
        Ok(Ask::Refused { act, alert }) => format!("{act}, alert {alert}"),
        Ok(Ask::Test { priority, .. }) => format!("priority {priority}"),
        Ok(Ask::Watchdog { .. }) | Err(_) => about.to_string(),
    };
    plain(&words)
}

/// What is the same for all deliveries of an alert.
fn lead(told: &Told) -> Vec<Cell> {
    let demo = if told.demo { "DEMO " } else { "" };
    vec![
        format!("{demo}{}", date_time(told.at_ms)).into(),
        told.alert.to_string().into(),
        told.priority.as_str().into(),
        told.phase.as_str().into(),
    ]
}

fn row(delivered: &Delivered, decided: EventTime, colour: bool) -> Vec<Cell> {
    let dash = || "-".to_owned();
    let mood = match delivered.ending {
        Some(Ending::Sent) => Some(Mood::Good),
        Some(Ending::Dead) => Some(Mood::Bad),
        Some(Ending::Expired) | None => Some(Mood::Doubtful),
        Some(Ending::Suppressed) => None,
    };
    let took = delivered.ended_ms.filter(|_| !delivered.attempts.is_empty()).map(|at| at.since(decided));
    let why = delivered.why.as_deref().filter(|why| Some(*why) != delivered.reason.map(AlertReason::as_str));
    let why = [why, delivered.letter.as_deref()].into_iter().flatten().collect::<Vec<_>>().join(", ");
    // Of one that was not told, what was said last is why.
    let said = delivered.attempts.last().filter(|_| delivered.ending != Some(Ending::Sent));
    let why = match said.map(|attempt| attempt.said.as_str()).filter(|said| !said.is_empty()) {
        Some(said) if why.is_empty() => said.to_owned(),
        Some(said) => format!("{why}: {said}"),
        None => why,
    };
    vec![
        plain(&delivered.destination).into(),
        delivered.reason.map_or_else(dash, |reason| reason.as_str().to_owned()).into(),
        Cell::of(delivered.ending.map_or("open", Ending::as_str), mood.filter(|_| colour)),
        if why.is_empty() { dash() } else { plain(&why) }.into(),
        delivered.attempts.len().to_string().into(),
        took.map_or_else(dash, took_text).into(),
        delivered.receipt.as_deref().map_or_else(dash, plain).into(),
    ]
}

/// `0.3 s`, `64 s`, `3 min 5 s`.
fn took_text(ms: i64) -> String {
    match u64::try_from(ms).unwrap_or(0) {
        ms @ 0..10_000 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        ms => duration(ms / 1000),
    }
}
