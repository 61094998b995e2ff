//! Recordings of what exchanges send, and what keeps a recording from being written.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::Stdio;

use cascade_domain::Venue;
use cascade_pace::Clock;
use cascade_simulator::Scenario;
use cascade_testkit::eventually;
use serde_json::Value;
use tokio::process::Command;
use tokio::time::timeout;

use crate::market::{Market, answers};
use crate::recorder::{DEADLINE, Recorder, files, read, read_all};

/// Ten seconds at the wall's pace: a burst, then quiet.
const BURST: &str = r#"
name = "burst"
duration_s = 8
[[symbol]]
symbol = "BTCUSDT"
price = 82400
funding_8h = 0.0003
phase = [
  { until_s = 5, orders = 500, median_usd = 9000, sigma = 1.5, long_share = 0.9, drift_pct = -2.0, backstop_share = 0.3 },
  { until_s = 8, orders = 0, median_usd = 1000, sigma = 1.0, long_share = 0.5 },
]
"#;

/// Plays the scenario to its end, and a little of the quiet after it.
async fn play(market: &Market) {
    market.simulator.start();
    let begun = market.simulator.started_at().unwrap();
    let after = i64::try_from(market.simulator.scenario().duration_s()).unwrap() * 1000 + 2_000;
    assert!(eventually(DEADLINE, async || market.clock.now().since(begun) > after).await);
}
/// The recorded texts of one exchange: of its connections, or with `rest` of its REST answers to such a URL.
fn texts<'a>(lines: &'a [Value], venue: Venue, rest: Option<&str>) -> Vec<&'a str> {
    let is_asked = |line: &&Value| match rest {
        Some(part) => line["conn"] == "rest" && line["url"].as_str().is_some_and(|url| url.contains(part)),
        None => line["conn"] != "rest",
    };
    let of = lines.iter().filter(|line| line["venue"] == venue.as_str()).filter(is_asked);
    of.filter_map(|line| line["frame"].as_str()).collect()
}

/// What `cascade decode --strict` makes of an exchange's recorded frames with its recorded instruments.
fn liquidations(lines: &[Value], venue: Venue) -> BTreeMap<String, f64> {
    let needed = match venue {
        Venue::Binance => Some("/dapi/"),
        Venue::Okx => Some("/instruments"),
        Venue::Bybit | Venue::Hyperliquid => None,
    };
    let mut instruments = tempfile::NamedTempFile::new().unwrap();
    let mut arguments = vec!["decode", "--strict", "--venue", venue.as_str()];
    if let Some(part) = needed {
        instruments.write_all(texts(lines, venue, Some(part))[0].as_bytes()).unwrap();
        arguments.extend(["--instruments", instruments.path().to_str().unwrap()]);
    }
    let mut frames = tempfile::tempfile().unwrap();
    for frame in texts(lines, venue, None) {
        writeln!(frames, "{frame}").unwrap();
    }
    std::io::Seek::rewind(&mut frames).unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_cascade"))
        .args(arguments)
        .stdin(Stdio::from(frames))
        .output()
        .unwrap();
    assert!(output.status.success(), "{venue}: {}", String::from_utf8_lossy(&output.stderr));
    let events = String::from_utf8(output.stdout).unwrap();
    let events = events.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let liquidations = events.filter(|event| event["kind"] == "liquidation");
    liquidations
        .map(|event| (event["id"].as_str().unwrap().to_owned(), event["notional_usd"].as_f64().unwrap()))
        .collect()
}

/// What was recorded of these exchanges is what they published, order for order.
fn agrees_with_the_truth(lines: &[Value], market: &Market, venues: &[Venue]) {
    let truth = market.simulator.truth();
    for venue in venues {
        let (recorded, published) = (liquidations(lines, *venue), truth.venues[venue].published);
        assert!(published.orders > 0, "{venue}");
        assert_eq!(recorded.len() as u64, published.orders, "{venue}");
        let (usd, published) = (recorded.values().sum::<f64>(), published.usd.dollars());
        assert!((usd - published).abs() < published * 0.02, "{venue}: {usd} and {published}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_recorded_frames_of_a_cascade_are_what_the_exchanges_published() {
    let market = Market::open(Scenario::named("cascade").unwrap(), 8.0).await;
    let dir = tempfile::tempdir().unwrap();
    // OKX cuts a connection that says nothing for 30 s of its clock, which is 4 s here: see the next test.
    let arguments = ["frames", "--exchanges", "binance,bybit,hyperliquid"];
    let mut recorder = Recorder::start(dir.path(), &arguments, market.variables());
    recorder.says(&["binance market-0: live", "bybit linear-0: live", "bybit inverse-0: live"]).await;
    recorder.says(&["hyperliquid public-0: live"]).await;
    play(&market).await;
    let said = recorder.interrupted().await;
    assert!(said.contains(" 0 lost") && !said.contains("not understood"), "{said}");

    let files = files(dir.path());
    assert_eq!(files.len(), 1);
    let lines = read_all(&files);
    let header = &lines[0];
    assert_eq!((&header["cascade_recording"], &header["as"]), (&Value::from(1), &Value::from("frames")));
    assert_eq!(header["symbols"], serde_json::json!(["BTCUSDT", "ETHUSDT", "SOLUSDT"]));
    assert_eq!(header["exchanges"], serde_json::json!(["binance", "bybit", "hyperliquid"]));
    assert!(header["started_ms"].is_i64() && header["version"].is_string());
    assert!(lines[1..].iter().all(|line| line["recv_ns"].is_i64() && line["venue"].is_string()));
    agrees_with_the_truth(&lines, &market, &[Venue::Binance, Venue::Bybit, Venue::Hyperliquid]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_in_many_files_lacks_nothing_and_each_can_be_decoded_by_itself() {
    let market = Market::open(Scenario::parse(BURST).unwrap(), 1.0).await;
    let dir = tempfile::tempdir().unwrap();
    let arguments = ["frames", "--exchanges", "okx,bybit", "--symbols", "BTCUSDT", "--rotate-mb", "0.02"];
    let mut recorder = Recorder::start(dir.path(), &arguments, market.variables());
    recorder.says(&["okx public-0: live", "bybit linear-0: live", "bybit inverse-0: live"]).await;
    play(&market).await;
    recorder.interrupted().await;

    let files = files(dir.path());
    assert!(files.len() >= 2, "{files:?}");
    agrees_with_the_truth(&read_all(&files), &market, &[Venue::Okx, Venue::Bybit]);
    let (mut alone, mut numbers, mut samples) = (BTreeSet::new(), BTreeSet::new(), 0);
    for file in &files {
        let lines = read(file).0;
        numbers.insert(lines[0]["file"].as_u64().unwrap());
        alone.extend(liquidations(&lines, Venue::Okx).into_keys());
        // What every file needs stands at its head; a sample stands where it came.
        let answers = |part| texts(&lines, Venue::Okx, Some(part)).len();
        assert!(answers("/instruments") > 0);
        samples += answers("/open-interest");
    }
    let asked = |line: &&Value| line["url"].as_str().is_some_and(|url| url.contains("/open-interest"));
    let lines = read_all(&files);
    let times: BTreeSet<_> = lines.iter().filter(asked).map(|line| line["recv_ns"].as_i64()).collect();
    assert!(samples > 0 && times.len() == samples, "{samples} samples of {} times", times.len());
    assert_eq!(numbers, (1..=files.len() as u64).collect());
    assert_eq!(alone.len() as u64, market.simulator.truth().venues[&Venue::Okx].published.orders);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recorder_that_is_killed_leaves_what_can_be_read_and_the_next_one_says_so() {
    let market = Market::open(Scenario::parse(BURST).unwrap(), 1.0).await;
    let dir = tempfile::tempdir().unwrap();
    let arguments = ["frames", "--exchanges", "bybit"];
    let mut recorder = Recorder::start(dir.path(), &arguments, market.variables());
    recorder.says(&["bybit linear-0: live"]).await;
    market.simulator.start();
    let flushed = async || files(dir.path()).iter().any(|file| read(file).0.len() > 100);
    assert!(eventually(DEADLINE, flushed).await, "nothing can be read while it is written");
    recorder.signal("KILL").await;
    assert_eq!(recorder.ended().await.0, None);

    let [part] = &files(dir.path())[..] else { panic!("{:?}", files(dir.path())) };
    assert_eq!(part.extension().unwrap(), "part");
    let (lines, whole) = read(part);
    assert!(!whole && lines[0]["cascade_recording"] == 1 && lines.len() > 100, "{} lines", lines.len());

    let bytes = std::fs::read(part).unwrap();
    std::fs::write(part, &bytes[..bytes.len() * 3 / 4]).unwrap();
    let (cut, _) = read(part);
    assert!(!cut.is_empty() && cut[..] == lines[..cut.len()], "{} of {}", cut.len(), lines.len());

    let mut next = Recorder::start(dir.path(), &arguments, market.variables());
    next.says(&["killed, readable up to there: frames-", "bybit linear-0: live"]).await;
    next.interrupted().await;
    assert_eq!(files(dir.path()).len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exchange_that_does_not_answer_for_open_interest_is_a_note_and_its_frames_go_on() {
    let market = Market::open(Scenario::parse(BURST).unwrap(), 1.0).await;
    let dir = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::start(dir.path(), &["frames", "--exchanges", "okx"], market.variables());
    recorder.says(&["okx public-0: live"]).await;
    market.simulator.start();
    let answers = async |part: &str| {
        let of = |lines: &[Value]| texts(lines, Venue::Okx, Some(part)).len();
        files(dir.path()).iter().map(|file| of(&read(file).0)).sum::<usize>()
    };
    assert!(eventually(DEADLINE, async || answers("/open-interest").await > 0).await);
    market.simulator.faults().answer_rest(Venue::Okx, Some((500, None)));
    recorder.says(&["okx: open interest: "]).await;
    let note =
        |line: &Value| line["conn"] == "rest" && line["note"].as_str().is_some_and(|n| n.contains("500"));
    let goes_on = async || {
        let lines: Vec<Value> = files(dir.path()).iter().flat_map(|file| read(file).0).collect();
        let failed = lines.iter().position(note);
        failed.is_some_and(|failed| texts(&lines[failed..], Venue::Okx, None).len() > 1)
    };
    assert!(eventually(DEADLINE, goes_on).await, "no frames after the note");
    recorder.interrupted().await;
}

#[tokio::test]
async fn a_session_that_ends_and_an_exchange_that_refuses_are_notes() {
    let market = Market::open(Scenario::parse(BURST).unwrap(), 1.0).await;
    let dir = tempfile::tempdir().unwrap();
    let mut variables = market.variables();
    let refusing = answers("451 Unavailable For Legal Reasons").await;
    variables.push(("CASCADE_VENUES__OKX__REST_URL".to_owned(), format!("http://{refusing}")));
    let mut recorder = Recorder::start(dir.path(), &["frames", "--exchanges", "bybit,okx"], variables);
    recorder.says(&["bybit linear-0: live", "okx: okx answers HTTP 451"]).await;
    market.simulator.faults().close(Venue::Bybit);
    recorder.says(&["feed session ended"]).await;
    recorder.interrupted().await;
    let lines = read_all(&files(dir.path()));
    let notes: Vec<&Value> = lines.iter().filter(|line| line["note"].is_string()).collect();
    for (conn, begins) in [
        ("linear-0", "connected"),
        ("linear-0", "live"),
        ("linear-0", "ended: closed"),
        ("rest", "okx answers HTTP 451"),
    ] {
        let told = |note: &Value| note["conn"] == conn && note["note"].as_str().unwrap().starts_with(begins);
        assert!(notes.iter().any(|note| told(note)), "{conn} {begins}: {notes:?}");
    }
}

#[tokio::test]
async fn what_can_not_be_done_is_said_with_the_way_out() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let nowhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let redis = format!("redis://{nowhere}");
    let out = dir.path().join("out");
    for (out, arguments, code, words) in [
        (&file, &["frames"][..], 1, &["can't use the directory", "--out DIR"][..]),
        (&out, &["events", "--redis-url", &redis], 1, &["Redis is not reachable", "`cascade up`"]),
        (&out, &["events", "--symbols", "BTCUSDT"], 2, &["--symbols and --exchanges are for --as frames"]),
        (&out, &["frames", "--from", "start"], 2, &["--from is for --as events"]),
        (&out, &["frames", "--exchanges", "mtgox"], 2, &["ingest.exchanges", "mtgox"]),
        (&out, &["frames", "--for", "10"], 2, &["90s, 10m, 2h or 1d"]),
        (&out, &["frames", "--rotate-mb", "0"], 2, &["a number above 0"]),
    ] {
        let (ended, said) = Recorder::start(out, arguments, Vec::new()).ended().await;
        assert_eq!(ended, Some(code), "{arguments:?}: {said}");
        assert!(words.iter().all(|words| said.contains(words)), "{arguments:?}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_takes_no_more_ends_it_with_the_reason_and_keeps_what_is_there() {
    let market = Market::open(Scenario::parse(BURST).unwrap(), 1.0).await;
    let dir = tempfile::tempdir().unwrap();
    // No file of this process may grow beyond 8 blocks of 512 bytes or 1024, as the shell counts.
    let record = format!(
        "trap '' XFSZ; ulimit -f 8; exec {} record --as frames --exchanges bybit --out {}",
        env!("CARGO_BIN_EXE_cascade"),
        dir.path().display()
    );
    let mut command = Command::new("sh");
    command.args(["-c", &record]).envs(market.variables()).stdin(Stdio::null()).kill_on_drop(true);
    let output = timeout(DEADLINE, command.output()).await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("cascade record: can't write to ") && said.contains(".jsonl.zst.part: "), "{said}");
    let (lines, whole) = read(&files(dir.path())[0]);
    assert!(!whole && lines[0]["cascade_recording"] == 1);
}

#[tokio::test]
async fn a_recording_of_a_set_length_ends_by_itself_with_a_summary() {
    let market = Market::open(Scenario::parse(BURST).unwrap(), 1.0).await;
    let dir = tempfile::tempdir().unwrap();
    let arguments = ["frames", "--exchanges", "bybit", "--for", "3s"];
    let (code, said) = Recorder::start(dir.path(), &arguments, market.variables()).ended().await;
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains(" in 1 file, ") && said.contains("(bybit ") && said.contains(" 0 lost"), "{said}");
    let lines = read_all(&files(dir.path()));
    assert!(texts(&lines, Venue::Bybit, None).len() > 3, "{said}");
}
