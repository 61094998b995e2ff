//! What the sessions of one route share while one takes over from the other: the sink, the gaps, and who stands where.
//! Decides what of a session reaches the sink; starts and stops none.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cascade_domain::EventTime;
use cascade_pace::Clock;
use cascade_venues::{DecodeError, Decoded, Route};
use tokio::sync::Notify;

use crate::gaps::Gaps;
use crate::sink::{Frame, Note, Sink};
use crate::{End, Ended};

/// One session of the route, by its number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing {
    pub(crate) number: u64,
    /// When its connection stood.
    pub(crate) connected_ns: Option<i64>,
}

impl Standing {
    pub(crate) const fn new(number: u64) -> Self {
        Self { number, connected_ns: None }
    }
}

/// What the loop must know of what the sessions told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// The session of this number has been replaced by another one, which is live.
    Replaced(u64),
    /// The venue asks the current session to reconnect.
    Asked,
}

/// The sessions of a route: the current one, whose end is a gap, and the one that shall take over from it.
pub(crate) struct Stage<'a> {
    clock: Arc<dyn Clock>,
    route: String,
    sink: &'a mut dyn Sink,
    gaps: Gaps,
    pub(crate) current: Option<Standing>,
    pub(crate) next: Option<Standing>,
    /// What the next one told of itself: told on when it becomes the current one, and forgotten if it never does.
    held: Vec<Note>,
    pub(crate) news: Vec<News>,
}

impl<'a> Stage<'a> {
    /// A route that is not up, and whose events before `since` are known.
    pub(crate) fn new(
        clock: Arc<dyn Clock>,
        route: Arc<Route>,
        since: EventTime,
        sink: &'a mut dyn Sink,
    ) -> Self {
        let (name, gaps) = (route.name.clone(), Gaps::started(route, since));
        Self { clock, route: name, sink, gaps, current: None, next: None, held: Vec::new(), news: Vec::new() }
    }

    /// The current session ended; if another one is on its way, it is the current one now.
    pub(crate) fn current_ended(&mut self, ended: &Ended, retry_in: Option<Duration>) {
        self.sink.note(Note::Ended {
            route: self.route.clone(),
            end: ended.end.clone(),
            connected_for: ended.connected_for,
            last_frame_at: ended.last_frame_at,
            retry_in,
        });
        self.current = self.next.take();
        if ended.end != End::Shutdown {
            let (now, mut told) = (self.clock.now(), Decoded::default());
            self.gaps.broke((ended.last_frame_at, now), ended.end.word(), &mut told.events);
            self.hand_on(now, &mut told);
        }
        self.tell_held();
    }

    /// The session that was to take over ended before it did.
    pub(crate) fn next_ended(&mut self, ended: &Ended, retry_in: Duration) {
        self.next = None;
        self.held.clear();
        let (route, end) = (self.route.clone(), ended.end.clone());
        self.sink.note(Note::NotRenewed { route, end, retry_in });
    }

    /// The route carries something else from now on.
    pub(crate) fn changed(&mut self, route: Arc<Route>) {
        let (now, mut told) = (self.clock.now(), Decoded::default());
        self.gaps.changed(route, now, &mut told.events);
        self.hand_on(now, &mut told);
    }

    fn note(&mut self, number: u64, note: Note) {
        let is = |standing: Option<Standing>| standing.is_some_and(|standing| standing.number == number);
        let (is_current, is_next) = (is(self.current), is(self.next));
        if !is_current && !is_next {
            return;
        }
        match note {
            // The loop tells it, which knows what follows.
            Note::Ended { .. } => {}
            Note::Asked { .. } if is_current => {
                self.sink.note(note);
                self.news.push(News::Asked);
            }
            // Whoever is not the current one is young enough.
            Note::Asked { .. } => {}
            Note::Live { at, .. } => self.live(is_next, note, at),
            _ => {
                let standing = if is_next { self.next.as_mut() } else { self.current.as_mut() };
                if let (Note::Connected { .. }, Some(standing)) = (&note, standing) {
                    standing.connected_ns = Some(self.clock.now_ns());
                }
                if is_next {
                    self.held.push(note);
                } else {
                    self.sink.note(note);
                }
            }
        }
    }

    /// A session is live: what was missed is told before its first events; the one before it has to go.
    fn live(&mut self, is_next: bool, note: Note, at: EventTime) {
        let replaced = if is_next { self.current } else { None };
        if is_next {
            self.current = self.next.take();
            self.tell_held();
        }
        self.sink.note(note);
        if let Some(replaced) = replaced {
            self.sink.note(Note::Renewed { route: self.route.clone(), at });
            self.news.push(News::Replaced(replaced.number));
        }
        let mut told = Decoded::default();
        let down = self.gaps.recovered(at, &mut told.events);
        self.hand_on(at, &mut told);
        if let Some((from, to)) = down {
            self.sink.note(Note::Recovered { route: self.route.clone(), from, to });
        }
    }

    fn tell_held(&mut self) {
        for note in std::mem::take(&mut self.held) {
            self.sink.note(note);
        }
    }

    fn hand_on(&mut self, now: EventTime, told: &mut Decoded) {
        if !told.events.is_empty() {
            self.sink.events(now, told);
        }
    }
}

/// The sink of one session of the route.
pub(crate) struct Part<'s, 'a> {
    pub(crate) number: u64,
    pub(crate) stage: &'s Mutex<Stage<'a>>,
    pub(crate) rung: &'s Notify,
}

/// The stage, for a moment: everything that uses it runs in one task, so that nobody ever waits here.
pub(crate) fn lock<'s, 'a>(stage: &'s Mutex<Stage<'a>>) -> MutexGuard<'s, Stage<'a>> {
    stage.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Sink for Part<'_, '_> {
    fn frame(&mut self, frame: Frame<'_>) {
        lock(self.stage).sink.frame(frame);
    }

    fn events(&mut self, received: EventTime, decoded: &mut Decoded) {
        lock(self.stage).sink.events(received, decoded);
    }

    fn refused(&mut self, error: &DecodeError) {
        lock(self.stage).sink.refused(error);
    }

    fn note(&mut self, note: Note) {
        // From the connection on there is a time at which it is too old.
        let is_dated = matches!(note, Note::Connected { .. });
        let mut stage = lock(self.stage);
        stage.note(self.number, note);
        if is_dated || !stage.news.is_empty() {
            self.rung.notify_one();
        }
    }
}
