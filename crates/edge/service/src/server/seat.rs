//! Who is connected, what each keeps us waiting for, and who must go when somebody else wants the seat.
//!
//! Reads no clock: the order in which connections began to keep us waiting is counted, and deadlines are timers.

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// What a connection is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The client has said nothing since its last answer, or not the whole headers of a request.
    Waiting,
    /// The client sends the rest of its request.
    Asking,
    /// We make the answer.
    Answering,
    /// The client reads the answer.
    Reading,
    /// It is no HTTP any more: whoever took it over keeps the time.
    Upgraded,
}

impl Phase {
    /// Whether the client is the one who keeps the other waiting.
    const fn is_up_to_the_client(self) -> bool {
        matches!(self, Self::Waiting | Self::Asking | Self::Reading)
    }

    /// How long it may last.
    const fn limit(self) -> Option<Duration> {
        match self {
            Self::Waiting => Some(Duration::from_secs(5)),
            // These have deadlines of their own, at which the client is told; this is for what they can't see.
            Self::Asking | Self::Answering => Some(Duration::from_secs(15)),
            Self::Reading => Some(Duration::from_secs(30)),
            Self::Upgraded => None,
        }
    }
}

/// All seats.
#[derive(Debug)]
pub(super) struct Seats {
    most: usize,
    taken: Mutex<Taken>,
    left: Notify,
}

#[derive(Debug, Default)]
struct Taken {
    /// Counts phases: a smaller number began earlier.
    counted: u64,
    seats: BTreeMap<u64, Held>,
}

#[derive(Debug)]
struct Held {
    phase: Phase,
    since: u64,
    cut: CancellationToken,
}

impl Taken {
    fn count(&mut self) -> u64 {
        self.counted += 1;
        self.counted
    }

    /// Cuts the connection that has kept us waiting for longest; whether there was one.
    fn cut_longest(&mut self) -> bool {
        let waiting = self.seats.iter().filter(|(_, held)| held.phase.is_up_to_the_client());
        let Some((longest, _)) = waiting.min_by_key(|(_, held)| held.since) else { return false };
        let longest = *longest;
        if let Some(held) = self.seats.remove(&longest) {
            held.cut.cancel();
        }
        true
    }
}

impl Seats {
    /// So many at most.
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, taken: Mutex::default(), left: Notify::new() })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A seat; for it somebody else may have to go. Waits while all are busy with us.
    pub(super) async fn take(self: &Arc<Self>) -> Arc<Seat> {
        loop {
            let left = self.left.notified();
            if let Some(seat) = self.try_take() {
                return seat;
            }
            left.await;
        }
    }

    fn try_take(self: &Arc<Self>) -> Option<Arc<Seat>> {
        let mut taken = self.taken();
        if taken.seats.len() >= self.most && !taken.cut_longest() {
            return None;
        }
        let (number, cut) = (taken.count(), CancellationToken::new());
        taken.seats.insert(number, Held { phase: Phase::Waiting, since: number, cut: cut.clone() });
        let phase = watch::Sender::new(Phase::Waiting);
        Some(Arc::new(Seat { number, seats: Arc::clone(self), cut, phase, lingers: AtomicBool::new(false) }))
    }

    /// Waits until nobody is there.
    pub(super) async fn all_left(&self) {
        loop {
            let left = self.left.notified();
            if self.taken().seats.is_empty() {
                return;
            }
            left.await;
        }
    }

    /// Cuts every connection.
    pub(super) fn cut_all(&self) {
        self.taken().seats.values().for_each(|held| held.cut.cancel());
    }
}

/// The place of one connection; held by its task and by its socket, whoever has that.
#[derive(Debug)]
pub(super) struct Seat {
    number: u64,
    seats: Arc<Seats>,
    cut: CancellationToken,
    phase: watch::Sender<Phase>,
    lingers: AtomicBool,
}

impl Seat {
    /// Goes on to another phase.
    pub(super) fn enter(&self, phase: Phase) {
        let mut taken = self.seats.taken();
        let since = taken.count();
        if let Some(held) = taken.seats.get_mut(&self.number) {
            (held.phase, held.since) = (phase, since);
        }
        drop(taken);
        self.phase.send_replace(phase);
    }

    /// The answer is written. Nothing where the next request has begun already.
    pub(super) fn answered(&self) {
        if *self.phase.borrow() == Phase::Reading {
            self.enter(Phase::Waiting);
        }
    }

    /// Waits until a phase has lasted longer than it may.
    pub(super) async fn overdue(&self) {
        let mut phases = self.phase.subscribe();
        loop {
            let phase = *phases.borrow_and_update();
            let Some(limit) = phase.limit() else { return pending().await };
            if timeout(limit, phases.changed()).await.is_err() {
                return;
            }
        }
    }

    /// Waits until the connection has to go.
    pub(super) async fn is_cut(&self) {
        self.cut.cancelled().await;
    }

    /// The same, to be kept.
    pub(super) fn cut(&self) -> WaitForCancellationFutureOwned {
        self.cut.clone().cancelled_owned()
    }

    /// At the end what the client still sends is passed over for a while, so that it reads why we did not want it.
    pub(super) fn linger(&self) {
        self.lingers.store(true, Ordering::Relaxed);
    }

    /// Whether it does.
    pub(super) fn lingers(&self) -> bool {
        self.lingers.load(Ordering::Relaxed)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.seats.taken().seats.remove(&self.number);
        self.seats.left.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_cut(seat: &Seat) -> bool {
        seat.cut.is_cancelled()
    }

    #[test]
    fn who_has_kept_us_waiting_for_longest_goes() {
        let seats = Seats::new(3);
        let [first, second, third] = [(); 3].map(|()| seats.try_take().unwrap());
        first.enter(Phase::Asking);
        let fourth = seats.try_take().unwrap();
        assert_eq!([&first, &second, &third, &fourth].map(|seat| is_cut(seat)), [false, true, false, false]);
        drop(second);
        assert!(seats.taken().seats.len() == 3, "it had lost its seat before");
    }

    #[test]
    fn nobody_goes_whom_we_keep_waiting() {
        let seats = Seats::new(2);
        let [first, second] = [(); 2].map(|()| seats.try_take().unwrap());
        first.enter(Phase::Answering);
        second.enter(Phase::Upgraded);
        assert!(seats.try_take().is_none());
        first.enter(Phase::Reading);
        assert!(seats.try_take().is_some() && is_cut(&first) && !is_cut(&second));
    }

    #[tokio::test]
    async fn a_seat_that_is_left_is_given_to_who_waits() {
        let seats = Seats::new(1);
        let first = seats.take().await;
        first.enter(Phase::Answering);
        let (second, ()) = tokio::join!(seats.take(), async { drop(first) });
        assert!(!is_cut(&second));
        drop(second);
        seats.all_left().await;
    }

    #[test]
    fn an_answer_that_ends_late_does_not_end_the_next_request() {
        let seat = Seats::new(1).try_take().unwrap();
        seat.enter(Phase::Asking);
        seat.answered();
        assert_eq!(*seat.phase.borrow(), Phase::Asking);
        seat.enter(Phase::Reading);
        seat.answered();
        assert_eq!(*seat.phase.borrow(), Phase::Waiting);
    }
}
