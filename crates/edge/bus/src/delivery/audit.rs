//! How the books stand, and whether they add up: what nothing waits for is put back, what is too old ends.

use std::collections::BTreeMap;

use cascade_domain::{Ending, EventTime};
use cascade_wire::dispatch;
use redis::Value;

use super::Answer;
use crate::{Bus, BusError, script};

/// What the books say of one destination.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Decisions made.
    pub produced: u64,
    /// Rows that ended, by ending.
    pub ended: BTreeMap<Ending, u64>,
    /// The same by ending and reason: the word of a decision or a refusal.
    pub reasons: BTreeMap<(Ending, String), u64>,
    /// Rows that have not.
    pub open: u64,
    /// Messages whose answer was never seen: each may have arrived, and may arrive again.
    pub ambiguous: u64,
    /// When the oldest row that is due was due (the dispatchers' clock).
    pub oldest_due: Option<EventTime>,
    /// Why it is off for good.
    pub off: Option<String>,
}

impl Account {
    /// Whether every decision has ended or is open; the figures are of one moment, so this always holds.
    pub fn adds_up(&self) -> bool {
        self.produced == self.ended.values().sum::<u64>() + self.open
            && self.ended.values().sum::<u64>() == self.reasons.values().sum::<u64>()
    }
}

/// What an audit found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audit {
    /// Each destination.
    pub accounts: BTreeMap<String, Account>,
    /// Rows that nothing waited for, and that were put back.
    pub orphans: u64,
    /// Rows that expired: their time was over, whoever should have sent them.
    pub expired: u64,
    /// Dead letters that stand.
    pub letters: u64,
}

/// How many calls may go through one destination's rows, 200 each.
const MOST_CALLS: usize = 5000;

impl Bus {
    /// Looks through all open rows: puts back what nothing waits for and what was claimed for too long, ends what is too old
    /// or goes to a destination that is off, and says how the books stand.
    ///
    /// # Errors
    /// Redis is away or refuses.
    pub async fn audit(&self, now: EventTime) -> Result<Audit, BusError> {
        let (mut orphans, mut expired) = (0, 0);
        for destination in self.accounts(now).await?.accounts.keys() {
            let mut cursor = "0".to_owned();
            for _ in 0..MOST_CALLS {
                let mut cmd = script::AUDIT.call(&[&dispatch::open(destination)]);
                cmd.arg(destination).arg(now.ms()).arg(&cursor);
                let (next, put_back, ended): (String, u64, u64) =
                    script::AUDIT.run_one(&self.link, cmd, self.settings.response_timeout).await?;
                orphans += put_back;
                expired += ended;
                cursor = next;
                if cursor == "0" && ended == 0 {
                    break;
                }
            }
        }
        Ok(Audit { orphans, expired, ..self.accounts(now).await? })
    }

    /// How the books stand, all of one moment; changes nothing.
    ///
    /// # Errors
    /// Redis is away or refuses.
    pub async fn accounts(&self, now: EventTime) -> Result<Audit, BusError> {
        let mut cmd = script::ACCOUNTS.call(&[dispatch::COUNTS]);
        cmd.arg(now.ms());
        let answer: Vec<Value> =
            script::ACCOUNTS.run_one(&self.link, cmd, self.settings.response_timeout).await?;
        let mut answer = Answer(answer.into_iter());
        let counts: BTreeMap<String, i64> = answer.next()?;
        let mut audit = Audit { letters: answer.next()?, ..Audit::default() };
        while !answer.is_over() {
            let destination: String = answer.next()?;
            let mut account = of_counts(&counts, &destination);
            account.open = answer.next()?;
            account.oldest_due = answer.optional()?.map(EventTime::from_ms);
            account.off = answer.optional()?;
            audit.accounts.insert(destination, account);
        }
        Ok(audit)
    }
}

fn of_counts(counts: &BTreeMap<String, i64>, destination: &str) -> Account {
    // Somebody who deletes counts by hand may leave some below zero.
    let count = |count: &i64| u64::try_from(*count).unwrap_or(0);
    let of = |what: &str| counts.get(&format!("{what}:{destination}")).map_or(0, count);
    let mut account = Account { produced: of("produced"), ambiguous: of("ambiguous"), ..Account::default() };
    for ending in Ending::ALL {
        account.ended.insert(ending, of(ending.as_str()));
        let prefix = format!("ended:{destination}:{}:", ending.as_str());
        for (name, figure) in counts.range(prefix.clone()..) {
            let Some(reason) = name.strip_prefix(&prefix) else { break };
            account.reasons.insert((ending, reason.to_owned()), count(figure));
        }
    }
    account
}
