//! What a venue's protocol has to answer, and the words in which it answers.

use std::fmt::Debug;
use std::time::Duration;

use cascade_domain::{Event, EventTime, FeedStatus, GapStream, Symbol, Venue};

use crate::{Instruments, Limits};

/// Where a venue is reached. Every base URL is a setting; paths are the protocol's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoints {
    /// Base of the WebSocket addresses, e.g. `wss://stream.bybit.com`.
    pub ws_url: String,
    /// Base of the REST addresses.
    pub rest_url: String,
    /// Binance only: base of the COIN-M REST addresses.
    pub coinm_rest_url: Option<String>,
}

/// What shall be read from a venue.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// The symbols; `None` = every one that the venue lists.
    pub symbols: Option<Vec<Symbol>>,
    /// Hyperliquid only: the liquidator vaults whose fills are followed (`0x...`).
    pub vaults: Vec<String>,
}

impl Wanted {
    /// Whether this symbol shall be read.
    pub fn wants(&self, symbol: &Symbol) -> bool {
        self.symbols.as_ref().is_none_or(|symbols| symbols.contains(symbol))
    }
}

/// How a REST request is made.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    /// GET.
    Get,
    /// POST of this JSON body.
    Post(String),
}

/// A REST request whose answer the protocol reads.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RestRequest {
    /// GET or POST.
    pub method: Method,
    /// The whole address.
    pub url: String,
}

/// One subscription frame and what must be acknowledged for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// The text to send.
    pub frame: String,
    /// How its acknowledgement is recognised.
    pub acks: Vec<Ack>,
    /// The topics in it, by the venue's names; for logs and for naming what was refused.
    pub topics: Vec<String>,
}

/// What an acknowledgement answers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ack {
    /// The request with this id.
    Request(String),
    /// This topic, by the venue's name in a normalised spelling of the protocol's.
    Topic(String),
}

/// What keeps a connection alive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keepalive {
    /// How often to send, in the clock's time.
    pub every: Duration,
    /// What to send.
    pub ping: Ping,
}

/// What a ping is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ping {
    /// A text frame.
    Text(String),
    /// A WebSocket ping frame.
    Frame,
}

/// When silence is suspicious.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watch {
    /// A connection on which no market data at all came for so long is silent (marks and tickers flow all the time;
    /// liquidations legitimately do not and never count against it).
    pub silent_after: Duration,
    /// Every subscription must be acknowledged within this time of being sent.
    pub ack_within: Duration,
}

/// One connection: where it goes, what is said on it, and what it carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Whose.
    pub venue: Venue,
    /// A short name for logs, metrics and recordings: `market-0`, `linear-0`.
    pub name: String,
    /// The whole WebSocket address.
    pub url: String,
    /// What to send after connecting, in order, at most [`Route::frames_per_second`].
    pub subscriptions: Vec<Subscription>,
    /// How many frames a second the venue takes from us on one connection.
    pub frames_per_second: u32,
    /// What keeps it alive; `None` where answering the server's pings is enough.
    pub keepalive: Option<Keepalive>,
    /// When silence is suspicious.
    pub watch: Watch,
    /// How long a connection is held, in the clock's time, before another one takes over: the venue closes what is
    /// older. `None` = it closes none for its age.
    pub renew_after: Option<Duration>,
    /// The streams that it carries for every symbol of the venue.
    pub market_wide: Vec<GapStream>,
    /// The streams that it carries for its own symbols.
    pub carries: Vec<GapStream>,
    /// Its own symbols.
    pub symbols: Vec<Symbol>,
}

impl Route {
    /// The streams that break off when it does, each with its symbols; no symbols = all.
    pub fn streams(&self) -> impl Iterator<Item = (GapStream, &[Symbol])> {
        let market_wide = self.market_wide.iter().map(|stream| (*stream, &[][..]));
        market_wide.chain(self.carries.iter().map(|stream| (*stream, self.symbols.as_slice())))
    }
}

/// What a frame means to the session, besides its events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// Market data of a channel that was asked for (its events, if any, are in [`Decoded::events`]).
    Market,
    /// These subscriptions are acknowledged.
    Acknowledged(Vec<Ack>),
    /// The venue refused a subscription.
    Refused {
        /// What it answers, where the frame tells.
        ack: Option<Ack>,
        /// The venue's own code and words.
        reason: String,
    },
    /// An answer to our ping.
    Pong,
    /// The server wants this text back (OKX's text ping).
    Reply(String),
    /// The server asks us to reconnect soon.
    Reconnect(String),
    /// A channel that carries nothing for us; its name.
    Ignored(&'static str),
}

/// What came out of one frame. Reused from frame to frame.
#[derive(Debug, Default)]
pub struct Decoded {
    /// Events, in the frame's order, not yet stamped with `known_at_ms`.
    pub events: Vec<Event>,
    /// What was refused inside the frame; its neighbours are in `events`.
    pub refused: Vec<DecodeError>,
    /// Trades that took a winning position to cover a loss: counted apart, since they are no liquidations. Told by a
    /// node's fills only.
    pub auto_deleveraged: u64,
    /// When what it tells was published, where it tells so of the whole (a node's block).
    pub told_at: Option<EventTime>,
}

impl Decoded {
    /// Forgets the last frame.
    pub fn clear(&mut self) {
        self.events.clear();
        self.refused.clear();
        self.auto_deleveraged = 0;
        self.told_at = None;
    }
}

/// Why a frame, or one event in it, was refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum DecodeError {
    /// Not JSON, or not of the shape that the channel has.
    #[error("not a frame of this venue: {0}")]
    Malformed(String),
    /// A frame of a kind that this build does not know.
    #[error("unknown kind of frame: {0}")]
    UnknownKind(String),
    /// A field that is no number, negative, not finite, or absurd.
    #[error("{field} is not usable: {value}")]
    BadNumber {
        /// The venue's name of the field.
        field: &'static str,
        /// What stood there, cut to a readable length.
        value: String,
    },
    /// A side that is neither of the two.
    #[error("unknown side: {0}")]
    UnknownSide(String),
    /// An instrument in contracts whose size is not known.
    #[error("the contract size of {0} is not known: give the venue's instruments")]
    UnknownContractSize(String),
    /// An instrument that is no dollar-quoted perpetual (a dated future, an option, spot, another quote).
    #[error("{0} is not a dollar-quoted perpetual")]
    NotPerpetual(String),
    /// An answer about another instrument than was asked for.
    #[error("asked for {asked}, it answers for {told}")]
    WrongAnswer {
        /// What was asked for.
        asked: String,
        /// What the answer is about.
        told: String,
    },
    /// A sample of so long before it was received that it says nothing of now.
    #[error("told at {received}, it is of {at}: too old")]
    Stale {
        /// When it was taken, by the venue's clock.
        at: EventTime,
        /// When it was received, by ours.
        received: EventTime,
    },
    /// A sample of after it was received.
    #[error("told at {received}, it is of {at}, which is yet to come")]
    Ahead {
        /// When it was taken, by the venue's clock.
        at: EventTime,
        /// When it was received, by ours.
        received: EventTime,
    },
    /// A name that is no market's.
    #[error("{0}")]
    BadName(#[from] cascade_domain::NameError),
    /// A time outside 2010..2100.
    #[error("{field} is not a time in milliseconds: {value}")]
    BadTime {
        /// The venue's name of the field.
        field: &'static str,
        /// What stood there.
        value: i64,
    },
}

impl DecodeError {
    /// The word that labels the reason in metrics.
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed",
            Self::UnknownKind(_) => "unknown_kind",
            Self::BadNumber { .. } => "bad_number",
            Self::UnknownSide(_) => "unknown_side",
            Self::UnknownContractSize(_) => "unknown_contract_size",
            Self::NotPerpetual(_) => "not_perpetual",
            Self::BadName(_) => "bad_name",
            Self::BadTime { .. } => "bad_time",
            Self::WrongAnswer { .. } => "wrong_answer",
            Self::Stale { .. } => "stale",
            Self::Ahead { .. } => "ahead",
        }
    }
}

/// What was missed, and shall be asked for once more.
#[derive(Clone, Copy, Debug)]
pub struct Missed<'a> {
    /// Of what.
    pub wanted: &'a Wanted,
    /// What the venue lists.
    pub instruments: &'a Instruments,
    /// Where to ask.
    pub endpoints: &'a Endpoints,
    /// From when on, by our clock.
    pub from: EventTime,
    /// Up to when, by our clock.
    pub to: EventTime,
}

/// A question whose answer is a sample of open interest, of one instrument or of all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sampling {
    /// What to ask.
    pub request: RestRequest,
    /// How often it is worth asking, in the clock's time: the venue knows nothing new before.
    pub every: Duration,
}

/// Everything that differs between venues.
pub trait Protocol: Sync + Debug {
    /// Whose it is.
    fn venue(&self) -> Venue;

    /// The state of a healthy feed of this venue: `live`, `sampled` or `partial`.
    fn healthy(&self) -> FeedStatus;

    /// The linear dollar contract of BTC whose mark is the venue's part of the BTC reference price, by the venue's name.
    fn btc_reference(&self) -> &'static str;

    /// Whether a topic, as [`Subscription::topics`] spells it, carries liquidations.
    fn is_liquidations(&self, topic: &str) -> bool;

    /// Whether one topic carries the liquidations of all markets, so that they are lost with it.
    fn liquidations_are_market_wide(&self) -> bool {
        true
    }

    /// Whether a frame with an instrument's mark would also say if its open interest had changed.
    fn marks_confirm_interest(&self) -> bool {
        false
    }

    /// The first requests whose answers name the instruments.
    fn instrument_requests(&self, endpoints: &Endpoints) -> Vec<RestRequest>;

    /// Reads one such answer into the table; gives the next page's request, if there is one.
    ///
    /// # Errors
    /// The body is not such an answer.
    fn read_instruments(
        &self,
        request: &RestRequest,
        body: &[u8],
        into: &mut Instruments,
    ) -> Result<Option<RestRequest>, DecodeError>;

    /// Reads an instruments answer from a file, as `cascade decode --instruments` takes it.
    ///
    /// # Errors
    /// The body is not such an answer.
    fn read_instruments_file(&self, body: &[u8], into: &mut Instruments) -> Result<(), DecodeError>;

    /// How much the venue takes from one address.
    fn limits(&self) -> Limits;

    /// The connections to hold for what is wanted, within the venue's limits; none where it lists nothing of that.
    /// What finds no room is in no route.
    fn routes(&self, wanted: &Wanted, instruments: &Instruments, endpoints: &Endpoints) -> Vec<Route> {
        self.replan(&[], wanted, instruments, endpoints)
    }

    /// The same when these connections stand already: they come first, in their order, and what is on them stays
    /// there. What is new is put, in frames of its own, where there is room, else on new connections after them; what
    /// the venue lists no longer is left out.
    fn replan(
        &self,
        standing: &[Route],
        wanted: &Wanted,
        instruments: &Instruments,
        endpoints: &Endpoints,
    ) -> Vec<Route>;

    /// The first requests for the liquidations that were missed; none where the venue does not give them again.
    fn backfill(&self, _missed: &Missed<'_>) -> Vec<RestRequest> {
        Vec::new()
    }

    /// Reads one answer to such a request into `out` (which is cleared first): the same events as the frames that
    /// were missed, with the same ids. A little more than was missed may be among them. Gives the next page's
    /// request, if it can hold more.
    ///
    /// # Errors
    /// The body is not such an answer.
    fn read_backfill(
        &self,
        request: &RestRequest,
        _body: &[u8],
        _missed: &Missed<'_>,
        out: &mut Decoded,
    ) -> Result<Option<RestRequest>, DecodeError> {
        out.clear();
        Err(DecodeError::UnknownKind(request.url.clone()))
    }

    /// The questions whose answers are samples of open interest; none where a stream tells all of it.
    fn samplings(
        &self,
        _wanted: &Wanted,
        _instruments: &Instruments,
        _endpoints: &Endpoints,
    ) -> Vec<Sampling> {
        Vec::new()
    }

    /// Reads one answer to such a question into `out` (which is cleared first).
    ///
    /// # Errors
    /// The body is not such an answer, or it answers another question.
    fn read_sample(
        &self,
        request: &RestRequest,
        _body: &[u8],
        _instruments: &Instruments,
        out: &mut Decoded,
    ) -> Result<(), DecodeError> {
        out.clear();
        Err(DecodeError::UnknownKind(request.url.clone()))
    }

    /// Reads one text frame: events and refusals into `out` (which is cleared first), and what it means.
    ///
    /// # Errors
    /// Nothing in the frame could be understood.
    fn decode(
        &self,
        frame: &str,
        instruments: &Instruments,
        out: &mut Decoded,
    ) -> Result<Meaning, DecodeError>;
}
