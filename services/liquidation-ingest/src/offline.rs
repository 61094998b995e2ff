//! What this service makes of recorded frames: the same symbols, bars, marks, feed states and ticks, each event once.
//!
//! Time is what the frames say they were received at: bars are closed and ticks told as it passes, one a second. Knows
//! no Redis, no clock and no file.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cascade_bus::{Outbox, remembered_s};
use cascade_domain::{Event, EventTime, Gap, GapStream, Id, Venue};
use cascade_feed::{Frame, Gaps, Note, Sink, read_frame, tell_events};
use cascade_pace::Clock;
use cascade_service::{Metrics, Traces};
use cascade_venues::{DecodeError, Decoded, Instruments, Meaning, RestRequest, Route, Watch, protocol};

use crate::Config;
use crate::board::Board;
use crate::intake::{Intake, Shared, SharedIntake};
use crate::ticks;
use crate::trails::Trails;
use crate::venue::with_btc;

/// How often bars are closed, milliseconds; whole seconds are among the times at which they are.
const STEP_MS: i64 = 250;
/// Where nothing was received for longer than this, nobody was there to tell the time: it goes on where frames do.
const LONGEST_SILENCE_MS: i64 = 300_000;
/// The word for a gap that a recording tells of itself.
const LOST: &str = "queue_full";

/// The service, fed with what was recorded.
#[derive(Debug)]
pub struct Offline {
    config: Config,
    shared: Shared,
    venues: BTreeMap<Venue, Listed>,
    conns: BTreeMap<(Venue, String), Conn>,
    seen: Seen,
    /// Up to when what came before is known.
    since: EventTime,
    /// The latest time that was received at.
    now: Option<EventTime>,
    /// The next time at which bars are closed.
    step: EventTime,
    decoded: Decoded,
    events: Vec<Event>,
    duplicates: u64,
}

/// What a venue lists, and the connections that this makes.
#[derive(Debug, Default)]
struct Listed {
    instruments: Instruments,
    routes: Vec<Route>,
    /// Something was listed since the routes were planned.
    is_new: bool,
}

/// One recorded connection.
#[derive(Debug)]
struct Conn {
    sink: Ear,
    gaps: Gaps,
    last_market: Option<EventTime>,
}

/// An intake that keeps what was refused, for whoever reads the recording.
#[derive(Debug)]
struct Ear {
    intake: SharedIntake,
    refused: Vec<DecodeError>,
}

impl Sink for Ear {
    fn frame(&mut self, frame: Frame<'_>) {
        self.intake.frame(frame);
    }

    fn events(&mut self, received: EventTime, decoded: &mut Decoded) {
        self.intake.events(received, decoded);
    }

    fn refused(&mut self, error: &DecodeError) {
        self.intake.refused(error);
        self.refused.push(error.clone());
    }

    fn note(&mut self, note: Note) {
        self.intake.note(note);
    }
}

/// Nobody asks it: nothing is traced.
#[derive(Debug)]
struct NoClock;

impl Clock for NoClock {
    fn now_ns(&self) -> i64 {
        0
    }

    fn wall(&self, of_clock: Duration) -> Duration {
        of_clock
    }
}

/// The keys of what was told, for as long as Redis remembers them.
#[derive(Debug, Default)]
struct Seen {
    until: BTreeMap<Id, EventTime>,
    order: BTreeSet<(EventTime, Id)>,
}

impl Seen {
    /// Whether an event is new as of now; from here on it is not.
    fn is_new(&mut self, event: &Event, now: EventTime) -> bool {
        while let Some((until, id)) = self.order.first().copied().filter(|(until, _)| *until <= now) {
            self.order.remove(&(until, id));
            self.until.remove(&id);
        }
        let Some(id) = event.once_key() else { return true };
        if self.until.contains_key(&id) {
            return false;
        }
        let until = now.plus_ms(i64::from(remembered_s(event)) * 1000);
        self.until.insert(id, until);
        self.order.insert((until, id));
        true
    }
}

impl Offline {
    /// The service of these settings, before anything was received. What came before `since` is known.
    pub fn new(config: Config, since: EventTime) -> Self {
        let board =
            Board::new(config.markets.exchanges.iter().map(|venue| (*venue, config.healthy(*venue))), since);
        let shared = Shared {
            board: Arc::new(Mutex::new(board)),
            // Emptied after every line, which holds one frame's events.
            outbox: Arc::new(Outbox::new(usize::MAX)),
            drained: Arc::default(),
            trails: Arc::new(Trails::new(Traces::off(), Arc::new(NoClock))),
            metrics: Metrics::new("offline", env!("CARGO_PKG_VERSION")),
        };
        for venue in &config.markets.exchanges {
            shared.board(|board| board.own(*venue, since, since));
        }
        Self {
            config,
            shared,
            venues: BTreeMap::new(),
            conns: BTreeMap::new(),
            seen: Seen::default(),
            since,
            now: None,
            step: since,
            decoded: Decoded::default(),
            events: Vec::new(),
            duplicates: 0,
        }
    }

    /// Another recording begins, of what these settings name. What came before is known; time goes on.
    #[must_use]
    pub fn begin(self, config: Config, since: EventTime) -> Self {
        let since = self.now.unwrap_or(since);
        let Self { seen, now, step, events, duplicates, .. } = self;
        Self { seen, now, step, events, duplicates, ..Self::new(config, since) }
    }

    /// A venue's answer that names its instruments.
    ///
    /// # Errors
    /// It is no such answer.
    pub fn answer(&mut self, venue: Venue, request: &RestRequest, body: &str) -> Result<(), DecodeError> {
        let listed = self.venues.entry(venue).or_default();
        listed.is_new = true;
        protocol(venue).read_instruments(request, body.as_bytes(), &mut listed.instruments).map(drop)
    }

    /// A frame of a connection; gives what was refused of it.
    pub fn frame(&mut self, frame: Frame<'_>) -> Vec<DecodeError> {
        let Frame { venue, route, received_ns, .. } = frame;
        let received = EventTime::from_ms(received_ns.div_euclid(1_000_000));
        self.reach(received);
        self.connect(venue, route);
        let Some(conn) = self.conns.get_mut(&(venue, route.to_owned())) else { return Vec::new() };
        let none = Instruments::default();
        let instruments = self.venues.get(&venue).map_or(&none, |listed| &listed.instruments);
        let (decoded, sink) = (&mut self.decoded, &mut conn.sink);
        if let Some(meaning) = read_frame(protocol(venue), frame, instruments, decoded, sink) {
            if meaning == Meaning::Market {
                conn.last_market = Some(received);
            }
            tell_events(&meaning, received, decoded, sink);
        }
        let refused = std::mem::take(&mut conn.sink.refused);
        self.collect(received);
        refused
    }

    /// What a connection told of itself at that time. What it missed while it was down is told as the service does.
    pub fn note(&mut self, venue: Venue, conn: &str, at: EventTime, note: Note) {
        self.reach(at);
        self.connect(venue, conn);
        let Some(conn) = self.conns.get_mut(&(venue, conn.to_owned())) else { return };
        let mut told = Decoded::default();
        match &note {
            Note::Live { .. } => drop(conn.gaps.recovered(at, &mut told.events)),
            Note::Ended { end, .. } if *end != cascade_feed::End::Shutdown => {
                conn.gaps.broke((conn.last_market, at), end.word(), &mut told.events);
            }
            _ => {}
        }
        conn.sink.note(note);
        if !told.events.is_empty() {
            conn.sink.events(at, &mut told);
        }
        self.collect(at);
    }

    /// Lines are missing in the recording before this time: what they held is not known of any venue.
    pub fn lost(&mut self, at: EventTime) {
        let from = self.now.unwrap_or(self.since).min(at);
        self.reach(at);
        for venue in self.config.markets.exchanges.clone() {
            for stream in [GapStream::Liquidations, GapStream::Trades, GapStream::Mark] {
                let (symbols, reason) = (Vec::new(), LOST.to_owned());
                let gap = Gap { venue, stream, symbols, from_ms: from, to_ms: at, reason };
                self.shared.push(Event::Gap(gap));
            }
        }
        self.collect(at);
    }

    /// The events since the last call, in order.
    pub fn take(&mut self) -> std::vec::Drain<'_, Event> {
        self.events.drain(..)
    }

    /// How many events came that were there already.
    pub const fn duplicates(&self) -> u64 {
        self.duplicates
    }

    /// Time passes up to then: bars are closed, feeds judged, ticks told.
    fn reach(&mut self, to: EventTime) {
        let Some(now) = self.now else {
            (self.now, self.step) = (Some(to), after(to));
            return;
        };
        let until = to.min(now.plus_ms(LONGEST_SILENCE_MS));
        while self.step <= until {
            let at = self.step;
            for conn in self.conns.values() {
                conn.sink.intake.with(|intake| intake.close_bars(at));
            }
            if at == at.second() {
                ticks::judge(&self.shared, at);
                self.shared.push(Event::Tick(ticks::tick(&self.shared, at)));
            }
            self.collect(at);
            self.step = at.plus_ms(STEP_MS);
        }
        self.now = Some(now.max(to));
        self.step = self.step.max(after(now.max(to)));
    }

    /// Makes sure that there is such a connection, as it is planned or, if it is not, with nothing known of it.
    fn connect(&mut self, venue: Venue, name: &str) {
        let now = self.now.unwrap_or(self.since);
        if let Some(listed) = self.venues.get_mut(&venue)
            && std::mem::take(&mut listed.is_new)
        {
            let (wanted, endpoints) =
                (with_btc(&self.config.markets.wanted(venue)), self.config.markets.endpoints(venue));
            let planned = protocol(venue).replan(&listed.routes, &wanted, &listed.instruments, &endpoints);
            for route in &planned {
                self.shared.board(|board| board.expect(venue, &route.name, &route.symbols, self.since));
                if let Some(conn) = self.conns.get_mut(&(venue, route.name.clone())) {
                    let mut told = Decoded::default();
                    conn.gaps.changed(Arc::new(route.clone()), now, &mut told.events);
                    if !told.events.is_empty() {
                        conn.sink.events(now, &mut told);
                    }
                }
            }
            listed.routes = planned;
        }
        if self.conns.contains_key(&(venue, name.to_owned())) {
            return;
        }
        let planned =
            self.venues.get(&venue).and_then(|listed| listed.routes.iter().find(|route| route.name == name));
        let route = planned.cloned().unwrap_or_else(|| unplanned(venue, name));
        self.shared.board(|board| board.expect(venue, name, &route.symbols, self.since));
        let (wanted, large) = (self.config.markets.wanted(venue), self.config.ingest.large_trade());
        let intake = Intake::new(protocol(venue), name, wanted, large, self.shared.clone());
        let sink = Ear { intake: SharedIntake::new(intake), refused: Vec::new() };
        let gaps = Gaps::started(Arc::new(route), self.since);
        self.conns.insert((venue, name.to_owned()), Conn { sink, gaps, last_market: None });
    }

    /// What the intakes handed on, each event once.
    fn collect(&mut self, now: EventTime) {
        for event in self.shared.outbox.take_now(usize::MAX) {
            if self.seen.is_new(&event, now) {
                self.events.push(event);
            } else {
                self.duplicates += 1;
            }
        }
    }
}

/// The first step after this time.
const fn after(at: EventTime) -> EventTime {
    EventTime::from_ms((at.ms().div_euclid(STEP_MS) + 1).saturating_mul(STEP_MS))
}

/// A connection of which nothing is known but that it was recorded.
fn unplanned(venue: Venue, name: &str) -> Route {
    Route {
        venue,
        name: name.to_owned(),
        url: String::new(),
        subscriptions: Vec::new(),
        frames_per_second: 1,
        keepalive: None,
        watch: Watch { silent_after: Duration::ZERO, ack_within: Duration::ZERO },
        renew_after: None,
        market_wide: vec![GapStream::Liquidations, GapStream::Trades, GapStream::Mark],
        carries: Vec::new(),
        symbols: Vec::new(),
    }
}
