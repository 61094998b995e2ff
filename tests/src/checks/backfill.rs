//! What exchanges answer when they are asked for what no connection heard.

use cascade_domain::{Event, EventTime, Venue};
use cascade_venues::{Decoded, Method, Missed, RestRequest, Wanted, protocol};

use super::frames::{listed, usable};
use super::instruments::endpoints;
use super::{Verdict, ensure, told};

/// When the seeds' liquidations happened.
const AT: EventTime = EventTime::from_ms(1_791_565_600_771);
/// How far outside the span an event may lie, since clocks differ.
const SLACK_MS: i64 = 60_000;
/// Pages that may follow on the very same page, before it counts as a circle.
const MOST_PAGES: usize = 3;

/// The bytes as every venue's answer.
///
/// # Errors
/// An event came out that makes no sense or was not missed, two readings differ, or pages do not end.
pub fn backfill(bytes: &[u8]) -> Verdict {
    for venue in Venue::ALL {
        let (wanted, table, endpoints) = (Wanted::default(), listed(venue), endpoints());
        let (from, to) = (AT.plus_ms(-600_000), AT.plus_ms(1000));
        let missed = Missed { wanted: &wanted, instruments: &table, endpoints: &endpoints, from, to };
        match protocol(venue).backfill(&missed).into_iter().next() {
            Some(first) => pages(venue, first, bytes, &missed)?,
            None => unasked(venue, bytes, &missed)?,
        }
    }
    Ok(())
}

/// The bytes as the answer to this request, and to each that follows from it.
fn pages(venue: Venue, first: RestRequest, bytes: &[u8], missed: &Missed<'_>) -> Verdict {
    let mut request = first;
    for _ in 0..MOST_PAGES {
        let (mut out, mut again) = (Decoded::default(), Decoded::default());
        let answer = protocol(venue).read_backfill(&request, bytes, missed, &mut out);
        let second = protocol(venue).read_backfill(&request, bytes, missed, &mut again);
        let same = answer == second && out.events == again.events && out.refused == again.refused;
        ensure!(same, "{answer:?} {out:?} and then {second:?} {again:?}");
        usable(venue, &out)?;
        let (earliest, latest) = (missed.from.plus_ms(-SLACK_MS), missed.to.plus_ms(SLACK_MS));
        for event in &out.events {
            let Event::Liquidation(l) = event else { return Err(format!("no liquidation: {event:?}")) };
            ensure!((earliest..=latest).contains(&l.event_time_ms), "was not missed: {event:?}");
        }
        match answer {
            Ok(Some(next)) => request = next,
            Ok(None) => return Ok(()),
            Err(refusal) => return told(&refusal),
        }
    }
    Err(format!("pages without end: {}", request.url))
}

/// A venue that gives nothing again refuses whatever is read as an answer of its.
fn unasked(venue: Venue, bytes: &[u8], missed: &Missed<'_>) -> Verdict {
    let request = RestRequest { method: Method::Get, url: missed.endpoints.rest_url.clone() };
    let answer = protocol(venue).read_backfill(&request, bytes, missed, &mut Decoded::default());
    ensure!(answer.is_err(), "{venue} gives nothing again, and {answer:?} was read");
    Ok(())
}
