//! OKX's own record of the liquidations that it published: what `GET /api/v5/public/liquidation-orders` answers from.
//!
//! The same fields with the same values as on the WebSocket, so that both are one. Knows no socket.

use std::collections::{BTreeMap, VecDeque};

use cascade_domain::Side;
use serde_json::{Value, json};

use crate::listing::Listing;
use crate::numeral::{fixed, trimmed};
use crate::world::Liquidation;

use super::index_name;

/// How long a liquidation can be asked for. At one a contract and second that bounds memory too.
const KEPT_MS: i64 = 3_900_000;
/// Rows of one answer.
const MOST_ROWS: usize = 100;

/// One published liquidation.
#[derive(Clone, Debug)]
pub(super) struct Row {
    listing: &'static Listing,
    side: Side,
    bankruptcy: f64,
    contracts: f64,
    /// The venue's time, milliseconds.
    ts: i64,
}

impl Row {
    pub(super) const fn of(order: &Liquidation, ts: i64) -> Self {
        let &Liquidation { listing, side, bankruptcy, size: contracts, .. } = order;
        Self { listing, side, bankruptcy, contracts, ts }
    }

    /// The row's `details`, as JSON.
    pub(super) fn detail(&self) -> String {
        let (position, side) = match self.side {
            Side::Long => ("long", "sell"),
            Side::Short => ("short", "buy"),
        };
        let (ts, price) = (self.ts, fixed(self.bankruptcy, self.listing.price_decimals));
        let contracts = trimmed(self.contracts, self.listing.size_decimals);
        format!(
            r#"{{"bkLoss":"0","bkPx":"{price}","ccy":"","posSide":"{position}","side":"{side}","sz":"{contracts}","ts":"{ts}"}}"#
        )
    }
}

/// The last hour's liquidations, by underlying, in the order in which they were published.
#[derive(Debug, Default)]
pub(super) struct Record {
    rows: BTreeMap<String, VecDeque<Row>>,
}

/// What an answer is to contain.
struct Question<'a> {
    underlying: &'a str,
    /// Only older than this, milliseconds.
    after: i64,
    /// Only newer than this, milliseconds.
    before: i64,
    limit: usize,
}

impl Record {
    pub(super) fn keep(&mut self, row: Row, now_ms: i64) {
        let rows = self.rows.entry(index_name(row.listing)).or_default();
        rows.push_back(row);
        while rows.front().is_some_and(|row| now_ms - row.ts > KEPT_MS) {
            rows.pop_front();
        }
    }

    /// The answer, or the venue's error.
    pub(super) fn answer(&self, query: &BTreeMap<String, String>, listings: &[&'static Listing]) -> Value {
        let error = |(code, msg): (&str, String)| json!({"code": code, "msg": msg, "data": []});
        match question(query, listings) {
            Ok(None) => json!({"code": "0", "msg": "", "data": []}),
            Ok(Some(question)) => json!({"code": "0", "msg": "", "data": self.page(&question)}),
            Err(refused) => error(refused),
        }
    }

    /// Newest first, by contract.
    fn page(&self, question: &Question<'_>) -> Vec<Value> {
        let rows = self.rows.get(question.underlying).into_iter().flatten();
        let mut found: Vec<&Row> =
            rows.filter(|row| row.ts < question.after && row.ts > question.before).collect();
        found.sort_by_key(|row| std::cmp::Reverse(row.ts));
        found.truncate(question.limit);
        let mut contracts: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
        for row in found {
            let detail: Value = serde_json::from_str(&row.detail()).unwrap_or_default();
            contracts.entry(row.listing.instrument).or_default().push(detail);
        }
        let family = question.underlying;
        let contract = |(id, details): (&str, Vec<Value>)| {
            json!({
                "details": details, "instFamily": family, "instId": id, "instType": "SWAP", "totalLoss": "0",
                "uly": family,
            })
        };
        contracts.into_iter().map(contract).collect()
    }
}

type Refused = (&'static str, String);

/// What is asked for; none if nothing can be found: liquidations that are not filled yet are not simulated.
fn question<'a>(
    query: &'a BTreeMap<String, String>,
    listings: &[&'static Listing],
) -> Result<Option<Question<'a>>, Refused> {
    let text = |key: &str| query.get(key).map(String::as_str).filter(|text| !text.is_empty());
    let wrong = |key: &str| ("51000", format!("Parameter {key} error"));
    match text("instType") {
        Some("SWAP") => {}
        Some("MARGIN" | "FUTURES" | "OPTION") => return Ok(None),
        Some(_) => return Err(wrong("instType")),
        None => return Err(("50014", "Parameter instType can not be empty.".to_owned())),
    }
    let Some(underlying) = text("uly").or_else(|| text("instFamily")) else {
        return Err(("50015", "Either parameter uly or instFamily is required.".to_owned()));
    };
    if !listings.iter().any(|listing| index_name(listing) == underlying) {
        return Err(wrong("uly"));
    }
    let filled = match text("state") {
        Some("filled") => true,
        None | Some("unfilled") => false,
        Some(_) => return Err(wrong("state")),
    };
    let time = |key: &str, otherwise: i64| match text(key) {
        None => Ok(otherwise),
        Some(text) => text.parse::<i64>().map_err(|_| wrong(key)),
    };
    let (after, before) = (time("after", i64::MAX)?, time("before", i64::MIN)?);
    let limit = text("limit").map_or(Ok(MOST_ROWS), str::parse).map_err(|_| wrong("limit"))?;
    if !(1..=MOST_ROWS).contains(&limit) {
        return Err(wrong("limit"));
    }
    Ok(filled.then_some(Question { underlying, after, before, limit }))
}
