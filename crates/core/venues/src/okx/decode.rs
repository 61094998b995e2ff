//! OKX's frames, read.

use cascade_domain::{Coverage, PriceKind, Side, Taker, Venue};
use serde_json::value::RawValue;

use super::topic;
use super::wire::{Arg, Detail, Envelope, Liquidations, Mark, OpenInterest, Trade};
use crate::number::{Number, cut, dollars, unit_coins, unit_price};
use crate::print::{Liquidated, Marked, Nature, Prints, TradeId, Traded};
use crate::wire::{by_parts, each_row, price_if_told, rate_if_told, read, size_if_told, time_if_told, told};
use crate::{Ack, DecodeError, Decoded, Instruments, Meaning};

/// Liquidations: at most one a contract and second, at the price of the transfer to the system account.
const NATURE: Nature = Nature { price_kind: PriceKind::Bankruptcy, coverage: Coverage::Sampled };
/// Milliseconds of an hour.
const HOUR: f64 = 3_600_000.0;

/// Reads one frame.
pub(super) fn decode(
    frame: &str,
    instruments: &Instruments,
    out: &mut Decoded,
) -> Result<Meaning, DecodeError> {
    match frame.trim_ascii() {
        "pong" => return Ok(Meaning::Pong),
        "ping" => return Ok(Meaning::Reply("pong".to_owned())),
        _ => {}
    }
    by_parts(frame, out, |around, data, out| {
        let envelope: Envelope<'_> = read(around)?;
        if let Some(event) = told(envelope.event.as_ref()) {
            return answer(event, &envelope);
        }
        if let Some(table) = told(envelope.table.as_ref()) {
            return Err(DecodeError::UnknownKind(cut(table, 64)));
        }
        match (&envelope.arg, data.or(envelope.data.map(RawValue::get))) {
            (Some(arg), Some(data)) => push(&arg.channel, data, instruments, out),
            _ => Err(DecodeError::Malformed("neither a channel's push nor an answer".to_owned())),
        }
    })
}

/// An answer or a notice.
fn answer(event: &str, envelope: &Envelope<'_>) -> Result<Meaning, DecodeError> {
    let words = told(envelope.msg.as_ref()).unwrap_or("no reason");
    let reason = || format!("{} {}", told(envelope.code.as_ref()).unwrap_or("-"), cut(words, 200));
    let ack = || envelope.arg.as_ref().map(|arg| Ack::Topic(arg_topic(arg)));
    match event {
        "subscribe" => Ok(Meaning::Acknowledged(ack().into_iter().collect())),
        "unsubscribe" => Ok(Meaning::Ignored("unsubscribe")),
        "error" | "channel-conn-count-error" => {
            Ok(Meaning::Refused { ack: ack().or_else(|| topic_in(words)), reason: reason() })
        }
        "notice" => Ok(Meaning::Reconnect(reason())),
        "channel-conn-count" => Ok(Meaning::Ignored("channel-conn-count")),
        other => Err(DecodeError::UnknownKind(cut(other, 64))),
    }
}

/// A subscription's name as its acknowledgement echoes it.
fn arg_topic(arg: &Arg<'_>) -> String {
    let what = told(arg.inst_id.as_ref()).or_else(|| told(arg.inst_type.as_ref()));
    cut(&topic(&arg.channel, what.unwrap_or_default()), 100)
}

/// The subscription that a refusal names in its words: `channel:trades,instId:XYZ-USDT-SWAP doesn't exist`.
fn topic_in(words: &str) -> Option<Ack> {
    let (channel, rest) = words.split_once("channel:")?.1.split_once(',')?;
    let what = rest.strip_prefix("instId:").or_else(|| rest.strip_prefix("instType:"))?;
    let what = what.split([' ', ',']).next()?;
    Some(Ack::Topic(cut(&topic(channel, what), 100)))
}

fn push(
    channel: &str,
    data: &str,
    instruments: &Instruments,
    out: &mut Decoded,
) -> Result<Meaning, DecodeError> {
    let mut prints = Prints::new(Venue::Okx, instruments);
    match channel {
        "liquidation-orders" => {
            each_row(data, out, |row: Liquidations<'_>, out| {
                each_row(row.details.get(), out, |detail: Detail<'_>, out| {
                    liquidation(&row.inst_id, &detail, &mut prints, out)
                })
            })?;
        }
        "trades" => each_row(data, out, |row: Trade<'_>, out| trade(&row, &prints, out))?,
        "mark-price" | "funding-rate" => {
            each_row(data, out, |row: Mark<'_>, out| mark(&row.inst_id, &row, &prints, out))?;
        }
        "index-tickers" => each_row(data, out, |row: Mark<'_>, out| {
            // The index BTC-USDT is what BTC-USDT-SWAP follows.
            mark(&format!("{}-SWAP", cut(&row.inst_id, 64)), &row, &prints, out)
        })?,
        "open-interest" => {
            each_row(data, out, |row: OpenInterest<'_>, out| open_interest(&row, &mut prints, out))?;
        }
        "tickers" => return Ok(Meaning::Ignored("tickers")),
        "bbo-tbt" => return Ok(Meaning::Ignored("bbo-tbt")),
        "trades-all" => return Ok(Meaning::Ignored("trades-all")),
        "price-limit" => return Ok(Meaning::Ignored("price-limit")),
        "estimated-price" => return Ok(Meaning::Ignored("estimated-price")),
        "adl-warning" => return Ok(Meaning::Ignored("adl-warning")),
        "instruments" => return Ok(Meaning::Ignored("instruments")),
        "status" => return Ok(Meaning::Ignored("status")),
        "opt-summary" => return Ok(Meaning::Ignored("opt-summary")),
        name if name.starts_with("books") => return Ok(Meaning::Ignored("books")),
        name if name.contains("candle") => return Ok(Meaning::Ignored("candle")),
        name => return Err(DecodeError::UnknownKind(cut(name, 64))),
    }
    Ok(Meaning::Market)
}

pub(super) fn liquidation(
    name: &str,
    row: &Detail<'_>,
    prints: &mut Prints<'_>,
    out: &mut Decoded,
) -> Result<(), DecodeError> {
    let market = prints.market(name)?;
    let liquidated = Liquidated {
        side: side(row)?,
        price: Number::positive("bkPx", &row.bk_px)?,
        quantity: Number::positive("sz", &row.sz)?,
        at: row.ts.time("ts")?,
        trade: None,
        account: None,
    };
    prints.liquidation(&market, &liquidated, NATURE, out)
}

/// The position's side; in net mode the one that the order closes.
fn side(row: &Detail<'_>) -> Result<Side, DecodeError> {
    match (told(row.pos_side.as_ref()), told(row.side.as_ref())) {
        (Some("long"), _) => Ok(Side::Long),
        (Some("short"), _) => Ok(Side::Short),
        (Some("net") | None, Some("sell")) => Ok(Side::closed_by(Taker::Sell)),
        (Some("net") | None, Some("buy")) => Ok(Side::closed_by(Taker::Buy)),
        (position, order) => {
            let spelled = |side: Option<&str>| cut(side.unwrap_or("-"), 32);
            Err(DecodeError::UnknownSide(format!("posSide {} side {}", spelled(position), spelled(order))))
        }
    }
}

fn trade(row: &Trade<'_>, prints: &Prints<'_>, out: &mut Decoded) -> Result<(), DecodeError> {
    let market = prints.market(&row.inst_id)?;
    let side = match &*row.side {
        "buy" => Taker::Buy,
        "sell" => Taker::Sell,
        other => return Err(DecodeError::UnknownSide(cut(other, 32))),
    };
    let traded = Traded {
        id: TradeId::Named(&row.id),
        side,
        price: Number::positive("px", &row.px)?,
        quantity: Number::positive("sz", &row.sz)?,
        at: row.ts.time("ts")?,
    };
    prints.trade(&market, &traded, out)
}

fn mark(name: &str, row: &Mark<'_>, prints: &Prints<'_>, out: &mut Decoded) -> Result<(), DecodeError> {
    let market = prints.market(name)?;
    let unit = |price: Option<Number<'_>>| price.map(|price| unit_price(&market, &price)).transpose();
    let next_funding = time_if_told("fundingTime", row.funding_time)?;
    let after_next = time_if_told("nextFundingTime", row.next_funding_time)?;
    let interval = next_funding.zip(after_next).map(|(next, after)| after.since(next)).filter(|ms| *ms > 0);
    #[expect(clippy::cast_precision_loss, reason = "both times lie within ninety years")]
    let figures = Marked {
        mark_price: unit(price_if_told("markPx", row.px.as_ref())?)?,
        index_price: unit(price_if_told("idxPx", row.idx_px.as_ref())?)?,
        funding_rate: rate_if_told("fundingRate", row.funding_rate.as_ref())?,
        funding_interval_h: interval.map(|ms| ms as f64 / HOUR),
        next_funding,
    };
    prints.mark(&market, figures, time_if_told("ts", row.ts)?, out);
    Ok(())
}

/// Coins are what a sample is compared by: one that tells dollars alone would not be one of the same series.
pub(super) fn open_interest(
    row: &OpenInterest<'_>,
    prints: &mut Prints<'_>,
    out: &mut Decoded,
) -> Result<(), DecodeError> {
    let market = prints.market(&row.inst_id)?;
    let coins = size_if_told("oiCcy", row.oi_ccy.as_ref())?
        .ok_or_else(|| DecodeError::Malformed("open interest without `oiCcy`".to_owned()))?;
    let coins = Some(unit_coins(&market, &coins)?);
    let usd = size_if_told("oiUsd", row.oi_usd.as_ref())?.map(|usd| dollars(&usd)).transpose()?;
    let at = row.ts.time("ts")?;
    prints.published = Some(at);
    prints.open_interest(&market, (coins, usd), Some(at), out);
    Ok(())
}
