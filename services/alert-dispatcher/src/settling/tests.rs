//! What becomes of rows, by outcome.

use cascade_domain::{Alert, Heading, Manner, Priority, Subject};
use cascade_notify::Destination;

use super::*;

const NOW: EventTime = EventTime::from_ms(1_791_565_600_000);

fn target() -> Target {
    let table = "name = \"desk\"\nkind = \"stdout\"".parse().unwrap();
    Target::new(Destination::read(&table, &|_| None).unwrap(), &["desk".to_owned()])
}

fn row(number: u64, phase: Phase, attempts: u32) -> Row {
    let heading = Heading { kind: "test", rule: "test", scope: "here", episode: Id::from_bits(number) };
    let alert = Alert { phase, ..Alert::new(&heading, 1, NOW, Subject::Watchdog) };
    let delivery = Delivery {
        row: Delivery::row_of(alert.revision, "desk", false),
        destination: "desk".to_owned(),
        alert,
        reason: AlertReason::First,
        manner: Manner::New,
        lane: Priority::High,
        due_ms: NOW.plus_ms(-5),
        expires_ms: NOW.plus_ms(900_000),
        after: None,
        count: 1,
    };
    Row { delivery, attempts }
}

fn settled(rows: &[Row], outcome: &Outcome) -> Settling {
    Tried { target: &target(), rows, seed: 7, now: NOW }.settled(outcome)
}

fn taken(editable: bool) -> Outcome {
    Outcome::Sent {
        receipt: Receipt { message: Some("42".to_owned()), editable, settings: None },
        close: None,
    }
}

#[test]
fn what_one_alert_was_told_with_can_be_edited_and_what_several_share_can_not() {
    let alone = settled(&[row(1, Phase::Opened, 0)], &taken(true));
    let told = alone.told[0].1.as_ref().unwrap();
    assert!(told.editable);
    assert_eq!(told.settings, Some(target().settings), "by whoever has the same settings");
    assert_eq!(alone.rows[0].1, Settled::Ended(Ending::Sent, "first".to_owned()));
    let shared = settled(&[row(1, Phase::Opened, 0), row(2, Phase::Opened, 0)], &taken(true));
    assert_eq!(shared.told.len(), 2);
    assert!(shared.told.iter().all(|(_, receipt)| !receipt.as_ref().unwrap().editable));
    let ends = shared.history.iter().filter(|entry| matches!(entry.what, HistoryOf::End { .. })).count();
    assert_eq!((ends, shared.history.len()), (2, 3), "one attempt, and the end of each");
}

#[test]
fn what_is_over_is_forgotten_and_of_two_revisions_the_last_one_counts() {
    let over = settled(&[row(1, Phase::Opened, 0), row(1, Phase::Resolved, 0)], &taken(true));
    assert_eq!(over.told, [(row(1, Phase::Resolved, 0).delivery.alert.id, None)]);
}

#[test]
fn waits_grow_to_a_minute_and_a_failure_after_which_it_would_be_too_old_is_its_end() {
    let failed = Outcome::Failed("no answer in time".to_owned());
    for (attempts, full) in
        [(0, 1_000), (1, 2_000), (2, 4_000), (5, 32_000), (6, 60_000), (40, 60_000), (u32::MAX, 60_000)]
    {
        let settling = settled(&[row(1, Phase::Opened, attempts)], &failed);
        let Settled::Again(due) = settling.rows[0].1 else { panic!("{settling:?}") };
        let wait = due.since(NOW);
        assert!((full / 2..=full).contains(&wait), "{wait} ms after {attempts}");
    }
    let mut late = row(1, Phase::Opened, 6);
    late.delivery.expires_ms = NOW.plus_ms(20_000);
    let settling = settled(&[late], &failed);
    assert_eq!(settling.rows[0].1, Settled::Ended(Ending::Expired, "stale".to_owned()));
    assert!(settling.told.is_empty() && settling.close.is_none() && settling.off.is_none());
}

#[test]
fn two_rows_that_failed_together_do_not_come_back_together() {
    let rows = [row(1, Phase::Opened, 5), row(2, Phase::Opened, 5)];
    let settling = settled(&rows, &Outcome::Failed(String::new()));
    assert_ne!(settling.rows[0].1, settling.rows[1].1);
}

/// Another alerter gave an alert up when its provider asked for patience.
#[test]
fn patience_is_no_failure_and_closes_the_whole_budget() {
    let patience = Outcome::RetryAfter { after: Duration::from_secs(7), budget: "b".to_owned() };
    let settling = settled(&[row(1, Phase::Opened, 3)], &patience);
    assert_eq!(settling.rows[0].1, Settled::Later(NOW.plus_ms(-5)), "due as it was");
    assert_eq!(settling.close, Some(("b".to_owned(), Duration::from_secs(7))));
    assert!(settling.off.is_none() && settling.told.is_empty());
    let used_up =
        Outcome::Sent { receipt: Receipt::default(), close: Some(("b".to_owned(), Duration::from_secs(2))) };
    let settling = settled(&[row(1, Phase::Opened, 0)], &used_up);
    assert_eq!(settling.close, Some(("b".to_owned(), Duration::from_secs(2))));
}

#[test]
fn what_is_refused_is_a_letter_each_and_only_some_refusals_switch_a_destination_off() {
    for why in Refused::ALL {
        let rows = [row(1, Phase::Opened, 2), row(2, Phase::Opened, 0)];
        let refusal = Outcome::Refused { why, said: "no".to_owned() };
        let settling = if why.closes() {
            settled(&rows, &refusal)
        } else {
            let [one, other] = rows.each_ref().map(|row| settled(std::slice::from_ref(row), &refusal));
            Settling { rows: [one.rows, other.rows].concat(), ..one }
        };
        let attempts: Vec<u32> = settling
            .rows
            .iter()
            .map(|(_, settled)| match settled {
                Settled::Dead(letter) if letter.reason == why.as_str() => letter.attempts,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(attempts, [3, 1]);
        assert_eq!(settling.off.is_some(), why.closes());
        if let Some(off) = settling.off {
            assert!(off.ends_with(&off_mark(&target())), "{off}");
            assert_eq!(why_off(&off), format!("{}: no", why.as_str()));
        }
    }
}

#[test]
fn a_message_of_several_that_is_refused_takes_none_of_them_along() {
    for why in Refused::ALL.into_iter().filter(|why| !why.closes()) {
        let rows = [row(1, Phase::Opened, 0), row(2, Phase::Opened, 0)];
        let settling = settled(&rows, &Outcome::Refused { why, said: "no".to_owned() });
        assert!(settling.rows.iter().all(|(_, settled)| *settled == Settled::Alone(NOW.plus_ms(-5))));
        assert_eq!((settling.history.len(), settling.off), (1, None), "one attempt, and the end of none");
    }
}
