//! Asking something of the dispatcher, and waiting until it has heard: the order then stands in the history.
//!
//! Knows no policy: what comes of an order is the dispatcher's affair.

use std::time::Duration;

use cascade_bus::{Bus, BusError, StreamId};
use cascade_domain::{Ask, EventTime, Order};
use cascade_pace::Clock;
use cascade_service::{SystemClock, environment};
use cascade_wire::{HistoryEntry, HistoryOf, dispatch};
use tokio::time::{sleep, timeout};

use super::{has_dispatcher, note};
use crate::words::plain;

/// How long the dispatcher may take to hear, wall time.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// Between two looks into the history, wall time.
const LOOK: Duration = Duration::from_millis(100);
/// How many entries of the history are read at once.
const PAGE: usize = 500;
/// How much of a name is shown, in characters.
const LONGEST_NAME: usize = 60;

/// Reads the history from a place on.
#[derive(Debug)]
pub(super) struct Follower<'a> {
    bus: &'a Bus,
    position: StreamId,
}

impl<'a> Follower<'a> {
    /// From its end as it is now.
    pub(super) async fn from_now(bus: &'a Bus) -> Result<Self, BusError> {
        Ok(Self { bus, position: bus.newest_entry(dispatch::HISTORY).await? })
    }

    /// What came; waits a moment where nothing did. What can't be read is passed over.
    pub(super) async fn next(&mut self) -> Result<Vec<HistoryEntry>, BusError> {
        let found = self.bus.history(self.position, PAGE).await?;
        match found.last() {
            Some((last, _)) => self.position = *last,
            None => sleep(LOOK).await,
        }
        Ok(found.into_iter().filter_map(|(_, entry)| entry.ok()).collect())
    }

    /// Waits until the dispatcher has heard this order; gives what came of it.
    async fn heard(&mut self, order: &Order) -> Result<Heard, BusError> {
        loop {
            let mut entries = self.next().await?;
            let refusal = |entry: &HistoryEntry| match &entry.what {
                HistoryOf::Order { given, refused } if given == order => Some(refused.clone()),
                _ => None,
            };
            let place = entries.iter().enumerate().find_map(|(place, entry)| Some((place, refusal(entry)?)));
            match place {
                Some((_, Some(why))) => return Ok(Heard::Refused(why)),
                Some((place, None)) => return Ok(Heard::Done(entries.split_off(place))),
                None => {}
            }
        }
    }
}

/// What became of an order.
#[derive(Debug)]
pub(super) enum Heard {
    /// The dispatcher has done it; these entries of the history have been read already.
    Done(Vec<HistoryEntry>),
    /// It makes no sense to it: why.
    Refused(String),
    /// It has not heard in time. The order stands.
    NotYet,
}

/// Asks, and waits until it is heard, [`PATIENCE`] at most.
///
/// # Errors
/// Redis is away or refuses; where that was after the order, it stands.
pub(super) async fn ask(follower: &mut Follower<'_>, order: &Order) -> Result<Heard, BusError> {
    follower.bus.order(order).await?;
    timeout(PATIENCE, follower.heard(order)).await.unwrap_or(Ok(Heard::NotYet))
}

/// Asks, and whether it was done; says why where it was not.
///
/// # Errors
/// As [`ask`].
pub(super) async fn done(command: &str, bus: &Bus, what: Ask) -> Result<bool, BusError> {
    let mut follower = Follower::from_now(bus).await?;
    let order = order(SystemClock::new().now(), what);
    match ask(&mut follower, &order).await? {
        Heard::Done(_) => return Ok(true),
        Heard::Refused(why) => note(command, &format!("the dispatcher refuses: {}", plain(&why))),
        Heard::NotYet => nobody_heard(command, has_dispatcher(bus).await?),
    }
    Ok(false)
}

/// An order of whoever sits here.
pub(super) fn order(at_ms: EventTime, what: Ask) -> Order {
    Order { at_ms, by: by(), what }
}

/// Says that nobody has heard an order, and the way out.
pub(super) fn nobody_heard(command: &str, has_dispatcher: bool) {
    let seconds = PATIENCE.as_secs();
    if has_dispatcher {
        note(
            command,
            &format!("no dispatcher has taken it within {seconds} s; it stands, and is done when one does"),
        );
        note(command, "one is there: see `cascade status`, and its log");
    } else {
        note(
            command,
            &format!("no dispatcher answers within {seconds} s; it stands, and is done when one runs"),
        );
        note(command, "start one: `alert-dispatcher`, or everything with `cascade up`");
    }
}

/// Who sits here: `cli:USER@HOST`.
pub(super) fn by() -> String {
    let environment = environment();
    let variable =
        |name: &str| environment.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    let user = variable("USER").or_else(|| variable("LOGNAME"));
    let host = ["/proc/sys/kernel/hostname", "/etc/hostname"]
        .into_iter()
        .find_map(|path| std::fs::read_to_string(path).ok())
        .or_else(|| variable("HOSTNAME"));
    format!("cli:{}@{}", name(user), name(host))
}

/// A name as others may be shown it.
fn name(text: Option<String>) -> String {
    let text = text.unwrap_or_default();
    let shown: String = text.trim().chars().filter(|c| !c.is_control()).take(LONGEST_NAME).collect();
    if shown.is_empty() { "unknown".to_owned() } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_short_line() {
        assert_eq!(name(Some("ann\n".to_owned())), "ann");
        assert_eq!(name(Some("a\u{1b}[2Jb".to_owned())), "a[2Jb");
        assert_eq!((name(None), name(Some(" \n".to_owned()))), ("unknown".to_owned(), "unknown".to_owned()));
        assert_eq!(name(Some("x".repeat(500))).len(), LONGEST_NAME);
        assert!(by().starts_with("cli:") && by().contains('@'));
    }
}
