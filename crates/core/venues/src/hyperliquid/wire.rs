//! Hyperliquid's wire shapes. Every field is borrowed from the frame.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::wire::{Integer, Text};

/// Whatever comes over a socket.
/// <https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/websocket/subscriptions>
#[derive(Debug, Deserialize)]
pub(super) struct Envelope<'a> {
    #[serde(borrow)]
    pub(super) channel: Text<'a>,
    #[serde(borrow)]
    pub(super) data: Option<&'a RawValue>,
}

/// What was asked, echoed.
#[derive(Debug, Deserialize)]
pub(super) struct Request<'a> {
    #[serde(borrow)]
    pub(super) method: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) subscription: Subscription<'a>,
}

/// One subscription.
#[derive(Debug, Deserialize)]
pub(super) struct Subscription<'a> {
    #[serde(borrow, rename = "type")]
    pub(super) kind: Text<'a>,
    #[serde(borrow)]
    pub(super) coin: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) user: Option<Text<'a>>,
}

/// A trade: `side` is the taker's, B buys and A sells.
#[derive(Debug, Deserialize)]
pub(super) struct Trade<'a> {
    #[serde(borrow)]
    pub(super) coin: Text<'a>,
    #[serde(borrow)]
    pub(super) side: Text<'a>,
    #[serde(borrow)]
    pub(super) px: Text<'a>,
    #[serde(borrow)]
    pub(super) sz: Text<'a>,
    pub(super) time: Integer,
    pub(super) tid: Integer,
}

/// The context of one coin; the frame tells no time.
#[derive(Debug, Deserialize)]
pub(super) struct ActiveContext<'a> {
    #[serde(borrow)]
    pub(super) coin: Text<'a>,
    #[serde(borrow)]
    pub(super) ctx: Context<'a>,
}

/// Open interest in listed coins of one side, mark, oracle price, hourly funding.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Context<'a> {
    #[serde(borrow)]
    pub(super) funding: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) open_interest: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) mark_px: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) oracle_px: Option<Text<'a>>,
}

/// The fills of a user. The first frame is a replay of up to 2000 old ones.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UserFills<'a> {
    #[serde(default)]
    pub(super) is_snapshot: bool,
    #[serde(borrow)]
    pub(super) user: Text<'a>,
    #[serde(borrow)]
    pub(super) fills: &'a RawValue,
}

/// One fill; `side` and `dir` are the user's own.
#[derive(Debug, Deserialize)]
pub(super) struct Fill<'a> {
    #[serde(borrow)]
    pub(super) coin: Text<'a>,
    #[serde(borrow)]
    pub(super) px: Text<'a>,
    #[serde(borrow)]
    pub(super) sz: Text<'a>,
    #[serde(borrow)]
    pub(super) side: Text<'a>,
    pub(super) time: Integer,
    #[serde(borrow)]
    pub(super) dir: Option<Text<'a>>,
    /// The user's position before this fill, in coins; below zero = short.
    #[serde(borrow, rename = "startPosition")]
    pub(super) start_position: Option<Text<'a>>,
    /// Whether the user was the taker.
    pub(super) crossed: Option<bool>,
    #[serde(borrow)]
    pub(super) liquidation: Option<Liquidation<'a>>,
    pub(super) tid: Integer,
}

/// A fill and whose it is, as a node writes the pair: `["0x..", {..}]`.
#[derive(Debug, Deserialize)]
pub(super) struct UserFill<'a>(
    #[serde(borrow)] pub(super) Text<'a>,
    #[serde(borrow)] pub(super) &'a RawValue,
);

/// A line of a node that is an object: a block of fills, or one fill that names its user itself. `local_time` is the
/// node's own clock and is not read.
#[derive(Debug, Deserialize)]
pub(super) struct NodeLine<'a> {
    #[serde(borrow)]
    pub(super) block_time: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) events: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) user: Option<Text<'a>>,
}

/// By what members a node's line is told from a frame.
#[derive(Debug, Deserialize)]
pub(super) struct Shape {
    pub(super) channel: Option<IgnoredAny>,
    pub(super) events: Option<IgnoredAny>,
    pub(super) block_number: Option<IgnoredAny>,
    pub(super) user: Option<IgnoredAny>,
    pub(super) tid: Option<IgnoredAny>,
}

/// Whose position was liquidated, and how: `market` by orders, `backstop` by a vault's taking it over.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Liquidation<'a> {
    #[serde(borrow)]
    pub(super) liquidated_user: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) method: Text<'a>,
}

/// The answer to `{"type":"meta"}`.
/// <https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/info-endpoint/perpetuals>
#[derive(Debug, Deserialize)]
pub(super) struct Meta<'a> {
    #[serde(borrow)]
    pub(super) universe: Vec<&'a RawValue>,
}

/// One perpetual.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Row<'a> {
    #[serde(borrow)]
    pub(super) name: Text<'a>,
    #[serde(default)]
    pub(super) is_delisted: bool,
}
