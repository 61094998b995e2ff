//! A recorder as a shell runs it, and what can be read of its files.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};
use tokio::time::timeout;

/// How long anything may take, wall time.
pub(crate) const DEADLINE: Duration = Duration::from_mins(1);

/// A recorder that runs.
pub(crate) struct Recorder {
    child: Child,
    err: Lines<BufReader<ChildStderr>>,
    said: Vec<String>,
}

impl Recorder {
    pub(crate) fn start(out: &Path, arguments: &[&str], variables: Vec<(String, String)>) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cascade"));
        command.args(["record", "--out", out.to_str().unwrap(), "--as"]).args(arguments).envs(variables);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let err = BufReader::new(child.stderr.take().unwrap()).lines();
        Self { child, err, said: Vec::new() }
    }

    /// Waits until it has said each of these.
    pub(crate) async fn says(&mut self, words: &[&str]) {
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
    pub(crate) async fn ended(mut self) -> (Option<i32>, String) {
        let reading = async {
            while let Some(line) = self.err.next_line().await.unwrap() {
                self.said.push(line);
            }
            self.child.wait().await.unwrap().code()
        };
        let code = timeout(DEADLINE, reading).await.unwrap();
        (code, self.said.join("\n"))
    }

    pub(crate) async fn signal(&self, signal: &str) {
        let kill = format!("kill -{signal} {}", self.child.id().unwrap());
        assert!(Command::new("sh").args(["-c", &kill]).status().await.unwrap().success());
    }

    /// Ends it as Ctrl-C does.
    pub(crate) async fn interrupted(self) -> String {
        self.signal("INT").await;
        let (code, said) = self.ended().await;
        assert_eq!(code, Some(0), "{said}");
        said
    }
}

/// The files in a directory, by name.
pub(crate) fn files(dir: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    files
}

/// The whole lines that can be read of a file, and whether it is whole itself.
pub(crate) fn read(path: &Path) -> (Vec<Value>, bool) {
    let mut bytes = Vec::new();
    let whole = zstd::Decoder::new(File::open(path).unwrap()).unwrap().read_to_end(&mut bytes).is_ok();
    let end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let lines = std::str::from_utf8(&bytes[..end]).unwrap().lines();
    (lines.map(|line| serde_json::from_str(line).unwrap()).collect(), whole)
}

/// The lines of files that are all whole.
pub(crate) fn read_all(files: &[PathBuf]) -> Vec<Value> {
    let whole = |file: &PathBuf| {
        let (lines, whole) = read(file);
        assert!(whole && file.extension().unwrap() == "zst", "{}", file.display());
        lines
    };
    files.iter().flat_map(whole).collect()
}
