//! `/api/v1/alerts`: which alerts there were, and what became of each at each destination; newest first.
//!
//! From the dispatcher's history on Redis, read backwards and never beyond a bound. The same fields as `cascade history`.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use cascade_bus::{Bus, BusError, Entry, StreamId};
use cascade_domain::{AlertReason, Ending, EventTime, Id, Phase, Priority, Symbol};
use cascade_service::Problem;
use cascade_wire::{HistoryEntry, HistoryOf, dispatch};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::asked::{limit, symbol, time, unreadable};
use super::shown::ProblemShown;
use super::{Shared, unavailable};

/// How many entries are gone through for one request.
const MOST_READ: usize = 20_000;
/// How many are read at once.
const PAGE: usize = 500;
/// How far back is told where nobody says, milliseconds.
const USUAL_MS: i64 = 24 * 3_600_000;
/// Dispatchers that take turns write by clocks that differ by so much at most, milliseconds.
const CLOCKS_MS: i64 = 60_000;
/// The kind of the watchdog's alerts, which are nobody's news.
const WATCHDOG: &str = "watchdog";

/// Which alerts.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct AlertsAsked {
    /// Decided at or after this: RFC 3339, or milliseconds since 1970; 24 hours ago if not given
    since: Option<String>,
    /// About this market, e.g. `BTCUSDT`
    symbol: Option<String>,
    /// So many at most, 1 to 500; 50 if not given
    #[param(minimum = 1, maximum = 500)]
    limit: Option<usize>,
}

/// What is asked for, understood.
struct Sought {
    since: EventTime,
    symbol: Option<Symbol>,
    limit: usize,
}

/// The alerts, newest first.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(super) struct AlertsTold {
    /// Each revision of an alert that was decided.
    alerts: Vec<AlertTold>,
    /// Whether the search ended before `limit` and `since` were reached: it goes through 20,000 entries at most.
    truncated: bool,
    /// Entries that could not be read.
    unreadable: usize,
}

/// A revision of an alert, and what became of it.
#[derive(Debug, Serialize, ToSchema)]
struct AlertTold {
    /// Names the revision.
    #[schema(value_type = String)]
    revision: Id,
    /// The alert: 16 hex digits.
    #[schema(value_type = String)]
    alert: Id,
    /// Its kind, e.g. `cascade`.
    kind: String,
    /// Its rule.
    rule: String,
    /// What it is about: a symbol, `market`, `feed:binance`.
    scope: String,
    /// Its market.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    symbol: Option<Symbol>,
    /// `opened`, `updated` or `resolved`.
    #[schema(value_type = String)]
    phase: Phase,
    /// `LOW`, `MEDIUM` or `HIGH`.
    #[schema(value_type = String)]
    priority: Priority,
    /// When it was known, milliseconds since 1970.
    #[schema(value_type = i64)]
    known_at_ms: EventTime,
    /// When it was decided, by the dispatcher's clock.
    #[schema(value_type = i64)]
    at_ms: EventTime,
    /// One plain line on it.
    title: String,
    /// From a demo.
    demo: bool,
    /// What became of it, by destination.
    deliveries: Vec<Delivered>,
}

/// What became of an alert's revision at one destination.
#[derive(Debug, Serialize, ToSchema)]
struct Delivered {
    /// Names the delivery.
    #[schema(value_type = String)]
    row: Id,
    /// The destination.
    destination: String,
    /// Why it was to be told, or not.
    #[schema(value_type = String)]
    reason: AlertReason,
    /// `sent`, `suppressed`, `expired` or `dead`; absent = it has not ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    ending: Option<Ending>,
    /// Why it ended so.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    /// When.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>)]
    ended_ms: Option<EventTime>,
    /// What the provider gave for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt: Option<String>,
    /// What became of its dead letter: `replayed`, `dropped`.
    #[serde(skip_serializing_if = "Option::is_none")]
    letter: Option<String>,
    /// Every message that tried to tell it, in order.
    attempts: Vec<Attempted>,
}

/// A message that tried.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct Attempted {
    /// When, by the dispatcher's clock.
    #[schema(value_type = i64)]
    at_ms: EventTime,
    /// `sent`, `retry_after`, `failed`, `refused` or `ambiguous`.
    outcome: String,
    /// What was said.
    said: String,
}

/// Alerts of the last 24 hours or since a time, and what became of each
#[utoipa::path(
    get, path = "/api/v1/alerts", tag = "alerts", params(AlertsAsked),
    responses(
        (status = 200, description = "The alerts, newest first", body = AlertsTold),
        (status = 400, description = "A parameter makes no sense", body = ProblemShown, content_type = "application/problem+json"),
        (status = 503, description = "Redis does not answer, or too many ask at once", body = ProblemShown, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn alerts(
    State(site): Shared,
    asked: Result<Query<AlertsAsked>, QueryRejection>,
) -> Result<Json<AlertsTold>, Problem> {
    let asked = asked.map_err(|rejection| unreadable(&rejection))?.0;
    let sought = Sought {
        since: match asked.since {
            Some(text) => time(&text)?,
            None => site.context.clock.now().plus_ms(-USUAL_MS),
        },
        symbol: asked.symbol.as_deref().map(symbol).transpose()?,
        limit: limit(asked.limit)?,
    };
    let _turn = site.recent.turn().await?;
    search(&site.bus, &sought).await.map(Json).map_err(|error| unavailable(&error))
}

/// Goes through the history backwards until there is enough.
async fn search(bus: &Bus, sought: &Sought) -> Result<AlertsTold, BusError> {
    let (mut told, mut ends) = (AlertsTold::default(), Ends::default());
    let (mut before, mut read): (Option<StreamId>, usize) = (None, 0);
    loop {
        let asked = [(dispatch::HISTORY.to_owned(), before)];
        let page: Vec<Entry> = match bus.newest_entries(&asked, PAGE).await?.pop() {
            Some(page) => page?,
            None => Vec::new(),
        };
        read += page.len();
        let is_last = page.len() < PAGE;
        before = page.last().map(|entry| entry.id);
        for entry in page {
            let Ok(entry) = HistoryEntry::from_json(&entry.one.unwrap_or_default()) else {
                told.unreadable += 1;
                continue;
            };
            if entry.at_ms.plus_ms(CLOCKS_MS) < sought.since {
                return Ok(told);
            }
            let alert = ends.take(entry);
            told.alerts.extend(alert.filter(|alert| sought.matches(alert)));
            if told.alerts.len() >= sought.limit {
                return Ok(told);
            }
        }
        if is_last || read >= MOST_READ {
            told.truncated = !is_last;
            return Ok(told);
        }
    }
}

impl Sought {
    fn matches(&self, alert: &AlertTold) -> bool {
        alert.at_ms >= self.since
            && alert.kind != WATCHDOG
            && self.symbol.is_none_or(|symbol| alert.symbol == Some(symbol))
    }
}

/// What is known of how things ended before it is known what they were: an alert stands ahead of its decisions, these
/// ahead of their attempts, and those ahead of their ends.
#[derive(Debug, Default)]
struct Ends {
    rows: BTreeMap<Id, Row>,
    decided: BTreeMap<Id, Vec<Delivered>>,
}

#[derive(Debug, Default)]
struct Row {
    end: Option<(Ending, Option<String>, EventTime, Option<String>)>,
    /// It was put back on its way: an end before that is none.
    is_open_again: bool,
    letter: Option<String>,
    /// Newest first.
    attempts: Vec<Attempted>,
}

impl Ends {
    /// The next entry, backwards; the whole alert where it is one.
    fn take(&mut self, entry: HistoryEntry) -> Option<AlertTold> {
        let at_ms = entry.at_ms;
        match entry.what {
            HistoryOf::Letters { rows, act, .. } => {
                for row in rows {
                    let row = self.rows.entry(row).or_default();
                    row.is_open_again |= act == "replayed" && row.end.is_none();
                    row.letter.get_or_insert_with(|| act.clone());
                }
            }
            HistoryOf::End { row, ending, reason, receipt, .. } => {
                let row = self.rows.entry(row).or_default();
                if row.end.is_none() && !row.is_open_again {
                    row.end =
                        Some((ending, Some(reason), at_ms, receipt.and_then(|receipt| receipt.message)));
                }
            }
            HistoryOf::Attempt { rows, outcome, said, .. } => {
                let attempted = Attempted { at_ms, outcome, said };
                for row in rows {
                    self.rows.entry(row).or_default().attempts.push(attempted.clone());
                }
            }
            HistoryOf::Decision { row, revision, destination, reason, ending } => {
                let found = self.rows.remove(&row).unwrap_or_default();
                let decided = ending.map(|ending| (ending, None, at_ms, None));
                let delivered = Delivered::of(row, (destination, reason), found, decided);
                self.decided.entry(revision).or_default().push(delivered);
            }
            HistoryOf::Alert {
                revision,
                alert,
                kind,
                rule,
                scope,
                symbol,
                phase,
                priority,
                known_at_ms,
                title,
                demo,
            } => {
                let mut deliveries = self.decided.remove(&revision).unwrap_or_default();
                deliveries.sort_by(|a, b| (&a.destination, a.row).cmp(&(&b.destination, b.row)));
                return Some(AlertTold {
                    revision,
                    alert,
                    kind,
                    rule,
                    scope,
                    symbol,
                    phase,
                    priority,
                    known_at_ms,
                    at_ms,
                    title,
                    demo,
                    deliveries,
                });
            }
            HistoryOf::Order { .. } => {}
        }
        None
    }
}

impl Delivered {
    fn of(
        row: Id,
        (destination, reason): (String, AlertReason),
        mut found: Row,
        decided: Option<(Ending, Option<String>, EventTime, Option<String>)>,
    ) -> Self {
        found.attempts.reverse();
        let (ending, why, ended_ms, receipt) = match found.end.or(decided) {
            Some((ending, why, at, receipt)) => (Some(ending), why, Some(at), receipt),
            None => (None, None, None, None),
        };
        let why = why.or_else(|| ending.is_some().then(|| reason.as_str().to_owned()));
        Self {
            row,
            destination,
            reason,
            ending,
            why,
            ended_ms,
            receipt,
            letter: found.letter,
            attempts: found.attempts,
        }
    }
}
