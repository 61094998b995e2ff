//! Bybit's frames, read.

use cascade_domain::{Coverage, EventTime, PriceKind, Side, Taker, Usd, Venue};
use serde_json::value::RawValue;

use super::wire::{Envelope, Liquidation, Ticker, Trade};
use crate::instruments::Market;
use crate::number::{Number, cut, dollars, half, nearest, unit_coins, unit_price};
use crate::print::{Liquidated, Marked, Nature, Prints, TradeId, Traded};
use crate::wire::{
    Integer, Text, by_parts, each_row, price_if_told, rate_if_told, read, size_if_told, time_if_told, told,
};
use crate::{Ack, DecodeError, Decoded, Instruments, Meaning};

/// Liquidations: every one, at the price at which the position was bankrupt.
const NATURE: Nature = Nature { price_kind: PriceKind::Bankruptcy, coverage: Coverage::Complete };

/// Reads one frame.
pub(super) fn decode(
    frame: &str,
    instruments: &Instruments,
    out: &mut Decoded,
) -> Result<Meaning, DecodeError> {
    by_parts(frame, out, |around, data, out| {
        let envelope: Envelope<'_> = read(around)?;
        let Some(topic) = told(envelope.topic.as_ref()) else {
            return answer(&envelope);
        };
        let stamp = envelope.ts.unwrap_or_default();
        push(topic, stamp, data.or(envelope.data.map(RawValue::get)), instruments, out)
    })
}

fn push(
    topic: &str,
    stamp: Integer,
    data: Option<&str>,
    instruments: &Instruments,
    out: &mut Decoded,
) -> Result<Meaning, DecodeError> {
    let mut prints = Prints::new(Venue::Bybit, instruments);
    let data = || data.ok_or_else(|| DecodeError::Malformed("a topic without data".to_owned()));
    match topic.split('.').next().unwrap_or_default() {
        "allLiquidation" => {
            prints.published = Some(stamp.time("ts")?);
            each_row(data()?, out, |row: Liquidation<'_>, out| liquidation(&row, &mut prints, out))?;
        }
        "publicTrade" => {
            prints.published = Some(stamp.time("ts")?);
            each_row(data()?, out, |row: Trade<'_>, out| trade(&row, &prints, out))?;
        }
        "tickers" => {
            let at = stamp.time("ts")?;
            prints.published = Some(at);
            each_row(data()?, out, |row: Ticker<'_>, out| ticker(&row, at, &prints, out))?;
        }
        "orderbook" => return Ok(Meaning::Ignored("orderbook")),
        "kline" => return Ok(Meaning::Ignored("kline")),
        "priceLimit" => return Ok(Meaning::Ignored("priceLimit")),
        "insurance" => return Ok(Meaning::Ignored("insurance")),
        "adlAlert" => return Ok(Meaning::Ignored("adlAlert")),
        _ => return Err(DecodeError::UnknownKind(cut(topic, 64))),
    }
    Ok(Meaning::Market)
}

/// An answer: to a subscription by its `req_id`, or to a ping.
fn answer(envelope: &Envelope<'_>) -> Result<Meaning, DecodeError> {
    let words = told(envelope.ret_msg.as_ref());
    let ack = told(envelope.req_id.as_ref()).map(|id| Ack::Request(cut(id, 64)));
    match (told(envelope.op.as_ref()), envelope.success) {
        (Some("ping" | "pong"), _) => Ok(Meaning::Pong),
        (Some("subscribe"), Some(true)) => Ok(Meaning::Acknowledged(ack.into_iter().collect())),
        (Some("unsubscribe"), Some(true)) => Ok(Meaning::Ignored("unsubscribe")),
        (Some(_), Some(false)) => {
            Ok(Meaning::Refused { ack, reason: cut(words.unwrap_or("no reason"), 200) })
        }
        (Some(op), _) => Err(DecodeError::UnknownKind(cut(op, 64))),
        (None, Some(_)) => Err(DecodeError::UnknownKind("an answer without op".to_owned())),
        (None, None) => Err(DecodeError::Malformed("neither a topic nor an answer".to_owned())),
    }
}

fn liquidation(row: &Liquidation<'_>, prints: &mut Prints<'_>, out: &mut Decoded) -> Result<(), DecodeError> {
    let market = prints.market(&row.symbol)?;
    let side = match &*row.side {
        "Buy" => Side::Long,
        "Sell" => Side::Short,
        other => return Err(DecodeError::UnknownSide(cut(other, 32))),
    };
    let liquidated = Liquidated {
        side,
        price: Number::positive("p", &row.price)?,
        quantity: Number::positive("v", &row.size)?,
        at: row.at.time("T")?,
        trade: None,
        account: None,
    };
    prints.liquidation(&market, &liquidated, NATURE, out)
}

fn trade(row: &Trade<'_>, prints: &Prints<'_>, out: &mut Decoded) -> Result<(), DecodeError> {
    let market = prints.market(&row.symbol)?;
    let side = match &*row.side {
        "Buy" => Taker::Buy,
        "Sell" => Taker::Sell,
        other => return Err(DecodeError::UnknownSide(cut(other, 32))),
    };
    let traded = Traded {
        id: TradeId::Named(&row.id),
        side,
        price: Number::positive("p", &row.price)?,
        quantity: Number::positive("v", &row.size)?,
        at: row.at.time("T")?,
    };
    prints.trade(&market, &traded, out)
}

fn ticker(
    row: &Ticker<'_>,
    at: EventTime,
    prints: &Prints<'_>,
    out: &mut Decoded,
) -> Result<(), DecodeError> {
    let market = prints.market(&row.symbol)?;
    let unit = |price: Option<Number<'_>>| price.map(|price| unit_price(&market, &price)).transpose();
    let figures = Marked {
        mark_price: unit(price_if_told("markPrice", row.mark_price.as_ref())?)?,
        index_price: unit(price_if_told("indexPrice", row.index_price.as_ref())?)?,
        funding_rate: rate_if_told("fundingRate", row.funding_rate.as_ref())?,
        funding_interval_h: price_if_told("fundingIntervalHour", row.funding_interval_hour.as_ref())?
            .map(|hours| hours.double),
        next_funding: next_funding(row.next_funding_time)?,
    };
    let sizes = open_interest(row, &market)?;
    // First what is new: the mark confirms the open interest that is known then.
    prints.open_interest(&market, sizes, Some(at), out);
    prints.mark(&market, figures, Some(at), out);
    Ok(())
}

fn next_funding(time: Option<Integer>) -> Result<Option<EventTime>, DecodeError> {
    time_if_told("nextFundingTime", time)
}

/// Coins and dollars of one side. Linear contracts count coins and value dollars, inverse ones the other way round.
/// A delta that does not carry what is counted is no sample: the value alone moves with the price.
fn open_interest(row: &Ticker<'_>, market: &Market) -> Result<(Option<f64>, Option<Usd>), DecodeError> {
    let count = one_side(
        ("singleOpenInterest", row.single_open_interest.as_ref()),
        ("openInterest", row.open_interest.as_ref()),
    )?;
    let value = one_side(
        ("singleOpenInterestValue", row.single_open_interest_value.as_ref()),
        ("openInterestValue", row.open_interest_value.as_ref()),
    )?;
    let Some(count) = count else { return Ok((None, None)) };
    if market.is_inverse() {
        return Ok((value.map(|value| nearest(value.decimal)), Some(dollars(&count)?)));
    }
    Ok((Some(unit_coins(market, &count)?), value.map(|value| dollars(&value)).transpose()?))
}

/// The one-sided figure, else half of the two-sided one.
fn one_side<'a>(
    single: (&'static str, Option<&'a Text<'_>>),
    both: (&'static str, Option<&'a Text<'_>>),
) -> Result<Option<Number<'a>>, DecodeError> {
    if let Some(single) = size_if_told(single.0, single.1)? {
        return Ok(Some(single));
    }
    Ok(size_if_told(both.0, both.1)?.map(|both| half(&both)))
}
