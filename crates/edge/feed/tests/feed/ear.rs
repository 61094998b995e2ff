//! A sink that remembers, a clock that may run fast, and waiting for a condition with a deadline.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cascade_domain::{Event, EventTime, Gap};
use cascade_feed::{Frame, Note, Sink};
use cascade_pace::Clock;
use cascade_venues::{DecodeError, Decoded};
use tokio::sync::Notify;

/// How long a test waits for anything at all, on the wall.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// A clock that runs `speed` times as fast as the wall, from a fixed time on.
#[derive(Debug)]
pub(crate) struct Fast {
    begun: Instant,
    speed: u32,
}

impl Fast {
    pub(crate) fn new(speed: u32) -> Arc<Self> {
        Arc::new(Self { begun: wall(), speed })
    }
}

impl Clock for Fast {
    fn now_ns(&self) -> i64 {
        let elapsed = self.begun.elapsed().as_nanos() * u128::from(self.speed);
        1_791_565_600_000_000_000 + i64::try_from(elapsed).unwrap()
    }

    fn wall(&self, of_clock: Duration) -> Duration {
        of_clock / self.speed
    }
}

/// The wall, which only tests read here.
#[expect(clippy::disallowed_methods, reason = "a test measures what a session does against the wall")]
pub(crate) fn wall() -> Instant {
    Instant::now()
}

/// What a sink was told.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Told {
    Frame(String),
    Events(EventTime, Vec<Event>),
    Refused(DecodeError),
    Note(EventTime, Note),
}

/// A sink that remembers everything; clones share what was told.
#[derive(Clone, Debug)]
pub(crate) struct Ear {
    clock: Arc<dyn Clock>,
    told: Arc<Mutex<Vec<Told>>>,
    changed: Arc<Notify>,
}

impl Ear {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, told: Arc::default(), changed: Arc::default() }
    }

    pub(crate) fn told(&self) -> Vec<Told> {
        self.told.lock().unwrap().clone()
    }

    pub(crate) fn notes(&self) -> Vec<(EventTime, Note)> {
        self.told()
            .into_iter()
            .filter_map(|told| if let Told::Note(at, n) = told { Some((at, n)) } else { None })
            .collect()
    }

    pub(crate) fn events(&self) -> Vec<Event> {
        self.told()
            .into_iter()
            .filter_map(|t| if let Told::Events(_, e) = t { Some(e) } else { None })
            .flatten()
            .collect()
    }

    pub(crate) fn gaps(&self) -> Vec<Gap> {
        self.events()
            .into_iter()
            .filter_map(|e| if let Event::Gap(gap) = e { Some(gap) } else { None })
            .collect()
    }

    pub(crate) fn refused(&self) -> Vec<DecodeError> {
        self.told()
            .into_iter()
            .filter_map(|t| if let Told::Refused(e) = t { Some(e) } else { None })
            .collect()
    }

    pub(crate) fn lives(&self) -> usize {
        self.notes().iter().filter(|(_, note)| matches!(note, Note::Live { .. })).count()
    }

    /// When each session ended, and by which word.
    pub(crate) fn ends(&self) -> Vec<(EventTime, &'static str)> {
        let end = |(at, note)| if let Note::Ended { end, .. } = note { Some((at, end.word())) } else { None };
        self.notes().into_iter().filter_map(end).collect()
    }

    /// Waits until `holds`.
    pub(crate) async fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let waiting = async {
            while !holds(self) {
                self.changed.notified().await;
            }
        };
        let came = tokio::time::timeout(DEADLINE, waiting).await.is_ok();
        assert!(came, "{what} did not come; told was {:#?}", self.told());
    }

    fn tell(&self, told: Told) {
        self.told.lock().unwrap().push(told);
        self.changed.notify_one();
    }
}

impl Sink for Ear {
    fn frame(&mut self, frame: Frame<'_>) {
        self.tell(Told::Frame(frame.text.to_owned()));
    }

    fn events(&mut self, received: EventTime, decoded: &mut Decoded) {
        assert!(decoded.refused.is_empty(), "what was refused is told by itself");
        self.tell(Told::Events(received, decoded.events.drain(..).collect()));
    }

    fn refused(&mut self, error: &DecodeError) {
        self.tell(Told::Refused(error.clone()));
    }

    fn note(&mut self, note: Note) {
        self.tell(Told::Note(self.clock.now(), note));
    }
}
