//! The same frames as plain owned structs: the baseline that anybody would write first.
#![expect(dead_code, reason = "the fields are there to be parsed")]

use super::Deserialize;

#[derive(Deserialize)]
pub(crate) struct Stream<T> {
    stream: String,
    data: T,
}

#[derive(Deserialize)]
pub(crate) struct ForceOrder {
    e: String,
    #[serde(rename = "E")]
    published: i64,
    o: Order,
}

#[derive(Deserialize)]
pub(crate) struct Order {
    s: String,
    #[serde(rename = "S")]
    side: String,
    ap: String,
    #[serde(rename = "X")]
    status: String,
    z: String,
    #[serde(rename = "T")]
    at: i64,
    st: Option<i64>,
}

#[derive(Deserialize)]
pub(crate) struct AggTrade {
    e: String,
    #[serde(rename = "E")]
    published: i64,
    a: i64,
    s: String,
    p: String,
    q: String,
    #[serde(rename = "T")]
    at: i64,
    m: bool,
}

#[derive(Deserialize)]
pub(crate) struct MarkPrice {
    e: String,
    #[serde(rename = "E")]
    published: i64,
    s: String,
    p: String,
    i: String,
    r: String,
    #[serde(rename = "T")]
    next: i64,
}

#[derive(Deserialize)]
pub(crate) struct Topic<T> {
    #[serde(rename = "topic")]
    name: String,
    ts: i64,
    data: T,
}

#[derive(Deserialize)]
pub(crate) struct BybitRow {
    #[serde(rename = "T")]
    at: i64,
    s: String,
    #[serde(rename = "S")]
    side: String,
    v: String,
    p: String,
    i: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Ticker {
    symbol: String,
    mark_price: Option<String>,
    index_price: Option<String>,
    single_open_interest: Option<String>,
    single_open_interest_value: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct Push<T> {
    arg: Arg,
    data: Vec<T>,
}

#[derive(Deserialize)]
pub(crate) struct Arg {
    channel: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OkxLiquidations {
    inst_id: String,
    details: Vec<Detail>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Detail {
    side: String,
    pos_side: String,
    bk_px: String,
    sz: String,
    ts: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OkxTrade {
    inst_id: String,
    trade_id: String,
    px: String,
    sz: String,
    side: String,
    ts: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OkxMark {
    inst_id: String,
    mark_px: String,
    ts: String,
}

#[derive(Deserialize)]
pub(crate) struct Channel<T> {
    channel: String,
    data: T,
}

#[derive(Deserialize)]
pub(crate) struct UserFills {
    user: String,
    fills: Vec<Fill>,
}

#[derive(Deserialize)]
pub(crate) struct Fill {
    coin: String,
    px: String,
    sz: String,
    side: String,
    time: i64,
    dir: String,
    liquidation: Option<Liquidation>,
    tid: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Liquidation {
    liquidated_user: String,
    method: String,
}

#[derive(Deserialize)]
pub(crate) struct HyperliquidTrade {
    coin: String,
    px: String,
    side: String,
    sz: String,
    tid: i64,
    time: i64,
}

#[derive(Deserialize)]
pub(crate) struct ActiveContext {
    coin: String,
    ctx: Context,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Context {
    funding: String,
    open_interest: String,
    mark_px: String,
    oracle_px: String,
}
