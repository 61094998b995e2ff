//! Whether everything held: what must be true of the books, the history and the doors after a storm.

use std::collections::BTreeMap;

use cascade_bus::delivery::Audit;
use cascade_domain::{Alert, AlertReason, Ending, Finding, Id};

use crate::doors::{ALL, CUTTING, Doors, HANGING, HEALTHY};
use crate::ledger::{Ledger, quantile};

/// A storm that is over.
pub(crate) struct Storm<'a> {
    pub(crate) findings: &'a [Finding],
    pub(crate) kills: u64,
    pub(crate) books: &'a Audit,
    pub(crate) ledger: &'a Ledger,
    pub(crate) doors: &'a Doors,
}

impl Storm<'_> {
    /// Everything that is not as it must be.
    pub(crate) fn failures(&self) -> Vec<String> {
        let mut failures = self.doors.violations();
        failures.truncate(10);
        self.decided_once(&mut failures);
        for door in ALL {
            self.adds_up(door, &mut failures);
            self.repeats(door, &mut failures);
        }
        let again = self.ledger.tried_after_sent();
        if !again.is_empty() {
            failures
                .push(format!("{} rows were sent again though it was known that they had been", again.len()));
        }
        let twice = self.ledger.ended.values().filter(|times| **times > 1).count();
        if twice > 0 {
            failures.push(format!("{twice} rows ended more than once"));
        }
        let (waited, door) = self.ledger.longest_wait();
        if waited > 0 {
            failures.push(format!("HIGH waited for {waited} messages of other lanes to {door}"));
        }
        for door in HEALTHY {
            if self.ledger.lateness(door).is_empty() {
                failures.push(format!("nothing HIGH was sent to {door}"));
            }
        }
        failures
    }

    /// Each finding that concerns people was decided once for each destination.
    fn decided_once(&self, failures: &mut Vec<String>) {
        let mut decided: BTreeMap<(Id, &str), u64> = BTreeMap::new();
        for row in self.ledger.decided.values().flatten() {
            if row.reason != AlertReason::Escalated {
                *decided.entry((row.revision, &row.destination)).or_default() += 1;
            }
        }
        let (mut missing, mut twice) = (0, 0);
        for alert in self.findings.iter().filter_map(Alert::of) {
            for door in ALL {
                match decided.get(&(alert.revision, door)) {
                    None => missing += 1,
                    Some(1) => {}
                    Some(_) => twice += 1,
                }
            }
            twice += u64::from(self.ledger.taken.get(&alert.revision).is_some_and(|times| *times > 1));
        }
        if missing + twice > 0 {
            failures.push(format!("{missing} decisions are missing, {twice} were made twice"));
        }
        let rows = |door: &str| {
            let of_door = self.ledger.decided.values().flatten().filter(|row| row.destination == door);
            u64::try_from(of_door.count()).unwrap_or(u64::MAX)
        };
        for (door, account) in &self.books.accounts {
            if account.produced != rows(door) {
                failures.push(format!(
                    "{door}: {} produced, {} in the history",
                    account.produced,
                    rows(door)
                ));
            }
        }
    }

    fn adds_up(&self, door: &str, failures: &mut Vec<String>) {
        match self.books.accounts.get(door) {
            Some(account) if account.adds_up() && account.open == 0 => {}
            other => failures.push(format!("{door}: the books do not add up: {other:?}")),
        }
    }

    /// A message was taken once for each answer that was seen; more only where none was.
    fn repeats(&self, door: &str, failures: &mut Vec<String>) {
        let ambiguous = self.books.accounts.get(door).map_or(0, |account| account.ambiguous);
        // These take messages and give no answer.
        if ambiguous > self.kills && door != CUTTING && door != HANGING {
            failures.push(format!("{door}: {ambiguous} ambiguous messages for {} kills", self.kills));
        }
        if ambiguous != self.ledger.count(door, "ambiguous") {
            failures.push(format!("{door}: {ambiguous} ambiguous messages are not those of the history"));
        }
        let (taken, sent) = (self.doors.taken(door), self.ledger.count(door, "sent"));
        if taken < sent || taken > sent + ambiguous {
            failures.push(format!(
                "{door}: {taken} messages were taken, {sent} of them known to be, {ambiguous} ambiguous"
            ));
        }
    }

    /// How each destination did, as a table.
    pub(crate) fn table(&self) -> String {
        let head = "destination  produced      sent suppressed   expired      dead  open  ambiguous  messages  \
            HIGH p50 ms  p99 ms\n";
        ALL.iter().fold(head.to_owned(), |table, door| table + &self.line(door) + "\n")
    }

    fn line(&self, door: &str) -> String {
        let account = self.books.accounts.get(door).cloned().unwrap_or_default();
        let ended = |ending| account.ended.get(&ending).copied().unwrap_or(0);
        let late = self.ledger.lateness(door);
        format!(
            "{door:<12} {:>8}  {:>8}  {:>9}  {:>8}  {:>8}  {:>4}  {:>9}  {:>8}  {:>11}  {:>6}",
            account.produced,
            ended(Ending::Sent),
            ended(Ending::Suppressed),
            ended(Ending::Expired),
            ended(Ending::Dead),
            account.open,
            account.ambiguous,
            self.doors.taken(door),
            quantile(&late, 50),
            quantile(&late, 99),
        )
    }
}
