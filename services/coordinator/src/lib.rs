//! coordinator: says whether the whole system does its work, and shows what it does.
//!
//! Once a second it looks at what the services write on Redis (`look`), judges that (`health`), and serves the last look
//! over HTTP (`http`): a request never asks Redis for more than it names. Nobody calls it to work, and it calls nobody.

mod config;
mod health;
mod http;
mod look;
mod overview;
mod past;
mod token;

use std::sync::Arc;

use cascade_service::{BoxError, Context, Program, Supervisor, beat, watch_redis};
use tokio::sync::watch;

pub use config::{Config, Coordinator};
pub use health::{Report, SILENT, ServiceReport};
pub use look::Look;
pub use overview::{
    Deliveries, Dispatch, ENGINES, EngineShards, Overview, Owner, Server, Service, Ticks, mutes,
};
pub use token::Token;

/// What the program is.
pub const PROGRAM: Program<Config> = Program {
    name: "coordinator",
    about: "Says whether the whole system does its work: health, status, API and a page to look at",
    version: env!("CARGO_PKG_VERSION"),
    section: "coordinator",
    settings: Config::read,
};

/// Runs until it is asked to stop.
///
/// # Errors
/// The Redis URL is none, or a task died.
pub async fn run(config: Config, context: Context) -> Result<(), BoxError> {
    let bus = context.bus(&config.redis_url)?;
    let config = Arc::new(config);
    let mut supervisor = Supervisor::new(&context.shutdown, context.deadline);
    let shutdown = supervisor.shutdown();
    let context = Context { shutdown: shutdown.clone(), ..context };
    let (told, seen) = watch::channel(None);
    let listening = http::mount(&config, &context, &bus, seen);
    supervisor.spawn("channels", listening);
    let roll = look::Roll::default();
    supervisor.spawn("roll", roll.clone().keep(bus.clone(), shutdown.clone()));
    supervisor.spawn("look", look::run(config, context.clone(), (bus.clone(), roll), told, shutdown.clone()));
    supervisor.spawn("heartbeat", beat(bus.clone(), context.clone(), shutdown.clone()));
    supervisor.spawn("redis", watch_redis(bus, context, shutdown));
    Ok(supervisor.run().await?)
}
