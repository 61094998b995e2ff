//! alert-dispatcher: decides which alerts are told to whom, and delivers them.
//!
//! What is decided is `cascade-alerting`'s affair, what is said `cascade-message`'s, how it is sent `cascade-notify`'s, and how
//! the books are kept on Redis `cascade-bus`'s. This connects them.

mod auditor;
mod batch;
mod buttons;
mod config;
mod courier;
mod decider;
mod desk;
mod destination;
mod moving;
mod office;
mod post;
mod projector;
mod settling;
mod watchdog;

use std::time::Duration;

use cascade_notify::Sender;
use cascade_service::{BoxError, Context, Program, Supervisor, beat, watch_redis};

pub use cascade_alerting::known_rule;
pub use config::{Config, DEAD_MAN, Dispatch};
pub use destination::Target;
pub use moving::{Opened, open_again};

use buttons::Poller;
use courier::Courier;
use decider::Decider;
use desk::Desk;
use office::Office;
use post::Post;
use projector::Projector;

/// What the program is.
pub const PROGRAM: Program<Config> = Program {
    name: "alert-dispatcher",
    about: "Decides which findings on Redis are told to whom, and delivers them to Telegram, Discord, Slack and webhooks",
    version: env!("CARGO_PKG_VERSION"),
    section: "dispatch",
    settings: Config::read,
};

/// Runs until it is asked to stop; then what is under way is brought to its end, and the lease is given back.
///
/// # Errors
/// The Redis URL is none, there is no HTTP client to be had, or a task died.
pub async fn run(config: Config, context: Context) -> Result<(), BoxError> {
    let bus = context.bus(&config.redis_url)?;
    let office = Office::new(context.clone(), bus.clone(), Desk::default());
    let mut senders = Vec::new();
    for target in config.targets() {
        let sender = Sender::new(target.destination.clone(), config.network())?;
        let sender = match &config.output {
            Some(output) => sender.with_output(output.clone()),
            None => sender,
        };
        senders.push((target, sender));
    }
    warn(&config);
    let mut supervisor = Supervisor::new(&context.shutdown, context.deadline);
    decides(&office, &config, &senders, &mut supervisor);
    delivers(&office, &config, senders, &mut supervisor);
    let shutdown = supervisor.shutdown();
    let projector = Projector::new(office.clone(), &config.dispatch);
    supervisor.spawn("history", lasting(projector.hold(shutdown.clone())));
    for poller in Poller::all(&office, &config)? {
        supervisor.spawn(poller.name(), lasting(poller.hold(shutdown.clone())));
    }
    supervisor.spawn("heartbeat", beat(bus.clone(), context.clone(), shutdown.clone()));
    supervisor.spawn("redis", watch_redis(bus, context, shutdown));
    Ok(supervisor.run().await?)
}

/// Told at the start: what is allowed, and probably not meant.
fn warn(config: &Config) {
    if !config.allowed_users.is_empty() {
        return;
    }
    for target in &config.destinations {
        if target.destination.has_buttons() {
            tracing::warn!(
                destination = target.destination.name,
                "its messages have buttons, and telegram.allowed_users is empty: nobody may press them"
            );
        }
    }
}

/// Who decides, audits and watches, while the lease is ours.
fn decides(office: &Office, config: &Config, senders: &[(Target, Sender)], supervisor: &mut Supervisor) {
    let targets: Vec<Target> = senders.iter().map(|(target, _)| target.clone()).collect();
    let has_watchdog = targets.iter().any(|target| target.destination.name == DEAD_MAN);
    let every = Duration::from_secs(u64::from(config.dispatch.watchdog_every_s));
    let post = Post {
        office: office.clone(),
        decider: Decider::new(office.clone(), config.policy.clone(), Config::routes(senders)),
        targets,
        watchdog: has_watchdog.then_some(every),
    };
    let shutdown = supervisor.shutdown();
    supervisor.spawn("decider", lasting(post.hold(shutdown.clone())));
    supervisor.spawn("decider-watch", lasting(post::watch(office.clone(), shutdown)));
}

/// Who brings messages: two for each destination.
fn delivers(office: &Office, config: &Config, senders: Vec<(Target, Sender)>, supervisor: &mut Supervisor) {
    // One request may take all of the time; what follows an answer (the plain form, the new chat) takes what is left.
    let patience = config.dispatch.send_timeout() + Duration::from_secs(1);
    for (target, sender) in senders {
        let name = target.destination.name.clone();
        let (office, shutdown) = (office.clone(), supervisor.shutdown());
        let couriers = [false, true].map(|only_high| {
            Courier::new(office.clone(), (target.clone(), sender.clone()), patience, only_high)
        });
        supervisor.spawn(format!("send-{name}"), async move {
            if moving::take_up(&office, &target, &sender, &shutdown).await {
                let [all, high] = couriers;
                let opens = moving::stay_open(&office, &target, &shutdown);
                tokio::join!(all.run(shutdown.clone()), high.run(shutdown.clone()), opens);
            }
            Ok(())
        });
    }
}

/// A task that ends when asked to, and fails never.
async fn lasting(task: impl Future<Output = ()> + Send) -> Result<(), BoxError> {
    task.await;
    Ok(())
}
