//! `cascade status`: what runs on a Redis, how the feeds are, what the markets show now.
//!
//! The coordinator's library reads it, so that this shows what `GET /status` serves; here it is laid out for a terminal.
//! Times are shown as they stand there, in UTC: a demo's clock may run faster than the wall, so ages are shown only where
//! Redis' own clock tells them. Changes nothing.

mod dispatch;
mod system;

use std::collections::BTreeMap;
use std::io::{self, Write};

use cascade_bus::{Bus, BusError, BusSettings, RedisUrl};
use cascade_domain::{EventTime, Venue};
use cascade_service::{CommonArgs, SystemClock};
use cascade_wire::{FeedHealthReading, PollReading};
use coordinator::{Overview, Service};
use serde_json::{Map, Value};

use crate::columns::table;
use crate::words::{clock, duration, plain};

const EXAMPLES: &str = "\
Examples:
  cascade status
  cascade status --redis-url redis://db.example:6379
  cascade status --json | jq '.feeds'

Exit: 0 something runs, 1 nothing runs or Redis does not answer, 2 usage or configuration.";

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
    let overview = match read(redis).await {
        Ok(overview) => overview,
        Err(error) => {
            complain(&error.to_string());
            complain(&format!(
                "asked {redis}; start everything with `cascade up`, or name another: --redis-url URL"
            ));
            return 1;
        }
    };
    let text = if args.json { overview.json().to_string() } else { text(&overview) };
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

/// What stands on this Redis.
async fn read(redis: &RedisUrl) -> Result<Overview, BusError> {
    let bus = Bus::open(redis.as_str(), BusSettings::default())?;
    Overview::read(&bus, redis, &SystemClock::new()).await
}

/// The tables.
fn text(overview: &Overview) -> String {
    let mut text = format!("Redis {}\n", overview.redis) + &system::server(overview);
    let parts = [
        (
            "services",
            table(
                &["SERVICE", "INSTANCE", "VERSION", "UPTIME", "ENGINE", "SHARDS", "LAG"],
                service_rows(overview),
            ),
        ),
        (
            "feeds",
            table(
                &["FEED", "STATUS", "SINCE", "LAST DATA", "LIQUIDATIONS", "RECONNECTS", "READER", "REASON"],
                feed_rows(overview),
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
                poll_rows(overview),
            ),
        ),
        (
            "markets",
            table(
                &["MARKET", "AT", "RISK", "ORDERS 60 S", "LONGS 30 S", "SHORTS 30 S"],
                market_rows(overview),
            ),
        ),
    ];
    for (name, table) in parts {
        text.push('\n');
        let table = table.unwrap_or_else(|| format!("no {name}\n"));
        text.push_str(&table);
        if name == "services" {
            text.push_str(&mixture(overview));
            text.push_str(&system::troubles(overview));
            text.push_str(&system::engines(overview));
        }
    }
    let dispatch = dispatch::text(&overview.dispatch);
    if !dispatch.is_empty() {
        text.push('\n');
        text.push_str(&dispatch);
    }
    text
}

/// A line for each service whose replicas run different versions or configurations of its engine.
fn mixture(overview: &Overview) -> String {
    let mut shards: BTreeMap<&str, BTreeMap<String, u64>> = BTreeMap::new();
    for Service { name, heartbeat, .. } in &overview.services {
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

fn service_rows(overview: &Overview) -> Vec<Vec<String>> {
    let row = |Service { name, instance, heartbeat: h, .. }: &Service| {
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
    overview.services.iter().map(row).collect()
}

fn feed_rows(overview: &Overview) -> Vec<Vec<String>> {
    let row = |(venue, reading): (&Venue, &FeedHealthReading)| {
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
    overview.feeds.iter().map(row).collect()
}

fn poll_rows(overview: &Overview) -> Vec<Vec<String>> {
    let row = |(venue, reading): (&Venue, &PollReading)| {
        vec![
            venue.to_string(),
            reading.status.as_str().to_owned(),
            clock(reading.since_ms),
            reading.last_answer_ms.map_or_else(unknown, clock),
            reading.instruments.to_string(),
            reading.round_ms.map_or_else(unknown, |ms| format!("{}.{} s", ms / 1000, ms.abs() % 1000 / 100)),
            reading.away_until_ms.map_or_else(unknown, clock),
            if reading.reader.is_empty() { unknown() } else { plain(&reading.reader) },
            plain(&reading.reason),
        ]
    };
    overview.polls.iter().map(row).collect()
}

fn market_rows(overview: &Overview) -> Vec<Vec<String>> {
    let row = |(symbol, state): (&String, &Map<String, Value>)| {
        let at = state.get("event_time_ms").and_then(Value::as_i64).map(EventTime::from_ms);
        let usd = |field: &str| {
            let dollars = state.get(field).and_then(Value::as_f64).and_then(cascade_domain::Usd::from_f64);
            dollars.map_or_else(unknown, |usd| usd.to_string())
        };
        let risk =
            state.get("risk_score").and_then(Value::as_f64).map_or_else(unknown, |r| format!("{r:.0}"));
        let level = state.get("risk_level").and_then(Value::as_str).unwrap_or_default();
        let orders = state.get("count_60s").and_then(Value::as_u64).map_or_else(unknown, |n| n.to_string());
        let (longs, shorts) = (usd("usd_30s_long"), usd("usd_30s_short"));
        let risk = plain(&format!("{risk} {level}"));
        vec![plain(symbol), at.map_or_else(unknown, clock), risk, orders, longs, shorts]
    };
    overview.markets.iter().flatten().map(row).collect()
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
