//! Replays of what exchanges sent.

use cascade_pace::Clock;
use cascade_simulator::Scenario;
use cascade_testkit::eventually;

use crate::market::Market;
use crate::recorder::{DEADLINE, Recorder, files, read, read_all};
use crate::replayed::{Replayed, hash, replay, replay_of};

#[tokio::test(flavor = "multi_thread")]
async fn recorded_frames_give_the_same_findings_every_time() {
    let market = Market::open(Scenario::named("cascade").unwrap(), 8.0).await;
    let dir = tempfile::tempdir().unwrap();
    let arguments = ["frames", "--exchanges", "binance,bybit,hyperliquid"];
    let mut recorder = Recorder::start(dir.path(), &arguments, market.variables());
    recorder.says(&["binance market-0: live", "bybit linear-0: live", "bybit inverse-0: live"]).await;
    recorder.says(&["hyperliquid public-0: live"]).await;
    market.simulator.start();
    let begun = market.simulator.started_at().unwrap();
    let after = i64::try_from(market.simulator.scenario().duration_s()).unwrap() * 1000 + 2_000;
    assert!(eventually(DEADLINE, async || market.clock.now().since(begun) > after).await);
    recorder.interrupted().await;

    let files = files(dir.path());
    let file = files[0].to_str().unwrap();
    let once = replay(&[file, "--json-summary"]);
    shows_the_cascade(&once, &market);
    assert_eq!(hash(&[file]), once.summary()["sha256"]);
    assert_eq!(hash(&[file, "--as", "frames", "--batch", "1"]), once.summary()["sha256"]);
    // The recorder's machine was busy, or not: what it heard and when it heard it is all that counts.
    let plain = read_all(&files).iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    assert_eq!(replay_of(plain.as_bytes(), &["-"]).out, once.out);
    let none = replay(&[file, "--set", "ingest.symbols=DOGEUSDT"]);
    assert_eq!((none.code, none.out.as_str()), (Some(0), ""), "what is set counts, not what was recorded");
}

/// Each symbol has one episode as high as it was meant, from as many liquidations as were published.
fn shows_the_cascade(replayed: &Replayed, market: &Market) {
    assert_eq!(replayed.code, Some(0), "{}", replayed.said);
    let (summary, findings) = (replayed.summary(), replayed.findings());
    let truth = market.simulator.truth();
    let published: u64 = truth.venues.values().map(|venue| venue.published.orders).sum();
    let okx = truth.venues[&cascade_domain::Venue::Okx].published.orders;
    assert_eq!(summary["by_kind"]["liquidation"], published - okx);
    for kind in ["tick", "trade_bar", "mark", "open_interest", "gap", "feed_health"] {
        assert!(summary["by_kind"][kind].as_u64().is_some_and(|count| count > 0), "{kind}: {summary}");
    }
    assert_eq!(summary["bad_lines"], 0);
    // The exchanges' clock runs faster than the recorder's here, so what they answer when they are asked is ahead of it.
    let mut refused = replayed.said.lines().filter(|line| line.contains(", line "));
    assert!(
        refused.all(|line| line.contains(" rest: ") && line.contains("yet to come")),
        "{}",
        replayed.said
    );
    for symbol in ["BTCUSDT", "ETHUSDT", "SOLUSDT"] {
        let opened = findings.iter().filter(|f| f["symbol"] == symbol && f["state"] == "open").count();
        let high = findings.iter().any(|f| f["symbol"] == symbol && f["level"] == "CRITICAL");
        assert!(opened == 1 && high, "{symbol}: {}", replayed.said);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_asked_for_open_interest_is_heard_once() {
    let market = Market::open(Scenario::named("busy-day").unwrap(), 1.0).await;
    let dir = tempfile::tempdir().unwrap();
    // Binance streams none.
    let arguments = ["frames", "--exchanges", "binance"];
    let mut recorder = Recorder::start(dir.path(), &arguments, market.variables());
    recorder.says(&["binance market-0: live"]).await;
    market.simulator.start();
    let samples = |lines: &[serde_json::Value]| -> Vec<(String, serde_json::Value)> {
        let asked = lines.iter().filter(|line| line["conn"] == "rest");
        let asked =
            asked.filter(|line| line["url"].as_str().is_some_and(|url| url.contains("/openInterest?")));
        let told = |line: &serde_json::Value| serde_json::from_str(line["frame"].as_str().unwrap()).unwrap();
        asked.map(|line| (line["url"].as_str().unwrap().to_owned(), told(line))).collect()
    };
    let enough = async || files(dir.path()).iter().any(|file| samples(&read(file).0).len() > 12);
    assert!(eventually(DEADLINE, enough).await, "too few answers");
    recorder.interrupted().await;

    let files = files(dir.path());
    let asked = samples(&read_all(&files));
    let mut distinct: Vec<_> =
        asked.iter().map(|(url, told)| (url, told["symbol"].as_str(), told["time"].as_i64())).collect();
    distinct.sort_unstable();
    distinct.dedup();
    let replayed = replay(&[files[0].to_str().unwrap(), "--json-summary"]);
    let summary = replayed.summary();
    assert_eq!(summary["by_kind"]["open_interest"], distinct.len(), "{}", replayed.said);
    assert_eq!((&summary["bad_lines"], &summary["refused_frames"]), (&0.into(), &0.into()));
    assert!(distinct.iter().any(|(url, ..)| url.contains("/dapi/")), "COIN-M was asked too");
    let file = files[0].to_str().unwrap();
    let none = replay(&[file, "--json-summary", "--set", "ingest.symbols=DOGEUSDT"]).summary();
    assert!(none["by_kind"]["open_interest"].is_null(), "what is not wanted is not heard: {none}");
}

#[test]
fn bare_frame_lines_are_enough() {
    let second = 1_000_000_000;
    let begun = 1_791_565_600 * second;
    let lines: Vec<String> = (0..40_i64)
        .map(|step| {
            let ns = begun + step * second / 4;
            let ms = ns / 1_000_000;
            let frame = format!(
                r#"{{\"topic\":\"allLiquidation.BTCUSDT\",\"type\":\"snapshot\",\"ts\":{ms},\"data\":[{{\"T\":{ms},\"s\":\"BTCUSDT\",\"S\":\"Buy\",\"v\":\"20\",\"p\":\"82396.90\"}}]}}"#
            );
            format!("{{\"recv_ns\":{ns},\"venue\":\"bybit\",\"conn\":\"linear-0\",\"frame\":\"{frame}\"}}\n")
        })
        .collect();
    let lines = lines.concat();
    let replayed = replay_of(lines.as_bytes(), &["-", "--json-summary"]);
    assert_eq!(replayed.code, Some(0), "{}", replayed.said);
    let summary = replayed.summary();
    assert_eq!((&summary["by_kind"]["liquidation"], &summary["by_kind"]["tick"]), (&40.into(), &9.into()));
    assert_eq!(summary["large_liquidations"], 40);
    let twice = replay_of(lines.repeat(2).as_bytes(), &["-", "--json-summary"]);
    assert_eq!(twice.summary()["by_kind"]["liquidation"], 40, "each is told once");
    assert_eq!(twice.summary()["duplicates"], 40);
    let wrong = replay_of(lines.as_bytes(), &["-", "--as", "events", "--json-summary"]);
    assert!(wrong.out.is_empty() && wrong.said.contains("--as frames"), "{}", wrong.said);
}

#[test]
fn what_is_no_frame_is_named() {
    let header = r#"{"cascade_recording":1,"as":"frames","started_ms":1791565600000,"file":1,"symbols":"all","exchanges":["bybit"]}"#;
    let line = |rest: &str| {
        format!("{{\"recv_ns\":1791565601482000000,\"venue\":\"bybit\",\"conn\":\"linear-0\",{rest}}}")
    };
    let input = [
        header.to_owned(),
        line(r#""frame":"nonsense""#),
        line(r#""nothing":1"#),
        r#"{"venue":"bybit","conn":"linear-0","frame":"{}"}"#.to_owned(),
        r#"{"recv_ns":1,"venue":"bybit","conn":"linear-0","frame":"{}"}"#.to_owned(),
        r#"{"recv_ns":1791565601482000000,"note":"x","lost":7}"#.to_owned(),
        "no line".to_owned(),
    ]
    .join("\n");
    let replayed = replay_of(input.as_bytes(), &["-", "--json-summary"]);
    assert_eq!(replayed.code, Some(0), "{}", replayed.said);
    let summary = replayed.summary();
    assert_eq!(
        (&summary["bad_lines"], &summary["refused_frames"]),
        (&4.into(), &1.into()),
        "{}",
        replayed.said
    );
    assert_eq!((&summary["missing_notes"], &summary["by_kind"]["gap"]), (&1.into(), &4.into()));
    assert!(replayed.said.contains("stdin, line 2: bybit linear-0: not a frame"), "{}", replayed.said);
}
