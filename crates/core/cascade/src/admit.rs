//! What is let in: numbers that are numbers, and times that lie within the windows and not in the future.

use cascade_domain::{Event, EventTime, LargeTrade, Liquidation, Mark, OpenInterest, Tick, TradeBar, Usd};
use cascade_engine::Refused;

/// Refuses an event whose numbers can't be.
#[inline]
pub(crate) fn numbers(event: &Event) -> Result<(), Refused> {
    let sound = match event {
        Event::Liquidation(e) => liquidation(e),
        Event::Mark(e) => mark(e),
        Event::OpenInterest(e) => open_interest(e),
        Event::TradeBar(e) => trade_bar(e),
        Event::LargeTrade(e) => large_trade(e),
        Event::Tick(e) => tick(e),
        Event::Gap(_) | Event::FeedHealth(_) | Event::Trade(_) => true,
    };
    if sound { Ok(()) } else { Err(Refused::NotANumber) }
}

/// Refuses a time that no event of an exchange can bear, or one beyond `latest`.
#[inline]
pub(crate) fn time(at: EventTime, latest: Option<EventTime>) -> Result<(), Refused> {
    if at < EventTime::EARLIEST {
        return Err(Refused::Late);
    }
    if at > EventTime::LATEST || latest.is_some_and(|latest| at > latest) {
        return Err(Refused::FromTheFuture);
    }
    Ok(())
}

fn amount(value: f64) -> bool {
    value.is_finite() && value >= 0.0
}

fn price(value: Option<f64>) -> bool {
    value.is_none_or(|value| value.is_finite() && value > 0.0)
}

fn money(value: Usd) -> bool {
    (Usd::ZERO..=Usd::LARGEST_EVENT).contains(&value)
}

fn liquidation(e: &Liquidation) -> bool {
    amount(e.price) && amount(e.quantity) && money(e.notional_usd)
}

fn mark(e: &Mark) -> bool {
    price(e.mark_price)
        && price(e.index_price)
        && e.funding_rate.is_none_or(f64::is_finite)
        && price(e.funding_interval_h)
}

fn open_interest(e: &OpenInterest) -> bool {
    e.coins.is_none_or(amount) && e.usd.is_none_or(|usd| usd >= Usd::ZERO)
}

fn trade_bar(e: &TradeBar) -> bool {
    [e.open, e.high, e.low, e.close, e.buy_quantity, e.sell_quantity].into_iter().all(amount)
        && [e.buy_usd, e.sell_usd, e.largest_usd].into_iter().all(|usd| usd >= Usd::ZERO)
}

fn large_trade(e: &LargeTrade) -> bool {
    amount(e.price) && amount(e.quantity) && money(e.notional_usd)
}

fn tick(e: &Tick) -> bool {
    price(e.btc_price) && e.btc_usd_volume_1s.is_none_or(|usd| usd >= Usd::ZERO)
}
