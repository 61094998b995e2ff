//! What was decided is written once, all or nothing.

use crate::support::{CHAT, HOLDS, alert, ask, at, books, delivery, ids, is_nothing, suppress, withdraw};
use cascade_bus::delivery::{Claiming, Decided, Kept, Settled};
use cascade_domain::{AlertReason, Decision, Ending, Order, Priority};
use cascade_wire::{HistoryEntry, HistoryOf, dispatch};

fn entry(what: HistoryOf) -> HistoryEntry {
    HistoryEntry { at_ms: at(0), what }
}

fn order(by: &str) -> HistoryOf {
    let given =
        Order { at_ms: at(0), by: by.to_owned(), what: cascade_domain::Ask::Ack { alert: alert(1, 1).id } };
    HistoryOf::Order { given, refused: None }
}

#[tokio::test]
async fn whoever_decides_from_an_old_generation_has_decided_nothing() {
    let books = books().await;
    assert_eq!(books.bus.policy().await.unwrap(), None);
    let decisions = [Decision::Tell(Box::new(delivery(1, Priority::High)))];
    let history = [entry(order("one"))];
    let one = Decided {
        generation: 0,
        writer: "one",
        now: at(0),
        state: b"one",
        decisions: &decisions,
        history: &history,
    };
    let others = [suppress(2, AlertReason::Muted)];
    let two = Decided { writer: "two", state: b"two", decisions: &others, history: &[], ..one };
    assert!(books.bus.decide(&one).await.unwrap());
    assert!(!books.bus.decide(&two).await.unwrap());
    let account = books.account().await;
    assert_eq!((account.produced, account.open), (1, 1));
    assert_eq!(books.bus.policy().await.unwrap(), Some(Kept { generation: 1, state: b"one".to_vec() }));

    assert!(books.bus.decide(&one).await.unwrap(), "the same try again is known");
    assert!(books.bus.decide(&Decided { generation: 1, ..two }).await.unwrap());
    assert!(!books.bus.decide(&one).await.unwrap(), "a generation later it is not");
    assert_eq!(books.account().await.produced, 2);
    assert_eq!(books.history().await, [order("one")]);
}

#[tokio::test]
async fn of_many_who_decide_at_once_one_has_decided() {
    let books = books().await;
    let decisions: Vec<_> = (1..=50).map(|n| Decision::Tell(Box::new(delivery(n, Priority::High)))).collect();
    let writers: Vec<_> = (0..8).map(|n| format!("writer {n}")).collect();
    let tries = writers.iter().enumerate().map(async |(i, writer)| {
        let bus = books.server.bus(writer).unwrap();
        let decisions = &decisions[i..];
        bus.decide(&Decided {
            generation: 0,
            writer,
            now: at(0),
            state: writer.as_bytes(),
            decisions,
            history: &[],
        })
        .await
        .unwrap()
    });
    let decided = futures_util::future::join_all(tries).await;
    let winner = decided.iter().position(|decided| *decided).unwrap();
    assert_eq!(decided.iter().filter(|decided| **decided).count(), 1);
    let kept = books.bus.policy().await.unwrap().unwrap();
    assert_eq!(kept, Kept { generation: 1, state: writers[winner].clone().into_bytes() });
    assert_eq!(usize::try_from(books.account().await.open).unwrap(), 50 - winner);
}

#[tokio::test]
async fn a_row_is_made_once_whatever_the_generation() {
    let books = books().await;
    let told = delivery(1, Priority::High);
    books.tell(&[&told]).await;
    books.tell(&[&told]).await;
    books.send(at(0), &crate::support::receipt(false)).await;
    books.tell(&[&told]).await;
    books.decide(&[suppress(1, AlertReason::Duplicate), suppress(2, AlertReason::Stale)]).await;
    books.decide(&[suppress(2, AlertReason::Stale)]).await;
    let account = books.account().await;
    assert_eq!((account.produced, account.open), (2, 0));
    assert_eq!((account.ended[&Ending::Sent], account.ended[&Ending::Expired]), (1, 1));
    assert_eq!(books.ended(Ending::Expired, "stale").await, 1);
}

#[tokio::test]
async fn what_is_withdrawn_is_not_told_but_for_what_was_told_already() {
    let books = books().await;
    let (waits, told) = (delivery(1, Priority::Low), delivery(2, Priority::High));
    books.tell(&[&waits, &told]).await;
    assert_eq!(books.send(at(0), &crate::support::receipt(true)).await, [told.row]);
    let both = [withdraw(&waits, AlertReason::Folded), withdraw(&told, AlertReason::Folded)];
    books.decide(&both).await;
    books.decide(&both).await;
    let account = books.account().await;
    assert_eq!((account.produced, account.open, account.ended[&Ending::Sent]), (2, 0, 1));
    assert_eq!(books.ended(Ending::Suppressed, "folded").await, 1);
    let end = HistoryOf::End {
        row: waits.row,
        destination: CHAT.to_owned(),
        ending: Ending::Suppressed,
        reason: "folded".to_owned(),
        receipt: None,
    };
    assert_eq!(books.history().await, [end]);
}

#[tokio::test]
async fn what_is_withdrawn_while_it_is_sent_is_sent_or_not_told_at_all() {
    let books = books().await;
    let (arrives, fails) = (delivery(1, Priority::High), delivery(2, Priority::High));
    books.tell(&[&arrives, &fails]).await;
    let (token, claimed) = books.claim(at(0)).await;
    assert_eq!(ids(claimed).len(), 2);
    books.decide(&[withdraw(&arrives, AlertReason::Folded), withdraw(&fails, AlertReason::Folded)]).await;
    assert_eq!(books.account().await.open, 2);
    let rows = [(arrives.row, crate::support::sent()), (fails.row, Settled::Again(at(1000)))];
    let settled = books.bus.settle(&crate::support::settlement(&token, &rows)).await.unwrap();
    assert_eq!(settled, [true, true]);
    assert_eq!(books.ended(Ending::Suppressed, "folded").await, 1);
    assert_eq!(books.ended(Ending::Sent, "first").await, 1);
    assert!(is_nothing(&books.claim(at(5000)).await.1));
}

#[tokio::test]
async fn the_keys_are_those_of_the_contract() {
    let books = books().await;
    let told = delivery(1, Priority::High);
    books.tell(&[&told, &delivery(2, Priority::Low)]).await;
    let budgets = [("b".to_owned(), HOLDS, 1, 0)];
    let claiming = Claiming { budgets: &budgets, ..ask("token", at(0)) };
    assert_eq!(ids(books.bus.claim(&claiming).await.unwrap()), [told.row]);
    let mut keys: Vec<String> = books.raw(&["KEYS", "*"]).await;
    keys.sort();
    let mut expected = vec![
        dispatch::row(told.row),
        dispatch::row(delivery(2, Priority::Low).row),
        dispatch::due(CHAT, Priority::Low),
        dispatch::open(CHAT),
        dispatch::flight(CHAT),
        dispatch::claim("token"),
        dispatch::budget("b"),
    ];
    for key in [dispatch::POLICY, dispatch::CLAIMED, dispatch::COUNTS, dispatch::DECIDED] {
        expected.push(key.to_owned());
    }
    expected.sort();
    assert_eq!(keys, expected);
}
