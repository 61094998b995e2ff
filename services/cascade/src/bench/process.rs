//! A service as a process of its own: this very program, told to run the service's own main. Says how much memory it
//! has and what its stages take.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use cascade_service::{BoxError, Stage, environment, healthcheck};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdout, Command};

/// How long it may take to start or to answer on a busy machine, wall time.
const PATIENCE: Duration = Duration::from_mins(1);

/// A running service; killed when dropped.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) name: &'static str,
    child: Child,
    address: String,
    // Held so that what it prints later finds a reader.
    _out: BufReader<ChildStdout>,
}

/// What one stage took in the last minute, microseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StageFigures {
    pub(crate) stage: Stage,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
}

impl Process {
    /// Starts it with these settings and the defaults alone, and waits until it says where it serves its metrics.
    pub(crate) async fn start(name: &'static str, settings: &[String]) -> Result<Self, BoxError> {
        let own: PathBuf = std::env::current_exe()?;
        let mut command = Command::new(own);
        command.args(["bench", "part", name, "--health-addr", "127.0.0.1:0"]);
        command.args(settings.iter().flat_map(|setting| ["--set", setting]));
        for (variable, _) in environment().iter().filter(|(name, _)| name.starts_with("CASCADE_")) {
            command.env_remove(variable);
        }
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
        let mut out = BufReader::new(child.stdout.take().ok_or("no stdout")?);
        let mut line = String::new();
        tokio::time::timeout(PATIENCE, out.read_line(&mut line)).await??;
        let (_, address) =
            line.trim().rsplit_once("http://").ok_or_else(|| format!("{name} did not start"))?;
        Ok(Self { name, child, address: address.to_owned(), _out: out })
    }

    /// Whether it says that it is ready.
    pub(crate) async fn is_ready(&self) -> bool {
        healthcheck::ask(&self.address).await.is_ok()
    }

    /// Memory now, kB; unknown where there is no `/proc`.
    pub(crate) fn resident_kb(&self) -> Result<Option<u64>, BoxError> {
        let pid = self.child.id().ok_or_else(|| format!("{} ended by itself", self.name))?;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        Ok(line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()))
    }

    /// What its stages took in the last minute.
    pub(crate) async fn stages(&self) -> Result<Vec<StageFigures>, BoxError> {
        let text = tokio::time::timeout(PATIENCE, self.metrics()).await??;
        let value_us = |stage: Stage, quantile: &str| {
            let label = format!("{{stage=\"{}\",quantile=\"{quantile}\"}} ", stage.as_str());
            let mut lines = text.lines().filter_map(|line| line.strip_prefix("cascade_stage_seconds"));
            Some(lines.find_map(|line| line.strip_prefix(&label))?.parse::<f64>().ok()? * 1e6)
        };
        let of = |stage| {
            let (p50_us, p99_us) = (value_us(stage, "0.5")?, value_us(stage, "0.99")?);
            Some(StageFigures { stage, p50_us, p99_us }).filter(|_| p50_us.is_finite())
        };
        Ok(Stage::ALL.into_iter().filter_map(of).collect())
    }

    async fn metrics(&self) -> Result<String, BoxError> {
        let mut stream = TcpStream::connect(&self.address).await?;
        let request = format!("GET /metrics HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.address);
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    }
}
