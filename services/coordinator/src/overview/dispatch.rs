//! How the dispatcher does: its destinations, what waits for each, what is muted, what is dead.
//!
//! Reads its books and read-models, and believes them as long as there is one that writes them.

use std::collections::BTreeMap;

use cascade_bus::delivery::{Account, Audit};
use cascade_bus::{Bus, BusError};
use cascade_domain::{Ending, EventTime, Mute};
use cascade_wire::{DestinationReading, dispatch};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::keys::{Unreadable, or_named, values};

/// What is known of the dispatcher.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Dispatch {
    /// How each destination does, as it stands on Redis; nothing where no dispatcher runs.
    pub destinations: Value,
    /// The same, read.
    #[serde(skip)]
    pub readings: BTreeMap<String, DestinationReading>,
    /// The books of each destination.
    pub deliveries: BTreeMap<String, Deliveries>,
    /// The books of all of them together.
    pub alerts: Deliveries,
    /// The mutes that hold.
    pub mutes: Vec<Mute>,
    /// Dead letters that stand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dead_letters: Option<u64>,
}

/// What became of the decisions that were made: the next five add up to `produced`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Deliveries {
    /// Decisions.
    pub produced: u64,
    /// Taken by the provider.
    pub sent: u64,
    /// Decided against.
    pub suppressed: u64,
    /// Too old before they could be told.
    pub expired: u64,
    /// Refused by the provider for good.
    pub dead: u64,
    /// Not ended.
    pub open: u64,
    /// Messages whose answer was never seen: each may have arrived.
    pub ambiguous: u64,
    /// How long the oldest delivery that is due has waited, milliseconds of the clock; absent where none is due.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oldest_due_age_ms: Option<i64>,
}

impl Deliveries {
    fn of(account: &Account, now: EventTime) -> Self {
        let ended = |ending| account.ended.get(&ending).copied().unwrap_or_default();
        Self {
            produced: account.produced,
            sent: ended(Ending::Sent),
            suppressed: ended(Ending::Suppressed),
            expired: ended(Ending::Expired),
            dead: ended(Ending::Dead),
            open: account.open,
            ambiguous: account.ambiguous,
            oldest_due_age_ms: account.oldest_due.map(|due| now.since(due).max(0)),
        }
    }

    fn and(self, other: &Self) -> Self {
        Self {
            produced: self.produced + other.produced,
            sent: self.sent + other.sent,
            suppressed: self.suppressed + other.suppressed,
            expired: self.expired + other.expired,
            dead: self.dead + other.dead,
            open: self.open + other.open,
            ambiguous: self.ambiguous + other.ambiguous,
            oldest_due_age_ms: self.oldest_due_age_ms.max(other.oldest_due_age_ms),
        }
    }
}

/// All that is known of the dispatcher at `now`, by its clock.
pub(super) async fn read(
    bus: &Bus,
    now: EventTime,
    unreadable: &mut Unreadable,
) -> Result<Dispatch, BusError> {
    let found: Vec<(String, Value)> =
        values(bus, vec![dispatch::DESTINATIONS.to_owned()], unreadable).await?;
    let destinations = found.into_iter().next().map_or(Value::Null, |(_, value)| value);
    let readings = match BTreeMap::<String, DestinationReading>::deserialize(&destinations) {
        Ok(readings) => readings,
        Err(_) if destinations.is_null() => BTreeMap::new(),
        Err(error) => {
            unreadable.insert(dispatch::DESTINATIONS.to_owned(), error.to_string());
            BTreeMap::new()
        }
    };
    let mutes = or_named(dispatch::MUTES, mutes(bus, now).await, unreadable)?.unwrap_or_default();
    let audit = or_named(dispatch::COUNTS, bus.accounts(now).await, unreadable)?;
    let deliveries = audit.as_ref().map(|audit| of_books(audit, now)).unwrap_or_default();
    let alerts = deliveries.values().fold(Deliveries::default(), Deliveries::and);
    let dead_letters = audit.map(|audit| audit.letters);
    Ok(Dispatch { destinations, readings, deliveries, alerts, mutes, dead_letters })
}

fn of_books(audit: &Audit, now: EventTime) -> BTreeMap<String, Deliveries> {
    audit.accounts.iter().map(|(name, account)| (name.clone(), Deliveries::of(account, now))).collect()
}

/// The mutes that hold at `now`.
///
/// # Errors
/// Redis is away, or what stands there is no list of mutes.
pub async fn mutes(bus: &Bus, now: EventTime) -> Result<Vec<Mute>, BusError> {
    let Some(text) = bus.get(dispatch::MUTES).await? else { return Ok(Vec::new()) };
    let mutes: Vec<Mute> = serde_json::from_str(&text)
        .map_err(|error| BusError::Reply(format!("{} is no list of mutes: {error}", dispatch::MUTES)))?;
    // It is written when something changes; what has run out since then holds no more.
    Ok(mutes.into_iter().filter(|mute| mute.until_ms > now).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_books_of_all_are_the_sum_of_each_and_the_oldest_of_all() {
        let account = |produced, sent, due: Option<i64>| Account {
            produced,
            ended: BTreeMap::from([(Ending::Sent, sent), (Ending::Dead, 1)]),
            open: produced - sent - 1,
            oldest_due: due.map(EventTime::from_ms),
            ..Account::default()
        };
        let accounts = [("a".to_owned(), account(9, 3, Some(400))), ("b".to_owned(), account(4, 3, None))];
        let audit = Audit { accounts: accounts.into(), ..Audit::default() };
        let books = of_books(&audit, EventTime::from_ms(1_000));
        assert_eq!((books["a"].open, books["a"].oldest_due_age_ms), (5, Some(600)));
        assert_eq!(books["b"].oldest_due_age_ms, None);
        let all = books.values().fold(Deliveries::default(), Deliveries::and);
        assert_eq!((all.produced, all.sent, all.dead, all.open), (13, 6, 2, 5));
        assert_eq!(all.oldest_due_age_ms, Some(600));
        let parts = all.sent + all.suppressed + all.expired + all.dead + all.open;
        assert_eq!(parts, all.produced);
    }
}
