//! Recorded frames, line by line, into what liquidation-ingest makes of them. Decodes nothing itself.

use std::borrow::Cow;

use cascade_domain::{Event, EventTime, Venue};
use cascade_feed::{End, Frame, Note};
use cascade_service::Symbols;
use cascade_venues::{Method, RestRequest};
use liquidation_ingest::{Config, Offline};
use serde::Deserialize;

use crate::record::{FORMAT, Kind};

/// The connection of REST answers.
const REST: &str = "rest";

/// A line.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Recorded<'a> {
    cascade_recording: Option<u8>,
    #[serde(rename = "as")]
    holds: Option<Kind>,
    started_ms: Option<i64>,
    file: Option<u32>,
    symbols: Option<Symbols>,
    exchanges: Option<Vec<Venue>>,
    recv_ns: Option<i64>,
    venue: Option<Venue>,
    #[serde(borrow)]
    conn: Option<Cow<'a, str>>,
    #[serde(borrow)]
    frame: Option<Cow<'a, str>>,
    url: Option<String>,
    body: Option<String>,
    note: Option<String>,
    lost: Option<u64>,
}

/// What is set of what shall be read; else the recording says it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Set {
    pub(super) symbols: bool,
    pub(super) exchanges: bool,
}

/// The reader of a recording of frames.
#[derive(Debug)]
pub(super) struct Frames {
    config: Config,
    set: Set,
    offline: Option<Offline>,
    /// What was refused in the last line.
    refused: Vec<String>,
    lost: bool,
}

impl Frames {
    pub(super) const fn new(config: Config, set: Set) -> Self {
        Self { config, set, offline: None, refused: Vec::new(), lost: false }
    }

    /// Takes a line.
    ///
    /// # Errors
    /// It is none of a recording of frames; why.
    pub(super) fn take(&mut self, text: &str) -> Result<(), String> {
        let line: Recorded<'_> = serde_json::from_str(text).map_err(|error| error.to_string())?;
        match line {
            Recorded { cascade_recording: Some(format), .. } if format > FORMAT => {
                return Err(format!("a recording of format {format}; this build reads {FORMAT}"));
            }
            Recorded { cascade_recording: Some(_), holds: Some(Kind::Events), .. } => {
                return Err("a recording of events: replay it alone, or with --as events".to_owned());
            }
            Recorded { cascade_recording: Some(_), .. } => {
                self.begin(line);
                return Ok(());
            }
            _ => {}
        }
        let received_ns = line.recv_ns.ok_or("no recv_ns")?;
        let at = EventTime::from_ms(received_ns.div_euclid(1_000_000));
        if !at.is_plausible() {
            return Err(format!("recv_ns {received_ns} is no time in nanoseconds"));
        }
        let offline = self.offline.get_or_insert_with(|| Offline::new(self.config.clone(), at));
        if line.lost.is_some() {
            offline.lost(at);
            self.lost = true;
            return Ok(());
        }
        let Some(venue) = line.venue else { return Ok(()) };
        let conn = line.conn.as_deref().ok_or("no conn")?;
        match (line.frame, line.url, line.note) {
            (Some(body), Some(url), _) => {
                let method = line.body.map_or(Method::Get, Method::Post);
                let taken = offline.answer(venue, &RestRequest { method, url }, (at, &body));
                let refused = taken.map_err(|error| error.to_string())?;
                self.refused.extend(refused.into_iter().map(|error| format!("{venue} {conn}: {error}")));
                Ok(())
            }
            (Some(_), None, _) if conn == REST => Err("a REST answer without a url".to_owned()),
            (Some(text), None, _) => {
                let refused = offline.frame(Frame { venue, route: conn, received_ns, text: &text });
                self.refused.extend(refused.into_iter().map(|error| format!("{venue} {conn}: {error}")));
                Ok(())
            }
            (None, _, Some(note)) => {
                if let Some(note) = told(conn, &note, at).filter(|_| conn != REST) {
                    offline.note(venue, conn, at, note);
                }
                Ok(())
            }
            (None, _, None) => Err("neither a frame nor a note".to_owned()),
        }
    }

    /// A header: another recording, or only its next file.
    fn begin(&mut self, header: Recorded<'_>) {
        let is_next_file = header.file.is_some_and(|file| file > 1);
        if is_next_file && self.offline.is_some() {
            return;
        }
        if let Some(exchanges) = header.exchanges.filter(|named| !self.set.exchanges && !named.is_empty()) {
            self.config.markets.exchanges = exchanges;
        }
        if let Some(symbols) = header.symbols.filter(|_| !self.set.symbols) {
            self.config.markets.symbols = symbols;
        }
        let started = EventTime::from_ms(header.started_ms.unwrap_or_default());
        let config = self.config.clone();
        self.offline = Some(match self.offline.take() {
            Some(offline) => offline.begin(config, started),
            None => Offline::new(config, started),
        });
    }

    /// The events since the last call.
    pub(super) fn events(&mut self) -> Vec<Event> {
        self.offline.as_mut().map_or_else(Vec::new, |offline| offline.take().collect())
    }

    /// What was refused in frames since the last call.
    pub(super) fn refused(&mut self) -> Vec<String> {
        std::mem::take(&mut self.refused)
    }

    /// Whether the recording said since the last call that something is missing in it.
    pub(super) fn lost(&mut self) -> bool {
        std::mem::take(&mut self.lost)
    }

    /// How many events were told before.
    pub(super) fn duplicates(&self) -> u64 {
        self.offline.as_ref().map_or(0, Offline::duplicates)
    }
}

/// What a connection told, from the words in which the recorder wrote it down; `None` where nothing follows from it.
fn told(conn: &str, note: &str, at: EventTime) -> Option<Note> {
    let route = conn.to_owned();
    match note {
        "connected" => return Some(Note::Connected { route }),
        "live" => return Some(Note::Live { route, at }),
        _ => {}
    }
    if let Some(rest) = note.strip_prefix("refused ") {
        let (topics, reason) = rest.split_once(": ")?;
        let topics = topics.split(", ").filter(|topic| !topic.is_empty()).map(str::to_owned).collect();
        return Some(Note::RefusedTopics { route, topics, reason: reason.to_owned() });
    }
    let why = note.strip_prefix("ended: ")?;
    let reason = why.to_owned();
    let end = match why {
        "asked to stop" => End::Shutdown,
        _ if why.starts_with("refused") => End::Refused { topics: Vec::new(), reason },
        _ => End::Closed { code: None, reason },
    };
    let connected_for = std::time::Duration::ZERO;
    Some(Note::Ended { route, end, connected_for, last_frame_at: None, retry_in: None })
}
