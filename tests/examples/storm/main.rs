//! Ten minutes of more than any day has brought, into one ingest: does anything get lost, and what does it take?
//!
//! `make storm ARGS='--seconds 60'`. Starts a private redis-server, the simulated exchanges and liquidation-ingest, each
//! a process of its own from this build's release directory; counts what arrives in the streams while it is there; then
//! compares it with what the exchanges say they published. `--signals` has cascade-signals read along; `--redis-mb N` is
//! Redis' `maxmemory` (512; 0 = none). Settings may be given by environment (`CASCADE_INGEST__...`). Exit 0 = nothing
//! lost, told twice or dropped; 1 = something was.

mod exchanges;
mod program;
mod report;
mod stored;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use cascade_bus::{Bus, BusSettings};
use cascade_domain::Venue;
use cascade_testkit::{Observer, TestRedis, eventually};

use exchanges::{BEFORE_S, Exchanges};
use program::{Metrics, Service};
use report::{Account, Sample, Told};
use stored::Reading;

/// Whatever goes wrong with the measuring itself.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Between two samples.
const BEAT: Duration = Duration::from_secs(10);
/// From the scenario's beginning to the first sample: half a second later everybody is at the full pace.
const BEFORE: Duration = Duration::from_millis(BEFORE_S * 1000 + 500);
/// How long the feeds may take to come up, and what was published to arrive.
const PATIENCE: Duration = Duration::from_mins(2);
/// How long the last topics may take to be subscribed to when the first of every market has delivered.
const SETTLE: Duration = Duration::from_secs(10);
/// Instruments of which every venue must have told a mark before the storm begins.
const INSTRUMENTS: usize = 300;

struct Arguments {
    seconds: u64,
    signals: bool,
    redis_mb: u32,
}

impl Arguments {
    fn read(mut words: impl Iterator<Item = String>) -> Result<Self, Failure> {
        let mut arguments = Self { seconds: 600, signals: false, redis_mb: 512 };
        while let Some(word) = words.next() {
            match word.as_str() {
                "--seconds" => arguments.seconds = words.next().ok_or("--seconds needs a number")?.parse()?,
                "--redis-mb" => {
                    arguments.redis_mb = words.next().ok_or("--redis-mb needs a number")?.parse()?;
                }
                "--signals" => arguments.signals = true,
                _ => return Err(format!("unknown `{word}`: --seconds N, --signals, --redis-mb N").into()),
            }
        }
        if arguments.seconds < 10 {
            return Err("--seconds: at least 10".into());
        }
        Ok(arguments)
    }
}

/// Everything that runs.
struct Site {
    // Held for as long as the others need it.
    _redis: TestRedis,
    observer: Observer,
    exchanges: Exchanges,
    ingest: Service,
    signals: Option<Service>,
    reading: Reading,
}

impl Site {
    async fn start(arguments: &Arguments, scenario: &Path) -> Result<Self, Failure> {
        let release = release()?;
        let redis = TestRedis::start().await?;
        let observer = Observer::connect(&redis.url(), &[]).await?;
        let limit = format!("{}mb", arguments.redis_mb);
        let _: String = observer.command("CONFIG", &["SET", "maxmemory", &limit]).await?;
        let exchanges = Exchanges::start(&release.join("examples/exchanges"), scenario).await?;
        let mut variables = vec![
            ("CASCADE_SERVICE__LOG_LEVEL".to_owned(), "warn,cascade_feed::keep=error".to_owned()),
            ("CASCADE_INGEST__SYMBOLS".to_owned(), "all".to_owned()),
            ("CASCADE_REDIS__URL".to_owned(), redis.url()),
        ];
        variables.extend(exchanges.variables.iter().cloned());
        let ingest = Service::start(&release.join("liquidation-ingest"), &variables).await?;
        let signals = if arguments.signals {
            Some(Service::start(&release.join("cascade-signals"), &variables).await?)
        } else {
            None
        };
        let settings = BusSettings { instance: "storm".to_owned(), ..BusSettings::default() };
        let reading = Reading::begin(&Bus::open(&redis.url(), settings)?);
        Ok(Self { _redis: redis, observer, exchanges, ingest, signals, reading })
    }

    /// Waits until every venue delivers every market.
    async fn wait_for_feeds(&self) -> Result<(), Failure> {
        let all = eventually(PATIENCE, async || {
            let stored = self.reading.look();
            Venue::ALL.iter().all(|venue| stored.marked.get(venue).is_some_and(|m| m.len() >= INSTRUMENTS))
        });
        if !all.await {
            let stored = self.reading.look();
            let marked: Vec<_> = stored.marked.iter().map(|(v, m)| format!("{v} {}", m.len())).collect();
            return Err(format!("not every market delivers: marks of {}", marked.join(", ")).into());
        }
        tokio::time::sleep(SETTLE).await;
        let metrics = self.ingest.metrics().await?;
        match metrics.sum("cascade_feed_up", &[]) {
            up if up >= 4.0 => Ok(()),
            up => Err(format!("{up} of 4 feeds are up").into()),
        }
    }

    /// One look at everything, `at_s` after the storm was at its full pace; ingest's own figures last.
    async fn look(&mut self, at_s: f64) -> Result<Sample, Failure> {
        let truth = self.exchanges.truth().await?;
        let info: String = self.observer.command("INFO", &[]).await?;
        let field = |name: &str| {
            let value = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            value.and_then(|value| value.trim().parse::<f64>().ok()).unwrap_or_default()
        };
        let signals = match &self.signals {
            Some(signals) => Some((signals.cost()?, signals.metrics().await?)),
            None => None,
        };
        Ok(Sample {
            at_s,
            truth,
            redis_bytes: field("used_memory"),
            redis_peak_bytes: field("used_memory_peak"),
            redis_resident_bytes: field("used_memory_rss"),
            redis_cpu_s: field("used_cpu_user") + field("used_cpu_sys"),
            signals,
            metrics: self.ingest.metrics().await?,
            ingest: self.ingest.cost()?,
        })
    }
}

/// Where this build's programs are: this one is among the examples.
fn release() -> Result<PathBuf, Failure> {
    let own = std::env::current_exe()?;
    let release = own.parent().and_then(Path::parent).ok_or("no directory of programs")?;
    Ok(release.to_owned())
}

async fn measure(arguments: &Arguments) -> Result<Account, Failure> {
    let directory = tempfile::tempdir()?;
    let scenario = directory.path().join("storm.toml");
    std::fs::write(&scenario, exchanges::storm(arguments.seconds)?)?;
    let mut site = Site::start(arguments, &scenario).await?;
    println!(
        "redis-server, the exchanges and liquidation-ingest run; waiting for {INSTRUMENTS} markets of 4 venues"
    );
    site.wait_for_feeds().await?;
    site.exchanges.begin().await?;
    let mut samples = vec![site.look(-BEFORE.as_secs_f64()).await?];
    println!("{}", Sample::HEAD);
    tokio::time::sleep(BEFORE).await;
    let mut beat = tokio::time::interval(BEAT);
    for tenth in 0..=arguments.seconds / 10 {
        beat.tick().await;
        #[expect(clippy::cast_precision_loss, reason = "seconds")]
        let sample = site.look((tenth * 10) as f64).await?;
        println!("{}", sample.line(samples.last()));
        samples.push(sample);
    }
    // The last orders leave within two seconds; then all that was published must be there.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let truth = site.exchanges.truth().await?;
    let reading = site.reading.clone();
    let published: u64 = Venue::ALL.into_iter().map(|venue| truth.published(venue)).sum();
    eventually(PATIENCE / 4, async || reading.look().all_liquidations() >= published).await;
    let last = site.look(0.0).await?;
    let told = Told::of(&reading.look());
    let heard = |metrics: &Metrics| {
        metrics.sum("cascade_events_total", &["kind=\"trade\""])
            - metrics.sum("cascade_late_trades_total", &[])
    };
    // When the exchanges are gone, the last bars close.
    site.exchanges.end().await?;
    let ended = site.ingest.metrics().await?;
    #[expect(clippy::cast_precision_loss, reason = "trades")]
    eventually(PATIENCE / 4, async || reading.look().all_trades() as f64 >= heard(&ended)).await;
    Ok(Account::new(arguments.seconds, samples, (last, told), &ended, &reading.look()))
}

#[tokio::main]
async fn main() -> ExitCode {
    let measured = match Arguments::read(std::env::args().skip(1)) {
        Ok(arguments) => measure(&arguments).await,
        Err(error) => Err(error),
    };
    match measured {
        Ok(account) => {
            print!("{account}");
            let faults = account.faults();
            for fault in &faults {
                println!("FAULT: {fault}");
            }
            if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("storm: {error}");
            ExitCode::FAILURE
        }
    }
}
