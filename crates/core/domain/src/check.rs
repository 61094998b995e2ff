//! What makes no sense in an event or a finding, whoever wrote it: one rule for what is read from Redis and what an
//! engine is given.

use crate::{
    CascadeFinding, Event, EventTime, FeedFinding, Finding, Holding, InterestFinding, LargeLiquidation, Usd,
};

/// A field of an event or a finding that makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum Unusable {
    /// A number that is not finite, or negative or zero where that has no meaning, or money beyond any single event.
    #[error("{field} is not usable: {value}")]
    Number {
        /// The field.
        field: &'static str,
        /// What stood there.
        value: f64,
    },
    /// A time outside 2010..2100, or the end of an interval before its beginning.
    #[error("{field} is not a time in milliseconds: {}", .value.ms())]
    Time {
        /// The field.
        field: &'static str,
        /// What stood there.
        value: EventTime,
    },
}

type Checked = Result<(), Unusable>;

fn number(field: &'static str, value: f64, ok: bool) -> Checked {
    if ok && value.is_finite() { Ok(()) } else { Err(Unusable::Number { field, value }) }
}

fn finite(field: &'static str, value: f64) -> Checked {
    number(field, value, true)
}

fn positive(field: &'static str, value: f64) -> Checked {
    number(field, value, value > 0.0)
}

fn not_negative(field: &'static str, value: f64) -> Checked {
    number(field, value, value >= 0.0)
}

fn money(field: &'static str, value: Usd) -> Checked {
    number(field, value.dollars(), (Usd::ZERO..=Usd::LARGEST_EVENT).contains(&value))
}

/// A sum that is no single event's: not negative.
fn sum(field: &'static str, value: Usd) -> Checked {
    number(field, value.dollars(), value >= Usd::ZERO)
}

fn time(field: &'static str, value: EventTime) -> Checked {
    if value.is_plausible() { Ok(()) } else { Err(Unusable::Time { field, value }) }
}

/// Runs a check on a value that may be unknown.
fn known<T>(check: fn(&'static str, T) -> Checked, field: &'static str, value: Option<T>) -> Checked {
    value.map_or(Ok(()), |value| check(field, value))
}

impl Event {
    /// Refuses an event whose figures make no sense: not finite, negative, a trillion dollars, a time in seconds.
    ///
    /// # Errors
    /// The first field that makes none.
    pub fn check(&self) -> Result<(), Unusable> {
        known(time, "known_at_ms", self.known_at())?;
        match self {
            Self::Liquidation(e) => {
                positive("price", e.price)?;
                positive("quantity", e.quantity)?;
                money("notional_usd", e.notional_usd)?;
                known(time, "published_at_ms", e.published_at_ms)?;
                time("event_time_ms", e.event_time_ms)
            }
            Self::TradeBar(e) => {
                for (field, price) in [("open", e.open), ("high", e.high), ("low", e.low), ("close", e.close)]
                {
                    positive(field, price)?;
                }
                not_negative("buy_quantity", e.buy_quantity)?;
                not_negative("sell_quantity", e.sell_quantity)?;
                sum("buy_usd", e.buy_usd)?;
                sum("sell_usd", e.sell_usd)?;
                money("largest_usd", e.largest_usd)?;
                time("open_time_ms", e.open_time_ms)?;
                time("close_time_ms", e.close_time_ms)
            }
            Self::LargeTrade(e) => {
                positive("price", e.price)?;
                positive("quantity", e.quantity)?;
                money("notional_usd", e.notional_usd)?;
                known(time, "published_at_ms", e.published_at_ms)?;
                time("event_time_ms", e.event_time_ms)
            }
            Self::Trade(e) => {
                positive("price", e.price)?;
                positive("quantity", e.quantity)?;
                money("notional_usd", e.notional_usd)?;
                known(time, "published_at_ms", e.published_at_ms)?;
                time("event_time_ms", e.event_time_ms)
            }
            Self::OpenInterest(e) => {
                known(not_negative, "coins", e.coins)?;
                known(sum, "usd", e.usd)?;
                known(time, "published_at_ms", e.published_at_ms)?;
                known(time, "event_time_ms", e.event_time_ms)
            }
            Self::Mark(e) => {
                known(positive, "mark_price", e.mark_price)?;
                known(positive, "index_price", e.index_price)?;
                known(finite, "funding_rate", e.funding_rate)?;
                known(positive, "funding_interval_h", e.funding_interval_h)?;
                known(time, "next_funding_time_ms", e.next_funding_time_ms)?;
                known(time, "event_time_ms", e.event_time_ms)
            }
            Self::Gap(e) => {
                time("from_ms", e.from_ms)?;
                time("to_ms", e.to_ms)?;
                if e.from_ms <= e.to_ms {
                    Ok(())
                } else {
                    Err(Unusable::Time { field: "to_ms (before from_ms)", value: e.to_ms })
                }
            }
            Self::FeedHealth(e) => time("since_ms", e.since_ms),
            Self::Tick(e) => {
                known(positive, "btc_price", e.btc_price)?;
                known(sum, "btc_usd_volume_1s", e.btc_usd_volume_1s)
            }
        }
    }
}

impl Finding {
    /// Refuses a finding whose figures make no sense: not finite, a negative sum, a time in seconds.
    ///
    /// # Errors
    /// The first field that makes none.
    pub fn check(&self) -> Result<(), Unusable> {
        match self {
            Self::Cascade(f) => f.check(),
            Self::LargeLiquidation(f) => f.check(),
            Self::OpenInterest(f) => f.check(),
            Self::Feed(f) => f.check(),
        }
    }
}

impl CascadeFinding {
    fn check(&self) -> Checked {
        time("known_at_ms", self.known_at_ms)?;
        known(time, "detected_at_ms", self.detected_at_ms)?;
        let Self { flow, risk, metrics, context, .. } = self;
        let factors = &risk.factors;
        let [scores, contributions] = [self.scores, self.contributions].map(crate::Factors::to_array);
        let figures = [
            ("score", &[self.score][..]),
            ("raw", &[self.raw]),
            ("boosted", &[self.boosted]),
            ("confidence", &[self.confidence]),
            ("scores", &scores),
            ("contributions", &contributions),
            ("risk", &[risk.score, risk.confidence]),
            ("risk.factors", &[factors.velocity, factors.acceleration, factors.jerk]),
            ("risk.factors", &[factors.volume, factors.correlation, factors.clustering]),
            ("metrics.velocity_2s", &[metrics.velocity_2s]),
            ("metrics.usd_velocity_10s", &[metrics.usd_velocity_10s]),
            ("context.vol_multiplier", &[context.vol_multiplier]),
        ];
        for (field, values) in figures {
            values.iter().try_for_each(|value| finite(field, *value))?;
        }
        let closing = self.closing.as_ref();
        for (field, value) in [
            ("flow.share", flow.share),
            ("flow.price_change_60s", flow.price_change_60s),
            ("metrics.acceleration", metrics.acceleration),
            ("metrics.jerk", metrics.jerk),
            ("context.btc_price", context.btc_price),
            ("context.venue_correlation", context.venue_correlation),
            ("context.oi_change_1m", context.oi_change_1m),
            ("context.funding_rate_8h", context.funding_rate_8h),
            ("long_share", closing.and_then(|closing| closing.long_share)),
            ("price_change", closing.and_then(|closing| closing.price_change)),
        ] {
            known(finite, field, value)?;
        }
        context.open_interest_usd.map_or(Ok(()), |usd| sum("context.open_interest_usd", usd))?;
        sum("flow.notional_30s_usd", flow.notional_30s_usd)?;
        sum("flow.unit_usd", flow.unit_usd)?;
        sum("metrics.largest_usd", metrics.largest_usd)?;
        known(sum, "notional_usd", closing.map(|closing| closing.notional_usd))
    }
}

impl LargeLiquidation {
    fn check(&self) -> Checked {
        positive("price", self.price)?;
        sum("notional_usd", self.notional_usd)?;
        sum("threshold_usd", self.threshold_usd)?;
        time("event_time_ms", self.event_time_ms)?;
        time("known_at_ms", self.known_at_ms)?;
        known(time, "detected_at_ms", self.detected_at_ms)
    }
}

impl InterestFinding {
    fn check(&self) -> Checked {
        time("known_at_ms", self.known_at_ms)?;
        known(time, "detected_at_ms", self.detected_at_ms)?;
        let holding = |field, held: Holding| {
            not_negative(field, held.coins)?;
            known(sum, field, held.usd)
        };
        [("before", self.before), ("after", self.after)]
            .into_iter()
            .try_for_each(|(field, held)| held.map_or(Ok(()), |held| holding(field, held)))?;
        for venue in self.venues.values() {
            finite("venues.change_pct", venue.change_pct)?;
            holding("venues", venue.after)?;
        }
        positive("threshold_pct", self.threshold_pct)?;
        for (field, value) in [
            ("change_pct", self.change_pct),
            ("price_change", self.price_change),
            ("divergence_pct", self.divergence_pct),
            ("peak_change_pct", self.ending.map(|ending| ending.peak_change_pct)),
        ] {
            known(finite, field, value)?;
        }
        Ok(())
    }
}

impl FeedFinding {
    fn check(&self) -> Checked {
        time("since_ms", self.since_ms)?;
        time("known_at_ms", self.known_at_ms)?;
        known(time, "detected_at_ms", self.detected_at_ms)
    }
}
