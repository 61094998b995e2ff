//! All that runs on a Redis, as the services themselves say it: what `GET /status` and `cascade status` show.

use serde::Serialize;

/// Everything that is known at one moment.
#[derive(Clone, Debug, Serialize)]
pub struct Overview {}
