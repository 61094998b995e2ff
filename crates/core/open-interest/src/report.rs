//! Puts a decision into words that programs read: the finding, with every figure that was decided on.

use std::collections::BTreeMap;

use cascade_domain::{
    Finding, Holding, IdHasher, InterestEnding, InterestFinding, PositionReading, State, Swing, Usd, Venue,
    VenueChange,
};

use crate::change::{Change, Changes};
use crate::coins;
use crate::episode::Episode;
use crate::facts::Facts;
use crate::market::Market;
use crate::span::Span;

/// What is said of a change over a span.
#[derive(Clone, Debug)]
pub(crate) struct Figures {
    pub(crate) change_pct: f64,
    pub(crate) before: Holding,
    pub(crate) after: Holding,
    pub(crate) venues: BTreeMap<Venue, VenueChange>,
    pub(crate) price_change: Option<f64>,
    pub(crate) reading: Option<PositionReading>,
    pub(crate) divergence_pct: Option<f64>,
}

/// A finding about an episode, at the revision that it has reached.
pub(crate) fn finding(
    market: &Market,
    facts: &Facts,
    episode: &Episode,
    (state, changes, confirming): (State, &Changes, usize),
) -> InterestFinding {
    let revision = i64::try_from(episode.revision).unwrap_or(i64::MAX);
    let is_known = state != State::Closed;
    let figures = figures(market, facts, facts.window(), changes).filter(|_| is_known);
    let count = |count: usize| if is_known { u32::try_from(count).unwrap_or(u32::MAX) } else { 0 };
    InterestFinding {
        v: Finding::VERSION,
        id: IdHasher::new("open_interest")
            .text(market.symbol.as_str())
            .text(&episode.id.to_string())
            .int(revision)
            .finish(),
        episode: episode.id,
        revision: episode.revision,
        state,
        symbol: market.symbol,
        direction: episode.direction,
        change_pct: figures.as_ref().map(|figures| figures.change_pct),
        window_s: facts.config.window_s,
        confirming: count(confirming),
        with_data: count(changes.iter().count()),
        before: figures.as_ref().map(|figures| figures.before),
        after: figures.as_ref().map(|figures| figures.after),
        threshold_pct: market.threshold_pct(facts),
        price_change: figures.as_ref().and_then(|figures| figures.price_change),
        reading: figures.as_ref().and_then(|figures| figures.reading),
        divergence_pct: figures.as_ref().and_then(|figures| figures.divergence_pct),
        venues: figures.map(|figures| figures.venues).unwrap_or_default(),
        feeds: facts.feeds.clone(),
        engine: facts.label.clone(),
        warming: facts.is_warming(market.now),
        demo: false,
        ending: matches!(state, State::Resolved | State::Closed).then(|| InterestEnding {
            peak_change_pct: episode.peak_pct,
            duration_ms: market.now.since(episode.onset),
        }),
        known_at_ms: market.now,
        detected_at_ms: None,
    }
}

/// What there is to say of changes over a span; `None` if no venue has data.
pub(crate) fn figures(market: &Market, facts: &Facts, span: Span, changes: &Changes) -> Option<Figures> {
    let total = changes.total()?;
    let price = market.reference(facts);
    let coverage = facts.config.samples.coverage;
    let price_change = price.and_then(|price| market.price.change(market.now, span, price, coverage));
    let change_pct = total.percent();
    let venue = |(venue, change): (Venue, &Change)| {
        (venue, VenueChange { change_pct: change.percent(), after: holding(change.after, price) })
    };
    Some(Figures {
        change_pct,
        before: holding(total.before, market.price.before(market.now, span)),
        after: holding(total.after, price),
        venues: changes.iter().map(venue).collect(),
        price_change,
        reading: price_change.and_then(|change| reading(&total, change, facts.config.flat_move)),
        divergence_pct: price_change.map(|change| change_pct - change * 100.0),
    })
}

/// What open interest and price together mean; unknown where open interest did not change and the price did.
fn reading(total: &Change, price_change: f64, flat_move: f64) -> Option<PositionReading> {
    if price_change.abs() < flat_move {
        return Some(PositionReading::Flat);
    }
    Some(match (total.direction()?, price_change > 0.0) {
        (Swing::Explosion, true) => PositionReading::NewLongs,
        (Swing::Explosion, false) => PositionReading::NewShorts,
        (Swing::Collapse, false) => PositionReading::LongsClosing,
        (Swing::Collapse, true) => PositionReading::ShortsCovering,
    })
}

/// Micro-coins as an amount, at a price where that is known.
pub(crate) fn holding(micros: i128, price: Option<f64>) -> Holding {
    Holding { coins: coins::coins(micros), usd: price.and_then(|price| usd(micros, price)) }
}

/// What micro-coins are worth; `None` if that is no amount.
pub(crate) fn usd(micros: i128, price: f64) -> Option<Usd> {
    Usd::from_f64(coins::coins(micros) * price)
}
