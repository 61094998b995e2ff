//! How much memory oi-detector needs: a running program on a Redis of its own is told a day of open interest of many
//! markets on four venues, and says what it holds. The aim is less than 60 MB with 300 markets.
//!
//! `cargo build --release -p oi-detector && cargo run --release -p oi-detector --example memory -- [MARKETS [PROGRAM]]`
#![expect(clippy::disallowed_methods, clippy::print_stdout, reason = "a tool for the bench, not a service")]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use cascade_bus::{Bus, BusSettings, PortChoice, PrivateRedis, Stored, StreamBounds};
use cascade_domain::{
    Event, EventTime, FeedStatus, Feeds, Instrument, Mark, OpenInterest, Shard, Symbol, Tick, Venue,
};
use cascade_testkit::{Observer, eventually};
use cascade_wire::{EngineKeys, key};
use tokio::process::{Child, Command};

/// A whole minute in the past.
const START: i64 = 1_790_000_040_000;
/// A day, and how much of its end is told every five seconds; before, once a minute.
const DAY_S: i64 = 86_400;
const FINE_S: i64 = 1_800;
/// How far the program may be behind what is written, steps: what it reads at once is memory, too, and as it goes in
/// practice that is little.
const AHEAD: usize = 20;
/// How long it may take for that.
const PATIENCE: Duration = Duration::from_mins(10);
const BOUNDS: StreamBounds = StreamBounds { max_age_s: 600, max_len: 100_000, for_snapshots_s: 600 };
/// The aim, kB.
const AIM_KB: u64 = 60 * 1024;

/// One market and the place of its figures.
struct Market {
    symbol: Symbol,
    instrument: Instrument,
    number: i64,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let count: i64 = arguments.next().map_or(Ok(300), |text| text.parse())?;
    let program = arguments.next().map_or_else(beside_us, |path| Ok(PathBuf::from(path)))?;
    let redis = PrivateRedis::start(PortChoice::Free).await?;
    let bus = Bus::open(&redis.url(), BusSettings::default())?;
    let observer = Observer::connect(&redis.url(), &[]).await?;
    let child = start(&program, &redis.url())?;
    let pid = child.id().ok_or("it ended by itself")?;
    let owned = async || bus.owners("oi").await.is_ok_and(|owners| owners.iter().flatten().count() == 64);
    if !eventually(PATIENCE, owned).await {
        return Err("it takes no shards".into());
    }
    println!("{} with {count} markets on {} venues", program.display(), Venue::ALL.len());
    println!("before: {}", memory(pid)?);
    let markets = markets(count)?;
    let began = Instant::now();
    let mut samples = 0_usize;
    let fine_from = DAY_S - FINE_S;
    let steps = (0..fine_from).step_by(60).chain((fine_from..=DAY_S).step_by(5));
    for (step, second) in steps.enumerate() {
        samples += write(&bus, &markets, second).await?;
        if step % AHEAD == 0 {
            caught_up(&bus, &observer).await?;
        }
        if second % 3_600 == 0 {
            println!("{:>2} h: {}", second / 3600, memory(pid)?);
        }
    }
    caught_up(&bus, &observer).await?;
    println!("{samples} samples in {:.0} s", began.elapsed().as_secs_f64());
    let mut snapshots = 0;
    for shard in Shard::all() {
        let keys = EngineKeys::of(shard, "oi");
        snapshots += observer.command::<u64>("STRLEN", &[&keys.state]).await?;
    }
    println!(
        "snapshots on Redis: {} kB; it tells changes over {}",
        snapshots / 1024,
        spans(&observer, &markets).await?
    );
    println!("after: {}", memory(pid)?);
    let peak_kb = figure(pid, "VmHWM")?;
    drop(child);
    if peak_kb > AIM_KB {
        return Err(format!("{peak_kb} kB are more than {AIM_KB} kB").into());
    }
    Ok(())
}

/// The program that was built beside this example.
fn beside_us() -> Result<PathBuf, Box<dyn Error>> {
    let example = std::env::current_exe()?;
    let folder = example.parent().and_then(Path::parent).ok_or("no folder of programs")?;
    Ok(folder.join("oi-detector"))
}

/// The program on this Redis, led to exchanges where nobody listens; killed when dropped.
fn start(program: &Path, redis_url: &str) -> std::io::Result<Child> {
    let nowhere = "http://127.0.0.1:9";
    let mut command = Command::new(program);
    command.args(["--redis-url", redis_url, "--health-addr", "127.0.0.1:0"]);
    for venue in Venue::ALL {
        command.env(format!("CASCADE_VENUES__{}__REST_URL", venue.as_str().to_uppercase()), nowhere);
    }
    command
        .env("CASCADE_VENUES__BINANCE__COINM_REST_URL", nowhere)
        .env("CASCADE_SERVICE__LOG_LEVEL", "error");
    command.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true).spawn()
}

fn markets(count: i64) -> Result<Vec<Market>, Box<dyn Error>> {
    let market = |number: i64| {
        let name = if number == 0 { "BTCUSDT".to_owned() } else { format!("K{number:03}USDT") };
        Ok(Market { symbol: Symbol::parse(&name)?, instrument: Instrument::parse(&name)?, number })
    };
    (0..count).map(market).collect()
}

/// Writes what is told of one second, a shard's in one entry; how many samples that were.
async fn write(bus: &Bus, markets: &[Market], second: i64) -> Result<usize, Box<dyn Error>> {
    let at = EventTime::from_ms(START + second * 1000);
    let mut samples = 0;
    let mut batches = Vec::new();
    for shard in Shard::all() {
        let mut events = Vec::new();
        for market in markets.iter().filter(|market| Shard::of(&market.symbol) == shard) {
            for (place, venue) in (0..).zip(Venue::ALL) {
                events.push(sample(market, (place, venue), second, at));
                events.push(mark(market, venue, at));
                samples += 1;
            }
        }
        events.push(Event::Tick(Tick {
            event_time_ms: at,
            btc_price: Some(80_000.0),
            btc_usd_volume_1s: None,
            btc_venues_changed: false,
            feeds: Venue::ALL.into_iter().map(|venue| (venue, FeedStatus::Live)).collect::<Feeds>(),
        }));
        let stored: Result<Vec<_>, _> = events.iter().map(|event| Stored::event(event, 120)).collect();
        batches.push((shard, stored?));
    }
    let slices: Vec<_> = batches.iter().map(|(shard, stored)| (*shard, stored.as_slice())).collect();
    for stored in bus.store_many(&slices, BOUNDS).await? {
        stored?;
    }
    Ok(samples)
}

/// A market's open interest wanders, so that no two points of its grids are alike.
#[expect(clippy::cast_precision_loss, reason = "seconds and small numbers")]
fn sample(market: &Market, (place, venue): (i64, Venue), second: i64, at: EventTime) -> Event {
    let wave = ((second + market.number * 977 + place * 131) as f64 / 700.0).sin();
    let coins = 1_000_000.0 * (place + 1) as f64 * (1.0 + 0.01 * wave) + second as f64 / 7.0;
    Event::OpenInterest(OpenInterest {
        venue,
        symbol: market.symbol,
        instrument: market.instrument,
        coins: Some(coins),
        usd: None,
        inverse: false,
        event_time_ms: Some(at),
        published_at_ms: Some(at),
        known_at_ms: Some(at),
    })
}

fn mark(market: &Market, venue: Venue, at: EventTime) -> Event {
    Event::Mark(Mark {
        venue,
        symbol: market.symbol,
        instrument: market.instrument,
        mark_price: Some(25.0),
        index_price: None,
        funding_rate: Some(0.0001),
        funding_interval_h: Some(8.0),
        next_funding_time_ms: None,
        event_time_ms: Some(at),
        known_at_ms: Some(at),
    })
}

/// Waits until all that was written is read and put out.
async fn caught_up(bus: &Bus, observer: &Observer) -> Result<(), Box<dyn Error>> {
    let all: Vec<Shard> = Shard::all().collect();
    let out = async || {
        let Ok(newest) = bus.newest(&all).await else { return false };
        for (shard, newest) in all.iter().zip(newest) {
            let keys = EngineKeys::of(*shard, "oi");
            let cursor = observer.command::<Option<String>>("GET", &[&keys.cursor]).await.ok().flatten();
            if !newest.is_ok_and(|newest| newest.map(|id| id.to_string()) == cursor) {
                return false;
            }
        }
        true
    };
    if eventually(PATIENCE, out).await { Ok(()) } else { Err("it does not catch up".into()) }
}

/// The spans over which the first market's change is known at the end of the day.
async fn spans(observer: &Observer, markets: &[Market]) -> Result<String, Box<dyn Error>> {
    let shown = markets.first().map(|market| key::open_interest_change(&market.symbol)).unwrap_or_default();
    let mut spans = Vec::new();
    let is_known = eventually(PATIENCE, async || {
        let Ok(Some(told)) = observer.reading(&shown).await else { return false };
        spans = told["spans"].as_object().map(|spans| spans.keys().cloned().collect()).unwrap_or_default();
        told["event_time_ms"] == START + DAY_S * 1000
    });
    if is_known.await { Ok(spans.join(", ")) } else { Err("it shows nothing of the end".into()) }
}

/// What the kernel says of the process's memory.
fn memory(pid: u32) -> Result<String, Box<dyn Error>> {
    let megabytes = |kilobytes: u64| format!("{}.{} MB", kilobytes / 1024, kilobytes % 1024 * 10 / 1024);
    let (now, peak) = (figure(pid, "VmRSS")?, figure(pid, "VmHWM")?);
    Ok(format!("{} resident, {} at most", megabytes(now), megabytes(peak)))
}

/// A figure of `/proc/PID/status`, kB.
fn figure(pid: u32, name: &str) -> Result<u64, Box<dyn Error>> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let number = line.and_then(|line| line.split_whitespace().next()).ok_or("no such figure")?;
    Ok(number.parse()?)
}
