//! `/api/v1/findings`: what the detectors found in the last 24 hours, newest first.
//!
//! From the streams `{sNN}:alerts`, which hold every finding that may concern people, of every kind and market, and of
//! no second's mere update. They are read backwards and merged, only as far as needed, and never beyond a bound.

use std::collections::VecDeque;
use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use cascade_bus::{Bus, BusError, Entry, StreamId};
use cascade_domain::{Finding, Level, Shard, Symbol};
use cascade_service::Problem;
use cascade_wire::{decode_finding, finding_to_json, key};
use serde::Deserialize;
use tokio::sync::{Mutex, Semaphore, SemaphorePermit};
use tokio::time::{Duration, timeout};
use utoipa::IntoParams;

use super::asked::{bad, limit, symbol, unreadable};
use super::shown::{FindingsShown, ProblemShown};
use super::{Shared, Site, json_text, unavailable};

/// How many entries of all streams are gone through for one request.
const MOST_READ: usize = 5_000;
/// How many entries of one stream are read at once: first, and when these were not enough.
const PAGES: (usize, usize) = (8, 200);
/// How many requests may go through streams at once; the others wait.
const AT_ONCE: usize = 2;
/// How long they wait, wall time.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long the page waits for them, wall time.
const GLANCE: Duration = Duration::from_secs(2);
/// How many findings the page shows.
const ON_PAGE: usize = 15;

/// Which findings; nothing given = all.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct FindingsAsked {
    /// About this market, e.g. `BTCUSDT`
    symbol: Option<String>,
    /// Of this kind: `cascade`, `large_liquidation`, `open_interest` or `feed`
    kind: Option<String>,
    /// Cascades of this level or above: `WATCH`, `ALERT`, `CRITICAL` or `EXTREME`
    level: Option<String>,
    /// So many at most, 1 to 500; 50 if not given
    #[param(minimum = 1, maximum = 500)]
    limit: Option<usize>,
}

/// What is asked for, understood.
#[derive(Debug, Default)]
pub(super) struct Sought {
    symbol: Option<Symbol>,
    kind: Option<String>,
    level: Option<Level>,
    limit: usize,
}

impl FindingsAsked {
    fn understood(self) -> Result<Sought, Problem> {
        let kind = self.kind.map(|kind| kind.to_ascii_lowercase());
        if let Some(kind) = kind.as_deref().filter(|kind| !Finding::KINDS.contains(kind)) {
            return Err(bad(format!("kind: `{kind}` is none of {}", Finding::KINDS.join(", "))));
        }
        let level = self.level.map(|word| level(&word)).transpose()?;
        let symbol = self.symbol.as_deref().map(symbol).transpose()?;
        Ok(Sought { symbol, kind, level, limit: limit(self.limit)? })
    }
}

fn level(word: &str) -> Result<Level, Problem> {
    let levels = [Level::Watch, Level::Alert, Level::Critical, Level::Extreme];
    let found = levels.into_iter().find(|level| level.to_string().eq_ignore_ascii_case(word));
    found.ok_or_else(|| bad("level: expected WATCH, ALERT, CRITICAL or EXTREME"))
}

impl Sought {
    fn matches(&self, finding: &Finding) -> bool {
        let level = match finding {
            Finding::Cascade(finding) => finding.level,
            _ => Level::None,
        };
        self.symbol.as_ref().is_none_or(|symbol| finding.symbol() == Some(symbol))
            && self.kind.as_ref().is_none_or(|kind| finding.kind() == kind)
            && self.level.is_none_or(|least| level >= least)
    }

    /// The streams in which they stand: feeds have no market, and live in their scope's shard.
    fn shards(&self) -> Vec<Shard> {
        self.symbol.as_ref().map_or_else(|| Shard::all().collect(), |symbol| vec![Shard::of(symbol)])
    }
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub(super) struct Found {
    pub(super) findings: Vec<Finding>,
    /// Entries that could not be read.
    unreadable: usize,
    /// The bound was reached before the limit.
    truncated: bool,
}

/// Findings of the last 24 hours, newest first
///
/// From the durable streams `{sNN}:alerts`, by when they were stored there: cascades from ALERT on (first, changes of level,
/// the end; not the updates of every second), large liquidations, open interest, feeds. The form of each is its channel's.
#[utoipa::path(
    get, path = "/api/v1/findings", tag = "findings", params(FindingsAsked),
    responses(
        (status = 200, description = "The findings", body = FindingsShown),
        (status = 400, description = "A parameter makes no sense", body = ProblemShown, content_type = "application/problem+json"),
        (status = 503, description = "Redis does not answer, or too many ask at once", body = ProblemShown, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn findings(
    State(site): Shared,
    asked: Result<Query<FindingsAsked>, QueryRejection>,
) -> Result<Response, Problem> {
    let sought = asked.map_err(|rejection| unreadable(&rejection))?.0.understood()?;
    let found = site.recent.find(&site.bus, &sought).await?;
    let texts: Vec<String> =
        found.findings.iter().filter_map(|finding| finding_to_json(finding).ok()).collect();
    Ok(json_text(format!(
        r#"{{"findings":[{}],"truncated":{},"unreadable":{}}}"#,
        texts.join(","),
        found.truncated,
        found.unreadable
    )))
}

/// Who goes through streams, so that not all do at once; and what the page showed last.
#[derive(Debug)]
pub(super) struct Recent {
    turns: Semaphore,
    on_page: Mutex<Option<(u64, Arc<OnPage>)>>,
}

impl Default for Recent {
    fn default() -> Self {
        Self { turns: Semaphore::new(AT_ONCE), on_page: Mutex::default() }
    }
}

impl Recent {
    /// Waits until it is one's turn to go through streams.
    pub(super) async fn turn(&self) -> Result<SemaphorePermit<'_>, Problem> {
        if let Ok(Ok(turn)) = timeout(PATIENCE, self.turns.acquire()).await {
            return Ok(turn);
        }
        let busy = "too many ask for what stands in streams; ask again";
        Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, busy).retry_after(2))
    }

    async fn find(&self, bus: &Bus, sought: &Sought) -> Result<Found, Problem> {
        let _turn = self.turn().await?;
        search(bus, sought).await.map_err(|error| unavailable(&error))
    }

    /// The newest of all, read once a second however many look at the page, and whether or not Redis answers.
    pub(super) async fn on_page(&self, site: &Site) -> Arc<OnPage> {
        let mut shown = self.on_page.lock().await;
        let now_s = || site.context.metrics.uptime_s();
        if let Some((_, found)) = shown.as_ref().filter(|(read_s, _)| *read_s == now_s()) {
            return Arc::clone(found);
        }
        let sought = Sought { limit: ON_PAGE, ..Sought::default() };
        let asked =
            timeout(GLANCE, async { (self.find(&site.bus, &sought).await, site.bus.get(key::DEMO).await) });
        let (found, mark) = asked.await.unwrap_or_else(|_| {
            let late = BusError::Timeout(GLANCE.as_millis());
            (Err(unavailable(&late)), Err(late))
        });
        let is_found = found.as_ref().is_ok_and(|found| found.findings.first().is_some_and(Finding::is_demo));
        let is_demo = site.config.is_demo || is_found || mark.ok().flatten().is_some();
        let found = Arc::new(OnPage { found, is_demo });
        *shown = Some((now_s(), Arc::clone(&found)));
        found
    }
}

/// What the page shows of them.
#[derive(Debug)]
pub(super) struct OnPage {
    /// The newest, or why they can't be read.
    pub(super) found: Result<Found, Problem>,
    /// Whether they are of a demo: the settings say so, the newest of them, or its Redis.
    pub(super) is_demo: bool,
}

/// One stream, read backwards.
struct Tap {
    key: String,
    /// What was read and not gone through yet, newest first.
    waiting: VecDeque<Entry>,
    /// Where to read on; `None` = from its end.
    before: Option<StreamId>,
    is_dry: bool,
}

/// Goes through the streams backwards, merged by the ids that Redis' clock gave.
async fn search(bus: &Bus, sought: &Sought) -> Result<Found, BusError> {
    let tap = |shard| Tap { key: key::alerts(shard), waiting: VecDeque::new(), before: None, is_dry: false };
    let mut taps: Vec<Tap> = sought.shards().into_iter().map(tap).collect();
    let mut found = Found::default();
    let (mut page, mut read) = if taps.len() == 1 { (PAGES.1, 0) } else { (PAGES.0, 0) };
    while found.findings.len() < sought.limit {
        read += refill(bus, &mut taps, page, &mut found.unreadable).await?;
        page = PAGES.1;
        let newest = taps.iter_mut().max_by_key(|tap| tap.waiting.front().map(|entry| entry.id));
        let Some(entry) = newest.and_then(|tap| tap.waiting.pop_front()) else { break };
        match entry.one.as_deref().map(decode_finding) {
            Some(Ok(finding)) if sought.matches(&finding) => found.findings.push(finding),
            Some(Ok(_)) => {}
            Some(Err(_)) | None => found.unreadable += 1,
        }
        if read > MOST_READ {
            found.truncated = true;
            break;
        }
    }
    Ok(found)
}

/// Reads on where nothing waits; how many entries came. A key of another type holds nothing, and is counted.
async fn refill(bus: &Bus, taps: &mut [Tap], page: usize, unreadable: &mut usize) -> Result<usize, BusError> {
    let mut empty: Vec<&mut Tap> =
        taps.iter_mut().filter(|tap| tap.waiting.is_empty() && !tap.is_dry).collect();
    if empty.is_empty() {
        return Ok(0);
    }
    let asked: Vec<_> = empty.iter().map(|tap| (tap.key.clone(), tap.before)).collect();
    let mut read = 0;
    for (tap, answer) in empty.iter_mut().zip(bus.newest_entries(&asked, page).await?) {
        match answer {
            Ok(entries) => {
                read += entries.len();
                tap.is_dry = entries.len() < page;
                tap.before = entries.last().map(|entry| entry.id).or(tap.before);
                tap.waiting = entries.into();
            }
            Err(error) if error.is_transient() => return Err(error),
            Err(_) => {
                *unreadable += 1;
                tap.is_dry = true;
            }
        }
    }
    Ok(read)
}
