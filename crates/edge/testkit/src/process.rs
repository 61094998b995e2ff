//! A program as a shell runs it: its first lines, its signals, its exit code.

use std::io;
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// How long a program may take to say or do something on a busy machine, wall time.
const DEADLINE: Duration = Duration::from_secs(30);

/// A program that runs; killed when dropped.
#[derive(Debug)]
pub struct TestProcess {
    child: Child,
    out: Lines<BufReader<ChildStdout>>,
}

impl TestProcess {
    /// Starts a program. What it writes to stderr goes to the test's.
    ///
    /// # Errors
    /// It can't be started.
    pub fn start(program: &str, arguments: &[&str], variables: &[(String, String)]) -> io::Result<Self> {
        let mut child = command(program, arguments, variables).stdout(Stdio::piped()).spawn()?;
        let out = child.stdout.take().ok_or_else(|| io::Error::other("no stdout"))?;
        Ok(Self { child, out: BufReader::new(out).lines() })
    }

    /// The next line on stdout; `None` at its end.
    ///
    /// # Errors
    /// None comes in time.
    pub async fn line(&mut self) -> io::Result<Option<String>> {
        tokio::time::timeout(DEADLINE, self.out.next_line()).await?
    }

    /// Sends a signal (`STOP`, `CONT`, `KILL`).
    ///
    /// # Errors
    /// It has ended by itself.
    pub async fn signal(&self, signal: &str) -> io::Result<()> {
        let pid = self.child.id().ok_or_else(|| io::Error::other("it ended by itself"))?.to_string();
        // The shell's own `kill`: there is always a shell, not always a program of that name.
        Command::new("sh").arg("-c").arg(format!("kill -{signal} {pid}")).status().await.map(drop)
    }

    /// Sends a signal (`TERM`, `INT`), waits for the end and gives the exit code; `None` if it died of the signal.
    ///
    /// # Errors
    /// It does not end in time.
    pub async fn end_by(mut self, signal: &str) -> io::Result<Option<i32>> {
        self.signal(signal).await?;
        Ok(tokio::time::timeout(DEADLINE, self.child.wait()).await??.code())
    }

    /// Runs a program to its end.
    ///
    /// # Errors
    /// It can't be started or does not end in time.
    pub async fn output(
        program: &str,
        arguments: &[&str],
        variables: &[(String, String)],
    ) -> io::Result<Output> {
        tokio::time::timeout(DEADLINE, command(program, arguments, variables).output()).await?
    }
}

fn command(program: &str, arguments: &[&str], variables: &[(String, String)]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).envs(variables.iter().cloned()).stdin(Stdio::null()).kill_on_drop(true);
    command
}
