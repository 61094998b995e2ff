//! Puts a decision into words that programs read: the findings, with every figure that was decided on.

use cascade_domain::{
    CascadeFinding, Closing, Context, Factors, FeedStatus, Finding, Flow, Id, IdHasher, LargeLiquidation,
    Liquidation, Metrics, State, Usd, Venue,
};

use crate::episode::{Episode, Told};
use crate::facts::Facts;
use crate::flow::{LONGEST_MS, Window};
use crate::market::Market;
use crate::price::{Span, change};
use crate::risk::assess;
use crate::rungs::Sides;
use crate::score::Scored;

/// A cascade finding about an episode, at the revision that it has reached.
pub(crate) fn cascade(
    market: &Market,
    facts: &Facts,
    (episode, told): (&Episode, Told),
    correlation: Option<f64>,
) -> CascadeFinding {
    let scored = market.score(facts, correlation);
    let risk = assess(&facts.config.risk, &market.risk_input(facts, correlation));
    let revision = i64::try_from(episode.revision).unwrap_or(i64::MAX);
    CascadeFinding {
        v: Finding::VERSION,
        id: IdHasher::new("cascade")
            .text(market.symbol.as_str())
            .text(&episode.id.to_string())
            .int(revision)
            .finish(),
        episode: episode.id,
        revision: episode.revision,
        state: told.state,
        symbol: market.symbol,
        level: told.held.level,
        previous_level: told.previous,
        reasons: told.held.reasons.to_vec(),
        direction: episode.direction,
        score: scored.score,
        raw: scored.raw,
        boosted: scored.boosted,
        boosts: boosts(&scored),
        scores: scored.scores,
        contributions: scored.contributions,
        missing: missing(&scored),
        flow: flow(market),
        confidence: risk.confidence,
        risk,
        metrics: metrics(market, facts),
        context: Context {
            regime: market.regime(facts).1,
            btc_price: facts.btc_price,
            vol_multiplier: facts.volatility.multiplier.unwrap_or(1.0),
            venue_correlation: correlation,
            open_interest_usd: market.interest_usd(facts),
            oi_change_1m: market.oi_change,
            funding_rate_8h: market.funding,
        },
        feeds: facts.feeds.clone(),
        lower_bound: lower_bound(market, facts),
        engine: facts.label.clone(),
        warming: warming(market, facts),
        demo: false,
        closing: matches!(told.state, State::Resolved | State::Closed).then(|| closing(market, episode)),
        known_at_ms: market.now,
        detected_at_ms: None,
    }
}

/// A large liquidation; what its order has come to is the caller's to fill in.
pub(crate) fn large(market: &Market, facts: &Facts, print: &Liquidation, order: Id) -> LargeLiquidation {
    LargeLiquidation {
        v: Finding::VERSION,
        id: IdHasher::new("large_liquidation").text(market.symbol.as_str()).text(&order.to_string()).finish(),
        symbol: market.symbol,
        venue: print.venue,
        instrument: print.instrument,
        direction: print.side,
        notional_usd: Usd::ZERO,
        threshold_usd: Usd::ZERO,
        price: print.price,
        feeds: facts.feeds.clone(),
        engine: facts.label.clone(),
        warming: warming(market, facts),
        demo: false,
        event_time_ms: print.event_time_ms,
        known_at_ms: market.now,
        detected_at_ms: None,
    }
}

/// Micro-dollars of a window as money; saturates.
pub(crate) fn usd(micros: i128) -> Usd {
    Usd::from_micros(i64::try_from(micros).unwrap_or(i64::MAX))
}

/// A side's share of a sum, 0..=1; absent where there is no sum.
#[expect(clippy::cast_precision_loss, reason = "a share, shown; decisions compare whole micro-dollars")]
fn share(part: i128, total: i128) -> Option<f64> {
    (total > 0).then(|| part as f64 / total as f64)
}

fn boosts(scored: &Scored) -> Vec<String> {
    [(scored.acceleration_boost, "acceleration"), (scored.correlation_boost, "correlation")]
        .into_iter()
        .filter(|(applied, _)| *applied)
        .map(|(_, name)| name.to_owned())
        .collect()
}

fn missing(scored: &Scored) -> Vec<String> {
    Factors::NAMES
        .into_iter()
        .zip(scored.missing)
        .filter(|(_, missing)| *missing)
        .map(|(name, _)| name.to_owned())
        .collect()
}

fn flow(market: &Market) -> Flow {
    let sides = market.flow.sides(Window::S30);
    Flow {
        notional_30s_usd: usd(sides.notional()),
        share: share(sides.notional(), sides.total()),
        unit_usd: usd(market.unit),
        price_change_60s: market.price.change(Span::Minute),
    }
}

fn metrics(market: &Market, facts: &Facts) -> Metrics {
    let void = market.void(facts);
    Metrics {
        velocity_2s: market.flow.velocity(Window::S2),
        usd_velocity_10s: market.flow.usd_velocity(Window::S10),
        acceleration: market.flow.acceleration(void),
        jerk: market.flow.jerk(void),
        count_30s: market.flow.count(Window::S30),
        largest_usd: market.flow.largest(),
        leading_venue: market.flow.leading(),
    }
}

/// Venues whose figures may be too small here.
fn lower_bound(market: &Market, facts: &Facts) -> Vec<Venue> {
    let start = market.now.plus_ms(-LONGEST_MS);
    let bounded = |venue: &Venue| {
        let gap = facts.gaps[*venue as usize].max(market.gaps[*venue as usize]);
        let short = match facts.feeds.get(venue) {
            Some(
                FeedStatus::Sampled
                | FeedStatus::Suspect
                | FeedStatus::Stale
                | FeedStatus::Dead
                | FeedStatus::Refused,
            ) => true,
            Some(FeedStatus::Live | FeedStatus::Partial) | None => false,
        };
        short || gap.is_some_and(|to| to > start) || market.flow.trimmed(*venue)
    };
    Venue::ALL.into_iter().filter(bounded).collect()
}

/// Whether the windows are not yet full.
fn warming(market: &Market, facts: &Facts) -> bool {
    facts.heard_from.is_some_and(|from| market.now < from.plus_ms(LONGEST_MS))
}

fn closing(market: &Market, episode: &Episode) -> Closing {
    let Sides { long, .. } = episode.sides;
    let (end, end_price) = episode.quiet.unwrap_or((market.now, None));
    Closing {
        peak_level: episode.peak,
        orders: episode.orders,
        notional_usd: usd(episode.sides.total()),
        long_share: share(long, episode.sides.total()),
        duration_ms: end.since(episode.onset),
        price_change: episode.onset_price.zip(end_price).and_then(|(before, after)| change(before, after)),
    }
}
