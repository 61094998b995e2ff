//! `cascade record`, as a shell runs it, against simulated exchanges and a Redis of its own.
#![expect(clippy::unwrap_used, reason = "a program that cannot be run fails the test")]

mod market;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use cascade_bus::{Bus, Stored, StreamBounds, StreamId};
use cascade_domain::{Event, EventTime, Feeds, Shard, Tick, Venue};
use cascade_pace::Clock;
use cascade_simulator::Scenario;
use cascade_testkit::{TestRedis, eventually};
use cascade_wire::{event_from_json, event_to_json, key};
use market::Market;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};
use tokio::time::timeout;

const DEADLINE: Duration = Duration::from_secs(60);

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
/// A recorder that runs.
struct Recorder {
    child: Child,
    err: Lines<BufReader<ChildStderr>>,
    said: Vec<String>,
}

impl Recorder {
    fn start(out: &Path, arguments: &[&str], variables: Vec<(String, String)>) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cascade"));
        command.args(["record", "--out", out.to_str().unwrap(), "--as"]).args(arguments).envs(variables);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let err = BufReader::new(child.stderr.take().unwrap()).lines();
        Self { child, err, said: Vec::new() }
    }

    /// Waits until it has said each of these.
    async fn says(&mut self, words: &[&str]) {
        let saying = async {
            while !words.iter().all(|words| self.said.iter().any(|line| line.contains(words))) {
                let line = self.err.next_line().await.unwrap().unwrap();
                self.said.push(line);
            }
        };
        let came = timeout(DEADLINE, saying).await.is_ok();
        assert!(came, "{words:?} did not come: {:#?}", self.said);
    }

    /// Waits until it ends, and gives the exit code and all that it said.
    async fn ended(mut self) -> (Option<i32>, String) {
        let reading = async {
            while let Some(line) = self.err.next_line().await.unwrap() {
                self.said.push(line);
            }
            self.child.wait().await.unwrap().code()
        };
        let code = timeout(DEADLINE, reading).await.unwrap();
        (code, self.said.join("\n"))
    }

    async fn signal(&self, signal: &str) {
        let kill = format!("kill -{signal} {}", self.child.id().unwrap());
        assert!(Command::new("sh").args(["-c", &kill]).status().await.unwrap().success());
    }

    /// Ends it as Ctrl-C does.
    async fn interrupted(self) -> String {
        self.signal("INT").await;
        let (code, said) = self.ended().await;
        assert_eq!(code, Some(0), "{said}");
        said
    }
}

/// The files in a directory, by name.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    files
}

/// The whole lines that can be read of a file, and whether it is whole itself.
fn read(path: &Path) -> (Vec<Value>, bool) {
    let mut bytes = Vec::new();
    let whole = zstd::Decoder::new(File::open(path).unwrap()).unwrap().read_to_end(&mut bytes).is_ok();
    let end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let lines = std::str::from_utf8(&bytes[..end]).unwrap().lines();
    (lines.map(|line| serde_json::from_str(line).unwrap()).collect(), whole)
}

/// The lines of files that are all whole.
fn read_all(files: &[PathBuf]) -> Vec<Value> {
    let whole = |file: &PathBuf| {
        let (lines, whole) = read(file);
        assert!(whole && !file.to_str().unwrap().ends_with(".part"), "{}", file.display());
        lines
    };
    files.iter().flat_map(whole).collect()
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
    recorder.says(&["hyperliquid ", ": live"]).await;
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
    let (mut alone, mut numbers) = (BTreeSet::new(), BTreeSet::new());
    for file in &files {
        let lines = read(file).0;
        numbers.insert(lines[0]["file"].as_u64().unwrap());
        alone.extend(liquidations(&lines, Venue::Okx).into_keys());
    }
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
    assert!(part.to_str().unwrap().ends_with(".jsonl.zst.part"));
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

#[tokio::test]
async fn a_session_that_ends_and_an_exchange_that_is_not_there_are_notes() {
    let market = Market::open(Scenario::parse(BURST).unwrap(), 1.0).await;
    let dir = tempfile::tempdir().unwrap();
    let mut variables = market.variables();
    let nowhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    variables.push(("CASCADE_VENUES__OKX__REST_URL".to_owned(), format!("http://{nowhere}/gone")));
    let mut recorder = Recorder::start(dir.path(), &["frames", "--exchanges", "bybit,okx"], variables);
    recorder.says(&["bybit linear-0: live"]).await;
    market.simulator.faults().close(Venue::Bybit);
    recorder.says(&["bybit linear-0: ended: closed"]).await;
    recorder.interrupted().await;
    let lines = read_all(&files(dir.path()));
    let notes: Vec<&Value> = lines.iter().filter(|line| line["note"].is_string()).collect();
    for (conn, begins) in [("linear-0", "connected"), ("linear-0", "live"), ("linear-0", "ended: closed")] {
        let told = |note: &&Value| note["conn"] == conn && note["note"].as_str().unwrap().starts_with(begins);
        assert!(notes.iter().any(|note| told(&note)), "{conn} {begins}: {notes:?}");
    }
}

/// A tick of this second.
fn tick(second: i64) -> Event {
    Event::Tick(Tick {
        event_time_ms: EventTime::from_ms(1_791_565_600_000 + second * 1000),
        btc_price: Some(82_340.1),
        btc_usd_volume_1s: None,
        btc_venues_changed: false,
        feeds: Feeds::default(),
    })
}

async fn store(bus: &Bus, shard: Shard, seconds: impl IntoIterator<Item = i64>) {
    let events: Vec<Stored> = seconds
        .into_iter()
        .map(|second| Stored { key: None, ..Stored::event(&tick(second), 60).unwrap() })
        .collect();
    bus.store(shard, &events, StreamBounds { max_age_s: 600, max_len: 100_000 }).await.unwrap();
}

/// Every event that stands in the streams, as shard, id and JSON.
async fn standing(bus: &Bus) -> Vec<(u64, String, String)> {
    let mut standing = Vec::new();
    for shard in Shard::all() {
        for entry in bus.entries(&key::market(shard), StreamId::ZERO, 100_000).await.unwrap() {
            for event in entry.events().unwrap().into_iter().flatten() {
                let json = event_to_json(&event).unwrap();
                standing.push((u64::from(shard.number()), entry.id.to_string(), json));
            }
        }
    }
    standing.sort();
    standing
}

/// Every event that was recorded, in the same form.
fn recorded(lines: &[Value]) -> Vec<(u64, String, String)> {
    let of = |line: &Value| {
        let event = event_from_json(&line.to_string()).unwrap();
        let (shard, id) = (line["shard"].as_u64().unwrap(), line["stream_id"].as_str().unwrap().to_owned());
        (shard, id, event_to_json(&event).unwrap())
    };
    let mut recorded: Vec<_> = lines.iter().filter(|line| line["kind"].is_string()).map(of).collect();
    recorded.sort();
    recorded
}

#[tokio::test]
async fn every_event_in_the_streams_is_recorded_once_with_where_it_stood() {
    let redis = TestRedis::start().await.unwrap();
    let bus = redis.bus("test").unwrap();
    let shards: Vec<Shard> = Shard::all().collect();
    for (shard, second) in shards.iter().zip(0..) {
        store(&bus, *shard, [second, second + 1]).await;
    }
    let dir = tempfile::tempdir().unwrap();
    let arguments = ["events", "--from", "start", "--redis-url", &redis.url()];
    let mut recorder = Recorder::start(dir.path(), &arguments, Vec::new());
    recorder.says(&["recording the shard streams"]).await;
    for second in 100..150 {
        for shard in &shards[..8] {
            store(&bus, *shard, [second, second, second + 1]).await;
        }
    }
    let said = recorder.interrupted().await;
    let lines = read_all(&files(dir.path()));
    assert_eq!(recorded(&lines), standing(&bus).await);
    assert_eq!(recorded(&lines).len(), 64 * 2 + 50 * 8 * 3, "{said}");
    let header = &lines[0];
    assert_eq!((&header["as"], &header["from"]), (&Value::from("events"), &Value::from("start")));
    assert!(header.get("snapshots").is_none(), "there are none yet");
}

#[tokio::test]
async fn from_now_on_is_from_now_on_and_what_is_no_event_is_refused_by_name() {
    let redis = TestRedis::start().await.unwrap();
    let bus = redis.bus("test").unwrap();
    let shard = Shard::new(3).unwrap();
    store(&bus, shard, [1, 2, 3]).await;
    let dir = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::start(dir.path(), &["events", "--redis-url", &redis.url()], Vec::new());
    recorder.says(&["recording the shard streams"]).await;
    let bad = Stored { key: None, keep_s: 60, bytes: vec![0xc1] };
    bus.store(shard, &[bad], StreamBounds { max_age_s: 600, max_len: 100_000 }).await.unwrap();
    store(&bus, shard, [4]).await;
    let said = recorder.interrupted().await;
    assert!(said.contains("1 refused on Redis"), "{said}");
    let lines = read_all(&files(dir.path()));
    assert_eq!(lines.len(), 3, "{lines:?}");
    let refused = &lines[1];
    assert_eq!((refused["shard"].as_u64(), refused["refused"].is_string()), (Some(3), true), "{refused}");
    assert!(refused["stream_id"].as_str().unwrap().contains('-'));
    assert_eq!(lines[2]["event_time_ms"], 1_791_565_604_000_i64);
}

#[tokio::test]
async fn a_redis_that_goes_and_comes_back_and_a_stream_that_was_trimmed_are_said() {
    let mut redis = TestRedis::start_append_only().await.unwrap();
    let bus = redis.bus("test").unwrap();
    let (dir, shard) = (tempfile::tempdir().unwrap(), Shard::new(5).unwrap());
    store(&bus, shard, [1]).await;
    let arguments = ["events", "--from", "start", "--redis-url", &redis.url()];
    let mut recorder = Recorder::start(dir.path(), &arguments, Vec::new());
    recorder.says(&["recording the shard streams"]).await;
    let first = async || files(dir.path()).iter().any(|file| recorded(&read(file).0).len() == 1);
    assert!(eventually(DEADLINE, first).await);
    recorder.signal("STOP").await;
    for second in 2..40 {
        store(&bus, shard, [second]).await;
    }
    let observer = cascade_testkit::Observer::connect(&redis.url(), &[]).await.unwrap();
    let _: i64 = observer.command("XTRIM", &[&key::market(shard), "MAXLEN", "10"]).await.unwrap();
    redis.server.kill9().await.unwrap();
    recorder.signal("CONT").await;
    recorder.says(&["trying again"]).await;
    redis.server.restart().await.unwrap();
    recorder.says(&["shard 05: trimmed: what stood between", "Redis answers again"]).await;
    recorder.interrupted().await;
    let lines = read_all(&files(dir.path()));
    let note = lines.iter().find(|line| line["note"].as_str().is_some_and(|note| note.contains("trimmed")));
    assert_eq!(note.unwrap()["shard"], 5);
    // The reading that waited when it was stopped may have brought one more before the trimming.
    let (recorded, standing) = (recorded(&lines), standing(&redis.bus("after").unwrap()).await);
    assert_eq!(standing.len(), 10);
    assert!(recorded.ends_with(&standing) && recorded.len() <= 12, "{recorded:?}");
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
