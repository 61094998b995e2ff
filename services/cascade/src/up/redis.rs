//! The Redis of `up`: the one that was named or answers, else a private one that ends with the process.

use cascade_bus::{Bus, BusError, BusSettings, PortChoice, PrivateRedis, RedisUrl, Write};
use cascade_domain::EventTime;
use cascade_service::BoxError;
use cascade_service::config::{Document, Origin as Given};
use cascade_wire::key;

use crate::words;

/// An engine refuses ticks that are older than the last it heard. So much may clocks differ.
const MOST_AHEAD_MS: i64 = 60_000;
/// Longer than any demo, seconds.
const FOR_EVER_S: u32 = 10 * 365 * 24 * 3_600;

/// Where what is written into it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Live exchanges.
    Live,
    /// Simulated exchanges that the configuration names.
    Simulated,
    /// Simulated exchanges of this process.
    Demo,
}

/// Which Redis was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    url: RedisUrl,
    named: bool,
    named_by_flag: bool,
}

/// The Redis that is used.
#[derive(Debug)]
pub(crate) struct Redis {
    pub(crate) url: RedisUrl,
    server: Option<PrivateRedis>,
}

impl Wish {
    pub(crate) fn new(url: RedisUrl, document: &Document) -> Self {
        let given = document.origin("redis.url");
        Self { url, named: given != Given::Default, named_by_flag: matches!(given, Given::Flag(_)) }
    }

    /// Finds or starts it. A demo never writes into a Redis that was not given to it: by flag, or where the configuration
    /// names simulated exchanges there too. What is live never reads one that is a demo's: nobody is to be woken by what
    /// that plays.
    ///
    /// # Errors
    /// The one that was named does not answer; one that answers can't be used, or was used by a faster clock; or no
    /// private one can be started.
    pub(crate) async fn fulfil(self, origin: Origin, now: EventTime) -> Result<Redis, BoxError> {
        let demo = origin != Origin::Live;
        let named = if origin == Origin::Demo { self.named_by_flag } else { self.named };
        if named || !demo {
            let bus = Bus::open(self.url.as_str(), BusSettings::default())?;
            match bus.ready().await {
                Ok(()) if !demo && bus.get(key::DEMO).await?.is_some() => {
                    if named {
                        return Err(of_a_demo(&self.url).into());
                    }
                }
                Ok(()) => {
                    self.refuse_the_future(bus.newest_tick().await?, now)?;
                    return Ok(Redis { url: self.url, server: None });
                }
                Err(error) if !named && error.is_transient() => {}
                Err(error) => {
                    return Err(format!("{}: {error}; {}", self.url, way_out(&error, named)).into());
                }
            }
        }
        let server = PrivateRedis::start(PortChoice::Default6379IfFree).await?;
        let url = RedisUrl::parse(&server.url())?;
        if demo {
            let bus = Bus::open(url.as_str(), BusSettings::default())?;
            let mark = Write::Json { key: key::DEMO.to_owned(), json: "true".to_owned(), ttl_s: FOR_EVER_S };
            bus.write_readings(&[mark]).await?;
        }
        Ok(Redis { url, server: Some(server) })
    }

    fn refuse_the_future(&self, newest_tick: Option<EventTime>, now: EventTime) -> Result<(), String> {
        let ahead_ms = newest_tick.map_or(0, |tick| tick.since(now));
        if ahead_ms <= MOST_AHEAD_MS {
            return Ok(());
        }
        let ahead = words::duration(ahead_ms.unsigned_abs() / 1000);
        Err(format!(
            "{} holds ticks that are {ahead} ahead of the clock, left by a demo with --speed: what comes now would be \
             refused as old. Name another Redis with --redis-url, let a demo have a private one by leaving that out, \
             or delete the streams `{{sNN}}:market` there",
            self.url
        ))
    }
}

fn of_a_demo(url: &RedisUrl) -> String {
    format!("{url} belongs to a demo that runs, or ran minutes ago: end it, or name another with --redis-url")
}

const fn way_out(error: &BusError, named: bool) -> &'static str {
    match (error.is_transient(), named) {
        (true, _) => "start it, or leave it out to get a private one",
        (false, true) => "name another, or leave it out to get a private one",
        (false, false) => "name another: --redis-url URL",
    }
}

impl Redis {
    /// How a person reaches it from another terminal.
    pub(crate) fn hint(&self) -> String {
        match &self.server {
            Some(server) if server.port() == 6379 => "redis-cli".to_owned(),
            Some(server) => format!("redis-cli -p {}", server.port()),
            None => format!("redis-cli -u {}", self.url),
        }
    }

    /// Whether it ends with this process.
    pub(crate) const fn is_private(&self) -> bool {
        self.server.is_some()
    }

    /// Waits until a private server ends by itself, and says how; for ever if it is not ours.
    pub(crate) async fn ended(&mut self) -> String {
        match &mut self.server {
            Some(server) => server.ended().await,
            None => std::future::pending().await,
        }
    }

    /// Ends a private server.
    pub(crate) async fn stop(mut self) {
        if let Some(server) = &mut self.server
            && let Err(error) = server.stop().await
        {
            tracing::warn!(%error, "the private redis-server");
        }
    }
}
