//! OKX's liquidations by REST, for those that no connection heard.
//!
//! The venue gives them by underlying, newest first, in the very rows of the channel: the same row becomes the same
//! event with the same id. It is known to give them late, so that what is not in an answer may still have happened.
//! <https://www.okx.com/docs-v5/en/#public-data-rest-api-get-liquidation-orders>

use std::collections::BTreeSet;

use cascade_domain::{Event, Venue};

use super::wire::{Detail, Liquidations};
use super::{answered, decode};
use crate::plan;
use crate::print::Prints;
use crate::wire::each_row;
use crate::{DecodeError, Decoded, Method, Missed, RestRequest};

/// Rows in one answer; the venue gives no more.
const ROWS: usize = 100;
/// How far the venue's clock and ours may be apart: so much more is asked for on both sides.
const SLACK_MS: i64 = 5_000;
/// What names the page in an address.
const AFTER: &str = "&after=";

/// The first page of every underlying of which something is wanted.
pub(super) fn requests(missed: &Missed<'_>) -> Vec<RestRequest> {
    let listings = plan::wanted_listings(missed.wanted, missed.instruments);
    let mut seen = BTreeSet::new();
    let underlyings = listings
        .into_iter()
        .map(|listing| listing.instrument.as_str().trim_end_matches("-SWAP"))
        .filter(|underlying| seen.insert(*underlying));
    let page = |underlying: &str| {
        let base = &missed.endpoints.rest_url;
        let after = missed.to.plus_ms(SLACK_MS).ms();
        RestRequest {
            method: Method::Get,
            url: format!(
                "{base}/api/v5/public/liquidation-orders?instType=SWAP&uly={underlying}&state=filled\
                 &limit={ROWS}{AFTER}{after}"
            ),
        }
    };
    underlyings.map(page).collect()
}

/// Reads a page: what is in the span goes to `out`. The next page is asked for while this one does not reach the
/// beginning of the span, and goes further back than the one before.
pub(super) fn read(
    request: &RestRequest,
    body: &[u8],
    missed: &Missed<'_>,
    out: &mut Decoded,
) -> Result<Option<RestRequest>, DecodeError> {
    let (from, to) = (missed.from.plus_ms(-SLACK_MS), missed.to.plus_ms(SLACK_MS));
    let mut oldest = None;
    let mut prints = Prints::new(Venue::Okx, missed.instruments);
    for row in answered(body)? {
        each_row(row.get(), out, |row: Liquidations<'_>, out| {
            each_row(row.details.get(), out, |detail: Detail<'_>, out| {
                oldest = Some(oldest.map_or(detail.ts.0, |oldest: i64| oldest.min(detail.ts.0)));
                decode::liquidation(&row.inst_id, &detail, &mut prints, out)
            })
        })?;
    }
    out.events.retain(|event| match event {
        Event::Liquidation(l) => {
            from <= l.event_time_ms && l.event_time_ms <= to && missed.wanted.wants(&l.symbol)
        }
        _ => false,
    });
    let (first, after) = request.url.split_once(AFTER).unwrap_or((&request.url, ""));
    let before: i64 = after.parse().unwrap_or(i64::MAX);
    let next = oldest.filter(|oldest| *oldest > from.ms() && *oldest < before);
    Ok(next.map(|oldest| RestRequest { method: Method::Get, url: format!("{first}{AFTER}{oldest}") }))
}
