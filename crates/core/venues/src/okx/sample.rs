//! OKX's open interest of all swaps in one answer: the very rows of the channel, so that a copy of what the channel
//! told is the same event.
//! <https://www.okx.com/docs-v5/en/#public-data-rest-api-get-open-interest>

use std::time::Duration;

use cascade_domain::{Instrument, Venue};

use super::wire::OpenInterest;
use super::{answered, decode};
use crate::number::cut;
use crate::plan;
use crate::print::Prints;
use crate::wire::each_row;
use crate::{DecodeError, Decoded, Endpoints, Instruments, Method, RestRequest, Sampling, Wanted};

/// How often it is worth asking: the channel tells the same, sooner.
const EVERY: Duration = Duration::from_secs(10);
/// The question.
const ALL_SWAPS: &str = "/api/v5/public/open-interest?instType=SWAP";

/// One question for all instruments; none if the venue lists nothing of what is wanted.
pub(super) fn samplings(wanted: &Wanted, instruments: &Instruments, endpoints: &Endpoints) -> Vec<Sampling> {
    if plan::wanted_listings(wanted, instruments).is_empty() {
        return Vec::new();
    }
    let url = format!("{}{ALL_SWAPS}", endpoints.rest_url);
    vec![Sampling { request: RestRequest { method: Method::Get, url }, every: EVERY }]
}

/// Reads an answer. What is not listed here, such as a swap quoted in another coin, was not asked for.
pub(super) fn read_sample(
    request: &RestRequest,
    body: &[u8],
    instruments: &Instruments,
    out: &mut Decoded,
) -> Result<(), DecodeError> {
    if !request.url.ends_with(ALL_SWAPS) {
        return Err(DecodeError::UnknownKind(cut(&request.url, 200)));
    }
    let mut prints = Prints::new(Venue::Okx, instruments);
    for row in answered(body)? {
        each_row(row.get(), out, |row: OpenInterest<'_>, out| {
            match instruments.get(&Instrument::parse(&row.inst_id)?) {
                Some(_) => decode::open_interest(&row, &mut prints, out),
                None => Ok(()),
            }
        })?;
    }
    Ok(())
}
