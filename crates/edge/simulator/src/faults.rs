//! Things that go wrong at an exchange, on request: for tests of those who must bear them.

use std::sync::Arc;
use std::time::Duration;

use cascade_domain::Venue;

use crate::broken::PollFault;
use crate::connection::Connection;
use crate::server::Floor;
use crate::wire::Frame;

/// A handle by which a test breaks an exchange. Cheap to clone; acts at once. Topics are matched by a text in them, in
/// the wire's own words; those of OKX and Hyperliquid are `channel instrument`, e.g. `trades BTC-USDT-SWAP`.
#[derive(Clone, Debug)]
pub struct Faults {
    floor: Arc<Floor>,
}

/// What a connection receives.
impl Faults {
    pub(crate) const fn new(floor: Arc<Floor>) -> Self {
        Self { floor }
    }

    /// Sends this text on all of the venue's connections.
    pub fn garble(&self, venue: Venue, text: &str) {
        self.floor.exchange(venue).shout(&Frame::text(text));
    }

    /// Sends these bytes in a binary frame on all of the venue's connections.
    pub fn binary(&self, venue: Venue, bytes: &[u8]) {
        self.floor.exchange(venue).shout(&Frame::Binary(bytes.to_vec()));
    }

    /// Sends the first half of the last text frame again, as a text frame, on all of the venue's connections that were
    /// sent one; they stay.
    pub fn half_frame(&self, venue: Venue) {
        self.floor.exchange(venue).shout_each(Connection::half);
    }

    /// Begins to send the last text frame again and cuts the TCP connection in the middle of its bytes, on all of the
    /// venue's connections. One that was sent nothing yet is only cut.
    pub fn cut_in_frame(&self, venue: Venue) {
        self.floor.exchange(venue).tear();
    }

    /// Sends one text frame of so many bytes on all of the venue's connections: a JSON string, where two fit.
    pub fn oversize(&self, venue: Venue, bytes: usize) {
        let text = match bytes.checked_sub(2) {
            Some(inner) => format!("\"{}\"", "x".repeat(inner)),
            None => "x".repeat(bytes),
        };
        self.floor.exchange(venue).shout(&Frame::text(text));
    }

    /// Sends the last text frame again, compressed by gzip in a binary frame, on all of the venue's connections that
    /// were sent one.
    pub fn compressed(&self, venue: Venue) {
        self.floor.exchange(venue).shout_each(Connection::gzipped);
    }

    /// Sends each frame of market data twice while it is on.
    pub fn duplicate(&self, venue: Venue, on: bool) {
        self.floor.exchange(venue).broken.duplicates = on;
    }

    /// Frames of topics with this text in them leave so much later of the clock, to those who are subscribed then; other
    /// frames overtake them. Where several such texts match, the longest delay counts.
    pub fn delay_topic(&self, venue: Venue, part: &str, by: Duration) {
        let ms = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        self.floor.exchange(venue).broken.delays.push((part.to_owned(), ms));
    }

    /// Delays no more frames; those that are held leave at their time.
    pub fn undelay(&self, venue: Venue) {
        self.floor.exchange(venue).broken.delays.clear();
    }

    /// Holds frames of liquidations until the clock's second is over and sends the last first, while it is on.
    pub fn reorder(&self, venue: Venue, on: bool) {
        self.floor.exchange(venue).broken.reorders = on;
    }

    /// Sends the liquidations of the last three minutes again after each subscription that they belong to, while it is
    /// on: the newest 1,000 frames of it at most, oldest first, before anything new.
    pub fn replay_on_subscribe(&self, venue: Venue, on: bool) {
        self.floor.exchange(venue).broken.replays = on;
    }

    /// Shifts every time that the venue writes by so many milliseconds, REST included; positive is ahead. What is
    /// recorded keeps the time that it was told with.
    pub fn wrong_clock(&self, venue: Venue, offset_ms: i64) {
        self.floor.exchange(venue).broken.clock_offset_ms = offset_ms;
    }
}

/// What does not come.
impl Faults {
    /// Stays connected, and sends nothing at all while it is on; what happens meanwhile is lost.
    pub fn mute(&self, venue: Venue, on: bool) {
        self.floor.exchange(venue).broken.muted = on;
    }

    /// Writes nothing on the venue's sockets while it is on, as over a network that stands still; then all that waits
    /// leaves at once. A connection for which too much waits is cut as a slow reader.
    pub fn stall(&self, venue: Venue, on: bool) {
        self.floor.exchange(venue).stalled.send_replace(on);
    }

    /// Acknowledges subscriptions to topics with this text in them, and never sends anything of them; what happens
    /// meanwhile is lost.
    pub fn silence_topic(&self, venue: Venue, part: &str) {
        self.floor.exchange(venue).broken.silent_topics.push(part.to_owned());
    }

    /// Has silenced topics sent again.
    pub fn unsilence_topics(&self, venue: Venue) {
        self.floor.exchange(venue).broken.silent_topics.clear();
    }

    /// Refuses, in the venue's own way, subscriptions to topics with this text in them. For good.
    pub fn refuse_topic(&self, venue: Venue, part: &str) {
        self.floor.exchange(venue).broken.refused_topics.push(part.to_owned());
    }

    /// Neither acknowledges subscriptions nor follows them, while it is on.
    pub fn ignore_subscribe(&self, venue: Venue, on: bool) {
        self.floor.exchange(venue).broken.ignores_subscribe = on;
    }

    /// Takes a base (`DOGE`) off what the venue lists: it is not in the instruments' answers, its topics are unknown, and
    /// nothing happens in it there. Call it before the first client comes to have it listed later.
    pub fn unlisted(&self, venue: Venue, base: &str) {
        self.set_listed(venue, base, false);
    }

    /// Lists a base that was [`Faults::unlisted`], at the end of the list, and lets its market run.
    pub fn list(&self, venue: Venue, base: &str) {
        self.set_listed(venue, base, true);
    }

    fn set_listed(&self, venue: Venue, base: &str, listed: bool) {
        self.floor.exchange(venue).set_listed(base, listed, self.floor.catalogue);
    }
}

/// Who is not let in, and who is thrown out.
impl Faults {
    /// Cuts all of the venue's connections, without a word.
    pub fn close(&self, venue: Venue) {
        self.floor.exchange(venue).cut_all();
    }

    /// Closes all of the venue's connections with this code and reason, e.g. 1008 `rate limit`.
    pub fn limit_close(&self, venue: Venue, code: u16, reason: &str) {
        self.floor.exchange(venue).shout(&Frame::close(code, reason));
    }

    /// Closes each new connection with this code right after its first text, unanswered, while there is one.
    pub fn close_new(&self, venue: Venue, code: Option<u16>) {
        self.floor.exchange(venue).broken.closes_new = code;
    }

    /// Cuts all of the venue's connections as if none had read in time; counted in
    /// [`slow_readers`](crate::Simulator::slow_readers).
    pub fn cut_slow_readers(&self, venue: Venue) {
        self.floor.exchange(venue).cut_slow();
    }

    /// Closes each connection (code 1001) when it has stood so long of the clock, those that stand too. Without this
    /// call Binance does so after 24 hours, the others never.
    pub fn connection_age(&self, venue: Venue, age: Option<Duration>) {
        self.floor.exchange(venue).broken.connection_age = age;
    }

    /// Answers every new WebSocket connection with this HTTP status, and with these seconds of `Retry-After`, while
    /// there is one.
    pub fn answer_connect(&self, venue: Venue, answer: Option<(u16, Option<u32>)>) {
        self.floor.exchange(venue).broken.answers_connect = answer;
    }

    /// Answers every REST request with this HTTP status, and with these seconds of `Retry-After`, while there is one.
    pub fn answer_rest(&self, venue: Venue, answer: Option<(u16, Option<u32>)>) {
        self.floor.exchange(venue).broken.answers_rest = answer;
    }

    /// Answers every REST question about open interest so, while there is such a fault. Binance and OKX alone have such an
    /// endpoint; other REST requests are answered as ever.
    pub fn break_polls(&self, venue: Venue, fault: Option<PollFault>) {
        let mut exchange = self.floor.exchange(venue);
        exchange.broken.polls = fault;
        exchange.broken.first_answers.clear();
    }

    /// Answers every new connection with HTTP 503 while it is on: [`Faults::answer_connect`] in short.
    pub fn refuse_connections(&self, venue: Venue, on: bool) {
        self.answer_connect(venue, on.then_some((503, None)));
    }
}
