//! Things that go wrong at an exchange, on request: for tests of those who must bear them.

use std::sync::Arc;

use cascade_domain::Venue;

use crate::exchange::Frame;
use crate::server::Floor;

/// A handle by which a test breaks an exchange. Cheap to clone; acts at once.
#[derive(Clone, Debug)]
pub struct Faults {
    floor: Arc<Floor>,
}

impl Faults {
    pub(crate) const fn new(floor: Arc<Floor>) -> Self {
        Self { floor }
    }

    /// Cuts all of the venue's connections, without a word.
    pub fn close(&self, venue: Venue) {
        self.floor.exchange(venue).cut_all();
    }

    /// Sends this text on all of the venue's connections.
    pub fn garble(&self, venue: Venue, text: &str) {
        self.floor.exchange(venue).shout(&Frame::text(text));
    }

    /// Sends these bytes in a binary frame on all of the venue's connections.
    pub fn binary(&self, venue: Venue, bytes: &[u8]) {
        self.floor.exchange(venue).shout(&Frame::Binary(bytes.to_vec()));
    }

    /// Stays connected, and sends nothing at all while it is on; what happens meanwhile is lost.
    pub fn mute(&self, venue: Venue, on: bool) {
        self.floor.exchange(venue).fault.muted = on;
    }

    /// Answers every new connection with HTTP 503 while it is on.
    pub fn refuse_connections(&self, venue: Venue, on: bool) {
        self.floor.exchange(venue).fault.refuses_connections = on;
    }

    /// Refuses, in the venue's own way, subscriptions to topics with this text in them. OKX and Hyperliquid topics are
    /// matched as `channel instrument`, e.g. `trades BTC-USDT-SWAP`. For good.
    pub fn refuse_topic(&self, venue: Venue, part: &str) {
        self.floor.exchange(venue).fault.refused_topics.push(part.to_owned());
    }

    /// Acknowledges subscriptions to topics with this text in them, and never sends anything of them; what happens
    /// meanwhile is lost. Topics are matched as by [`Faults::refuse_topic`].
    pub fn silence_topic(&self, venue: Venue, part: &str) {
        self.floor.exchange(venue).fault.silent_topics.push(part.to_owned());
    }

    /// Has silenced topics sent again.
    pub fn unsilence_topics(&self, venue: Venue) {
        self.floor.exchange(venue).fault.silent_topics.clear();
    }

    /// Neither acknowledges subscriptions nor follows them, while it is on.
    pub fn ignore_subscribe(&self, venue: Venue, on: bool) {
        self.floor.exchange(venue).fault.ignores_subscribe = on;
    }
}
