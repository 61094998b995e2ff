//! What went out live, and what a replay says of the recorded streams.

use std::time::Duration;

use cascade_domain::{Shard, Symbol};
use cascade_testkit::{Observed, Observer, TestRedis};
use cascade_wire::{finding_from_json, finding_to_json};
use serde_json::Value;
use tokio::process::Command;
use tokio::time::timeout;

use crate::recorder::{DEADLINE, Recorder, files, read_all};
use crate::replayed::replay;

const CHANNELS: [&str; 3] = ["cascade:signals:json", "cascade:large:json", "cascade:oi:json"];

/// Findings as a replay writes them: without what only the running service knows, in their order.
fn as_replayed(seen: &[Observed]) -> Vec<String> {
    let mut findings: Vec<_> = seen
        .iter()
        .map(|message| {
            let mut told: Value = serde_json::from_slice(&message.bytes).unwrap();
            let fields = told.as_object_mut().unwrap();
            assert!(fields.remove("detected_at_ms").is_some() && fields.remove("demo").is_some());
            let text = |name: &str| told[name].as_str().unwrap_or_default().to_owned();
            let key = (told["known_at_ms"].as_i64(), text("symbol"), text("finding"), text("episode"));
            let line = finding_to_json(&finding_from_json(&told.to_string()).unwrap()).unwrap();
            (key, told["revision"].as_u64(), text("id"), line)
        })
        .collect();
    findings.sort();
    findings.into_iter().map(|(.., line)| line).collect()
}

/// The lines that a replay of the recording in `dir` prints, and how many snapshots it resumed.
fn replayed(dir: &tempfile::TempDir) -> (Vec<String>, u64) {
    let (lines, summary) = replayed_with(dir, &[]);
    (lines, summary["snapshots"].as_u64().unwrap())
}

/// The lines that a replay of the recording in `dir` prints with these arguments, and its summary.
fn replayed_with(dir: &tempfile::TempDir, arguments: &[&str]) -> (Vec<String>, Value) {
    let files = files(dir.path());
    let files: Vec<&str> = files.iter().map(|file| file.to_str().unwrap()).collect();
    let replayed = replay(&[&files[..], &["--json-summary"], arguments].concat());
    assert_eq!(replayed.code, Some(0), "{}", replayed.said);
    (replayed.out.lines().map(str::to_owned).collect(), replayed.summary())
}

/// A demo that was recorded from its beginning, and again from its middle on.
struct Demo {
    /// What went out, as a replay writes it.
    live: Vec<String>,
    whole: tempfile::TempDir,
    rest: tempfile::TempDir,
    printed: String,
}

/// Runs a demo to its end; the second recorder comes when this is said.
async fn recorded(scenario: &str, speed: &str, middle: impl Fn(&Value) -> bool) -> Demo {
    let redis = TestRedis::start().await.unwrap();
    let url = redis.url();
    let mut observer = Observer::connect(&url, &CHANNELS).await.unwrap();
    let (whole, rest) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let arguments = ["events", "--redis-url", &url];
    let mut first = Recorder::start(whole.path(), &arguments, Vec::new());
    first.says(&["recording the shard streams"]).await;
    let mut demo = Command::new(env!("CARGO_BIN_EXE_cascade"));
    demo.args(["up", "--demo", scenario, "--speed", speed, "--once", "--redis-url", &url]);
    demo.args(["--health-addr", "127.0.0.1:0"]).kill_on_drop(true);
    let demo = demo.output();
    let watching = async {
        let is_said = |seen: &[Observed]| seen.iter().any(|message| middle(&message.value));
        observer.wait_for(2 * DEADLINE, is_said).await.unwrap();
        let mut second = Recorder::start(rest.path(), &arguments, Vec::new());
        second.says(&["recording the shard streams"]).await;
        second
    };
    let (output, second) =
        timeout(Duration::from_mins(4), async { tokio::join!(demo, watching) }).await.unwrap();
    let printed = String::from_utf8(output.unwrap().stdout).unwrap();
    // How high it rose on this machine is not what this is about.
    assert!(printed.contains("verdict"), "{printed}");
    first.interrupted().await;
    second.interrupted().await;
    let found = replayed(&whole).0.len();
    observer.wait_for(DEADLINE, |seen| seen.len() >= found).await.unwrap();
    Demo { live: as_replayed(observer.seen()), whole, rest, printed }
}

/// The findings of a market, of a kind.
fn of(lines: &[String], symbol: &str, finding: &str) -> Vec<String> {
    let symbol = format!("\"symbol\":\"{symbol}\"");
    let finding = format!("\"finding\":\"{finding}\"");
    lines.iter().filter(|line| line.contains(&symbol) && line.contains(&finding)).cloned().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_of_the_recorded_streams_is_what_went_out_live() {
    // In the middle of the episode.
    let middle = |told: &Value| told["symbol"] == "BTCUSDT" && told["level"] == "CRITICAL";
    let Demo { live, whole, rest, .. } = recorded("cascade", "8", middle).await;
    let (found, snapshots) = replayed(&whole);
    assert_eq!((found.len(), snapshots), (live.len(), 0));
    assert!(found.len() > 100, "{}", found.len());
    assert_eq!(found, live);

    let (found, snapshots) = replayed(&rest);
    let resolved = found.iter().filter(|line| line.contains("\"state\":\"resolved\"")).count();
    let opened = found.iter().any(|line| line.contains("\"state\":\"open\"") && line.contains("BTCUSDT"));
    assert!(resolved == 3 && !opened, "the rest of episodes that had begun: {resolved}");
    // Each shard goes on from its own snapshot: of its symbols' findings exactly the last ones are told.
    for symbol in ["BTCUSDT", "ETHUSDT", "SOLUSDT"] {
        let (found, live) = (of(&found, symbol, "cascade"), of(&live, symbol, "cascade"));
        assert!(!found.is_empty() && found.len() < live.len(), "{symbol}: {} of {}", found.len(), live.len());
        assert!(live.ends_with(&found), "{symbol}");
    }
    let lines = read_all(&files(rest.path()));
    let is_snapshot = |line: &Value| line["kind"] == "snapshot";
    let shards: Vec<_> =
        lines.iter().filter(|line| is_snapshot(line)).map(|line| line["shard"].as_u64()).collect();
    // An engine tells its state when an episode changes, and otherwise within ten seconds.
    assert!(shards.contains(&Some(5)) && shards.contains(&Some(7)), "{shards:?}");
    assert_eq!(shards.len() as u64, snapshots);
    assert!(
        lines[1..]
            .iter()
            .skip_while(|line| is_snapshot(line) || line["note"].is_string())
            .all(|line| !is_snapshot(line))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_tells_of_open_interest_what_went_out_live_from_cold_and_from_both_engines_snapshots() {
    let middle = |told: &Value| told["symbol"] == "BTCUSDT" && told["direction"] == "explosion";
    let Demo { live, whole, rest, printed } = recorded("oi-explosion", "24", middle).await;
    let (found, snapshots) = replayed(&whole);
    assert_eq!(snapshots, 0);
    assert_eq!(found, live);
    for (symbol, direction) in [("BTCUSDT", "explosion"), ("ETHUSDT", "collapse")] {
        let told = of(&live, symbol, "open_interest");
        assert!(told.len() >= 2 && told[0].contains("\"state\":\"open\""), "{symbol}: {told:#?}\n{printed}");
        assert!(
            told.iter().all(|line| line.contains(&format!("\"direction\":\"{direction}\""))),
            "{told:#?}"
        );
    }

    let summary = replayed_with(&whole, &[]).1;
    assert_eq!(summary["open_interest"]["explosion"]["open"], 1, "{summary}");
    let (seed, summary) = replayed_with(&whole, &["--set", "open_interest.preset=seed"]);
    let others: Vec<_> = live.iter().filter(|line| !line.contains("\"finding\":\"open_interest\"")).collect();
    assert_eq!(seed.iter().collect::<Vec<_>>(), others, "its threshold is 15 %");
    assert_eq!(summary["open_interest"], serde_json::json!({}));

    let (found, snapshots) = replayed(&rest);
    let lines = read_all(&files(rest.path()));
    let btc = Shard::of(&Symbol::parse("BTCUSDT").unwrap()).number();
    let engines: Vec<_> = lines
        .iter()
        .filter(|line| line["kind"] == "snapshot" && line["shard"] == btc)
        .map(|line| line["engine"].as_str().unwrap())
        .collect();
    assert_eq!(engines, ["cascade", "oi"], "{snapshots} snapshots");
    let (found, live) = (of(&found, "BTCUSDT", "open_interest"), of(&live, "BTCUSDT", "open_interest"));
    assert!(!found.is_empty() && found.len() < live.len(), "{} of {}", found.len(), live.len());
    assert!(live.ends_with(&found), "{found:#?}");
}
