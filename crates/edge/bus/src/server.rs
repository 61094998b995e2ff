//! A private `redis-server`: on 127.0.0.1 alone, in a directory of its own, ended with its owner. For `cascade up`
//! where no Redis answers, for demos, and for tests, which also kill, freeze and restart it.

use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use redis::{AsyncConnectionConfig, Client};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use crate::BusError;

/// Which port the server takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortChoice {
    /// 6379 where that is free, else a free one.
    Default6379IfFree,
    /// A free one.
    Free,
}

/// A running (or stopped) private server. Killed when dropped.
#[derive(Debug)]
pub struct PrivateRedis {
    // Ahead of its directory: fields are dropped in order.
    child: Option<Child>,
    directory: TempDir,
    port: u16,
    append_only: bool,
}

/// How long a server may take to start, or to end when asked.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often a port may be snatched away between finding it free and taking it.
const PORT_TRIES: u32 = 10;

impl PrivateRedis {
    /// Starts a server that keeps nothing on disk and waits until it answers.
    ///
    /// # Errors
    /// [`BusError::NotInstalled`], or [`BusError::Server`] with what the server said.
    pub async fn start(port: PortChoice) -> Result<Self, BusError> {
        Self::start_with(port, false).await
    }

    /// Starts a server that writes every command to its append-only file, so that a restart loses nothing.
    ///
    /// # Errors
    /// As [`PrivateRedis::start`].
    pub async fn start_append_only(port: PortChoice) -> Result<Self, BusError> {
        Self::start_with(port, true).await
    }

    async fn start_with(choice: PortChoice, append_only: bool) -> Result<Self, BusError> {
        let directory = tempfile::Builder::new()
            .prefix("cascade-redis-")
            .tempdir()
            .map_err(|e| BusError::Server(format!("no directory for it: {e}")))?;
        let mut server = Self { port: 0, directory, append_only, child: None };
        let mut last = None;
        for attempt in 0..PORT_TRIES {
            server.port = match choice {
                PortChoice::Default6379IfFree if attempt == 0 && is_free(6379) => 6379,
                PortChoice::Default6379IfFree | PortChoice::Free => free_port()?,
            };
            match server.launch().await {
                Ok(()) => return Ok(server),
                Err(BusError::Server(reason)) => last = Some(reason),
                Err(error) => return Err(error),
            }
        }
        Err(BusError::Server(last.unwrap_or_else(|| "no free port".to_owned())))
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Its port.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Its directory.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Kills it at once (SIGKILL), as a crash would.
    ///
    /// # Errors
    /// It does not run.
    pub async fn kill9(&mut self) -> Result<(), BusError> {
        let mut child = self.child.take().ok_or_else(not_running)?;
        child.kill().await.map_err(|e| BusError::Server(e.to_string()))
    }

    /// Waits until it ends by itself, and says how; for ever if it was stopped or killed through this handle.
    pub async fn ended(&mut self) -> String {
        match &mut self.child {
            Some(child) => match child.wait().await {
                Ok(status) => status.to_string(),
                Err(error) => error.to_string(),
            },
            None => std::future::pending().await,
        }
    }

    /// Asks it to end (SIGTERM) and waits; kills it if it does not. A server that is not running is stopped already.
    ///
    /// # Errors
    /// The system does not let us end it.
    pub async fn stop(&mut self) -> Result<(), BusError> {
        if self.child.is_none() {
            return Ok(());
        }
        let asked = self.signal("TERM").await;
        let Some(mut child) = self.child.take() else { return Ok(()) };
        if asked.is_ok() && timeout(PATIENCE, child.wait()).await.is_ok() {
            return Ok(());
        }
        child.kill().await.map_err(|e| BusError::Server(e.to_string()))
    }

    /// Starts it again on the same port and in the same directory: empty, unless it is append-only.
    ///
    /// # Errors
    /// It still runs, or as [`PrivateRedis::start`].
    pub async fn restart(&mut self) -> Result<(), BusError> {
        if self.child.is_some() {
            return Err(BusError::Server("it still runs".to_owned()));
        }
        self.launch().await
    }

    /// Freezes it (SIGSTOP): connections stay, answers don't come.
    ///
    /// # Errors
    /// It does not run.
    pub async fn pause(&self) -> Result<(), BusError> {
        self.signal("STOP").await
    }

    /// Lets it go on after [`PrivateRedis::pause`].
    ///
    /// # Errors
    /// It does not run.
    pub async fn resume(&self) -> Result<(), BusError> {
        self.signal("CONT").await
    }

    async fn signal(&self, name: &str) -> Result<(), BusError> {
        let pid = self.child.as_ref().and_then(Child::id).ok_or_else(not_running)?;
        // The shell's own `kill`: there is always a shell, not always a program of that name.
        let status = Command::new("sh").arg("-c").arg(format!("kill -{name} {pid}")).status().await;
        match status {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(BusError::Server(format!("signal {name} to it: {status}"))),
            Err(error) => Err(BusError::Server(format!("signal {name} to it: {error}"))),
        }
    }

    /// Starts the process and waits until it is this very process that answers.
    async fn launch(&mut self) -> Result<(), BusError> {
        let log = self.directory.path().join("redis.log");
        let mut child = self.command(&log).spawn().map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound => BusError::NotInstalled,
            _ => BusError::Server(e.to_string()),
        })?;
        let pid = child.id();
        let answers = async {
            loop {
                if let Ok(Some(status)) = child.try_wait() {
                    return Err(BusError::Server(format!("it ended ({status}): {}", last_line(&log))));
                }
                let info = info_at(&self.url()).await.unwrap_or_default();
                if pid.is_some() && crate::field(&info, "process_id").and_then(|id| id.parse().ok()) == pid {
                    return crate::holder::fit_version(&info);
                }
                sleep(Duration::from_millis(10)).await;
            }
        };
        match timeout(PATIENCE, answers).await {
            Ok(Ok(())) => {
                self.child = Some(child);
                Ok(())
            }
            Ok(Err(error)) => Err(error),
            Err(_) => Err(BusError::Server(format!("no answer within 10 s: {}", last_line(&log)))),
        }
    }

    fn command(&self, log: &Path) -> Command {
        let mut command = Command::new("redis-server");
        command
            .args(["--bind", "127.0.0.1", "--save", "", "--daemonize", "no"])
            .args(["--port", &self.port.to_string()])
            .args(["--appendonly", if self.append_only { "yes" } else { "no" }])
            .args(["--appendfsync", "always"])
            .arg("--dir")
            .arg(self.directory.path())
            .arg("--logfile")
            .arg(log)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // A Ctrl-C in the terminal is for its owner, who still needs it while ending.
            .process_group(0)
            .kill_on_drop(true);
        command
    }
}

fn not_running() -> BusError {
    BusError::Server("it does not run".to_owned())
}

fn is_free(port: u16) -> bool {
    TcpListener::bind(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)).is_ok()
}

fn free_port() -> Result<u16, BusError> {
    TcpListener::bind(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|e| BusError::Server(format!("no free port: {e}")))
}

/// What the server that answers at `url`, if one does, says of itself.
async fn info_at(url: &str) -> Option<String> {
    let second = Some(Duration::from_secs(1));
    let config = AsyncConnectionConfig::new().set_connection_timeout(second).set_response_timeout(second);
    let client = Client::open(url).ok()?;
    let mut connection = client.get_multiplexed_async_connection_with_config(&config).await.ok()?;
    redis::cmd("INFO").arg("server").query_async(&mut connection).await.ok()
}

/// What the server said last, for an error message.
fn last_line(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing").to_owned()
}
