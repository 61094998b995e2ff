//! The loop above the session: reconnects for ever, lets one session take over from another, and tells what was
//! missed. Knows no frame.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Mutex;
use std::time::Duration;

use cascade_domain::EventTime;
use cascade_pace::{Backoff, BackoffError};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{Notify, oneshot};
use tokio::time::sleep;

use crate::away;
use crate::session::{Session, session};
use crate::sink::Sink;
use crate::stage::{News, Part, Stage, Standing, lock};
use crate::swap::Swapped;
use crate::timing::{between, nanoseconds};
use crate::{End, Ended};

/// A venue that asks for a reconnect sooner than this after the last one is given it after the backoff.
const OFTEN: Duration = Duration::from_mins(1);

/// The waits between sessions: 0.5 s doubling to 30 s, each drawn from its upper half; a minute of health starts over.
/// `seed` decides the jitter.
///
/// # Errors
/// None with these bounds; the type is [`Backoff::try_new`]'s.
pub fn backoff(seed: u64) -> Result<Backoff, BackoffError> {
    Backoff::try_new(Duration::from_millis(500), Duration::from_secs(30), Duration::from_mins(1), seed)
}

/// Holds a route up until `shutdown`: one session after the other, with `backoff` between them, each behind the
/// session's gate. Health is the time that data flowed, not the time that a connection stood. How long to stay away
/// after which end says the table of [`crate::Ended`]; [`Note::Ended`](crate::Note::Ended) tells it.
///
/// A session that has reached the route's `renew_after`, or that the venue asks to reconnect, goes on until a second
/// one is live, and is closed then: nothing is missed, and what both hear comes twice. A second one that does not
/// come to be is tried again after the backoff; if the first ends meanwhile, the second one is the current one.
///
/// For each stream that the route carries it tells `Event::Gap`s through [`Sink::events`]: on every end, from the
/// last market data (or the last gap told) to now, with the end's word as the reason; and when a session goes live,
/// from there to now, before that session's first events. So consecutive gaps meet, and a lasting outage is told
/// while it lasts. Before the first session is live the reason is `start`, and the gap begins at `since`: the end of
/// what is known from before. A symbol that joins the route later is missed from then on. At shutdown nothing is told.
pub async fn keep(
    plan: &Session,
    since: EventTime,
    backoff: Backoff,
    sink: &mut dyn Sink,
    shutdown: impl Future<Output = ()>,
) {
    let mut shutdown = pin!(shutdown);
    let mut route = Swapped::new(&plan.route);
    let stage = Mutex::new(Stage::new(plan.clock.clone(), route.now.clone(), since, sink));
    let rung = Notify::new();
    let mut keeper = Keeper::new(plan, backoff, &stage, &rung);
    keeper.start_if_due();
    loop {
        let due_ns = keeper.due_ns();
        let wait = due_ns.map_or(Duration::ZERO, |due| between(plan.clock.now_ns(), due));
        tokio::select! {
            biased;
            () = shutdown.as_mut() => break,
            Some((number, ended)) = keeper.sessions.next() => keeper.ended(number, &ended),
            () = rung.notified() => keeper.heard(),
            () = route.changed() => lock(&stage).changed(route.now.clone()),
            () = sleep(plan.clock.wall(wait)), if due_ns.is_some() => keeper.start_if_due(),
        }
    }
    keeper.stop_all();
    while let Some((number, ended)) = keeper.sessions.next().await {
        keeper.stopped(number, &ended);
    }
}

/// The sessions of a route and when the next one is due. Times are nanoseconds of the clock.
struct Keeper<'s, 'a> {
    plan: &'s Session,
    stage: &'s Mutex<Stage<'a>>,
    rung: &'s Notify,
    sessions: FuturesUnordered<BoxFuture<'s, (u64, Ended)>>,
    /// Dropping one stops its session.
    running: BTreeMap<u64, oneshot::Sender<()>>,
    started: u64,
    backoff: Backoff,
    /// The waits between tries to have another session take over.
    renewals: Backoff,
    /// When the next session is due, if none is current.
    retry_ns: i64,
    /// When another session is due to take over, if not by the age of the current one.
    renew_ns: Option<i64>,
    last_renewal_ns: Option<i64>,
}

impl<'s, 'a: 's> Keeper<'s, 'a> {
    fn new(plan: &'s Session, backoff: Backoff, stage: &'s Mutex<Stage<'a>>, rung: &'s Notify) -> Self {
        Self {
            plan,
            stage,
            rung,
            sessions: FuturesUnordered::new(),
            running: BTreeMap::new(),
            started: 0,
            renewals: backoff.clone(),
            backoff,
            retry_ns: plan.clock.now_ns(),
            renew_ns: None,
            last_renewal_ns: None,
        }
    }

    /// When a session is to be started; `None` while there is no reason to.
    fn due_ns(&self) -> Option<i64> {
        let stage = lock(self.stage);
        match (stage.current, stage.next) {
            (None, _) => Some(self.retry_ns),
            (Some(current), None) => self.renew_ns.or_else(|| {
                let renew_after = self.plan.route.borrow().renew_after?;
                Some(current.connected_ns?.saturating_add(nanoseconds(renew_after)))
            }),
            (Some(_), Some(_)) => None,
        }
    }

    fn start_if_due(&mut self) {
        let now = self.plan.clock.now_ns();
        if self.due_ns().is_none_or(|due| now < due) {
            return;
        }
        self.started += 1;
        let number = self.started;
        let mut stage = lock(self.stage);
        if stage.current.is_none() {
            stage.current = Some(Standing::new(number));
        } else {
            stage.next = Some(Standing::new(number));
            self.last_renewal_ns = Some(now);
        }
        drop(stage);
        let (stop, stopped) = oneshot::channel();
        self.running.insert(number, stop);
        let part = Part { number, stage: self.stage, rung: self.rung };
        self.sessions.push(Box::pin(run(self.plan, part, stopped)));
    }

    /// A session ended by itself, or after it was replaced.
    fn ended(&mut self, number: u64, ended: &Ended) {
        self.running.remove(&number);
        let (current, next) = self.standing();
        if Some(number) == current {
            let wait = self.wait_after(ended);
            let retry_in = if next.is_some() { Duration::ZERO } else { wait };
            self.retry_ns = self.from_now(retry_in);
            self.renew_ns = None;
            self.log(ended, retry_in, "feed session ended");
            lock(self.stage).current_ended(ended, Some(retry_in));
        } else if Some(number) == next {
            let away = self.plan.gate.away_after(ended, &*self.plan.clock);
            let wait = (away + self.renewals.after(ended.live_for)).min(away::LONGEST);
            self.renew_ns = Some(self.from_now(wait));
            self.log(ended, wait, "the feed's next session came to nothing, the current one goes on");
            lock(self.stage).next_ended(ended, wait);
        }
    }

    /// How long nothing is tried after the current session: the backoff, on top of what its end asks for.
    fn wait_after(&mut self, ended: &Ended) -> Duration {
        let away = self.plan.gate.away_after(ended, &*self.plan.clock);
        (away + self.backoff.after(ended.live_for)).min(away::LONGEST)
    }

    /// What the sessions told.
    fn heard(&mut self) {
        let news = std::mem::take(&mut lock(self.stage).news);
        for news in news {
            match news {
                News::Replaced(number) => {
                    self.running.remove(&number);
                    self.renew_ns = None;
                }
                News::Asked => {
                    let now = self.plan.clock.now_ns();
                    let since = self.last_renewal_ns.map(|last| between(last, now));
                    let often = since.filter(|since| *since < OFTEN);
                    let wait = often.map_or(Duration::ZERO, |since| self.renewals.after(since));
                    self.renew_ns = Some(self.from_now(wait));
                }
            }
        }
    }

    fn stop_all(&mut self) {
        lock(self.stage).next = None;
        self.running.clear();
    }

    /// A session ended because everything is to stop.
    fn stopped(&mut self, number: u64, ended: &Ended) {
        if Some(number) == self.standing().0 {
            let ended = Ended { end: End::Shutdown, ..ended.clone() };
            lock(self.stage).current_ended(&ended, None);
        }
    }

    fn standing(&self) -> (Option<u64>, Option<u64>) {
        let stage = lock(self.stage);
        (stage.current.map(|standing| standing.number), stage.next.map(|standing| standing.number))
    }

    fn from_now(&self, wait: Duration) -> i64 {
        self.plan.clock.now_ns().saturating_add(nanoseconds(wait))
    }

    fn log(&self, ended: &Ended, retry_in: Duration, message: &'static str) {
        let route = self.plan.newest_route();
        tracing::warn!(
            venue = route.venue.as_str(),
            route = route.name,
            end = ended.end.word(),
            why = %ended.end,
            retry_in_ms = u64::try_from(retry_in.as_millis()).unwrap_or(u64::MAX),
            "{message}"
        );
    }
}

/// One session, behind the gate; `stop` dropped ends it.
async fn run(plan: &Session, mut sink: Part<'_, '_>, stop: oneshot::Receiver<()>) -> (u64, Ended) {
    let number = sink.number;
    let mut stopped = pin!(async { drop(stop.await) });
    let route = plan.newest_route();
    let pass = tokio::select! {
        biased;
        () = stopped.as_mut() => return (number, Ended::before_it_began(End::Shutdown)),
        pass = plan.gate.admit(&*plan.clock, (route.venue, &route.name)) => pass,
    };
    let ended = session(plan, &mut sink, stopped).await;
    drop(pass);
    (number, ended)
}
