//! Builds events from what a venue's row says: amounts, ids, and the fields that are the same for all rows of a frame.
//!
//! Knows no wire format. One `Prints` lives as long as the decoding of one frame.

use std::collections::BTreeMap;

use cascade_domain::{
    Coverage, Event, EventTime, Id, IdHasher, Instrument, Liquidation, Mark, OpenInterest, PriceKind, Side,
    Taker, Trade, Usd, Venue,
};

use crate::instruments::Market;
use crate::number::{Number, amount};
use crate::{DecodeError, Decoded, Instruments};

/// What makes two liquidations of a frame equal.
type Equal = (Instrument, Side, u64, u64, EventTime);

/// The events of one frame.
#[derive(Debug)]
pub(crate) struct Prints<'i> {
    venue: Venue,
    instruments: &'i Instruments,
    /// When the frame (or the row at hand) was published, where it tells.
    pub(crate) published: Option<EventTime>,
    first: Option<Equal>,
    counts: BTreeMap<Equal, i64>,
}

/// A liquidation as a row tells it.
#[derive(Debug)]
pub(crate) struct Liquidated<'a> {
    pub(crate) side: Side,
    pub(crate) price: Number<'a>,
    pub(crate) quantity: Number<'a>,
    pub(crate) at: EventTime,
    /// The venue's own id of the trade, where it has one, and the hash of the liquidated user.
    pub(crate) trade: Option<i64>,
    pub(crate) account: Option<Id>,
}

/// A trade as a row tells it.
#[derive(Debug)]
pub(crate) struct Traded<'a> {
    pub(crate) id: TradeId<'a>,
    pub(crate) side: Taker,
    pub(crate) price: Number<'a>,
    pub(crate) quantity: Number<'a>,
    pub(crate) at: EventTime,
}

/// A venue's own id of a trade. Binance counts single trades and aggregates apart.
#[derive(Clone, Copy, Debug)]
pub(crate) enum TradeId<'a> {
    /// A number, in the series of this name.
    Counted(&'static str, i64),
    /// A text.
    Named(&'a str),
}

/// What a venue's liquidations are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Nature {
    pub(crate) price_kind: PriceKind,
    pub(crate) coverage: Coverage,
}

/// Marks as a row tells them, already per base coin.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Marked {
    pub(crate) mark_price: Option<f64>,
    pub(crate) index_price: Option<f64>,
    pub(crate) funding_rate: Option<f64>,
    pub(crate) funding_interval_h: Option<f64>,
    pub(crate) next_funding: Option<EventTime>,
}

impl<'i> Prints<'i> {
    /// No event yet, of a frame that tells no publish time.
    pub(crate) const fn new(venue: Venue, instruments: &'i Instruments) -> Self {
        Self { venue, instruments, published: None, first: None, counts: BTreeMap::new() }
    }

    /// The market behind the venue's name.
    ///
    /// # Errors
    /// A name that is no market's, or of something that is no dollar-quoted perpetual.
    pub(crate) fn market(&self, name: &str) -> Result<Market, DecodeError> {
        self.instruments.market(self.venue, name)
    }

    /// Adds a liquidation.
    ///
    /// # Errors
    /// Amounts that are absurd, or in contracts of unknown size.
    pub(crate) fn liquidation(
        &mut self,
        market: &Market,
        row: &Liquidated<'_>,
        nature: Nature,
        out: &mut Decoded,
    ) -> Result<(), DecodeError> {
        let amount = amount(market, &row.price, &row.quantity)?;
        let hasher = IdHasher::new("liquidation").text(self.venue.as_str()).text(market.instrument.as_str());
        let hasher = hasher.text(row.side.as_str());
        let id = if let Some(trade) = row.trade {
            hasher.text("trade").int(trade).finish()
        } else {
            let index = self.index_among_equals((
                market.instrument,
                row.side,
                amount.price.to_bits(),
                amount.quantity.to_bits(),
                row.at,
            ));
            hasher.number(amount.price).number(amount.quantity).int(row.at.ms()).int(index).finish()
        };
        out.events.push(Event::Liquidation(Liquidation {
            id,
            venue: self.venue,
            symbol: market.symbol,
            instrument: market.instrument,
            side: row.side,
            price: amount.price,
            price_kind: nature.price_kind,
            quantity: amount.quantity,
            notional_usd: amount.usd,
            event_time_ms: row.at,
            published_at_ms: self.published,
            known_at_ms: None,
            coverage: nature.coverage,
            account: row.account,
        }));
        Ok(())
    }

    /// How many equal ones the frame already had. Most frames have one event and never reach the map.
    fn index_among_equals(&mut self, key: Equal) -> i64 {
        let Some(first) = self.first else {
            self.first = Some(key);
            return 0;
        };
        if self.counts.is_empty() {
            self.counts.insert(first, 1);
        }
        let count = self.counts.entry(key).or_insert(0);
        *count += 1;
        *count - 1
    }

    /// Adds a trade.
    ///
    /// # Errors
    /// Amounts that are absurd, or in contracts of unknown size.
    pub(crate) fn trade(
        &self,
        market: &Market,
        row: &Traded<'_>,
        out: &mut Decoded,
    ) -> Result<(), DecodeError> {
        let amount = amount(market, &row.price, &row.quantity)?;
        let hasher = IdHasher::new("trade").text(self.venue.as_str()).text(market.instrument.as_str());
        let id = match row.id {
            TradeId::Counted(series, number) => hasher.text(series).int(number),
            TradeId::Named(text) => hasher.text(text),
        };
        out.events.push(Event::Trade(Trade {
            id: id.finish(),
            venue: self.venue,
            symbol: market.symbol,
            instrument: market.instrument,
            side: row.side,
            price: amount.price,
            quantity: amount.quantity,
            notional_usd: amount.usd,
            event_time_ms: row.at,
            published_at_ms: self.published,
            known_at_ms: None,
        }));
        Ok(())
    }

    /// Adds marks, unless none was told.
    pub(crate) fn mark(&self, market: &Market, figures: Marked, at: Option<EventTime>, out: &mut Decoded) {
        let Marked { mark_price, index_price, funding_rate, funding_interval_h, next_funding } = figures;
        if mark_price.is_none() && index_price.is_none() && funding_rate.is_none() && next_funding.is_none() {
            return;
        }
        out.events.push(Event::Mark(Mark {
            venue: self.venue,
            symbol: market.symbol,
            instrument: market.instrument,
            mark_price,
            index_price,
            funding_rate,
            funding_interval_h,
            next_funding_time_ms: next_funding,
            event_time_ms: at,
            known_at_ms: None,
        }));
    }

    /// Adds a sample of open interest, unless nothing was told.
    pub(crate) fn open_interest(
        &self,
        market: &Market,
        (coins, usd): (Option<f64>, Option<Usd>),
        at: Option<EventTime>,
        out: &mut Decoded,
    ) {
        if coins.is_none() && usd.is_none() {
            return;
        }
        out.events.push(Event::OpenInterest(OpenInterest {
            venue: self.venue,
            symbol: market.symbol,
            instrument: market.instrument,
            coins,
            usd,
            inverse: market.is_inverse(),
            event_time_ms: at,
            published_at_ms: self.published,
            known_at_ms: None,
        }));
    }
}
