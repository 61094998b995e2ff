//! `cascade doctor`: what is wrong on this machine, and how to mend it.
//!
//! Looks and changes nothing. What to look at is in `machine` (configuration, Redis, ports) and `venue` (the
//! exchanges, as they are seen from here); here the checks are put together and printed.

mod check;
mod machine;
mod venue;

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Write as _};
use std::path::PathBuf;
use std::sync::Arc;

use cascade_bus::RedisUrl;
use cascade_domain::Venue;
use cascade_feed::probe::Probe;
use cascade_pace::Clock;
use cascade_service::config::{Document, Mistakes, Origin};
use cascade_service::{CommonArgs, SystemClock, TracesSettings, address};
use cascade_venues::Endpoints;
use futures_util::future::join_all;

use crate::{DONE, FAILED, colour, complain};
use check::Report;

const EXAMPLES: &str = "\
Looks at the configuration, at Redis, at the ports that the services serve on, and at every
exchange of ingest.exchanges: name and port, REST answer, WebSocket, and this machine's clock
against the exchange's. Changes nothing; takes ten seconds at most.

Examples:
  cascade doctor
  cascade doctor --config cascade.toml --redis-url redis://db.example:6379
  cascade doctor --set ingest.exchanges=binance
  cascade doctor --json | jq -r '.checks[] | select(.status != \"ok\") | .name + \": \" + .way_out'

Exit: 0 nothing failed, 1 something failed, 2 usage.";

/// The flags of `cascade doctor`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DoctorArgs {
    /// Print everything as one JSON object
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

/// What is looked at.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    redis_url: RedisUrl,
    /// Whether somebody named the Redis: `up` starts its own where nobody did.
    redis_named: bool,
    /// Who serves on which address.
    addresses: Vec<(&'static str, &'static str, String)>,
    venues: BTreeMap<Venue, Endpoints>,
    /// Where a node of one's own writes Hyperliquid's fills.
    node: Option<PathBuf>,
}

impl Settings {
    /// Reads every section, adding what is wrong with them to the mistakes.
    pub(crate) fn read(document: &Document, mistakes: &mut Mistakes) -> Self {
        let ingest = liquidation_ingest::Config::read(document, mistakes);
        let signals = cascade_signals::Config::read(document, mistakes);
        TracesSettings::read(document, mistakes);
        let addresses = [
            ("cascade up", "up.health_addr"),
            (liquidation_ingest::PROGRAM.name, "ingest.health_addr"),
            (cascade_signals::PROGRAM.name, "signals.health_addr"),
        ];
        let exchanges = &ingest.markets.exchanges;
        let of = |venue: &Venue| Some((*venue, ingest.markets.venues.get(venue)?.endpoints()));
        Self {
            redis_url: signals.redis_url,
            redis_named: document.origin("redis.url") != Origin::Default,
            node: ingest
                .markets
                .venues
                .get(&Venue::Hyperliquid)
                .and_then(|venue| venue.node_fills_dir.clone()),
            venues: exchanges.iter().filter_map(of).collect(),
            addresses: addresses.map(|(who, key)| (who, key, address(document, mistakes, key))).to_vec(),
        }
    }
}

/// Looks, and prints what was found. Returns the exit code: 0 if nothing failed, else 1.
pub(crate) async fn run(args: &DoctorArgs, settings: Settings, mistakes: &Mistakes) -> u8 {
    let report = examine(settings, mistakes).await;
    let text = if args.json { report.json().unwrap_or_default() } else { report.text(colour::is_wanted()) };
    match writeln!(io::stdout(), "{}", text.trim_end()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            complain(&format!("cascade doctor: can't write to stdout: {error}"));
            return FAILED;
        }
        _ => {}
    }
    if report.has_failed() { FAILED } else { DONE }
}

/// All checks, those that take time side by side, in the order in which they are shown.
async fn examine(settings: Settings, mistakes: &Mistakes) -> Report {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let mut report = Report::default();
    report.add(machine::configuration(mistakes));
    let probe = Probe::try_new(clock).map_err(|error| error.to_string());
    let venues = settings.venues.iter().map(|(venue, endpoints)| {
        let patient = venue::Patient { venue: *venue, endpoints };
        let probe = &probe;
        async move {
            match probe {
                Ok(probe) => patient.examine(probe).await,
                Err(reason) => vec![venue::no_client(*venue, reason)],
            }
        }
    });
    let (redis, server, ports, venues) = tokio::join!(
        machine::redis(&settings.redis_url, settings.redis_named),
        machine::redis_server(),
        machine::ports(&settings.addresses),
        join_all(venues)
    );
    report.add(redis);
    report.add([server]);
    report.add(ports);
    report.add(venues.into_iter().flatten());
    report.add(settings.node.as_deref().map(machine::node));
    report
}
