//! The loop above the session: reconnects for ever, and tells what was missed. Knows no frame.

use std::pin::pin;
use std::time::Duration;

use cascade_domain::EventTime;
use cascade_pace::{Backoff, BackoffError};
use cascade_venues::{DecodeError, Decoded, Route};

use crate::gaps::Gaps;
use crate::session::{Session, session};
use crate::sink::{Frame, Note, Sink};
use crate::{End, Ended};

/// However long a venue asks us to stay away, we ask again after this (of the clock).
const LONGEST_AWAY: Duration = Duration::from_hours(1);

/// The waits between sessions: 0.5 s doubling to 30 s, each drawn from its upper half; a minute of health starts over.
/// `seed` decides the jitter.
///
/// # Errors
/// None with these bounds; the type is [`Backoff::try_new`]'s.
pub fn backoff(seed: u64) -> Result<Backoff, BackoffError> {
    Backoff::try_new(Duration::from_millis(500), Duration::from_secs(30), Duration::from_mins(1), seed)
}

/// Holds a route up until `shutdown`: one session after the other, with `backoff` between them. Health is the time
/// that data flowed, not the time that a connection stood. A wait that the venue asks for is obeyed, up to an hour.
///
/// For each stream that the route carries it tells `Event::Gap`s through [`Sink::events`]: on every end, from the
/// last market data (or the last gap told) to now, with the end's word as the reason; and when a session goes live,
/// from there to now, before that session's first events. So consecutive gaps meet, and a lasting outage is told
/// while it lasts. Before the first session is live the reason is `start`, and the gap begins at `since`: the end of
/// what is known from before. At shutdown nothing is told.
pub async fn keep(
    plan: &Session,
    since: EventTime,
    mut backoff: Backoff,
    sink: &mut dyn Sink,
    shutdown: impl Future<Output = ()>,
) {
    let mut shutdown = pin!(shutdown);
    let mut gaps = Gaps::started(since);
    loop {
        let mut telling = Telling { route: &plan.route, gaps: &mut gaps, sink };
        let ended = session(plan, &mut telling, shutdown.as_mut()).await;
        if ended.end == End::Shutdown {
            return;
        }
        telling.broke(&ended, plan.clock.now());
        let wait = backoff.after(ended.live_for).max(ended.retry_after.unwrap_or_default().min(LONGEST_AWAY));
        tracing::warn!(
            venue = plan.route.venue.as_str(),
            route = plan.route.name,
            end = ended.end.word(),
            why = %ended.end,
            retry_in_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
            "feed session ended"
        );
        tokio::select! {
            biased;
            () = shutdown.as_mut() => return,
            () = tokio::time::sleep(plan.clock.wall(wait)) => {}
        }
    }
}

/// A sink that puts a route's gaps before the first events of a session that is live.
struct Telling<'a> {
    route: &'a Route,
    gaps: &'a mut Gaps,
    sink: &'a mut dyn Sink,
}

impl Telling<'_> {
    fn broke(&mut self, ended: &Ended, now: EventTime) {
        let mut told = Decoded::default();
        self.gaps.broke(self.route, (ended.last_frame_at, now), ended.end.word(), &mut told.events);
        self.hand_on(now, &mut told);
    }

    fn hand_on(&mut self, now: EventTime, told: &mut Decoded) {
        if !told.events.is_empty() {
            self.sink.events(now, told);
        }
    }
}

impl Sink for Telling<'_> {
    fn frame(&mut self, frame: Frame<'_>) {
        self.sink.frame(frame);
    }

    fn events(&mut self, received: EventTime, decoded: &mut Decoded) {
        self.sink.events(received, decoded);
    }

    fn refused(&mut self, error: &DecodeError) {
        self.sink.refused(error);
    }

    fn note(&mut self, note: Note) {
        let live_at = if let Note::Live { at, .. } = &note { Some(*at) } else { None };
        self.sink.note(note);
        if let Some(at) = live_at {
            let mut told = Decoded::default();
            self.gaps.recovered(self.route, at, &mut told.events);
            self.hand_on(at, &mut told);
        }
    }
}
