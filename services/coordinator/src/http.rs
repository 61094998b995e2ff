//! What is served on the health address besides the process kit's own: health of the whole, status, API, page, socket.

use std::future::Future;
use std::sync::Arc;

use axum::Router;
use cascade_bus::Bus;
use cascade_service::{BoxError, Context};
use tokio::sync::watch;

use crate::{Config, Look};

/// Mounts the routes, and gives the future that hears what is published, for those who listen on `/ws`.
pub(crate) fn mount(
    _config: &Arc<Config>,
    context: &Context,
    _bus: &Bus,
    _seen: watch::Receiver<Option<Arc<Look>>>,
) -> impl Future<Output = Result<(), BoxError>> + Send + 'static {
    context.routes.mount(Router::new());
    let shutdown = context.shutdown.clone();
    async move {
        shutdown.requested().await;
        Ok(())
    }
}
