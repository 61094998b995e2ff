//! The dispatcher's books on Redis: rows of deliveries, lanes, claims, budgets, counts, history and dead letters, all in one
//! slot and changed by scripts alone.
//!
//! Knows no policy and no provider: rows go in, are claimed, and end.

mod audit;
mod claiming;
mod deciding;
mod history;
mod letters;
mod reader;
mod settling;

pub use audit::{Account, Audit};
pub use claiming::{Claimed, Claiming, Row};
pub use deciding::{Decided, Kept};
pub use reader::{AlertReader, Heard, Positions};
pub use settling::{Settled, Settlement};

use cascade_wire::{HistoryEntry, WireError};
use redis::{FromRedisValue, Value, from_redis_value};

use crate::BusError;

/// The values of a script's answer, one after the other.
struct Answer(std::vec::IntoIter<Value>);

impl Answer {
    fn next<T: FromRedisValue>(&mut self) -> Result<T, BusError> {
        let value = self.0.next().ok_or_else(|| BusError::Reply("an answer that is too short".to_owned()))?;
        from_redis_value(value).map_err(|e| BusError::Reply(e.to_string()))
    }

    /// The same, where an empty text means that there is none.
    fn optional<T: std::str::FromStr>(&mut self) -> Result<Option<T>, BusError> {
        let text: String = self.next()?;
        if text.is_empty() {
            return Ok(None);
        }
        text.parse().map(Some).map_err(|_| BusError::Reply(format!("`{text}` where a figure belongs")))
    }

    fn is_over(&self) -> bool {
        self.0.as_slice().is_empty()
    }
}

/// What a text of ones and zeros says.
fn flags(text: &str) -> Vec<bool> {
    text.bytes().map(|byte| byte == b'1').collect()
}

/// What can't be written down can't be sent.
fn unwritable(error: &WireError) -> BusError {
    BusError::Reply(format!("not to be encoded: {error}"))
}

fn history_json(entry: &HistoryEntry) -> Result<String, BusError> {
    entry.to_json().map_err(|e| unwritable(&e))
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
