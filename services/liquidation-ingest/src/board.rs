//! The state of every venue's feed, from when its routes last delivered (signals.md 7), and the BTC reference that the ticks carry.
//!
//! Liquidations alone are legitimately silent and never judge a feed: marks and tickers do, which flow all the time; and
//! the other venues, where many of the same markets' liquidations come. Pure: time is handed in.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use cascade_domain::{EventTime, FeedHealth, FeedStatus, Feeds, Symbol, TradeBar, Usd, Venue};
use cascade_engine::median;
use cascade_wire::FeedHealthReading;

/// A route without data for so long is late.
const STALE_MS: i64 = 10_000;
/// A route without data for so long is dead.
const DEAD_MS: i64 = 30_000;
/// A venue without a liquidation for so long is suspect, if meanwhile the others showed so many of its markets.
const SUSPECT_MS: i64 = 60_000;
const SUSPECT_LIQUIDATIONS: usize = 20;
/// Liquidations of the last minute that are held; the oldest go.
const MOST_RECENT: usize = 10_000;
/// A venue's clock that is further off than this is told: events are held to what we know to within as much.
const CLOCK_OFF_MS: i64 = 2_000;
/// A BTC mark older than this is no reference.
const MARK_FRESH_MS: i64 = 5_000;
/// A second's bars are complete by two seconds after it began: one second of trading, and the bars' grace.
const VOLUME_DELAY_MS: i64 = 2_000;

/// What is known of one route.
#[derive(Clone, Debug, Default)]
struct RouteState {
    last_data: Option<EventTime>,
    /// Whether a session of it has had every subscription settled.
    was_live: bool,
    refused: Option<String>,
    last_end: Option<String>,
    clock_offset_ms: Option<i64>,
}

/// What is known of one venue.
#[derive(Clone, Debug)]
struct VenueState {
    healthy: FeedStatus,
    /// Whether this process reads it; else `told` is what its reader says.
    owned: bool,
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
    reconnects: u64,
    liquidations: u64,
    btc_mark: Option<(f64, EventTime)>,
}

/// The feeds of all venues: of those that this process reads as it sees them, of the others as their readers say.
#[derive(Clone, Debug)]
pub(crate) struct Board {
    venues: BTreeMap<Venue, VenueState>,
    /// The liquidations of the last minute, as they came.
    recent: VecDeque<(EventTime, Venue, Symbol)>,
    btc_volume: VecDeque<(EventTime, Usd)>,
    btc_venues: Vec<Venue>,
}

impl Board {
    /// Venues that have not delivered yet, with the state they have when they do.
    pub(crate) fn new(venues: impl IntoIterator<Item = (Venue, FeedStatus)>, now: EventTime) -> Self {
        let state = |venue, healthy| VenueState {
            healthy,
            owned: false,
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
            reconnects: 0,
            liquidations: 0,
            btc_mark: None,
        };
        Self {
            venues: venues.into_iter().map(|(venue, healthy)| (venue, state(venue, healthy))).collect(),
            recent: VecDeque::new(),
            btc_volume: VecDeque::new(),
            btc_venues: Vec::new(),
        }
    }

    /// This process reads the venue from now on; it has no connection yet.
    pub(crate) fn own(&mut self, venue: Venue) {
        if let Some(state) = self.venues.get_mut(&venue) {
            (state.owned, state.barred, state.last_event) = (true, None, None);
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

    /// The venues that this process does not read.
    pub(crate) fn foreign(&self) -> Vec<Venue> {
        self.venues.iter().filter(|(_, state)| !state.owned).map(|(venue, _)| *venue).collect()
    }

    /// What the reader of a venue says of it.
    pub(crate) fn heard(&mut self, venue: Venue, reading: &FeedHealthReading) {
        let Some(state) = self.venues.get_mut(&venue).filter(|state| !state.owned) else { return };
        if state.heard_at.is_none_or(|at| reading.told_ms > at) {
            state.heard_at = Some(reading.told_ms);
            let FeedHealthReading { status, since_ms, reason, .. } = reading.clone();
            state.told = FeedHealth { venue, status, since_ms, reason };
        }
    }

    /// A route that this process will hold, and its symbols.
    pub(crate) fn expect(&mut self, venue: Venue, route: &str, symbols: &[Symbol]) {
        if let Some(state) = self.venues.get_mut(&venue) {
            state.routes.entry(route.to_owned()).or_default();
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
        if self.recent.len() >= MOST_RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back((at, venue, symbol));
    }

    /// A session goes on without these topics, or cannot go on (`None`: nothing is refused any more).
    pub(crate) fn refused(&mut self, venue: Venue, route: &str, why: Option<String>) {
        if let Some(route) = self.venues.get_mut(&venue).and_then(|v| v.routes.get_mut(route)) {
            route.refused = why;
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

    /// The venue's last mark of its BTC reference contract.
    pub(crate) fn btc_mark(&mut self, venue: Venue, price: f64, at: EventTime) {
        if let Some(state) = self.venues.get_mut(&venue) {
            state.btc_mark = Some((price, at));
        }
    }

    /// A BTC bar closed.
    pub(crate) fn btc_bar(&mut self, bar: &TradeBar) {
        let usd = bar.buy_usd + bar.sell_usd;
        match self.btc_volume.iter_mut().find(|(second, _)| *second == bar.open_time_ms) {
            Some((_, sum)) => *sum += usd,
            None => self.btc_volume.push_back((bar.open_time_ms, usd)),
        }
        while self.btc_volume.len() > 10 {
            self.btc_volume.pop_front();
        }
    }

    /// Judges every feed anew; gives the changes of those that this process reads.
    pub(crate) fn judge(&mut self, now: EventTime) -> Vec<FeedHealth> {
        while self.recent.front().is_some_and(|(at, ..)| now.since(*at) >= SUSPECT_MS) {
            self.recent.pop_front();
        }
        let mut changes = Vec::new();
        for (venue, state) in &mut self.venues {
            if !state.owned {
                state.age(now);
                continue;
            }
            let elsewhere = |(_, other, symbol): &&(EventTime, Venue, Symbol)| {
                other != venue && state.symbols.contains(symbol)
            };
            let elsewhere = self.recent.iter().filter(elsewhere).count();
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

    /// The feeds as the tick carries them.
    pub(crate) fn feeds(&self) -> Feeds {
        self.venues.iter().map(|(venue, state)| (*venue, state.told.status)).collect()
    }

    /// Median over delivering venues of their fresh BTC marks, and whether the set of those venues changed since the
    /// last call.
    pub(crate) fn btc_price(&mut self, now: EventTime) -> (Option<f64>, bool) {
        let fresh = |state: &VenueState| {
            state.btc_mark.filter(|(_, at)| state.told.status.delivers() && now.since(*at) <= MARK_FRESH_MS)
        };
        let (venues, mut prices): (Vec<_>, Vec<_>) =
            self.venues.iter().filter_map(|(venue, state)| Some((*venue, fresh(state)?.0))).unzip();
        let changed = venues != self.btc_venues;
        self.btc_venues = venues;
        (median(&mut prices), changed)
    }

    /// US dollars of BTC traded in the last second whose bars are complete.
    pub(crate) fn btc_volume(&self, tick: EventTime) -> Option<Usd> {
        let second = tick.second().plus_ms(-VOLUME_DELAY_MS);
        self.btc_volume.iter().find(|(at, _)| *at == second).map(|(_, usd)| *usd)
    }

    /// Every feed's state, in venue order.
    pub(crate) fn healths(&self) -> Vec<FeedHealth> {
        self.venues.values().map(|state| state.told.clone()).collect()
    }

    /// What `feed:VENUE:health` shows of the venues that this process reads.
    pub(crate) fn readings(&self, now: EventTime) -> Vec<(Venue, FeedHealthReading)> {
        let reading = |state: &VenueState| FeedHealthReading {
            status: state.told.status,
            since_ms: state.told.since_ms,
            last_frame_ms: state.routes.values().filter_map(|r| r.last_data).max(),
            last_event_ms: state.last_event,
            heard_to_ms: state.heard_to(),
            clock_offset_ms: state.clock_offset_ms(),
            reader: String::new(),
            told_ms: now,
            reconnects: state.reconnects,
            liquidations: state.liquidations,
            reason: state.told.reason.clone(),
        };
        let owned = self.venues.iter().filter(|(_, state)| state.owned);
        owned.map(|(venue, state)| (*venue, reading(state))).collect()
    }
}

impl VenueState {
    /// Until when all its routes have delivered; `None` while one has not been live.
    fn heard_to(&self) -> Option<EventTime> {
        let routes = self.routes.values();
        let heard: Option<Vec<_>> = routes.map(|route| route.last_data.filter(|_| route.was_live)).collect();
        heard?.into_iter().min()
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
        if self.routes.is_empty() {
            return (FeedStatus::Dead, "not connected yet".to_owned());
        }
        let routes = self.routes.iter().map(|(name, route)| route.judge(name, now));
        if let (Some(status), reason) = routes.max_by_key(|(status, _)| *status).unwrap_or_default() {
            self.silent_since = now;
            return (status, reason);
        }
        let silent_ms = now.since(self.silent_since);
        let suspected = self.told.status == FeedStatus::Suspect;
        let many = elsewhere >= SUSPECT_LIQUIDATIONS || suspected;
        if self.healthy != FeedStatus::Partial && silent_ms >= SUSPECT_MS && many {
            let silent = format!("no liquidation for {} s", silent_ms / 1000);
            return (FeedStatus::Suspect, format!("{silent}, {elsewhere} of its markets elsewhere in 60 s"));
        }
        let off_ms = self.clock_offset_ms().filter(|ms| ms.abs() > CLOCK_OFF_MS);
        let clock = off_ms.map_or(String::new(), |ms| {
            let which = if ms > 0 { "ahead of" } else { "behind" };
            format!("its clock is {} ms {which} ours, or its frames are that late", ms.abs())
        });
        (self.healthy, clock)
    }
}

impl RouteState {
    /// `None` = healthy.
    fn judge(&self, name: &str, now: EventTime) -> (Option<FeedStatus>, String) {
        let age_ms = self.last_data.map(|at| now.since(at));
        let ended = || self.last_end.as_ref().map_or(String::new(), |end| format!(" ({end})"));
        match (&self.refused, age_ms) {
            (Some(why), _) => (Some(FeedStatus::Refused), format!("{name}: {why}")),
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

#[cfg(test)]
mod tests {
    use super::*;

    const T: EventTime = EventTime::from_ms(1_791_565_601_000);

    fn board() -> Board {
        let mut board =
            Board::new([(Venue::Binance, FeedStatus::Sampled), (Venue::Bybit, FeedStatus::Live)], T);
        board.own(Venue::Binance);
        board.own(Venue::Bybit);
        let btc = [Symbol::parse("BTCUSDT").unwrap()];
        board.expect(Venue::Binance, "market-0", &btc);
        board.expect(Venue::Bybit, "linear-0", &btc);
        board.expect(Venue::Bybit, "inverse-0", &btc);
        board
    }

    fn told(board: &mut Board, at: EventTime) -> Vec<(Venue, FeedStatus)> {
        board.judge(at).into_iter().map(|h| (h.venue, h.status)).collect()
    }

    #[test]
    fn a_feed_is_as_good_as_its_worst_route_and_each_change_is_told_once() {
        let mut board = board();
        board.delivered(Venue::Binance, "market-0", T);
        board.delivered(Venue::Bybit, "linear-0", T);
        assert_eq!(
            told(&mut board, T),
            [(Venue::Binance, FeedStatus::Sampled)],
            "one of bybit's routes has not delivered"
        );
        board.delivered(Venue::Bybit, "inverse-0", T);
        assert_eq!(told(&mut board, T), [(Venue::Bybit, FeedStatus::Live)]);
        assert_eq!(told(&mut board, T.plus_ms(9_999)), []);
        board.delivered(Venue::Bybit, "linear-0", T.plus_ms(10_000));
        board.delivered(Venue::Binance, "market-0", T.plus_ms(10_000));
        assert_eq!(told(&mut board, T.plus_ms(10_000)), [(Venue::Bybit, FeedStatus::Stale)]);
        board.delivered(Venue::Binance, "market-0", T.plus_ms(30_000));
        assert_eq!(told(&mut board, T.plus_ms(30_000)), [(Venue::Bybit, FeedStatus::Dead)]);
        let reason = &board.readings(T)[1].1.reason;
        assert_eq!(reason, "inverse-0: silent");
    }

    /// A board of which all routes have delivered at this time.
    fn delivering(board: &mut Board, at: EventTime) -> Vec<(Venue, FeedStatus)> {
        board.live(Venue::Binance, "market-0", at);
        board.live(Venue::Bybit, "linear-0", at);
        board.live(Venue::Bybit, "inverse-0", at);
        told(board, at)
    }

    #[test]
    fn a_venue_whose_liquidations_alone_are_silent_is_suspect_until_it_tells_one() {
        let (mut board, btc) = (board(), Symbol::parse("BTCUSDT").unwrap());
        assert_eq!(delivering(&mut board, T).len(), 2);
        for second in 1..=30 {
            board.liquidation(Venue::Bybit, T.plus_ms(second * 1000), btc, false);
        }
        assert_eq!(delivering(&mut board, T.plus_ms(59_999)), []);
        assert_eq!(delivering(&mut board, T.plus_ms(60_000)), [(Venue::Binance, FeedStatus::Suspect)]);
        let reason = board.readings(T)[0].1.reason.clone();
        assert_eq!(reason, "no liquidation for 60 s, 30 of its markets elsewhere in 60 s");
        assert_eq!(delivering(&mut board, T.plus_ms(300_000)), [], "quiet elsewhere clears nothing");
        board.liquidation(Venue::Binance, T.plus_ms(300_500), btc, false);
        assert_eq!(delivering(&mut board, T.plus_ms(301_000)), [(Venue::Binance, FeedStatus::Sampled)]);
    }

    #[test]
    fn a_busy_day_of_healthy_feeds_has_no_suspect_and_no_dead() {
        let mut board = board();
        let (btc, mut random) = (Symbol::parse("BTCUSDT").unwrap(), 7_u64);
        delivering(&mut board, T);
        for second in 1..=86_400 {
            let at = T.plus_ms(second * 1000);
            // Twice the liquidations of signals.md 9's busy day on each venue, at random seconds.
            for venue in [Venue::Binance, Venue::Bybit] {
                random =
                    random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                if (random >> 33) % 3600 < 660 {
                    board.liquidation(venue, at, btc, false);
                }
            }
            assert_eq!(delivering(&mut board, at), [], "at second {second}");
        }
    }

    #[test]
    fn few_liquidations_elsewhere_or_of_other_markets_make_no_suspect() {
        let (mut board, btc) = (board(), Symbol::parse("BTCUSDT").unwrap());
        delivering(&mut board, T);
        for second in 1..=300 {
            let at = T.plus_ms(second * 1000);
            if second % 4 == 0 {
                board.liquidation(Venue::Bybit, at, btc, false);
            }
            board.liquidation(Venue::Bybit, at, Symbol::parse("DOGEUSDT").unwrap(), false);
            assert_eq!(delivering(&mut board, at), [], "15 a minute of its markets");
        }
    }

    #[test]
    fn a_venue_without_a_session_says_why() {
        let mut board = board();
        let why = "does not answer: no such host".to_owned();
        board.bar(Venue::Binance, Some((FeedStatus::Dead, why.clone())));
        assert_eq!(told(&mut board, T), [], "it was dead before");
        assert_eq!(board.readings(T)[0].1.reason, why);
        board.bar(Venue::Binance, None);
        assert_eq!(delivering(&mut board, T)[0], (Venue::Binance, FeedStatus::Sampled));
    }

    #[test]
    fn a_refusal_outranks_silence_and_names_its_reason() {
        let mut board = board();
        board.refused(Venue::Binance, "market-0", Some("60018 no such channel".into()));
        assert_eq!(told(&mut board, T), [(Venue::Binance, FeedStatus::Refused)]);
        assert_eq!(board.readings(T)[0].1.reason, "market-0: 60018 no such channel");
    }

    #[test]
    fn a_clock_that_is_off_is_named_and_judges_nothing() {
        let mut board = board();
        for (off_ms, named) in [(4_000, "4000 ms ahead of"), (-4_000, "4000 ms behind"), (-80, "")] {
            board.clock_offset(Venue::Binance, "market-0", Some(off_ms));
            delivering(&mut board, T);
            let reading = board.readings(T)[0].1.clone();
            assert_eq!((reading.status, reading.clock_offset_ms), (FeedStatus::Sampled, Some(off_ms)));
            assert!(
                reading.reason.contains(named) && reading.reason.is_empty() == named.is_empty(),
                "{reading:?}"
            );
        }
    }

    #[test]
    fn what_another_replica_says_of_its_venue_stands_until_it_says_nothing_more() {
        let mut board = board();
        delivering(&mut board, T);
        let (_, reading) = board.readings(T)[1].clone();
        assert_eq!(reading.heard_to_ms, Some(T));
        board.disown(Venue::Bybit);
        assert_eq!(board.foreign(), [Venue::Bybit]);
        let status = |board: &mut Board, at_ms| {
            board.judge(T.plus_ms(at_ms));
            board.feeds()[&Venue::Bybit]
        };
        board.heard(Venue::Bybit, &FeedHealthReading { told_ms: T.plus_ms(5_000), ..reading });
        assert_eq!(status(&mut board, 14_999), FeedStatus::Live);
        assert_eq!(status(&mut board, 15_000), FeedStatus::Stale);
        assert_eq!(status(&mut board, 35_000), FeedStatus::Dead);
        let health = board.healths()[1].clone();
        assert_eq!(
            (health.since_ms, health.reason.as_str()),
            (T.plus_ms(35_000), "its reader says nothing more")
        );
        assert_eq!(board.readings(T).len(), 1, "what others read is theirs to show");
        board.own(Venue::Bybit);
        assert_eq!(told(&mut board, T.plus_ms(36_000)), [], "dead still: it is not connected yet");
    }

    #[test]
    fn the_btc_price_is_the_median_of_fresh_marks_and_a_change_of_venues_is_marked() {
        let mut board = board();
        delivering(&mut board, T);
        board.btc_mark(Venue::Binance, 100.0, T);
        assert_eq!(board.btc_price(T), (Some(100.0), true));
        assert_eq!(board.btc_price(T), (Some(100.0), false));
        board.btc_mark(Venue::Bybit, 101.0, T.plus_ms(3000));
        assert_eq!(board.btc_price(T.plus_ms(5000)), (Some(100.5), true));
        assert_eq!(board.btc_price(T.plus_ms(5001)), (Some(101.0), true), "the older mark is too old");
        assert_eq!(board.btc_price(T.plus_ms(8001)), (None, true));
    }
}
