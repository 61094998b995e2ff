//! Hyperliquid's frames, read.

use std::collections::BTreeSet;

use cascade_domain::{Coverage, IdHasher, PriceKind, Side, Taker, Venue};
use serde_json::value::RawValue;

use super::topic;
use super::wire::{ActiveContext, Envelope, Fill, Liquidation, Request, Subscription, Trade, UserFills};
use crate::number::{Number, cut, unit_coins, unit_price, worth};
use crate::print::{Liquidated, Marked, Nature, Prints, TradeId, Traded};
use crate::wire::{by_parts, each_row, price_if_told, rate_if_told, read, size_if_told, told};
use crate::{Ack, DecodeError, Decoded, Instruments, Meaning};

/// Liquidations: fills of the vaults that are followed, so only some of them.
const NATURE: Nature = Nature { price_kind: PriceKind::Fill, coverage: Coverage::Partial };
/// The `dir` of a fill that took a winning position to cover a loss: no liquidation, whatever object it carries.
pub(super) const DELEVERAGING: &str = "Auto-Deleveraging";
/// Funding is paid every hour, by the venue's rules.
const FUNDING_HOURS: f64 = 1.0;

/// Reads one frame.
pub(super) fn decode(
    frame: &str,
    instruments: &Instruments,
    out: &mut Decoded,
) -> Result<Meaning, DecodeError> {
    by_parts(frame, out, |around, data, out| {
        let envelope: Envelope<'_> = read(around)?;
        push(&envelope.channel, data.or(envelope.data.map(RawValue::get)), instruments, out)
    })
}

fn push(
    channel: &str,
    data: Option<&str>,
    instruments: &Instruments,
    out: &mut Decoded,
) -> Result<Meaning, DecodeError> {
    let data = || data.ok_or_else(|| DecodeError::Malformed("a channel without data".to_owned()));
    let mut prints = Prints::new(Venue::Hyperliquid, instruments);
    match channel {
        "trades" => each_row(data()?, out, |row: Trade<'_>, out| trade(&row, &prints, out))?,
        "activeAssetCtx" => {
            each_row(data()?, out, |row: ActiveContext<'_>, out| context(&row, &prints, out))?;
        }
        "userFills" => return fills(data()?, &mut prints, out),
        "subscriptionResponse" => return subscribed(data()?),
        "error" => return Ok(refused(data()?)),
        "pong" => return Ok(Meaning::Pong),
        "l2Book" => return Ok(Meaning::Ignored("l2Book")),
        "bbo" => return Ok(Meaning::Ignored("bbo")),
        "allMids" => return Ok(Meaning::Ignored("allMids")),
        "candle" => return Ok(Meaning::Ignored("candle")),
        "activeSpotAssetCtx" => return Ok(Meaning::Ignored("activeSpotAssetCtx")),
        // Without names: their order is that of a list which may have changed since it was read.
        "allDexsAssetCtxs" | "assetCtxs" | "fastAssetCtxs" => return Ok(Meaning::Ignored("assetCtxs")),
        "notification"
        | "webData2"
        | "webData3"
        | "user"
        | "userEvents"
        | "orderUpdates"
        | "userFundings"
        | "userNonFundingLedgerUpdates" => return Ok(Meaning::Ignored("user")),
        other => return Err(DecodeError::UnknownKind(cut(other, 64))),
    }
    Ok(Meaning::Market)
}

/// A subscription's name as its acknowledgement echoes it.
fn ack(subscription: &Subscription<'_>) -> Ack {
    let what = told(subscription.coin.as_ref()).or_else(|| told(subscription.user.as_ref()));
    Ack::Topic(cut(&topic(&subscription.kind, what.unwrap_or_default()), 100))
}

fn subscribed(data: &str) -> Result<Meaning, DecodeError> {
    let request: Request<'_> = read(data)?;
    if told(request.method.as_ref()) == Some("unsubscribe") {
        return Ok(Meaning::Ignored("unsubscribe"));
    }
    Ok(Meaning::Acknowledged(vec![ack(&request.subscription)]))
}

/// A refusal is a sentence; most of them end with the request (or its subscription) in JSON.
fn refused(data: &str) -> Meaning {
    let words = serde_json::from_str::<String>(data).unwrap_or_else(|_| data.to_owned());
    let json = words.find('{').map(|at| &words[at..]);
    let ack = json.and_then(|json| {
        let whole = serde_json::from_str::<Request<'_>>(json).map(|request| ack(&request.subscription));
        whole
            .or_else(|_| {
                serde_json::from_str::<Subscription<'_>>(json).map(|subscription| ack(&subscription))
            })
            .ok()
    });
    Meaning::Refused { ack, reason: cut(&words, 200) }
}

/// The side of an order or a trade: B buys, A sells.
pub(super) fn taker(side: &str) -> Result<Taker, DecodeError> {
    match side {
        "B" => Ok(Taker::Buy),
        "A" => Ok(Taker::Sell),
        other => Err(DecodeError::UnknownSide(cut(other, 32))),
    }
}

fn trade(row: &Trade<'_>, prints: &Prints<'_>, out: &mut Decoded) -> Result<(), DecodeError> {
    let market = prints.market(&row.coin)?;
    let traded = Traded {
        id: TradeId::Counted("tid", row.tid.0),
        side: taker(&row.side)?,
        price: Number::positive("px", &row.px)?,
        quantity: Number::positive("sz", &row.sz)?,
        at: row.time.time("time")?,
    };
    prints.trade(&market, &traded, out)
}

fn context(row: &ActiveContext<'_>, prints: &Prints<'_>, out: &mut Decoded) -> Result<(), DecodeError> {
    let market = prints.market(&row.coin)?;
    let mark = price_if_told("markPx", row.ctx.mark_px.as_ref())?;
    let oracle = price_if_told("oraclePx", row.ctx.oracle_px.as_ref())?;
    let open = size_if_told("openInterest", row.ctx.open_interest.as_ref())?;
    let unit = |price: Option<Number<'_>>| price.map(|price| unit_price(&market, &price)).transpose();
    let figures = Marked {
        mark_price: unit(mark)?,
        index_price: unit(oracle)?,
        funding_rate: rate_if_told("funding", row.ctx.funding.as_ref())?,
        funding_interval_h: Some(FUNDING_HOURS),
        next_funding: None,
    };
    let coins = open.map(|open| unit_coins(&market, &open)).transpose()?;
    let usd = open.zip(mark).map(|(open, mark)| worth(&open, &mark)).transpose()?;
    prints.mark(&market, figures, None, out);
    prints.open_interest(&market, (coins, usd), None, out);
    Ok(())
}

fn fills(data: &str, prints: &mut Prints<'_>, out: &mut Decoded) -> Result<Meaning, DecodeError> {
    let frame: UserFills<'_> = read(data)?;
    if frame.is_snapshot {
        return Ok(Meaning::Ignored("snapshot"));
    }
    let mut counted = BTreeSet::new();
    each_row(frame.fills.get(), out, |row: Fill<'_>, out| {
        // A fill without the object is a vault's own trading.
        let Some(liquidation) = &row.liquidation else { return Ok(()) };
        if told(row.dir.as_ref()) == Some(DELEVERAGING) || !counted.insert(row.tid.0) {
            return Ok(());
        }
        let liquidated = liquidated(&row, liquidation, &frame.user)?;
        prints.liquidation(&prints.market(&row.coin)?, &liquidated, NATURE, out)
    })?;
    Ok(Meaning::Market)
}

fn liquidated<'a>(
    row: &'a Fill<'_>,
    liquidation: &Liquidation<'_>,
    user: &str,
) -> Result<Liquidated<'a>, DecodeError> {
    let victim = told(liquidation.liquidated_user.as_ref());
    let is_victims = victim.is_some_and(|victim| victim.eq_ignore_ascii_case(user));
    let named = told(row.dir.as_ref()).and_then(victim_side);
    let side = victims_side(row, liquidation, is_victims, named)?;
    as_told(row, liquidation, side)
}

/// The side of the position that was liquidated, from one of the two rows of the trade. The row's `side` is that of
/// its own user: the victim's own row closes the victim's position, the other row is the other side of that.
///
/// # Errors
/// An unknown side or method; a backstop whose `dir` (`named`) contradicts the row.
pub(super) fn victims_side(
    row: &Fill<'_>,
    liquidation: &Liquidation<'_>,
    is_victims: bool,
    named: Option<Side>,
) -> Result<Side, DecodeError> {
    let closing = match (is_victims, taker(&row.side)?) {
        (true, own) => own,
        (false, Taker::Buy) => Taker::Sell,
        (false, Taker::Sell) => Taker::Buy,
    };
    let side = Side::closed_by(closing);
    match &*liquidation.method {
        "backstop" if named.is_some_and(|named| named != side) => {
            let dir = cut(row.dir.as_deref().unwrap_or_default(), 48);
            Err(DecodeError::UnknownSide(format!("`{dir}` on a row of side {}", cut(&row.side, 8))))
        }
        "market" | "backstop" => Ok(side),
        other => Err(DecodeError::UnknownKind(format!("liquidation by {}", cut(other, 48)))),
    }
}

/// The amounts, the time and the victim of a row whose victim's side is known.
///
/// # Errors
/// Amounts or times that are none.
pub(super) fn as_told<'a>(
    row: &'a Fill<'_>,
    liquidation: &Liquidation<'_>,
    side: Side,
) -> Result<Liquidated<'a>, DecodeError> {
    Ok(Liquidated {
        side,
        price: Number::positive("px", &row.px)?,
        quantity: Number::positive("sz", &row.sz)?,
        at: row.time.time("time")?,
        trade: Some(row.tid.0),
        account: told(liquidation.liquidated_user.as_ref()).map(|victim| {
            IdHasher::new("account")
                .text(Venue::Hyperliquid.as_str())
                .text(&victim.to_ascii_lowercase())
                .finish()
        }),
    })
}

/// The victim's side in `Liquidated Cross Long`, `Liquidated Isolated Short`. Any other `dir` is the row's own and
/// says nothing of the victim.
pub(super) fn victim_side(dir: &str) -> Option<Side> {
    let words = dir.strip_prefix("Liquidated ")?;
    if words.ends_with("Long") {
        Some(Side::Long)
    } else if words.ends_with("Short") {
        Some(Side::Short)
    } else {
        None
    }
}
