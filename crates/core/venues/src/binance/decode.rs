//! Binance's frames, read.

use cascade_domain::{Coverage, PriceKind, Side, Taker, Venue};
use serde_json::value::RawValue;

use super::wire::{Envelope, ForceOrder, Kind, MarkPrice, Trade};
use crate::instruments::Market;
use crate::number::{Number, cut, unit_price};
use crate::print::{Liquidated, Marked, Nature, Prints, TradeId, Traded};
use crate::wire::{Integer, by_parts, each_row, price_if_told, rate_if_told, read, time_if_told, told};
use crate::{Ack, DecodeError, Decoded, Instruments, Meaning};

/// Liquidations: the average fill, the largest of a symbol's second.
const NATURE: Nature = Nature { price_kind: PriceKind::Fill, coverage: Coverage::Sampled };
/// What `st` says of a COIN-M event.
const COIN_MARGINED: Integer = Integer(2);

/// The channels that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Channel {
    ForceOrder,
    AggregateTrade,
    SingleTrade,
    MarkPrice,
    Other(&'static str),
}

impl Channel {
    /// The channel of a stream's name: `!forceOrder@arr`, `btcusdt@markPrice@1s`.
    fn of_stream(stream: &str) -> Result<Self, DecodeError> {
        let mut parts = stream.split('@');
        let (first, second) = (parts.next().unwrap_or_default(), parts.next());
        let name = match first.strip_prefix('!') {
            Some(name) => name,
            None => second.unwrap_or(first),
        };
        let unknown = || DecodeError::UnknownKind(cut(stream, 64));
        match name {
            "forceOrder" => Ok(Self::ForceOrder),
            "aggTrade" => Ok(Self::AggregateTrade),
            "trade" => Ok(Self::SingleTrade),
            "markPrice" => Ok(Self::MarkPrice),
            "bookTicker" => Ok(Self::Other("bookTicker")),
            "ticker" => Ok(Self::Other("ticker")),
            "miniTicker" => Ok(Self::Other("miniTicker")),
            "contractInfo" => Ok(Self::Other("contractInfo")),
            "compositeIndex" => Ok(Self::Other("compositeIndex")),
            "assetIndex" => Ok(Self::Other("assetIndex")),
            "indexPrice" => Ok(Self::Other("indexPrice")),
            _ if name.starts_with("depth") || name.starts_with("rpiDepth") => Ok(Self::Other("depth")),
            _ if name.to_ascii_lowercase().contains("kline_") => Ok(Self::Other("kline")),
            _ => Err(unknown()),
        }
    }

    /// The channel of a bare event's `e`.
    fn of_event(event: &str) -> Result<Self, DecodeError> {
        match event {
            "forceOrder" => Ok(Self::ForceOrder),
            "aggTrade" => Ok(Self::AggregateTrade),
            "trade" => Ok(Self::SingleTrade),
            "markPriceUpdate" => Ok(Self::MarkPrice),
            "depthUpdate" => Ok(Self::Other("depth")),
            "bookTicker" => Ok(Self::Other("bookTicker")),
            "24hrTicker" => Ok(Self::Other("ticker")),
            "24hrMiniTicker" => Ok(Self::Other("miniTicker")),
            "contractInfo" => Ok(Self::Other("contractInfo")),
            "compositeIndex" => Ok(Self::Other("compositeIndex")),
            "assetIndexUpdate" => Ok(Self::Other("assetIndex")),
            "indexPriceUpdate" => Ok(Self::Other("indexPrice")),
            "kline" | "continuous_kline" | "indexPrice_kline" | "markPrice_kline" => Ok(Self::Other("kline")),
            _ => Err(DecodeError::UnknownKind(cut(event, 64))),
        }
    }
}

/// Reads one frame.
pub(super) fn decode(
    frame: &str,
    instruments: &Instruments,
    out: &mut Decoded,
) -> Result<Meaning, DecodeError> {
    let frame = frame.trim_ascii();
    if frame.starts_with('[') {
        let rows: Vec<&RawValue> = read(frame)?;
        let first: Kind<'_> = read(rows.first().map_or("{}", |row| row.get()))?;
        let event = told(first.event.as_ref()).ok_or_else(no_frame)?;
        return body(Channel::of_event(event)?, frame, instruments, out);
    }
    by_parts(frame, out, |around, data, out| {
        let envelope: Envelope<'_> = read(around)?;
        if let (Some(stream), Some(data)) = (&envelope.stream, data.or(envelope.data.map(RawValue::get))) {
            return body(Channel::of_stream(stream)?, data, instruments, out);
        }
        if let Some(event) = told(envelope.event.as_ref()) {
            return body(Channel::of_event(event)?, frame, instruments, out);
        }
        answer(&envelope)
    })
}

fn no_frame() -> DecodeError {
    DecodeError::Malformed("neither a stream, an event nor an answer".to_owned())
}

/// An answer to SUBSCRIBE: `{"result":null,"id":1}`, `{"error":{"code":2,"msg":""},"id":1}`, `{"code":2,"msg":""}`.
fn answer(envelope: &Envelope<'_>) -> Result<Meaning, DecodeError> {
    let ack = told(envelope.id.as_ref()).map(|id| Ack::Request(cut(id, 64)));
    let (code, msg) = match &envelope.error {
        Some(failure) => (told(failure.code.as_ref()), told(failure.msg.as_ref())),
        None => (told(envelope.code.as_ref()), told(envelope.msg.as_ref())),
    };
    if envelope.error.is_some() || msg.is_some() {
        let reason = format!("{} {}", code.unwrap_or("-"), cut(msg.unwrap_or("no reason"), 200));
        return Ok(Meaning::Refused { ack, reason });
    }
    ack.map(|ack| Meaning::Acknowledged(vec![ack])).ok_or_else(no_frame)
}

fn body(
    channel: Channel,
    data: &str,
    instruments: &Instruments,
    out: &mut Decoded,
) -> Result<Meaning, DecodeError> {
    let mut passed = None;
    let mut prints = Prints::new(Venue::Binance, instruments);
    match channel {
        Channel::ForceOrder => each_row(data, out, |row: ForceOrder<'_>, out| {
            if &*row.order.status != "FILLED" {
                passed = Some("forceOrder not filled");
                return Ok(());
            }
            force_order(&row, &mut prints, out)
        })?,
        Channel::AggregateTrade => {
            each_row(data, out, |row: Trade<'_>, out| trade(&row, ("a", row.a), &mut prints, out))?;
        }
        Channel::SingleTrade => each_row(data, out, |row: Trade<'_>, out| {
            if matches!(told(row.kind.as_ref()), Some("INSURANCE_FUND" | "ADL" | "NA")) {
                passed = Some("trade outside the market");
                return Ok(());
            }
            trade(&row, ("t", row.t), &mut prints, out)
        })?,
        Channel::MarkPrice => each_row(data, out, |row: MarkPrice<'_>, out| mark(&row, &mut prints, out))?,
        Channel::Other(name) => return Ok(Meaning::Ignored(name)),
    }
    let nothing = out.events.is_empty() && out.refused.is_empty();
    Ok(passed.filter(|_| nothing).map_or(Meaning::Market, Meaning::Ignored))
}

/// The market of a row; `st` = 2 says that it counts in contracts.
fn market(symbol: &str, st: Option<Integer>, prints: &Prints<'_>) -> Result<Market, DecodeError> {
    let market = prints.market(symbol)?;
    Ok(if st == Some(COIN_MARGINED) { market.in_contracts() } else { market })
}

fn force_order(row: &ForceOrder<'_>, prints: &mut Prints<'_>, out: &mut Decoded) -> Result<(), DecodeError> {
    let order = &row.order;
    let market = market(&order.symbol, order.st.or(row.st), prints)?;
    let side = match &*order.side {
        "SELL" => Side::closed_by(Taker::Sell),
        "BUY" => Side::closed_by(Taker::Buy),
        other => return Err(DecodeError::UnknownSide(cut(other, 32))),
    };
    let liquidated = Liquidated {
        side,
        price: Number::positive("ap", &order.average_price)?,
        quantity: Number::positive("z", &order.filled)?,
        at: order.at.time("T")?,
        trade: None,
        account: None,
    };
    prints.published = Some(row.published.time("E")?);
    prints.liquidation(&market, &liquidated, NATURE, out)
}

fn trade(
    row: &Trade<'_>,
    (series, id): (&'static str, Option<Integer>),
    prints: &mut Prints<'_>,
    out: &mut Decoded,
) -> Result<(), DecodeError> {
    if row.spot.is_some() {
        return Err(DecodeError::NotPerpetual(format!("{} (spot)", cut(&row.symbol, 40))));
    }
    let id = id.ok_or_else(|| DecodeError::Malformed(format!("a trade without `{series}`")))?;
    let market = market(&row.symbol, row.st, prints)?;
    let traded = Traded {
        id: TradeId::Counted(series, id.0),
        side: if row.buyer_is_maker { Taker::Sell } else { Taker::Buy },
        price: Number::positive("p", &row.price)?,
        quantity: Number::positive("q", &row.quantity)?,
        at: row.at.time("T")?,
    };
    prints.published = Some(row.published.time("E")?);
    prints.trade(&market, &traded, out)
}

fn mark(row: &MarkPrice<'_>, prints: &mut Prints<'_>, out: &mut Decoded) -> Result<(), DecodeError> {
    let market = prints.market(&row.symbol)?;
    let unit = |price: Option<Number<'_>>| price.map(|price| unit_price(&market, &price)).transpose();
    let figures = Marked {
        mark_price: unit(price_if_told("p", row.mark.as_ref())?)?,
        index_price: unit(price_if_told("i", row.index.as_ref())?)?,
        funding_rate: rate_if_told("r", row.funding.as_ref())?,
        funding_interval_h: market.funding_interval_h.map(f64::from),
        next_funding: time_if_told("T", row.next_funding)?,
    };
    prints.mark(&market, figures, Some(row.published.time("E")?), out);
    Ok(())
}
