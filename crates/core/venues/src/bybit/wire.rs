//! Bybit's wire shapes. Every field is borrowed from the frame.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::wire::{Integer, Text};

/// Whatever comes over a socket: a topic's envelope or an answer to a request.
/// <https://bybit-exchange.github.io/docs/v5/ws/connect>
#[derive(Debug, Deserialize)]
pub(super) struct Envelope<'a> {
    #[serde(borrow)]
    pub(super) topic: Option<Text<'a>>,
    pub(super) ts: Option<Integer>,
    #[serde(borrow)]
    pub(super) data: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) op: Option<Text<'a>>,
    pub(super) success: Option<bool>,
    #[serde(borrow)]
    pub(super) ret_msg: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) req_id: Option<Text<'a>>,
}

/// A liquidation: `S` is the side of the position, `p` the bankruptcy price.
/// <https://bybit-exchange.github.io/docs/v5/websocket/public/all-liquidation>
#[derive(Debug, Deserialize)]
pub(super) struct Liquidation<'a> {
    #[serde(rename = "T")]
    pub(super) at: Integer,
    #[serde(borrow, rename = "s")]
    pub(super) symbol: Text<'a>,
    #[serde(borrow, rename = "S")]
    pub(super) side: Text<'a>,
    #[serde(borrow, rename = "v")]
    pub(super) size: Text<'a>,
    #[serde(borrow, rename = "p")]
    pub(super) price: Text<'a>,
}

/// A trade: `S` is the taker's side.
/// <https://bybit-exchange.github.io/docs/v5/websocket/public/trade>
#[derive(Debug, Deserialize)]
pub(super) struct Trade<'a> {
    #[serde(rename = "T")]
    pub(super) at: Integer,
    #[serde(borrow, rename = "s")]
    pub(super) symbol: Text<'a>,
    #[serde(borrow, rename = "S")]
    pub(super) side: Text<'a>,
    #[serde(borrow, rename = "v")]
    pub(super) size: Text<'a>,
    #[serde(borrow, rename = "p")]
    pub(super) price: Text<'a>,
    #[serde(borrow, rename = "i")]
    pub(super) id: Text<'a>,
}

/// A ticker: the whole of it, or what changed. `openInterest` counts both sides, `singleOpenInterest` one.
/// <https://bybit-exchange.github.io/docs/v5/websocket/public/ticker>
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Ticker<'a> {
    #[serde(borrow)]
    pub(super) symbol: Text<'a>,
    #[serde(borrow)]
    pub(super) mark_price: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) index_price: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) funding_rate: Option<Text<'a>>,
    pub(super) next_funding_time: Option<Integer>,
    #[serde(borrow)]
    pub(super) funding_interval_hour: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) open_interest: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) open_interest_value: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) single_open_interest: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) single_open_interest_value: Option<Text<'a>>,
}

/// `instruments-info`.
/// <https://bybit-exchange.github.io/docs/v5/market/instrument>
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Answer<'a> {
    pub(super) ret_code: Integer,
    #[serde(borrow)]
    pub(super) ret_msg: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) result: Option<&'a RawValue>,
}

/// What it lists, and where the next page begins.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Page<'a> {
    #[serde(borrow)]
    pub(super) list: Vec<&'a RawValue>,
    #[serde(borrow)]
    pub(super) next_page_cursor: Option<Text<'a>>,
}

/// One instrument.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Row<'a> {
    #[serde(borrow)]
    pub(super) symbol: Text<'a>,
    #[serde(borrow)]
    pub(super) contract_type: Text<'a>,
    #[serde(borrow)]
    pub(super) status: Text<'a>,
    #[serde(borrow)]
    pub(super) base_coin: Text<'a>,
    #[serde(borrow)]
    pub(super) quote_coin: Text<'a>,
}
