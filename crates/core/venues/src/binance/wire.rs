//! Binance's wire shapes. Every field is borrowed from the frame.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::wire::{Integer, Text};

/// Whatever comes over a socket: a stream's envelope, a bare event, an answer to a request.
/// <https://developers.binance.com/docs/derivatives/usds-margined-futures/websocket-market-streams>
#[derive(Debug, Deserialize)]
pub(super) struct Envelope<'a> {
    #[serde(borrow)]
    pub(super) stream: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) data: Option<&'a RawValue>,
    #[serde(borrow, rename = "e")]
    pub(super) event: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) id: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) error: Option<Failure<'a>>,
    #[serde(borrow)]
    pub(super) code: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) msg: Option<Text<'a>>,
}

/// Why a request failed.
#[derive(Debug, Deserialize)]
pub(super) struct Failure<'a> {
    #[serde(borrow)]
    pub(super) code: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) msg: Option<Text<'a>>,
}

/// The kind of a bare event.
#[derive(Debug, Deserialize)]
pub(super) struct Kind<'a> {
    #[serde(borrow, rename = "e")]
    pub(super) event: Option<Text<'a>>,
}

/// A liquidation order. `st` stands inside the order in live frames and beside it in the documentation.
/// <https://developers.binance.com/docs/derivatives/usds-margined-futures/websocket-market-streams/All-Market-Liquidation-Order-Streams>
#[derive(Debug, Deserialize)]
pub(super) struct ForceOrder<'a> {
    #[serde(rename = "E")]
    pub(super) published: Integer,
    #[serde(borrow, rename = "o")]
    pub(super) order: Order<'a>,
    pub(super) st: Option<Integer>,
}

/// The order in it.
#[derive(Debug, Deserialize)]
pub(super) struct Order<'a> {
    #[serde(borrow, rename = "s")]
    pub(super) symbol: Text<'a>,
    #[serde(borrow, rename = "S")]
    pub(super) side: Text<'a>,
    #[serde(borrow, rename = "ap")]
    pub(super) average_price: Text<'a>,
    #[serde(borrow, rename = "X")]
    pub(super) status: Text<'a>,
    #[serde(borrow, rename = "z")]
    pub(super) filled: Text<'a>,
    #[serde(rename = "T")]
    pub(super) at: Integer,
    pub(super) st: Option<Integer>,
}

/// An aggregated trade (`a`) or a single one (`t`, `X`). `M` exists on spot only.
/// <https://developers.binance.com/docs/derivatives/usds-margined-futures/websocket-market-streams/Aggregate-Trade-Streams>
#[derive(Debug, Deserialize)]
pub(super) struct Trade<'a> {
    #[serde(rename = "E")]
    pub(super) published: Integer,
    #[serde(borrow, rename = "s")]
    pub(super) symbol: Text<'a>,
    pub(super) a: Option<Integer>,
    pub(super) t: Option<Integer>,
    #[serde(borrow, rename = "p")]
    pub(super) price: Text<'a>,
    #[serde(borrow, rename = "q")]
    pub(super) quantity: Text<'a>,
    #[serde(rename = "T")]
    pub(super) at: Integer,
    #[serde(rename = "m")]
    pub(super) buyer_is_maker: bool,
    #[serde(borrow, rename = "X")]
    pub(super) kind: Option<Text<'a>>,
    #[serde(rename = "M")]
    pub(super) spot: Option<IgnoredAny>,
    pub(super) st: Option<Integer>,
}

/// Mark price, index price and funding. `ap` here is a moving average of the mark, not a fill.
/// <https://developers.binance.com/docs/derivatives/usds-margined-futures/websocket-market-streams/Mark-Price-Stream>
#[derive(Debug, Deserialize)]
pub(super) struct MarkPrice<'a> {
    #[serde(rename = "E")]
    pub(super) published: Integer,
    #[serde(borrow, rename = "s")]
    pub(super) symbol: Text<'a>,
    #[serde(borrow, rename = "p")]
    pub(super) mark: Option<Text<'a>>,
    #[serde(borrow, rename = "i")]
    pub(super) index: Option<Text<'a>>,
    #[serde(borrow, rename = "r")]
    pub(super) funding: Option<Text<'a>>,
    #[serde(rename = "T")]
    pub(super) next_funding: Option<Integer>,
}

/// The open interest of one instrument: base coins on USD-M, contracts on COIN-M. A refusal has `code` and `msg` alone.
/// <https://developers.binance.com/docs/derivatives/usds-margined-futures/market-data/rest-api/Open-Interest>,
/// <https://developers.binance.com/docs/derivatives/coin-margined-futures/market-data/rest-api/Open-Interest>
#[derive(Debug, Deserialize)]
pub(super) struct OpenInterest<'a> {
    #[serde(borrow, rename = "openInterest")]
    pub(super) count: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) symbol: Option<Text<'a>>,
    pub(super) time: Option<Integer>,
    #[serde(borrow)]
    pub(super) code: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) msg: Option<Text<'a>>,
}

/// `exchangeInfo` of USD-M and COIN-M.
/// <https://developers.binance.com/docs/derivatives/usds-margined-futures/market-data/rest-api/Exchange-Information>
#[derive(Debug, Deserialize)]
pub(super) struct ExchangeInfo<'a> {
    #[serde(borrow)]
    pub(super) symbols: Vec<&'a RawValue>,
}

/// A row of `fundingInfo`: an instrument that does not pay funding in the ordinary way.
/// <https://developers.binance.com/docs/derivatives/usds-margined-futures/market-data/rest-api/Get-Funding-Rate-Info>
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FundingRow<'a> {
    #[serde(borrow)]
    pub(super) symbol: Text<'a>,
    pub(super) funding_interval_hours: u8,
}

/// One instrument in it. COIN-M says `contractStatus` and `contractSize` (US dollars).
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Row<'a> {
    #[serde(borrow)]
    pub(super) symbol: Text<'a>,
    #[serde(borrow)]
    pub(super) contract_type: Text<'a>,
    #[serde(borrow)]
    pub(super) base_asset: Text<'a>,
    #[serde(borrow)]
    pub(super) quote_asset: Text<'a>,
    #[serde(borrow)]
    pub(super) status: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) contract_status: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) contract_size: Option<Text<'a>>,
}
