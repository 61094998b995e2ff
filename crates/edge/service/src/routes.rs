//! What else a program serves on its health address. Knows nothing of what it is.

use std::sync::{Arc, PoisonError, RwLock};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use tower::ServiceExt;

/// Routes that are mounted beside `/health/live`, `/health/ready` and `/metrics`; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Routes(Arc<RwLock<Option<Router>>>);

impl Routes {
    /// Has these served, instead of those that were mounted before. The process kit's own routes come first.
    pub fn mount(&self, router: Router) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(router);
    }

    fn mounted(&self) -> Option<Router> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Answers what the process kit itself does not.
pub(crate) async fn elsewhere(State(routes): State<Routes>, request: Request) -> Response {
    match routes.mounted() {
        Some(mounted) => match mounted.oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        },
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
