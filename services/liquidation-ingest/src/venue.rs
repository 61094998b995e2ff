//! One exchange: its instruments, then all of its connections, for as long as the service runs.

mod feeds;
mod listing;
mod missed;
mod node;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cascade_bus::Bus;
use cascade_domain::{EventTime, FeedStatus, Symbol, Usd};
use cascade_feed::rest::{Client, RestError};
use cascade_pace::{Backoff, BackoffError, Clock};
use cascade_service::{BoxError, Shutdown};
use cascade_venues::{Endpoints, Instruments, Protocol, Wanted};
use tokio::sync::mpsc;

use crate::intake::Shared;
use feeds::{Feed, Feeds, Intakes};

/// How long until a venue that did not answer is asked for its instruments again, in the clock's time, if the answer
/// does not ask for more.
const ASK_AGAIN: Duration = Duration::from_secs(30);
/// However long a venue asks us to stay away, we ask again after this.
const LONGEST_AWAY: Duration = Duration::from_hours(24);
/// How often the bars of quiet instruments are closed, in the clock's time.
const CLOSE_BARS: Duration = Duration::from_millis(250);
/// How many connections may wait to be held, and how many outages to be made up for.
const QUEUE: usize = 64;

/// What is needed to read one exchange.
#[derive(Debug)]
pub(crate) struct Reader {
    pub(crate) protocol: &'static dyn Protocol,
    pub(crate) endpoints: Endpoints,
    pub(crate) wanted: Wanted,
    pub(crate) large_trade: Usd,
    pub(crate) clock: Arc<dyn Clock>,
    /// Up to where what came before this process is known.
    pub(crate) since: EventTime,
    pub(crate) seed: u64,
    /// How often the venue is asked for its instruments, in the clock's time.
    pub(crate) refresh: Duration,
    /// Where a node of one's own writes the venue's fills.
    pub(crate) node_fills: Option<PathBuf>,
    pub(crate) bus: Bus,
    pub(crate) shared: Shared,
}

/// What is wanted, and BTC, whose price every tick carries.
pub(crate) fn with_btc(wanted: &Wanted) -> Wanted {
    let mut wanted = wanted.clone();
    if let (Some(symbols), Ok(btc)) = (&mut wanted.symbols, Symbol::of_base("BTC"))
        && !symbols.contains(&btc)
    {
        symbols.push(btc);
    }
    wanted
}

impl Reader {
    /// Reads the exchange until it is asked to stop.
    ///
    /// # Errors
    /// There is no TLS to be had for REST.
    pub(crate) async fn run(self, shutdown: Shutdown) -> Result<(), BoxError> {
        let client = Client::try_new(Arc::clone(&self.clock), self.seed)?;
        let Some(instruments) = self.instruments(&client, &shutdown).await else { return Ok(()) };
        let pauses = Pauses::try_new(self.refresh, self.seed)?;
        let (starting, begun) = mpsc::channel(QUEUE);
        let (outage, outages) = mpsc::channel(QUEUE);
        let intakes: Intakes = Arc::new(Mutex::new(Vec::new()));
        let mut feeds = Feeds::new(&self, outage, Arc::clone(&intakes));
        let first = feeds.list(instruments, self.since);
        let table = feeds.table();
        tokio::join!(
            self.hold(first, begun, &shutdown),
            self.relist(feeds, starting, (&client, pauses), &shutdown),
            self.make_up(outages, (&client, &table), &shutdown),
            self.close_bars(&intakes, &shutdown),
            self.follow_node(&table, &shutdown),
        );
        Ok(())
    }

    /// Asks for the instruments again and again, and has what is new in them read.
    async fn relist(
        &self,
        mut feeds: Feeds<'_>,
        starting: mpsc::Sender<Feed>,
        (client, mut pauses): (&Client, Pauses),
        shutdown: &Shutdown,
    ) {
        let mut wait = pauses.next();
        loop {
            tokio::select! {
                () = shutdown.requested() => return,
                () = tokio::time::sleep(self.clock.wall(wait)) => {}
            }
            wait = match client.instruments(self.protocol, &self.endpoints, shutdown.requested()).await {
                Ok(instruments) => {
                    for feed in feeds.list(instruments, self.clock.now()) {
                        tokio::select! {
                            () = shutdown.requested() => return,
                            sent = starting.send(feed) => if sent.is_err() { return },
                        }
                    }
                    pauses.next()
                }
                Err(RestError::Shutdown) => return,
                Err(error) => {
                    let (venue, wait) = (self.protocol.venue().as_str(), ask_again_after(&error));
                    let retry_in_s = wait.as_secs();
                    tracing::warn!(venue, %error, retry_in_s, "the instruments of before stay in use");
                    wait
                }
            };
        }
    }

    /// The venue's instruments, however often it has to be asked; `None` when asked to stop.
    async fn instruments(&self, client: &Client, shutdown: &Shutdown) -> Option<Instruments> {
        let venue = self.protocol.venue();
        loop {
            let wait = match client.instruments(self.protocol, &self.endpoints, shutdown.requested()).await {
                Ok(instruments) => {
                    self.shared.board(|board| board.bar(venue, None));
                    let count = instruments.len();
                    tracing::info!(venue = venue.as_str(), instruments = count, "instruments read");
                    return Some(instruments);
                }
                Err(RestError::Shutdown) => return None,
                Err(error) => {
                    let wait = ask_again_after(&error);
                    let retry_in_s = wait.as_secs();
                    tracing::warn!(venue = venue.as_str(), %error, retry_in_s, "no instruments");
                    let refused = matches!(error, RestError::Refused { .. } | RestError::Limited { .. });
                    let status = if refused { FeedStatus::Refused } else { FeedStatus::Dead };
                    self.shared.board(|board| board.bar(venue, Some((status, error.to_string()))));
                    wait
                }
            };
            tokio::select! {
                () = shutdown.requested() => return None,
                () = tokio::time::sleep(self.clock.wall(wait)) => {}
            }
        }
    }

    /// Closes bars whose second is over although no further trade came.
    async fn close_bars(&self, intakes: &Intakes, shutdown: &Shutdown) {
        loop {
            tokio::select! {
                () = shutdown.requested() => return,
                () = tokio::time::sleep(self.clock.wall(CLOSE_BARS)) => {}
            }
            let now = self.clock.now();
            for intake in feeds::all(intakes) {
                intake.with(|intake| intake.close_bars(now));
            }
        }
    }
}

/// How long a venue is left alone after it did not name its instruments.
fn ask_again_after(error: &RestError) -> Duration {
    ASK_AGAIN.max(error.away()).min(LONGEST_AWAY)
}

/// The pauses between two questions: `refresh`, a twentieth more or less, so that the venues are not asked in step.
#[derive(Debug)]
struct Pauses {
    refresh: Duration,
    jitter: Backoff,
}

impl Pauses {
    fn try_new(refresh: Duration, seed: u64) -> Result<Self, BackoffError> {
        let fifth = refresh / 5;
        Ok(Self { refresh, jitter: Backoff::try_new(fifth, fifth, Duration::MAX, seed)? })
    }

    fn next(&mut self) -> Duration {
        // The jitter is drawn from the upper half of a fifth: a tenth to two tenths.
        (self.refresh + self.refresh * 3 / 20).saturating_sub(self.jitter.after(Duration::ZERO))
    }
}
