//! Claims about asking a venue again and again.

use std::time::Duration;

use cascade_domain::{EventTime, Venue};
use cascade_feed::rest::MOST_SAMPLE_BYTES;
use cascade_pace::Clock;

use crate::desk::{Desk, Ledger, Reply, Said, exchange_info, interest, polled};
use crate::ear::{Fast, wall};

const TWO: [&str; 2] = ["BTCUSDT", "ETHUSDT"];
const FIVE: [&str; 5] = ["ADAUSDT", "BTCUSDT", "DOTUSDT", "ETHUSDT", "SOLUSDT"];

fn good(symbol: &str, _: usize, now: EventTime) -> Reply {
    Reply::ok(interest(symbol, now))
}

/// The questions that came between two times.
fn between(asked: &[(EventTime, String)], from: EventTime, to: EventTime) -> Vec<&(EventTime, String)> {
    asked.iter().filter(|(at, _)| from < *at && *at < to).collect()
}

#[tokio::test]
async fn every_question_has_its_turn_and_none_come_in_a_burst() {
    let clock = Fast::new(10);
    let desk = Desk::of_binance(&clock, &FIVE, good).await;
    let (poll, ledger) = (desk.poll(Venue::Binance, &FIVE), Ledger::default());
    polled(&[(&desk, &poll, &ledger)], async {
        ledger.until("three rounds", |ledger| ledger.rounds().len() >= 3).await;
    })
    .await;
    let asked = desk.asked();
    for five in asked.windows(5) {
        let mut names: Vec<&str> = five.iter().map(|(_, name)| name.as_str()).collect();
        names.sort_unstable();
        assert_eq!(names, FIVE, "each once in five: {asked:?}");
        let lasted = five[4].0.since(five[0].0);
        assert!(lasted >= 2000, "five within {lasted} ms of the clock: {asked:?}");
    }
    assert_eq!((ledger.refused(), ledger.failed()), (vec![], vec![]));
    for (received, sample) in ledger.samples() {
        let (known, at) = (sample.known_at_ms.unwrap(), sample.event_time_ms.unwrap());
        assert!(known <= received && received.since(known) <= 2000 && at <= known, "{sample:?}");
        assert_eq!(sample.coins, Some(10659.509));
    }
}

#[tokio::test]
async fn who_may_use_little_takes_longer_and_says_so() {
    let clock = Fast::new(20);
    let desk = Desk::of_binance(&clock, &FIVE, good).await;
    let (mut poll, ledger) = (desk.poll(Venue::Binance, &FIVE), Ledger::default());
    // Of 200 in six seconds one in a hundred is one in three seconds.
    poll.share = 0.01;
    polled(&[(&desk, &poll, &ledger)], async {
        ledger.until("two rounds", |ledger| ledger.rounds().len() >= 2).await;
    })
    .await;
    let asked = desk.asked();
    let lasted = asked[5].0.since(asked[0].0);
    assert!(lasted >= 13_000, "five questions in {lasted} ms of the clock");
    assert!(ledger.rounds()[1] >= Duration::from_secs(13), "{:?}", ledger.rounds());
}

/// What is answered at a time.
type Answering = Box<dyn Fn(EventTime) -> Reply + Send + Sync>;

#[tokio::test]
async fn a_bad_answer_is_told_with_its_reason_and_costs_no_other() {
    let half = |at| interest("ETHUSDT", at)[..30].to_owned();
    let bad: [(&str, &str, Answering); 11] = [
        ("refused", "stale", Box::new(|now| Reply::ok(interest("ETHUSDT", now.plus_ms(-61_000))))),
        ("refused", "ahead", Box::new(|now| Reply::ok(interest("ETHUSDT", now.plus_ms(15_000))))),
        ("refused", "wrong_answer", Box::new(|now| Reply::ok(interest("BTCUSDT", now)))),
        ("refused", "malformed", Box::new(|_| Reply::ok("<html>"))),
        ("refused", "malformed", Box::new(move |now| Reply::ok(half(now)))),
        ("refused", "bad_number", Box::new(|now| Reply::ok(interest("ETHUSDT", now).replace("106", "-")))),
        ("failed", "HTTP 500", Box::new(|_| Reply::status("500 Internal Server Error"))),
        ("failed", "HTTP 400", Box::new(|_| Reply::status("400 Bad Request"))),
        ("failed", "HTTP 302", Box::new(|_| Reply::status("302 Found\r\nLocation: /elsewhere"))),
        ("failed", "does not answer", Box::new(move |now| Reply::CutOff(half(now)))),
        ("failed", "is longer than", Box::new(|_| Reply::ok(" ".repeat(MOST_SAMPLE_BYTES + 1)))),
    ];
    futures_util::future::join_all(bad.map(|(how, reason, bad)| async move {
        let clock = Fast::new(4);
        let desk = Desk::of_binance(&clock, &TWO, move |symbol, before, now| match symbol {
            "ETHUSDT" if before < 2 => bad(now),
            symbol => good(symbol, before, now),
        })
        .await;
        let (poll, ledger) = (desk.poll(Venue::Binance, &TWO), Ledger::default());
        polled(&[(&desk, &poll, &ledger)], async {
            ledger.until("a good answer at last", |ledger| ledger.count("ETHUSDT") == 1).await;
        })
        .await;
        let asked = desk.asked();
        let third = asked.iter().filter(|(_, name)| name == "ETHUSDT").nth(2).unwrap().0;
        let samples = ledger.samples();
        let first = samples.iter().find(|(_, sample)| sample.instrument.as_str() == "ETHUSDT").unwrap();
        assert!(first.0 >= third, "{reason}: a sample of what was no answer");
        assert!(ledger.count("BTCUSDT") >= 2, "{reason}: the others go on: {samples:?}");
        // On a busy machine an answer may come too late besides.
        let failed: Vec<String> = ledger.failed().into_iter().map(|(_, words, _)| words).collect();
        let failed: Vec<_> = failed.iter().filter(|words| !words.contains("within the time")).collect();
        if how == "refused" {
            assert!(ledger.refused().iter().all(|label| *label == reason), "{:?}", ledger.refused());
            assert!(!ledger.refused().is_empty() && failed.is_empty(), "{reason}: {failed:?}");
        } else {
            let told = |words: &str| words.contains(reason) && words.contains("binance");
            assert!(failed.iter().all(|words| told(words)), "{reason}: {failed:?}");
            assert!(!failed.is_empty() && ledger.refused().is_empty(), "{:?}", ledger.refused());
        }
    }))
    .await;
}

#[tokio::test]
async fn a_venue_that_turns_us_down_is_left_alone_for_as_long_as_it_says_and_then_asked_on() {
    let turned_down = [
        (60, "429 Too Many Requests\r\nRetry-After: 45", 45),
        (60, "429 Too Many Requests", 60),
        (120, "418 I'm a teapot", 120),
        (300, "418 I'm a teapot\r\nRetry-After: 300", 300),
        (600, "403 Forbidden", 600),
        (3600, "451 Unavailable For Legal Reasons", 3600),
        (3600, "401 Unauthorized", 3600),
        (60, "503 Service Unavailable\r\nRetry-After: 50", 50),
    ];
    futures_util::future::join_all(turned_down.map(|(speed, status, away_s)| async move {
        let clock = Fast::new(speed);
        let one = ["BTCUSDT"];
        let desk = Desk::of_binance(&clock, &one, move |symbol, before, now| match before {
            0 => Reply::status(status),
            before => good(symbol, before, now),
        })
        .await;
        let (poll, ledger) = (desk.poll(Venue::Binance, &one), Ledger::default());
        polled(&[(&desk, &poll, &ledger)], async {
            desk.until_asked(2).await;
        })
        .await;
        let (asked, failed) = (desk.asked(), ledger.failed());
        let waited_ms = asked[1].0.since(asked[0].0);
        assert!(waited_ms >= away_s * 1000, "{status}: asked again after {waited_ms} ms");
        assert_eq!(failed.len(), 1, "{failed:?}");
        let (at, words, until) = &failed[0];
        assert!(words.contains("binance"), "{words}");
        let told_ms = until.unwrap().since(*at);
        assert!((away_s * 1000 - 1..=away_s * 1000).contains(&told_ms), "{status}: told {told_ms} ms");
        assert!(asked[1].0 >= until.unwrap(), "{status}");
    }))
    .await;
}

#[tokio::test]
async fn a_contract_that_never_answers_is_counted_in_every_round() {
    let clock = Fast::new(10);
    let desk = Desk::of_binance(&clock, &FIVE, |symbol, before, now| match symbol {
        "ETHUSDT" => Reply::status("400 Bad Request"),
        "ADAUSDT" => Reply::ok("<html>"),
        symbol => good(symbol, before, now),
    })
    .await;
    let (poll, ledger) = (desk.poll(Venue::Binance, &FIVE), Ledger::default());
    polled(&[(&desk, &poll, &ledger)], async {
        ledger.until("three rounds", |ledger| ledger.rounds().len() >= 3).await;
    })
    .await;
    assert!(ledger.failing().iter().all(|failing| *failing == 2), "{:?}", ledger.said());
}

#[tokio::test]
async fn a_venue_that_somebody_else_was_asked_to_leave_alone_is_asked_nothing_and_at_most_for_a_day() {
    let clock = Fast::new(20);
    let desk = Desk::of_binance(&clock, &TWO, good).await;
    let (poll, ledger) = (desk.poll(Venue::Binance, &TWO), Ledger::default());
    let until = clock.now().plus_ms(40_000);
    poll.client.close_until(poll.protocol, until);
    poll.client.close_until(poll.protocol, clock.now());
    polled(&[(&desk, &poll, &ledger)], async {
        ledger.until("samples", |ledger| ledger.count("BTCUSDT") > 0).await;
    })
    .await;
    let paths = desk.paths();
    assert!(paths.iter().all(|(at, _)| *at >= until), "before {until}: {paths:?}");
    assert!(paths.iter().any(|(_, path)| path.ends_with("exchangeInfo")), "{paths:?}");

    let fast = Fast::new(1_000_000);
    let desk = Desk::of_binance(&fast, &TWO, good).await;
    let (poll, ledger) = (desk.poll(Venue::Binance, &TWO), Ledger::default());
    let begun = fast.now();
    poll.client.close_until(poll.protocol, begun.plus_ms(1_000 * 86_400_000));
    polled(&[(&desk, &poll, &ledger)], async {
        desk.until_asked(1).await;
    })
    .await;
    assert!(desk.paths()[0].0.since(begun) < 1_000 * 86_400_000, "{:?}", desk.paths());
}

#[tokio::test]
async fn of_many_questions_none_is_asked_while_the_venue_wants_to_be_left_alone() {
    let clock = Fast::new(20);
    let desk = Desk::of_binance(&clock, &FIVE, |symbol, before, now| match (symbol, before) {
        ("BTCUSDT", 0) => Reply::status("429 Too Many Requests\r\nRetry-After: 40"),
        _ => good(symbol, before, now),
    })
    .await;
    let (poll, ledger) = (desk.poll(Venue::Binance, &FIVE), Ledger::default());
    polled(&[(&desk, &poll, &ledger)], async {
        ledger.until("a sample of it at last", |ledger| ledger.count("BTCUSDT") == 1).await;
    })
    .await;
    let (at, _, until) = ledger.failed()[0].clone();
    let meanwhile = between(&desk.asked(), at.plus_ms(500), until.unwrap()).len();
    assert_eq!(meanwhile, 0, "{:?}", desk.asked());
    assert_eq!(ledger.waits(), [], "who was told it himself is not told again");
}

#[tokio::test]
async fn bans_grow_and_those_that_were_under_way_are_part_of_the_first() {
    let clock = Fast::new(600);
    let ban = || Reply::status("418 I'm a teapot");
    let desk = Desk::of_binance(&clock, &FIVE, move |_, _, _| Reply::Once(3, Box::new(ban()))).await;
    let (mut poll, ledger) = (desk.poll(Venue::Binance, &FIVE), Ledger::default());
    poll.share = 1.0;
    // How many seconds each failure keeps us away: those until the first ban is over, and those after it.
    let away_s = || {
        let failed = ledger.failed();
        let first_until = failed.first().and_then(|(_, _, until)| *until);
        let (during, after): (Vec<_>, Vec<_>) =
            failed.into_iter().partition(|(at, ..)| first_until.is_none_or(|until| *at < until));
        [during, after].map(|failed| -> Vec<i64> {
            failed.iter().map(|(at, _, until)| (until.unwrap().since(*at) + 500) / 1000).collect()
        })
    };
    polled(&[(&desk, &poll, &ledger)], async {
        ledger.until("a second ban", |_| !away_s()[1].is_empty()).await;
    })
    .await;
    let [during, after] = away_s();
    assert!(during.len() >= 3 && during.iter().all(|away_s| *away_s == 120), "one ban: {during:?}");
    assert_eq!(after[0], 240, "one that was asked after it: {after:?}");
}

#[tokio::test]
async fn of_a_venue_that_never_answers_eight_questions_are_open_at_most() {
    let clock = Fast::new(10);
    let names: Vec<String> = (0..30).map(|at| format!("C{at}USDT")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let desk = Desk::of_binance(&clock, &names, |_, _, _| Reply::Silence).await;
    let (poll, ledger) = (desk.poll(Venue::Binance, &names), Ledger::default());
    polled(&[(&desk, &poll, &ledger)], async {
        ledger.until("a failure", |ledger| !ledger.failed().is_empty()).await;
    })
    .await;
    let (at, words, until) = ledger.failed()[0].clone();
    let open = desk.asked().iter().filter(|(asked, _)| *asked <= at).count();
    assert_eq!(open, 8, "{words}");
    assert!(words.contains("no answer within the time for it") && until.is_none(), "{words}");
}

#[tokio::test]
async fn a_listing_that_appears_is_asked_for_and_one_that_vanishes_is_not() {
    let clock = Fast::new(20);
    let desk = Desk::open(&clock, |path, before, now| match (path, before) {
        ("/fapi/v1/exchangeInfo", 0) => Reply::ok(exchange_info(&TWO)),
        ("/fapi/v1/exchangeInfo", 1) => Reply::status("404 Not Found"),
        ("/fapi/v1/exchangeInfo", _) => Reply::ok(exchange_info(&["BTCUSDT", "SOLUSDT"])),
        ("/fapi/v1/fundingInfo", _) => Reply::ok("[]"),
        (path, before) => good(path.rsplit('=').next().unwrap(), before, now),
    })
    .await;
    let (mut poll, ledger) = (desk.poll(Venue::Binance, &FIVE), Ledger::default());
    poll.refresh = Duration::from_secs(15);
    let mut listed = EventTime::from_ms(0);
    polled(&[(&desk, &poll, &ledger)], async {
        ledger.until("the new one", |ledger| ledger.count("SOLUSDT") >= 2).await;
        listed = clock.now();
    })
    .await;
    let said = ledger.said();
    let lists: Vec<EventTime> =
        said.iter().filter(|(_, said)| *said == Said::Listed(2)).map(|(at, _)| *at).collect();
    assert!(lists.len() >= 2, "{said:?}");
    let (first, second) = (lists[0], lists[1]);
    let failed = ledger.failed();
    assert!(failed.len() == 1 && failed[0].1.contains("HTTP 404"), "{failed:?}");
    let asked = desk.asked();
    let old = between(&asked, failed[0].0, second);
    assert!(old.iter().any(|(_, name)| name == "ETHUSDT"), "the list of before stays in use: {asked:?}");
    assert!(asked.iter().all(|(at, name)| name != "SOLUSDT" || *at >= second), "{asked:?}");
    let gone = between(&asked, second.plus_ms(1000), listed);
    assert!(gone.iter().all(|(_, name)| name != "ETHUSDT"), "{asked:?}");
    assert!(second.since(first) >= 45_000, "15 s, and 30 s after the failure");
}

#[tokio::test]
async fn without_instruments_the_venue_is_asked_for_them_until_it_names_them() {
    let clock = Fast::new(60);
    let desk = Desk::open(&clock, |path, before, now| match (path, before) {
        ("/fapi/v1/exchangeInfo", 0) => Reply::status("404 Not Found"),
        ("/fapi/v1/exchangeInfo", 1) => Reply::ok("<html>"),
        ("/fapi/v1/exchangeInfo", _) => Reply::ok(exchange_info(&["BTCUSDT"])),
        ("/fapi/v1/fundingInfo", _) => Reply::ok("[]"),
        (path, before) => good(path.rsplit('=').next().unwrap(), before, now),
    })
    .await;
    let (poll, ledger) = (desk.poll(Venue::Binance, &TWO), Ledger::default());
    polled(&[(&desk, &poll, &ledger)], async {
        desk.until_asked(1).await;
    })
    .await;
    let failed = ledger.failed();
    assert_eq!(failed.len(), 2, "{failed:?}");
    assert!(failed[0].1.contains("HTTP 404") && failed[1].1.contains("not understood"), "{failed:?}");
    let lists: Vec<EventTime> =
        desk.paths().into_iter().filter(|(_, path)| path.ends_with("Info")).map(|(at, _)| at).collect();
    assert!(lists[1].since(lists[0]) >= 30_000 && lists[2].since(lists[1]) >= 30_000, "{lists:?}");
}

#[tokio::test]
async fn one_answer_for_all_gives_only_what_is_wanted() {
    let clock = Fast::new(5);
    let desk = Desk::open(&clock, |path, _, now| {
        let listed = |base: &str| {
            format!(
                r#"{{"instId":"{base}-USDT-SWAP","instType":"SWAP","ctType":"linear","ctVal":"0.01","ctMult":"1","ctValCcy":"{base}","state":"live"}}"#
            )
        };
        let row = |base: &str, coins: &str, at: EventTime| {
            format!(
                r#"{{"instId":"{base}-USDT-SWAP","instType":"SWAP","oi":"1","oiCcy":"{coins}","oiUsd":"7","ts":"{at}"}}"#
            )
        };
        let rows = if path.contains("instruments") {
            vec![listed("BTC"), listed("ETH"), listed("SOL")]
        } else {
            vec![row("BTC", "5", now), row("ETH", "6", now), row("SOL", "7", now.plus_ms(-90_000)), row("XRP", "8", now)]
        };
        Reply::ok(format!(r#"{{"code":"0","data":[{}],"msg":""}}"#, rows.join(",")))
    })
    .await;
    let (poll, ledger) = (desk.poll(Venue::Okx, &["BTCUSDT", "SOLUSDT"]), Ledger::default());
    polled(&[(&desk, &poll, &ledger)], async {
        ledger.until("two rounds", |ledger| ledger.rounds().len() >= 2).await;
    })
    .await;
    assert_eq!(ledger.count("BTC-USDT-SWAP"), ledger.samples().len(), "{:?}", ledger.samples());
    assert_eq!(ledger.refused().len(), ledger.rounds().len(), "only what is wanted and old is refused");
    assert!(ledger.refused().iter().all(|label| *label == "stale"));
    let asked = desk.asked();
    assert!(asked[1].0.since(asked[0].0) >= 8_000, "every ten seconds: {asked:?}");
}

/// What is waited for, how the desk answers, and when it is so far.
type Scenario = (&'static str, fn(&str) -> Reply, fn(&Desk, &Ledger) -> bool);

/// The instruments, or this.
fn or_listed(path: &str, otherwise: Reply) -> Reply {
    match path {
        "/fapi/v1/exchangeInfo" => Reply::ok(exchange_info(&["BTCUSDT"])),
        "/fapi/v1/fundingInfo" => Reply::ok("[]"),
        _ => otherwise,
    }
}

fn nothing_listed(path: &str) -> Reply {
    Reply::ok(if path.ends_with("exchangeInfo") { exchange_info(&[]) } else { "[]".to_owned() })
}

fn heavy() -> Reply {
    Reply::status("200 OK\r\nX-MBX-USED-WEIGHT-1M: 2399")
}

#[tokio::test]
async fn a_poll_stops_at_once_whatever_it_waits_for() {
    let scenarios: [Scenario; 8] = [
        ("for its instruments", |_| Reply::Silence, |desk, _| !desk.paths().is_empty()),
        ("to ask for them again", |_| Reply::status("404 Not Found"), |_, said| !said.failed().is_empty()),
        ("for a listing", nothing_listed, |_, said| said.said().iter().any(|(_, s)| *s == Said::Listed(0))),
        ("for an answer", |path| or_listed(path, Reply::Silence), |desk, _| !desk.asked().is_empty()),
        ("for its end", |path| or_listed(path, Reply::Stalls), |desk, _| !desk.asked().is_empty()),
        ("for its turn", |path| or_listed(path, Reply::ok("{}")), |_, said| !said.refused().is_empty()),
        (
            "to be let in",
            |path| or_listed(path, Reply::status("403 Forbidden")),
            |_, said| !said.failed().is_empty(),
        ),
        ("for a new count", |path| or_listed(path, heavy()), |_, said| !said.waits().is_empty()),
    ];
    for (what, rule, is_there) in scenarios {
        let clock = Fast::new(1);
        let desk = Desk::open(&clock, move |path, _, _| rule(path)).await;
        let (poll, ledger) = (desk.poll(Venue::Binance, &TWO), Ledger::default());
        let mut asked = wall();
        polled(&[(&desk, &poll, &ledger)], async {
            let there = comes_true(|| is_there(&desk, &ledger)).await;
            assert!(there, "it never waited {what}: {:?} {:?}", desk.paths(), ledger.said());
            asked = wall();
        })
        .await;
        assert!(asked.elapsed() < Duration::from_secs(1), "{what}: {:?}", asked.elapsed());
    }
}

/// Whether this comes true before the deadline.
async fn comes_true(mut condition: impl FnMut() -> bool) -> bool {
    let asking = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(crate::ear::DEADLINE, asking).await.is_ok()
}
