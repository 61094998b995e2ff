//! `cascade status`: what runs on a Redis, how the feeds are, what the markets show now.
//!
//! Reads the heartbeats and read-models that the services write and believes them, as long as there is who writes them.
//! Times are shown as they stand there, in UTC: a demo's clock may run faster than the wall, so no age is shown. Changes
//! nothing.

mod dispatch;

use std::collections::BTreeMap;
use std::io::{self, Write};

use cascade_bus::{Bus, BusError, BusSettings, RedisUrl};
use cascade_domain::{EventTime, FeedStatus, Venue};
use cascade_pace::Clock;
use cascade_service::{CommonArgs, SystemClock};
use cascade_wire::{FeedHealthReading, Heartbeat, PollReading, key};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::columns::table;
use crate::words::{clock, duration, plain};

const EXAMPLES: &str = "\
Examples:
  cascade status
  cascade status --redis-url redis://db.example:6379
  cascade status --json | jq '.feeds'

Exit: 0 something runs, 1 nothing runs or Redis does not answer, 2 usage or configuration.";

/// What a poller says is old after so many milliseconds: it writes every two seconds.
const OLD_MS: i64 = 15_000;

/// The flags of `cascade status`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct StatusArgs {
    /// Print everything as one JSON object
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

/// Prints what runs. Returns the exit code: 0; 1 if nothing runs, Redis does not answer or stdout fails.
pub(crate) async fn run(args: &StatusArgs, redis: &RedisUrl) -> u8 {
    let overview = match Overview::read(redis).await {
        Ok(overview) => overview,
        Err(error) => {
            complain(&error.to_string());
            complain(&format!(
                "asked {redis}; start everything with `cascade up`, or name another: --redis-url URL"
            ));
            return 1;
        }
    };
    let text = if args.json { overview.json().to_string() } else { overview.text() };
    match writeln!(io::stdout(), "{}", text.trim_end()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            complain(&format!("can't write to stdout: {error}"));
            return 1;
        }
        _ => {}
    }
    for (key, reason) in &overview.unreadable {
        complain(&format!("unreadable at {}: {}", plain(key), plain(reason)));
    }
    if overview.services.is_empty() {
        complain(&format!("nothing runs on {}; start everything with `cascade up`", overview.redis));
        return 1;
    }
    0
}

/// All that is shown.
#[derive(Debug)]
struct Overview {
    /// The Redis, without its secrets.
    redis: String,
    services: Vec<Service>,
    feeds: Vec<(Venue, FeedHealthReading)>,
    /// Those that are asked over REST for their open interest.
    polls: Vec<(Venue, PollReading)>,
    dispatch: dispatch::Dispatch,
    /// Each symbol with its state, as it stands on Redis.
    markets: Vec<(String, Map<String, Value>)>,
    /// Keys that could not be read, and why.
    unreadable: Vec<(String, String)>,
}

#[derive(Debug)]
struct Service {
    name: String,
    instance: String,
    heartbeat: Heartbeat,
}

impl Overview {
    async fn read(redis: &RedisUrl) -> Result<Self, BusError> {
        let bus = Bus::open(redis.as_str(), BusSettings::default())?;
        bus.ready().await?;
        let mut unreadable = Vec::new();
        let heartbeats = values(&bus, bus.scan(key::HEARTBEATS).await?, &mut unreadable).await?;
        let feeds = of_venues(&bus, key::feed_health, &mut unreadable).await?;
        let mut polls = of_venues(&bus, key::poll_health, &mut unreadable).await?;
        let markets = values(&bus, bus.scan(key::VELOCITIES).await?, &mut unreadable).await?;
        let dispatch = dispatch::Dispatch::read(&bus, &mut unreadable).await?;
        let services: Vec<Service> =
            heartbeats.into_iter().filter_map(|(key, heartbeat)| Service::of(&key, heartbeat)).collect();
        let now = SystemClock::new().now();
        for (_, reading) in &mut polls {
            doubt(reading, &services, now);
        }
        Ok(Self {
            redis: redis.to_string(),
            services,
            feeds,
            polls,
            dispatch,
            markets: markets.into_iter().filter_map(|(key, state)| Some((symbol(&key)?, state))).collect(),
            unreadable,
        })
    }

    fn json(&self) -> Value {
        let services: Vec<Value> = self
            .services
            .iter()
            .map(|Service { name, instance, heartbeat: h }| {
                let mut map = Map::from_iter([
                    ("name".to_owned(), json!(name)),
                    ("instance".to_owned(), json!(instance)),
                    ("version".to_owned(), json!(h.version)),
                    ("uptime_s".to_owned(), json!(h.uptime_s)),
                ]);
                if let Some(engine) = &h.engine {
                    map.insert("engine".to_owned(), json!(engine.engine));
                    map.insert("shards_owned".to_owned(), json!(engine.shards_owned));
                    map.extend(engine.lag_ms.map(|lag| ("lag_ms".to_owned(), json!(lag))));
                }
                Value::Object(map)
            })
            .collect();
        let feeds: Map<String, Value> =
            self.feeds.iter().map(|(venue, reading)| (venue.to_string(), json!(reading))).collect();
        let polls: Map<String, Value> =
            self.polls.iter().map(|(venue, reading)| (venue.to_string(), json!(reading))).collect();
        let markets: Map<String, Value> =
            self.markets.iter().cloned().map(|(s, m)| (s, Value::Object(m))).collect();
        json!({
            "redis": self.redis,
            "services": services,
            "feeds": feeds,
            "polls": polls,
            "dispatch": self.dispatch.json(),
            "velocity": markets,
        })
    }

    fn text(&self) -> String {
        let mut text = format!("Redis {}\n", self.redis);
        let parts = [
            (
                "services",
                table(
                    &["SERVICE", "INSTANCE", "VERSION", "UPTIME", "ENGINE", "SHARDS", "LAG"],
                    self.service_rows(),
                ),
            ),
            (
                "feeds",
                table(
                    &[
                        "FEED",
                        "STATUS",
                        "SINCE",
                        "LAST DATA",
                        "LIQUIDATIONS",
                        "RECONNECTS",
                        "READER",
                        "REASON",
                    ],
                    self.feed_rows(),
                ),
            ),
            (
                "pollers of open interest",
                table(
                    &[
                        "POLLER",
                        "STATUS",
                        "SINCE",
                        "LAST ANSWER",
                        "INSTRUMENTS",
                        "ROUND",
                        "AWAY UNTIL",
                        "READER",
                        "REASON",
                    ],
                    self.poll_rows(),
                ),
            ),
            (
                "markets",
                table(
                    &["MARKET", "AT", "RISK", "ORDERS 60 S", "LONGS 30 S", "SHORTS 30 S"],
                    self.market_rows(),
                ),
            ),
        ];
        for (name, table) in parts {
            text.push('\n');
            let table = table.unwrap_or_else(|| format!("no {name}\n"));
            text.push_str(&table);
            if name == "services" {
                text.push_str(&self.mixture());
            }
        }
        let dispatch = self.dispatch.text();
        if !dispatch.is_empty() {
            text.push('\n');
            text.push_str(&dispatch);
        }
        text
    }

    /// A line for each service whose replicas run different versions or configurations of its engine.
    fn mixture(&self) -> String {
        let mut shards: BTreeMap<&str, BTreeMap<String, u64>> = BTreeMap::new();
        for Service { name, heartbeat, .. } in &self.services {
            if let Some(engine) = &heartbeat.engine {
                let of_service = shards.entry(name).or_default();
                *of_service.entry(plain(&engine.engine)).or_default() += engine.shards_owned;
            }
        }
        let mixed = shards.into_iter().filter(|(_, engines)| engines.len() > 1);
        let line = |(name, engines): (&str, BTreeMap<String, u64>)| {
            let parts: Vec<_> =
                engines.iter().map(|(engine, shards)| format!("{engine} on {shards} shards")).collect();
            format!("{} runs as {}: replace the older ones\n", plain(name), parts.join(", "))
        };
        mixed.map(line).collect()
    }

    fn service_rows(&self) -> Vec<Vec<String>> {
        let row = |Service { name, instance, heartbeat: h }: &Service| {
            let lag_ms = h.engine.as_ref().and_then(|engine| engine.lag_ms);
            vec![
                plain(name),
                plain(instance),
                plain(&h.version),
                duration(h.uptime_s),
                h.engine.as_ref().map_or_else(unknown, |engine| plain(&engine.engine)),
                h.engine.as_ref().map_or_else(unknown, |engine| engine.shards_owned.to_string()),
                lag_ms.map_or_else(unknown, |lag| format!("{lag} ms")),
            ]
        };
        self.services.iter().map(row).collect()
    }

    fn feed_rows(&self) -> Vec<Vec<String>> {
        let row = |(venue, reading): &(Venue, FeedHealthReading)| {
            vec![
                venue.to_string(),
                reading.status.as_str().to_owned(),
                clock(reading.since_ms),
                reading.last_frame_ms.map_or_else(unknown, clock),
                reading.liquidations.to_string(),
                reading.reconnects.to_string(),
                if reading.reader.is_empty() { unknown() } else { plain(&reading.reader) },
                plain(&reading.reason),
            ]
        };
        self.feeds.iter().map(row).collect()
    }

    fn poll_rows(&self) -> Vec<Vec<String>> {
        let row = |(venue, reading): &(Venue, PollReading)| {
            vec![
                venue.to_string(),
                reading.status.as_str().to_owned(),
                clock(reading.since_ms),
                reading.last_answer_ms.map_or_else(unknown, clock),
                reading.instruments.to_string(),
                reading
                    .round_ms
                    .map_or_else(unknown, |ms| format!("{}.{} s", ms / 1000, ms.abs() % 1000 / 100)),
                reading.away_until_ms.map_or_else(unknown, clock),
                if reading.reader.is_empty() { unknown() } else { plain(&reading.reader) },
                plain(&reading.reason),
            ]
        };
        self.polls.iter().map(row).collect()
    }

    fn market_rows(&self) -> Vec<Vec<String>> {
        let row = |(symbol, state): &(String, Map<String, Value>)| {
            let at = state.get("event_time_ms").and_then(Value::as_i64).map(EventTime::from_ms);
            let usd = |field: &str| {
                let dollars =
                    state.get(field).and_then(Value::as_f64).and_then(cascade_domain::Usd::from_f64);
                dollars.map_or_else(unknown, |usd| usd.to_string())
            };
            let risk =
                state.get("risk_score").and_then(Value::as_f64).map_or_else(unknown, |r| format!("{r:.0}"));
            let level = state.get("risk_level").and_then(Value::as_str).unwrap_or_default();
            let orders =
                state.get("count_60s").and_then(Value::as_u64).map_or_else(unknown, |n| n.to_string());
            let (longs, shorts) = (usd("usd_30s_long"), usd("usd_30s_short"));
            let risk = plain(&format!("{risk} {level}"));
            vec![plain(symbol), at.map_or_else(unknown, clock), risk, orders, longs, shorts]
        };
        self.markets.iter().map(row).collect()
    }
}

impl Service {
    /// From the key `service:NAME:INSTANCE`.
    fn of(key: &str, heartbeat: Heartbeat) -> Option<Self> {
        let (name, instance) = key.strip_prefix("service:")?.split_once(':')?;
        Some(Self { name: name.to_owned(), instance: instance.to_owned(), heartbeat })
    }
}

/// Makes of a reading that nobody renews any more one that says so: it stands a day. Where the wall's clock can't tell,
/// because a demo's is ahead of it, it tells that its writer is gone.
fn doubt(reading: &mut PollReading, services: &[Service], now: EventTime) {
    let has_writer = services.iter().any(|service| service.instance == reading.reader);
    if now.since(reading.told_ms) > OLD_MS || !has_writer {
        if reading.status != FeedStatus::Stale {
            (reading.status, reading.since_ms) = (FeedStatus::Stale, reading.told_ms);
        }
        reading.reason = format!("nobody asks it since {}", clock(reading.told_ms));
    }
}

/// What stands at each venue's key.
async fn of_venues<T: DeserializeOwned>(
    bus: &Bus,
    key: fn(Venue) -> String,
    unreadable: &mut Vec<(String, String)>,
) -> Result<Vec<(Venue, T)>, BusError> {
    let found = values(bus, Venue::ALL.into_iter().map(key).collect(), unreadable).await?;
    let venue = |name: &str| Venue::ALL.into_iter().find(|venue| key(*venue) == name);
    Ok(found.into_iter().filter_map(|(name, reading)| Some((venue(&name)?, reading))).collect())
}

/// The symbol in `velocity:SYMBOL:current`.
fn symbol(key: &str) -> Option<String> {
    Some(key.strip_prefix("velocity:")?.strip_suffix(":current")?.to_owned())
}

/// What stands at these keys; what is gone is left out, what is no such reading is named in `unreadable`.
async fn values<T: DeserializeOwned>(
    bus: &Bus,
    keys: Vec<String>,
    unreadable: &mut Vec<(String, String)>,
) -> Result<Vec<(String, T)>, BusError> {
    let mut found = Vec::new();
    let texts = bus.get_many(&keys).await?;
    for (key, text) in keys.into_iter().zip(texts) {
        match text.map(|text| serde_json::from_str(&text)) {
            Some(Ok(value)) => found.push((key, value)),
            Some(Err(error)) => unreadable.push((key, error.to_string())),
            None => {}
        }
    }
    Ok(found)
}

fn unknown() -> String {
    "-".to_owned()
}

/// A line about what is wrong; if nobody reads it, the exit code still tells.
fn complain(text: &str) {
    writeln!(io::stderr(), "cascade status: {text}").ok();
}

#[cfg(test)]
mod tests;
