//! One look at a venue from this machine, step by step: its name and port, its REST answer, its WebSocket, its clock.
//!
//! For people who ask what is wrong: nothing is tried twice, every step has its own time, and the words are those of
//! the sessions. What the steps mean for anybody is not known here.

use std::fmt;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use cascade_domain::Venue;
use cascade_pace::Clock;
use cascade_venues::{Endpoints, Instruments, Protocol};
use reqwest::Url;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{sleep, timeout};

use crate::End;
use crate::rest::{Client, RestError};
use crate::socket::{Bounds, Socket};

/// How often a host is asked for its time.
const CLOCK_SAMPLES: u32 = 3;
/// Between two questions for the time, on the wall. Hosts tell whole seconds: three questions within one second show
/// where in the second its clock is, to a third.
const BETWEEN_SAMPLES: Duration = Duration::from_millis(350);

/// Where a URL leads.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Name or address.
    pub host: String,
    /// TCP port: the URL's, or the scheme's.
    pub port: u16,
}

impl Place {
    /// The host and port of a URL; `None` if it has none.
    pub fn of(url: &str) -> Option<Self> {
        let url = Url::parse(url).ok()?;
        Some(Self { host: url.host_str()?.to_owned(), port: url.port_or_known_default()? })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// Why there is no TCP connection to a place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreached {
    /// Its name leads nowhere.
    #[error("the name {host} is not found: {reason}")]
    Name {
        /// The name.
        host: String,
        /// The system's words.
        reason: String,
    },
    /// Nothing came back: a firewall on the way drops what goes there.
    #[error("no answer from {0}: port {port} seems to be blocked on the way", port = .0.port)]
    Silent(Place),
    /// Somebody said no.
    #[error("{place} can't be connected to: {reason}")]
    Refused {
        /// Where.
        place: Place,
        /// The system's words.
        reason: String,
    },
}

/// This machine's clock against a venue's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockOffset {
    /// How far this machine's is ahead, milliseconds; negative = behind.
    pub ahead_ms: i64,
    /// By how much that may be wrong either way, milliseconds.
    pub uncertain_ms: i64,
}

/// Asks a venue.
#[derive(Clone, Debug)]
pub struct Probe {
    client: Client,
    clock: Arc<dyn Clock>,
}

impl Probe {
    /// A probe that reads this clock.
    ///
    /// # Errors
    /// No HTTP client can be built on this machine.
    pub fn try_new(clock: Arc<dyn Clock>) -> Result<Self, RestError> {
        Ok(Self { client: Client::try_new(Arc::clone(&clock), 0)?, clock })
    }

    /// Asks for the instruments, each first page once; gives what they name.
    ///
    /// # Errors
    /// The first answer that is none: see [`RestError`].
    pub async fn instruments(
        &self,
        protocol: &dyn Protocol,
        endpoints: &Endpoints,
    ) -> Result<Instruments, RestError> {
        let venue = protocol.venue();
        let mut instruments = Instruments::default();
        for request in protocol.instrument_requests(endpoints) {
            let body = self.client.once(venue, &request).await?;
            protocol
                .read_instruments(&request, &body, &mut instruments)
                .map_err(|error| RestError::NotUnderstood { venue, url: request.url.clone(), error })?;
        }
        Ok(instruments)
    }

    /// How far this machine's clock is from that of the host at `url`, by the `Date` of three answers: what all of
    /// them allow; if that is nothing, what the one with the shortest round trip does.
    ///
    /// # Errors
    /// No answer, or one without a date.
    pub async fn clock_offset(&self, venue: Venue, url: &str) -> Result<ClockOffset, RestError> {
        let mut samples = Vec::new();
        for _ in 0..CLOCK_SAMPLES {
            if !samples.is_empty() {
                sleep(BETWEEN_SAMPLES).await;
            }
            let asked = self.clock.now().ms();
            let second = self.client.date(venue, url).await?;
            samples.push(Sample { asked, second, answered: self.clock.now().ms() });
        }
        Ok(offset(&samples))
    }
}

/// Whether the place can be connected to: name and TCP.
///
/// # Errors
/// Why not; [`Unreached::Silent`] after `within` on the wall.
pub async fn reach(place: &Place, within: Duration) -> Result<(), Unreached> {
    let connecting = async {
        let found = lookup_host((place.host.as_str(), place.port)).await;
        let name = |reason: String| Unreached::Name { host: place.host.clone(), reason };
        let mut addresses = found.map_err(|error| name(error.to_string()))?.peekable();
        if addresses.peek().is_none() {
            return Err(name("it has no address".to_owned()));
        }
        let mut last = Unreached::Silent(place.clone());
        for address in addresses {
            match TcpStream::connect(address).await {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == ErrorKind::TimedOut => last = Unreached::Silent(place.clone()),
                Err(error) => {
                    last = Unreached::Refused { place: place.clone(), reason: error.to_string() };
                }
            }
        }
        Err(last)
    };
    timeout(within, connecting).await.unwrap_or_else(|_| Err(Unreached::Silent(place.clone())))
}

/// Whether a WebSocket opens at `url`; says goodbye at once.
///
/// # Errors
/// Why not, in the words in which a session would end.
pub async fn handshake(venue: Venue, url: &str, within: Duration) -> Result<(), End> {
    let bounds = Bounds { max_frame_bytes: 4 << 20, within };
    match Socket::connect(venue, url, bounds).await {
        Ok(socket) => {
            socket.goodbye().await;
            Ok(())
        }
        Err(not) => Err(not.end),
    }
}

/// One question for the time: our milliseconds before and after, the host's second.
#[derive(Clone, Copy, Debug)]
struct Sample {
    asked: i64,
    second: i64,
    answered: i64,
}

impl Sample {
    /// The least and the most that our clock may be ahead: the host looked at its own in between, and left out what was
    /// beyond the whole second.
    const fn bounds(self) -> (i64, i64) {
        let second = self.second.saturating_mul(1000);
        (self.asked.saturating_sub(second).saturating_sub(1000), self.answered.saturating_sub(second))
    }

    const fn round_trip(self) -> i64 {
        self.answered.saturating_sub(self.asked)
    }
}

fn offset(samples: &[Sample]) -> ClockOffset {
    let bounds = samples.iter().map(|sample| sample.bounds());
    let all = bounds.reduce(|(least, most), (l, m)| (least.max(l), most.min(m)));
    let shortest = samples.iter().min_by_key(|sample| sample.round_trip()).map(|sample| sample.bounds());
    let (least, most) = all.filter(|(least, most)| least <= most).or(shortest).unwrap_or_default();
    let half = most.saturating_sub(least) / 2;
    ClockOffset { ahead_ms: least.saturating_add(half), uncertain_ms: half }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(url: &str) -> Option<String> {
        Place::of(url).map(|place| place.to_string())
    }

    #[test]
    fn a_url_leads_to_its_port_or_to_the_schemes() {
        assert_eq!(place("wss://ws.okx.com:8443/ws").as_deref(), Some("ws.okx.com:8443"));
        assert_eq!(place("https://api.bybit.com").as_deref(), Some("api.bybit.com:443"));
        assert_eq!(place("ws://127.0.0.1/bybit").as_deref(), Some("127.0.0.1:80"));
        assert_eq!(place("nonsense"), None);
    }

    #[test]
    fn three_seconds_told_within_one_show_where_in_it_the_host_is() {
        let at = |asked: i64, second| Sample { asked, second, answered: asked + 20 };
        // Our clock is 3,000 ms ahead; the host's second 7 begins at our 10,000.
        let samples = [at(9_500, 6), at(9_850, 6), at(10_200, 7)];
        let found = offset(&samples);
        assert!((found.ahead_ms - 3_000).abs() <= found.uncertain_ms, "{found:?}");
        assert!(found.uncertain_ms <= 190, "{found:?}");
    }

    #[test]
    fn answers_that_contradict_each_other_leave_the_one_with_the_shortest_way() {
        let slow = Sample { asked: 0, second: 50, answered: 900 };
        let quick = Sample { asked: 1_000, second: 1, answered: 1_010 };
        assert_eq!(offset(&[slow, quick]), ClockOffset { ahead_ms: -495, uncertain_ms: 505 });
    }
}
