//! One exchange: its instruments, then all of its connections, for as long as the service runs.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use cascade_domain::{EventTime, FeedStatus, Symbol, Usd};
use cascade_feed::rest::{Client, RestError};
use cascade_feed::{Session, SessionLimits, backoff, keep};
use cascade_pace::Clock;
use cascade_service::{BoxError, Shutdown};
use cascade_venues::{Endpoints, Instruments, Protocol, Route, Wanted};
use futures_util::future::join_all;

use crate::intake::{Intake, Shared, SharedIntake};

/// How long until a venue that did not answer is asked for its instruments again, in the clock's time.
const ASK_AGAIN: Duration = Duration::from_secs(30);
/// However long a venue asks us to stay away, we ask again after this.
const LONGEST_AWAY: Duration = Duration::from_hours(24);
/// How often the bars of quiet instruments are closed, in the clock's time.
const CLOSE_BARS: Duration = Duration::from_millis(250);

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
    pub(crate) shared: Shared,
}

/// What is wanted, and BTC, whose price every tick carries.
fn with_btc(wanted: &Wanted) -> Wanted {
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
        let Some(instruments) = self.instruments(&shutdown).await? else { return Ok(()) };
        let routes = self.protocol.routes(&with_btc(&self.wanted), &instruments, &self.endpoints);
        let instruments = Arc::new(instruments);
        let venue = self.protocol.venue();
        if routes.is_empty() {
            let why = "lists none of the wanted symbols".to_owned();
            tracing::warn!(venue = venue.as_str(), why, "nothing to read");
            self.shared.board(|board| board.bar(venue, Some((FeedStatus::Refused, why))));
            shutdown.requested().await;
            return Ok(());
        }
        self.warn_of_unread(&instruments, &routes);
        let mut intakes = Vec::new();
        let mut sessions = Vec::new();
        for (route, seed) in routes.into_iter().zip(self.seed..) {
            self.shared.board(|board| board.expect(venue, &route.name, &route.symbols));
            let intake = Intake::new(
                self.protocol,
                &route.name,
                self.wanted.clone(),
                self.large_trade,
                self.shared.clone(),
            );
            let intake = SharedIntake::new(intake);
            intakes.push(intake.clone());
            let plan = Session {
                route,
                protocol: self.protocol,
                instruments: Arc::clone(&instruments),
                clock: Arc::clone(&self.clock),
                limits: SessionLimits::default(),
            };
            let (backoff, shutdown, since, mut sink) = (backoff(seed)?, shutdown.clone(), self.since, intake);
            sessions.push(async move { keep(&plan, since, backoff, &mut sink, shutdown.requested()).await });
        }
        tokio::join!(join_all(sessions), self.close_bars(&intakes, &shutdown));
        Ok(())
    }

    /// Names the wanted symbols that this venue does not list, and those of which only liquidations are read: the
    /// venue's limits leave no room for more, or it has them where we do not read (coin-margined on Binance).
    fn warn_of_unread(&self, instruments: &Instruments, routes: &[Route]) {
        let listed: BTreeSet<_> = instruments.iter().map(|listing| &listing.symbol).collect();
        let read: BTreeSet<_> = routes.iter().flat_map(|route| &route.symbols).collect();
        let unlisted = self.wanted.symbols.iter().flatten().filter(|symbol| !listed.contains(symbol));
        let unread = listed.iter().copied().filter(|s| self.wanted.wants(s) && !read.contains(s));
        for (symbols, what) in [
            (unlisted.collect::<Vec<_>>(), "these symbols are not listed here"),
            (unread.collect(), "trades and marks of these symbols are not read"),
        ] {
            if !symbols.is_empty() {
                let (venue, count) = (self.protocol.venue().as_str(), symbols.len());
                let symbols = symbols.into_iter().map(Symbol::as_str).collect::<Vec<_>>().join(", ");
                tracing::warn!(venue, count, symbols, "{what}");
            }
        }
    }

    /// The venue's instruments, however often it has to be asked; `None` when asked to stop.
    async fn instruments(&self, shutdown: &Shutdown) -> Result<Option<Instruments>, RestError> {
        let client = Client::try_new(Arc::clone(&self.clock), self.seed)?;
        let venue = self.protocol.venue();
        loop {
            let mut wait = ASK_AGAIN;
            match client.instruments(self.protocol, &self.endpoints, shutdown.requested()).await {
                Ok(instruments) => {
                    self.shared.board(|board| board.bar(venue, None));
                    tracing::info!(
                        venue = venue.as_str(),
                        instruments = instruments.len(),
                        "instruments read"
                    );
                    return Ok(Some(instruments));
                }
                Err(RestError::Shutdown) => return Ok(None),
                Err(error) => {
                    if let RestError::Limited { retry_after, .. } = &error {
                        wait = wait.max(*retry_after).min(LONGEST_AWAY);
                    }
                    tracing::warn!(venue = venue.as_str(), %error, retry_in_s = wait.as_secs(), "no instruments");
                    let refused = matches!(error, RestError::Refused { .. } | RestError::Limited { .. });
                    let status = if refused { FeedStatus::Refused } else { FeedStatus::Dead };
                    self.shared.board(|board| board.bar(venue, Some((status, error.to_string()))));
                }
            }
            tokio::select! {
                () = shutdown.requested() => return Ok(None),
                () = tokio::time::sleep(self.clock.wall(wait)) => {}
            }
        }
    }

    /// Closes bars whose second is over although no further trade came.
    async fn close_bars(&self, intakes: &[SharedIntake], shutdown: &Shutdown) {
        loop {
            tokio::select! {
                () = shutdown.requested() => return,
                () = tokio::time::sleep(self.clock.wall(CLOSE_BARS)) => {}
            }
            let now = self.clock.now();
            for intake in intakes {
                intake.with(|intake| intake.close_bars(now));
            }
        }
    }
}
