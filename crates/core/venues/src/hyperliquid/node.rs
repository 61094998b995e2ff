//! The fills that a node of one's own writes (`--write-fills`), read line by line: every liquidation of the venue.
//!
//! A line is one fill, `["0xuser", {fill}]`, or one block of them (`--batch-by-block`, and by the same shape
//! `--stream-with-block-info`), `{"local_time","block_time","block_number","events":[["0xuser",{fill}],..]}`. Pure:
//! where lines come from, and in which order files follow each other, is not known here. Nothing is kept from line
//! to line.
//!
//! **Which row counts.** Every trade is written twice, once for its buyer and once for its seller, and the object
//! `liquidation` stands on both rows. A trade counts once by its `tid`, on the victim's own row: that of
//! `liquidatedUser` (where that is missing: the taker's in a market liquidation, since victims take; in a backstop
//! the row whose side closes the position that `dir` names). In a block that lacks the victim's row the other row
//! counts in its place. Of single fills only the victim's row counts, since its partner is another line. The event's
//! id is made of the `tid` and the victim's side, so that what is told by two lines after all, or over WebSocket by a
//! vault's fills too, is stored once.
//!
//! **Which side.** A row's `side` is what its own user did, as maker or as taker alike: the victim who sells (A)
//! closes a long, the victim who buys (B) closes a short. Only on the other party's row it is the other way round
//! (that is what "invert on a maker row" means: victims take, so the maker's row is the other party's). `dir` of the
//! other party (`Open Short`) says nothing of the victim and is not read. Where the victim's row tells
//! `startPosition`, it must be the position that the row closes: above zero for a long, below for a short. A backstop
//! must name the position in `dir` (`Liquidated Cross Long`), on the victim's row or on the vault's, and the rows'
//! sides must agree with it.
//!
//! **Auto-deleveraging** (`dir` on either row of the trade) is no liquidation, although it carries the object: there
//! the "liquidated user" is the vault that could not bear the loss. Such trades are counted in
//! [`Decoded::auto_deleveraged`].

use std::collections::BTreeMap;

use cascade_domain::{Coverage, EventTime, GapStream, PriceKind, Side, Venue};

use super::decode::{DELEVERAGING, as_told, taker, victim_side, victims_side};
use super::wire::{Fill, Liquidation, NodeLine, Shape, UserFill};
use crate::number::{Number, cut};
use crate::print::{Nature, Prints};
use crate::wire::{Text, each_row, read, told};
use crate::{DecodeError, Decoded, Instruments, Meaning, Route, plan};

/// A node writes every fill of the venue.
const NATURE: Nature = Nature { price_kind: PriceKind::Fill, coverage: Coverage::Complete };
/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;

/// Whether a text has the shape of a node's line, and not that of a WebSocket frame.
pub fn is_node_line(text: &str) -> bool {
    let text = text.trim_ascii_start();
    if text.starts_with('[') {
        return true;
    }
    serde_json::from_str::<Shape>(text).is_ok_and(|shape| {
        let is_block = shape.events.is_some() && shape.block_number.is_some();
        let is_fill = shape.user.is_some() && shape.tid.is_some();
        shape.channel.is_none() && (is_block || is_fill)
    })
}

/// The route by which feeds, gaps and health know the fills in this directory: it carries the liquidations of all
/// symbols, and is silent when nothing is written for 30 s (somebody always trades).
pub fn node_route(directory: &str) -> Route {
    Route {
        venue: Venue::Hyperliquid,
        name: "node-0".to_owned(),
        url: directory.to_owned(),
        subscriptions: Vec::new(),
        frames_per_second: 1,
        keepalive: None,
        watch: plan::WATCH,
        market_wide: vec![GapStream::Liquidations],
        carries: Vec::new(),
        symbols: Vec::new(),
        renew_after: None,
    }
}

/// Reads one line of a node's fills: its liquidations and what was refused go into `out`, which is cleared first. A
/// line without a liquidation gives none. Events bear the id that the vaults' `userFills` give the same trade, the
/// block's time as their publish time (single fills tell none), and coverage `complete`.
///
/// # Errors
/// The line is no fill and no block. A row that is bad by itself is in `out.refused`, its neighbours are taken.
pub fn decode_node_line(
    line: &str,
    instruments: &Instruments,
    out: &mut Decoded,
) -> Result<Meaning, DecodeError> {
    out.clear();
    let line = line.trim_ascii();
    let mut prints = Prints::new(Venue::Hyperliquid, instruments);
    let mut rows = Vec::new();
    let mut is_block = false;
    if line.starts_with('[') {
        let UserFill(user, fill) = read(line)?;
        keep(user, fill.get(), &mut rows)?;
    } else {
        match read(line)? {
            NodeLine { events: Some(events), block_time, .. } => {
                is_block = true;
                prints.published = published(block_time.as_ref(), out);
                out.told_at = prints.published;
                each_row(events.get(), out, |UserFill(user, fill), _| keep(user, fill.get(), &mut rows))?;
            }
            NodeLine { user: Some(user), .. } => keep(user, line, &mut rows)?,
            NodeLine { .. } => {
                return Err(DecodeError::Malformed(format!("no fill and no block: {}", cut(line, 48))));
            }
        }
    }
    for trade in by_trade(rows) {
        if let Err(refusal) = count(&trade, is_block, &mut prints, out) {
            out.refused.push(refusal);
        }
    }
    Ok(Meaning::Market)
}

/// One row of a trade.
#[derive(Debug)]
struct Row<'a> {
    user: Text<'a>,
    fill: Fill<'a>,
}

impl Row<'_> {
    fn is_deleveraging(&self) -> bool {
        told(self.fill.dir.as_ref()) == Some(DELEVERAGING)
    }

    /// The victim's side, if `dir` names it.
    fn named(&self) -> Option<Side> {
        told(self.fill.dir.as_ref()).and_then(victim_side)
    }

    /// Whether the row is that of the liquidated user.
    fn is_victims(&self) -> bool {
        let Some(liquidation) = &self.fill.liquidation else { return false };
        if let Some(victim) = told(liquidation.liquidated_user.as_ref()) {
            return victim.eq_ignore_ascii_case(&self.user);
        }
        match (self.named(), taker(&self.fill.side)) {
            (Some(named), Ok(own)) => Side::closed_by(own) == named,
            _ => self.fill.crossed == Some(true),
        }
    }
}

/// Keeps a fill that may be of a liquidation. Nearly all are not, and are not read any further than that.
fn keep<'a>(user: Text<'a>, text: &'a str, rows: &mut Vec<Row<'a>>) -> Result<(), DecodeError> {
    if !text.starts_with('{') {
        return Err(DecodeError::Malformed(format!("no fill: {}", cut(text, 48))));
    }
    if text.contains("\"liquidation\"") || text.contains(DELEVERAGING) {
        let fill: Fill<'a> = read(text)?;
        if fill.liquidation.is_some() || told(fill.dir.as_ref()) == Some(DELEVERAGING) {
            rows.push(Row { user, fill });
        }
    }
    Ok(())
}

/// The rows of each trade, in the order in which the trades begin.
fn by_trade(rows: Vec<Row<'_>>) -> Vec<Vec<Row<'_>>> {
    let mut places = BTreeMap::new();
    let mut trades: Vec<Vec<Row<'_>>> = Vec::new();
    for row in rows {
        let place = *places.entry(row.fill.tid.0).or_insert(trades.len());
        match trades.get_mut(place) {
            Some(trade) => trade.push(row),
            None => trades.push(vec![row]),
        }
    }
    trades
}

/// Counts one trade, as a liquidation or as deleveraging, or not at all where its other row is the one that counts.
fn count(
    trade: &[Row<'_>],
    is_block: bool,
    prints: &mut Prints<'_>,
    out: &mut Decoded,
) -> Result<(), DecodeError> {
    if trade.iter().any(Row::is_deleveraging) {
        // Of a trade in two lines, the one of the user who lost a winning position.
        out.auto_deleveraged += u64::from(!trade.iter().all(Row::is_victims));
        return Ok(());
    }
    let victims = trade.iter().find(|row| row.is_victims());
    let Some(row) = victims.or(trade.first().filter(|_| is_block)) else { return Ok(()) };
    let Some(liquidation) = &row.fill.liquidation else { return Ok(()) };
    let side = side(row, liquidation, trade)?;
    let liquidated = as_told(&row.fill, liquidation, side)?;
    prints.liquidation(&prints.market(&row.fill.coin)?, &liquidated, NATURE, out)
}

/// The side of the liquidated position, by the rules that stand above.
fn side(row: &Row<'_>, liquidation: &Liquidation<'_>, trade: &[Row<'_>]) -> Result<Side, DecodeError> {
    let named = trade.iter().find_map(Row::named);
    let side = victims_side(&row.fill, liquidation, row.is_victims(), named)?;
    if &*liquidation.method == "backstop" && named.is_none() {
        let dir = cut(row.fill.dir.as_deref().unwrap_or_default(), 48);
        return Err(DecodeError::UnknownSide(format!("a backstop that names none: `{dir}`")));
    }
    if let Some(held) = told(row.fill.start_position.as_ref()).filter(|_| row.is_victims()) {
        let number = Number::parse("startPosition", held)?;
        let closes = match side {
            Side::Long => number.double >= 0.0,
            Side::Short => number.double <= 0.0,
        };
        if !closes {
            let (held, own) = (cut(held, 48), cut(&row.fill.side, 8));
            return Err(DecodeError::UnknownSide(format!("{own} on the victim's position of {held}")));
        }
    }
    Ok(side)
}

/// The block's time, if it tells one; what is none is refused by itself, and the block's fills are not.
fn published(block_time: Option<&Text<'_>>, out: &mut Decoded) -> Option<EventTime> {
    let text = told(block_time)?;
    let time = utc(text);
    if time.is_none() {
        out.refused.push(DecodeError::Malformed(format!("block_time is no time: {}", cut(text, 48))));
    }
    time
}

/// A time such as `2025-10-10T21:16:04.831874687`: UTC, which a node does not say; `Z` and `+00:00` are taken too. Cut
/// to the millisecond.
fn utc(text: &str) -> Option<EventTime> {
    let (date, time) = text.split_once('T')?;
    let time = time.strip_suffix('Z').or_else(|| time.strip_suffix("+00:00")).unwrap_or(time);
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let [hour, minute, second] = numbers(time, ':', [2, 2, 2])?;
    let is_date = (1..=12).contains(&month) && (1..=days_of(year, month)).contains(&day);
    if !is_date || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let seconds = (hour * 60 + minute) * 60 + second;
    let ms = days_before(year, month, day) * DAY_MS + seconds * 1000 + thousandths(fraction)?;
    Some(EventTime::from_ms(ms)).filter(|time| time.is_plausible())
}

/// Three numbers of so many digits each.
fn numbers(text: &str, between: char, digits: [usize; 3]) -> Option<[i64; 3]> {
    let mut parts = text.split(between);
    let mut next = |digits: usize| {
        let part = parts.next().filter(|p| p.len() == digits && p.bytes().all(|b| b.is_ascii_digit()))?;
        part.parse().ok()
    };
    let numbers = [next(digits[0])?, next(digits[1])?, next(digits[2])?];
    parts.next().is_none().then_some(numbers)
}

/// The first three of up to nine digits behind the point.
fn thousandths(fraction: &str) -> Option<i64> {
    let fine = (1..=9).contains(&fraction.len()) && fraction.bytes().all(|b| b.is_ascii_digit());
    let three = fraction.get(..3.min(fraction.len())).filter(|_| fine)?;
    format!("{three:0<3}").parse().ok()
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_of(year: i64, month: i64) -> i64 {
    match month {
        2 => 28 + i64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a date (Gregorian).
fn days_before(year: i64, month: i64, day: i64) -> i64 {
    let whole = |year: i64| year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    let months: i64 = (1..month).map(|month| days_of(year, month)).sum();
    whole(year - 1) - whole(1969) + months + day - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(text: &str) -> Option<i64> {
        utc(text).map(EventTime::ms)
    }

    #[test]
    fn a_block_time_is_utc_whatever_its_precision() {
        assert_eq!(ms("2025-10-10T21:16:04.831874687"), Some(1_760_130_964_831));
        assert_eq!(ms("2025-10-10T21:16:04.83"), Some(1_760_130_964_830));
        assert_eq!(ms("2025-10-10T21:16:04"), Some(1_760_130_964_000));
        assert_eq!(ms("2025-10-10T21:16:04.831874+00:00"), Some(1_760_130_964_831));
        assert_eq!(ms("2024-02-29T00:00:00.000Z"), Some(1_709_164_800_000));
        assert_eq!(ms("2026-01-01T00:00:00"), Some(1_767_225_600_000));
        assert_eq!(ms("2023-12-31T23:59:59.999999999"), Some(1_704_067_199_999));
    }

    #[test]
    fn what_is_no_time_of_an_exchange_is_none() {
        for text in [
            "",
            "T",
            "2025-10-10",
            "2025-10-10 21:16:04",
            "2025-13-10T21:16:04",
            "2025-02-29T21:16:04",
            "2025-10-00T21:16:04",
            "2025-10-10T24:16:04",
            "2025-10-10T21:60:04",
            "2025-10-10T21:16:61",
            "2025-10-10T21:16:04.",
            "2025-10-10T21:16:04.1234567890",
            "2025-10-10T21:16:04.12x",
            "2025-10-10T21:16:04+02:00",
            "2025-10-10T21:16:04.é",
            "0025-10-10T21:16:04",
            "9999-10-10T21:16:04",
            "+025-10-10T21:16:04",
            "2025-10-10-01T21:16:04",
            "1760130964831",
        ] {
            assert_eq!(ms(text), None, "{text:?}");
        }
    }
}
