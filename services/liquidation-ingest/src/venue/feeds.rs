//! The connections to one exchange as its list of instruments changes: those that stand go on, what is new is added to
//! them, and further ones are begun.

use std::sync::{Arc, Mutex, PoisonError};

use cascade_domain::{EventTime, FeedStatus};
use cascade_feed::{Gate, Session, SessionLimits, backoff, keep};
use cascade_pace::Backoff;
use cascade_service::Shutdown;
use cascade_venues::{Instruments, Route};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{mpsc, watch};

use super::listing::{Change, is_plausible, together, warn_of_unread};
use super::missed::{Hearing, Outage};
use super::{Reader, with_btc};
use crate::intake::{Intake, SharedIntake};

/// The intakes of all connections to one exchange.
pub(crate) type Intakes = Arc<Mutex<Vec<SharedIntake>>>;

/// The intakes that there are now.
pub(crate) fn all(intakes: &Intakes) -> Vec<SharedIntake> {
    intakes.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// A connection that is to be held.
#[derive(Debug)]
pub(crate) struct Feed {
    plan: Session,
    /// Up to when what came before is known.
    since: EventTime,
    backoff: Backoff,
    sink: Hearing,
}

#[cfg(test)]
impl Feed {
    pub(crate) fn newest_route(&self) -> Arc<Route> {
        self.plan.newest_route()
    }

    pub(crate) const fn since(&self) -> EventTime {
        self.since
    }
}

/// What is listed, and the connections on which it is read.
#[derive(Debug)]
pub(crate) struct Feeds<'r> {
    reader: &'r Reader,
    listed: Instruments,
    table: watch::Sender<Arc<Instruments>>,
    routes: Vec<watch::Sender<Arc<Route>>>,
    gate: Arc<Gate>,
    outages: mpsc::Sender<Outage>,
    intakes: Intakes,
}

impl<'r> Feeds<'r> {
    /// Nothing is listed and nothing is read yet.
    pub(crate) fn new(reader: &'r Reader, outages: mpsc::Sender<Outage>, intakes: Intakes) -> Self {
        Self {
            reader,
            listed: Instruments::new(),
            table: watch::channel(Arc::default()).0,
            routes: Vec::new(),
            gate: Arc::new(Gate::new(&reader.protocol.limits())),
            outages,
            intakes,
        }
    }

    /// The instruments that are known, as they change.
    pub(crate) fn table(&self) -> watch::Receiver<Arc<Instruments>> {
        self.table.subscribe()
    }

    /// Takes a new list into use: first for reading frames, then for what is asked for. Gives the connections that
    /// are to be begun; what came before `since` is known to them.
    pub(crate) fn list(&mut self, instruments: Instruments, since: EventTime) -> Vec<Feed> {
        let venue = self.reader.protocol.venue();
        if !self.listed.is_empty() && !is_plausible(&self.listed, &instruments) {
            let (before, now) = (self.listed.len(), instruments.len());
            tracing::warn!(venue = venue.as_str(), before, now, "a list of instruments that can't be whole");
            return Vec::new();
        }
        let known = together(&self.table.borrow(), &instruments);
        self.table.send_replace(Arc::new(known));
        if !self.listed.is_empty() {
            Change::between(&self.listed, &instruments, &self.reader.wanted).log(venue);
        }
        let begun = self.replan(&instruments, since);
        self.listed = instruments;
        begun
    }

    fn replan(&mut self, instruments: &Instruments, since: EventTime) -> Vec<Feed> {
        let Reader { protocol, wanted, endpoints, shared, .. } = self.reader;
        let venue = protocol.venue();
        let standing: Vec<Route> = self.routes.iter().map(|route| Route::clone(&route.borrow())).collect();
        let planned = protocol.replan(&standing, &with_btc(wanted), instruments, endpoints);
        if planned == standing && !standing.is_empty() {
            return Vec::new();
        }
        let nothing = planned.is_empty().then(|| "lists none of the wanted symbols".to_owned());
        if let Some(why) = &nothing {
            tracing::warn!(venue = venue.as_str(), why, "nothing to read");
        }
        shared.board(|board| board.bar(venue, nothing.map(|why| (FeedStatus::Refused, why))));
        if !planned.is_empty() {
            warn_of_unread(venue, wanted, instruments, &planned);
        }
        for ((route, standing), planned) in self.routes.iter().zip(&standing).zip(&planned) {
            if planned != standing {
                shared.board(|board| board.expect(venue, &planned.name, &planned.symbols, since));
                route.send_replace(Arc::new(planned.clone()));
            }
        }
        let new = planned.into_iter().skip(self.routes.len());
        new.collect::<Vec<_>>().into_iter().filter_map(|route| self.begin(route, since)).collect()
    }

    fn begin(&mut self, route: Route, since: EventTime) -> Option<Feed> {
        let Reader { protocol, wanted, large_trade, clock, seed, shared, .. } = self.reader;
        shared.board(|board| board.expect(protocol.venue(), &route.name, &route.symbols, since));
        let intake = Intake::new(*protocol, &route.name, wanted.clone(), *large_trade, shared.clone());
        let intake = SharedIntake::new(intake);
        self.intakes.lock().unwrap_or_else(PoisonError::into_inner).push(intake.clone());
        let number = u64::try_from(self.routes.len()).unwrap_or(u64::MAX);
        let (route, newest_route) = watch::channel(Arc::new(route));
        self.routes.push(route);
        let plan = Session {
            protocol: *protocol,
            route: newest_route,
            instruments: self.table.subscribe(),
            clock: Arc::clone(clock),
            limits: SessionLimits::default(),
            gate: Arc::clone(&self.gate),
        };
        let sink = Hearing::new(intake, &plan.newest_route(), self.outages.clone());
        // With the bounds of all feeds there is always a backoff.
        Some(Feed { plan, since, backoff: backoff(seed.wrapping_add(number)).ok()?, sink })
    }
}

impl Reader {
    /// Holds the first connections, and every further one that is begun, until asked to stop.
    pub(crate) async fn hold(&self, first: Vec<Feed>, mut begun: mpsc::Receiver<Feed>, shutdown: &Shutdown) {
        let held = |feed: Feed| async move {
            let Feed { plan, since, backoff, mut sink } = feed;
            keep(&plan, since, backoff, &mut sink, shutdown.requested()).await;
        };
        let mut feeds: FuturesUnordered<_> = first.into_iter().map(held).collect();
        loop {
            tokio::select! {
                Some(feed) = begun.recv() => feeds.push(held(feed)),
                Some(()) = feeds.next() => {}
                else => return,
            }
        }
    }
}
