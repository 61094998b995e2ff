//! A replay as a shell runs it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// What came of a replay.
#[derive(Debug)]
pub(crate) struct Replayed {
    pub(crate) out: String,
    pub(crate) said: String,
    pub(crate) code: Option<i32>,
}

impl Replayed {
    /// The findings.
    pub(crate) fn findings(&self) -> Vec<Value> {
        self.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The summary of `--json-summary`.
    pub(crate) fn summary(&self) -> Value {
        serde_json::from_str(self.said.lines().last().unwrap()).unwrap()
    }
}

/// Ten minutes of three shards, recorded from `cascade up --demo cascade --speed 8` with `cascade record --as events`.
/// Left out are the other shards, and some instruments' bars and marks.
pub(crate) fn ten_minutes() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/replay/ten-minutes.jsonl.zst")
}

/// The same, unpacked.
pub(crate) fn ten_minutes_plain() -> Vec<u8> {
    zstd::decode_all(std::fs::File::open(ten_minutes()).unwrap()).unwrap()
}

/// Replays this standard input.
pub(crate) fn replay_of(input: &[u8], arguments: &[&str]) -> Replayed {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cascade"));
    command.arg("replay").args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let output = std::thread::scope(|scope| {
        // Who reads no input leaves the pipe broken.
        scope.spawn(move || stdin.write_all(input).ok());
        child.wait_with_output().unwrap()
    });
    Replayed {
        out: String::from_utf8(output.stdout).unwrap(),
        said: String::from_utf8(output.stderr).unwrap(),
        code: output.status.code(),
    }
}

/// Replays files.
pub(crate) fn replay(arguments: &[&str]) -> Replayed {
    replay_of(b"", arguments)
}

/// The hash that a replay without a mistake prints.
pub(crate) fn hash(arguments: &[&str]) -> String {
    let replayed = replay(&[&["--hash"], arguments].concat());
    assert_eq!(replayed.code, Some(0), "{}", replayed.said);
    let hash = replayed.out.trim().to_owned();
    assert!(hash.len() == 64 && replayed.out.lines().count() == 1, "{replayed:?}");
    hash
}
