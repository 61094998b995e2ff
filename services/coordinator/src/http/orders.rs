//! `POST /api/v1/orders`: what somebody with the token asks of the dispatcher, as the command-line tool does.
//!
//! Decides nothing: what comes of an order is the dispatcher's affair, and stands in its history.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use cascade_alerting::known_rule;
use cascade_bus::{BusError, StreamId};
use cascade_domain::{Ask, EventTime, Id, IdHasher, Mute, Order, Priority, Symbol, Which};
use cascade_service::{Problem, Throttle, random_seed};
use cascade_wire::{HistoryOf, dispatch};
use serde::{Deserialize, Serialize};
use tokio::time::{sleep, timeout};
use utoipa::ToSchema;

use super::asked;
use super::shown::ProblemShown;
use super::{Shared, Site, unavailable};

/// Who asks, as the history shows it.
const BY: &str = "api";
/// How long the dispatcher may take to hear, wall time.
const PATIENCE: Duration = Duration::from_secs(3);
/// Between two looks into the history, wall time.
const LOOK: Duration = Duration::from_millis(100);
/// How many entries of the history are read at once.
const PAGE: usize = 500;
/// The longest mute, seconds: 30 days.
const LONGEST_MUTE_S: u32 = 30 * 86_400;
/// The longest name of a destination or rule.
const LONGEST_NAME: usize = 64;
/// How many refusals are logged a minute, milliseconds.
const LOGGED: (u32, i64) = (3, 60_000);

/// What can be asked of the dispatcher.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(tag = "order", rename_all = "lowercase", deny_unknown_fields)]
pub(super) enum Asked {
    /// Tell nothing of these alerts for a while.
    Mute {
        /// Which alerts.
        what: What,
        /// For how long, 1 s to 30 days.
        #[schema(minimum = 1, maximum = 2_592_000)]
        for_s: u32,
    },
    /// Lift the mute of exactly this.
    Unmute {
        /// Which alerts: as they were muted.
        what: What,
    },
    /// Somebody takes care of this alert: it is not escalated.
    Ack {
        /// The alert's whole id, 16 hex digits.
        #[schema(value_type = String, pattern = "^[0-9a-f]{16}$")]
        alert: Id,
    },
    /// A marked alert to every destination, whatever it filters.
    Test {
        /// `LOW`, `MEDIUM` or `HIGH`; HIGH if not given.
        #[serde(default = "high")]
        #[schema(value_type = Option<String>)]
        priority: Priority,
    },
}

const fn high() -> Priority {
    Priority::High
}

/// Which alerts: all that match every part that is given. To mean all alerts, say `everything`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct What {
    /// About this market.
    symbol: Option<String>,
    /// Of this rule or kind, e.g. `cascade`, `feed`.
    rule: Option<String>,
    /// To this destination.
    destination: Option<String>,
    /// All of them: only where nothing else is given.
    #[serde(default)]
    everything: bool,
}

/// What became of an order.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Ordered {
    /// `mute`, `unmute`, `ack` or `test`.
    order: &'static str,
    /// Whether a dispatcher has done it; if not, the order stands, and is done when one does.
    done: bool,
    /// When it was asked, milliseconds since 1970.
    #[schema(value_type = i64)]
    at_ms: EventTime,
    /// Who asked, as the history shows it.
    by: &'static str,
    /// Until when it is muted, milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>)]
    until_ms: Option<EventTime>,
}

/// Ask something of the dispatcher: mute, unmute, ack, test
///
/// Needs the header `Authorization: Bearer TOKEN`, with the token that `coordinator.token_env` or `coordinator.token_file`
/// names. Waits up to 3 s for a dispatcher to do it.
#[utoipa::path(
    post, path = "/api/v1/orders", tag = "orders", request_body = Asked, security(("token" = [])),
    responses(
        (status = 200, description = "Done", body = Ordered),
        (status = 202, description = "Asked; no dispatcher has taken it yet", body = Ordered),
        (status = 400, description = "Makes no sense: why", body = ProblemShown, content_type = "application/problem+json"),
        (status = 401, description = "Not the token", body = ProblemShown, content_type = "application/problem+json"),
        (status = 403, description = "No token is configured: nobody may", body = ProblemShown, content_type = "application/problem+json"),
        (status = 409, description = "The dispatcher refuses: why", body = ProblemShown, content_type = "application/problem+json"),
        (status = 413, description = "More than 64 KiB", body = ProblemShown, content_type = "application/problem+json"),
        (status = 415, description = "Not JSON", body = ProblemShown, content_type = "application/problem+json"),
        (status = 503, description = "Redis does not answer", body = ProblemShown, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn order(State(site): Shared, headers: HeaderMap, body: Bytes) -> Result<Response, Problem> {
    permitted(&site, &headers).await?;
    if !is_json(&headers) {
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "send content-type: application/json"));
    }
    let asked: Asked = serde_json::from_slice(&body).map_err(|error| asked::bad(error.to_string()))?;
    let at_ms = site.context.clock.now();
    let order = Order { at_ms, by: BY.to_owned(), what: asked.understood(at_ms)? };
    let until_ms = if let Ask::Mute(mute) = &order.what { Some(mute.until_ms) } else { None };
    let heard = ask(&site, &order).await.map_err(|error| unavailable(&error))?;
    let (status, done) = match heard {
        Heard::Done => (StatusCode::OK, true),
        Heard::NotYet => (StatusCode::ACCEPTED, false),
        Heard::Refused(why) => {
            return Err(Problem::new(StatusCode::CONFLICT, format!("the dispatcher refuses: {why}")));
        }
    };
    tracing::info!(order = order.what.as_str(), done, "asked over the API");
    let ordered = Ordered { order: order.what.as_str(), done, at_ms, by: BY, until_ms };
    Ok((status, Json(ordered)).into_response())
}

/// How often who was refused is logged.
#[derive(Debug)]
pub(super) struct Refused(Throttle);

impl Refused {
    pub(super) const fn new() -> Self {
        Self(Throttle::new(LOGGED.0, LOGGED.1))
    }
}

/// Whether the token is there; a wrong one is logged, without it.
async fn permitted(site: &Arc<Site>, headers: &HeaderMap) -> Result<(), Problem> {
    let Some(token) = &site.config.token else {
        let detail = "nobody may: neither coordinator.token_env nor coordinator.token_file names a token";
        return Err(Problem::new(StatusCode::FORBIDDEN, detail));
    };
    let offered = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let bearer = offered.and_then(|offered| {
        let (scheme, token) = offered.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    if bearer.is_some_and(|offered| token.is(offered)) {
        return Ok(());
    }
    let reason = if bearer.is_some() { "a wrong token" } else { "no token" };
    if let Some(suppressed) = site.refused.lock().await.0.admit(reason, site.context.clock.now()) {
        tracing::warn!(reason, suppressed, "an order was refused");
    }
    Err(Problem::new(
        StatusCode::UNAUTHORIZED,
        "send Authorization: Bearer TOKEN, with the token that is configured",
    ))
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

impl Asked {
    fn understood(self, now: EventTime) -> Result<Ask, Problem> {
        Ok(match self {
            Self::Mute { what, for_s } => {
                if !(1..=LONGEST_MUTE_S).contains(&for_s) {
                    return Err(asked::bad(format!("for_s: {for_s} is not within 1 and {LONGEST_MUTE_S}")));
                }
                Ask::Mute(Mute { what: what.understood()?, until_ms: now.plus_ms(i64::from(for_s) * 1000) })
            }
            Self::Unmute { what } => Ask::Unmute { what: what.understood()? },
            Self::Ack { alert } => Ask::Ack { alert },
            Self::Test { priority } => {
                let seed = random_seed().map_err(|error| {
                    Problem::new(StatusCode::SERVICE_UNAVAILABLE, format!("no randomness: {error}"))
                })?;
                Ask::Test { id: IdHasher::new("test").int(seed.cast_signed()).finish(), priority }
            }
        })
    }
}

impl What {
    fn understood(self) -> Result<Which, Problem> {
        let symbol: Option<Symbol> = self.symbol.as_deref().map(asked::symbol).transpose()?;
        if let Some(Err(why)) = self.rule.as_deref().map(known_rule) {
            return Err(asked::bad(format!("rule: {why}")));
        }
        let is_name = |name: &String| {
            (1..=LONGEST_NAME).contains(&name.len())
                && name
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'))
        };
        if self.destination.as_ref().is_some_and(|name| !is_name(name)) {
            return Err(asked::bad("destination: lower-case letters, digits, - and _ are expected"));
        }
        let which = Which { symbol, rule: self.rule, destination: self.destination };
        // One that forgot a part must not silence everything.
        match (which == Which::default(), self.everything) {
            (true, false) => {
                Err(asked::bad("what: name a symbol, a rule or a destination, or say \"everything\": true"))
            }
            (false, true) => Err(asked::bad("what: `everything` and a part of it")),
            _ => Ok(which),
        }
    }
}

/// What the dispatcher made of an order.
enum Heard {
    Done,
    Refused(String),
    NotYet,
}

/// Asks, and waits until a dispatcher has heard, [`PATIENCE`] at most.
async fn ask(site: &Site, order: &Order) -> Result<Heard, BusError> {
    let from = site.bus.newest_entry(dispatch::HISTORY).await?;
    site.bus.order(order).await?;
    // From here on the order stands, whatever becomes of who waits.
    match timeout(PATIENCE, heard(site, order, from)).await {
        Ok(Ok(heard)) => Ok(heard),
        Ok(Err(_)) | Err(_) => Ok(Heard::NotYet),
    }
}

async fn heard(site: &Site, order: &Order, mut from: StreamId) -> Result<Heard, BusError> {
    loop {
        let entries = site.bus.history(from, PAGE).await?;
        match entries.last() {
            Some((last, _)) => from = *last,
            None => sleep(LOOK).await,
        }
        let mut refusals = entries.into_iter().filter_map(|(_, entry)| match entry.ok()?.what {
            HistoryOf::Order { given, refused } if given == *order => Some(refused),
            _ => None,
        });
        match refusals.next() {
            Some(Some(why)) => return Ok(Heard::Refused(why)),
            Some(None) => return Ok(Heard::Done),
            None => {}
        }
    }
}
