//! The way to a venue, shared by everything that goes there: no more at once, and no more within a span, than the
//! venue takes, whatever breaks down meanwhile. Waits; what is allowed is the budget's affair.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cascade_domain::Venue;
use cascade_pace::{Budget, Clock, Rate, Turn};
use cascade_venues::{Limits, Quota};
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::timing::nanoseconds;
use crate::{Ended, away};

/// How long one who waits for a place looks away, on the wall, however well he is called.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// A wait longer than this, of the clock, is worth a word.
const LONG: Duration = Duration::from_secs(5);

/// The limits of one venue, counted. All routes of a venue share one, also when they come and go.
#[derive(Debug)]
pub struct Gate {
    passing: Mutex<Passing>,
    freed: Notify,
}

#[derive(Debug)]
struct Passing {
    budget: Budget,
    /// How many bans (HTTP 418) came in a row.
    bans: u32,
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
        Self::of(limits.connections, limits.connects)
    }

    /// A gate for requests of which any number may be under way.
    pub(crate) fn for_requests(quota: Quota) -> Self {
        Self::of(usize::MAX, quota)
    }

    fn of(at_once: usize, quota: Quota) -> Self {
        let budget = Budget::new(at_once, rate(quota));
        Self { passing: Mutex::new(Passing { budget, bans: 0 }), freed: Notify::new() }
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
            match turn {
                Turn::In(wait) => sleep(clock.wall(wait)).await,
                _ => tokio::select! {
                    () = self.freed.notified() => {}
                    () = sleep(LOOK_AGAIN) => {}
                },
            }
        }
    }

    /// How long to stay away after a session that ended so. Where the venue means our address, nobody passes for as
    /// long.
    pub(crate) fn away_after(&self, ended: &Ended, clock: &dyn Clock) -> Duration {
        match ended.status {
            Some(status) => self.away_after_status(status, ended.retry_after, clock),
            None => {
                if !ended.connected_for.is_zero() {
                    self.passing().bans = 0;
                }
                away::after_session(ended, 0)
            }
        }
    }

    /// The same after an HTTP status.
    pub(crate) fn away_after_status(
        &self,
        status: u16,
        retry_after: Option<Duration>,
        clock: &dyn Clock,
    ) -> Duration {
        let mut passing = self.passing();
        if status == 418 {
            passing.bans = passing.bans.saturating_add(1);
        }
        let away = away::after_status(status, retry_after, passing.bans);
        if away::is_for_the_address(status) {
            passing.budget.hold_until(clock.now_ns().saturating_add(nanoseconds(away)));
        }
        away
    }

    /// The venue served us.
    pub(crate) fn served(&self) {
        self.passing().bans = 0;
    }

    fn passing(&self) -> MutexGuard<'_, Passing> {
        self.passing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A venue's figures as a budget takes them.
pub(crate) const fn rate(quota: Quota) -> Rate {
    Rate { most: quota.most, within: quota.within }
}
