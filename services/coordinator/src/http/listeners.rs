//! Who listens on `/ws`, and what is published to them: heard once from Redis for all of them, and waiting for none.
//!
//! Knows no socket: each listener has a bounded queue, and is told how much did not fit.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::ws::Utf8Bytes;
use cascade_bus::Message;
use cascade_service::{BoxError, Metric, Metrics, Throttle};
use cascade_wire::{Channel, WireError, decode_finding, finding_to_json, json_of};
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::Site;

/// How many listen at most.
const MOST: usize = 256;
/// How many events wait for one listener.
const QUEUE: usize = 256;
/// The largest message that is passed on, bytes.
const LARGEST: usize = 256 * 1024;
/// How often it is looked whether the connection to Redis was lost, wall time.
const LOOK: Duration = Duration::from_millis(500);
/// How many messages that can't be read are logged a minute, milliseconds.
const LOGGED: (u32, i64) = (3, 60_000);

/// All of them.
pub(super) struct Listeners {
    metrics: Metrics,
    all: Mutex<All>,
}

#[derive(Default)]
struct All {
    counted: u64,
    listeners: BTreeMap<u64, Arc<Listener>>,
}

/// One of them.
pub(super) struct Listener {
    /// A bit for each channel.
    channels: AtomicU16,
    queue: mpsc::Sender<Told>,
    missed: AtomicU64,
    /// Whether something may be missing of which nobody knows how much.
    interrupted: AtomicU64,
}

/// An event on its way to one listener.
pub(super) struct Told {
    /// How many were lost just before it.
    pub(super) missed: u64,
    /// `{"channel":...,"event":...}`
    pub(super) text: Utf8Bytes,
}

/// The place of a listener; it listens as long as this is held.
pub(super) struct Place {
    number: u64,
    site: Arc<Site>,
    /// The listener itself.
    pub(super) listener: Arc<Listener>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.site.listeners.leave(self.number);
    }
}

const fn bit(channel: Channel) -> u16 {
    1 << (channel as u16)
}

impl Listener {
    /// Listens to this channel from now on, or does not any more.
    pub(super) fn turn(&self, channel: Channel, is_on: bool) {
        if is_on {
            self.channels.fetch_or(bit(channel), Ordering::Relaxed);
        } else {
            self.channels.fetch_and(!bit(channel), Ordering::Relaxed);
        }
    }

    /// What it listens to.
    pub(super) fn channels(&self) -> Vec<&'static str> {
        let on = Channel::ALL.into_iter().filter(|channel| self.hears(*channel));
        on.map(Channel::as_str).collect()
    }

    fn hears(&self, channel: Channel) -> bool {
        self.channels.load(Ordering::Relaxed) & bit(channel) != 0
    }

    /// How many were lost since this was asked last.
    pub(super) fn missed(&self) -> u64 {
        self.missed.swap(0, Ordering::Relaxed)
    }

    /// Whether something may be missing since this was asked last, and nobody knows how much.
    pub(super) fn is_interrupted(&self) -> bool {
        self.interrupted.swap(0, Ordering::Relaxed) > 0
    }

    /// Queues an event; whether there was room.
    fn tell(&self, text: &Utf8Bytes) -> bool {
        let Ok(room) = self.queue.try_reserve() else {
            self.missed.fetch_add(1, Ordering::Relaxed);
            return false;
        };
        room.send(Told { missed: self.missed(), text: text.clone() });
        true
    }
}

impl Listeners {
    /// Nobody yet.
    pub(super) fn new(metrics: Metrics) -> Self {
        metrics.set(Metric::Listeners, &[], 0.0);
        Self { metrics, all: Mutex::default() }
    }

    fn all(&self) -> MutexGuard<'_, All> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn told_how_many(&self, all: &All) {
        let count = u32::try_from(all.listeners.len()).unwrap_or(u32::MAX);
        self.metrics.set(Metric::Listeners, &[], f64::from(count));
    }

    fn leave(&self, number: u64) {
        let mut all = self.all();
        all.listeners.remove(&number);
        self.told_how_many(&all);
    }

    /// Tells whoever listens to this channel.
    fn tell(&self, channel: Channel, event: &str) {
        let text = Utf8Bytes::from(format!(r#"{{"channel":"{}","event":{event}}}"#, channel.as_str()));
        let all = self.all();
        let lost = all.listeners.values().filter(|one| one.hears(channel) && !one.tell(&text)).count();
        drop(all);
        if lost > 0 {
            self.metrics.add(Metric::ListenersLost, &[], u64::try_from(lost).unwrap_or(u64::MAX));
        }
    }

    fn hears(&self, channel: Channel) -> bool {
        self.all().listeners.values().any(|one| one.hears(channel))
    }

    /// Nobody knows what was published meanwhile.
    fn interrupt(&self) {
        let all = self.all();
        let listening = all.listeners.values().filter(|one| one.channels.load(Ordering::Relaxed) != 0);
        listening.for_each(|one| {
            one.interrupted.fetch_add(1, Ordering::Relaxed);
        });
    }
}

/// A place to listen, and its queue; `None` = all are taken.
pub(super) fn join(site: &Arc<Site>) -> Option<(Place, mpsc::Receiver<Told>)> {
    let (queue, told) = mpsc::channel(QUEUE);
    let listener = Listener {
        channels: AtomicU16::default(),
        queue,
        missed: AtomicU64::default(),
        interrupted: AtomicU64::default(),
    };
    let listener = Arc::new(listener);
    let mut all = site.listeners.all();
    if all.listeners.len() >= MOST {
        return None;
    }
    all.counted += 1;
    let number = all.counted;
    all.listeners.insert(number, Arc::clone(&listener));
    site.listeners.told_how_many(&all);
    drop(all);
    Some((Place { number, site: Arc::clone(site), listener }, told))
}

/// Hears every channel for ever, through every outage.
///
/// # Errors
/// None in practice: the URL was good for the bus.
pub(super) async fn hear(site: &Site) -> Result<(), BoxError> {
    let channels = Channel::ALL.map(|channel| channel.as_str().to_owned());
    let mut subscriber = site.bus.subscriber(&channels)?;
    let (mut lost, mut dropped) = (0, 0);
    let mut refusals = Throttle::new(LOGGED.0, LOGGED.1);
    loop {
        tokio::select! {
            message = subscriber.next() => pass_on(site, &message, &mut refusals),
            () = sleep(LOOK) => {}
        }
        if subscriber.lost() > lost || subscriber.dropped() > dropped {
            (lost, dropped) = (subscriber.lost(), subscriber.dropped());
            site.listeners.interrupt();
        }
    }
}

fn pass_on(site: &Site, message: &Message, refusals: &mut Throttle) {
    let Some(channel) = Channel::parse(&message.channel) else { return };
    if !site.listeners.hears(channel) {
        return;
    }
    match readable(channel, &message.bytes) {
        Ok(event) => site.listeners.tell(channel, &event),
        Err(error) => {
            if let Some(suppressed) = refusals.admit(channel.as_str(), site.context.clock.now()) {
                tracing::warn!(channel = channel.as_str(), %error, suppressed, "a message was not passed on");
            }
        }
    }
}

/// A message as JSON: ours as their twins have it, those of other programs whatever they are.
fn readable(channel: Channel, bytes: &[u8]) -> Result<String, WireError> {
    if bytes.len() > LARGEST {
        return Err(WireError::Malformed(format!("{} bytes are more than any event has", bytes.len())));
    }
    if channel != Channel::TradeAlerts
        && let Ok(finding) = decode_finding(bytes)
    {
        return finding_to_json(&finding);
    }
    json_of(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_channel_has_a_bit_of_its_own() {
        let bits = Channel::ALL.into_iter().map(bit).fold(0_u16, |all, bit| all | bit);
        assert_eq!(bits.count_ones(), u32::try_from(Channel::ALL.len()).unwrap());
    }

    #[test]
    fn what_does_not_fit_is_counted_and_told_with_the_next_that_does() {
        let (queue, mut told) = mpsc::channel(1);
        let listener = Listener {
            channels: AtomicU16::default(),
            queue,
            missed: AtomicU64::default(),
            interrupted: AtomicU64::default(),
        };
        listener.turn(Channel::Critical, true);
        assert!(listener.hears(Channel::Critical) && !listener.hears(Channel::Alerts));
        let text = Utf8Bytes::from("x");
        assert_eq!([(); 3].map(|()| listener.tell(&text)), [true, false, false]);
        assert_eq!(told.try_recv().unwrap().missed, 0);
        assert!(listener.tell(&text));
        assert_eq!((told.try_recv().unwrap().missed, listener.missed()), (2, 0));
        listener.turn(Channel::Critical, false);
        assert!(listener.channels().is_empty());
    }

    #[test]
    fn messages_larger_than_any_event_are_refused() {
        let large = format!("[\"{}\"]", "x".repeat(LARGEST));
        assert!(readable(Channel::TradeAlerts, large.as_bytes()).is_err());
        assert_eq!(readable(Channel::TradeAlerts, br#"{"a":1}"#).unwrap(), r#"{"a":1}"#);
    }
}
