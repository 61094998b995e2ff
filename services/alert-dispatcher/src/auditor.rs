//! Looks through the books every minute: puts orphans back, says how they stand, and cries out if they do not add up.
//!
//! What the rows are and how they are put back is the books' affair.

use std::collections::BTreeMap;
use std::time::Duration;

use cascade_bus::Write;
use cascade_bus::delivery::{Account, Audit};
use cascade_domain::{Ending, EventTime};
use cascade_notify::Kind;
use cascade_service::{Metric, Shutdown};
use cascade_wire::{DestinationReading, dispatch};

use crate::destination::Target;
use crate::office::{Office, RETRY, missed, pause};
use crate::settling::why_off;

/// How often the books are looked through, wall time.
const EVERY: Duration = Duration::from_mins(1);
/// How often it is shown how the destinations do, wall time.
const SHOW: Duration = Duration::from_secs(5);
/// How long that stands, seconds.
const TTL_S: u32 = 60;

/// What only who looks through the books tells.
const TOLD: [Metric; 6] = [
    Metric::DeliveriesOpen,
    Metric::OldestDelivery,
    Metric::DestinationUp,
    Metric::AuditDifference,
    Metric::DeadLetters,
    Metric::WatchdogAge,
];

/// Who looks through the books.
#[derive(Debug)]
pub(crate) struct Auditor {
    office: Office,
    targets: Vec<Target>,
    /// What was there at the last look.
    last: BTreeMap<String, Account>,
    is_first: bool,
    /// When the watchdog's sign of life arrived last, as far as the books say.
    arrived: Option<EventTime>,
    since: EventTime,
}

impl Auditor {
    pub(crate) fn new(office: Office, targets: Vec<Target>) -> Self {
        let since = office.now();
        Self { office, targets, last: BTreeMap::new(), is_first: true, arrived: None, since }
    }

    /// Looks until asked to stop or dropped.
    pub(crate) async fn run(mut self, shutdown: Shutdown) {
        loop {
            let audited = match self.office.bus.audit(self.office.now()).await {
                Ok(audit) => {
                    self.cry_out(&audit);
                    self.look(audit).await;
                    true
                }
                Err(error) => {
                    missed("audit", &error);
                    false
                }
            };
            if !pause(if audited { SHOW } else { RETRY }, &shutdown).await {
                return;
            }
            for _ in 1..EVERY.as_secs() / SHOW.as_secs() {
                match self.office.bus.accounts(self.office.now()).await {
                    Ok(audit) => self.look(audit).await,
                    Err(error) => missed("accounts", &error),
                }
                if !pause(SHOW, &shutdown).await {
                    return;
                }
            }
        }
    }

    /// Tells what an audit found wrong.
    fn cry_out(&self, audit: &Audit) {
        for (name, account) in audit.accounts.iter().filter(|(_, account)| !account.adds_up()) {
            let (produced, open) = (account.produced, account.open);
            let ended: u64 = account.ended.values().sum();
            tracing::error!(
                destination = name,
                produced,
                ended,
                open,
                "THE BOOKS DO NOT ADD UP: deliveries were lost or counted twice"
            );
        }
        if audit.orphans > 0 {
            tracing::warn!(rows = audit.orphans, "nothing waited for them; they wait in their lanes again");
        }
        self.office.metrics().add(Metric::Orphans, &[], audit.orphans);
    }

    /// Counts what happened since the last look, and shows how the books stand.
    async fn look(&mut self, audit: Audit) {
        let (metrics, now) = (self.office.metrics().clone(), self.office.now());
        let mut differences = 0;
        for (name, account) in &audit.accounts {
            differences += account.produced.abs_diff(account.ended.values().sum::<u64>() + account.open);
            let waited = account.oldest_due.map_or(0, |due| now.since(due));
            metrics.set(Metric::DeliveriesOpen, &[name], number(account.open));
            metrics.set(Metric::OldestDelivery, &[name], seconds(waited));
            // What stood there at the first look, others have counted.
            if self.is_first {
                continue;
            }
            let before = self.last.get(name).cloned().unwrap_or_default();
            metrics.add(Metric::Ambiguous, &[name], account.ambiguous.saturating_sub(before.ambiguous));
            for (end, count) in &account.reasons {
                let more = count.saturating_sub(before.reasons.get(end).copied().unwrap_or(0));
                let (ending, reason) = end;
                if more == 0 {
                    continue;
                }
                metrics.add(Metric::Deliveries, &[name, ending.as_str(), reason], more);
                if *ending == Ending::Sent {
                    self.office.desk.recovered(name);
                }
                if name == crate::config::DEAD_MAN && *ending == Ending::Sent {
                    self.arrived = Some(now);
                }
            }
        }
        metrics.set(Metric::AuditDifference, &[], number(differences));
        metrics.set(Metric::DeadLetters, &[], number(audit.letters));
        (self.last, self.is_first) = (audit.accounts, false);
        self.show().await;
    }

    /// Shows how each destination does, and how long ago the watchdog was heard.
    async fn show(&self) {
        let mut readings = BTreeMap::new();
        for target in &self.targets {
            let reading = self.reading(target);
            let up = if reading.up { 1.0 } else { 0.0 };
            let name = target.destination.name.as_str();
            self.office.metrics().set(Metric::DestinationUp, &[name], up);
            readings.insert(name, reading);
        }
        if self.targets.iter().any(|target| target.destination.kind == Kind::DeadMan) {
            let heard = self.office.desk.standing(crate::config::DEAD_MAN).sent.max(self.arrived);
            let age = self.office.now().since(heard.unwrap_or(self.since));
            self.office.metrics().set(Metric::WatchdogAge, &[], seconds(age));
        }
        let Ok(json) = serde_json::to_string(&readings) else { return };
        let write = Write::Json { key: dispatch::DESTINATIONS.to_owned(), json, ttl_s: TTL_S };
        if let Err(error) = self.office.bus.write_readings(&[write]).await {
            missed("destinations", &error);
        }
    }

    fn reading(&self, target: &Target) -> DestinationReading {
        let name = &target.destination.name;
        let account = self.last.get(name).cloned().unwrap_or_default();
        let ended = |ending| account.ended.get(&ending).copied().unwrap_or(0);
        let standing = self.office.desk.standing(name);
        DestinationReading {
            kind: target.destination.kind.as_str().to_owned(),
            up: account.off.is_none() && !standing.is_failing,
            off: account.off.as_deref().map(|off| why_off(off).to_owned()),
            produced: account.produced,
            sent: ended(Ending::Sent),
            suppressed: ended(Ending::Suppressed),
            expired: ended(Ending::Expired),
            dead: ended(Ending::Dead),
            open: account.open,
            ambiguous: account.ambiguous,
            sent_ms: standing.sent,
            error: standing.failed.map(|(_, said)| said),
        }
    }
}

impl Drop for Auditor {
    /// Another dispatcher tells it from now on; what this one said last would stand for ever.
    fn drop(&mut self) {
        for metric in TOLD {
            self.office.metrics().forget(metric);
        }
    }
}

/// Milliseconds as a gauge has them; never negative.
fn seconds(ms: i64) -> f64 {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0)).as_secs_f64()
}

/// A count as a gauge has it.
#[expect(clippy::cast_precision_loss, reason = "counts of rows are far below 2^53")]
const fn number(count: u64) -> f64 {
    count as f64
}
