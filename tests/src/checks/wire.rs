//! What stands on Redis: events, entries of them, findings.

use cascade_domain::{Event, EventTime, Finding, Usd};
use cascade_wire::{
    WireError, decode_entry, decode_event, decode_finding, encode_event, encode_finding, event_from_json,
    event_to_json, finding_from_json, finding_to_json,
};

use super::{Verdict, ensure, told};

/// Sums below this, in micro-dollars, are exact in the double that carries them on the wire (2.2 billion dollars).
const EXACT_MICROS: u64 = 1 << 51;

/// The bytes as an event, as an entry of one, as an entry of many, and as a line of JSON.
///
/// # Errors
/// An event came out that makes no sense, or that does not survive being written and read.
pub fn wire_event(bytes: &[u8]) -> Verdict {
    let alone = decode_event(bytes);
    read(&alone)?;
    // By its words: the figure that was refused may be no number, and equal to nothing.
    let (entry, expected) = (decode_entry(Some(bytes), None), Ok::<_, WireError>(vec![&alone]));
    let same = entry.as_ref() == Ok(&vec![alone.clone()]) || format!("{entry:?}") == format!("{expected:?}");
    ensure!(same, "{entry:?} instead of {expected:?}");
    if let Ok(event) = &alone {
        let wrapped = [&[0x91], bytes].concat();
        ensure!(decode_entry(None, Some(&wrapped)) == Ok(vec![Ok(event.clone())]), "an array of one differs");
    }
    match decode_entry(None, Some(bytes)) {
        Ok(events) => events.iter().try_for_each(read)?,
        Err(refusal) => told(&refusal)?,
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        read(&event_from_json(text))?;
    }
    Ok(())
}

fn read(event: &Result<Event, WireError>) -> Verdict {
    match event {
        Ok(event) => sound(event),
        Err(refusal) => told(refusal),
    }
}

/// What holds for every event, wherever it came from.
pub(super) fn sound(event: &Event) -> Verdict {
    event.check().map_err(|unusable| format!("{unusable}: {event:?}"))?;
    survives(event)?;
    let mut stamped = event.clone();
    stamped.stamp(EventTime::from_ms(1_791_565_601_482));
    stamped.check().map_err(|unusable| format!("stamped, {unusable}: {stamped:?}"))?;
    ensure!(event.once_key() == event.clone().once_key(), "two keys of one event: {event:?}");
    survives(&stamped)
}

/// Written and read, in both encodings, an event is what it was.
fn survives(event: &Event) -> Verdict {
    let failed = |what: &str, error: WireError| format!("{what}: {error}: {event:?}");
    let packed = encode_event(event).map_err(|e| failed("not packed", e))?;
    let json = event_to_json(event).map_err(|e| failed("no JSON", e))?;
    let unpacked = decode_event(&packed).map_err(|e| failed("packed, not read", e))?;
    let parsed = event_from_json(&json).map_err(|e| failed("JSON, not read", e))?;
    ensure!(unpacked == parsed, "the encodings differ: {unpacked:?} {parsed:?}");
    ensure!(unpacked == *event || !exact(event), "{event:?} became {unpacked:?}");
    Ok(())
}

/// Whether every sum of dollars in it is exact in a double.
fn exact(event: &Event) -> bool {
    let sums = match event {
        Event::Liquidation(e) => vec![e.notional_usd],
        Event::TradeBar(e) => vec![e.buy_usd, e.sell_usd, e.largest_usd],
        Event::LargeTrade(e) => vec![e.notional_usd],
        Event::Trade(e) => vec![e.notional_usd],
        Event::OpenInterest(e) => e.usd.into_iter().collect(),
        Event::Tick(e) => e.btc_usd_volume_1s.into_iter().collect(),
        Event::Mark(_) | Event::Gap(_) | Event::FeedHealth(_) => Vec::new(),
    };
    sums.into_iter().all(is_exact)
}

fn is_exact(sum: Usd) -> bool {
    sum.micros().unsigned_abs() < EXACT_MICROS
}

/// The bytes as a finding, and as a line of JSON.
///
/// # Errors
/// A finding came out that does not survive being written and read.
pub fn wire_finding(bytes: &[u8]) -> Verdict {
    let found = |finding: Result<Finding, WireError>| match finding {
        Ok(finding) => retold(&finding),
        Err(refusal) => told(&refusal),
    };
    found(decode_finding(bytes))?;
    match std::str::from_utf8(bytes) {
        Ok(text) => found(finding_from_json(text)),
        Err(_) => Ok(()),
    }
}

/// Written and read, in both encodings, a finding is what it was.
pub(super) fn retold(finding: &Finding) -> Verdict {
    finding.check().map_err(|unusable| format!("{unusable}: {finding:?}"))?;
    let failed = |what: &str, error: WireError| format!("{what}: {error}: {finding:?}");
    let packed = encode_finding(finding).map_err(|e| failed("not packed", e))?;
    let json = finding_to_json(finding).map_err(|e| failed("no JSON", e))?;
    let unpacked = decode_finding(&packed).map_err(|e| failed("packed, not read", e))?;
    let parsed = finding_from_json(&json).map_err(|e| failed("JSON, not read", e))?;
    ensure!(unpacked == parsed, "the encodings differ: {unpacked:?} {parsed:?}");
    let sums = match finding {
        Finding::Cascade(f) => {
            let closing = f.closing.as_ref().map(|closing| closing.notional_usd);
            vec![f.flow.notional_30s_usd, f.flow.unit_usd, f.metrics.largest_usd, closing.unwrap_or_default()]
        }
        Finding::LargeLiquidation(f) => vec![f.notional_usd, f.threshold_usd],
        Finding::OpenInterest(f) => {
            let holdings =
                f.before.into_iter().chain(f.after).chain(f.venues.values().map(|venue| venue.after));
            holdings.filter_map(|holding| holding.usd).collect()
        }
        Finding::Feed(_) => Vec::new(),
    };
    ensure!(unpacked == *finding || !sums.into_iter().all(is_exact), "{finding:?} became {unpacked:?}");
    Ok(())
}
