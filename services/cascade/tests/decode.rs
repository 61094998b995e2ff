//! `cascade decode`, as a shell runs it: frames on stdin, events on stdout, refusals on stderr, exit codes.
//!
//! The frames that exchanges really sent are not part of the repository: their folder is named by the environment
//! variable `CASCADE_CAPTURES`; without it those tests say loudly that they are skipped.
#![expect(clippy::unwrap_used, reason = "a program that cannot be run fails the test")]

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

const BYBIT: &str = r#"{"topic":"allLiquidation.BTCUSDT","type":"snapshot","ts":1791565601482,"data":[{"T":1791565600992,"s":"BTCUSDT","S":"Buy","v":"0.006","p":"82396.90"}]}"#;
const OKX: &str = r#"{"arg":{"channel":"liquidation-orders","instType":"SWAP"},"data":[{"details":[{"bkLoss":"0","bkPx":"82655.7","ccy":"","posSide":"long","side":"sell","sz":"8.55","ts":"1791565600771"}],"instFamily":"BTC-USDT","instId":"BTC-USDT-SWAP","instType":"SWAP","uly":"BTC-USDT"}]}"#;
const OKX_INSTRUMENTS: &str = r#"{"code":"0","msg":"","data":[{"instId":"BTC-USDT-SWAP","instType":"SWAP","uly":"BTC-USDT","ctType":"linear","ctVal":"0.01","ctMult":"1","ctValCcy":"BTC","state":"live"}]}"#;

/// Lines of a node's fills, by block and one by one; the same liquidation of SOL in both.
const NODE_BY_BLOCK: &str =
    include_str!("../../../crates/core/venues/tests/frames/node_fills/by_block.jsonl");
const NODE_BY_FILL: &str = include_str!("../../../crates/core/venues/tests/frames/node_fills/by_fill.jsonl");

/// How a run ended.
struct Ended {
    code: Option<i32>,
    events: Vec<Value>,
    err: String,
}

impl Ended {
    /// The summary, which is the last line on stderr.
    fn summary(&self) -> &str {
        self.err.lines().next_back().unwrap_or_default()
    }
}

/// A file with this content, at its beginning.
fn file(content: &[u8]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(content).unwrap();
    file.rewind().unwrap();
    file
}

/// Runs `cascade decode` over this input.
fn decode(arguments: &[&str], input: impl AsRef<[u8]>) -> Ended {
    let input = file(input.as_ref());
    let output = Command::new(env!("CARGO_BIN_EXE_cascade"))
        .arg("decode")
        .args(arguments)
        .stdin(Stdio::from(input.reopen().unwrap()))
        .output()
        .unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    let events = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    Ended { code: output.status.code(), events, err: String::from_utf8(output.stderr).unwrap() }
}

#[test]
fn a_frame_becomes_an_event_of_the_contract() {
    let ended = decode(&["--venue", "bybit"], BYBIT);
    let [event] = &ended.events[..] else { panic!("{:?}", ended.events) };
    assert_eq!(event["kind"], "liquidation");
    assert_eq!((&event["symbol"], &event["side"]), (&Value::from("BTCUSDT"), &Value::from("long")));
    assert_eq!(event["notional_usd"], 494.3814);
    assert_eq!(event["published_at_ms"], 1_791_565_601_482_i64);
    assert_eq!(event.get("known_at_ms"), None, "there is no receive time here");
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), "1 frame, 1 event, 0 refused\n"));
}

#[test]
fn an_unknown_contract_size_is_refused_by_name_and_line() {
    let input = format!("pong\n\n{OKX}\n");
    let ended = decode(&["--venue", "okx"], &input);
    assert_eq!((ended.code, ended.events.len()), (Some(0), 0));
    assert!(
        ended.err.starts_with("line 3: the contract size of BTC-USDT-SWAP is not known"),
        "{}",
        ended.err
    );
    assert_eq!(ended.summary(), "2 frames, 0 events, 1 refused (1 unknown_contract_size)");
    assert_eq!(decode(&["--venue", "okx", "--strict"], &input).code, Some(1));

    let table = file(OKX_INSTRUMENTS.as_bytes());
    let path = table.path().to_str().unwrap();
    let known = decode(&["--venue", "okx", "--instruments", path, "--strict"], &input);
    assert_eq!((known.code, known.events.len()), (Some(0), 1), "{}", known.err);
    assert_eq!(known.events[0]["notional_usd"], 7067.06235);
}

#[test]
fn strict_fails_for_a_refused_frame_and_for_a_refused_event() {
    let strict = ["--venue", "bybit", "--strict"];
    assert_eq!(decode(&strict, BYBIT).code, Some(0));
    assert_eq!(decode(&strict, format!("{BYBIT}\nnonsense\n")).code, Some(1));
    let half = BYBIT
        .replace(r#""data":["#, r#""data":[{"T":1791565600992,"s":"BTCUSDT","S":"Up","v":"1","p":"1"},"#);
    let ended = decode(&strict, &half);
    assert_eq!((ended.code, ended.events.len()), (Some(1), 1), "its neighbour is an event: {}", ended.err);
    assert!(ended.err.starts_with("line 1: unknown side: Up"), "{}", ended.err);
}

#[test]
fn two_equal_events_of_one_frame_are_two() {
    let row = r#"{"T":1791565600992,"s":"BTCUSDT","S":"Buy","v":"0.006","p":"82396.90"}"#;
    let twice = BYBIT.replace(row, &format!("{row},{row}"));
    let ended = decode(&["--venue", "bybit"], format!("{twice}\n{BYBIT}\n"));
    let ids: Vec<&Value> = ended.events.iter().map(|event| &event["id"]).collect();
    assert_eq!(ids.len(), 3);
    assert_ne!(ids[0], ids[1]);
    assert_eq!(ids[0], ids[2], "the same event in another frame has the same id");
}

#[test]
fn a_nodes_fills_count_each_liquidation_once_on_the_victims_side_and_no_deleveraging() {
    let rows = |ended: &Ended| -> Vec<String> {
        let row = |e: &Value| {
            assert_eq!((&e["kind"], &e["coverage"]), (&Value::from("liquidation"), &Value::from("complete")));
            format!("{} {} {}", e["symbol"], e["side"], e["notional_usd"]).replace('"', "")
        };
        ended.events.iter().map(row).collect()
    };
    let by_block = decode(&["--venue", "hyperliquid", "--strict"], NODE_BY_BLOCK);
    assert_eq!(by_block.code, Some(0), "{}", by_block.err);
    assert_eq!(
        rows(&by_block),
        [
            "BTCUSDT long 15643.0",
            "BTCUSDT long 23464.2",
            "ETHUSDT short 3881.125",
            "SOLUSDT long 1913.688667"
        ]
    );
    assert_eq!(by_block.summary(), "5 frames, 4 events, 0 refused, 1 trade auto-deleveraged");
    assert_eq!(by_block.events[0]["published_at_ms"], 1_791_565_600_992_i64);

    let by_fill = decode(&["--venue", "hyperliquid", "--strict"], NODE_BY_FILL);
    assert_eq!(by_fill.code, Some(0), "{}", by_fill.err);
    assert_eq!(
        rows(&by_fill),
        ["BTCUSDT long 15643.0", "ETHUSDT short 3881.125", "SOLUSDT long 1913.688667"]
    );
    assert_eq!(by_fill.events[2]["id"], by_block.events[3]["id"]);
    assert_eq!(by_fill.events[2].get("published_at_ms"), None);

    let half = &NODE_BY_FILL[..NODE_BY_FILL.len() - 40];
    let cut = decode(&["--venue", "hyperliquid", "--strict"], half);
    assert_eq!((cut.code, cut.events.len()), (Some(1), 3), "the half line alone is refused: {}", cut.err);
    assert_eq!(decode(&["--venue", "bybit"], NODE_BY_BLOCK).events.len(), 0, "no other venue has a node");
}

#[test]
fn garbage_is_named_line_by_line_and_stops_nothing() {
    let input = [
        b"{\"topic\":\n".as_slice(),
        b"\xc3\x28\n",
        b"\x1b[2J\n",
        b"{\"topic\":\"nobody.knows\",\"data\":[]}\n",
        b"[]\n",
        b"\0\0\n",
        BYBIT.as_bytes(),
    ]
    .concat();
    let ended = decode(&["--venue", "bybit"], &input);
    assert_eq!((ended.code, ended.events.len()), (Some(0), 1), "{}", ended.err);
    for line in 1..=6 {
        assert!(ended.err.contains(&format!("line {line}: ")), "line {line} in {}", ended.err);
    }
    assert!(!ended.err.contains("line 7") && !ended.err.contains('\u{1b}'), "{}", ended.err);
    assert!(ended.summary().starts_with("7 frames, 1 event, 6 refused ("), "{}", ended.summary());
}

#[test]
fn what_is_no_event_is_silent_and_a_declined_subscription_is_named() {
    let input = r#"pong
{"event":"subscribe","arg":{"channel":"trades","instId":"BTC-USDT-SWAP"},"connId":"a"}
{"arg":{"channel":"tickers","instId":"BTC-USDT-SWAP"},"data":[{}]}
{"event":"error","msg":"channel:trades,instId:XYZ-USDT-SWAP doesn't exist","code":"60018","connId":"a"}
"#;
    let ended = decode(&["--venue", "okx", "--strict"], input);
    assert_eq!(ended.code, Some(0), "an answer is no refused frame: {}", ended.err);
    let lines: Vec<&str> = ended.err.lines().collect();
    assert!(
        lines[0].starts_with("line 4: the venue refused a subscription: 60018 channel:trades"),
        "{lines:?}"
    );
    assert_eq!(lines[1..], ["4 frames, 0 events, 0 refused, 1 subscription declined by the venue"]);
}

#[test]
fn instruments_that_are_none_are_refused_with_their_reason() {
    let of = |path: &str| decode(&["--venue", "okx", "--instruments", path], OKX);
    let away = of("/nowhere/instruments.json");
    assert_eq!((away.code, away.events.len()), (Some(2), 0));
    assert!(away.err.contains("--instruments /nowhere/instruments.json: No such file"), "{}", away.err);
    for content in [
        "",
        "not JSON",
        r#"{"code":"0","data":[]}"#,
        r#"{"code":"50011","msg":"Too Many Requests","data":[]}"#,
    ] {
        let bad = file(content.as_bytes());
        let ended = of(bad.path().to_str().unwrap());
        assert_eq!(ended.code, Some(2), "{content}: {}", ended.err);
        assert!(ended.err.contains("give the answer of okx"), "{content}: {}", ended.err);
    }
}

#[test]
fn usage_names_the_venues_and_the_help_has_examples() {
    let wrong = decode(&["--venue", "mtgox"], "");
    assert_eq!(wrong.code, Some(2));
    assert!(wrong.err.contains("binance, bybit, okx, hyperliquid"), "{}", wrong.err);
    for (command, flags) in [
        ("decode", vec!["--venue", "--instruments", "--strict"]),
        ("tail", vec!["--json"]),
        ("status", vec!["--json"]),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_cascade")).args([command, "--help"]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && text.contains("Examples:") && text.contains("Exit: 0"), "{text}");
        for flag in flags {
            assert!(text.contains(flag), "{flag} in {text}");
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the folder of files that are not in the repository")]
fn captures() -> Option<PathBuf> {
    let folder = std::env::var("CASCADE_CAPTURES").ok().map(PathBuf::from).filter(|folder| folder.is_dir());
    if folder.is_none() {
        // Written past the test's captured output, so that nobody takes a skipped test for a passed one.
        io::stderr().write_all(b"SKIPPED: CASCADE_CAPTURES names no folder with captures\n").unwrap();
    }
    folder
}

fn text(path: &Path) -> String {
    let mut text = String::new();
    let mut file = File::open(path).unwrap();
    if path.extension().is_some_and(|extension| extension == "gz") {
        flate2::read::MultiGzDecoder::new(file).read_to_string(&mut text).unwrap();
    } else {
        file.read_to_string(&mut text).unwrap();
    }
    text
}

#[test]
fn the_captured_liquidations_become_the_expected_table() {
    let Some(folder) = captures() else { return };
    let instruments = folder.join("okx/instruments_SWAP_2022-05-13.json");
    let mut rows = Vec::new();
    for line in text(&folder.join("liquidation_frames.jsonl")).lines() {
        let recorded: Value = serde_json::from_str(line).unwrap();
        let venue = recorded["venue"].as_str().unwrap();
        let mut arguments = vec!["--venue", venue, "--strict"];
        if venue == "okx" {
            arguments.extend(["--instruments", instruments.to_str().unwrap()]);
        }
        let ended = decode(&arguments, recorded["frame"].as_str().unwrap());
        assert_eq!(ended.code, Some(0), "{line}: {}", ended.err);
        rows.extend(ended.events.into_iter().filter(|event| event["kind"] == "liquidation"));
    }
    let expected = [
        (
            "binance ILVUSDT long sampled",
            3.85642,
            116.5,
            449.27293,
            1_791_391_082_119_i64,
            Some(1_791_391_083_124_i64),
        ),
        ("bybit BTCUSDT long complete", 82396.9, 0.006, 494.3814, 1_791_565_600_992, Some(1_791_565_601_482)),
        (
            "bybit BTCUSDT long complete",
            82394.3,
            0.038,
            3130.9834,
            1_791_565_601_058,
            Some(1_791_565_601_482),
        ),
        ("okx BTCUSDT long sampled", 82655.7, 0.0855, 7067.06235, 1_791_565_600_771, None),
        ("hyperliquid SOLUSDT long partial", 67.5499, 28.33, 1_913.688_667, 1_770_337_193_454, None),
    ];
    assert_eq!(rows.len(), expected.len(), "{rows:?}");
    for (row, (words, price, quantity, notional, at, published)) in rows.iter().zip(expected) {
        let mut found = String::new();
        for field in ["venue", "symbol", "side", "coverage"] {
            write!(found, "{} ", row[field].as_str().unwrap()).unwrap();
        }
        assert_eq!(found.trim_end(), words);
        let near = |field: &str, value: f64| (row[field].as_f64().unwrap() - value).abs() <= 1e-6;
        assert!(
            near("price", price) && near("quantity", quantity) && near("notional_usd", notional),
            "{row}"
        );
        assert_eq!(row["event_time_ms"], at);
        assert_eq!(row.get("published_at_ms").and_then(Value::as_i64), published);
    }
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// The frame in a line: `<receive ns> <json>`, `<receive s>: <json>`, `{"raw": <frame>, ...}` or the whole line.
fn frame_of(line: &str) -> String {
    match line.split_once(' ') {
        Some((stamp, frame)) if stamp.trim_end_matches(':').parse::<f64>().is_ok() => frame.to_owned(),
        _ => match serde_json::from_str::<Value>(line)
            .ok()
            .and_then(|v| Some(v.get("raw")?.as_str()?.to_owned()))
        {
            Some(raw) => raw.replace('\n', " "),
            None => line.to_owned(),
        },
    }
}

#[test]
fn every_capture_is_read_to_its_end_without_a_panic() {
    let Some(folder) = captures() else { return };
    let folders = [
        ("binance_usdm", "binance"),
        ("binance_coinm", "binance"),
        ("bybit", "bybit"),
        ("okx", "okx"),
        ("hyperliquid", "hyperliquid"),
    ];
    for (path, venue) in folders
        .iter()
        .flat_map(|(name, venue)| files(&folder.join(name)).into_iter().map(move |path| (path, venue)))
    {
        let frames: Vec<String> = text(&path).lines().map(frame_of).collect();
        let count = frames.iter().filter(|frame| !frame.trim().is_empty()).count();
        let ended = decode(&["--venue", venue], frames.join("\n"));
        assert_eq!(ended.code, Some(0), "{}: {}", path.display(), ended.summary());
        assert!(
            ended.summary().starts_with(&format!("{count} frame")),
            "{}: {}",
            path.display(),
            ended.summary()
        );
    }
}
