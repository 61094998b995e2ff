//! The simulated exchanges as a process: what they play, where they listen, what they say happened.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use cascade_domain::Venue;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::watch;

use crate::Failure;

/// Seconds of the scenario before its full pace, and after it: longer than anybody waits for what is missing.
pub(crate) const BEFORE_S: u64 = 5;
pub(crate) const AFTER_S: u64 = 60;
/// How long the exchanges may take to answer on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// The built-in scenario `storm` with so many seconds at full pace, and nobody liquidated after them.
pub(crate) fn storm(seconds: u64) -> Result<String, Failure> {
    let built_in = include_str!("../../../crates/edge/simulator/scenarios/storm.toml");
    let mut storm: toml::Table = built_in.parse()?;
    let second = |at: u64| i64::try_from(at).map(toml::Value::Integer);
    let (full, end) = (second(BEFORE_S + seconds)?, second(BEFORE_S + seconds + AFTER_S)?);
    storm.insert("duration_s".to_owned(), end.clone());
    let swarm = storm.get_mut("swarm").and_then(toml::Value::as_table_mut).ok_or("no swarm")?;
    swarm.insert("from_s".to_owned(), second(BEFORE_S)?);
    swarm.insert("until_s".to_owned(), full.clone());
    for course in storm.get_mut("symbol").and_then(toml::Value::as_array_mut).ok_or("no symbol")? {
        let phases = course.get_mut("phase").and_then(toml::Value::as_array_mut).ok_or("no phase")?;
        phases.truncate(1);
        let mut calm = phases.first().and_then(toml::Value::as_table).cloned().ok_or("no phase")?;
        calm.insert("orders".to_owned(), toml::Value::Integer(0));
        calm.insert("until_s".to_owned(), end.clone());
        for phase in phases.iter_mut().filter_map(toml::Value::as_table_mut) {
            phase.insert("until_s".to_owned(), full.clone());
        }
        phases.push(toml::Value::Table(calm));
    }
    Ok(toml::to_string(&storm)?)
}

/// What the exchanges say of themselves.
#[derive(Clone, Debug, Default)]
pub(crate) struct Truth(Value);

impl Truth {
    fn of(&self, venue: Venue, key: &str) -> u64 {
        let shown = &self.0["venues"][venue.as_str()];
        shown.pointer(key).and_then(Value::as_u64).unwrap_or_default()
    }

    /// Liquidations that a venue has published.
    pub(crate) fn published(&self, venue: Venue) -> u64 {
        self.of(venue, "/published/orders")
    }

    /// Trades that there were on a venue.
    pub(crate) fn trades(&self, venue: Venue) -> u64 {
        self.of(venue, "/trades")
    }

    /// How often a venue was asked too much, and how often it cut one who did not read in time.
    pub(crate) fn complaints(&self, venue: Venue) -> (u64, u64) {
        (self.of(venue, "/refused_for_rate"), self.of(venue, "/slow_readers"))
    }

    /// Connections that were ever opened to a venue.
    pub(crate) fn opened(&self, venue: Venue) -> u64 {
        self.of(venue, "/opened")
    }

    /// Processor time, milliseconds, and memory, kB, of the exchanges themselves.
    pub(crate) fn cost(&self) -> (u64, u64) {
        let number = |key: &str| self.0[key].as_u64().unwrap_or_default();
        (number("cpu_ms"), number("resident_kb"))
    }
}

/// The exchanges; killed when dropped.
#[derive(Debug)]
pub(crate) struct Exchanges {
    child: Child,
    input: Option<ChildStdin>,
    /// Settings that lead a service to them.
    pub(crate) variables: Vec<(String, String)>,
    said: watch::Receiver<Truth>,
}

impl Exchanges {
    /// Starts them with the scenario at `file`; only quiet trade happens before [`Exchanges::begin`].
    pub(crate) async fn start(program: &Path, file: &Path) -> Result<Self, Failure> {
        let mut child = Command::new(program)
            .arg("--file")
            .arg(file)
            .args(["--start-after-s", "86400"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("{}: {error}", program.display()))?;
        let input = child.stdin.take().ok_or("no way to speak to the exchanges")?;
        let mut lines = BufReader::new(child.stdout.take().ok_or("the exchanges are silent")?).lines();
        let first = tokio::time::timeout(PATIENCE, lines.next_line()).await??.ok_or("the exchanges ended")?;
        let variables = variables(&serde_json::from_str(&first)?);
        let (saying, said) = watch::channel(Truth::default());
        #[expect(clippy::disallowed_methods, reason = "a task that reads lines, in an example")]
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                saying.send_replace(Truth(serde_json::from_str(&line).unwrap_or_default()));
            }
        });
        Ok(Self { child, input: Some(input), variables, said })
    }

    /// The scenario begins now, unless it has.
    pub(crate) async fn begin(&mut self) -> Result<(), Failure> {
        let input = self.input.as_mut().ok_or("the exchanges have ended")?;
        Ok(input.write_all(b"\n").await?)
    }

    /// They end; what they had sent by then is told.
    pub(crate) async fn end(&mut self) -> Result<(), Failure> {
        self.input.take();
        tokio::time::timeout(PATIENCE, self.child.wait()).await??;
        Ok(())
    }

    /// What happened so far; only after [`Exchanges::begin`].
    pub(crate) async fn truth(&mut self) -> Result<Truth, Failure> {
        self.said.mark_unchanged();
        self.begin().await?;
        tokio::time::timeout(PATIENCE, self.said.changed()).await??;
        Ok(self.said.borrow_and_update().clone())
    }
}

fn variables(said: &Value) -> Vec<(String, String)> {
    let mut variables = Vec::new();
    for (venue, addresses) in said["venues"].as_object().into_iter().flatten() {
        for (key, address) in addresses.as_object().into_iter().flatten() {
            if let Some(address) = address.as_str() {
                let name = format!("CASCADE_VENUES__{}__{}", venue.to_uppercase(), key.to_uppercase());
                variables.push((name, address.to_owned()));
            }
        }
    }
    variables
}
