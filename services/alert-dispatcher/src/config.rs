//! The settings of alert-dispatcher: section `[dispatch]`, who may press buttons, the destinations, and where Redis is.

use std::collections::BTreeSet;
use std::time::Duration;

use cascade_alerting::Route;
use cascade_bus::RedisUrl;
use cascade_domain::Refusal;
use cascade_notify::{Destination, Kind, Network, Output, Secret, Sender};
use cascade_service::config::{Document, Mistakes, Origin};
use cascade_service::{Markets, Simulated, Symbols, redis_url};
use serde::Deserialize;

use crate::destination::{self, Target};

/// The name of the destination that the watchdog's alert goes to.
pub const DEAD_MAN: &str = "dead-man";

/// Two symbols are never the whole market.
const FEWEST: u32 = 3;

/// Everything that alert-dispatcher is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where Redis answers.
    pub redis_url: RedisUrl,
    /// What is told to whom, and when.
    pub policy: cascade_alerting::Config,
    /// How it is delivered.
    pub dispatch: Dispatch,
    /// The ids of the Telegram users who may press buttons; empty = nobody.
    pub allowed_users: BTreeSet<i64>,
    /// Who is told; the watchdog's own destination is not among them.
    pub destinations: Vec<Target>,
    /// Where destinations of the kind `stdout` write to; `None` = the process' own.
    pub output: Option<Output>,
}

/// Section `[dispatch]`, as far as it is not the policy's.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Dispatch {
    /// A URL that is asked when the watchdog's alert arrives; empty = there is no watchdog. As good as a secret.
    pub dead_man_url: String,
    /// How often the watchdog's alert is sent on its way, seconds of the clock, in [10, 86400].
    pub watchdog_every_s: u32,
    /// The SQLite file of the history; empty = none is written.
    pub history_path: String,
    /// For how long the history is kept, days, in [1, 3650].
    pub history_days: u32,
    /// How long a provider may take to answer, seconds of wall time, in [1, 60].
    pub send_timeout_s: u32,
    /// Whether alerts are told on standard output too.
    pub stdout: bool,
}

/// Shows no URL.
impl std::fmt::Debug for Dispatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dispatch")
            .field("watchdog_every_s", &self.watchdog_every_s)
            .field("history_path", &self.history_path)
            .field("history_days", &self.history_days)
            .field("send_timeout_s", &self.send_timeout_s)
            .field("stdout", &self.stdout)
            .finish_non_exhaustive()
    }
}

impl Default for Dispatch {
    fn default() -> Self {
        Self {
            dead_man_url: String::new(),
            watchdog_every_s: 120,
            history_path: "data/history.db".to_owned(),
            history_days: 90,
            send_timeout_s: 10,
            stdout: false,
        }
    }
}

impl Dispatch {
    fn refusals(&self) -> Vec<Refusal> {
        let mut refusals = Vec::new();
        let mut within = |key: &str, value: u32, (least, most): (u32, u32), what: &str| {
            if !(least..=most).contains(&value) {
                refusals
                    .push(Refusal::new(key, format!("must be from {least} to {most} {what}, not {value}")));
            }
        };
        within("watchdog_every_s", self.watchdog_every_s, (10, 86_400), "seconds");
        within("history_days", self.history_days, (1, 3_650), "days");
        within("send_timeout_s", self.send_timeout_s, (1, 60), "seconds");
        refusals
    }

    /// How long a provider may take to answer, wall time.
    pub fn send_timeout(&self) -> Duration {
        Duration::from_secs(u64::from(self.send_timeout_s))
    }
}

/// Section `[telegram]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Telegram {
    allowed_users: BTreeSet<i64>,
}

impl Config {
    /// Reads the sections, adding what is wrong with them to the mistakes. No destination at all is a mistake: nothing
    /// would ever be told.
    pub fn read(document: &Document, mistakes: &mut Mistakes) -> Self {
        let config = Self::read_any(document, mistakes);
        let named = !document.items(destination::LIST).is_empty() || destination::is_in_environment(document);
        if config.destinations.is_empty() && !named {
            mistakes.push(destination::LIST, document.origin(destination::LIST), destination::NOBODY);
        }
        config
    }

    /// As [`Config::read`], but without a destination is no mistake: for who adds one, or looks only.
    pub fn read_any(document: &Document, mistakes: &mut Mistakes) -> Self {
        let telegram: Telegram = document.section("telegram", mistakes, |_| Vec::new());
        let mut policy: cascade_alerting::Config =
            document.section("dispatch", mistakes, cascade_alerting::Config::refusals);
        if document.origin("dispatch.market_symbols") == Origin::Default {
            policy.market_symbols = policy.market_symbols.min(whole_market(document));
        }
        let dispatch: Dispatch = document.section("dispatch", mistakes, Dispatch::refusals);
        let destinations = destination::read(document, mistakes);
        let simulated = Simulated::read(document, mistakes);
        let mut config = Self {
            redis_url: redis_url(document, mistakes),
            policy,
            dispatch,
            allowed_users: telegram.allowed_users,
            destinations,
            output: None,
        };
        if let Err(refusals) = config.dead_man() {
            for refusal in refusals {
                let key = "dispatch.dead_man_url";
                mistakes.push(key, document.origin(key), refusal.reason);
            }
        }
        let routes: Vec<Route> = config.targets().iter().map(|target| route(target, false)).collect();
        for refusal in config.policy.refusals_for(&routes) {
            let key = format!("dispatch.{}", refusal.key);
            // A destination that was refused is a destination all the same.
            let is_listed = document.items(destination::LIST).iter().any(|item| {
                item.table().get("name").and_then(toml::Value::as_str) == config.policy.escalation.as_deref()
            });
            if !is_listed {
                mistakes.push(key.clone(), document.origin(&key), refusal.reason);
            }
        }
        let is_demo = simulated.url().is_some();
        let key = if is_demo { "simulator.url" } else { "dispatch.stdout" };
        let added = match (is_demo, config.dispatch.stdout) {
            (true, _) => config.become_a_demos(simulated.notify),
            (false, true) => config.add_stdout(),
            (false, false) => Ok(()),
        };
        if let Err(reason) = added {
            mistakes.push(key, document.origin(key), reason);
        }
        config
    }

    /// Has a demo told, and nobody woken by it: only standard output is told, with `notify` also who is configured. Nothing
    /// of it is kept, and no watchdog runs.
    ///
    /// # Errors
    /// A destination that is none of this kind is called `stdout`.
    pub fn become_a_demos(&mut self, notify: bool) -> Result<(), String> {
        self.policy.demo = true;
        self.dispatch.history_path = String::new();
        self.dispatch.dead_man_url = String::new();
        if !notify {
            self.destinations.clear();
            self.policy.escalation = None;
        }
        self.add_stdout()
    }

    /// Adds the destination `stdout`, unless there is one of its kind.
    ///
    /// # Errors
    /// Another destination has that name.
    pub fn add_stdout(&mut self) -> Result<(), String> {
        const NAME: &str = "stdout";
        if self.destinations.iter().any(|target| target.destination.kind == Kind::Stdout) {
            return Ok(());
        }
        if self.destinations.iter().any(|target| target.destination.name == NAME) {
            return Err(format!(
                "a destination that is none of this kind is called `{NAME}`: call it otherwise"
            ));
        }
        let table = ["name", "kind"].into_iter().map(|key| (key.to_owned(), NAME.into())).collect();
        let refused = |refusals: Vec<Refusal>| {
            refusals.into_iter().map(|refusal| refusal.reason).collect::<Vec<_>>().join("; ")
        };
        let destination = Destination::read(&table, &|_| None).map_err(refused)?;
        self.destinations.push(Target::new(destination, &[]));
        Ok(())
    }

    /// The watchdog's own destination, if there is one.
    ///
    /// # Errors
    /// Its URL is none.
    pub fn dead_man(&self) -> Result<Option<Target>, Vec<Refusal>> {
        let url = &self.dispatch.dead_man_url;
        if url.is_empty() {
            return Ok(None);
        }
        let destination = Destination::dead_man(Secret::new(url.clone()))?;
        Ok(Some(Target::new(destination, std::slice::from_ref(url))))
    }

    /// Everybody who is told, the watchdog's own destination among them.
    pub(crate) fn targets(&self) -> Vec<Target> {
        let dead_man = self.dead_man().ok().flatten();
        self.destinations.iter().cloned().chain(dead_man).collect()
    }

    /// How the network is used.
    pub fn network(&self) -> Network {
        Network { timeout: self.dispatch.send_timeout() }
    }

    /// What the policy knows of these senders, in order.
    pub(crate) fn routes(senders: &[(Target, Sender)]) -> Vec<Route> {
        senders.iter().map(|(target, sender)| route(target, sender.can_edit())).collect()
    }
}

/// Cascades on how many symbols are of the whole market where that was not said: on all that are read, if they are few.
fn whole_market(document: &Document) -> u32 {
    // What is wrong with them, whoever reads them says.
    let markets = Markets::read(document, &mut Mistakes::default());
    match markets.symbols {
        Symbols::Named(symbols) => u32::try_from(symbols.len()).unwrap_or(u32::MAX).max(FEWEST),
        Symbols::All(_) => u32::MAX,
    }
}

fn route(target: &Target, can_edit: bool) -> Route {
    let destination = &target.destination;
    Route {
        name: destination.name.clone(),
        can_edit,
        minimum_priority: destination.minimum_priority,
        kinds: destination.kinds.clone(),
        symbols: destination.symbols.clone(),
        quiet_hours: destination.quiet_hours.clone(),
        is_watchdog: destination.kind == Kind::DeadMan,
    }
}
