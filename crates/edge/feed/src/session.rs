//! One connection from its beginning to its end. Decides nothing about what follows.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use cascade_domain::EventTime;
use cascade_pace::Clock;
use cascade_venues::{DecodeError, Decoded, Instruments, Meaning, Ping, Protocol, Route};
use tokio::time::sleep;

use crate::roll::{Overdue, Roll};
use crate::sink::{Frame, Note, Sink};
use crate::socket::{Bounds, Heard, Socket};
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
    /// Where to go, what to say, what to expect.
    pub route: Route,
    /// What the frames mean.
    pub protocol: &'static dyn Protocol,
    /// The venue's instruments.
    pub instruments: Arc<Instruments>,
    /// The one clock of the process.
    pub clock: Arc<dyn Clock>,
    /// What is too much.
    pub limits: SessionLimits,
}

/// Holds one connection of a route: connects, subscribes at the venue's pace, checks the acknowledgements, keeps it
/// alive, and hands everything that comes to `sink`, until it ends. Tells [`Note::Ended`] at the end, always.
///
/// A frame that cannot be understood is refused and counted, and never ends the session. `shutdown` wins every race.
pub async fn session(plan: &Session, sink: &mut dyn Sink, shutdown: impl Future<Output = ()>) -> Ended {
    let mut shutdown = pin!(shutdown);
    let bounds = Bounds {
        max_frame_bytes: plan.limits.max_frame_bytes,
        within: patience(&*plan.clock, plan.limits.connect_timeout),
    };
    let connected = tokio::select! {
        biased;
        () = shutdown.as_mut() => return never_connected(plan, sink, (End::Shutdown, None)),
        connected = Socket::connect(plan.route.venue, &plan.route.url, bounds) => connected,
    };
    let socket = match connected {
        Ok(socket) => socket,
        Err(not) => return never_connected(plan, sink, (not.end, not.retry_after)),
    };
    sink.note(Note::Connected { route: plan.route.name.clone() });
    let mut talk = Talk::new(plan, socket);
    let end = tokio::select! {
        biased;
        () = shutdown.as_mut() => End::Shutdown,
        end = talk.converse(sink) => match end { Err(end) => end },
    };
    let ended = talk.ended(end);
    tell_end(plan, sink, &ended);
    talk.socket.goodbye().await;
    ended
}

fn never_connected(
    plan: &Session,
    sink: &mut dyn Sink,
    (end, retry_after): (End, Option<Duration>),
) -> Ended {
    let (connected_for, live_for) = (Duration::ZERO, Duration::ZERO);
    let ended = Ended { end, connected_for, live_for, last_frame_at: None, retry_after };
    tell_end(plan, sink, &ended);
    ended
}

fn tell_end(plan: &Session, sink: &mut dyn Sink, ended: &Ended) {
    sink.note(Note::Ended {
        route: plan.route.name.clone(),
        end: ended.end.clone(),
        connected_for: ended.connected_for,
        last_frame_at: ended.last_frame_at,
    });
}

/// A conversation on a connection that stands. Times are nanoseconds of the clock.
struct Talk<'a> {
    plan: &'a Session,
    socket: Socket,
    roll: Roll<'a>,
    decoded: Decoded,
    /// What the venue wants back; the last one, if it asks faster than we may speak.
    reply: Option<String>,
    connected_ns: i64,
    /// Since when data flows with everything settled.
    live_ns: Option<i64>,
    last_market_ns: Option<i64>,
    /// Not before this may we speak again.
    may_send_ns: i64,
    ping_due_ns: i64,
}

impl<'a> Talk<'a> {
    fn new(plan: &'a Session, socket: Socket) -> Self {
        let now = plan.clock.now_ns();
        let every = plan.route.keepalive.as_ref().map_or(i64::MAX, |keepalive| nanoseconds(keepalive.every));
        Self {
            plan,
            socket,
            roll: Roll::new(&plan.route),
            decoded: Decoded::default(),
            reply: None,
            connected_ns: now,
            live_ns: None,
            last_market_ns: None,
            may_send_ns: now,
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
            retry_after: None,
        }
    }

    /// Speaks when it is time to, listens otherwise. What we owe is looked at after every frame, so that a flood
    /// holds up no ping; what the venue owes only when nothing more is waiting to be read, so that our own delay is
    /// not taken for its silence.
    async fn converse(&mut self, sink: &mut dyn Sink) -> Result<Infallible, End> {
        loop {
            self.speak().await?;
            let wait = between(self.plan.clock.now_ns(), self.wake_ns());
            tokio::select! {
                biased;
                heard = self.socket.hear() => match heard? {
                    Heard::Text(text) => self.take(text.as_str(), sink)?,
                    Heard::Binary(bytes) => {
                        sink.refused(&DecodeError::Malformed(format!("a binary frame of {bytes} bytes")));
                    }
                    Heard::Control => {}
                },
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
        } else if let Some(keepalive) = self.plan.route.keepalive.as_ref().filter(|_| now >= self.ping_due_ns)
        {
            self.ping_due_ns = now.saturating_add(nanoseconds(keepalive.every));
            match &keepalive.ping {
                Ping::Text(text) => self.socket.send_text(text).await?,
                Ping::Frame => self.socket.send_ping().await?,
            }
        } else if let Some(frame) = self.roll.send_next(now.saturating_add(self.ack_within_ns())) {
            self.socket.send_text(frame).await?;
        } else {
            return Ok(());
        }
        let pace = 1_000_000_000 / i64::from(self.plan.route.frames_per_second.max(1));
        self.may_send_ns = now.saturating_add(pace);
        Ok(())
    }

    /// When there is something to do even if nothing comes.
    fn wake_ns(&self) -> i64 {
        let has_words = self.reply.is_some() || self.roll.has_unsent();
        let speak = if has_words { self.may_send_ns } else { self.ping_due_ns.max(self.may_send_ns) };
        speak.min(self.silent_at_ns()).min(self.roll.due_ns().unwrap_or(i64::MAX))
    }

    fn silent_at_ns(&self) -> i64 {
        let since = self.last_market_ns.unwrap_or(self.connected_ns);
        since.saturating_add(patience_ns(&*self.plan.clock, self.plan.route.watch.silent_after))
    }

    fn ack_within_ns(&self) -> i64 {
        patience_ns(&*self.plan.clock, self.plan.route.watch.ack_within)
    }

    /// Whether the venue still owes us something that is overdue.
    fn judge(&mut self, sink: &mut dyn Sink) -> Result<(), End> {
        let now = self.plan.clock.now_ns();
        match self.roll.overdue(now) {
            Some(Overdue::Unacknowledged(topics)) => return Err(End::Unacknowledged { topics }),
            Some(Overdue::Refused(topics, reason)) => self.told_refusal(topics, reason, sink)?,
            None => {}
        }
        if now >= self.silent_at_ns() { Err(End::Silent) } else { Ok(()) }
    }

    /// Takes one text frame.
    fn take(&mut self, text: &str, sink: &mut dyn Sink) -> Result<(), End> {
        let plan = self.plan;
        let received_ns = plan.clock.now_ns();
        sink.frame(Frame { venue: plan.route.venue, route: &plan.route.name, received_ns, text });
        let meaning = match plan.protocol.decode(text, &plan.instruments, &mut self.decoded) {
            Ok(meaning) => meaning,
            Err(error) => {
                sink.refused(&error);
                return Ok(());
            }
        };
        self.decoded.refused.drain(..).for_each(|error| sink.refused(&error));
        if meaning == Meaning::Market {
            self.market_came(received_ns, sink);
        }
        if !self.decoded.events.is_empty() {
            let received = whole_ms(received_ns);
            self.decoded.events.iter_mut().for_each(|event| event.stamp(received));
            sink.events(received, &mut self.decoded);
        }
        match meaning {
            Meaning::Acknowledged(acks) => self.roll.acknowledge(&acks),
            Meaning::Refused { ack, reason } => {
                let topics = self.roll.refuse(ack.as_ref(), &reason);
                self.told_refusal(topics, reason, sink)?;
            }
            Meaning::Reply(text) => self.reply = Some(text),
            Meaning::Reconnect(reason) => return Err(End::Asked(reason)),
            Meaning::Market | Meaning::Pong | Meaning::Ignored(_) => {}
        }
        Ok(())
    }

    fn market_came(&mut self, received_ns: i64, sink: &mut dyn Sink) {
        self.last_market_ns = Some(received_ns);
        if self.live_ns.is_none() && self.roll.is_settled() {
            self.live_ns = Some(received_ns);
            sink.note(Note::Live { route: self.plan.route.name.clone(), at: whole_ms(received_ns) });
        }
    }

    fn told_refusal(&self, topics: Vec<String>, reason: String, sink: &mut dyn Sink) -> Result<(), End> {
        sink.note(Note::RefusedTopics { route: self.plan.route.name.clone(), topics, reason });
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
