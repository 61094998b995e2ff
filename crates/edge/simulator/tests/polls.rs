//! Who asks for open interest: what the venues' limits say of it, and answers that are broken on purpose.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod client;

use cascade_domain::Venue;
use cascade_simulator::{PollFault, Scenario, Simulator};
use client::{BURST, DEADLINE, asked_until, bare_http, http, launch, until};
use serde_json::{Value, json};

const LINEAR: &str = "GET /binance/fapi/v1/openInterest?symbol=BTCUSDT";
const INVERSE: &str = "GET /binance-coinm/dapi/v1/openInterest?symbol=BTCUSD_PERP";
const SWAPS: &str = "GET /okx/api/v5/public/open-interest?instType=SWAP";

/// An answer's status, the value of a header, and its body.
async fn asked(simulator: &Simulator, request: &str, header: &str) -> (u16, Option<u32>, String) {
    let answer = bare_http(simulator, request, "").await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let named = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case(header).then(|| value.parse().unwrap())
    });
    (head.split(' ').nth(1).unwrap().parse().unwrap(), named, body.to_owned())
}

#[tokio::test]
async fn binance_weighs_both_hosts_together_says_429_and_bans_who_asks_on() {
    const USED: &str = "X-MBX-USED-WEIGHT-1M";
    let simulator = launch("busy-day", 1, 1).await;
    let (mut last, mut answered) = (0, 0);
    let limited = loop {
        let request = [LINEAR, INVERSE, "GET /binance/fapi/v1/exchangeInfo"][answered % 3];
        let (status, used, body) = asked(&simulator, request, USED).await;
        let used = used.unwrap();
        if status != 200 {
            break (status, used, serde_json::from_str::<Value>(&body).unwrap()["code"].clone());
        }
        // A new minute begins at 1.
        assert!(used == last + 1 || used == 1, "{used} after {last}");
        last = used;
        answered += 1;
        assert!(answered < 4900, "never refused");
    };
    assert_eq!(limited, (429, 2401, json!(-1003)));
    let asking_on = async {
        loop {
            let (status, pause, _) = asked(&simulator, INVERSE, "Retry-After").await;
            match status {
                429 => assert!((1..=60).contains(&pause.unwrap()), "{pause:?}"),
                // Or the next minute came in between.
                200 => while asked(&simulator, LINEAR, USED).await.0 == 200 {},
                _ => return (status, pause.unwrap()),
            }
        }
    };
    let (status, pause) = tokio::time::timeout(DEADLINE, asking_on).await.unwrap();
    assert!(status == 418 && (115..=121).contains(&pause), "{status} {pause}");
    let (status, pause, _) = asked(&simulator, "GET /binance/fapi/v1/exchangeInfo", "Retry-After").await;
    assert!(status == 418 && pause.unwrap() > 100, "{status} {pause:?}");
    assert!(simulator.refused_for_rate(Venue::Binance) >= 3);
    assert_eq!(asked(&simulator, SWAPS, "Retry-After").await.0, 200, "it is no business of OKX");
}

#[tokio::test]
async fn okx_answers_twenty_questions_in_two_seconds_at_each_endpoint() {
    let simulator = launch(BURST, 1, 1).await;
    let mut answered = 0;
    let refused = loop {
        let (status, body) = http(&simulator, SWAPS, "").await;
        if status != 200 {
            break (status, body["code"].clone());
        }
        answered += 1;
        assert!(answered < 2000, "never refused");
    };
    assert!(answered >= 20, "{answered}");
    assert_eq!(refused, (429, json!("50011")));
    assert_eq!(simulator.refused_for_rate(Venue::Okx), 1);
    assert_eq!(http(&simulator, "GET /okx/api/v5/public/instruments?instType=SWAP", "").await.0, 200);
}

#[tokio::test]
async fn questions_about_open_interest_alone_are_answered_with_the_status_asked_for() {
    let simulator = launch(BURST, 1, 1).await;
    let faults = simulator.faults();
    for (status, pause) in [(429, Some(7)), (418, Some(120)), (500, None)] {
        for (venue, request) in [(Venue::Binance, LINEAR), (Venue::Binance, INVERSE), (Venue::Okx, SWAPS)] {
            faults.break_polls(venue, Some(PollFault::Status(status, pause)));
            let (told, after, body) = asked(&simulator, request, "Retry-After").await;
            assert_eq!((told, after, body.as_str()), (status, pause, ""), "{request}");
        }
    }
    assert_eq!(http(&simulator, "GET /binance/fapi/v1/exchangeInfo", "").await.0, 200);
    faults.break_polls(Venue::Binance, None);
    assert_eq!(http(&simulator, LINEAR, "").await.0, 200);
    assert_eq!(http(&simulator, SWAPS, "").await.0, 500, "each venue by itself");
    assert_eq!(simulator.refused_for_rate(Venue::Binance), 0);
}

#[tokio::test]
async fn half_a_body_is_the_beginning_of_a_whole_one() {
    let simulator = launch(BURST, 1, 1).await;
    simulator.faults().break_polls(Venue::Binance, Some(PollFault::Truncated));
    simulator.faults().break_polls(Venue::Okx, Some(PollFault::Truncated));
    for (request, begins) in [(LINEAR, r#"{"openInterest":""#), (SWAPS, r#"{"code":"0","data":[{"instId":"#)]
    {
        let (status, length, body) = asked(&simulator, request, "Content-Length").await;
        assert!(status == 200 && body.starts_with(begins), "{status} {body}");
        assert_eq!(length.map(|length| usize::try_from(length).unwrap()), Some(body.len()));
        assert!(serde_json::from_str::<Value>(&body).is_err(), "{body}");
    }
}

#[tokio::test]
async fn a_stale_answer_stands_still_until_it_is_mended() {
    let simulator = launch(BURST, 1, 20).await;
    simulator.start();
    let start = simulator.started_at().unwrap().ms();
    let newer = |than: i64| move |_, figure: &Value| figure["time"].as_i64() > Some(than);
    asked_until(&simulator, LINEAR, newer(start)).await;
    simulator.faults().break_polls(Venue::Binance, Some(PollFault::Stale));
    let stale = http(&simulator, LINEAR, "").await.1;
    until("more than a refresh is over", || simulator.is_over()).await;
    assert_eq!(http(&simulator, LINEAR, "").await.1, stale);
    assert_ne!(http(&simulator, INVERSE, "").await.1["symbol"], stale["symbol"], "each question has its own");
    simulator.faults().break_polls(Venue::Binance, None);
    asked_until(&simulator, LINEAR, newer(stale["time"].as_i64().unwrap() + 4000)).await;
}

#[tokio::test]
async fn another_contracts_answer_comes_with_its_own_name() {
    let simulator = launch(BURST, 1, 1).await;
    let right = http(&simulator, "GET /binance/fapi/v1/openInterest?symbol=BTCUSDC", "").await.1;
    for venue in [Venue::Binance, Venue::Okx] {
        simulator.faults().break_polls(venue, Some(PollFault::Swapped));
    }
    let linear = http(&simulator, LINEAR, "").await.1;
    assert_eq!((&linear["symbol"], &linear["openInterest"]), (&json!("BTCUSDC"), &right["openInterest"]));
    assert_eq!(http(&simulator, INVERSE, "").await.1["symbol"], json!("ETHUSD_PERP"));
    let last = "GET /binance-coinm/dapi/v1/openInterest?symbol=SOLUSD_PERP";
    assert_eq!(
        http(&simulator, last, "").await.1["symbol"],
        json!("BTCUSD_PERP"),
        "after the last, the first"
    );
    let swaps = http(&simulator, &format!("{SWAPS}&instId=BTC-USDT-SWAP"), "").await.1;
    assert_eq!(swaps["data"][0]["instId"], json!("BTC-USD-SWAP"));
    let all = http(&simulator, SWAPS, "").await.1;
    assert_eq!(all["data"].as_array().unwrap().len(), 1, "all that is told is one: {all}");
}

#[tokio::test]
async fn a_scenario_plans_when_polls_break_and_are_mended() {
    let fault = |kind: &str, times: (u32, u32)| {
        let (from, until) = times;
        format!("[[fault]]\nvenue = \"binance\"\nkind = \"{kind}\"\nfrom_s = {from}\nuntil_s = {until}\n")
    };
    let plan = [("poll-limited", 429), ("poll-banned", 418), ("poll-failing", 500)];
    let faults: Vec<String> =
        plan.iter().zip([1, 4, 7]).map(|((kind, _), from)| fault(kind, (from, from + 2))).collect();
    let simulator = launch(&format!("{BURST}\n{}", faults.join("\n")), 1, 4).await;
    assert_eq!(http(&simulator, LINEAR, "").await.0, 200);
    simulator.start();
    let mut told = vec![200];
    asked_until(&simulator, LINEAR, |status, _| {
        if told.last() != Some(&status) {
            told.push(status);
        }
        told.len() == 7
    })
    .await;
    assert_eq!(told, [200, 429, 200, 418, 200, 500, 200]);
}

#[test]
fn a_plan_that_breaks_what_nobody_asks_is_refused() {
    for kind in
        ["poll-limited", "poll-banned", "poll-failing", "poll-truncated", "poll-stale", "poll-swapped"]
    {
        let scenario = |venue: &str| {
            let fault =
                format!("[[fault]]\nvenue = \"{venue}\"\nkind = \"{kind}\"\nfrom_s = 1\nuntil_s = 2\n");
            Scenario::parse(&format!("{BURST}\n{fault}"))
        };
        assert!(scenario("binance").is_ok() && scenario("okx").is_ok(), "{kind}");
        for venue in ["bybit", "hyperliquid"] {
            let told = scenario(venue).unwrap_err().to_string();
            assert!(told.contains("nobody asks"), "{told}");
        }
        let feed = "[[expected_feed]]\nvenue = \"binance\"\nstatus = \"dead\"\n";
        let fault = format!("[[fault]]\nvenue = \"binance\"\nkind = \"{kind}\"\nfrom_s = 1\nuntil_s = 2\n");
        let told = Scenario::parse(&format!("{BURST}\n{fault}{feed}")).unwrap_err().to_string();
        assert!(told.contains("nothing breaks it"), "its sockets are sound: {told}");
    }
}
