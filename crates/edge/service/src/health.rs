//! Health: named conditions, and the HTTP server that tells them to an orchestrator.
//!
//! `GET /health/live` answers while the process runs; `GET /health/ready` answers 200 when every condition holds, else
//! 503 with the reasons; `GET /metrics` is for Prometheus. Knows nothing of what the conditions mean.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Json};
use axum::routing::get;
use serde::Serialize;
use tokio::net::TcpListener;

use crate::routes::elsewhere;
use crate::supervisor::BoxError;
use crate::{Metrics, Routes, Shutdown, server};

/// How often recorded metrics are folded, whether or not anybody reads them.
const FOLD: Duration = Duration::from_secs(5);

/// The conditions of one service; clones share them. A service that has told none is starting, and not ready.
#[derive(Clone, Debug, Default)]
pub struct Health {
    conditions: Arc<RwLock<Conditions>>,
    /// What this is a part of: it hears every condition, too.
    whole: Option<Arc<RwLock<Conditions>>>,
}

type Conditions = BTreeMap<String, Result<(), String>>;

/// What `/health/ready` answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Readiness {
    /// `ready`, `starting` or `unready`.
    pub status: &'static str,
    /// Every condition that does not hold, with its reason.
    pub reasons: BTreeMap<String, String>,
    /// The conditions that hold.
    pub holding: Vec<String>,
}

impl Readiness {
    /// Whether every condition holds, and there is one.
    pub fn is_ready(&self) -> bool {
        self.status == "ready"
    }

    /// Why not, in a few words; `None` if it is ready.
    pub fn unready(&self) -> Option<String> {
        if self.is_ready() {
            return None;
        }
        let reasons: Vec<_> = self.reasons.iter().map(|(name, reason)| format!("{name}: {reason}")).collect();
        Some(if reasons.is_empty() { self.status.to_owned() } else { reasons.join("; ") })
    }
}

impl Health {
    /// Health without conditions: starting.
    pub fn new() -> Self {
        Self::default()
    }

    /// The health of one of several services in a process: it has conditions of its own, and this has them all.
    #[must_use]
    pub fn part(&self) -> Self {
        Self { conditions: Arc::default(), whole: Some(Arc::clone(&self.conditions)) }
    }

    /// Says whether a condition, e.g. `redis`, holds, or why not.
    pub fn set(&self, condition: &str, state: Result<(), String>) {
        if let Some(whole) = &self.whole {
            put(whole, condition, state.clone());
        }
        put(&self.conditions, condition, state);
    }

    /// What holds and what does not.
    pub fn readiness(&self) -> Readiness {
        let conditions = self.conditions.read().unwrap_or_else(PoisonError::into_inner);
        let mut readiness = Readiness { status: "ready", reasons: BTreeMap::new(), holding: Vec::new() };
        for (name, state) in conditions.iter() {
            match state {
                Ok(()) => readiness.holding.push(name.clone()),
                Err(reason) => {
                    readiness.reasons.insert(name.clone(), reason.clone());
                }
            }
        }
        if conditions.is_empty() {
            readiness.status = "starting";
        } else if !readiness.reasons.is_empty() {
            readiness.status = "unready";
        }
        readiness
    }
}

fn put(conditions: &RwLock<Conditions>, condition: &str, state: Result<(), String>) {
    let mut conditions = conditions.write().unwrap_or_else(PoisonError::into_inner);
    match conditions.get_mut(condition) {
        Some(known) => *known = state,
        None => {
            conditions.insert(condition.to_owned(), state);
        }
    }
}

/// The address can't be listened on.
#[derive(Debug, thiserror::Error)]
#[error(
    "can't serve health on {address}: {reason}; name another with --health-addr HOST:PORT (port 0 picks a free one)"
)]
pub struct ListenError {
    address: String,
    reason: std::io::Error,
}

/// Listens on `address` (`HOST:PORT`, port 0 = any free one) and returns the address it got, with the future that
/// serves until `shutdown` is asked for. What is mounted on `routes` is served too.
///
/// # Errors
/// The address is no address, or is in use.
pub async fn serve(
    address: &str,
    health: Health,
    metrics: Metrics,
    routes: Routes,
    shutdown: Shutdown,
) -> Result<(SocketAddr, impl Future<Output = Result<(), BoxError>> + Send + 'static), ListenError> {
    let refused = |reason| ListenError { address: address.to_owned(), reason };
    let listener = TcpListener::bind(address).await.map_err(refused)?;
    let bound = listener.local_addr().map_err(refused)?;
    let own = Router::new()
        .route("/health/live", get(live))
        .route("/health/ready", get(ready))
        .with_state(health)
        .route("/metrics", get(exposition))
        .with_state(metrics.clone())
        .fallback(elsewhere)
        .with_state(routes);
    let serving = async move {
        tokio::select! {
            () = server::serve(listener, own, shutdown) => Ok(()),
            () = fold(&metrics) => Ok(()),
        }
    };
    Ok((bound, serving))
}

/// Folds the metrics for ever.
async fn fold(metrics: &Metrics) {
    let mut every = tokio::time::interval(FOLD);
    loop {
        every.tick().await;
        metrics.fold();
    }
}

async fn live() -> impl IntoResponse {
    Json(BTreeMap::from([("status", "live")]))
}

async fn ready(State(health): State<Health>) -> impl IntoResponse {
    let readiness = health.readiness();
    let status = if readiness.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(readiness))
}

async fn exposition(State(metrics): State<Metrics>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], metrics.render())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_ready_when_it_has_conditions_and_all_of_them_hold() {
        let health = Health::new();
        assert_eq!(health.readiness().status, "starting");
        health.set("redis", Ok(()));
        assert!(health.readiness().is_ready());
        health.clone().set("feeds", Err("no venue delivers".to_owned()));
        let readiness = health.readiness();
        assert_eq!((readiness.status, readiness.holding), ("unready", vec!["redis".to_owned()]));
        assert_eq!(readiness.reasons["feeds"], "no venue delivers");
        health.set("feeds", Ok(()));
        assert!(health.readiness().is_ready());
    }

    #[test]
    fn of_several_services_each_has_its_own_conditions_and_the_process_all_of_them() {
        let process = Health::new();
        let (reader, pump) = (process.part(), process.part());
        reader.set("redis", Ok(()));
        pump.set("redis", Ok(()));
        pump.clone().set("shards", Err("none taken yet".to_owned()));
        assert_eq!(reader.readiness().unready(), None);
        assert_eq!(pump.readiness().unready().as_deref(), Some("shards: none taken yet"));
        assert_eq!(process.readiness().unready().as_deref(), Some("shards: none taken yet"));
        assert_eq!(process.part().readiness().unready().as_deref(), Some("starting"));
    }
}
