//! OKX's wire shapes. Every field is borrowed from the frame; all numbers and times are texts.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::wire::{Integer, Text};

/// Whatever comes over a socket: a channel's push or an answer to a request.
/// <https://www.okx.com/docs-v5/en/#overview-websocket-subscribe>
#[derive(Debug, Deserialize)]
pub(super) struct Envelope<'a> {
    #[serde(borrow)]
    pub(super) event: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) arg: Option<Arg<'a>>,
    #[serde(borrow)]
    pub(super) code: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) msg: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) data: Option<&'a RawValue>,
    /// The channel of the API of before 2021.
    #[serde(borrow)]
    pub(super) table: Option<Text<'a>>,
}

/// What was subscribed to.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Arg<'a> {
    #[serde(borrow)]
    pub(super) channel: Text<'a>,
    #[serde(borrow)]
    pub(super) inst_type: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) inst_id: Option<Text<'a>>,
}

/// The liquidations of one instrument.
/// <https://www.okx.com/docs-v5/en/#public-data-websocket-liquidation-orders-channel>
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Liquidations<'a> {
    #[serde(borrow)]
    pub(super) inst_id: Text<'a>,
    #[serde(borrow)]
    pub(super) details: &'a RawValue,
}

/// One of them: `posSide` is the position's side, `side` the order's, `bkPx` the bankruptcy price, `sz` contracts.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Detail<'a> {
    #[serde(borrow)]
    pub(super) side: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) pos_side: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) bk_px: Text<'a>,
    #[serde(borrow)]
    pub(super) sz: Text<'a>,
    pub(super) ts: Integer,
}

/// A trade: `side` is the taker's, `sz` contracts.
/// <https://www.okx.com/docs-v5/en/#order-book-trading-market-data-ws-trades-channel>
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Trade<'a> {
    #[serde(borrow)]
    pub(super) inst_id: Text<'a>,
    #[serde(borrow, rename = "tradeId")]
    pub(super) id: Text<'a>,
    #[serde(borrow)]
    pub(super) px: Text<'a>,
    #[serde(borrow)]
    pub(super) sz: Text<'a>,
    #[serde(borrow)]
    pub(super) side: Text<'a>,
    pub(super) ts: Integer,
}

/// A mark price, an index price, or funding: the fields of three channels, each with its own.
/// <https://www.okx.com/docs-v5/en/#public-data-websocket-mark-price-channel>,
/// <https://www.okx.com/docs-v5/en/#public-data-websocket-index-tickers-channel>,
/// <https://www.okx.com/docs-v5/en/#public-data-websocket-funding-rate-channel>
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Mark<'a> {
    #[serde(borrow)]
    pub(super) inst_id: Text<'a>,
    #[serde(borrow, rename = "markPx")]
    pub(super) px: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) idx_px: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) funding_rate: Option<Text<'a>>,
    /// The next payment.
    pub(super) funding_time: Option<Integer>,
    /// The payment after it.
    pub(super) next_funding_time: Option<Integer>,
    pub(super) ts: Option<Integer>,
}

/// Open interest: `oiCcy` base coins, `oiUsd` US dollars.
/// <https://www.okx.com/docs-v5/en/#public-data-websocket-open-interest-channel>
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OpenInterest<'a> {
    #[serde(borrow)]
    pub(super) inst_id: Text<'a>,
    #[serde(borrow)]
    pub(super) oi_ccy: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) oi_usd: Option<Text<'a>>,
    pub(super) ts: Integer,
}

/// `/api/v5/public/instruments`.
/// <https://www.okx.com/docs-v5/en/#public-data-rest-api-get-instruments>
#[derive(Debug, Deserialize)]
pub(super) struct Answer<'a> {
    #[serde(borrow)]
    pub(super) code: Text<'a>,
    #[serde(borrow)]
    pub(super) msg: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) data: Vec<&'a RawValue>,
}

/// One instrument.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Row<'a> {
    #[serde(borrow)]
    pub(super) inst_id: Text<'a>,
    #[serde(borrow)]
    pub(super) inst_type: Text<'a>,
    #[serde(borrow)]
    pub(super) ct_val: Text<'a>,
    #[serde(borrow)]
    pub(super) ct_mult: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) ct_val_ccy: Text<'a>,
    #[serde(borrow)]
    pub(super) state: Text<'a>,
}
