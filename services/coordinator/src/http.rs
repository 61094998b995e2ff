//! What is served on the health address besides the process kit's own: health of the whole, status, API, page, socket.
//!
//! Answers from the last look where that says it, and asks Redis only what is named, for a bounded part of it. Errors are
//! `application/problem+json`; nothing is kept by caches. Decides nothing.

mod alerts;
mod asked;
mod findings;
mod listen;
mod listeners;
mod openapi;
mod orders;
mod page;
mod shown;
mod status;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use cascade_bus::{Bus, BusError};
use cascade_service::{BoxError, Context, Metric, Problem};
use tokio::sync::{Mutex, watch};

use self::findings::Recent;
use self::listeners::Listeners;
use self::orders::Refused;
use crate::{Config, Look};

/// A look that is older than so many seconds of wall time tells nothing any more.
const OLD_S: u64 = 5;
/// What every answer says to a browser, whatever it is: it is not kept, guessed at, framed, or told to other sites.
const GUARDED: [(HeaderName, &str); 5] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CONTENT_SECURITY_POLICY, CONTENT_POLICY),
];
/// Nothing runs, nothing is loaded but our own style, nobody frames it.
const CONTENT_POLICY: &str =
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What every route is answered from.
struct Site {
    config: Arc<Config>,
    context: Context,
    bus: Bus,
    seen: watch::Receiver<Option<Arc<Look>>>,
    /// When the last look was told, seconds since the start.
    seen_s: AtomicU64,
    listeners: Listeners,
    recent: Recent,
    refused: Mutex<Refused>,
}

type Shared = State<Arc<Site>>;

impl Site {
    /// The last look, and why it says nothing any more where that is so.
    fn look(&self) -> (Option<Arc<Look>>, Option<String>) {
        let look = self.seen.borrow().clone();
        let age_s = self.context.metrics.uptime_s().saturating_sub(self.seen_s.load(Ordering::Relaxed));
        let why = if age_s > OLD_S {
            Some(format!("nobody has looked for {age_s} s"))
        } else {
            look.is_none().then(|| "nobody has looked yet".to_owned())
        };
        (look, why)
    }

    /// Follows the looks, for their age.
    async fn watch(&self, mut seen: watch::Receiver<Option<Arc<Look>>>) {
        while seen.changed().await.is_ok() {
            self.seen_s.store(self.context.metrics.uptime_s(), Ordering::Relaxed);
        }
    }
}

/// Mounts the routes, and gives the future that hears what is published, for those who listen on `/ws`.
pub(crate) fn mount(
    config: &Arc<Config>,
    context: &Context,
    bus: &Bus,
    seen: watch::Receiver<Option<Arc<Look>>>,
) -> impl Future<Output = Result<(), BoxError>> + Send + 'static {
    let site = Arc::new(Site {
        config: Arc::clone(config),
        context: context.clone(),
        bus: bus.clone(),
        seen_s: AtomicU64::new(context.metrics.uptime_s()),
        listeners: Listeners::new(context.metrics.clone()),
        recent: Recent::default(),
        refused: Mutex::new(Refused::new()),
        seen: seen.clone(),
    });
    context.routes.mount(router(Arc::clone(&site)));
    async move {
        let shutdown = site.context.shutdown.clone();
        tokio::select! {
            biased;
            () = shutdown.requested() => Ok(()),
            heard = listeners::hear(&site) => heard,
            // Ends with who looks; that is told by its own end.
            () = async { site.watch(seen).await; shutdown.requested().await } => Ok(()),
        }
    }
}

fn router(site: Arc<Site>) -> Router {
    Router::new()
        .route("/", get(page::page))
        .route("/style.css", get(page::style))
        .route("/health", get(status::health))
        .route("/status", get(status::status))
        .route("/ws", get(listen::listen))
        .route("/api/v1/status", get(status::status_v1))
        .route("/api/v1/feeds", get(status::feeds))
        .route("/api/v1/findings", get(findings::findings))
        .route("/api/v1/alerts", get(alerts::alerts))
        .route("/api/v1/orders", post(orders::order))
        .route("/api/v1/openapi.json", get(openapi::description))
        .fallback(nothing_here)
        .layer(from_fn_with_state(Arc::clone(&site), guard))
        .with_state(site)
}

async fn nothing_here() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "there is nothing at this path; /api/v1/openapi.json says what there is",
    )
}

/// Counts each request by its route, never by its path, and says to browsers what they may do with the answer.
async fn guard(State(site): Shared, request: Request, next: Next) -> Response {
    let matched = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let mut response = next.run(request).await;
    let status = response.status();
    site.context.metrics.add(Metric::Requests, &[matched.as_deref().unwrap_or("other"), status.as_str()], 1);
    if status == StatusCode::SWITCHING_PROTOCOLS {
        return response;
    }
    for (name, value) in GUARDED {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Why something can't be told: Redis is away, or refuses.
fn unavailable(error: &BusError) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string()).retry_after(1)
}

/// A JSON text as an answer.
fn json_text(text: String) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], text).into_response()
}
