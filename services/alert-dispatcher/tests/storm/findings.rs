//! What rains down: findings of every kind over many symbols, each known when it is put out, and put out once whatever
//! becomes of Redis.

use cascade_testkit::Random;
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cascade_bus::{Batch, Bus, Claim, Commit, Owned, StreamId};
use cascade_domain::{EventTime, Finding, Id, IdHasher, Shard};
use cascade_wire::{encode_finding, finding_from_json};
use serde_json::{Value, json};

use crate::Failure;

/// The engine in whose name they are put out.
const ENGINE: &str = "cascade";
/// How long a Redis that errs is left alone.
const RETRY: Duration = Duration::from_millis(50);
const VENUES: [&str; 4] = ["binance", "bybit", "okx", "hyperliquid"];

/// Wall time.
#[expect(
    clippy::disallowed_methods,
    reason = "findings are as old as they are for the dispatchers, on the wall"
)]
pub(crate) fn now() -> EventTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    EventTime::from_ms(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Makes findings.
#[derive(Debug)]
pub(crate) struct Rain {
    random: Random,
    symbols: usize,
    number: u64,
    /// How far each symbol's cascade and open interest, and each feed, are in their episodes.
    steps: BTreeMap<(&'static str, usize), u64>,
}

impl Rain {
    pub(crate) const fn new(seed: u64, symbols: usize) -> Self {
        Self { random: Random::new(seed), symbols, number: 0, steps: BTreeMap::new() }
    }

    /// The next finding, known now.
    pub(crate) fn next(&mut self) -> Result<Finding, Failure> {
        self.number += 1;
        let subject = self.random.below(self.symbols);
        let text = match self.random.below(20) {
            0 => self.feed(),
            1..=3 => self.interest(subject)?,
            4..=10 => self.cascade(subject)?,
            _ => self.large(subject),
        };
        Ok(finding_from_json(&text.to_string())?)
    }

    fn id(&self, what: &str) -> Value {
        let number = i64::try_from(self.number).unwrap_or(i64::MAX);
        json!(IdHasher::new(what).int(number).finish())
    }

    /// The step of an episode that this is, and the episode's number.
    fn step(&mut self, kind: &'static str, subject: usize, steps: u64) -> (u64, u64) {
        let step = self.steps.entry((kind, subject)).or_default();
        let at = *step;
        *step += 1;
        (at % steps, at / steps)
    }

    fn large(&mut self, subject: usize) -> Value {
        let times = 1 + self.random.below(8);
        json!({
            "finding": "large_liquidation", "v": 1, "id": self.id("storm large"), "symbol": symbol(subject),
            "venue": "okx", "instrument": "BTC-USDT-SWAP", "direction": "short", "price": 82340.1, "feeds": {},
            "notional_usd": 1e6 * f64::from(u32::try_from(times).unwrap_or(1)) + 1.0, "threshold_usd": 1e6,
            "engine": "storm", "event_time_ms": now(), "known_at_ms": now(),
        })
    }

    fn cascade(&mut self, subject: usize) -> Result<Value, Failure> {
        let (step, episode) = self.step("cascade", subject, 3);
        let (state, level, previous) = match step {
            0 => ("level", "ALERT", "WATCH"),
            1 => ("level", "CRITICAL", "ALERT"),
            _ => ("resolved", "NONE", "CRITICAL"),
        };
        let mut changes = json!({
            "id": self.id("storm cascade"), "episode": episode_of("cascade", subject, episode),
            "revision": step + 1, "state": state, "level": level, "previous_level": previous,
            "symbol": symbol(subject), "known_at_ms": now(),
        });
        if step == 2 {
            let over = json!({
                "reasons": [], "peak_level": "CRITICAL", "orders": 950, "notional_usd": 88e6, "long_share": 0.97,
                "duration_ms": 64_000, "price_change": -0.041,
            });
            changed(&mut changes, over);
        }
        finding(include_str!("cascade.json"), changes)
    }

    fn interest(&mut self, subject: usize) -> Result<Value, Failure> {
        let (step, episode) = self.step("interest", subject, 2);
        let mut changes = json!({
            "id": self.id("storm interest"), "episode": episode_of("interest", subject, episode),
            "revision": step + 1, "state": if step == 0 { "open" } else { "resolved" },
            "symbol": symbol(subject), "known_at_ms": now(),
        });
        if step == 1 {
            changed(&mut changes, json!({ "peak_change_pct": 18.0, "duration_ms": 60_000 }));
        }
        finding(include_str!("interest.json"), changes)
    }

    fn feed(&mut self) -> Value {
        let venue = self.random.below(VENUES.len());
        let (step, _) = self.step("feed", venue, 2);
        let venue = VENUES[venue];
        let (state, status) = if step == 0 { ("open", "dead") } else { ("resolved", "live") };
        let mut feed = json!({
            "finding": "feed", "v": 1, "id": self.id("storm feed"), "state": state, "scope": format!("feed:{venue}"),
            "venue": venue, "status": status, "since_ms": now(), "reason": "storm", "feeds": {},
            "known_at_ms": now(),
        });
        if step == 1 {
            changed(&mut feed, json!({ "out_ms": 1000 }));
        }
        feed
    }
}

fn symbol(number: usize) -> String {
    format!("SYM{number:03}USDT")
}

fn episode_of(kind: &str, subject: usize, episode: u64) -> Id {
    let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let subject = u64::try_from(subject).unwrap_or(u64::MAX);
    IdHasher::new(kind).int(number(subject)).int(number(episode)).finish()
}

fn changed(value: &mut Value, changes: Value) {
    if let (Some(value), Value::Object(changes)) = (value.as_object_mut(), changes) {
        value.extend(changes);
    }
}

fn finding(text: &str, changes: Value) -> Result<Value, Failure> {
    let mut finding: Value = serde_json::from_str(text)?;
    changed(&mut finding, changes);
    Ok(finding)
}

/// Puts findings out as an engine does: each shard's in order, once.
#[derive(Debug)]
pub(crate) struct Gutter {
    bus: Bus,
    shards: BTreeMap<Shard, (u64, StreamId)>,
}

impl Gutter {
    /// Takes every shard.
    pub(crate) async fn take(bus: &Bus) -> Result<Self, Failure> {
        let claim = Claim { engine: ENGINE.to_owned(), owner: "storm".to_owned(), ttl_ms: 600_000 };
        let all: Vec<Shard> = Shard::all().collect();
        let mut shards = BTreeMap::new();
        for (shard, taken) in all.iter().zip(bus.take(&claim, &all).await) {
            let Owned { epoch, cursor, .. } = taken?.ok_or("a shard is somebody else's")?;
            shards.insert(*shard, (epoch, cursor.unwrap_or_default()));
        }
        Ok(Self { bus: bus.clone(), shards })
    }

    /// Puts these out, and tries until it is known that they are.
    pub(crate) async fn put_out(&mut self, findings: &[Finding]) -> Result<(), Failure> {
        let mut of_shard: BTreeMap<Shard, Vec<Vec<u8>>> = BTreeMap::new();
        for finding in findings {
            let shard = match (finding.symbol(), finding) {
                (Some(symbol), _) => Shard::of(symbol),
                (None, Finding::Feed(feed)) => Shard::of_scope(&feed.scope),
                (None, _) => return Err("a finding without a symbol".into()),
            };
            of_shard.entry(shard).or_default().push(encode_finding(finding)?);
        }
        for (shard, durable) in of_shard {
            let (epoch, from) = self.shards.get(&shard).copied().ok_or("a shard that is not ours")?;
            let to = StreamId { ms: from.ms + 1, seq: 0 };
            let batch = Batch { shard, epoch, from, to, durable, publish: Vec::new(), state: None };
            loop {
                match self.bus.commit(ENGINE, &batch).await {
                    Ok(Commit::Done | Commit::AlreadyDone) => break,
                    Ok(other) => return Err(format!("a commit was {}", other.label()).into()),
                    Err(_) => tokio::time::sleep(RETRY).await,
                }
            }
            self.shards.insert(shard, (epoch, to));
        }
        Ok(())
    }
}
