//! What a sink is told of a node's lines: frames, events, notes and gaps, as it is told of a session's. Knows no file.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cascade_domain::{Event, EventTime};
use cascade_venues::{DecodeError, Decoded, decode_node_line};

use crate::End;
use crate::follow::Follow;
use crate::gaps::Gaps;
use crate::lines::TooLong;
use crate::sink::{Frame, Note, Sink};
use crate::timing::{between, patience_ns};

/// An outage that lasts is told again after so long.
const TOLD_AGAIN: Duration = Duration::from_secs(30);
/// A block that is older than this when it is read is not of now.
const BEHIND_MS: i64 = 30_000;
/// What was published longer ago than this is history.
const HISTORY_MS: i64 = 60_000;

/// What has been told. Times are nanoseconds of the clock.
pub(crate) struct Hearing<'a> {
    plan: &'a Follow,
    sink: &'a mut dyn Sink,
    gaps: Gaps,
    decoded: Decoded,
    /// Since when a file is open and nothing was wrong.
    connected_ns: Option<i64>,
    is_live: bool,
    /// From when on silence counts.
    heard_ns: i64,
    last_line: Option<EventTime>,
    /// The last outage told, and when.
    told: Option<(End, i64)>,
}

impl<'a> Hearing<'a> {
    /// Nothing told yet. What goes on from a known place is complete up to `since`.
    pub(crate) fn new(plan: &'a Follow, goes_on: bool, sink: &'a mut dyn Sink) -> Self {
        let mut gaps = Gaps::started(Arc::new(plan.route.clone()), plan.since);
        if goes_on {
            gaps.recovered(plan.since, &mut Vec::new());
        }
        Self {
            plan,
            sink,
            gaps,
            decoded: Decoded::default(),
            connected_ns: None,
            is_live: false,
            heard_ns: plan.clock.now_ns(),
            last_line: goes_on.then_some(plan.since),
            told: None,
        }
    }

    /// A file is open.
    pub(crate) fn connected(&mut self) {
        let now = self.plan.clock.now_ns();
        self.connected_ns = Some(now);
        self.heard_ns = now;
        self.is_live = false;
        self.told = None;
        self.sink.note(Note::Connected { route: self.plan.route.name.clone() });
    }

    /// One line without its end.
    pub(crate) fn line(&mut self, line: Result<&[u8], TooLong>) {
        let most = self.plan.limits.max_line_bytes;
        let Ok(bytes) = line else {
            return self.refused(&format!("a line of more than {most} bytes"));
        };
        match std::str::from_utf8(bytes).map(str::trim_ascii) {
            Ok("") => {}
            Ok(text) => self.text(text),
            Err(error) => self.refused(&format!("not UTF-8 text: {error}")),
        }
    }

    /// A file ended, for good, in the middle of a line.
    pub(crate) fn half_line(&mut self, path: &Path) {
        self.refused(&format!("{} ends in the middle of a line", path.display()));
    }

    fn refused(&mut self, reason: &str) {
        self.sink.refused(&DecodeError::Malformed(reason.to_owned()));
    }

    fn text(&mut self, text: &str) {
        let plan = self.plan;
        let received_ns = plan.clock.now_ns();
        self.sink.frame(Frame { venue: plan.route.venue, route: &plan.route.name, received_ns, text });
        if let Err(error) = decode_node_line(text, &plan.instruments, &mut self.decoded) {
            return self.sink.refused(&error);
        }
        for error in self.decoded.refused.drain(..) {
            self.sink.refused(&error);
        }
        let received = EventTime::from_ms(received_ns.div_euclid(1_000_000));
        if self.decoded.told_at.is_some_and(|at| received.since(at) > BEHIND_MS) {
            return self.behind(received);
        }
        self.understood(received_ns, received);
        self.decoded.events.iter_mut().for_each(|event| stamp(event, received));
        self.sink.events(received, &mut self.decoded);
    }

    /// A line of a node that lags behind, or of what was written while nobody read: its events are history, and it
    /// shows nothing of now. Without current lines the feed is silent.
    fn behind(&mut self, received: EventTime) {
        if !self.decoded.events.is_empty() || self.decoded.auto_deleveraged > 0 {
            self.decoded.events.iter_mut().for_each(|event| stamp(event, received));
            self.sink.events(received, &mut self.decoded);
        }
    }

    /// A line was understood: the feed lives, and an outage is over before that line's events.
    fn understood(&mut self, now_ns: i64, now: EventTime) {
        if self.connected_ns.is_none() {
            self.connected();
        }
        self.heard_ns = now_ns;
        self.last_line = Some(now);
        if !self.is_live {
            self.is_live = true;
            self.sink.note(Note::Live { route: self.plan.route.name.clone(), at: now });
            let mut told = Decoded::default();
            self.gaps.recovered(now, &mut told.events);
            self.hand_on(now, &mut told);
        }
    }

    /// Whether no line was understood for too long.
    pub(crate) fn is_silent(&self) -> bool {
        let patience = patience_ns(&*self.plan.clock, self.plan.route.watch.silent_after);
        self.plan.clock.now_ns() >= self.heard_ns.saturating_add(patience)
    }

    /// Something is wrong. The same again is told only when it has lasted.
    pub(crate) fn ended(&mut self, end: End) {
        let now_ns = self.plan.clock.now_ns();
        let again_ns = patience_ns(&*self.plan.clock, TOLD_AGAIN);
        let is_known = self.connected_ns.is_none()
            && self
                .told
                .as_ref()
                .is_some_and(|(was, at)| *was == end && now_ns < at.saturating_add(again_ns));
        if is_known {
            return;
        }
        let now = EventTime::from_ms(now_ns.div_euclid(1_000_000));
        self.tell_end(end.clone(), now_ns);
        let mut told = Decoded::default();
        self.gaps.broke((self.last_line, now), end.word(), &mut told.events);
        self.hand_on(now, &mut told);
        tracing::warn!(
            venue = self.plan.route.venue.as_str(),
            route = self.plan.route.name,
            end = end.word(),
            why = %end,
            "a node's fills can't be followed for now"
        );
        self.told = Some((end, now_ns));
    }

    /// We were asked to stop: no gap, what follows goes on from here.
    pub(crate) fn stopped(&mut self) {
        let now_ns = self.plan.clock.now_ns();
        self.tell_end(End::Shutdown, now_ns);
    }

    fn tell_end(&mut self, end: End, now_ns: i64) {
        let connected_for = self.connected_ns.take().map_or(Duration::ZERO, |since| between(since, now_ns));
        self.is_live = false;
        self.sink.note(Note::Ended {
            route: self.plan.route.name.clone(),
            end,
            connected_for,
            last_frame_at: self.last_line,
            retry_in: None,
        });
    }

    fn hand_on(&mut self, now: EventTime, told: &mut Decoded) {
        if !told.events.is_empty() {
            self.sink.events(now, told);
        }
    }
}

/// When a line's event could be known: live by [`Event::stamp`]; of history (read after a restart or an outage) when
/// it was published, or else when it happened, so that it is not taken for what happens now.
fn stamp(event: &mut Event, received: EventTime) {
    if let Event::Liquidation(liquidation) = event {
        let told = liquidation.published_at_ms.unwrap_or(liquidation.event_time_ms);
        if received.since(told) > HISTORY_MS {
            liquidation.known_at_ms = Some(told);
            return;
        }
    }
    event.stamp(received);
}
