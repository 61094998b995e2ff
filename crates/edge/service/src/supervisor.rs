//! Supervised tasks: all of them run, or all of them stop.
//!
//! The one place that spawns. If any task ends before it was asked to, well or badly, the others are stopped and the
//! first end is told by name. Knows nothing of what the tasks do.

use std::collections::HashMap;
use std::error::Error;
use std::future::Future;
use std::time::Duration;

use tokio::task::{Id, JoinError, JoinSet};

use crate::Shutdown;

/// An error of any kind that a task may end with.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// How supervised tasks ended when they should not have.
#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    /// A task returned although nobody asked it to stop.
    #[error("task `{name}` ended before it was asked to")]
    Ended {
        /// The task.
        name: String,
    },
    /// A task returned an error.
    #[error("task `{name}` failed: {reason}")]
    Failed {
        /// The task.
        name: String,
        /// What it said.
        reason: BoxError,
    },
    /// A task panicked, or was aborted from outside.
    #[error("task `{name}` died: {reason}")]
    Died {
        /// The task.
        name: String,
        /// The panic's message.
        reason: String,
    },
    /// Tasks were still running at the end of the deadline; they were aborted.
    #[error("still running {} s after they were asked to stop: {}", deadline.as_secs_f64(), names.join(", "))]
    Undrained {
        /// The tasks, sorted.
        names: Vec<String>,
        /// How long they had.
        deadline: Duration,
    },
}

/// A set of named tasks that live and stop together.
#[derive(Debug)]
pub struct Supervisor {
    asked: Shutdown,
    shutdown: Shutdown,
    deadline: Duration,
    tasks: JoinSet<Result<(), BoxError>>,
    names: HashMap<Id, String>,
}

impl Supervisor {
    /// A set without tasks. It stops when `shutdown` is asked for; then the tasks have `deadline` (wall time) to end.
    pub fn new(shutdown: &Shutdown, deadline: Duration) -> Self {
        let (asked, shutdown) = (shutdown.clone(), shutdown.child());
        Self { asked, shutdown, deadline, tasks: JoinSet::new(), names: HashMap::new() }
    }

    /// What the tasks of this set listen to: asked for from above, or when one of them ended.
    pub fn shutdown(&self) -> Shutdown {
        self.shutdown.clone()
    }

    /// Starts a task. It must end soon after `shutdown()` is asked for, and not before.
    pub fn spawn<F>(&mut self, name: impl Into<String>, task: F)
    where
        F: Future<Output = Result<(), BoxError>> + Send + 'static,
    {
        let id = self.tasks.spawn(task).id();
        self.names.insert(id, name.into());
    }

    /// Runs until shutdown is asked for, then waits for the tasks. Stops everything if one ends before.
    ///
    /// # Errors
    /// The first task that ended without being asked or failed while stopping, else those that did not end in time.
    pub async fn run(mut self) -> Result<(), TaskError> {
        let mut first = tokio::select! {
            biased;
            () = self.shutdown.requested() => None,
            Some((name, outcome)) = next(&mut self.tasks, &mut self.names) => {
                // A task may hear of the shutdown before this set does: then its end was asked for.
                let asked = self.asked.is_requested() || self.shutdown.is_requested();
                outcome.err().or_else(|| (!asked).then_some(TaskError::Ended { name }))
            }
        };
        if let Some(error) = &first {
            tracing::error!(%error, "stopping everything");
        }
        self.shutdown.request();
        let drained = tokio::time::timeout(self.deadline, async {
            while let Some((_, outcome)) = next(&mut self.tasks, &mut self.names).await {
                if let Err(error) = outcome {
                    tracing::error!(%error, "while stopping");
                    first.get_or_insert(error);
                }
            }
        });
        if drained.await.is_err() {
            let mut names: Vec<String> = self.names.into_values().collect();
            names.sort();
            self.tasks.abort_all();
            let error = TaskError::Undrained { names, deadline: self.deadline };
            tracing::error!(%error, "aborted");
            first.get_or_insert(error);
        }
        first.map_or(Ok(()), Err)
    }
}

/// The next task that ends, and how; `None` when there is none left.
async fn next(
    tasks: &mut JoinSet<Result<(), BoxError>>,
    names: &mut HashMap<Id, String>,
) -> Option<(String, Result<(), TaskError>)> {
    let joined = tasks.join_next_with_id().await?;
    let id = joined.as_ref().map_or_else(JoinError::id, |(id, _)| *id);
    let name = names.remove(&id).unwrap_or_default();
    let outcome = match joined {
        Ok((_, Ok(()))) => Ok(()),
        Ok((_, Err(reason))) => Err(TaskError::Failed { name: name.clone(), reason }),
        Err(error) => Err(TaskError::Died { name: name.clone(), reason: last_words(error) }),
    };
    Some((name, outcome))
}

/// The message of a panic.
fn last_words(error: JoinError) -> String {
    let Ok(panic) = error.try_into_panic() else { return "aborted".to_owned() };
    match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(panic) => {
            panic.downcast::<&str>().map_or_else(|_| "panicked".to_owned(), |text| (*text).to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    const LONG: Duration = Duration::from_secs(30);

    /// A supervisor with one good task, and whatever else a test adds.
    fn supervisor(shutdown: &Shutdown, deadline: Duration) -> Supervisor {
        let mut supervisor = Supervisor::new(shutdown, deadline);
        let asked = supervisor.shutdown();
        supervisor.spawn("good", async move {
            asked.requested().await;
            Ok(())
        });
        supervisor
    }

    #[tokio::test]
    async fn a_task_that_ends_by_itself_stops_the_others_and_is_named() {
        let shutdown = Shutdown::new();
        let mut supervisor = supervisor(&shutdown, LONG);
        supervisor.spawn("reader", async { Ok(()) });
        let error = supervisor.run().await.unwrap_err();
        assert_eq!(error.to_string(), "task `reader` ended before it was asked to");
        assert!(!shutdown.is_requested(), "who stands above decides for itself");
    }

    #[tokio::test]
    async fn a_task_that_fails_is_named_with_its_reason() {
        let mut supervisor = supervisor(&Shutdown::new(), LONG);
        supervisor.spawn("writer", async { Err("no such shard".into()) });
        assert_eq!(supervisor.run().await.unwrap_err().to_string(), "task `writer` failed: no such shard");
    }

    #[tokio::test]
    async fn a_task_that_panics_is_named_with_its_last_words() {
        let mut supervisor = supervisor(&Shutdown::new(), LONG);
        let of = 7;
        supervisor.spawn("pump", async move { panic!("lost {of}") });
        assert_eq!(supervisor.run().await.unwrap_err().to_string(), "task `pump` died: lost 7");
    }

    #[tokio::test]
    async fn tasks_that_stop_when_asked_have_drained() {
        let shutdown = Shutdown::new();
        let mut supervisor = supervisor(&shutdown, LONG);
        let (asking, asked) = (shutdown.clone(), supervisor.shutdown());
        supervisor.spawn("asks", async move {
            asking.request();
            asked.requested().await;
            Ok(())
        });
        supervisor.run().await.unwrap();
    }

    #[tokio::test]
    async fn a_task_that_fails_while_stopping_is_told() {
        let shutdown = Shutdown::new();
        let mut supervisor = supervisor(&shutdown, LONG);
        let asked = supervisor.shutdown();
        supervisor.spawn("flush", async move {
            asked.requested().await;
            Err("not flushed".into())
        });
        shutdown.request();
        assert_eq!(supervisor.run().await.unwrap_err().to_string(), "task `flush` failed: not flushed");
    }

    #[tokio::test]
    async fn tasks_that_do_not_stop_in_time_are_named() {
        let shutdown = Shutdown::new();
        let mut supervisor = supervisor(&shutdown, Duration::from_millis(50));
        supervisor.spawn("stuck", pending());
        supervisor.spawn("hangs", pending());
        shutdown.request();
        let error = supervisor.run().await.unwrap_err();
        assert_eq!(error.to_string(), "still running 0.05 s after they were asked to stop: hangs, stuck");
    }
}
