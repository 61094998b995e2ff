//! What becomes of messages that fail, are refused, or whose sender dies: each ends, and none takes others along.

use std::sync::Arc;
use std::time::Duration;

use cascade_bus::{Bus, StreamId, Write};
use cascade_domain::{Ending, EventTime, Level};
use cascade_service::SystemClock;
use cascade_testkit::{Observer, TestRedis, eventually};
use cascade_wire::{HistoryOf, dispatch};

use crate::support::{Answer, DEADLINE, Dispatcher, Receiver, Written, all_ended, begins, put_out};

/// How the rows of a destination ended, with the reasons.
async fn ends(bus: &Bus, destination: &str) -> Vec<(Ending, String, u64)> {
    let audit = bus.accounts(EventTime::from_ms(0)).await.unwrap();
    let account = &audit.accounts[destination];
    account.reasons.iter().map(|((ending, reason), count)| (*ending, reason.clone(), *count)).collect()
}

/// An error in the retry path of another alerter looped for ever.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_fails_and_fails_is_tried_ever_less_often_and_ends_when_it_is_too_old() {
    let redis = TestRedis::start().await.unwrap();
    let (bus, desk) = (redis.bus("test").unwrap(), Receiver::start().await);
    desk.always(Answer::Refuse(503));
    let written = Written::new(&desk.webhook("desk"));
    // A quarter of an hour in 9 s.
    let clock = Arc::new(SystemClock::try_new(100.0).unwrap());
    let dispatcher = Dispatcher::named("one", &redis, &written, clock, &[]);
    put_out(&bus, &[begins("BTCUSDT", Level::Critical)]).await;
    desk.gets(5).await;
    all_ended(&bus, &["desk"]).await;
    assert_eq!(ends(&bus, "desk").await, [(Ending::Expired, "stale".to_owned(), 1)]);
    let requests = desk.requests();
    let tries = requests.len();
    let gaps: Vec<_> = requests.windows(2).map(|pair| pair[1].at - pair[0].at).collect();
    let second = Duration::from_millis(990);
    assert!(
        tries <= 10 && gaps.iter().all(|gap| *gap >= second),
        "not more often than each second: {gaps:?}"
    );
    desk.always(Answer::Take);
    bus.order(&crate::orders::test()).await.unwrap();
    desk.gets(tries + 1).await;
    all_ended(&bus, &["desk"]).await;
    dispatcher.stop().await;
}

const UP: &str = "cascade_destination_up{destination=\"desk\"} 1";
const DOWN: &str = "cascade_destination_up{destination=\"desk\"} 0";

/// A dispatcher that decided no more went on to tell what it had last known of the books, beside the one that knew.
#[tokio::test(flavor = "multi_thread")]
async fn who_decides_no_more_tells_nothing_of_books_and_destinations_and_is_believed_when_it_decides_again() {
    let redis = TestRedis::start().await.unwrap();
    let (bus, desk) = (redis.bus("test").unwrap(), Receiver::start().await);
    desk.answers([Answer::Refuse(422)]);
    let dispatcher = Dispatcher::start(&redis, &Written::new(&desk.webhook("desk")));
    put_out(&bus, &[begins("BTCUSDT", Level::Critical)]).await;
    desk.gets(1).await;
    all_ended(&bus, &["desk"]).await;
    let knows = async || dispatcher.shows("cascade_dead_letters 1") && dispatcher.shows(UP);
    assert!(eventually(DEADLINE, knows).await);
    let (key, json) = (dispatch::DECIDER_LEASE.to_owned(), "another".to_owned());
    bus.write_readings(&[Write::Json { key, json, ttl_s: 20 }]).await.unwrap();
    let gone = [
        "cascade_dead_letters NaN",
        "cascade_delivery_audit_difference NaN",
        "cascade_dispatch_lag_seconds NaN",
        "cascade_deliveries_open{destination=\"desk\"} NaN",
        "cascade_delivery_oldest_seconds{destination=\"desk\"} NaN",
        "cascade_destination_up{destination=\"desk\"} NaN",
    ];
    assert!(eventually(DEADLINE, async || gone.iter().all(|line| dispatcher.shows(line))).await);
    assert!(eventually(DEADLINE, knows).await, "the other's lease has run out");
    dispatcher.stop().await;
}

/// The dispatcher that decides said that a destination was down for as long as it had nothing to send there itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_destination_that_failed_is_up_again_whichever_dispatcher_it_took_a_message_from() {
    let redis = TestRedis::start().await.unwrap();
    let (bus, desk) = (redis.bus("test").unwrap(), Receiver::start().await);
    desk.always(Answer::Refuse(500));
    let first = Dispatcher::start(&redis, &Written::new(&desk.webhook("desk")));
    put_out(&bus, &[begins("BTCUSDT", Level::Critical)]).await;
    assert!(eventually(DEADLINE, async || first.shows(DOWN)).await);
    // What another dispatcher has sent stands in the books, and nowhere else.
    let observer = Observer::connect(&redis.url(), &[]).await.unwrap();
    for count in ["produced:desk", "sent:desk", "ended:desk:sent:first"] {
        observer.command::<u64>("HINCRBY", &[dispatch::COUNTS, count, "1"]).await.unwrap();
    }
    assert!(eventually(DEADLINE, async || first.shows(UP)).await);
    first.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_for_good_is_a_dead_letter_and_the_next_message_goes_out() {
    let redis = TestRedis::start().await.unwrap();
    let (bus, desk) = (redis.bus("test").unwrap(), Receiver::start().await);
    desk.answers([Answer::Refuse(422)]);
    let written = Written::new(&desk.webhook("desk"));
    let dispatcher = Dispatcher::start(&redis, &written);
    put_out(&bus, &[begins("BTCUSDT", Level::Critical)]).await;
    desk.gets(1).await;
    all_ended(&bus, &["desk"]).await;
    put_out(&bus, &[begins("ETHUSDT", Level::Critical)]).await;
    desk.gets(2).await;
    all_ended(&bus, &["desk"]).await;
    let ends = ends(&bus, "desk").await;
    assert!(ends.contains(&(Ending::Dead, "malformed".to_owned(), 1)), "{ends:?}");
    assert!(ends.contains(&(Ending::Sent, "first".to_owned(), 1)), "{ends:?}");
    let letters = bus.letters(StreamId::ZERO, 10).await.unwrap();
    let letter = letters[0].1.as_ref().unwrap();
    assert_eq!((letter.reason.as_str(), letter.delivery.alert.scope.as_str()), ("malformed", "BTCUSDT"));
    let shows = async || ["cascade_dead_letters 1", UP].iter().all(|line| dispatcher.shows(line));
    assert!(eventually(DEADLINE, shows).await, "one letter is dead, and the destination takes messages");
    dispatcher.stop().await;
}

/// One text that a provider can't read took the nine others of its message along.
#[tokio::test(flavor = "multi_thread")]
async fn of_a_message_that_is_refused_only_the_alert_that_is_refused_alone_too_ends_dead() {
    let redis = TestRedis::start().await.unwrap();
    let (bus, chat) = (redis.bus("test").unwrap(), Receiver::start().await);
    chat.dreads("SOLUSDT");
    let written = Written::patient(
        "medium_wait_ms = 2000\n[[destination]]\nname = \"chat\"\nkind = \"slack\"\nurl_env = \"SLACK\"\n\
         allow_private_targets = true\n",
    );
    let url = format!("{}/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX", chat.url);
    let variables = [("SLACK", url.as_str())];
    let dispatcher = Dispatcher::named("one", &redis, &written, Arc::new(SystemClock::new()), &variables);
    let names = ["BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT"];
    put_out(&bus, &names.map(|name| begins(name, Level::Alert))).await;
    chat.gets(1).await;
    all_ended(&bus, &["chat"]).await;
    let first = chat.requests()[0].body.to_string();
    assert!(names.iter().all(|name| first.contains(name)), "they were told together: {first}");
    let ends = ends(&bus, "chat").await;
    assert!(ends.contains(&(Ending::Dead, "malformed".to_owned(), 1)), "{ends:?}");
    assert!(ends.contains(&(Ending::Sent, "first".to_owned(), 3)), "{ends:?}");
    let letters = bus.letters(StreamId::ZERO, 10).await.unwrap();
    let dead: Vec<_> =
        letters.iter().map(|(_, letter)| letter.as_ref().unwrap().delivery.alert.scope.as_str()).collect();
    assert_eq!(dead, ["SOLUSDT"]);
    assert_eq!(chat.answered(), 3, "the others one by one");
    dispatcher.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_that_is_gone_is_off_over_restarts_until_it_is_configured_anew() {
    let redis = TestRedis::start().await.unwrap();
    let (bus, desk, other) = (redis.bus("test").unwrap(), Receiver::start().await, Receiver::start().await);
    desk.answers([Answer::Refuse(410)]);
    let same = format!("{}{}", desk.webhook("desk"), other.webhook("other"));
    let first = Dispatcher::start(&redis, &Written::new(&same));
    put_out(&bus, &[begins("BTCUSDT", Level::Critical)]).await;
    let is_off = async || bus.off("desk").await.unwrap().is_some();
    assert!(eventually(DEADLINE, is_off).await);
    put_out(&bus, &[begins("ETHUSDT", Level::Critical)]).await;
    other.gets(2).await;
    all_ended(&bus, &["desk", "other"]).await;
    first.stop().await;

    let second = Dispatcher::start(&redis, &Written::new(&same));
    put_out(&bus, &[begins("SOLUSDT", Level::Critical)]).await;
    other.gets(3).await;
    all_ended(&bus, &["desk", "other"]).await;
    assert_eq!(desk.requests().len(), 1, "nothing is sent to a hook that is off");
    let dead: u64 =
        ends(&bus, "desk").await.iter().filter(|end| end.0 == Ending::Dead).map(|end| end.2).sum();
    assert_eq!(dead, 3, "each has ended all the same, and can be replayed");
    second.stop().await;

    let mended = format!("{}minimum_priority = \"HIGH\"\n{}", desk.webhook("desk"), other.webhook("other"));
    let third = Dispatcher::start(&redis, &Written::new(&mended));
    assert!(eventually(DEADLINE, async || bus.off("desk").await.unwrap().is_none()).await);
    put_out(&bus, &[begins("XRPUSDT", Level::Critical)]).await;
    desk.gets(2).await;
    assert_eq!(desk.scopes().last().unwrap(), "XRPUSDT");
    third.stop().await;
}

/// Of two dispatchers the old one, not yet stopped, has settings that are refused; the new one's were mended.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_dispatcher_of_older_settings_switches_off_is_on_for_one_of_newer() {
    let redis = TestRedis::start().await.unwrap();
    let (bus, desk) = (redis.bus("test").unwrap(), Receiver::start().await);
    let written = Written::new(&desk.webhook("desk"));
    let new = Dispatcher::start(&redis, &written);
    put_out(&bus, &[begins("BTCUSDT", Level::Critical)]).await;
    desk.gets(1).await;
    let (key, json) = (cascade_wire::dispatch::off("desk"), "gone: (settings 0123456789abcdef)".to_owned());
    bus.write_readings(&[Write::Json { key, json, ttl_s: 3600 }]).await.unwrap();
    assert!(eventually(DEADLINE, async || bus.off("desk").await.unwrap().is_none()).await);
    put_out(&bus, &[begins("ETHUSDT", Level::Critical)]).await;
    desk.gets(2).await;
    new.stop().await;
}

/// A claim whose time to live was given in the wrong unit kept an alert of another alerter from ever being sent.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_sender_had_claimed_is_sent_by_another_within_seconds_and_counted_as_ambiguous() {
    let redis = TestRedis::start().await.unwrap();
    let (bus, desk) = (redis.bus("test").unwrap(), Receiver::start().await);
    desk.answers([Answer::Hang]);
    let written = Written::new(&desk.webhook("desk"));
    let dies = Dispatcher::start(&redis, &written);
    put_out(&bus, &[begins("BTCUSDT", Level::Critical)]).await;
    desk.gets(1).await;
    dies.kill().await;
    let lives = Dispatcher::named("two", &redis, &written, Arc::new(SystemClock::new()), &[]);
    desk.gets(2).await;
    let requests = desk.requests();
    let waited = requests[1].at - requests[0].at;
    assert!(waited < Duration::from_secs(20), "{waited:?}");
    all_ended(&bus, &["desk"]).await;
    assert_eq!(ends(&bus, "desk").await, [(Ending::Sent, "first".to_owned(), 1)]);
    let audit = bus.accounts(EventTime::from_ms(0)).await.unwrap();
    assert_eq!(audit.accounts["desk"].ambiguous, 1);
    lives.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_history_tells_of_every_step_in_order_and_of_no_secret() {
    let redis = TestRedis::start().await.unwrap();
    let (bus, desk) = (redis.bus("test").unwrap(), Receiver::start().await);
    desk.answers([Answer::Refuse(500)]);
    let table = "[[destination]]\nname = \"desk\"\nkind = \"webhook\"\nurl_env = \"URL\"\nsecret_env = \"KEY\"\n\
        allow_private_targets = true\n";
    let url = format!("{}/hunter2hunter2", desk.url);
    let variables = [("URL", url.as_str()), ("KEY", "s3cretS3cretS3cretS3cret")];
    let written = Written::new(table);
    let dispatcher = Dispatcher::named("one", &redis, &written, Arc::new(SystemClock::new()), &variables);
    put_out(&bus, &[begins("BTCUSDT", Level::Critical)]).await;
    desk.gets(2).await;
    all_ended(&bus, &["desk"]).await;
    let history = bus.history(StreamId::ZERO, 100).await.unwrap();
    let told: Vec<_> = history.into_iter().map(|(_, entry)| entry.unwrap().what).collect();
    let words: Vec<String> = told
        .iter()
        .map(|what| match what {
            HistoryOf::Alert { scope, .. } => format!("alert {scope}"),
            HistoryOf::Decision { reason, ending, .. } => format!("decision {} {ending:?}", reason.as_str()),
            HistoryOf::Attempt { outcome, .. } => format!("attempt {outcome}"),
            HistoryOf::End { ending, reason, receipt, .. } => {
                format!("end {} {reason} {}", ending.as_str(), receipt.is_some())
            }
            other => format!("{other:?}"),
        })
        .collect();
    let expected =
        ["alert BTCUSDT", "decision first None", "attempt failed", "attempt sent", "end sent first true"];
    assert_eq!(words, expected);
    let shown = format!("{told:?} {}", dispatcher.metrics.render());
    assert!(!shown.contains("hunter2") && !shown.contains("s3cret"), "{shown}");
    let signed = desk.requests()[1].headers.get("webhook-signature").cloned().unwrap();
    assert!(signed.to_str().unwrap().starts_with("v1,"), "the key is used: {signed:?}");
    dispatcher.stop().await;
}
