//! What a replay is given: settings, bad lines, files that break off, nothing.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};

use crate::replayed::{hash, replay, replay_of, ten_minutes, ten_minutes_plain};

fn recording() -> String {
    ten_minutes().to_str().unwrap().to_owned()
}

#[test]
fn a_setting_changes_the_findings() {
    let file = recording();
    let with = |setting: &str| replay(&[&file, "--set", setting]).findings();
    let (as_is, calm) = (replay(&[&file]).findings(), with("cascade.preset=calm"));
    assert_ne!(as_is, calm);
    let large = with("cascade.symbols.BTCUSDT.large_usd=1e9");
    let count = |findings: &[serde_json::Value]| {
        findings.iter().filter(|f| f["finding"] == "large_liquidation" && f["symbol"] == "BTCUSDT").count()
    };
    assert!(count(&as_is) > 0 && count(&large) == 0);
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("c.toml");
    std::fs::write(&config, "[cascade]\npreset = \"calm\"\n").unwrap();
    assert_eq!(replay(&[&file, "--config", config.to_str().unwrap()]).findings(), calm);
}

#[test]
fn every_mistake_in_the_settings_is_named_and_nothing_is_replayed() {
    let file = recording();
    let sets = ["cascade.presett=seed", "cascade.preset=none", "nonsense", "=1", "cascade.episode.hold_s=-1"];
    let mut arguments = vec![file.as_str()];
    arguments.extend(sets.iter().flat_map(|set| ["--set", *set]));
    let replayed = replay(&arguments);
    assert_eq!((replayed.code, replayed.out.as_str()), (Some(2), ""));
    for part in [
        "cascade.presett",
        "cascade.preset:",
        "nonsense",
        "KEY=VALUE",
        "cascade.episode.hold_s",
        "5 mistakes",
    ] {
        assert!(replayed.said.contains(part), "{part} is missing in:\n{}", replayed.said);
    }
}

#[test]
fn bad_lines_are_named_and_counted_and_stop_nothing() {
    let plain = String::from_utf8(ten_minutes_plain()).unwrap();
    let mut lines: Vec<&str> = plain.lines().collect();
    lines.insert(5, "not JSON at all \u{1b}[31m");
    lines.insert(9, r#"{"kind":"tick","event_time_ms":1}"#);
    lines.insert(9, "");
    lines.insert(3, r#"{"kind":"gap","shard":99}"#);
    let mut input = lines.join("\n").into_bytes();
    input.extend_from_slice(b"\n\xff\xfe\n");
    let replayed = replay_of(&input, &["-", "--json-summary"]);
    assert_eq!(replayed.code, Some(0), "{}", replayed.said);
    assert_eq!(replayed.summary()["bad_lines"], 4);
    for part in ["stdin, line 4: ", "stdin, line 7: ", "stdin, line 12: ", "not UTF-8"] {
        assert!(replayed.said.contains(part), "{part} is missing in:\n{}", replayed.said);
    }
    assert!(!replayed.said.contains('\u{1b}'), "what is quoted moves no cursor");
    assert_eq!(replayed.out, replay(&[&recording()]).out);
}

#[test]
fn of_many_bad_lines_the_first_are_named() {
    let replayed = replay_of("x\n".repeat(100_000).as_bytes(), &["--json-summary", "-"]);
    assert_eq!((replayed.code, replayed.out.as_str()), (Some(1), ""));
    assert_eq!(replayed.summary()["bad_lines"], 100_000);
    assert!(replayed.said.lines().count() < 30, "{}", replayed.said);
}

#[test]
fn a_file_that_breaks_off_is_replayed_up_to_there_and_told() {
    let dir = tempfile::tempdir().unwrap();
    let zstd = std::fs::read(ten_minutes()).unwrap();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gzip, &ten_minutes_plain()).unwrap();
    let gzip = gzip.finish().unwrap();
    let whole: BTreeSet<String> = replay(&[&recording()]).out.lines().map(str::to_owned).collect();
    for bytes in [&zstd, &gzip] {
        let path = dir.path().join("cut");
        std::fs::write(&path, &bytes[..bytes.len() / 4]).unwrap();
        let replayed = replay(&[path.to_str().unwrap(), "--json-summary"]);
        assert_eq!(replayed.code, Some(1));
        assert!(replayed.said.contains("breaks off after line"), "{}", replayed.said);
        let summary = replayed.summary();
        assert_eq!(
            (&summary["broken_files"], &summary["bad_lines"]),
            (&1.into(), &0.into()),
            "half a line is none"
        );
        let found: BTreeSet<String> = replayed.out.lines().map(str::to_owned).collect();
        assert!(!found.is_empty() && found.is_subset(&whole) && found != whole);
    }
}

#[test]
fn what_is_no_recording_has_no_hash_and_one_of_nothing_has() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let (empty, recorded) = (file.path().to_str().unwrap(), recording());
    let no_recordings: [&[&str]; 4] =
        [&[empty], &["-"], &[env!("CARGO_BIN_EXE_cascade")], &["--as", "frames", &recorded]];
    for arguments in no_recordings {
        let replayed = replay(&[&["--hash"], arguments].concat());
        assert_eq!((replayed.code, replayed.out.as_str()), (Some(1), ""), "{arguments:?}");
        assert!(replayed.said.contains("no recording"), "{}", replayed.said);
    }
    let plain = String::from_utf8(ten_minutes_plain()).unwrap();
    let header = plain.lines().next().unwrap();
    std::fs::write(file.path(), header).unwrap();
    assert_eq!(hash(&[empty]), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

#[test]
fn what_can_not_be_read_or_written_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let (file, missing) = (recording(), dir.path().join("missing"));
    let at = dir.path().to_str().unwrap();
    let replayed = replay(&[&file, missing.to_str().unwrap(), at]);
    assert_eq!((replayed.code, replayed.out.as_str()), (Some(1), ""), "before anything is printed");
    assert!(
        replayed.said.contains("missing: ") && replayed.said.contains("a directory"),
        "{}",
        replayed.said
    );
    let replayed = replay(&[&file, "--out", at]);
    assert_eq!(replayed.code, Some(1));
    assert!(replayed.said.contains(at), "{}", replayed.said);
    let copy = dir.path().join("copy");
    std::fs::copy(&file, &copy).unwrap();
    let replayed = replay(&[copy.to_str().unwrap(), "--out", copy.to_str().unwrap()]);
    assert_eq!(replayed.code, Some(2));
    assert_eq!(std::fs::read(&copy).unwrap(), std::fs::read(&file).unwrap(), "it was not written over");
    assert_eq!(replay(&[&file, "--batch", "0"]).code, Some(2));
    assert_eq!(replay(&[]).code, Some(2));
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_cascade"))
        .args(["replay", &recording(), &recording(), &recording()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}
