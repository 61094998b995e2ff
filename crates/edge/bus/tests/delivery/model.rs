//! Whatever happens in whatever order, the books add up as a naive copy of them does.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::{ask, at, books, delivery, letter, settlement, suppress, withdraw};
use cascade_bus::StreamId;
use cascade_bus::delivery::{Claimed, Claiming, Settled};
use cascade_domain::{AlertReason, Ending, Id, Priority};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

#[derive(Clone, Debug)]
enum Act {
    Tell(u64, usize),
    Suppress(u64, bool),
    Withdraw(u64),
    Claim(usize),
    Settle(u8),
    SettleAgain,
    Replay,
    Audit,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (0..40_u64, 0..3_usize).prop_map(|(number, lane)| Act::Tell(number, lane)),
        1 => (0..40_u64, any::<bool>()).prop_map(|(number, stale)| Act::Suppress(number, stale)),
        1 => (0..40_u64).prop_map(Act::Withdraw),
        4 => (1..4_usize).prop_map(Act::Claim),
        4 => (0..6_u8).prop_map(Act::Settle),
        1 => Just(Act::SettleAgain),
        1 => Just(Act::Replay),
        1 => Just(Act::Audit),
    ]
}

/// The books, kept by hand.
#[derive(Debug, Default)]
struct Naive {
    decided: BTreeSet<u64>,
    open: BTreeMap<Id, u64>,
    claimed: Vec<(String, Vec<Id>)>,
    withdrawn: BTreeSet<Id>,
    ended: BTreeMap<Ending, u64>,
    tokens: u64,
    last: Option<(String, Vec<(Id, Settled)>)>,
}

impl Naive {
    fn end(&mut self, row: Id, ending: Ending) {
        assert!(self.open.remove(&row).is_some(), "{row} ended twice");
        self.withdrawn.remove(&row);
        *self.ended.entry(ending).or_default() += 1;
    }

    async fn act(&mut self, books: &crate::support::Books, act: Act) {
        match act {
            Act::Tell(number, lane) => {
                let told = delivery(number, Priority::ALL[lane]);
                if self.decided.insert(number) {
                    self.open.insert(told.row, number);
                }
                books.tell(&[&told]).await;
            }
            Act::Suppress(number, stale) => {
                let reason = if stale { AlertReason::Stale } else { AlertReason::Muted };
                if self.decided.insert(number) {
                    *self.ended.entry(Ending::of(reason)).or_default() += 1;
                }
                books.decide(&[suppress(number, reason)]).await;
            }
            Act::Withdraw(number) => {
                let told = delivery(number, Priority::Low);
                if self.claimed.iter().any(|(_, rows)| rows.contains(&told.row)) {
                    self.withdrawn.insert(told.row);
                } else if self.open.contains_key(&told.row) {
                    self.end(told.row, Ending::Suppressed);
                }
                books.decide(&[withdraw(&told, AlertReason::Folded)]).await;
            }
            Act::Claim(most) => {
                self.tokens += 1;
                let token = format!("t{}", self.tokens);
                let claimed = books.bus.claim(&Claiming { most, ..ask(&token, at(0)) }).await.unwrap();
                if let Claimed::Rows { rows, .. } = claimed {
                    assert!(self.claimed.is_empty(), "two messages at once");
                    assert!(rows.len() <= most && !rows.is_empty());
                    self.claimed.push((token, rows.into_iter().map(|row| row.delivery.row).collect()));
                }
            }
            Act::Settle(how) => self.settle(books, how).await,
            Act::SettleAgain => {
                if let Some((token, rows)) = &self.last {
                    let settled = books.bus.settle(&settlement(token, rows)).await.unwrap();
                    assert_eq!(settled, vec![true; rows.len()]);
                }
            }
            Act::Replay => self.replay(books).await,
            Act::Audit => {
                let audit = books.bus.audit(at(0)).await.unwrap();
                assert_eq!((audit.orphans, audit.expired), (0, 0));
            }
        }
    }

    async fn settle(&mut self, books: &crate::support::Books, how: u8) {
        let Some((token, rows)) = self.claimed.pop() else { return };
        let mut settled = Vec::new();
        for row in rows {
            let number = self.open[&row];
            settled.push(match how {
                0 => (row, crate::support::sent()),
                1 => (row, letter(&delivery(number, Priority::Low), "gone")),
                2 => (row, Settled::Ended(Ending::Expired, "stale".to_owned())),
                3 => (row, Settled::Again(at(0))),
                4 => (row, Settled::Alone(at(0))),
                _ => (row, Settled::Later(at(0))),
            });
            match how {
                0 => self.end(row, Ending::Sent),
                1 => self.end(row, Ending::Dead),
                2 => self.end(row, Ending::Expired),
                _ if self.withdrawn.contains(&row) => self.end(row, Ending::Suppressed),
                _ => {}
            }
        }
        let answer = books.bus.settle(&settlement(&token, &settled)).await.unwrap();
        assert!(answer.iter().all(|ok| *ok));
        self.last = Some((token, settled));
    }

    async fn replay(&mut self, books: &crate::support::Books) {
        let letters = books.bus.letters(StreamId::ZERO, 1).await.unwrap();
        let Some((id, letter)) = letters.first() else { return };
        let row = letter.as_ref().unwrap().delivery.row;
        assert_eq!(books.bus.replay_letters(&[*id], "ann", at(0), at(9000)).await.unwrap(), [true]);
        let number = (0..40).find(|number| delivery(*number, Priority::Low).row == row).unwrap();
        self.open.insert(row, number);
        *self.ended.entry(Ending::Dead).or_default() -= 1;
    }
}

#[test]
fn whatever_happens_the_books_add_up() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut runner = TestRunner::new(Config { cases: 48, failure_persistence: None, ..Config::default() });
    let books = runtime.block_on(books());
    let run = |acts: Vec<Act>| {
        runtime.block_on(async {
            books.raw::<String>(&["FLUSHALL"]).await;
            let mut naive = Naive::default();
            for act in acts {
                naive.act(&books, act).await;
                let account = books.account().await;
                let ended: BTreeMap<_, _> =
                    account.ended.iter().filter(|(_, n)| **n > 0).map(|(e, n)| (*e, *n)).collect();
                naive.ended.retain(|_, count| *count > 0);
                assert_eq!(ended, naive.ended);
                let open = u64::try_from(naive.open.len()).unwrap();
                assert_eq!((account.open, account.ambiguous), (open, 0));
                assert_eq!(account.produced, open + naive.ended.values().sum::<u64>());
            }
        });
        Ok(())
    };
    runner.run(&vec(act(), 1..80), run).unwrap();
}
