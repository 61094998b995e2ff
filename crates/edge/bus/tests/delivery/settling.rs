//! What became of claimed rows is written once.

use std::time::Duration;

use crate::support::{
    CHAT, DEADLINE, NO_TIME, alert, ask, at, books, delivery, edit, ids, is_nothing, letter, receipt, rows,
    sent, settlement,
};
use cascade_bus::delivery::{Claimed, Claiming, Settled, Settlement};
use cascade_domain::{AlertReason, Delivery, Ending, Priority};
use cascade_testkit::eventually;
use cascade_wire::{HistoryEntry, HistoryOf, dispatch};

#[tokio::test]
async fn the_same_settlement_again_changes_nothing() {
    let books = books().await;
    let two = [delivery(1, Priority::High), delivery(2, Priority::High)];
    books.tell(&[&two[0], &two[1]]).await;
    let (token, claimed) = books.claim(at(0)).await;
    assert_eq!(ids(claimed).len(), 2);
    let became = [(two[0].row, sent()), (two[1].row, Settled::Again(at(1000)))];
    let end = |row| HistoryEntry {
        at_ms: at(0),
        what: HistoryOf::End {
            row,
            destination: CHAT.to_owned(),
            ending: Ending::Sent,
            reason: "first".to_owned(),
            receipt: Some(receipt(true)),
        },
    };
    let history = [end(two[0].row), end(two[1].row)];
    let whole = Settlement { history: &history, ..settlement(&token, &became) };
    for _ in 0..3 {
        assert_eq!(books.bus.settle(&whole).await.unwrap(), [true, true]);
    }
    let account = books.account().await;
    assert_eq!((account.ended[&Ending::Sent], account.open), (1, 1));
    assert_eq!(books.history().await, [history[0].what.clone()], "what has not ended is not said to have");
    let again = rows(books.claim(at(1000)).await.1);
    assert_eq!((again[0].delivery.row, again[0].attempts), (two[1].row, 1));
}

#[tokio::test]
async fn what_was_sent_is_noted_though_the_claim_ran_out_and_somebody_else_has_it() {
    let books = books().await;
    let told = delivery(1, Priority::High);
    books.tell(&[&told]).await;
    let slow = Claiming { holds: NO_TIME, ..ask("slow", at(0)) };
    assert_eq!(ids(books.bus.claim(&slow).await.unwrap()), [told.row]);
    let is_taken =
        eventually(DEADLINE, async || !is_nothing(&books.bus.claim(&ask("fast", at(0))).await.unwrap()));
    assert!(is_taken.await);
    let failed = [(told.row, Settled::Again(at(0)))];
    assert_eq!(books.bus.settle(&settlement("late", &failed)).await.unwrap(), [false], "it is not theirs");
    let arrived = [(told.row, sent())];
    assert_eq!(books.bus.settle(&settlement("slow", &arrived)).await.unwrap(), [true]);
    assert_eq!(books.bus.settle(&settlement("fast", &arrived)).await.unwrap(), [false], "it is told already");
    let account = books.account().await;
    assert_eq!((account.ended[&Ending::Sent], account.open, account.ambiguous), (1, 0, 1));
}

#[tokio::test]
async fn what_was_told_is_remembered_for_a_day_and_forgotten_when_it_is_over() {
    let books = books().await;
    books.tell(&[&delivery(1, Priority::High)]).await;
    books.send(at(0), &receipt(true)).await;
    let key = dispatch::told(CHAT, alert(1, 1).id);
    let left = Duration::from_secs(books.raw(&["TTL", &key]).await);
    assert!(left > Duration::from_hours(24) && left <= Duration::from_hours(25), "{left:?}");
    let over = edit(1, 2, AlertReason::Resolved);
    books.tell(&[&over]).await;
    let (token, claimed) = books.claim(at(0)).await;
    assert!(matches!(claimed, Claimed::Rows { told: Some(_), .. }));
    let (rows, told) = ([(over.row, sent())], [(over.alert.id, None)]);
    books.bus.settle(&Settlement { told: &told, ..settlement(&token, &rows) }).await.unwrap();
    assert_eq!(books.raw::<u64>(&["EXISTS", &key]).await, 0);
}

#[tokio::test]
async fn a_destination_that_is_off_ends_all_that_waits_for_it_until_it_is_opened_again() {
    let books = books().await;
    let three: Vec<_> = (1..=3).map(|n| delivery(n, Priority::High)).collect();
    books.tell(&three.iter().collect::<Vec<_>>()).await;
    let (token, claimed) =
        ("off", books.bus.claim(&Claiming { most: 1, ..ask("off", at(0)) }).await.unwrap());
    let row = rows(claimed)[0].delivery.clone();
    let dead = [(row.row, letter(&row, "gone"))];
    let off = Settlement { off: Some("gone".to_owned()), ..settlement(token, &dead) };
    assert_eq!(books.bus.settle(&off).await.unwrap(), [true]);
    assert!(is_nothing(&books.claim(at(0)).await.1));
    assert_eq!(books.ended(Ending::Dead, "gone").await, 1);
    assert_eq!(books.ended(Ending::Dead, "destination_off").await, 2);
    assert_eq!(books.account().await.off.as_deref(), Some("gone"));
    assert_eq!(books.bus.accounts(at(0)).await.unwrap().letters, 3);

    assert!(books.bus.open_again(CHAT).await.unwrap());
    assert!(!books.bus.open_again(CHAT).await.unwrap());
    assert_eq!(books.bus.off(CHAT).await.unwrap(), None);
    books.tell(&[&delivery(4, Priority::High)]).await;
    assert_eq!(ids(books.claim(at(0)).await.1).len(), 1);
}

#[tokio::test]
async fn a_message_whose_answer_never_came_is_counted_as_ambiguous_once() {
    let books = books().await;
    let told = delivery(1, Priority::High);
    books.tell(&[&told]).await;
    let attempt = HistoryEntry {
        at_ms: at(0),
        what: HistoryOf::Attempt {
            rows: vec![told.row],
            destination: CHAT.to_owned(),
            outcome: "ambiguous".to_owned(),
            said: String::new(),
        },
    };
    let history = [attempt];
    let (token, _) = books.claim(at(0)).await;
    let again = [(told.row, Settled::Again(at(0)))];
    let settled = |token| Settlement { unanswered: true, history: &history, ..settlement(token, &again) };
    for _ in 0..2 {
        assert_eq!(books.bus.settle(&settled(&token)).await.unwrap(), [true]);
    }
    assert_eq!((books.account().await.ambiguous, books.history().await.len()), (1, 1));
    // One that came so late that the row had been put back was counted by that.
    let slow = Claiming { holds: NO_TIME, ..ask("slow", at(0)) };
    assert_eq!(ids(books.bus.claim(&slow).await.unwrap()), [told.row]);
    let is_taken =
        eventually(DEADLINE, async || !is_nothing(&books.bus.claim(&ask("fast", at(0))).await.unwrap()));
    assert!(is_taken.await);
    assert_eq!(books.bus.settle(&settled("slow")).await.unwrap(), [false]);
    assert_eq!((books.account().await.ambiguous, books.history().await.len()), (2, 2));
}

#[tokio::test]
async fn what_was_refused_together_is_tried_one_by_one_and_what_comes_meanwhile_is_not_held_up() {
    let books = books().await;
    let three: Vec<_> = (1..=3).map(|n| delivery(n, Priority::Medium)).collect();
    books.tell(&three.iter().collect::<Vec<_>>()).await;
    let (token, claimed) = books.claim(at(0)).await;
    let together = ids(claimed);
    assert_eq!(together.len(), 3);
    let alone: Vec<_> = together.iter().map(|row| (*row, Settled::Alone(at(0)))).collect();
    assert_eq!(books.bus.settle(&settlement(&token, &alone)).await.unwrap(), [true; 3]);
    books.tell(&[&delivery(4, Priority::Medium), &delivery(5, Priority::Medium)]).await;
    let mut messages = Vec::new();
    loop {
        let (token, claimed) = books.claim(at(0)).await;
        if is_nothing(&claimed) {
            break;
        }
        let rows = rows(claimed);
        assert!(rows.iter().all(|row| row.attempts == u32::from(together.contains(&row.delivery.row))));
        let sent: Vec<_> = rows.iter().map(|row| (row.delivery.row, sent())).collect();
        books.bus.settle(&settlement(&token, &sent)).await.unwrap();
        messages.push(rows.len());
    }
    messages.sort_unstable();
    assert_eq!(messages, [1, 1, 1, 2], "the others merge as ever");
    assert_eq!(books.account().await.ended[&Ending::Sent], 5);
}

#[tokio::test]
async fn edits_that_were_refused_together_go_one_by_one_in_their_order() {
    let books = books().await;
    books.tell(&[&delivery(1, Priority::Medium)]).await;
    books.send(at(0), &receipt(true)).await;
    let second = edit(1, 2, AlertReason::Updated);
    let third = Delivery { after: Some(second.row), ..edit(1, 3, AlertReason::Updated) };
    books.tell(&[&second, &third]).await;
    let (token, claimed) = books.claim(at(0)).await;
    assert_eq!(ids(claimed), [second.row, third.row]);
    let alone = [second.row, third.row].map(|row| (row, Settled::Alone(at(0))));
    books.bus.settle(&settlement(&token, &alone)).await.unwrap();
    for row in [second.row, third.row] {
        let (token, claimed) = books.claim(at(0)).await;
        assert!(matches!(&claimed, Claimed::Rows { told: Some(_), .. }), "{claimed:?}");
        assert_eq!(ids(claimed), [row]);
        books.bus.settle(&settlement(&token, &[(row, sent())])).await.unwrap();
    }
}
