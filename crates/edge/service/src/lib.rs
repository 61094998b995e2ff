//! The process kit: what every program needs around its own work.
//!
//! Configuration, the clock, logs, metrics, health, shutdown, supervised tasks. The only room that reads the machine's
//! clock, the environment and signals, and that spawns tasks. The pump runs any engine over Redis; what the engine detects it
//! does not know.

mod args;
mod beat;
mod clock;
mod common;
pub mod config;
mod demo;
pub mod health;
pub mod healthcheck;
mod latency;
mod lease;
pub mod logs;
mod markets;
mod metric;
mod metrics;
mod output;
mod problem;
mod program;
pub mod pump;
mod routes;
mod seed;
mod server;
mod shutdown;
mod signals;
mod simulated;
mod streams;
mod supervisor;
mod throttle;
mod traces;
mod watch;

pub use args::CommonArgs;
pub use beat::beat;
pub use clock::{SpeedError, SystemClock};
pub use common::{address, redis_url};
pub use demo::watch_demo;
pub use health::Health;
pub use latency::{Latency, Stage};
pub use lease::{Lease, Part, Share};
pub use markets::{All, Markets, Symbols, VenueSettings};
pub use metric::{Kind, Metric, Spec};
pub use metrics::Metrics;
pub use output::{Outgoing, Output};
pub use problem::Problem;
pub use program::{Context, HEARTBEAT_TTL, Program, ServiceSettings, environment, run_service, start};
pub use routes::Routes;
pub use seed::random_seed;
pub use shutdown::{Shutdown, StopWhenGone};
pub use signals::ask_on_signal;
pub use simulated::Simulated;
pub use streams::Streams;
pub use supervisor::{BoxError, Supervisor, TaskError};
pub use throttle::Throttle;
pub use traces::{Span, Trace, Traces, TracesSettings};
pub use watch::watch_redis;
