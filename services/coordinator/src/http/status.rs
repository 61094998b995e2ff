//! `/health`, `/status`, `/api/v1/status`, `/api/v1/feeds`: what the last look saw, and what is to be thought of it.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use cascade_service::Problem;
use serde_json::{Value, json};

use super::shown::{FeedsShown, ProblemShown, StatusShown};
use super::{Shared, Site, json_text, unavailable};
use crate::{Look, Report};

/// Whether the system does its work
#[utoipa::path(
    get, path = "/health", tag = "health",
    responses(
        (status = 200, description = "Redis answers, ticks are fresh, every expected service does its work", body = Report),
        (status = 503, description = "Something is missing: what; or nobody has looked for 5 s", body = Report),
    ),
)]
pub(super) async fn health(State(site): Shared) -> Response {
    let report = report(&site);
    let status = if report.healthy { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(report)).into_response()
}

/// What is to be thought of the last look, if that is not too old.
pub(super) fn report(site: &Site) -> Report {
    let (look, why) = site.look();
    let expected = &site.config.coordinator.services;
    let mut report = look.map_or_else(
        || Report { services_healthy: format!("0/{}", expected.len()), ..Report::default() },
        |look| look.report.clone(),
    );
    report.uptime_seconds = site.context.metrics.uptime_s();
    if let Some(why) = why {
        report.healthy = false;
        report.reasons.insert("look".to_owned(), why);
    }
    report
}

/// All that runs: services, shard owners, feeds, deliveries, markets
///
/// The same as `cascade status --json`, not older than two seconds. What is not known is absent.
#[utoipa::path(
    get, path = "/status", tag = "status",
    responses(
        (status = 200, description = "All that runs", body = StatusShown),
        (status = 503, description = "Redis does not answer", body = ProblemShown, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn status(State(site): Shared) -> Result<Response, Problem> {
    seen(&site).await
}

/// The same as `/status`
#[utoipa::path(
    get, path = "/api/v1/status", tag = "status",
    responses(
        (status = 200, description = "All that runs", body = StatusShown),
        (status = 503, description = "Redis does not answer", body = ProblemShown, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn status_v1(State(site): Shared) -> Result<Response, Problem> {
    seen(&site).await
}

/// How the venues' feeds do, and the questions for their open interest
#[utoipa::path(
    get, path = "/api/v1/feeds", tag = "status",
    responses(
        (status = 200, description = "Each venue's feed and poller", body = FeedsShown),
        (status = 503, description = "Redis does not answer", body = ProblemShown, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn feeds(State(site): Shared) -> Result<Json<Value>, Problem> {
    let look = last(&site)?;
    let overview = look.overview.as_ref().ok_or_else(|| silent(&look))?;
    Ok(Json(json!({ "feeds": overview.feeds, "polls": overview.polls })))
}

/// The overview of the last look, with the markets.
async fn seen(site: &Site) -> Result<Response, Problem> {
    let look = last(site)?;
    let status = look.status(&site.bus).await.map_err(|error| unavailable(&error))?;
    status.map(|status| json_text(status.to_string())).ok_or_else(|| silent(&look))
}

/// The last look, if it is not too old.
fn last(site: &Site) -> Result<Arc<Look>, Problem> {
    match site.look() {
        (Some(look), None) => Ok(look),
        (_, why) => {
            Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, why.unwrap_or_default()).retry_after(1))
        }
    }
}

/// Redis did not answer at the last look.
fn silent(look: &Look) -> Problem {
    let why = look.report.reasons.get("redis").map_or("Redis does not answer", String::as_str);
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, why).retry_after(1)
}
