//! The findings of a committed recording, by their hash. After a change that is meant to change findings:
//! `GOLDEN=write cargo test -p cascade --test replay golden`

use std::io::Write;
use std::path::Path;

use crate::replayed::{hash, replay, ten_minutes, ten_minutes_plain};

#[test]
fn the_recorded_ten_minutes_have_the_golden_hash() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/replay/ten-minutes.sha256");
    let found = hash(&[ten_minutes().to_str().unwrap()]);
    #[expect(clippy::disallowed_methods, reason = "how a test is told to write is no setting of the program")]
    let writes = std::env::var("GOLDEN").is_ok_and(|value| value == "write");
    if writes {
        std::fs::write(&golden, format!("{found}\n")).unwrap();
    }
    let known = std::fs::read_to_string(&golden).unwrap_or_default();
    assert_eq!(
        found,
        known.trim(),
        "the findings of ten-minutes.jsonl.zst changed. If they should: \
         GOLDEN=write cargo test -p cascade --test replay golden"
    );
}

#[test]
fn the_findings_tell_the_cascade_that_was_recorded() {
    let replayed = replay(&[ten_minutes().to_str().unwrap(), "--json-summary"]);
    let findings = replayed.findings();
    for symbol in ["BTCUSDT", "ETHUSDT", "SOLUSDT"] {
        let told =
            |state: &str| findings.iter().filter(|f| f["symbol"] == symbol && f["state"] == state).count();
        assert_eq!((told("open"), told("resolved")), (1, 1), "{symbol}");
    }
    assert!(findings.iter().all(|finding| finding.get("detected_at_ms").is_none()));
    let summary = replayed.summary();
    assert_eq!(summary["findings"], findings.len());
    assert_eq!(summary["episodes"].as_array().unwrap().len(), 3);
    assert_eq!(summary["episodes"][0]["peak"], "EXTREME");
    assert_eq!((&summary["bad_lines"], &summary["passed"]), (&0.into(), &serde_json::json!({})));
}

#[test]
fn findings_come_in_their_order() {
    let findings = replay(&[ten_minutes().to_str().unwrap()]).findings();
    let key = |f: &serde_json::Value| {
        let text = |name: &str| f[name].as_str().unwrap_or_default().to_owned();
        (
            f["known_at_ms"].as_i64(),
            text("symbol"),
            text("finding"),
            text("episode"),
            f["revision"].as_u64(),
            text("id"),
        )
    };
    assert!(findings.len() > 100 && findings.is_sorted_by_key(key));
}

#[test]
fn batches_and_compression_change_nothing() {
    let plain = ten_minutes_plain();
    let dir = tempfile::tempdir().unwrap();
    // Names say nothing: how a file begins does.
    let (text, gzip) = (dir.path().join("a.gz"), dir.path().join("b"));
    std::fs::write(&text, &plain).unwrap();
    let mut packed =
        flate2::write::GzEncoder::new(std::fs::File::create(&gzip).unwrap(), flate2::Compression::fast());
    packed.write_all(&plain).unwrap();
    packed.finish().unwrap();
    let zstd = ten_minutes();
    let expected = hash(&[zstd.to_str().unwrap()]);
    for file in [&text, &gzip, &zstd] {
        for batch in ["1", "7", "4096"] {
            assert_eq!(
                hash(&[file.to_str().unwrap(), "--batch", batch]),
                expected,
                "{batch} {}",
                file.display()
            );
        }
    }
}

#[test]
fn where_the_findings_go_changes_nothing_of_them() {
    let dir = tempfile::tempdir().unwrap();
    let (file, out) = (ten_minutes(), dir.path().join("findings.jsonl"));
    let (file, out) = (file.to_str().unwrap(), out.to_str().unwrap());
    let printed = replay(&[file]);
    let quiet = replay(&[file, "--out", out]);
    assert_eq!((quiet.out.as_str(), std::fs::read_to_string(out).unwrap()), ("", printed.out.clone()));
    std::fs::remove_file(out).unwrap();
    let both = hash(&[file, "--out", out]);
    assert_eq!(std::fs::read_to_string(out).unwrap(), printed.out);
    assert_eq!(hash(&[file]), both);
    assert!(printed.said.contains(&both), "{}", printed.said);
    let parts = ten_minutes_plain();
    let middle =
        parts.len() / 2 + parts[parts.len() / 2..].iter().position(|byte| *byte == b'\n').unwrap() + 1;
    let (one, two) = (dir.path().join("1"), dir.path().join("2"));
    std::fs::write(&one, &parts[..middle]).unwrap();
    std::fs::write(&two, &parts[middle..]).unwrap();
    assert_eq!(
        hash(&[one.to_str().unwrap(), two.to_str().unwrap()]),
        both,
        "two files are one after the other"
    );
}
