//! What one connection hears, on its way to the queue: only wanted symbols, trades as bars, marks once a second, open
//! interest each two, everything else as it is. Its methods never wait: what does not fit the queue is dropped there,
//! counted and told.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use cascade_bus::Outbox;
use cascade_domain::{Event, EventTime, Trade, Usd, Venue};
use cascade_feed::{End, Frame, Note, Sink};
use cascade_service::{Latency, Metric, Metrics, Stage, Throttle};
use cascade_venues::{DecodeError, Decoded, Protocol, Wanted};

use crate::bars::{Bars, Taken};
use crate::bitcoin;
use crate::board::Board;
use crate::marks::Marks;
use crate::offset::Offset;
use crate::refusals::Refusals;
use crate::samples::Samples;
use crate::trails::{Sampled, Trails};

/// How many refusals of one kind are logged in a minute of the clock; all are counted.
pub(crate) const LOGGED_A_MINUTE: u32 = 3;

/// What all connections of the process share.
#[derive(Clone, Debug)]
pub(crate) struct Shared {
    pub(crate) board: Arc<Mutex<Board>>,
    pub(crate) outbox: Arc<Outbox>,
    /// How often everything that waited at a time has been written since.
    pub(crate) drained: Arc<AtomicU64>,
    /// The way of sampled frames.
    pub(crate) trails: Arc<Trails>,
    pub(crate) metrics: Metrics,
}

impl Shared {
    /// The feed states, for a moment.
    pub(crate) fn board<T>(&self, with: impl FnOnce(&mut Board) -> T) -> T {
        with(&mut self.board.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Hands an event to the writer; what had to go instead is counted.
    pub(crate) fn push(&self, event: Event) {
        if let Some(dropped) = self.outbox.push_since(event, Latency::now()) {
            self.metrics.add(Metric::Dropped, &[dropped.kind()], 1);
            self.trails.dropped(&dropped);
        }
    }
}

/// A wait of so long before the next session is a part of why a feed is down.
const WORTH_TELLING: Duration = Duration::from_mins(1);
/// What we knew longer ago than this when it comes is history, milliseconds.
const LIVE_MS: i64 = 5_000;

/// One connection's way to the queue.
#[derive(Debug)]
pub(crate) struct Intake {
    venue: Venue,
    route: String,
    protocol: &'static dyn Protocol,
    wanted: Wanted,
    bars: Bars,
    marks: Marks,
    samples: Samples,
    offset: Offset,
    throttle: Throttle,
    last_received: EventTime,
    /// When the frame that is being read came, on the steady clock.
    came: Option<Instant>,
    refusals: Refusals,
    /// Whether this session was refused liquidations.
    is_refused: bool,
    /// The frame that is being read, if it is sampled.
    sampled: Option<Sampled>,
    shared: Shared,
}

impl Intake {
    /// The way of `route`; trades of at least `large` are told by themselves.
    pub(crate) fn new(
        protocol: &'static dyn Protocol,
        route: &str,
        wanted: Wanted,
        large: Usd,
        shared: Shared,
    ) -> Self {
        Self {
            venue: protocol.venue(),
            route: route.to_owned(),
            protocol,
            wanted,
            bars: Bars::new(large),
            marks: Marks::default(),
            samples: Samples::default(),
            offset: Offset::default(),
            throttle: Throttle::new(LOGGED_A_MINUTE, 60_000),
            last_received: EventTime::default(),
            came: None,
            refusals: Refusals::default(),
            is_refused: false,
            sampled: None,
            shared,
        }
    }

    /// Tells the bars of the seconds that are over.
    pub(crate) fn close_bars(&mut self, now: EventTime) {
        for bar in self.bars.close(now, self.offset_ms()) {
            if bitcoin::is_bitcoin(&bar.symbol) {
                self.shared.board(|board| board.bitcoin.bar(&bar));
            }
            self.shared.push(Event::TradeBar(bar));
        }
    }

    /// A frame that came then holds so many events.
    fn decoded(&self, came: Instant, events: usize) {
        let (now, events) = (Latency::now(), u64::try_from(events).unwrap_or(u64::MAX));
        if events > 0 {
            let lasted = now.saturating_duration_since(came);
            self.shared.metrics.latency().record(Stage::Decode, now, lasted, events);
        }
    }

    fn count(&self, metric: Metric) {
        self.shared.metrics.add(metric, &[self.venue.as_str()], 1);
    }

    /// Hands on an event of the frame that is being read.
    fn push(&mut self, event: Event) {
        if let Some(frame) = &mut self.sampled {
            self.shared.trails.queued(frame, &event);
        }
        self.shared.push(event);
    }

    fn take(&mut self, event: Event, received: EventTime) {
        if let Event::Gap(gap) = &event {
            let stream = gap.stream.as_str();
            self.shared.metrics.add(Metric::Gaps, &[self.venue.as_str(), stream], 1);
            return self.shared.push(event);
        }
        if let Event::Mark(mark) = &event
            && let Some(price) = bitcoin::price(mark)
        {
            self.shared.board(|board| board.bitcoin.mark(self.venue, price, received));
        }
        if event.symbol().is_some_and(|symbol| !self.wanted.wants(symbol)) {
            return self.refer(&event, received);
        }
        self.shared.metrics.add(Metric::Events, &[self.venue.as_str(), event.kind()], 1);
        self.shared.board(|board| board.event(self.venue, received));
        match event {
            Event::Trade(trade) => self.trade(&trade, received),
            Event::Mark(mark) => {
                if self.protocol.marks_confirm_interest()
                    && let Some(sample) = self.samples.confirm(&mark, received)
                {
                    self.push(Event::OpenInterest(sample));
                }
                if let Some(mark) = self.marks.take(&mark, received) {
                    self.push(Event::Mark(mark));
                }
            }
            Event::Liquidation(liquidation) => {
                // What was asked for again is history: it shows neither that the feed lives nor how late it is.
                let is_history = is_past(liquidation.known_at_ms, received);
                let late_ms = received.since(liquidation.event_time_ms).max(0);
                self.shared
                    .board(|board| board.liquidation(self.venue, received, liquidation.symbol, is_history));
                #[expect(clippy::cast_precision_loss, reason = "a delay in milliseconds")]
                if !is_history {
                    let delay_s = late_ms as f64 / 1e3;
                    self.shared.metrics.record(Metric::VenueDelay, &[self.venue.as_str()], delay_s);
                    let late = Duration::from_millis(late_ms.unsigned_abs());
                    self.shared.metrics.latency().record(Stage::Venue, Latency::now(), late, 1);
                }
                self.push(Event::Liquidation(liquidation));
            }
            Event::OpenInterest(part) => {
                if let Some(sample) = self.samples.take(&part, received) {
                    self.push(Event::OpenInterest(sample));
                }
            }
            other => self.push(other),
        }
    }

    /// The ticks carry BTC's price and volume, whichever markets are wanted: whoever writes them finds BTC's marks and
    /// bars in its stream. Nothing else of an unwanted market goes on.
    fn refer(&mut self, event: &Event, received: EventTime) {
        match event {
            Event::Trade(trade) if bitcoin::is_bitcoin(&trade.symbol) => {
                self.bars.take(trade, received, self.offset_ms());
            }
            Event::Mark(mark) if bitcoin::price(mark).is_some() => {
                if let Some(mark) = self.marks.take(mark, received) {
                    self.push(Event::Mark(mark));
                }
            }
            _ => self.count(Metric::Filtered),
        }
    }

    /// The venue's clock against ours, milliseconds; 0 while it is not known.
    fn offset_ms(&self) -> i64 {
        self.offset.ms().unwrap_or(0)
    }

    /// Looks at the times that a frame's events carry.
    fn look_at_times(&mut self, events: &[Event], received: EventTime) {
        for event in events {
            self.offset.take(event, received);
        }
        let offset = self.offset.ms();
        self.shared.board(|board| board.clock_offset(self.venue, &self.route, offset));
        let trades = events.iter().filter_map(|event| match event {
            Event::Trade(trade) => Some((trade.instrument, trade.event_time_ms)),
            _ => None,
        });
        self.bars.replayed(trades, received, self.offset_ms());
    }

    fn trade(&mut self, trade: &Trade, received: EventTime) {
        match self.bars.take(trade, received, self.offset_ms()) {
            Taken::Large(event) => self.push(*event),
            Taken::Late | Taken::Early => self.count(Metric::LateTrades),
            Taken::Counted | Taken::Duplicate => {}
        }
    }
}

/// Whether what came shows that a connection delivers: market data that is of now, or that holds nothing for us. Gaps
/// are our own, and history is what was asked for again.
fn is_live(events: &[Event], received: EventTime) -> bool {
    let shows_nothing = |event: &Event| matches!(event, Event::Gap(_)) || is_past(event.known_at(), received);
    events.is_empty() || !events.iter().all(shows_nothing)
}

/// Whether what was known then is history when it comes.
fn is_past(known_at: Option<EventTime>, received: EventTime) -> bool {
    known_at.is_some_and(|at| received.since(at) > LIVE_MS)
}

/// The intake of a connection, shared with the task that closes its bars.
#[derive(Clone, Debug)]
pub(crate) struct SharedIntake(Arc<Mutex<Intake>>);

impl SharedIntake {
    pub(crate) fn new(intake: Intake) -> Self {
        Self(Arc::new(Mutex::new(intake)))
    }

    pub(crate) fn with<T>(&self, act: impl FnOnce(&mut Intake) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Sink for SharedIntake {
    fn frame(&mut self, frame: Frame<'_>) {
        self.with(|intake| {
            intake.last_received = EventTime::from_ms(frame.received_ns.div_euclid(1_000_000));
            intake.came = Some(Latency::now());
            intake.count(Metric::Frames);
            intake.sampled = intake.shared.trails.frame(&frame);
        });
    }

    fn events(&mut self, received: EventTime, decoded: &mut Decoded) {
        self.with(|intake| {
            let is_live = is_live(&decoded.events, received);
            // Gaps and answers to questions come without a frame.
            let came = intake.came.take().filter(|_| is_live && intake.last_received == received);
            if let Some(came) = came {
                intake.decoded(came, decoded.events.len());
            }
            if is_live {
                intake.sampled = intake.sampled.take().filter(|frame| frame.came_at(received));
                if let Some(frame) = &intake.sampled {
                    intake.shared.trails.decoded(frame, decoded.events.len());
                }
                intake.shared.board(|board| board.delivered(intake.venue, &intake.route, received));
                intake.look_at_times(&decoded.events, received);
            }
            if decoded.auto_deleveraged > 0 {
                let venue = [intake.venue.as_str()];
                intake.shared.metrics.add(Metric::AutoDeleveraged, &venue, decoded.auto_deleveraged);
            }
            for event in decoded.events.drain(..) {
                intake.take(event, received);
            }
            if is_live && let Some(frame) = intake.sampled.take() {
                intake.shared.trails.handed_on(&frame, &intake.route);
            }
            intake.close_bars(received);
        });
    }

    fn refused(&mut self, error: &DecodeError) {
        self.with(|intake| {
            let label = error.label();
            intake.shared.metrics.add(Metric::Refused, &[intake.venue.as_str(), label], 1);
            if let Some(suppressed) = intake.throttle.admit(label, intake.last_received) {
                tracing::warn!(venue = intake.venue.as_str(), route = intake.route, %error, suppressed, "refused");
            }
        });
    }

    fn note(&mut self, note: Note) {
        self.with(|intake| intake.note(note));
    }
}

impl Intake {
    fn note(&mut self, note: Note) {
        let (venue, route) = (self.venue, self.route.as_str());
        match note {
            Note::Connected { .. } => {
                tracing::debug!(venue = venue.as_str(), route, "connected");
                self.refusals.clear();
                self.is_refused = false;
                self.shared.board(|board| board.without(venue, route, None));
            }
            Note::Live { at, .. } => {
                tracing::info!(venue = venue.as_str(), route, "feed is live");
                self.shared.board(|board| {
                    board.live(venue, route, at);
                    if !self.is_refused {
                        board.refused(venue, route, None);
                    }
                });
            }
            Note::RefusedTopics { topics, reason, .. } => {
                tracing::warn!(venue = venue.as_str(), route, ?topics, reason, "subscriptions refused");
                self.refusals.add(topics, &reason);
                let why = self.refusals.text();
                let markets = self.shared.board(|board| board.markets(venue));
                self.is_refused = self.refusals.are_vital(self.protocol, markets);
                self.shared.board(|board| {
                    if self.is_refused {
                        board.refused(venue, route, why);
                    } else {
                        board.without(venue, route, why);
                    }
                });
            }
            Note::Asked { reason, .. } => {
                tracing::info!(venue = venue.as_str(), route, reason, "the venue asks for a reconnect");
            }
            Note::Renewed { .. } => {
                self.shared.metrics.add(Metric::Sessions, &[venue.as_str(), "renewed"], 1);
                tracing::info!(venue = venue.as_str(), route, "another session took over");
            }
            Note::NotRenewed { .. } | Note::Recovered { .. } => {}
            Note::Ended { end, retry_in, .. } => {
                self.shared.metrics.add(Metric::Sessions, &[venue.as_str(), end.word()], 1);
                self.marks.clear();
                self.samples.clear();
                let again = retry_in.filter(|wait| *wait >= WORTH_TELLING);
                let again =
                    again.map_or(String::new(), |wait| format!("; asked again in {} s", wait.as_secs()));
                let why = format!("{end}{again}");
                let is_refused = matches!(end, End::Refused { .. });
                self.shared.board(|board| {
                    // What was refused before stays so until a session is live without a refusal.
                    if is_refused {
                        board.refused(venue, route, Some(why.clone()));
                    }
                    board.ended(venue, route, why);
                });
            }
        }
    }
}
