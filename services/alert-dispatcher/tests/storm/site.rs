//! What runs: a Redis with a file, and dispatchers as processes, which are killed and started again.

use std::path::{Path, PathBuf};
use std::time::Duration;

use cascade_bus::{Bus, BusSettings};
use cascade_testkit::{TestProcess, TestRedis, eventually};
use tempfile::TempDir;

use crate::Failure;
use crate::doors::Doors;

/// How long anything may take on a busy machine, wall time.
const PATIENCE: Duration = Duration::from_mins(1);
/// How long the doors may be quiet before the next damage is done all the same.
const QUIET: Duration = Duration::from_secs(2);

/// Everything that runs.
pub(crate) struct Site {
    program: PathBuf,
    variables: Vec<(String, String)>,
    directory: TempDir,
    pub(crate) redis: TestRedis,
    pub(crate) bus: Bus,
    pub(crate) doors: Doors,
    dispatchers: Vec<TestProcess>,
}

impl Site {
    /// A Redis, six doors, and two dispatchers with these settings of `[dispatch]`.
    pub(crate) async fn start(program: &Path, seed: u64, dispatch: &str) -> Result<Self, Failure> {
        let redis = TestRedis::start_append_only().await?;
        let settings = BusSettings {
            longest_wait: Duration::from_millis(200),
            instance: "storm".to_owned(),
            ..BusSettings::default()
        };
        let bus = Bus::open(&redis.url(), settings)?;
        let (doors, directory) = (Doors::open(seed).await?, tempfile::tempdir()?);
        let variables = doors.configure(&directory.path().join("storm.toml"), dispatch)?;
        let mut site = Self {
            program: program.to_owned(),
            variables,
            directory,
            redis,
            bus,
            doors,
            dispatchers: Vec::new(),
        };
        site.staff().await?;
        Ok(site)
    }

    /// Starts two dispatchers.
    pub(crate) async fn staff(&mut self) -> Result<(), Failure> {
        for _ in 0..2 {
            let dispatcher = self.dispatcher().await?;
            self.dispatchers.push(dispatcher);
        }
        Ok(())
    }

    async fn dispatcher(&self) -> Result<TestProcess, Failure> {
        let (url, file) = (self.redis.url(), self.directory.path().join("storm.toml"));
        let file = file.to_str().ok_or("a path that is no text")?;
        let arguments = ["--config", file, "--redis-url", &url, "--health-addr", "127.0.0.1:0"];
        let mut variables = self.variables.clone();
        variables.push(("CASCADE_SERVICE__LOG_LEVEL".to_owned(), log_level()));
        let program = self.program.to_str().ok_or("a path that is no text")?;
        let mut process = TestProcess::start(program, &arguments, &variables)?;
        process.line().await?.ok_or("a dispatcher said nothing")?;
        Ok(process)
    }

    /// Kills a dispatcher when so many more messages have arrived somewhere, and starts it again.
    pub(crate) async fn kill(&mut self, which: usize, after: u64) -> Result<(), Failure> {
        let from = self.doors.requests();
        eventually(QUIET, async || self.doors.requests() >= from + after).await;
        let next = self.dispatcher().await?;
        let victim = self.dispatchers.get_mut(which).ok_or("no such dispatcher")?;
        victim.signal("KILL").await?;
        *victim = next;
        Ok(())
    }

    /// Kills Redis and starts it from its file.
    pub(crate) async fn restart_redis(&mut self) -> Result<(), Failure> {
        self.redis.server.kill9().await?;
        self.redis.server.restart().await?;
        let is_back = eventually(PATIENCE, async || self.bus.ping().await.is_ok());
        if is_back.await { Ok(()) } else { Err("Redis does not come back".into()) }
    }

    /// Asks the dispatchers to stop; how many did not end well.
    pub(crate) async fn stop(&mut self) -> Result<usize, Failure> {
        let mut failed = 0;
        for dispatcher in self.dispatchers.drain(..) {
            failed += usize::from(dispatcher.end_by("TERM").await? != Some(0));
        }
        Ok(failed)
    }
}

/// What the dispatchers log: the doors misbehave, so warnings are no news.
#[expect(clippy::disallowed_methods, reason = "whoever looks for a fault wants to see more")]
fn log_level() -> String {
    std::env::var("STORM_LOG").unwrap_or_else(|_| "off".to_owned())
}
