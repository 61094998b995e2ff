//! Dead letters, orders and the history's length.

use std::time::Duration;

use crate::support::{CHAT, alert, at, books, delivery, letter, rows, settlement};
use cascade_bus::StreamId;
use cascade_bus::delivery::{Heard, Positions};
use cascade_domain::{Ask, Delivery, Ending, Order, Priority};
use cascade_wire::{HistoryOf, dispatch};

/// Lets a delivery die.
async fn bury(books: &crate::support::Books, told: &Delivery) {
    books.tell(&[told]).await;
    let (token, claimed) = books.claim(at(0)).await;
    assert_eq!(rows(claimed).len(), 1);
    let dead = [(told.row, letter(told, "gone"))];
    assert_eq!(books.bus.settle(&settlement(&token, &dead)).await.unwrap(), [true]);
}

#[tokio::test]
async fn a_dead_letter_is_read_replayed_and_told() {
    let books = books().await;
    let told = crate::support::worth(123_456_789, delivery(1, Priority::High));
    bury(&books, &told).await;
    let letters = books.bus.letters(StreamId::ZERO, 10).await.unwrap();
    let (id, read) = (letters[0].0, letters[0].1.clone().unwrap());
    assert_eq!((read.reason.as_str(), read.said.as_str()), ("gone", "chat \"not\" found"));
    assert_eq!((read.attempts, read.at_ms, &read.delivery), (1, at(0), &told));
    assert_eq!(books.ended(Ending::Dead, "gone").await, 1);

    let replayed = books.bus.replay_letters(&[id, id], "ann", at(2_000_000), at(2_900_000)).await.unwrap();
    assert_eq!(replayed, [true, false]);
    let account = books.account().await;
    assert_eq!((account.produced, account.open, account.ended[&Ending::Dead]), (1, 1, 0));
    let again = rows(books.claim(at(2_000_000)).await.1);
    let expected = Delivery { due_ms: at(2_000_000), expires_ms: at(2_900_000), ..told.clone() };
    assert_eq!((&again[0].delivery, again[0].attempts), (&expected, 0));
    let act = HistoryOf::Letters { rows: vec![told.row], act: "replayed".to_owned(), by: "ann".to_owned() };
    assert_eq!(books.history().await, [act]);
}

#[tokio::test]
async fn a_dropped_letter_stays_counted_as_dead() {
    let books = books().await;
    bury(&books, &delivery(1, Priority::High)).await;
    let id = books.bus.letters(StreamId::ZERO, 10).await.unwrap()[0].0;
    assert_eq!(books.bus.drop_letters(&[id, StreamId::ZERO], "ann", at(0)).await.unwrap(), [true, false]);
    assert_eq!(books.bus.drop_letters(&[id], "ann", at(0)).await.unwrap(), [false]);
    assert_eq!(books.bus.letters(StreamId::ZERO, 10).await.unwrap(), []);
    assert_eq!(books.ended(Ending::Dead, "gone").await, 1);
    assert_eq!(books.history().await.len(), 1);
}

#[tokio::test]
async fn a_letter_that_somebody_else_wrote_is_refused_alone() {
    let books = books().await;
    books.raw::<String>(&["XADD", dispatch::DEAD, "*", "e", "no json", "d", "x"]).await;
    bury(&books, &delivery(1, Priority::High)).await;
    let letters = books.bus.letters(StreamId::ZERO, 10).await.unwrap();
    assert!(letters[0].1.is_err() && letters[1].1.is_ok());
    let replayed =
        books.bus.replay_letters(&[letters[0].0, letters[1].0], "ann", at(0), at(9)).await.unwrap();
    assert_eq!(replayed, [false, true]);
}

#[tokio::test]
async fn an_order_of_an_update_is_given_once() {
    let books = books().await;
    let ack = Order { at_ms: at(0), by: "ann".to_owned(), what: Ask::Ack { alert: alert(1, 1).id } };
    books.bus.order(&ack).await.unwrap();
    assert_eq!(books.bus.last_update("bot").await.unwrap(), None);
    assert!(books.bus.order_once("bot", 5, Some(&ack)).await.unwrap());
    assert!(!books.bus.order_once("bot", 5, Some(&ack)).await.unwrap());
    assert!(!books.bus.order_once("bot", 4, Some(&ack)).await.unwrap());
    assert!(books.bus.order_once("bot", 6, None).await.unwrap());
    assert!(books.bus.order_once("another", 1, Some(&ack)).await.unwrap());
    assert_eq!(books.bus.last_update("bot").await.unwrap(), Some(6));
    // A bot that nobody presses for a week counts on from anywhere; what it kept before is a day old at most.
    let kept_s: i64 = books.raw(&["TTL", &dispatch::updates("bot")]).await;
    assert!((86_401..604_800).contains(&kept_s), "{kept_s} s");
    let heard = books.bus.alerts().read(&Positions::default(), Duration::from_secs(1), 10).await.unwrap();
    let orders: Vec<_> = heard
        .into_iter()
        .map(|heard| match heard {
            Heard::Order(_, Some(bytes)) => cascade_wire::decode_order(&bytes).unwrap(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(orders, [ack.clone(), ack.clone(), ack]);
}

#[tokio::test]
async fn the_history_is_trimmed_up_to_an_entry_and_by_age() {
    let books = books().await;
    for n in 1..=4 {
        bury(&books, &delivery(n, Priority::High)).await;
        let id = books.bus.letters(StreamId::ZERO, 10).await.unwrap()[0].0;
        books.bus.drop_letters(&[id], CHAT, at(0)).await.unwrap();
    }
    let entries = books.bus.history(StreamId::ZERO, 10).await.unwrap();
    let day = Duration::from_hours(24);
    books.bus.trim_history(StreamId::ZERO, day).await.unwrap();
    assert_eq!(books.bus.history(StreamId::ZERO, 10).await.unwrap().len(), 4);
    books.bus.trim_history(entries[1].0, day).await.unwrap();
    assert_eq!(books.bus.history(StreamId::ZERO, 10).await.unwrap(), entries[2..]);
    assert_eq!(books.bus.history(entries[2].0, 10).await.unwrap(), entries[3..]);
    let old = "1000000000000-1";
    books.raw::<u64>(&["DEL", dispatch::HISTORY]).await;
    books.raw::<String>(&["XADD", dispatch::HISTORY, old, "e", "{}"]).await;
    books.bus.trim_history(StreamId::ZERO, day).await.unwrap();
    assert_eq!(books.bus.history(StreamId::ZERO, 10).await.unwrap(), []);
}
