//! A service as a process of its own: what it counts, how much memory and processor time it takes.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdout, Command};

use crate::Failure;

/// How long a service may take to start or to answer on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running service; killed when dropped.
#[derive(Debug)]
pub(crate) struct Service {
    child: Child,
    address: String,
    // Held so that what it prints later finds a reader.
    _out: BufReader<ChildStdout>,
}

/// What a process has taken.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cost {
    /// Processor time, seconds.
    pub(crate) cpu_s: f64,
    /// Memory now, kB.
    pub(crate) resident_kb: u64,
    /// Memory at most, kB.
    pub(crate) peak_kb: u64,
}

impl Service {
    /// Starts it and waits until it says where its metrics are.
    pub(crate) async fn start(program: &Path, variables: &[(String, String)]) -> Result<Self, Failure> {
        let mut child = Command::new(program)
            .args(["--health-addr", "127.0.0.1:0"])
            .envs(variables.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("{}: {error}", program.display()))?;
        let mut out = BufReader::new(child.stdout.take().ok_or("no stdout")?);
        let mut line = String::new();
        tokio::time::timeout(PATIENCE, out.read_line(&mut line)).await??;
        let address = line.trim().rsplit_once("http://").ok_or("it does not say where its metrics are")?.1;
        Ok(Self { child, address: address.to_owned(), _out: out })
    }

    /// Its metrics.
    pub(crate) async fn metrics(&self) -> Result<Metrics, Failure> {
        let ask = async {
            let mut stream = TcpStream::connect(&self.address).await?;
            let request =
                format!("GET /metrics HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.address);
            stream.write_all(request.as_bytes()).await?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await?;
            Ok::<_, Failure>(Metrics::read(&answer))
        };
        tokio::time::timeout(PATIENCE, ask).await?
    }

    /// What it has taken so far, from `/proc`.
    pub(crate) fn cost(&self) -> Result<Cost, Failure> {
        let pid = self.child.id().ok_or("it ended by itself")?;
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let fields: Vec<&str> = stat.rsplit_once(')').ok_or("no stat")?.1.split_whitespace().collect();
        let ticks = |index: usize| fields.get(index).and_then(|text| text.parse::<f64>().ok());
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let kb = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|rest| rest.split_whitespace().next()?.parse().ok())
        };
        Ok(Cost {
            // Ticks of 10 ms.
            cpu_s: (ticks(11).ok_or("no utime")? + ticks(12).ok_or("no stime")?) / 100.0,
            resident_kb: kb("VmRSS:").ok_or("no VmRSS")?,
            peak_kb: kb("VmHWM:").ok_or("no VmHWM")?,
        })
    }
}

/// Metrics by name and labels, as Prometheus reads them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metrics(BTreeMap<String, f64>);

impl Metrics {
    fn read(text: &str) -> Self {
        let lines = text.lines().filter(|line| line.starts_with("cascade_"));
        Self(
            lines
                .filter_map(|l| l.rsplit_once(' '))
                .filter_map(|(n, v)| Some((n.to_owned(), v.parse().ok()?)))
                .collect(),
        )
    }

    /// The sum of a metric over the label sets that contain all of `labels`, each written `key="value"`.
    pub(crate) fn sum(&self, name: &str, labels: &[&str]) -> f64 {
        let of_name = self.0.iter().filter(|(key, _)| {
            key.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('{'))
        });
        of_name
            .filter(|(key, _)| labels.iter().all(|label| key.contains(label)))
            .fold(0.0, |sum, (_, value)| sum + value)
    }
}
