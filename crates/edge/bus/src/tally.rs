//! How many liquidations of each venue were stored, by the hour: whoever stores them adds, and whoever tells of a venue
//! that broke asks how much it matters.

use std::collections::BTreeMap;
use std::time::Duration;

use cascade_domain::{EventTime, Venue};
use cascade_wire::key;
use redis::Pipeline;

use crate::{Bus, BusError};

/// An hour, milliseconds.
const HOUR_MS: i64 = 3_600_000;
/// How many hours are asked for: the one that goes on and those before it.
const HOURS: i64 = 24;
/// How long a venue's hours are kept after the last one was added to; wall time.
const KEPT: Duration = Duration::from_hours(26);

/// How many liquidations of which venue in which hour.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally(BTreeMap<(Venue, i64), u64>);

impl Tally {
    /// Counts one that was stored at a time of the services' clock.
    pub fn count(&mut self, venue: Venue, at: EventTime) {
        *self.0.entry((venue, hour(at))).or_default() += 1;
    }

    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn hour(at: EventTime) -> i64 {
    at.ms().div_euclid(HOUR_MS)
}

impl Bus {
    /// Adds what was counted; what is counted is what Redis has not taken yet. Hours that nobody asks for any more go.
    ///
    /// # Errors
    /// Redis is away or refuses; whether it came through is not known then.
    pub async fn add_liquidations(&self, tally: &mut Tally) -> Result<(), BusError> {
        let mut pipe = Pipeline::new();
        for ((venue, hour), count) in &tally.0 {
            let key = key::liquidations(*venue);
            pipe.hincr(&key, *hour, *count);
            // What an hour leaves behind goes with a later one; what is left for good is never asked for.
            let last = hour.saturating_sub(HOURS);
            pipe.hdel(&key, (last.saturating_sub(HOURS + 3)..=last).collect::<Vec<_>>());
            pipe.expire(&key, i64::try_from(KEPT.as_secs()).unwrap_or(i64::MAX));
        }
        let answers = self.link.pipeline::<i64>(&mut pipe, self.settings.response_timeout).await?;
        answers.into_iter().try_for_each(|answer| answer.map(drop).map_err(|e| BusError::of(&e)))?;
        tally.0.clear();
        Ok(())
    }

    /// How many liquidations of each of these venues were stored in the hour of `now` and the 23 before it.
    ///
    /// # Errors
    /// Redis is away, or one of the keys holds another type.
    pub async fn liquidations(
        &self,
        venues: impl IntoIterator<Item = Venue>,
        now: EventTime,
    ) -> Result<BTreeMap<Venue, u64>, BusError> {
        let venues: Vec<_> = venues.into_iter().collect();
        let mut pipe = Pipeline::new();
        for venue in &venues {
            pipe.hgetall(key::liquidations(*venue));
        }
        let limit = self.settings.response_timeout;
        let answers = self.link.read_all::<BTreeMap<i64, u64>>(&mut pipe, limit).await?;
        let since = hour(now).saturating_sub(HOURS);
        venues
            .into_iter()
            .zip(answers)
            .map(|(venue, hours)| {
                let hours = hours.map_err(|e| BusError::of(&e))?;
                let counts = hours.into_iter().filter(|(hour, _)| *hour > since).map(|(_, count)| count);
                Ok((venue, counts.fold(0, u64::saturating_add)))
            })
            .collect()
    }
}
