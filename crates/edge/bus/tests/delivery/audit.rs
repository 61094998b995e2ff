//! What the auditor puts back and ends, and that a restart keeps all.

use crate::support::{CHAT, DEADLINE, NO_TIME, ask, at, books, delivery, ids, is_nothing, suppress};
use cascade_bus::delivery::{Claiming, Decided};
use cascade_domain::{AlertReason, Decision, Delivery, Ending, Priority};
use cascade_testkit::eventually;
use cascade_wire::dispatch;

#[tokio::test]
async fn what_nothing_waits_for_is_put_back() {
    let books = books().await;
    let many: Vec<_> = (1..=450).map(|n| delivery(n, Priority::Medium)).collect();
    books.tell(&many.iter().collect::<Vec<_>>()).await;
    books.raw::<u64>(&["DEL", &dispatch::due(CHAT, Priority::Medium)]).await;
    assert!(is_nothing(&books.claim(at(0)).await.1));
    assert_eq!(books.bus.audit(at(0)).await.unwrap().orphans, 450);
    assert_eq!(books.bus.audit(at(0)).await.unwrap().orphans, 0);
    assert!(!is_nothing(&books.claim(at(0)).await.1));
}

#[tokio::test]
async fn what_was_claimed_by_a_claim_that_is_lost_is_put_back() {
    let books = books().await;
    books.tell(&[&delivery(1, Priority::Medium)]).await;
    assert!(!is_nothing(&books.claim(at(0)).await.1));
    books.raw::<u64>(&["DEL", dispatch::CLAIMED, &dispatch::flight(CHAT)]).await;
    assert!(is_nothing(&books.claim(at(0)).await.1));
    assert_eq!(books.bus.audit(at(0)).await.unwrap().orphans, 1);
    assert!(!is_nothing(&books.claim(at(0)).await.1));
}

#[tokio::test]
async fn what_is_for_nobody_any_more_expires_and_old_claims_come_back_without_a_sender() {
    let books = books().await;
    let many: Vec<_> = (1..=700).map(|n| delivery(n, Priority::Medium)).collect();
    books.tell(&many.iter().collect::<Vec<_>>()).await;
    let short = Claiming { holds: NO_TIME, ..ask("killed", at(0)) };
    assert_eq!(ids(books.bus.claim(&short).await.unwrap()).len(), 10);
    let is_back =
        eventually(DEADLINE, async || books.bus.audit(at(0)).await.unwrap().accounts[CHAT].ambiguous == 1);
    assert!(is_back.await);
    let account = books.bus.audit(at(5)).await.unwrap().accounts[CHAT].clone();
    assert_eq!((account.oldest_due, account.open), (Some(at(0)), 700));
    let audit = books.bus.audit(at(900_001)).await.unwrap();
    assert_eq!((audit.expired, audit.accounts[CHAT].open), (700, 0));
    assert_eq!(audit.accounts[CHAT].reasons[&(Ending::Expired, "stale".to_owned())], 700);
}

#[tokio::test]
async fn a_row_that_was_lost_is_counted_as_dead() {
    let books = books().await;
    let lost = delivery(1, Priority::Medium);
    books.tell(&[&lost]).await;
    books.raw::<u64>(&["DEL", &dispatch::row(lost.row), &dispatch::due(CHAT, Priority::Medium)]).await;
    books.bus.audit(at(0)).await.unwrap();
    assert_eq!(books.ended(Ending::Dead, "lost").await, 1);
    assert_eq!(books.account().await.open, 0);
}

#[tokio::test]
async fn each_destination_has_its_own_account() {
    let books = books().await;
    let decisions = ["one", "two"].map(|name| {
        let mut told = delivery(1, Priority::High);
        told.row = Delivery::row_of(told.alert.revision, name, false);
        name.clone_into(&mut told.destination);
        Decision::Tell(Box::new(told))
    });
    books.decide(&decisions).await;
    books.decide(&[suppress(2, AlertReason::Filtered)]).await;
    let audit = books.bus.audit(at(0)).await.unwrap();
    let figures: Vec<_> =
        audit.accounts.iter().map(|(name, a)| (name.as_str(), a.produced, a.open)).collect();
    assert_eq!(figures, [(CHAT, 1, 0), ("one", 1, 1), ("two", 1, 1)]);
}

#[tokio::test]
async fn a_restart_of_redis_keeps_everything_that_was_written() {
    let mut books = books().await;
    let two = [delivery(1, Priority::High), delivery(2, Priority::Low)];
    books.tell(&[&two[0], &two[1]]).await;
    let (token, claimed) = books.claim(at(0)).await;
    assert_eq!(ids(claimed), [two[0].row]);
    let before = books.bus.audit(at(0)).await.unwrap();
    books.server.server.kill9().await.unwrap();
    books.server.server.restart().await.unwrap();
    let is_back = eventually(DEADLINE, async || books.bus.ping().await.is_ok());
    assert!(is_back.await);
    assert_eq!(books.bus.audit(at(0)).await.unwrap(), before);
    assert!(is_nothing(&books.claim(at(0)).await.1), "the message is under way still");
    let rows = [(two[0].row, crate::support::sent())];
    let settled = books.bus.settle(&crate::support::settlement(&token, &rows)).await.unwrap();
    assert_eq!(settled, [true]);
    assert_eq!(ids(books.claim(at(0)).await.1), [two[1].row]);
    let kept = books.bus.policy().await.unwrap().unwrap();
    let next = Decided {
        generation: kept.generation,
        writer: "other",
        now: at(0),
        state: b"next",
        decisions: &[],
        history: &[],
    };
    assert!(books.bus.decide(&next).await.unwrap());
}
