//! One storm: findings rain down while dispatchers are killed, until nothing is open any more.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cascade_domain::{Alert, Finding};
use cascade_testkit::{Random, eventually};

use crate::Failure;
use crate::doors::ALL;
use crate::findings::{Gutter, Rain, now};
use crate::ledger::{Ledger, quantile};
use crate::site::Site;
use crate::verdict::Storm;

/// What a storm is.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// alert-dispatcher.
    pub(crate) program: PathBuf,
    pub(crate) seed: u64,
    pub(crate) findings: usize,
    /// So many a second.
    pub(crate) pace: u64,
    pub(crate) symbols: usize,
    /// How often a dispatcher is killed.
    pub(crate) kills: usize,
    /// Whether Redis is killed once, and comes back with its file.
    pub(crate) restart: bool,
    /// The settings of `[dispatch]`.
    pub(crate) dispatch: String,
    /// How long all of it may take to come to its end after the last finding, wall time.
    pub(crate) patience: Duration,
}

/// What a storm did.
#[derive(Debug)]
pub(crate) struct Report {
    /// What did not hold.
    pub(crate) failures: Vec<String>,
    /// How each destination did.
    pub(crate) table: String,
    /// HIGH at the hook, which has no rate to speak of: the 99th percentile from known until answered, milliseconds.
    pub(crate) p99_ms: i64,
}

/// How many findings are put out at once.
const AT_ONCE: usize = 5;
/// How often there may be a last word more.
const LAST_WORDS: usize = 5;

/// Lets it rain.
pub(crate) async fn run(plan: &Plan) -> Result<Report, Failure> {
    let mut site = Site::start(&plan.program, plan.seed, &plan.dispatch).await?;
    let mut gutter = Gutter::take(&site.bus).await?;
    let out = AtomicUsize::new(0);
    let raining = async {
        let (mut rain, mut findings) = (Rain::new(plan.seed, plan.symbols), Vec::new());
        let share = u64::try_from(AT_ONCE)? * 1_000_000 / plan.pace.max(1);
        let mut beat = tokio::time::interval(Duration::from_micros(share));
        while findings.len() < plan.findings {
            beat.tick().await;
            let some = (0..AT_ONCE).map(|_| rain.next()).collect::<Result<Vec<_>, _>>()?;
            gutter.put_out(&some).await?;
            findings.extend(some);
            out.store(findings.len(), Ordering::Relaxed);
        }
        Ok::<_, Failure>(findings)
    };
    let damaging = damage(plan, &mut site, &out);
    let (findings, damaged) = tokio::join!(raining, damaging);
    let findings = findings?;
    damaged?;
    let mut failures = calm(plan, &mut site, &findings).await?;
    let (ledger, books) = (Ledger::read(&site.bus).await?, site.bus.accounts(now()).await?);
    let kills = u64::try_from(plan.kills)?;
    let storm = Storm { findings: &findings, kills, books: &books, ledger: &ledger, doors: &site.doors };
    failures.extend(storm.failures());
    let p99_ms = quantile(&ledger.lateness("hook"), 99);
    Ok(Report { failures, table: storm.table(), p99_ms })
}

/// Waits until every finding was decided on and nothing is open, and stops the dispatchers; what did not hold. The clock
/// may lead to a last word (an edit, an episode's end) after that: then they go on until it is told too.
async fn calm(plan: &Plan, site: &mut Site, findings: &[Finding]) -> Result<Vec<String>, Failure> {
    let mut failures = Vec::new();
    let due = u64::try_from(findings.iter().filter_map(Alert::of).count() * ALL.len())?;
    for _ in 0..LAST_WORDS {
        let ended = eventually(plan.patience, async || {
            let Ok(books) = site.bus.accounts(now()).await else { return false };
            let produced: u64 = books.accounts.values().map(|account| account.produced).sum();
            produced >= due && books.accounts.values().all(|account| account.open == 0)
        });
        let has_ended = ended.await;
        let stopped_badly = site.stop().await?;
        if stopped_badly > 0 {
            failures.push(format!("{stopped_badly} dispatchers did not end well"));
        }
        let books = site.bus.accounts(now()).await?;
        if !has_ended || books.accounts.values().all(|account| account.open == 0) {
            return Ok(failures);
        }
        site.staff().await?;
    }
    Ok(failures)
}

/// Kills dispatchers one by one, spread over all of it as it comes, and Redis once among them. `out` = how many findings
/// are put out.
async fn damage(plan: &Plan, site: &mut Site, out: &AtomicUsize) -> Result<(), Failure> {
    let mut random = Random::new(plan.seed ^ 0xdead);
    let mut moments: Vec<usize> = (0..plan.kills).map(|_| random.below(plan.findings)).collect();
    moments.sort_unstable();
    for (number, moment) in moments.into_iter().enumerate() {
        eventually(plan.patience, async || out.load(Ordering::Relaxed) >= moment).await;
        if plan.restart && number == plan.kills / 2 {
            site.restart_redis().await?;
        }
        let after = 1 + u64::try_from(random.below(20))?;
        site.kill(random.below(2), after).await?;
    }
    Ok(())
}
