//! What makes no sense in an event, whoever wrote it.

use cascade_domain::{Event, EventTime, Usd};

use crate::WireError;

fn number(field: &'static str, value: f64, ok: bool) -> Result<(), WireError> {
    if ok && value.is_finite() {
        Ok(())
    } else {
        Err(WireError::BadNumber { field, value: value.to_string() })
    }
}

fn positive(field: &'static str, value: f64) -> Result<(), WireError> {
    number(field, value, value > 0.0)
}

fn not_negative(field: &'static str, value: f64) -> Result<(), WireError> {
    number(field, value, value >= 0.0)
}

fn money(field: &'static str, value: Usd) -> Result<(), WireError> {
    if value >= Usd::ZERO && value <= Usd::LARGEST_EVENT {
        Ok(())
    } else {
        Err(WireError::BadNumber { field, value: value.dollars().to_string() })
    }
}

fn time(field: &'static str, value: EventTime) -> Result<(), WireError> {
    if value.is_plausible() { Ok(()) } else { Err(WireError::BadTime { field, value: value.ms() }) }
}

/// Runs a check on a value that may be unknown.
fn known<T: Copy>(
    check: fn(&'static str, T) -> Result<(), WireError>,
    field: &'static str,
    value: Option<T>,
) -> Result<(), WireError> {
    value.map_or(Ok(()), |value| check(field, value))
}

/// Refuses an event whose figures make no sense: not finite, negative, a trillion dollars, a time in seconds.
pub(crate) fn check_event(event: &Event) -> Result<(), WireError> {
    known(time, "known_at_ms", event.known_at())?;
    match event {
        Event::Liquidation(e) => {
            positive("price", e.price)?;
            positive("quantity", e.quantity)?;
            money("notional_usd", e.notional_usd)?;
            known(time, "published_at_ms", e.published_at_ms)?;
            time("event_time_ms", e.event_time_ms)
        }
        Event::TradeBar(e) => {
            for (field, price) in [("open", e.open), ("high", e.high), ("low", e.low), ("close", e.close)] {
                positive(field, price)?;
            }
            not_negative("buy_quantity", e.buy_quantity)?;
            not_negative("sell_quantity", e.sell_quantity)?;
            money("buy_usd", e.buy_usd)?;
            money("sell_usd", e.sell_usd)?;
            time("open_time_ms", e.open_time_ms)?;
            time("close_time_ms", e.close_time_ms)
        }
        Event::LargeTrade(e) => {
            positive("price", e.price)?;
            positive("quantity", e.quantity)?;
            money("notional_usd", e.notional_usd)?;
            time("event_time_ms", e.event_time_ms)
        }
        Event::Trade(e) => {
            positive("price", e.price)?;
            positive("quantity", e.quantity)?;
            money("notional_usd", e.notional_usd)?;
            time("event_time_ms", e.event_time_ms)
        }
        Event::OpenInterest(e) => {
            known(not_negative, "coins", e.coins)?;
            known(time, "event_time_ms", e.event_time_ms)
        }
        Event::Mark(e) => {
            known(positive, "mark_price", e.mark_price)?;
            known(positive, "index_price", e.index_price)?;
            known(positive, "funding_interval_h", e.funding_interval_h)?;
            known(|f, v| number(f, v, true), "funding_rate", e.funding_rate)?;
            known(time, "event_time_ms", e.event_time_ms)
        }
        Event::Gap(e) => {
            time("from_ms", e.from_ms)?;
            time("to_ms", e.to_ms)?;
            if e.from_ms <= e.to_ms {
                Ok(())
            } else {
                Err(WireError::BadTime { field: "to_ms (before from_ms)", value: e.to_ms.ms() })
            }
        }
        Event::FeedHealth(e) => time("since_ms", e.since_ms),
        Event::Tick(e) => {
            known(positive, "btc_price", e.btc_price)?;
            known(money, "btc_usd_volume_1s", e.btc_usd_volume_1s)
        }
    }
}
