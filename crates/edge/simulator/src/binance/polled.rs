//! What Binance answers to who asks for open interest: `GET /fapi/v1/openInterest` and `GET /dapi/v1/openInterest`.
//!
//! Source: venues.md 1. There is no stream of it, one contract a question, and the answer stands still for seconds.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::pair;
use crate::listing::Listing;
use crate::numeral::fixed;
use crate::wire::{Answer, InterestAsk, Moment};

/// So long an answer stands still, milliseconds. (Measured: 4 to 6 s.)
const REFRESH_MS: i64 = 5000;

/// The answers as they stand.
#[derive(Debug, Default)]
pub(super) struct Polled {
    /// By contract: what is open, and the venue's time of it, milliseconds.
    figures: BTreeMap<&'static str, (String, i64)>,
}

impl Polled {
    /// Brings up to date what has stood still for long enough.
    pub(super) fn refresh(&mut self, moment: &Moment<'_>) {
        let now = moment.now();
        let stands = 0..REFRESH_MS;
        for listing in moment.listings {
            let id = listing.instrument;
            if self.figures.get(id).is_some_and(|(_, time)| stands.contains(&(now - time))) {
                continue;
            }
            let coins = moment.world.open_interest(listing);
            let size = listing.size_of_coins(coins, moment.world.coin(listing));
            self.figures.insert(id, (fixed(size, listing.size_decimals), now));
        }
    }

    /// The answer to a question.
    pub(super) fn answer(&self, ask: &InterestAsk<'_>) -> Answer {
        let refused = |code: i64, msg: &str| (400, json!({"code": code, "msg": msg}).to_string());
        let Some(symbol) = ask.query.get("symbol").filter(|symbol| !symbol.is_empty()) else {
            return refused(
                -1102,
                "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed.",
            );
        };
        let here =
            |listing: &&&Listing| listing.instrument == symbol && listing.is_inverse() == ask.coin_margined;
        let listing = ask.listings.iter().find(here);
        let Some((listing, (size, time))) = listing.and_then(|l| Some((l, self.figures.get(l.instrument)?)))
        else {
            return refused(-1121, "Invalid symbol.");
        };
        (200, figure(listing, size, *time).to_string())
    }
}

fn figure(listing: &Listing, size: &str, time: i64) -> Value {
    let mut figure = json!({"openInterest": size, "symbol": listing.instrument, "time": time});
    if listing.is_inverse() {
        figure["pair"] = json!(pair(listing));
        figure["contractType"] = json!("PERPETUAL");
    }
    figure
}
