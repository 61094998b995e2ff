//! What can be asked of a history: alerts with what became of them, and who asked for what.
//!
//! Knows no words for people. Calls block.

use cascade_domain::{AlertReason, Ending, EventTime, Id, Phase, Priority, Symbol};
use rusqlite::types::Type;
use rusqlite::{Connection, Row, ToSql, params_from_iter};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{History, HistoryError};

/// Whether a delivery has ended, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stand {
    /// It has not.
    Open,
    /// It has.
    Ended(Ending),
}

/// Which alerts; nothing given = all but the watchdog's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Question {
    /// Decided at or after this.
    pub since: Option<EventTime>,
    /// Decided before this.
    pub until: Option<EventTime>,
    /// About this market.
    pub symbol: Option<Symbol>,
    /// Decided for this destination; deliveries to others are left out.
    pub destination: Option<String>,
    /// Of this rule or kind.
    pub rule: Option<String>,
    /// With deliveries that stand so; others are left out.
    pub ending: Option<Stand>,
    /// The latest so many.
    pub limit: u32,
}

/// A revision of an alert, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// Names the revision.
    pub revision: Id,
    /// The alert.
    pub alert: Id,
    /// Its kind.
    pub kind: String,
    /// Its rule.
    pub rule: String,
    /// Its scope.
    pub scope: String,
    /// Its market.
    pub symbol: Option<Symbol>,
    /// Where it stood.
    pub phase: Phase,
    /// How urgent it was.
    pub priority: Priority,
    /// When it was known.
    pub known_at_ms: EventTime,
    /// When it was decided, by the dispatcher's clock.
    pub at_ms: EventTime,
    /// One plain line on it.
    pub title: String,
    /// From a demo.
    pub demo: bool,
    /// Its deliveries, by destination.
    pub deliveries: Vec<Delivered>,
}

/// What became of an alert's revision at one destination.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivered {
    /// Names the row.
    pub row: Id,
    /// The destination.
    pub destination: String,
    /// Why it was to be told, or not.
    pub reason: Option<AlertReason>,
    /// How it ended; absent = it has not.
    pub ending: Option<Ending>,
    /// Why it ended so: the word of a reason, or of a refusal.
    pub why: Option<String>,
    /// When.
    pub ended_ms: Option<EventTime>,
    /// What the provider gave for it.
    pub receipt: Option<String>,
    /// What became of its dead letter: `replayed`, `dropped`.
    pub letter: Option<String>,
    /// Every message that tried to tell it, in order.
    pub attempts: Vec<Attempted>,
}

/// A message that tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempted {
    /// When, by the dispatcher's clock.
    pub at_ms: EventTime,
    /// `sent`, `retry_after`, `failed`, `refused` or `ambiguous`.
    pub outcome: String,
    /// What was said.
    pub said: String,
}

/// What somebody, or the clock, asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Act {
    /// When, by the clock of who wrote it down.
    pub at_ms: EventTime,
    /// Who.
    pub by: String,
    /// The word for it: `mute`, `ack`, `replayed`, ...
    pub act: String,
    /// What was asked.
    pub about: Value,
    /// Why that made no sense; absent = it was done.
    pub refused: Option<String>,
}

impl History {
    /// The latest alerts that the question asks for, oldest first.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn alerts(&self, question: &Question) -> Result<Vec<Told>, HistoryError> {
        self.asked(|connection| {
            let mut alerts = revisions(connection, question)?;
            alerts.reverse();
            for told in &mut alerts {
                told.deliveries = deliveries(connection, told.revision, question)?;
            }
            Ok(alerts)
        })
    }

    /// The alerts whose id begins with these hex digits, each with its latest title; a few at most.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn named(&self, digits: &str) -> Result<Vec<(Id, String)>, HistoryError> {
        // `{digits}g` is behind every id that begins so.
        self.asked(|connection| {
            connection
                .prepare_cached(
                    "SELECT alert, title, max(at_ms) FROM alerts WHERE alert >= ?1 AND alert < ?1 || 'g' \
                     GROUP BY alert LIMIT 10",
                )?
                .query_map([digits], |row| Ok((word(row, 0)?, row.get(1)?)))?
                .collect()
        })
    }

    /// The latest acts, oldest first; of a question only its times and its limit count. The watchdog's are left out.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn acts(&self, question: &Question) -> Result<Vec<Act>, HistoryError> {
        self.asked(|connection| {
            let mut acts: Vec<Act> = connection
                .prepare_cached(
                    "SELECT at_ms, by, act, about, refused FROM acts WHERE at_ms >= ? AND at_ms < ? AND act <> 'watchdog' \
                     ORDER BY at_ms DESC, entry DESC LIMIT ?",
                )?
                .query_map(
                    (earliest(question), latest(question), question.limit),
                    |row| {
                        Ok(Act {
                            at_ms: time(row, 0)?,
                            by: row.get(1)?,
                            act: row.get(2)?,
                            about: serde_json::from_str(&row.get::<_, String>(3)?).unwrap_or_default(),
                        refused: row.get(4)?,
                        })
                    },
                )?
                .collect::<rusqlite::Result<_>>()?;
            acts.reverse();
            Ok(acts)
        })
    }
}

fn earliest(question: &Question) -> i64 {
    question.since.map_or(i64::MIN, EventTime::ms)
}

fn latest(question: &Question) -> i64 {
    question.until.map_or(i64::MAX, EventTime::ms)
}

/// A condition with what stands for its question marks.
#[derive(Default)]
struct Conditions {
    text: Vec<&'static str>,
    values: Vec<Box<dyn ToSql>>,
}

impl Conditions {
    fn add(&mut self, text: &'static str, values: impl IntoIterator<Item = Box<dyn ToSql>>) {
        self.text.push(text);
        self.values.extend(values);
    }

    /// What a delivery must be.
    fn of_delivery(question: &Question) -> Self {
        let mut conditions = Self::default();
        if let Some(destination) = &question.destination {
            conditions.add("d.destination = ?", [boxed(destination.clone())]);
        }
        match question.ending {
            Some(Stand::Open) => conditions.add("d.ending IS NULL", []),
            Some(Stand::Ended(ending)) => conditions.add("d.ending = ?", [boxed(ending.as_str())]),
            None => {}
        }
        conditions
    }
}

fn boxed(value: impl ToSql + 'static) -> Box<dyn ToSql> {
    Box::new(value)
}

/// The alerts, latest first, without deliveries.
fn revisions(connection: &Connection, question: &Question) -> rusqlite::Result<Vec<Told>> {
    let mut conditions = Conditions::default();
    conditions.add("a.at_ms >= ? AND a.at_ms < ?", [boxed(earliest(question)), boxed(latest(question))]);
    if let Some(symbol) = &question.symbol {
        conditions.add("a.symbol = ?", [boxed(symbol.to_string())]);
    }
    match &question.rule {
        Some(rule) => {
            conditions.add("(a.rule = ? OR a.kind = ?)", [boxed(rule.clone()), boxed(rule.clone())]);
        }
        None => conditions.add("a.kind <> 'watchdog'", []),
    }
    let mut of_delivery = Conditions::of_delivery(question);
    let mut text = conditions.text.join(" AND ");
    if !of_delivery.text.is_empty() {
        text += " AND EXISTS (SELECT 1 FROM deliveries d WHERE d.revision = a.revision AND ";
        text += &of_delivery.text.join(" AND ");
        text += ")";
        conditions.values.append(&mut of_delivery.values);
    }
    conditions.values.push(boxed(question.limit));
    connection
        .prepare_cached(&format!(
            "SELECT revision, alert, kind, rule, scope, symbol, phase, priority, known_at_ms, at_ms, title, demo \
             FROM alerts a WHERE {text} ORDER BY at_ms DESC, known_at_ms DESC, revision LIMIT ?"
        ))?
        .query_map(params_from_iter(conditions.values), told)?
        .collect()
}

fn told(row: &Row<'_>) -> rusqlite::Result<Told> {
    Ok(Told {
        revision: word(row, 0)?,
        alert: word(row, 1)?,
        kind: row.get(2)?,
        rule: row.get(3)?,
        scope: row.get(4)?,
        symbol: optional(row, 5)?,
        phase: word(row, 6)?,
        priority: word(row, 7)?,
        known_at_ms: time(row, 8)?,
        at_ms: time(row, 9)?,
        title: row.get(10)?,
        demo: row.get(11)?,
        deliveries: Vec::new(),
    })
}

fn deliveries(
    connection: &Connection,
    revision: Id,
    question: &Question,
) -> rusqlite::Result<Vec<Delivered>> {
    let conditions = Conditions::of_delivery(question);
    let mut text = String::from("d.revision = ?");
    for condition in conditions.text {
        text += " AND ";
        text += condition;
    }
    let values = std::iter::once(boxed(revision.to_string())).chain(conditions.values);
    let mut found: Vec<Delivered> = connection
        .prepare_cached(&format!(
            "SELECT row, destination, reason, ending, why, ended_ms, receipt, letter FROM deliveries d \
             WHERE {text} ORDER BY destination, at_ms, row"
        ))?
        .query_map(params_from_iter(values), |row| {
            Ok(Delivered {
                row: word(row, 0)?,
                destination: row.get(1)?,
                reason: optional(row, 2)?,
                ending: optional(row, 3)?,
                why: row.get(4)?,
                ended_ms: row.get::<_, Option<i64>>(5)?.map(EventTime::from_ms),
                receipt: row.get(6)?,
                letter: row.get(7)?,
                attempts: Vec::new(),
            })
        })?
        .collect::<rusqlite::Result<_>>()?;
    for delivered in &mut found {
        delivered.attempts = attempts(connection, delivered.row)?;
    }
    Ok(found)
}

fn attempts(connection: &Connection, row: Id) -> rusqlite::Result<Vec<Attempted>> {
    connection
        .prepare_cached("SELECT at_ms, outcome, said FROM attempts WHERE row = ? ORDER BY at_ms, entry")?
        .query_map([row.to_string()], |row| {
            Ok(Attempted { at_ms: time(row, 0)?, outcome: row.get(1)?, said: row.get(2)? })
        })?
        .collect()
}

fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<EventTime> {
    row.get(column).map(EventTime::from_ms)
}

/// What a word stands for.
fn word<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    read(column, row.get(column)?)
}

fn optional<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<T>> {
    row.get::<_, Option<String>>(column)?.map(|text| read(column, text)).transpose()
}

fn read<T: DeserializeOwned>(column: usize, text: String) -> rusqlite::Result<T> {
    serde_json::from_value(Value::String(text))
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error)))
}
