//! The state of every venue's feed, from when its routes last delivered (signals.md 7).
//!
//! Liquidations alone are legitimately silent and never judge a feed: marks and tickers do, which flow all the time; and
//! the other venues, where many of the same markets' liquidations come. Pure: time is handed in.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use cascade_domain::{EventTime, FeedHealth, FeedStatus, Feeds, Symbol, Venue};
use cascade_wire::FeedHealthReading;

use crate::bitcoin::Bitcoin;

/// A route without data for so long is late.
const STALE_MS: i64 = 10_000;
/// A route without data for so long is dead.
const DEAD_MS: i64 = 30_000;
/// A venue without a liquidation for so long is suspect, if meanwhile the others showed so many of its markets.
const SUSPECT_MS: i64 = 60_000;
const SUSPECT_LIQUIDATIONS: usize = 20;
/// A venue's clock that is further off than this is told: events are held to what we know to within as much.
const CLOCK_OFF_MS: i64 = 2_000;

/// What is known of one route.
#[derive(Clone, Debug, Default)]
struct RouteState {
    /// Up to when what came before it is known.
    since: EventTime,
    last_data: Option<EventTime>,
    /// Whether a session of it has had every subscription settled.
    was_live: bool,
    refused: Option<String>,
    /// What it goes on without, and why.
    without: Option<String>,
    last_end: Option<String>,
    clock_offset_ms: Option<i64>,
}

/// What is known of one venue.
#[derive(Clone, Debug)]
struct VenueState {
    healthy: FeedStatus,
    /// Whether this process reads it; else `told` is what its reader says.
    owned: bool,
    /// Up to when what came before this process read it is known.
    known_to: EventTime,
    /// When its reader said so.
    heard_at: Option<EventTime>,
    routes: BTreeMap<String, RouteState>,
    symbols: BTreeSet<Symbol>,
    /// Why there can be no session at all, and what that makes of the feed.
    barred: Option<(FeedStatus, String)>,
    told: FeedHealth,
    last_event: Option<EventTime>,
    /// Since when its liquidations are silent: the last of them, or when it began to deliver.
    silent_since: EventTime,
    /// It was silent while the others were not, and has told no liquidation since.
    is_suspected: bool,
    /// What its reader last said of its liquidations of a minute, by market.
    told_60s: BTreeMap<Symbol, u32>,
    reconnects: u64,
    liquidations: u64,
}

/// The feeds of all venues: of those that this process reads as it sees them, of the others as their readers say.
#[derive(Clone, Debug)]
pub(crate) struct Board {
    venues: BTreeMap<Venue, VenueState>,
    /// How many liquidations came in each second of the last minute.
    recent: BTreeMap<EventTime, BTreeMap<(Venue, Symbol), u32>>,
    /// The BTC reference that the ticks carry.
    pub(crate) bitcoin: Bitcoin,
}

impl Board {
    /// Venues that have not delivered yet, with the state they have when they do.
    pub(crate) fn new(venues: impl IntoIterator<Item = (Venue, FeedStatus)>, now: EventTime) -> Self {
        let state = |venue, healthy| VenueState {
            healthy,
            owned: false,
            known_to: now,
            heard_at: None,
            routes: BTreeMap::new(),
            symbols: BTreeSet::new(),
            barred: None,
            told: FeedHealth {
                venue,
                status: FeedStatus::Dead,
                since_ms: now,
                reason: "nobody reads it".to_owned(),
            },
            last_event: None,
            silent_since: now,
            is_suspected: false,
            told_60s: BTreeMap::new(),
            reconnects: 0,
            liquidations: 0,
        };
        Self {
            venues: venues.into_iter().map(|(venue, healthy)| (venue, state(venue, healthy))).collect(),
            recent: BTreeMap::new(),
            bitcoin: Bitcoin::default(),
        }
    }

    /// This process reads the venue from now on; it has no connection yet. What came before `since` is known: a feed
    /// that delivered is not late before it is.
    pub(crate) fn own(&mut self, venue: Venue, since: EventTime, now: EventTime) {
        if let Some(state) = self.venues.get_mut(&venue) {
            (state.owned, state.barred, state.last_event) = (true, None, None);
            (state.known_to, state.silent_since, state.is_suspected) = (since, now, false);
            state.routes.clear();
            state.symbols.clear();
        }
    }

    /// Somebody else may read the venue from now on.
    pub(crate) fn disown(&mut self, venue: Venue) {
        if let Some(state) = self.venues.get_mut(&venue) {
            (state.owned, state.heard_at) = (false, None);
        }
    }

    /// Whether this process reads the venue.
    pub(crate) fn owns(&self, venue: Venue) -> bool {
        self.venues.get(&venue).is_some_and(|state| state.owned)
    }

    /// How many markets of the venue are read.
    pub(crate) fn markets(&self, venue: Venue) -> usize {
        self.venues.get(&venue).map_or(0, |state| state.symbols.len())
    }

    /// The venues that this process does not read.
    pub(crate) fn foreign(&self) -> Vec<Venue> {
        self.venues.iter().filter(|(_, state)| !state.owned).map(|(venue, _)| *venue).collect()
    }

    /// What the reader of a venue says of it.
    pub(crate) fn heard(&mut self, venue: Venue, reading: &FeedHealthReading) {
        let Some(state) = self.venues.get_mut(&venue).filter(|state| !state.owned) else { return };
        if state.heard_at.is_none_or(|at| reading.told_ms > at) {
            state.heard_at = Some(reading.told_ms);
            let FeedHealthReading { status, since_ms, reason, liquidations_60s, .. } = reading.clone();
            state.told_60s = liquidations_60s;
            state.told = FeedHealth { venue, status, since_ms, reason };
        }
    }

    /// A route that this process will hold, and its symbols; what came before `since` is known. One that is held
    /// already has more symbols.
    pub(crate) fn expect(&mut self, venue: Venue, route: &str, symbols: &[Symbol], since: EventTime) {
        if let Some(state) = self.venues.get_mut(&venue) {
            let new = || RouteState { since, ..RouteState::default() };
            state.routes.entry(route.to_owned()).or_insert_with(new);
            state.symbols.extend(symbols);
        }
    }

    /// There can be no session with the venue for now (or can again: `None`).
    pub(crate) fn bar(&mut self, venue: Venue, why: Option<(FeedStatus, String)>) {
        if let Some(state) = self.venues.get_mut(&venue) {
            state.barred = why;
        }
    }

    /// What the frames of a route say of the venue's clock against ours, milliseconds.
    pub(crate) fn clock_offset(&mut self, venue: Venue, route: &str, ms: Option<i64>) {
        if let Some(route) = self.venues.get_mut(&venue).and_then(|v| v.routes.get_mut(route)) {
            route.clock_offset_ms = ms;
        }
    }

    /// Market data came.
    pub(crate) fn delivered(&mut self, venue: Venue, route: &str, at: EventTime) {
        if let Some(route) = self.venues.get_mut(&venue).and_then(|v| v.routes.get_mut(route)) {
            route.last_data = route.last_data.max(Some(at));
        }
    }

    /// A session of the route has every subscription settled.
    pub(crate) fn live(&mut self, venue: Venue, route: &str, at: EventTime) {
        self.delivered(venue, route, at);
        if let Some(route) = self.venues.get_mut(&venue).and_then(|v| v.routes.get_mut(route)) {
            route.was_live = true;
        }
    }

    /// An event of one of the wanted symbols came.
    pub(crate) fn event(&mut self, venue: Venue, at: EventTime) {
        if let Some(state) = self.venues.get_mut(&venue) {
            state.last_event = state.last_event.max(Some(at));
        }
    }

    /// A liquidation of one of the wanted symbols came; one of history shows nothing of the feed.
    pub(crate) fn liquidation(&mut self, venue: Venue, at: EventTime, symbol: Symbol, is_history: bool) {
        let Some(state) = self.venues.get_mut(&venue) else { return };
        state.liquidations += 1;
        if is_history {
            return;
        }
        state.silent_since = state.silent_since.max(at);
        state.is_suspected = false;
        let count = self.recent.entry(at.second()).or_default().entry((venue, symbol)).or_default();
        *count = count.saturating_add(1);
    }

    /// A session goes on without these topics, or cannot go on (`None`: nothing is refused any more).
    pub(crate) fn refused(&mut self, venue: Venue, route: &str, why: Option<String>) {
        if let Some(route) = self.venues.get_mut(&venue).and_then(|v| v.routes.get_mut(route)) {
            route.refused = why;
        }
    }

    /// A session goes on without these topics, none of which carries liquidations (`None`: with all of them).
    pub(crate) fn without(&mut self, venue: Venue, route: &str, why: Option<String>) {
        if let Some(route) = self.venues.get_mut(&venue).and_then(|v| v.routes.get_mut(route)) {
            route.without = why;
        }
    }

    /// A session ended.
    pub(crate) fn ended(&mut self, venue: Venue, route: &str, why: String) {
        if let Some(state) = self.venues.get_mut(&venue) {
            state.reconnects += 1;
            if let Some(route) = state.routes.get_mut(route) {
                route.last_end = Some(why);
            }
        }
    }

    /// Judges every feed anew; gives the changes of those that this process reads.
    pub(crate) fn judge(&mut self, now: EventTime) -> Vec<FeedHealth> {
        self.recent = self.recent.split_off(&now.plus_ms(1 - SUSPECT_MS).second());
        let mut changes = Vec::new();
        let told: Vec<_> = self.venues.keys().map(|venue| (*venue, self.told_60s(*venue, now))).collect();
        for (venue, state) in &mut self.venues {
            if !state.owned {
                state.age(now);
                continue;
            }
            let others = told.iter().filter(|(other, _)| other != venue).flat_map(|(_, told)| told);
            let same = others.filter(|(symbol, _)| state.symbols.contains(*symbol));
            let elsewhere = same.map(|(_, count)| usize::try_from(*count).unwrap_or(usize::MAX)).sum();
            let (status, reason) = state.judge(now, elsewhere);
            if status != state.told.status {
                state.told = FeedHealth { status, since_ms: now, reason, ..state.told.clone() };
                changes.push(state.told.clone());
            } else if reason != state.told.reason {
                state.told.reason = reason;
            }
        }
        changes
    }

    /// The liquidations that a venue told in the last minute, by market: as this process heard them, or as its reader
    /// said within that minute.
    fn told_60s(&self, venue: Venue, now: EventTime) -> BTreeMap<Symbol, u32> {
        let foreign = self.venues.get(&venue).filter(|state| !state.owned);
        if let Some(state) = foreign {
            let fresh = state.heard_at.is_some_and(|at| now.since(at) < SUSPECT_MS);
            return if fresh { state.told_60s.clone() } else { BTreeMap::new() };
        }
        let mut told: BTreeMap<Symbol, u32> = BTreeMap::new();
        let counts = self.recent.values().flatten();
        for ((_, symbol), count) in counts.filter(|((of, _), _)| *of == venue) {
            let sum = told.entry(*symbol).or_default();
            *sum = sum.saturating_add(*count);
        }
        told
    }

    /// The feeds as the tick carries them.
    pub(crate) fn feeds(&self) -> Feeds {
        self.venues.iter().map(|(venue, state)| (*venue, state.told.status)).collect()
    }

    /// Median over delivering venues of their fresh BTC marks, and whether the set of those venues changed since the
    /// last call.
    pub(crate) fn btc_price(&mut self, now: EventTime) -> (Option<f64>, bool) {
        let venues = &self.venues;
        self.bitcoin.price(now, |venue| venues.get(venue).is_some_and(|state| state.told.status.delivers()))
    }

    /// Every feed's state, in venue order.
    pub(crate) fn healths(&self) -> Vec<FeedHealth> {
        self.venues.values().map(|state| state.told.clone()).collect()
    }

    /// What the frames of the venues say of their clocks, milliseconds; `None` = not known, as of a venue that another reads.
    pub(crate) fn clock_offsets(&self) -> impl Iterator<Item = (Venue, Option<i64>)> {
        let offset_ms = |state: &VenueState| state.clock_offset_ms().filter(|_| state.owned);
        self.venues.iter().map(move |(venue, state)| (*venue, offset_ms(state)))
    }

    /// What `feed:VENUE:health` shows of the venues that this process reads.
    pub(crate) fn readings(&self, now: EventTime) -> Vec<(Venue, FeedHealthReading)> {
        let reading = |venue: Venue, state: &VenueState| FeedHealthReading {
            status: state.told.status,
            since_ms: state.told.since_ms,
            last_frame_ms: state.routes.values().filter_map(|r| r.last_data).max(),
            last_event_ms: state.last_event,
            heard_to_ms: state.heard_to(),
            settled: state.is_settled(),
            clock_offset_ms: state.clock_offset_ms(),
            liquidations_60s: self.told_60s(venue, now),
            reader: String::new(),
            told_ms: now,
            reconnects: state.reconnects,
            liquidations: state.liquidations,
            reason: state.told.reason.clone(),
        };
        let owned = self.venues.iter().filter(|(_, state)| state.owned);
        owned.map(|(venue, state)| (*venue, reading(*venue, state))).collect()
    }
}

impl VenueState {
    /// Until when everything is known that its routes carry; without a route, up to when it was known before.
    fn heard_to(&self) -> Option<EventTime> {
        let known = |route: &RouteState| route.last_data.filter(|_| route.was_live).unwrap_or(route.since);
        self.routes.values().map(known).min().or(Some(self.known_to))
    }

    /// Whether every subscription of all its routes has been settled.
    fn is_settled(&self) -> bool {
        !self.routes.is_empty() && self.routes.values().all(|route| route.was_live)
    }

    fn clock_offset_ms(&self) -> Option<i64> {
        self.routes.values().filter_map(|route| route.clock_offset_ms).max()
    }

    /// What is left of what its reader said, if it says nothing more.
    fn age(&mut self, now: EventTime) {
        let Some(silent_ms) = self.heard_at.map(|at| now.since(at)) else { return };
        let status = match silent_ms {
            DEAD_MS.. => FeedStatus::Dead,
            STALE_MS.. => FeedStatus::Stale,
            _ => return,
        };
        if self.told.status.delivers() || self.told.status < status {
            let reason = "its reader says nothing more".to_owned();
            self.told = FeedHealth { status, since_ms: now, reason, ..self.told.clone() };
        }
    }

    /// The worst of its routes decides; if all are well, whether its liquidations are as silent as the others', which
    /// told `elsewhere` of its markets in the last minute. Once suspected, it must tell one.
    fn judge(&mut self, now: EventTime, elsewhere: usize) -> (FeedStatus, String) {
        if let Some(why) = &self.barred {
            return why.clone();
        }
        let goes_on = self.told.status.delivers() && now.since(self.known_to) < STALE_MS;
        if self.routes.is_empty() {
            let begins = (FeedStatus::Dead, "not connected yet".to_owned());
            return if goes_on { (self.told.status, String::new()) } else { begins };
        }
        let routes = self.routes.iter().map(|(name, route)| route.judge(name, now, goes_on));
        if let (Some(status), reason) = routes.max_by_key(|(status, _)| *status).unwrap_or_default() {
            if !self.is_suspected {
                self.silent_since = now;
            }
            return (status, reason);
        }
        let silent_ms = now.since(self.silent_since);
        let many = elsewhere >= SUSPECT_LIQUIDATIONS;
        self.is_suspected |= self.healthy != FeedStatus::Partial && silent_ms >= SUSPECT_MS && many;
        if self.is_suspected {
            let silent = format!("no liquidation for {} s", silent_ms / 1000);
            return (FeedStatus::Suspect, format!("{silent}, {elsewhere} of its markets elsewhere in 60 s"));
        }
        (self.healthy, self.remarks())
    }

    /// What is to be said of a feed that is healthy.
    fn remarks(&self) -> String {
        let off_ms = self.clock_offset_ms().filter(|ms| ms.abs() > CLOCK_OFF_MS);
        let clock = off_ms.map(|ms| {
            let which = if ms > 0 { "ahead of" } else { "behind" };
            format!("its clock is {} ms {which} ours, or its frames are that late", ms.abs())
        });
        let without = self.routes.iter().filter_map(|(name, route)| {
            let why = route.without.as_ref()?;
            Some(format!("{name}: goes on without {why}"))
        });
        without.chain(clock).collect::<Vec<_>>().join("; ")
    }
}

impl RouteState {
    /// `None` = healthy; also one that has delivered nothing yet to this process, if it goes on from another's.
    fn judge(&self, name: &str, now: EventTime, goes_on: bool) -> (Option<FeedStatus>, String) {
        let age_ms = self.last_data.map(|at| now.since(at));
        let ended = || self.last_end.as_ref().map_or(String::new(), |end| format!(" ({end})"));
        match (&self.refused, age_ms) {
            (Some(why), _) => (Some(FeedStatus::Refused), format!("{name}: {why}")),
            (None, None) if goes_on => (None, String::new()),
            (None, None) => (Some(FeedStatus::Dead), format!("{name}: nothing yet{}", ended())),
            (None, Some(age)) if age >= DEAD_MS => {
                (Some(FeedStatus::Dead), format!("{name}: silent{}", ended()))
            }
            (None, Some(age)) if age >= STALE_MS => {
                (Some(FeedStatus::Stale), format!("{name}: late{}", ended()))
            }
            (None, Some(_)) => (None, String::new()),
        }
    }
}
