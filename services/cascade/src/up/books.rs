//! The dispatcher's books at the end of a demo: what was produced has ended, and one crash was told once.
//!
//! Knows no policy: what is judged is the sum of what came of it.

use std::fmt::Write as _;

use cascade_bus::delivery::{Account, Audit};
use cascade_domain::Ending;

/// How many messages a scenario may lead to, at least and at most. The cascade's are those of the whole market, its
/// beginning and its end, after at most two of each of the two symbols that were told alone: HIGH does not wait for others.
const MESSAGES: [(&str, u64, u64); 2] = [("cascade", 1, 6), ("busy-day", 0, 2)];

/// The books of those who were told.
#[derive(Debug, Default)]
pub(crate) struct Books {
    /// Each destination, and what the books say of it.
    pub(crate) accounts: Vec<(String, Account)>,
    /// Messages that the terminal was told, and how many of them there may be.
    pub(crate) messages: u64,
    pub(crate) allowed: Option<(u64, u64)>,
}

impl Books {
    /// Those of these destinations, after this scenario.
    pub(crate) fn of(audit: Audit, destinations: &[String], scenario: &str, messages: u64) -> Self {
        let mut accounts = audit.accounts;
        let account = |name: &String| (name.clone(), accounts.remove(name).unwrap_or_default());
        let accounts = destinations.iter().map(account).collect();
        let allowed = MESSAGES.into_iter().find(|(name, ..)| *name == scenario);
        Self { accounts, messages, allowed: allowed.map(|(_, least, most)| (least, most)) }
    }

    /// The table, each row judged.
    pub(crate) fn write(&self, table: &mut String, mut judged: impl FnMut(bool) -> &'static str) {
        writeln!(
            table,
            "\n{:<12} {:>8} {:>8} {:>10} {:>7} {:>4} {:>4}   {:<20} verdict",
            "destination", "produced", "sent", "suppressed", "expired", "dead", "open", "messages"
        )
        .ok();
        for (place, (name, account)) in self.accounts.iter().enumerate() {
            let ended = |ending| account.ended.get(&ending).copied().unwrap_or(0);
            // The terminal is the last one: what the others were told, they alone know.
            let is_terminal = place + 1 == self.accounts.len();
            let (said, fits) = if is_terminal { self.judged_messages() } else { ("-".to_owned(), true) };
            let word = judged(account.adds_up() && account.open == 0 && fits);
            writeln!(
                table,
                "{name:<12} {:>8} {:>8} {:>10} {:>7} {:>4} {:>4}   {said:<20} {word}",
                account.produced,
                ended(Ending::Sent),
                ended(Ending::Suppressed),
                ended(Ending::Expired),
                ended(Ending::Dead),
                account.open,
            )
            .ok();
        }
    }

    fn judged_messages(&self) -> (String, bool) {
        match self.allowed {
            Some((least, most)) => {
                let fits = (least..=most).contains(&self.messages);
                (format!("{} ({least} to {most} wanted)", self.messages), fits)
            }
            None => (self.messages.to_string(), true),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn account(produced: u64, sent: u64, open: u64) -> Account {
        Account {
            produced,
            ended: [(Ending::Sent, sent)].into(),
            reasons: BTreeMap::from([((Ending::Sent, "first".to_owned()), sent)]),
            open,
            ..Account::default()
        }
    }

    fn verdict(accounts: Account, scenario: &str, messages: u64) -> (String, bool) {
        let audit = Audit { accounts: [("stdout".to_owned(), accounts)].into(), ..Audit::default() };
        let (mut table, mut agreed) = (String::new(), true);
        Books::of(audit, &["stdout".to_owned()], scenario, messages).write(&mut table, |agrees| {
            agreed &= agrees;
            if agrees { "agree" } else { "DISAGREE" }
        });
        (table, agreed)
    }

    #[test]
    fn what_was_produced_must_have_ended() {
        assert!(verdict(account(4, 4, 0), "storm", 4).1);
        assert!(!verdict(account(4, 3, 1), "storm", 3).1, "one is open");
        assert!(!verdict(account(4, 3, 0), "storm", 3).1, "one is lost");
    }

    #[test]
    fn one_crash_is_a_few_messages_and_a_busy_day_at_most_two() {
        assert!(verdict(account(6, 6, 0), "cascade", 6).1);
        let (table, agreed) = verdict(account(7, 7, 0), "cascade", 7);
        assert!(!agreed && table.contains("7 (1 to 6 wanted)"), "{table}");
        assert!(!verdict(Account::default(), "cascade", 0).1, "nobody was told of it");
        assert!(verdict(Account::default(), "busy-day", 0).1);
        assert!(!verdict(account(3, 3, 0), "busy-day", 3).1);
    }
}
