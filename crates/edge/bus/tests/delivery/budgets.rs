//! What a provider allows, kept by all dispatchers together.

use std::time::Duration;

use crate::support::{HOLDS, ask, at, books, delivery, ids, is_nothing, sent, settlement};
use cascade_bus::delivery::{Claimed, Claiming, Settled, Settlement};
use cascade_domain::{Id, Priority};
use cascade_wire::dispatch;

const LONG: Duration = Duration::from_hours(1);
const ALMOST: Duration = Duration::from_mins(59);

/// Claims one row under these budgets, and settles it as sent; how long to wait where there is no room.
async fn send(
    books: &crate::support::Books,
    token: &str,
    budgets: &[(String, Duration, u32, u32)],
) -> Result<Id, Duration> {
    let claiming = Claiming { most: 1, budgets, ..ask(token, at(0)) };
    match books.bus.claim(&claiming).await.unwrap() {
        Claimed::Nothing { after, .. } => Err(after.unwrap()),
        claimed @ Claimed::Rows { .. } => {
            let row = ids(claimed)[0];
            books.bus.settle(&settlement(token, &[(row, sent())])).await.unwrap();
            Ok(row)
        }
    }
}

#[tokio::test]
async fn a_budget_lets_its_burst_go_and_then_says_how_long_to_wait() {
    let books = books().await;
    let rows: Vec<_> = (1..=5).map(|n| delivery(n, Priority::High)).collect();
    books.tell(&rows.iter().collect::<Vec<_>>()).await;
    let budgets = [("one".to_owned(), LONG, 3, 0), ("two".to_owned(), LONG, 4, 0)];
    for token in ["a", "b", "c"] {
        assert!(send(&books, token, &budgets).await.is_ok());
    }
    let wait = send(&books, "d", &budgets).await.unwrap_err();
    assert!(wait <= LONG && wait > ALMOST, "{wait:?}");
    let (one, two) = (&budgets[..1], &budgets[1..]);
    assert!(send(&books, "e", one).await.is_err());
    assert!(send(&books, "f", two).await.is_ok(), "a refused claim has used nothing of the other budget");
    assert!(send(&books, "g", two).await.is_err());
}

#[tokio::test]
async fn a_clock_of_redis_that_was_set_back_keeps_no_budget_used_up_for_long() {
    let books = books().await;
    books.tell(&[&delivery(1, Priority::High)]).await;
    let budgets = [("one".to_owned(), Duration::from_secs(1), 3, 0)];
    assert!(send(&books, "a", &budgets).await.is_ok());
    let day_us = 86_400_000_000_u64;
    books.raw::<i64>(&["HINCRBY", &dispatch::budget("one"), "full_us", &day_us.to_string()]).await;
    books.tell(&[&delivery(2, Priority::High)]).await;
    let wait = send(&books, "b", &budgets).await.unwrap_err();
    assert!(wait <= Duration::from_secs(3), "{wait:?}");
}

#[tokio::test]
async fn a_reserve_is_for_high_alone() {
    let books = books().await;
    let low: Vec<_> = (1..=3).map(|n| delivery(n, Priority::Low)).collect();
    books.tell(&low.iter().collect::<Vec<_>>()).await;
    let budgets = [("one".to_owned(), LONG, 3, 2)];
    assert!(send(&books, "a", &budgets).await.is_ok());
    assert!(send(&books, "b", &budgets).await.is_err());
    let high = [delivery(4, Priority::High), delivery(5, Priority::High), delivery(6, Priority::High)];
    books.tell(&[&high[0], &high[1], &high[2]]).await;
    assert!(send(&books, "c", &budgets).await.is_ok());
    assert!(send(&books, "d", &budgets).await.is_ok());
    assert!(send(&books, "e", &budgets).await.is_err());
}

#[tokio::test]
async fn a_budget_that_the_provider_closed_is_closed_for_every_destination_and_is_no_failure() {
    let books = books().await;
    let told = delivery(1, Priority::High);
    let elsewhere = cascade_domain::Delivery {
        destination: "other".to_owned(),
        row: Id::from_bits(7),
        ..delivery(1, Priority::High)
    };
    books.tell(&[&told, &elsewhere]).await;
    let budgets = [("token".to_owned(), Duration::from_millis(1), 30, 0)];
    let claiming = Claiming { budgets: &budgets, ..ask("a", at(0)) };
    assert_eq!(ids(books.bus.claim(&claiming).await.unwrap()), [told.row]);
    let later = [(told.row, Settled::Later(at(0)))];
    let closing = Settlement { close: Some(("token".to_owned(), LONG)), ..settlement("a", &later) };
    assert_eq!(books.bus.settle(&closing).await.unwrap(), [true]);
    let shorter = Settlement { close: Some(("token".to_owned(), Duration::ZERO)), ..settlement("b", &[]) };
    books.bus.settle(&shorter).await.unwrap();
    for (destination, token) in [(crate::support::CHAT, "c"), ("other", "d")] {
        let claimed = books.bus.claim(&Claiming { destination, token, ..claiming }).await.unwrap();
        let Claimed::Nothing { after: Some(after), .. } = claimed else { panic!("{claimed:?}") };
        assert!(after <= LONG && after > ALMOST, "{after:?}");
    }
    let free = books.bus.claim(&ask("e", at(0))).await.unwrap();
    assert_eq!(crate::support::rows(free)[0].attempts, 0, "a 429 is no failure");
    assert!(is_nothing(&books.bus.claim(&Claiming { holds: HOLDS, ..ask("f", at(0)) }).await.unwrap()));
}
