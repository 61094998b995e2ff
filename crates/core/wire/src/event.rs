//! Events: MessagePack maps with string keys on the bus, JSON lines in files and in `decode`.

use cascade_domain::Event;
use memchr::{memchr, memmem};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use crate::WireError;

/// Field of a stream entry that holds one event.
pub const ENTRY_ONE: &str = "e";
/// How deep a map or array of ours ever is, and then some: what is deeper is refused before it fills the stack.
const DEPTH: usize = 16;
/// How deep an element may be to be passed over, so that its neighbours are still found.
const PASSABLE_DEPTH: usize = 128;
/// How many events one entry may hold; we write at most 2,000.
const MOST_EVENTS: usize = 20_000;

/// Field of a stream entry that holds an array of events.
pub const ENTRY_ARRAY: &str = "b";

/// An event as a MessagePack map.
///
/// # Errors
/// Never for an event that passed [`decode_event`] or came out of a venue's protocol.
pub fn encode_event(event: &Event) -> Result<Vec<u8>, WireError> {
    rmp_serde::to_vec_named(event).map_err(|e| WireError::malformed(&e))
}

/// Reads one MessagePack event.
///
/// # Errors
/// Not such a map, or figures that make no sense.
pub fn decode_event(bytes: &[u8]) -> Result<Event, WireError> {
    let event: Event = unpacked(bytes)?;
    event.check()?;
    Ok(event)
}

/// Reads a MessagePack value that is not too deep.
pub(crate) fn unpacked<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, WireError> {
    let mut from = rmp_serde::Deserializer::from_read_ref(bytes);
    from.set_max_depth(DEPTH);
    T::deserialize(&mut from).map_err(|e| WireError::malformed(&e))
}

/// Reads the events of one stream entry, given its fields; each bad event is refused alone.
///
/// # Errors
/// The entry has neither of the fields `e` and `b`, or both, or `b` is not an array.
pub fn decode_entry(
    one: Option<&[u8]>,
    array: Option<&[u8]>,
) -> Result<Vec<Result<Event, WireError>>, WireError> {
    match (one, array) {
        (Some(bytes), None) => Ok(vec![decode_event(bytes)]),
        (None, Some(bytes)) => decode_array(bytes),
        (None, None) => Err(WireError::BadEntry("neither")),
        (Some(_), Some(_)) => Err(WireError::BadEntry("both")),
    }
}

/// Cuts the array into its elements first, so that one that is no event does not take its neighbours along.
fn decode_array(bytes: &[u8]) -> Result<Vec<Result<Event, WireError>>, WireError> {
    let (count, mut rest) = array_head(bytes).ok_or(WireError::BadEntry("a `b` that is no array"))?;
    if count > MOST_EVENTS {
        return Err(WireError::BadEntry("a `b` of too many events"));
    }
    let mut events = Vec::with_capacity(count.min(rest.len()));
    for _ in 0..count {
        let before = rest;
        let mut element = rmp_serde::Deserializer::new(&mut rest);
        element.set_max_depth(PASSABLE_DEPTH);
        if let Err(error) = IgnoredAny::deserialize(&mut element) {
            events.push(Err(WireError::malformed(&format_args!("the array breaks off: {error}"))));
            break;
        }
        events.push(decode_event(&before[..before.len() - rest.len()]));
    }
    Ok(events)
}

/// The element count of a MessagePack array, and what follows its head.
fn array_head(bytes: &[u8]) -> Option<(usize, &[u8])> {
    match bytes {
        [head @ 0x90..=0x9f, rest @ ..] => Some((usize::from(head & 0x0f), rest)),
        [0xdc, a, b, rest @ ..] => Some((usize::from(u16::from_be_bytes([*a, *b])), rest)),
        [0xdd, a, b, c, d, rest @ ..] => {
            usize::try_from(u32::from_be_bytes([*a, *b, *c, *d])).ok().map(|count| (count, rest))
        }
        _ => None,
    }
}

/// An event as one line of JSON.
///
/// # Errors
/// Never for an event that came out of this workspace.
pub fn event_to_json(event: &Event) -> Result<String, WireError> {
    serde_json::to_string(event).map_err(|e| WireError::malformed(&e))
}

/// Reads one line of JSON as an event.
///
/// # Errors
/// Not such an object, or figures that make no sense.
pub fn event_from_json(text: &str) -> Result<Event, WireError> {
    let event = match straight(text) {
        Some(event) => event,
        None => serde_json::from_str(text).map_err(|e| WireError::malformed(&e))?,
    };
    event.check()?;
    Ok(event)
}

/// Reads an event that begins with its kind, as ours do, straight into what that kind has: the general way has to
/// put all fields aside first, since the kind may come last. `None` where the general way shall decide.
fn straight(text: &str) -> Option<Event> {
    fn of<'a, T: Deserialize<'a>>(text: &'a str, event: impl Fn(T) -> Event) -> Option<Event> {
        serde_json::from_str(text).ok().map(event)
    }
    let (kind, rest) = text.strip_prefix("{\"kind\":\"")?.split_once('"')?;
    // A second kind would be refused; with a backslash in it, it could be spelled in any way.
    if memchr(b'\\', rest.as_bytes()).is_some() || memmem::find(rest.as_bytes(), b"\"kind\"").is_some() {
        return None;
    }
    match kind {
        "liquidation" => of(text, Event::Liquidation),
        "trade_bar" => of(text, Event::TradeBar),
        "large_trade" => of(text, Event::LargeTrade),
        "open_interest" => of(text, Event::OpenInterest),
        "mark" => of(text, Event::Mark),
        "gap" => of(text, Event::Gap),
        "feed_health" => of(text, Event::FeedHealth),
        "tick" => of(text, Event::Tick),
        "trade" => of(text, Event::Trade),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BAR: &str = r#"{"kind":"mark","venue":"okx","symbol":"BTCUSDT","instrument":"BTC-USDT-SWAP","mark_price":82340.1,"event_time_ms":1791565601000,"shard":5}"#;

    /// What the general way makes of it.
    fn general(text: &str) -> Option<Event> {
        serde_json::from_str::<Event>(text).ok().filter(|event| event.check().is_ok())
    }

    #[test]
    fn the_straight_way_takes_what_the_general_way_takes() {
        assert!(straight(BAR).is_some());
        for (from, to) in [
            ("", ""),
            ("\"mark\"", "\"tick\""),
            ("\"mark\"", "\"nonsense\""),
            ("82340.1", "82340"),
            ("82340.1", "-1"),
            ("82340.1", "null"),
            ("82340.1", "\"82340.1\""),
            ("82340.1", "1e999"),
            ("1791565601000", "1791565601000.0"),
            ("1791565601000", "17"),
            (",\"shard\"", ",\"kind\":\"mark\",\"shard\""),
            (",\"shard\"", ",\"k\\u0069nd\":\"mark\",\"shard\""),
            (",\"shard\"", ",\"venue\":\"okx\",\"shard\""),
            ("BTC-USDT-SWAP", "BTC\\u002dUSDT-SWAP"),
            ("\"venue\":\"okx\",", ""),
            ("\"okx\"", "{\"okx\":null}"),
            ("{\"kind\"", "{ \"kind\""),
            ("}", "} "),
            ("}", "}}"),
            ("}", ""),
        ] {
            let text = BAR.replacen(from, to, 1);
            assert_eq!(event_from_json(&text).ok(), general(&text), "{text}");
        }
        for cut in 0..BAR.len() {
            assert!(event_from_json(&BAR[..cut]).is_err(), "{cut}");
        }
    }
}
