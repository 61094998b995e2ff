//! A line of a recording of events: the event and where it stood, a snapshot, or what the recording says of itself.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cascade_bus::StreamId;
use cascade_detector::CascadeEngine;
use cascade_domain::{Event, Shard};
use cascade_engine::{Engine, EntryId, Place};
use cascade_open_interest::OpenInterestEngine;
use cascade_wire::{WireError, decode_state, event_from_json};
use serde::Deserialize;

use super::engines::Snapshot;
use crate::record::{FORMAT, Kind};

/// What a line says.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly every line is an event, and a box each would cost")]
pub(super) enum Line {
    Event {
        place: Option<Place>,
        event: Event,
    },
    Snapshot {
        shard: Shard,
        at: EntryId,
        state: Snapshot,
    },
    /// What the recording tells about itself.
    Note {
        shard: Option<u8>,
        note: String,
    },
    /// Something in the streams that was no event.
    Refused,
    /// A header, or what an engine needs that this build does not have.
    Nothing,
}

/// What lines of other kinds have.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Other {
    kind: Option<String>,
    cascade_recording: Option<u8>,
    #[serde(rename = "as")]
    holds: Option<Kind>,
    engine: Option<String>,
    shard: Option<u8>,
    stream_id: Option<String>,
    state: Option<String>,
    note: Option<String>,
    refused: Option<String>,
    recv_ns: Option<i64>,
}

/// Where a line says that it stood.
#[derive(Debug, Deserialize)]
struct Where<'a> {
    shard: Option<u8>,
    #[serde(borrow)]
    stream_id: Option<std::borrow::Cow<'a, str>>,
}

/// Reads a line.
///
/// # Errors
/// It is none; why.
pub(super) fn read(text: &str) -> Result<Line, String> {
    match event_from_json(text) {
        Ok(event) => Ok(Line::Event { place: place(text)?, event }),
        Err(error) => other(text, &error.to_string()),
    }
}

fn place(text: &str) -> Result<Option<Place>, String> {
    if let Some((shard, id)) = at_end(text) {
        return stood(shard, Some(id)).map(Some);
    }
    if !text.contains("\"shard\"") {
        return Ok(None);
    }
    let stands: Where<'_> = serde_json::from_str(text).map_err(|error| error.to_string())?;
    stands.shard.map(|shard| stood(shard, stands.stream_id.as_deref())).transpose()
}

/// Shard and entry, where a line ends as [`crate::record`] ends it.
fn at_end(text: &str) -> Option<(u8, &str)> {
    let (rest, id) = text.strip_suffix("\"}")?.rsplit_once('"')?;
    let rest = rest.strip_suffix(",\"stream_id\":")?;
    let (_, shard) = rest.rsplit_once(",\"shard\":")?;
    Some((shard.parse().ok()?, id))
}

fn stood(shard: u8, id: Option<&str>) -> Result<Place, String> {
    let shard = known(shard)?;
    let entry = id.map(entry).transpose()?;
    Ok(Place { shard, entry })
}

fn known(shard: u8) -> Result<Shard, String> {
    Shard::new(shard).ok_or_else(|| format!("shard {shard} is none of 0 to 63"))
}

fn entry(id: &str) -> Result<EntryId, String> {
    let id: StreamId = id.parse().map_err(|_| format!("`{id}` is no id of a stream entry"))?;
    Ok((id.ms, id.seq))
}

/// A line that is no event; `why` it is none.
fn other(text: &str, why: &str) -> Result<Line, String> {
    let Ok(line) = serde_json::from_str::<Other>(text) else { return Err(why.to_owned()) };
    match line {
        Other { cascade_recording: Some(format), .. } if format > FORMAT => {
            Err(format!("a recording of format {format}; this build reads {FORMAT}"))
        }
        Other { cascade_recording: Some(_), holds: Some(Kind::Frames), .. } => {
            Err("a recording of frames: replay it alone, or with --as frames".to_owned())
        }
        Other { cascade_recording: Some(_), .. } => Ok(Line::Nothing),
        Other { kind: Some(ref kind), .. } if kind == "snapshot" => snapshot(&line),
        Other { kind: Some(_), .. } => Err(why.to_owned()),
        Other { note: Some(note), shard, .. } => Ok(Line::Note { shard, note }),
        Other { refused: Some(_), .. } => Ok(Line::Refused),
        Other { recv_ns: Some(_), .. } => Err("a recorded frame: read it with --as frames".to_owned()),
        _ => Err(why.to_owned()),
    }
}

fn snapshot(line: &Other) -> Result<Line, String> {
    let Other { engine: Some(engine), shard: Some(shard), stream_id: Some(id), state: Some(state), .. } =
        line
    else {
        return Err("a snapshot without engine, shard, stream_id or state".to_owned());
    };
    let decode = match engine.as_str() {
        cascade_signals::ENGINE => {
            |bytes: &[u8]| snapshot_of::<CascadeEngine>(bytes, |state| Snapshot::Cascade(Box::new(state)))
        }
        oi_detector::ENGINE => |bytes: &[u8]| {
            snapshot_of::<OpenInterestEngine>(bytes, |state| Snapshot::OpenInterest(Box::new(state)))
        },
        _ => return Ok(Line::Nothing),
    };
    let (shard, at) = (known(*shard)?, entry(id)?);
    let cold = |why: String| {
        format!("the snapshot of shard {shard} can't be read, engine {engine} begins cold there: {why}")
    };
    let bytes = STANDARD.decode(state).map_err(|error| cold(error.to_string()))?;
    let (stands_at, state) = decode(&bytes).map_err(|error| cold(error.to_string()))?;
    if stands_at != *id {
        return Err(cold(format!("it stands at {stands_at}, its line at {id}")));
    }
    Ok(Line::Snapshot { shard, at, state })
}

/// The stream id at which a snapshot stands, and the snapshot.
fn snapshot_of<E: Engine>(
    bytes: &[u8],
    kept: impl Fn(E::State) -> Snapshot,
) -> Result<(String, Snapshot), WireError> {
    let (at, state) = decode_state::<E::State>(E::STATE_VERSION, bytes)?;
    Ok((at, kept(state)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use cascade_wire::encode_state;

    use super::*;

    const TICK: &str = r#"{"kind":"tick","event_time_ms":1791565604000,"feeds":{}"#;

    fn placed(rest: &str) -> Result<Option<Place>, String> {
        match read(&format!("{TICK}{rest}"))? {
            Line::Event { place, .. } => Ok(place),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_event_says_where_it_stood_wherever_the_line_says_so() {
        let place = |entry| Some(Place { shard: Shard::new(7).unwrap(), entry });
        assert_eq!(placed("}"), Ok(None));
        assert_eq!(placed(r#","shard":7,"stream_id":"12-3"}"#), Ok(place(Some((12, 3)))));
        assert_eq!(placed(r#","stream_id":"12-3","shard":7}"#), Ok(place(Some((12, 3)))));
        assert_eq!(placed(r#", "shard" : 7 , "stream_id" : "12-3" } "#), Ok(place(Some((12, 3)))));
        assert_eq!(placed(r#","shard":7}"#), Ok(place(None)));
        assert_eq!(placed(r#","stream_id":"12-3"}"#), Ok(None));
        for bad in
            [r#","shard":64}"#, r#","shard":64,"stream_id":"12-3"}"#, r#","shard":7,"stream_id":"12"}"#]
        {
            assert!(placed(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_no_event_is_told_apart() {
        let header = |holds, format| format!(r#"{{"cascade_recording":{format},"as":"{holds}","new":[1]}}"#);
        assert!(matches!(read(&header("events", 1)), Ok(Line::Nothing)));
        assert!(read(&header("events", 2)).unwrap_err().contains("format 2"));
        assert!(read(&header("frames", 1)).unwrap_err().contains("--as frames"));
        assert!(matches!(
            read(r#"{"recv_ns":1,"shard":5,"note":"x"}"#),
            Ok(Line::Note { shard: Some(5), .. })
        ));
        assert!(matches!(read(r#"{"shard":3,"stream_id":"1-0","refused":"x"}"#), Ok(Line::Refused)));
        assert!(
            read(r#"{"recv_ns":1,"venue":"okx","conn":"a","frame":"x"}"#)
                .unwrap_err()
                .contains("--as frames")
        );
        for bad in
            ["", "x", "{}", "[]", r#"{"kind":"nonsense"}"#, r#"{"kind":"tick"}"#, r#"{"kind":"snapshot"}"#]
        {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_snapshot_is_read_and_one_that_can_not_be_is_told() {
        let shard = Shard::new(7).unwrap();
        let cascade = CascadeEngine::new(Arc::default(), shard, String::new());
        let interest = OpenInterestEngine::new(Arc::default(), shard, String::new());
        let (of_cascade, of_interest) = (CascadeEngine::STATE_VERSION, OpenInterestEngine::STATE_VERSION);
        let cascade = |version| encode_state(version, "12-3", cascade.state()).unwrap();
        let interest = |version| encode_state(version, "12-3", interest.state()).unwrap();
        let read = |bytes: Vec<u8>, name: &str, id: &str| {
            let state = STANDARD.encode(bytes);
            super::read(&format!(
                r#"{{"kind":"snapshot","engine":"{name}","shard":7,"stream_id":"{id}","state":"{state}"}}"#
            ))
        };
        let state = |line| match line {
            Ok(Line::Snapshot { at: (12, 3), state, .. }) => Some(state),
            _ => None,
        };
        let read_back = state(read(cascade(of_cascade), "cascade", "12-3"));
        assert!(matches!(read_back, Some(Snapshot::Cascade(_))));
        let read_back = state(read(interest(of_interest), "oi", "12-3"));
        assert!(matches!(read_back, Some(Snapshot::OpenInterest(_))));
        assert!(matches!(read(interest(of_interest), "whales", "12-3"), Ok(Line::Nothing)));
        for told in [
            read(cascade(of_cascade + 1), "cascade", "12-3").unwrap_err(),
            read(interest(of_interest + 1), "oi", "12-3").unwrap_err(),
        ] {
            assert!(told.contains("begins cold there: a snapshot of version"), "{told}");
        }
        assert!(read(cascade(of_cascade), "cascade", "12-4").unwrap_err().contains("12-4"));
        assert!(read(interest(of_interest), "cascade", "12-3").is_err(), "the other engine's");
    }
}
