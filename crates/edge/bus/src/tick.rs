//! The newest tick in the streams, and how old it is by the one clock that all who write and read share: Redis'.
//!
//! Knows no tick writer, and not how late it was when it wrote.

use std::time::Duration;

use cascade_domain::{Event, EventTime, Shard};
use cascade_wire::key;

use crate::stream::{Entry, RawEntry};
use crate::{Bus, BusError, script};

/// The newest tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastTick {
    /// Its time, by the clock of who wrote it.
    pub time: EventTime,
    /// How long ago it was stored, wall time by Redis' clock.
    pub age: Duration,
}

/// How many entries are looked through at once, at first and then.
const FIRST: usize = 20;
const THEN: usize = 200;
/// How often it is looked further back: a second of the busiest market has fewer entries than all of that.
const MOST_LOOKS: usize = 10;

impl Bus {
    /// The newest tick, as the first shard has it (every shard has every tick); `None` where there is none.
    ///
    /// # Errors
    /// Redis is away or refuses.
    pub async fn last_tick(&self) -> Result<Option<LastTick>, BusError> {
        let Some(shard) = Shard::all().next() else { return Ok(None) };
        let (stream, mut upto) = (key::market(shard), "+".to_owned());
        for look in 0..MOST_LOOKS {
            let count = if look == 0 { FIRST } else { THEN };
            let mut cmd = script::NEWEST.call(&[&stream]);
            cmd.arg(&upto).arg(count);
            let (now, entries): (u64, Vec<RawEntry>) =
                script::NEWEST.run_one(&self.link, cmd, self.settings.response_timeout).await?;
            let is_last = entries.len() < count;
            for raw in entries {
                let entry = Entry::of(raw)?;
                if let Some(time) = tick_in(&entry) {
                    let age = Duration::from_millis(now.saturating_sub(entry.id.ms));
                    return Ok(Some(LastTick { time, age }));
                }
                upto = format!("({}", entry.id);
            }
            if is_last {
                break;
            }
        }
        Ok(None)
    }
}

/// The time of the newest tick of an entry, if there is one in it.
fn tick_in(entry: &Entry) -> Option<EventTime> {
    let tick = |event| if let Ok(Event::Tick(tick)) = event { Some(tick.event_time_ms) } else { None };
    entry.events().ok()?.into_iter().filter_map(tick).max()
}
