//! Which rows make the next message, and who may send it.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::support::{
    CHAT, DEADLINE, NO_TIME, ask, at, books, delivery, edit, ids, is_nothing, letter, receipt, revision,
    rows, sent, settlement, worth,
};
use cascade_bus::BusError;
use cascade_bus::delivery::{Claimed, Claiming, Settled, Settlement};
use cascade_domain::{AlertReason, Delivery, Ending, Id, Manner, Priority};
use cascade_testkit::eventually;
use cascade_wire::{HistoryOf, Receipt, dispatch};

#[tokio::test]
async fn the_most_urgent_lane_goes_first_and_in_it_the_largest() {
    let books = books().await;
    let high = |number, dollars| worth(dollars, delivery(number, Priority::High));
    let (small, large) = (high(1, 5), high(2, 9_000_000));
    let (medium, low) = (delivery(3, Priority::Medium), delivery(4, Priority::Low));
    books.tell(&[&low, &medium, &small, &large]).await;
    assert_eq!(books.send(at(0), &receipt(false)).await, [large.row, small.row], "they merge");
    assert_eq!(books.send(at(0), &receipt(false)).await, [medium.row]);
    assert_eq!(books.send(at(0), &receipt(false)).await, [low.row]);
    assert_eq!(books.account().await.ended[&Ending::Sent], 4);
}

#[tokio::test]
async fn only_so_many_rows_make_a_message() {
    let books = books().await;
    let three: Vec<_> = (1..=3).map(|n| worth(n, delivery(n.unsigned_abs(), Priority::High))).collect();
    books.tell(&three.iter().collect::<Vec<_>>()).await;
    let one = Claiming { most: 1, ..ask("one", at(0)) };
    assert_eq!(ids(books.bus.claim(&one).await.unwrap()), [three[2].row]);
}

#[tokio::test]
async fn nothing_leaves_before_it_is_due() {
    let books = books().await;
    let grouped = Delivery { due_ms: at(30_000), ..delivery(1, Priority::Low) };
    books.tell(&[&grouped]).await;
    let waits = books.claim(at(29_999)).await.1;
    assert_eq!(waits, Claimed::Nothing { after: None, due: Some(at(30_000)) });
    assert_eq!(ids(books.claim(at(30_000)).await.1), [grouped.row]);
}

#[tokio::test]
async fn one_message_at_a_time_goes_to_a_destination_whoever_asks() {
    let books = books().await;
    let many: Vec<_> = (1..=20).map(|n| delivery(n, Priority::Medium)).collect();
    books.tell(&many.iter().collect::<Vec<_>>()).await;
    let other = books.server.bus("other").unwrap();
    let (one, two) = (Claiming { most: 1, ..ask("one", at(0)) }, Claiming { most: 1, ..ask("two", at(0)) });
    let (one, two) = tokio::join!(books.bus.claim(&one), other.claim(&two));
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_ne!(is_nothing(&one), is_nothing(&two), "{one:?} {two:?}");
    let nothing = if is_nothing(&one) { one } else { two };
    let Claimed::Nothing { after: Some(after), .. } = nothing else { panic!("{nothing:?}") };
    assert!(after <= crate::support::HOLDS);
}

#[tokio::test]
async fn two_claimers_share_the_work_and_no_row_is_given_twice() {
    let books = books().await;
    let many: Vec<_> = (1..=40).map(|n| delivery(n, Priority::Medium)).collect();
    books.tell(&many.iter().collect::<Vec<_>>()).await;
    let work = async |name: &str| {
        let (bus, mut mine) = (books.server.bus(name).unwrap(), Vec::new());
        while books.account().await.open > 0 {
            let token = format!("{name} {}", mine.len());
            let token = token.replace(' ', "-");
            let claimed = bus.claim(&Claiming { most: 3, ..ask(&token, at(0)) }).await.unwrap();
            if is_nothing(&claimed) {
                tokio::task::yield_now().await;
                continue;
            }
            let rows: Vec<_> = ids(claimed).into_iter().map(|row| (row, sent())).collect();
            let settled = bus.settle(&settlement(&token, &rows)).await.unwrap();
            assert_eq!(settled, vec![true; rows.len()]);
            mine.extend(rows.into_iter().map(|(row, _)| row));
        }
        mine
    };
    let (one, two) = tokio::join!(work("one"), work("two"));
    let all: BTreeSet<_> = one.iter().chain(&two).collect();
    assert_eq!((all.len(), one.len() + two.len()), (40, 40));
    assert_eq!(books.account().await.ended[&Ending::Sent], 40);
}

#[tokio::test]
async fn the_same_claim_again_gives_the_same_rows() {
    let books = books().await;
    books.tell(&[&delivery(1, Priority::High)]).await;
    let first = books.bus.claim(&ask("token", at(0))).await.unwrap();
    assert!(!is_nothing(&first));
    books.tell(&[&delivery(2, Priority::High)]).await;
    assert_eq!(books.bus.claim(&ask("token", at(0))).await.unwrap(), first);
}

#[tokio::test]
async fn high_overtakes_a_message_of_another_lane_that_hangs_and_no_other() {
    let books = books().await;
    books.tell(&[&delivery(1, Priority::Low)]).await;
    assert_eq!(books.claim(at(0)).await.1, books.bus.claim(&ask("claim0", at(0))).await.unwrap());
    let urgent = delivery(2, Priority::High);
    books.tell(&[&urgent, &delivery(3, Priority::Medium)]).await;
    let only_high = |token| Claiming { only_high: true, ..ask(token, at(0)) };
    let soon = books.bus.claim(&only_high("a")).await.unwrap();
    let Claimed::Nothing { after: Some(after), .. } = soon else { panic!("{soon:?}") };
    assert!(after <= Duration::from_millis(1001), "{after:?}");
    let mut claimed = soon;
    let overtakes = eventually(DEADLINE, async || {
        claimed = books.bus.claim(&only_high("b")).await.unwrap();
        !is_nothing(&claimed)
    });
    assert!(overtakes.await);
    assert_eq!(ids(claimed), [urgent.row]);
    assert!(is_nothing(&books.claim(at(0)).await.1), "the others wait for both");
    books.tell(&[&delivery(4, Priority::High)]).await;
    assert!(is_nothing(&books.bus.claim(&only_high("c")).await.unwrap()), "and so does the next HIGH");
    let rows = [(urgent.row, sent())];
    assert_eq!(books.bus.settle(&settlement("b", &rows)).await.unwrap(), [true]);
    assert_eq!(
        ids(books.bus.claim(&only_high("d")).await.unwrap()),
        [delivery(4, Priority::High).row],
        "until it has arrived"
    );
}

#[tokio::test]
async fn a_row_waits_for_the_one_before_it_and_hurries_it() {
    let books = books().await;
    let first = Delivery { due_ms: at(30_000), ..delivery(1, Priority::Low) };
    let worse = Delivery { after: Some(first.row), ..revision(1, 2, Priority::High) };
    let unrelated = delivery(2, Priority::Low);
    books.tell(&[&first, &worse, &unrelated]).await;
    assert_eq!(books.send(at(0), &receipt(true)).await, [first.row], "what must be told first is as urgent");
    assert_eq!(books.send(at(0), &receipt(true)).await, [worse.row]);
    assert_eq!(books.send(at(0), &receipt(true)).await, [unrelated.row]);
}

#[tokio::test]
async fn a_row_waits_while_the_one_before_it_waits_for_its_next_try() {
    let books = books().await;
    let first = delivery(1, Priority::Medium);
    books.tell(&[&first]).await;
    let (token, _) = books.claim(at(0)).await;
    let again = [(first.row, Settled::Again(at(4000)))];
    books.bus.settle(&settlement(&token, &again)).await.unwrap();
    let worse = Delivery { after: Some(first.row), ..revision(1, 2, Priority::High) };
    books.tell(&[&worse]).await;
    assert_eq!(books.claim(at(0)).await.1, Claimed::Nothing { after: None, due: Some(at(4000)) });
    assert_eq!(books.send(at(4000), &receipt(false)).await, [first.row]);
    assert_eq!(books.send(at(4000), &receipt(false)).await, [worse.row]);
}

#[tokio::test]
async fn edits_of_one_alert_are_one_message_with_what_was_told() {
    let books = books().await;
    books.tell(&[&delivery(1, Priority::Medium), &delivery(2, Priority::Medium)]).await;
    books.send(at(0), &receipt(true)).await;
    let second = edit(1, 2, AlertReason::Updated);
    let third = Delivery { after: Some(second.row), ..edit(1, 3, AlertReason::Resolved) };
    let other = edit(2, 2, AlertReason::Updated);
    books.tell(&[&second, &third, &other]).await;
    let (token, claimed) = books.claim(at(0)).await;
    let Claimed::Rows { rows, told } = claimed else { panic!("{claimed:?}") };
    let both: Vec<_> = rows.iter().map(|row| (row.delivery.row, row.delivery.manner)).collect();
    assert!(both == [(second.row, Manner::Edit), (third.row, Manner::Edit)] || both[0].0 == other.row);
    assert_eq!(told, Some(receipt(true)));
    let ended: Vec<_> = both.iter().map(|(row, _)| (*row, sent())).collect();
    books.bus.settle(&settlement(&token, &ended)).await.unwrap();
    assert_eq!(books.send(at(0), &receipt(true)).await.len() + both.len(), 3);
}

#[tokio::test]
async fn what_is_new_goes_before_edits_of_its_lane_whatever_they_are_worth() {
    let books = books().await;
    books.tell(&[&delivery(1, Priority::Medium)]).await;
    books.send(at(0), &receipt(true)).await;
    let large = worth(9_000_000, edit(1, 2, AlertReason::Updated));
    let large = Delivery { lane: Priority::High, ..large };
    let (new, less_urgent) = (worth(1, delivery(2, Priority::High)), delivery(3, Priority::Medium));
    books.tell(&[&large, &less_urgent, &new]).await;
    for row in [new.row, large.row, less_urgent.row] {
        assert_eq!(books.send(at(0), &receipt(true)).await, [row]);
    }
}

#[tokio::test]
async fn an_edit_of_what_cannot_be_edited_is_told_anew_where_it_matters() {
    let books = books().await;
    books.tell(&[&delivery(1, Priority::Medium), &delivery(2, Priority::Medium)]).await;
    books.send(at(0), &receipt(false)).await;
    let over = edit(1, 2, AlertReason::Resolved);
    books.tell(&[&over, &edit(2, 2, AlertReason::Updated), &edit(3, 2, AlertReason::Resolved)]).await;
    let (_, claimed) = books.claim(at(0)).await;
    assert!(matches!(&claimed, Claimed::Rows { told: None, .. }), "{claimed:?}");
    assert_eq!(ids(claimed), [over.row]);
    assert_eq!(books.ended(Ending::Suppressed, "duplicate").await, 1, "it says nothing new");
    assert_eq!(books.ended(Ending::Suppressed, "stale").await, 1, "nobody was told that it began");
}

/// A destination was configured anew under its old name: its messages may go to another chat.
#[tokio::test]
async fn what_was_told_with_other_settings_is_told_anew_and_edited_from_then_on() {
    let books = books().await;
    books.tell(&[&delivery(1, Priority::Medium)]).await;
    let elsewhere = Receipt { settings: Some(Id::from_bits(8)), ..receipt(true) };
    books.send(at(0), &elsewhere).await;
    for (number, expected) in [(2, None), (3, Some(receipt(true)))] {
        let updated = edit(1, number, AlertReason::Updated);
        books.tell(&[&updated]).await;
        let (token, claimed) = books.claim(at(0)).await;
        let Claimed::Rows { rows, told } = claimed else { panic!("{claimed:?}") };
        assert_eq!((rows[0].delivery.row, told), (updated.row, expected));
        let (sent, told) = ([(updated.row, sent())], [(updated.alert.id, Some(receipt(true)))]);
        books.bus.settle(&Settlement { told: &told, ..settlement(&token, &sent) }).await.unwrap();
    }
    assert_eq!(books.account().await.ended[&Ending::Sent], 3);
}

/// Where nothing can be edited the end of an alert is a message of its own.
#[tokio::test]
async fn an_end_is_told_only_where_it_was_told_that_it_began() {
    let books = books().await;
    let (told, dead) = (delivery(1, Priority::Medium), delivery(2, Priority::Medium));
    let expires = Delivery { due_ms: at(60_000), expires_ms: at(10), ..delivery(3, Priority::Medium) };
    books.tell(&[&told, &dead, &expires]).await;
    let end = |first: &Delivery, number| Delivery {
        reason: AlertReason::Resolved,
        after: Some(first.row),
        ..revision(number, 2, Priority::Medium)
    };
    let over = end(&told, 1);
    books.tell(&[&over, &end(&dead, 2), &end(&expires, 3)]).await;
    let (token, claimed) = books.claim(at(0)).await;
    assert_eq!(ids(claimed).len(), 2, "each end waits for its beginning");
    let ended = [(told.row, sent()), (dead.row, letter(&dead, "malformed"))];
    let receipts = [(told.alert.id, Some(receipt(false)))];
    let settlement = Settlement { told: &receipts, ..settlement(&token, &ended) };
    books.bus.settle(&settlement).await.unwrap();
    assert_eq!(books.send(at(11), &receipt(false)).await, [over.row]);
    assert!(is_nothing(&books.claim(at(11)).await.1));
    assert_eq!(books.ended(Ending::Suppressed, "stale").await, 2, "of what died and of what expired");
    assert_eq!(books.account().await.open, 0);
}

#[tokio::test]
async fn what_is_too_old_expires_and_is_not_sent() {
    let books = books().await;
    books.tell(&[&delivery(1, Priority::High)]).await;
    assert!(is_nothing(&books.claim(at(900_001)).await.1));
    assert_eq!(books.ended(Ending::Expired, "stale").await, 1);
    assert!(matches!(&books.history().await[..], [HistoryOf::End { ending: Ending::Expired, .. }]));
}

#[tokio::test]
async fn a_claim_that_ran_out_is_put_back_and_counted_ambiguous_once() {
    let books = books().await;
    let two = [delivery(1, Priority::High), delivery(2, Priority::High)];
    books.tell(&[&two[0], &two[1]]).await;
    let short = Claiming { holds: NO_TIME, ..ask("killed", at(0)) };
    assert_eq!(ids(books.bus.claim(&short).await.unwrap()).len(), 2);
    let mut claimed = None;
    let is_back = eventually(DEADLINE, async || {
        let next = books.bus.claim(&ask("next", at(0))).await.unwrap();
        claimed = (!is_nothing(&next)).then_some(next);
        claimed.is_some()
    });
    assert!(is_back.await);
    let rows = rows(claimed.unwrap());
    assert_eq!((rows.len(), rows[0].attempts, rows[1].attempts), (2, 1, 1));
    let account = books.account().await;
    assert_eq!((account.ambiguous, account.open), (1, 2));
    let history = books.history().await;
    let [HistoryOf::Attempt { rows, destination, outcome, .. }] = &history[..] else { panic!("{history:?}") };
    assert_eq!((rows.len(), destination.as_str(), outcome.as_str()), (2, CHAT, "ambiguous"));
}

#[tokio::test]
async fn a_claim_whose_answer_was_lost_holds_anew_when_it_is_asked_again() {
    let books = books().await;
    let told = delivery(1, Priority::High);
    books.tell(&[&told]).await;
    let lost = Claiming { holds: NO_TIME, ..ask("lost", at(0)) };
    assert_eq!(ids(books.bus.claim(&lost).await.unwrap()), [told.row]);
    let has_run_out =
        eventually(DEADLINE, async || books.raw::<i64>(&["PTTL", &dispatch::flight(CHAT)]).await == -2);
    assert!(has_run_out.await);
    assert_eq!(ids(books.bus.claim(&ask("lost", at(0))).await.unwrap()), [told.row]);
    assert!(is_nothing(&books.claim(at(0)).await.1), "it is being sent");
    assert_eq!(books.account().await.ambiguous, 0);
}

#[tokio::test]
async fn a_claim_whose_answer_was_lost_and_whose_rows_ended_meanwhile_holds_nothing_up() {
    let books = books().await;
    let (told, next) = (delivery(1, Priority::High), delivery(2, Priority::High));
    books.tell(&[&told]).await;
    let slow = Claiming { holds: NO_TIME, ..ask("slow", at(0)) };
    assert_eq!(ids(books.bus.claim(&slow).await.unwrap()), [told.row]);
    let is_taken =
        eventually(DEADLINE, async || !is_nothing(&books.bus.claim(&ask("lost", at(0))).await.unwrap()));
    assert!(is_taken.await);
    assert_eq!(books.bus.settle(&settlement("slow", &[(told.row, sent())])).await.unwrap(), [true]);
    books.tell(&[&next]).await;
    assert_eq!(ids(books.bus.claim(&ask("lost", at(0))).await.unwrap()), [next.row]);
}

#[tokio::test]
async fn a_row_of_another_version_is_left_to_it_and_holds_no_other_up() {
    let books = books().await;
    let (strange, known) = (delivery(1, Priority::High), delivery(2, Priority::High));
    books.tell(&[&strange, &known]).await;
    books.raw::<u64>(&["HSET", &dispatch::row(strange.row), "body", "of tomorrow"]).await;
    let refused = books.bus.claim(&ask("first", at(0))).await;
    assert!(matches!(refused, Err(BusError::Reply(_))), "{refused:?}");
    assert_eq!(ids(books.claim(at(0)).await.1), [known.row]);
    let account = books.account().await;
    assert_eq!((account.open, account.ambiguous), (2, 0));
}
