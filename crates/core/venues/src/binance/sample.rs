//! Binance's open interest, which is asked for instrument by instrument.
//!
//! USD-M answers in listed coins, COIN-M in contracts of so many dollars. The venue counts anew every 4 to 6 seconds.

use std::time::Duration;

use cascade_domain::{Usd, Venue};

use super::wire::OpenInterest;
use crate::instruments::{Market, Sizing};
use crate::number::{Number, cut, dollars, unit_coins};
use crate::plan;
use crate::print::Prints;
use crate::wire::{body_text, escaped, read, told};
use crate::{DecodeError, Decoded, Endpoints, Instruments, Listing, Method, RestRequest, Sampling, Wanted};

/// How often it is worth asking.
const EVERY: Duration = Duration::from_secs(5);
/// The question on USD-M.
const LINEAR: &str = "/fapi/v1/openInterest";
/// The same on COIN-M.
const INVERSE: &str = "/dapi/v1/openInterest";
/// What names the instrument in a question.
const SYMBOL: &str = "?symbol=";

/// One question for every wanted listing whose host is known.
pub(super) fn samplings(wanted: &Wanted, instruments: &Instruments, endpoints: &Endpoints) -> Vec<Sampling> {
    let question = |listing: &Listing| {
        let (base, path) = if listing.sizing.is_inverse() {
            (endpoints.coinm_rest_url.as_ref()?, INVERSE)
        } else {
            (&endpoints.rest_url, LINEAR)
        };
        let url = format!("{base}{path}{SYMBOL}{}", escaped(listing.instrument.as_str()));
        Some(Sampling { request: RestRequest { method: Method::Get, url }, every: EVERY })
    };
    plan::wanted_listings(wanted, instruments).into_iter().filter_map(question).collect()
}

/// Reads an answer: `{"openInterest":"10659.509","symbol":"BTCUSDT","time":1589437530011}`.
pub(super) fn read_sample(
    request: &RestRequest,
    body: &[u8],
    instruments: &Instruments,
    out: &mut Decoded,
) -> Result<(), DecodeError> {
    let (path, asked) = request
        .url
        .split_once(SYMBOL)
        .filter(|(path, _)| path.ends_with(LINEAR) || path.ends_with(INVERSE))
        .ok_or_else(|| DecodeError::UnknownKind(cut(&request.url, 200)))?;
    let row: OpenInterest<'_> = read(body_text(body)?)?;
    let symbol = told(row.symbol.as_ref()).ok_or_else(|| refused(&row))?;
    if escaped(symbol) != asked {
        return Err(DecodeError::WrongAnswer { asked: cut(asked, 64), told: cut(symbol, 64) });
    }
    let count = told(row.count.as_ref()).ok_or_else(|| missing("openInterest"))?;
    let count = Number::not_negative("openInterest", count)?;
    let at = row.time.ok_or_else(|| missing("time"))?.time("time")?;
    let mut prints = Prints::new(Venue::Binance, instruments);
    let market = prints.market(symbol)?;
    let market = if path.ends_with(INVERSE) { market.in_contracts() } else { market };
    prints.published = Some(at);
    prints.open_interest(&market, size(&market, &count)?, Some(at), out);
    Ok(())
}

/// Coins, or for contracts of dollars the dollars alone: what they are in coins depends on the price.
fn size(market: &Market, count: &Number<'_>) -> Result<(Option<f64>, Option<Usd>), DecodeError> {
    match market.sizing()? {
        Sizing::Coins => Ok((Some(unit_coins(market, count)?), None)),
        Sizing::ContractsOfCoins(size) => Ok((Some(unit_coins(market, &count.times(size)?)?), None)),
        Sizing::ContractsOfUsd(size) => Ok((None, Some(dollars(&count.times(size)?)?))),
        Sizing::Usd => Ok((None, Some(dollars(count)?))),
    }
}

fn missing(field: &str) -> DecodeError {
    DecodeError::Malformed(format!("open interest without `{field}`"))
}

/// What an answer without an instrument says.
fn refused(row: &OpenInterest<'_>) -> DecodeError {
    match told(row.msg.as_ref()) {
        Some(words) => {
            let code = cut(told(row.code.as_ref()).unwrap_or("-"), 16);
            DecodeError::Malformed(format!("the venue answers {code}: {}", cut(words, 120)))
        }
        None => missing("symbol"),
    }
}
