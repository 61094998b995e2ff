//! The lines of a recording, as JSON texts (docs/recording.md). Knows no file and no socket.

use std::io;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cascade_bus::StreamId;
use cascade_domain::{Shard, Venue};
use serde::{Deserialize, Serialize, Serializer};

/// Which recording this is: the number changes when an old reader would misunderstand it.
pub(crate) const FORMAT: u8 = 1;

/// What a recording holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// What the exchanges send: WebSocket frames and REST answers
    Frames,
    /// What the shard streams on Redis carry
    Events,
}

impl Kind {
    /// The word at the beginning of a file's name.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Frames => "frames",
            Self::Events => "events",
        }
    }
}

/// What every file of a recording says of itself first.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Header {
    cascade_recording: u8,
    #[serde(rename = "as")]
    kind: Kind,
    /// When this file begins, milliseconds since the Unix epoch.
    pub(crate) started_ms: i64,
    version: &'static str,
    /// Counts the files of one recording, from 1.
    pub(crate) file: u32,
    #[serde(flatten)]
    source: Source,
}

/// What is recorded.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Source {
    /// Of the exchanges.
    Frames {
        /// The markets; `None` = all.
        #[serde(serialize_with = "all_or_named")]
        symbols: Option<Vec<String>>,
        /// The exchanges.
        exchanges: Vec<Venue>,
    },
    /// Of Redis.
    Events {
        /// `now`, or `start` = from what the streams held when the recording began.
        from: &'static str,
        /// The Redis, without its secrets.
        redis: String,
    },
}

#[expect(clippy::ref_option, reason = "serde hands it over so")]
fn all_or_named<S: Serializer>(symbols: &Option<Vec<String>>, to: S) -> Result<S::Ok, S::Error> {
    match symbols {
        Some(named) => named.serialize(to),
        None => "all".serialize(to),
    }
}

impl Source {
    pub(crate) const fn kind(&self) -> Kind {
        match self {
            Self::Frames { .. } => Kind::Frames,
            Self::Events { .. } => Kind::Events,
        }
    }

    /// The header of a recording's first file; it is not begun yet.
    pub(crate) fn header(self) -> Header {
        let (kind, version) = (self.kind(), env!("CARGO_PKG_VERSION"));
        Header { cascade_recording: FORMAT, kind, started_ms: 0, version, file: 0, source: self }
    }
}

impl Header {
    pub(crate) fn write(&self, to: &mut Vec<u8>) -> io::Result<()> {
        json(self, to)
    }
}

/// A REST answer: it names the instruments, and so is what a file needs to be understood by itself; or it is a sample of
/// open interest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Answer {
    pub(crate) recv_ns: i64,
    pub(crate) venue: Venue,
    /// Always `rest`.
    pub(crate) conn: &'static str,
    pub(crate) url: String,
    /// What was posted, where something was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) body: Option<String>,
    /// What came back.
    pub(crate) frame: String,
}

impl Answer {
    /// Whether it answers the same question.
    pub(crate) fn replaces(&self, other: &Self) -> bool {
        (self.venue, &self.url, &self.body) == (other.venue, &other.url, &other.body)
    }
}

/// What a recording tells about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Remark {
    pub(crate) recv_ns: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) venue: Option<Venue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) conn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) shard: Option<u8>,
    /// How many lines are missing before this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) lost: Option<u64>,
    pub(crate) note: String,
}

/// A line.
#[derive(Clone, Debug)]
pub(crate) enum Line {
    /// A WebSocket frame, exactly as it came.
    Frame { recv_ns: i64, venue: Venue, conn: Arc<str>, text: String },
    /// A REST answer that names instruments; it is repeated at the head of each further file.
    Answer(Arc<Answer>),
    /// A REST answer that is a sample of open interest.
    Sample(Box<Answer>),
    /// What happened to a connection or to the recording.
    Remark(Remark),
    /// An event of a shard's stream, as its JSON object.
    Event { shard: Shard, id: StreamId, json: String },
    /// The state of a shard's engine as of a stream entry, as it stood on Redis.
    Snapshot { shard: Shard, id: StreamId, engine: &'static str, bytes: Vec<u8> },
    /// Something in a shard's stream that is no event.
    Refused { shard: Shard, id: StreamId, reason: String },
}

#[derive(Serialize)]
struct FrameLine<'a> {
    recv_ns: i64,
    venue: Venue,
    conn: &'a str,
    frame: &'a str,
}

#[derive(Serialize)]
struct SnapshotLine<'a> {
    kind: &'static str,
    engine: &'a str,
    shard: u8,
    stream_id: String,
    state: String,
}

#[derive(Serialize)]
struct RefusedLine<'a> {
    shard: u8,
    stream_id: String,
    refused: &'a str,
}

impl Line {
    /// About how much memory it takes, bytes.
    pub(crate) fn size(&self) -> usize {
        let text = match self {
            Self::Frame { text, .. } => text.len(),
            Self::Answer(answer) => answer.frame.len(),
            Self::Sample(answer) => answer.frame.len(),
            Self::Remark(remark) => remark.note.len(),
            Self::Event { json, .. } => json.len(),
            Self::Snapshot { bytes, .. } => bytes.len(),
            Self::Refused { reason, .. } => reason.len(),
        };
        text + size_of::<Self>()
    }

    /// Adds its text, with the line's end.
    pub(crate) fn write(&self, to: &mut Vec<u8>) -> io::Result<()> {
        match self {
            Self::Frame { recv_ns, venue, conn, text } => {
                json(&FrameLine { recv_ns: *recv_ns, venue: *venue, conn, frame: text }, to)
            }
            Self::Answer(answer) => json(&**answer, to),
            Self::Sample(answer) => json(&**answer, to),
            Self::Remark(remark) => json(remark, to),
            Self::Event { shard, id, json } => {
                let open = json.strip_suffix('}').unwrap_or(json);
                to.extend_from_slice(open.as_bytes());
                let number = shard.number();
                to.extend_from_slice(format!(",\"shard\":{number},\"stream_id\":\"{id}\"}}\n").as_bytes());
                Ok(())
            }
            Self::Snapshot { shard, id, engine, bytes } => {
                let (shard, stream_id, state) = (shard.number(), id.to_string(), STANDARD.encode(bytes));
                json(&SnapshotLine { kind: "snapshot", engine, shard, stream_id, state }, to)
            }
            Self::Refused { shard, id, reason } => {
                json(&RefusedLine { shard: shard.number(), stream_id: id.to_string(), refused: reason }, to)
            }
        }
    }
}

fn json(value: &impl Serialize, to: &mut Vec<u8>) -> io::Result<()> {
    serde_json::to_writer(&mut *to, value)?;
    to.push(b'\n');
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(line: &Line) -> String {
        let mut bytes = Vec::new();
        line.write(&mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_frame_is_written_as_the_contract_says_and_reads_back_as_it_came() {
        let came = "{\"a\":\"\\u0041\t\"} \u{1f980}\n";
        let line = Line::Frame {
            recv_ns: 1_791_565_601_482_000_000,
            venue: Venue::Bybit,
            conn: "linear-0".into(),
            text: came.to_owned(),
        };
        let text = text(&line);
        assert!(
            text.starts_with(
                r#"{"recv_ns":1791565601482000000,"venue":"bybit","conn":"linear-0","frame":"{\"a\":"#
            ),
            "{text}"
        );
        assert_eq!(text.matches('\n').count(), 1);
        let read: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read["frame"], came);
    }

    #[test]
    fn an_event_carries_where_it_stood_and_a_refusal_too() {
        let (shard, id) = (Shard::new(7).unwrap(), StreamId { ms: 12, seq: 3 });
        let event = Line::Event { shard, id, json: r#"{"kind":"tick"}"#.to_owned() };
        assert_eq!(text(&event), "{\"kind\":\"tick\",\"shard\":7,\"stream_id\":\"12-3\"}\n");
        let snapshot = Line::Snapshot { shard, id, engine: "cascade", bytes: vec![1, 2, 255] };
        assert_eq!(
            text(&snapshot),
            "{\"kind\":\"snapshot\",\"engine\":\"cascade\",\"shard\":7,\"stream_id\":\"12-3\",\"state\":\"AQL/\"}\n"
        );
        let refused = Line::Refused { shard, id, reason: "no \"map\"".to_owned() };
        assert_eq!(text(&refused), "{\"shard\":7,\"stream_id\":\"12-3\",\"refused\":\"no \\\"map\\\"\"}\n");
    }

    #[test]
    fn the_header_says_what_follows() {
        let all = Source::Frames { symbols: None, exchanges: vec![Venue::Okx] }.header();
        let mut bytes = Vec::new();
        Header { started_ms: 5, file: 2, ..all }.write(&mut bytes).unwrap();
        let version = env!("CARGO_PKG_VERSION");
        let expected = format!(
            "{{\"cascade_recording\":1,\"as\":\"frames\",\"started_ms\":5,\"version\":\"{version}\",\"file\":2,\"symbols\":\"all\",\"exchanges\":[\"okx\"]}}\n"
        );
        assert_eq!(String::from_utf8(bytes).unwrap(), expected);
    }
}
