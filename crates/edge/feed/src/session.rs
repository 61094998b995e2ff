//! One connection from its beginning to its end. Decides nothing about what follows.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use cascade_domain::EventTime;
use cascade_pace::{Budget, Clock, Turn};
use cascade_venues::{DecodeError, Decoded, Instruments, Meaning, Ping, Protocol, Route};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::gate::{Gate, rate};
use crate::read::{read_frame, tell_events};
use crate::roll::{Overdue, Roll};
use crate::sink::{Frame, Note, Sink};
use crate::socket::{Bounds, Heard, NotConnected, Socket};
use crate::swap::{Swapped, fixed};
use crate::timing::{between, nanoseconds, patience, patience_ns};
use crate::{End, Ended};

/// What a session may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionLimits {
    /// The longest frame, in bytes; a longer one ends the session. 4 MiB by default.
    pub max_frame_bytes: usize,
    /// How long connecting may take, and sending one frame. 10 s by default.
    pub connect_timeout: Duration,
}

impl Default for SessionLimits {
    fn default() -> Self {
        Self { max_frame_bytes: 4 << 20, connect_timeout: Duration::from_secs(10) }
    }
}

/// What a session needs to know.
///
/// Every span is of the clock's time. But however fast the clock runs, connecting, acknowledgements and the silence
/// rule are given at least a second on the wall: a network and a busy machine do not run faster for it.
#[derive(Clone, Debug)]
pub struct Session {
    /// What the frames mean.
    pub protocol: &'static dyn Protocol,
    /// Where to go, what to say, what to expect. A newer route of the same name and address may come while the
    /// session runs: subscriptions that are new in it are sent at the venue's pace; what is no longer in it is left
    /// alone, and not asked for by the next session.
    pub route: watch::Receiver<Arc<Route>>,
    /// The venue's instruments. A newer table counts from the next frame on.
    pub instruments: watch::Receiver<Arc<Instruments>>,
    /// The one clock of the process.
    pub clock: Arc<dyn Clock>,
    /// What is too much.
    pub limits: SessionLimits,
    /// Where [`crate::keep`] waits before each connection. All routes of a venue shall share one.
    pub gate: Arc<Gate>,
}

impl Session {
    /// A session on a route and with instruments that do not change, behind a gate of its own.
    pub fn new(
        protocol: &'static dyn Protocol,
        route: Route,
        instruments: Arc<Instruments>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            protocol,
            route: fixed(Arc::new(route)),
            instruments: fixed(instruments),
            clock,
            limits: SessionLimits::default(),
            gate: Arc::new(Gate::new(&protocol.limits())),
        }
    }

    /// The newest route.
    pub fn newest_route(&self) -> Arc<Route> {
        Arc::clone(&self.route.borrow())
    }
}

/// Holds one connection of a route: connects, subscribes at the venue's pace, checks the acknowledgements, keeps it
/// alive, and hands everything that comes to `sink`, until it ends. Tells [`Note::Ended`] at the end, always.
///
/// A frame that cannot be understood is refused and counted, and never ends the session. `shutdown` wins every race.
pub async fn session(plan: &Session, sink: &mut dyn Sink, shutdown: impl Future<Output = ()>) -> Ended {
    let mut shutdown = pin!(shutdown);
    let route = Swapped::new(&plan.route);
    let bounds = Bounds {
        max_frame_bytes: plan.limits.max_frame_bytes,
        within: patience(&*plan.clock, plan.limits.connect_timeout),
    };
    let connected = tokio::select! {
        biased;
        () = shutdown.as_mut() => return told(&route.now, sink, Ended::before_it_began(End::Shutdown)),
        connected = Socket::connect(route.now.venue, &route.now.url, bounds) => connected,
    };
    let socket = match connected {
        Ok(socket) => socket,
        Err(NotConnected { end, status, retry_after }) => {
            let ended = Ended { status, retry_after, ..Ended::before_it_began(end) };
            return told(&route.now, sink, ended);
        }
    };
    sink.note(Note::Connected { route: route.now.name.clone() });
    let mut talk = Talk::new(plan, route, socket);
    let end = tokio::select! {
        biased;
        () = shutdown.as_mut() => End::Shutdown,
        end = talk.converse(sink) => match end { Err(end) => end },
    };
    let ended = told(&talk.route.now, sink, talk.ended(end));
    talk.socket.goodbye().await;
    ended
}

/// Tells the end.
fn told(route: &Route, sink: &mut dyn Sink, ended: Ended) -> Ended {
    sink.note(Note::Ended {
        route: route.name.clone(),
        end: ended.end.clone(),
        connected_for: ended.connected_for,
        last_frame_at: ended.last_frame_at,
        retry_in: None,
    });
    ended
}

/// A conversation on a connection that stands. Times are nanoseconds of the clock.
struct Talk<'a> {
    plan: &'a Session,
    route: Swapped<Route>,
    instruments: Swapped<Instruments>,
    socket: Socket,
    roll: Roll,
    /// How many subscription frames the venue takes, where it counts them.
    requests: Option<Budget>,
    decoded: Decoded,
    /// What the venue wants back; the last one, if it asks faster than we may speak.
    reply: Option<String>,
    connected_ns: i64,
    /// Since when data flows with everything settled.
    live_ns: Option<i64>,
    last_market_ns: Option<i64>,
    /// Not before this may we speak again.
    may_send_ns: i64,
    /// Not before this may we subscribe to anything more.
    may_subscribe_ns: i64,
    ping_due_ns: i64,
}

impl<'a> Talk<'a> {
    fn new(plan: &'a Session, route: Swapped<Route>, socket: Socket) -> Self {
        let now = plan.clock.now_ns();
        let every = route.now.keepalive.as_ref().map_or(i64::MAX, |keepalive| nanoseconds(keepalive.every));
        Self {
            plan,
            roll: Roll::new(&route.now),
            route,
            instruments: Swapped::new(&plan.instruments),
            socket,
            requests: plan.protocol.limits().requests.map(|quota| Budget::new(usize::MAX, rate(quota))),
            decoded: Decoded::default(),
            reply: None,
            connected_ns: now,
            live_ns: None,
            last_market_ns: None,
            may_send_ns: now,
            may_subscribe_ns: now,
            ping_due_ns: now.saturating_add(every),
        }
    }

    fn ended(&self, end: End) -> Ended {
        let last = self.last_market_ns;
        Ended {
            end,
            connected_for: between(self.connected_ns, self.plan.clock.now_ns()),
            live_for: self.live_ns.zip(last).map_or(Duration::ZERO, |(from, to)| between(from, to)),
            last_frame_at: last.map(whole_ms),
            status: None,
            retry_after: None,
        }
    }

    /// Speaks when it is time to, listens otherwise. What we owe is looked at after every frame, so that a flood
    /// holds up no ping; what the venue owes only when nothing more is waiting to be read, so that our own delay is
    /// not taken for its silence.
    async fn converse(&mut self, sink: &mut dyn Sink) -> Result<Infallible, End> {
        loop {
            if self.route.refresh() {
                self.roll.grow(&self.route.now);
            }
            self.speak().await?;
            let wait = between(self.plan.clock.now_ns(), self.wake_ns());
            tokio::select! {
                biased;
                heard = self.socket.hear() => match heard? {
                    Heard::Text(text) => self.take(text.as_str(), sink)?,
                    Heard::Binary(binary) => sink.refused(&DecodeError::Malformed(binary.to_string())),
                    Heard::Control => {}
                },
                () = self.route.changed() => self.roll.grow(&self.route.now),
                () = sleep(self.plan.clock.wall(wait)) => self.judge(sink)?,
            }
        }
    }

    /// Sends at most one frame, if one is due and the venue's pace allows it: a reply, a ping, a subscription.
    async fn speak(&mut self) -> Result<(), End> {
        let now = self.plan.clock.now_ns();
        if now < self.may_send_ns {
            return Ok(());
        }
        if let Some(reply) = self.reply.take() {
            self.socket.send_text(&reply).await?;
        } else if let Some(keepalive) = self.route.now.keepalive.as_ref().filter(|_| now >= self.ping_due_ns)
        {
            self.ping_due_ns = now.saturating_add(nanoseconds(keepalive.every));
            match &keepalive.ping {
                Ping::Text(text) => self.socket.send_text(text).await?,
                Ping::Frame => self.socket.send_ping().await?,
            }
        } else if self.may_subscribe(now) {
            let due_ns = now.saturating_add(self.ack_within_ns());
            let Some(frame) = self.roll.send_next(due_ns) else { return Ok(()) };
            self.socket.send_text(frame).await?;
        } else {
            return Ok(());
        }
        let pace = 1_000_000_000 / i64::from(self.route.now.frames_per_second.max(1));
        self.may_send_ns = now.saturating_add(pace);
        Ok(())
    }

    /// Whether there is something to subscribe to, and the venue takes one more request. If so, it is counted.
    fn may_subscribe(&mut self, now: i64) -> bool {
        if !self.roll.has_unsent() || now < self.may_subscribe_ns {
            return false;
        }
        if let Some(Turn::In(wait)) = self.requests.as_mut().map(|requests| requests.take(now)) {
            self.may_subscribe_ns = now.saturating_add(nanoseconds(wait));
            return false;
        }
        true
    }

    /// When there is something to do even if nothing comes.
    fn wake_ns(&self) -> i64 {
        let speak = if self.reply.is_some() {
            self.may_send_ns
        } else if self.roll.has_unsent() {
            self.may_subscribe_ns.min(self.ping_due_ns).max(self.may_send_ns)
        } else {
            self.ping_due_ns.max(self.may_send_ns)
        };
        speak.min(self.silent_at_ns()).min(self.roll.due_ns().unwrap_or(i64::MAX))
    }

    fn silent_at_ns(&self) -> i64 {
        let since = self.last_market_ns.unwrap_or(self.connected_ns);
        since.saturating_add(patience_ns(&*self.plan.clock, self.route.now.watch.silent_after))
    }

    fn ack_within_ns(&self) -> i64 {
        patience_ns(&*self.plan.clock, self.route.now.watch.ack_within)
    }

    /// Whether the venue still owes us something that is overdue.
    fn judge(&mut self, sink: &mut dyn Sink) -> Result<(), End> {
        let now = self.plan.clock.now_ns();
        match self.roll.overdue(now) {
            Some(Overdue::Unacknowledged(topics)) if self.live_ns.is_some() => {
                // They joined a session that is live: it goes on without them.
                self.told_refusal(topics, "not acknowledged in time".to_owned(), sink)?;
            }
            Some(Overdue::Unacknowledged(topics)) => return Err(End::Unacknowledged { topics }),
            Some(Overdue::Refused(topics, reason)) => self.told_refusal(topics, reason, sink)?,
            None => {}
        }
        if now >= self.silent_at_ns() { Err(End::Silent) } else { Ok(()) }
    }

    /// Takes one text frame.
    fn take(&mut self, text: &str, sink: &mut dyn Sink) -> Result<(), End> {
        let received_ns = self.plan.clock.now_ns();
        let route = &self.route.now;
        let frame = Frame { venue: route.venue, route: &route.name, received_ns, text };
        self.instruments.refresh();
        let read = read_frame(self.plan.protocol, frame, &self.instruments.now, &mut self.decoded, sink);
        let Some(meaning) = read else { return Ok(()) };
        if meaning == Meaning::Market {
            self.market_came(received_ns, sink);
        }
        tell_events(&meaning, whole_ms(received_ns), &mut self.decoded, sink);
        match meaning {
            Meaning::Acknowledged(acks) => self.roll.acknowledge(&acks),
            Meaning::Refused { ack, reason } => {
                let topics = self.roll.refuse(ack.as_ref(), &reason);
                self.told_refusal(topics, reason, sink)?;
            }
            Meaning::Reply(text) => self.reply = Some(text),
            Meaning::Reconnect(reason) => {
                sink.note(Note::Asked { route: self.route.now.name.clone(), reason });
            }
            Meaning::Market | Meaning::Pong | Meaning::Ignored(_) => {}
        }
        Ok(())
    }

    fn market_came(&mut self, received_ns: i64, sink: &mut dyn Sink) {
        self.last_market_ns = Some(received_ns);
        if self.live_ns.is_none() && self.roll.is_settled() {
            self.live_ns = Some(received_ns);
            sink.note(Note::Live { route: self.route.now.name.clone(), at: whole_ms(received_ns) });
        }
    }

    fn told_refusal(&self, topics: Vec<String>, reason: String, sink: &mut dyn Sink) -> Result<(), End> {
        sink.note(Note::RefusedTopics { route: self.route.now.name.clone(), topics, reason });
        match self.roll.all_refused() {
            Some((topics, reason)) => Err(End::Refused { topics, reason }),
            None => Ok(()),
        }
    }
}

/// Nanoseconds since the epoch as an event time.
fn whole_ms(ns: i64) -> EventTime {
    EventTime::from_ms(ns.div_euclid(1_000_000))
}
