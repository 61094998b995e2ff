//! What exchanges answer when they are asked for open interest.

use cascade_domain::{Event, Venue};
use cascade_venues::{Decoded, Instruments, Method, RestRequest, Wanted, protocol};

use super::frames::{listed, usable};
use super::instruments::endpoints;
use super::{Verdict, ensure, told};

/// The bytes as every venue's answer to every question.
///
/// # Errors
/// A sample came out that makes no sense or was not asked for, or two readings differ.
pub fn samples(bytes: &[u8]) -> Verdict {
    for venue in Venue::ALL {
        let table = listed(venue);
        let questions = protocol(venue).samplings(&Wanted::default(), &table, &endpoints());
        for question in &questions {
            answer(venue, &question.request, bytes, &table)?;
        }
        unasked(venue, bytes, &table)?;
    }
    Ok(())
}

/// The bytes as the answer to this question.
fn answer(venue: Venue, request: &RestRequest, bytes: &[u8], table: &Instruments) -> Verdict {
    let (mut out, mut again) = (Decoded::default(), Decoded::default());
    let first = protocol(venue).read_sample(request, bytes, table, &mut out);
    for _ in 0..2 {
        let second = protocol(venue).read_sample(request, bytes, table, &mut again);
        let same = first == second && out.events == again.events && out.refused == again.refused;
        ensure!(same, "{first:?} {out:?} and then {second:?} {again:?}");
    }
    usable(venue, &out)?;
    if let Err(refusal) = &first {
        told(refusal)?;
        ensure!(out.events.is_empty(), "samples of an answer that was not understood: {:?}", out.events);
    }
    for event in &out.events {
        let Event::OpenInterest(sample) = event else { return Err(format!("no sample: {event:?}")) };
        ensure!(table.get(&sample.instrument).is_some(), "of nothing that is listed: {event:?}");
        ensure!(sample.coins.is_some() || sample.usd.is_some(), "a sample of nothing: {event:?}");
        let asked = request.url.split_once("?symbol=").map(|(_, asked)| asked);
        let is_asked = asked.is_none_or(|asked| asked == sample.instrument.as_str());
        ensure!(is_asked, "the answer to {} is {event:?}", request.url);
    }
    Ok(())
}

/// No venue reads what answers none of its questions.
fn unasked(venue: Venue, bytes: &[u8], table: &Instruments) -> Verdict {
    let request = RestRequest { method: Method::Get, url: endpoints().rest_url };
    let read = protocol(venue).read_sample(&request, bytes, table, &mut Decoded::default());
    ensure!(read.is_err(), "{venue} was not asked, and {read:?} was read");
    Ok(())
}
