//! Brings the history from its stream on Redis into a file, and lets go of what is too old in both, under a lease.
//!
//! A file that can't be used is told and tried again: deliveries never wait for it.

use std::time::Duration;

use cascade_bus::StreamId;
use cascade_history::{History, HistoryError, Projection};
use cascade_service::{Lease, Metric, Shutdown};
use cascade_wire::dispatch;

use crate::config::Dispatch;
use crate::office::Office;

/// How often a lease that another has is asked for, wall time.
const ASK: Duration = Duration::from_secs(1);
/// Between two looks at a stream where nothing was new, wall time.
const LOOK: Duration = Duration::from_millis(500);
/// How long a file or a stream that can't be used is left alone, wall time.
const LEAVE: Duration = Duration::from_secs(5);
/// How often what is too old is let go of, wall time.
const RETAIN: Duration = Duration::from_mins(10);
/// Whose refusals they are, as metrics name it.
const NAME: &str = "history";

/// Who keeps the history.
#[derive(Debug)]
pub(crate) struct Projector {
    office: Office,
    path: String,
    kept: Duration,
    /// What was wrong last: told once, not every few seconds.
    told: Option<HistoryError>,
}

impl Projector {
    pub(crate) fn new(office: Office, settings: &Dispatch) -> Self {
        let kept = Duration::from_hours(24) * settings.history_days;
        Self { office, path: settings.history_path.clone(), kept, told: None }
    }

    /// Waits for the lease, keeps the history while it is ours, and gives it back at the end.
    pub(crate) async fn hold(mut self, shutdown: Shutdown) {
        let (bus, owner) = (self.office.bus.clone(), self.office.context.instance.clone());
        let lease = Lease::new(bus, dispatch::PROJECTOR_LEASE.to_owned(), owner);
        while lease.take(|| ASK, &shutdown).await {
            tokio::select! {
                biased;
                // Two that write at once count each entry once all the same: the file says how far it is.
                () = lease.keep(&shutdown) => {}
                () = self.run() => {}
            }
            self.office.metrics().forget(Metric::HistoryLag);
            if shutdown.is_requested() {
                return lease.let_go().await;
            }
        }
    }

    /// Keeps it until dropped.
    async fn run(&mut self) {
        loop {
            let ended = if self.path.is_empty() { self.trim().await } else { self.project().await };
            if let Err(error) = ended {
                self.complain(error);
            }
            tokio::time::sleep(LEAVE).await;
        }
    }

    /// Lets go of what is too old in the stream, again and again: there is no file.
    async fn trim(&self) -> Result<(), HistoryError> {
        let mut times = tokio::time::interval(RETAIN);
        loop {
            times.tick().await;
            let trimmed = self.office.bus.trim_history(StreamId::ZERO, self.kept).await;
            trimmed.map_err(|error| HistoryError::Stream(error.to_string()))?;
        }
    }

    /// Takes what is new, again and again.
    async fn project(&mut self) -> Result<(), HistoryError> {
        let path = self.path.clone();
        let opened = tokio::task::spawn_blocking(move || History::open(&path)).await;
        let history = opened.unwrap_or_else(|error| Err(HistoryError::Stream(error.to_string())))?;
        let projection = Projection::new(self.office.bus.clone(), history);
        let mut times = tokio::time::interval(RETAIN);
        loop {
            tokio::select! {
                biased;
                _ = times.tick() => projection.retain(self.kept, self.office.now()).await?,
                () = std::future::ready(()) => {}
            }
            if !self.step(&projection).await? {
                tokio::time::sleep(LOOK).await;
            }
        }
    }

    /// Takes a batch; whether there is more.
    async fn step(&mut self, projection: &Projection) -> Result<bool, HistoryError> {
        let metrics = self.office.metrics();
        let batch = projection.look().await?;
        metrics.set(Metric::HistoryLag, &[], f64::from(u32::try_from(batch.waiting()).unwrap_or(u32::MAX)));
        let step = projection.take(batch).await?;
        for reason in &step.refused {
            metrics.add(Metric::EntriesRefused, &[NAME, reason], 1);
        }
        if !step.more {
            metrics.set(Metric::HistoryLag, &[], 0.0);
        }
        if self.told.take().is_some() {
            tracing::info!("the history is written again");
        }
        Ok(step.more)
    }

    fn complain(&mut self, error: HistoryError) {
        if self.told.as_ref() != Some(&error) {
            tracing::error!(%error, "the history is not written; alerts are delivered all the same");
            self.told = Some(error);
        }
    }
}
