//! The way to a venue, shared by everything that goes there: no more at once, and no more within a span, than the
//! venue takes, whatever breaks down meanwhile. Waits; what is allowed is the budget's affair.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cascade_domain::Venue;
use cascade_pace::{Budget, Clock, Rate, Turn};
use cascade_venues::{Limits, Quota, Weight};
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::timing::nanoseconds;
use crate::{Ended, away};

/// How long one who waits for a place looks away, on the wall, however well he is called.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// A wait longer than this, of the clock, is worth a word.
const LONG: Duration = Duration::from_secs(5);
/// How much of the weight that a venue counts may be used before nobody passes any more, in hundredths: the rest is
/// for whoever else is on this address.
const MOST_WEIGHT: u64 = 80;
/// How far the venue's clock may be behind ours: so much later than by ours it counts anew.
const CLOCKS_DIFFER: Duration = Duration::from_secs(1);

/// The limits of one venue, counted. All routes of a venue share one, also when they come and go.
#[derive(Debug)]
pub struct Gate {
    passing: Mutex<Passing>,
    freed: Notify,
    weight: Option<Weight>,
}

#[derive(Debug)]
struct Passing {
    budget: Budget,
    /// How many bans (HTTP 418) came in a row.
    bans: u32,
    /// Until when the last of them stands.
    banned_until_ns: i64,
    /// Until when nobody passes.
    closed_until_ns: i64,
}

impl Passing {
    /// Lets nobody pass until then; an earlier wish for a later time stands. Gives whether this is a later time.
    fn close_until(&mut self, until_ns: i64) -> bool {
        self.budget.hold_until(until_ns);
        let is_later = until_ns > self.closed_until_ns;
        self.closed_until_ns = self.closed_until_ns.max(until_ns);
        is_later
    }
}

/// A place behind the gate; dropped, it is free again.
#[derive(Debug)]
pub(crate) struct Pass {
    gate: Arc<Gate>,
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.gate.passing().budget.give_back();
        self.gate.freed.notify_one();
    }
}

impl Gate {
    /// The gate for a venue's connections.
    pub fn new(limits: &Limits) -> Self {
        Self::of(limits.connections, limits.connects, None)
    }

    /// A gate for requests of which any number may be under way.
    pub(crate) fn for_requests(limits: &Limits) -> Self {
        Self::of(usize::MAX, limits.rest, limits.weight)
    }

    fn of(at_once: usize, quota: Quota, weight: Option<Weight>) -> Self {
        let budget = Budget::new(at_once, rate(quota));
        let passing = Passing { budget, bans: 0, banned_until_ns: i64::MIN, closed_until_ns: i64::MIN };
        Self { passing: Mutex::new(passing), freed: Notify::new(), weight }
    }

    /// The header by which an answer tells how much of the venue's weight is used; none where it tells nothing.
    pub(crate) fn weight_header(&self) -> Option<&'static str> {
        self.weight.map(|weight| weight.header)
    }

    /// An answer tells that so much of the venue's weight is used. Near the limit nobody passes until the venue counts
    /// anew.
    pub(crate) fn weighed(&self, venue: Venue, used: u64, clock: &dyn Clock) {
        let Some(weight) =
            self.weight.filter(|weight| used.saturating_mul(100) > u64::from(weight.most) * MOST_WEIGHT)
        else {
            return;
        };
        let span = nanoseconds(weight.within).max(1);
        let begun = clock.now_ns().div_euclid(span).saturating_mul(span);
        let anew = begun.saturating_add(span).saturating_add(nanoseconds(CLOCKS_DIFFER));
        if self.passing().close_until(anew) {
            let most = weight.most;
            tracing::warn!(
                venue = venue.as_str(),
                used,
                most,
                "its weight is nearly used up: left alone until it counts anew"
            );
        }
    }

    /// Lets nobody pass until then, nanoseconds of the clock; an earlier wish for a later time stands.
    pub(crate) fn close_until(&self, until_ns: i64) {
        self.passing().close_until(until_ns);
    }

    /// Until when nobody passes, in nanoseconds of the clock; the gate is open if that is over.
    pub(crate) fn closed_until_ns(&self) -> i64 {
        self.passing().closed_until_ns
    }

    /// Waits for a place; `who` is named in the log if that takes long.
    pub(crate) async fn admit(self: &Arc<Self>, clock: &dyn Clock, (venue, who): (Venue, &str)) -> Pass {
        let mut is_told = false;
        loop {
            let turn = self.passing().budget.take(clock.now_ns());
            let is_long = match turn {
                Turn::Now => return Pass { gate: Arc::clone(self) },
                Turn::In(wait) => wait > LONG,
                Turn::Full => true,
            };
            if is_long && !is_told {
                tracing::info!(venue = venue.as_str(), who, ?turn, "waits: the venue takes no more for now");
                is_told = true;
            }
            if let Turn::In(wait) = turn {
                sleep(clock.wall(wait)).await;
            } else {
                tokio::select! {
                    () = self.freed.notified() => {}
                    () = sleep(LOOK_AGAIN) => {}
                }
            }
        }
    }

    /// How long to stay away after a session that ended so. Where the venue means our address, nobody passes for as
    /// long.
    pub(crate) fn away_after(&self, ended: &Ended, clock: &dyn Clock) -> Duration {
        if let Some(status) = ended.status {
            return self.away_after_status(status, ended.retry_after, clock);
        }
        if !ended.connected_for.is_zero() {
            self.served(clock);
        }
        away::after_session(ended)
    }

    /// The same after an HTTP status. Those that were under way when a ban came are part of it, and no further ones.
    pub(crate) fn away_after_status(
        &self,
        status: u16,
        retry_after: Option<Duration>,
        clock: &dyn Clock,
    ) -> Duration {
        let (mut passing, now_ns) = (self.passing(), clock.now_ns());
        if status == 418 && now_ns >= passing.banned_until_ns {
            passing.bans = passing.bans.saturating_add(1);
        }
        let away = away::after_status(status, retry_after, passing.bans);
        let until_ns = now_ns.saturating_add(nanoseconds(away));
        if status == 418 {
            passing.banned_until_ns = passing.banned_until_ns.max(until_ns);
        }
        if away::is_for_the_address(status) {
            passing.close_until(until_ns);
        }
        away
    }

    /// The venue served us. What was asked before a ban came says nothing of it.
    pub(crate) fn served(&self, clock: &dyn Clock) {
        let mut passing = self.passing();
        if clock.now_ns() >= passing.banned_until_ns {
            passing.bans = 0;
        }
    }

    fn passing(&self) -> MutexGuard<'_, Passing> {
        self.passing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A venue's figures as a budget takes them.
pub(crate) const fn rate(quota: Quota) -> Rate {
    Rate { most: quota.most, within: quota.within }
}
