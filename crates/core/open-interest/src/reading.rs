//! What a symbol shows of its open interest and funding: the read-models.

use std::collections::BTreeMap;

use cascade_domain::{
    EventTime, FundingReading, InstrumentInterest, InterestChangeReading, InterestReading, SpanChange,
    Symbol, Venue, VenueFunding, VenueInterest,
};
use cascade_engine::median;

use crate::engine::OpenInterestEngine;
use crate::market::Market;
use crate::report;
use crate::span::Span;

/// Hours to which funding is normalised.
const FUNDING_H: f64 = 8.0;

impl OpenInterestEngine {
    /// The symbols that have something to show: a sample, a mark price or a funding rate was heard.
    pub fn symbols(&self) -> impl Iterator<Item = &Symbol> {
        let shows = |market: &&Market| !market.lines.is_empty() || !market.price.is_empty();
        self.state.markets().filter(shows).map(|market| &market.symbol)
    }

    /// What a symbol holds, as of its last event or tick: each venue with a fresh sample, and those whose samples are
    /// not believed with the last one that was. `None` if no sample was heard.
    pub fn current(&self, symbol: &Symbol) -> Option<InterestReading> {
        let market = self.state.market(symbol).filter(|market| !market.lines.is_empty())?;
        let price = market.reference(&self.state.facts);
        let rules = self.state.facts.rules();
        let (mut venues, mut sums) = (BTreeMap::<Venue, VenueInterest>::new(), BTreeMap::new());
        let mut total = None;
        for line in &market.lines {
            let is_fresh = line.fresh(market.now, &rules).is_some();
            let Some(last) = line.last().filter(|_| is_fresh || line.is_suspect()) else { continue };
            let Some(held) = line.micros(last.units, price) else { continue };
            if is_fresh {
                *total.get_or_insert(0_i128) += held;
            }
            let sum = sums.entry(line.venue).or_insert(0_i128);
            *sum += held;
            let venue = venues.entry(line.venue).or_insert_with(|| VenueInterest {
                total: report::holding(0, price),
                instruments: BTreeMap::new(),
                suspect: false,
            });
            venue.total = report::holding(*sum, price);
            venue.suspect |= line.is_suspect();
            let instrument = InstrumentInterest {
                holding: report::holding(held, price),
                known_at_ms: last.at,
                suspect: line.is_suspect(),
            };
            venue.instruments.insert(line.instrument, instrument);
        }
        Some(InterestReading {
            symbol: *symbol,
            event_time_ms: self.shown_at(market),
            total: total.map(|total| report::holding(total, price)),
            venues,
            suspect_samples: market.suspects,
        })
    }

    /// How a symbol's open interest changed over each span, as of its last event or tick. `None` if no sample was heard.
    pub fn changes(&self, symbol: &Symbol) -> Option<InterestChangeReading> {
        let market = self.state.market(symbol).filter(|market| !market.lines.is_empty())?;
        let facts = &self.state.facts;
        let change = |span: Span| {
            let figures = report::figures(market, facts, span, &market.changes(facts, span))?;
            let change = SpanChange {
                change_pct: figures.change_pct,
                before: figures.before,
                after: figures.after,
                venues: figures.venues,
                price_change: figures.price_change,
                reading: figures.reading,
                divergence_pct: figures.divergence_pct,
            };
            Some((span.name().to_owned(), change))
        };
        Some(InterestChangeReading {
            symbol: *symbol,
            event_time_ms: self.shown_at(market),
            spans: Span::ALL.into_iter().filter_map(change).collect(),
        })
    }

    /// A symbol's funding, as of its last event or tick: each live venue's first instrument with a rate that is not too
    /// old. `None` if no rate was heard.
    pub fn funding(&self, symbol: &Symbol) -> Option<FundingReading> {
        let market = self.state.market(symbol).filter(|market| market.price.has_funding())?;
        let facts = &self.state.facts;
        let mut venues = BTreeMap::new();
        for chosen in market.price.funding(market.now, &facts.feeds, &facts.config.samples) {
            let rate = chosen.value;
            let funding_rate_8h = rate.fraction * (FUNDING_H / rate.interval_h);
            if funding_rate_8h.is_finite() {
                let funding = VenueFunding {
                    instrument: chosen.instrument,
                    funding_rate: rate.fraction,
                    funding_interval_h: rate.interval_h,
                    funding_rate_8h,
                    next_funding_time_ms: rate.next,
                };
                venues.insert(chosen.venue, funding);
            }
        }
        let mut rates: Vec<f64> = venues.values().map(|venue: &VenueFunding| venue.funding_rate_8h).collect();
        Some(FundingReading {
            symbol: *symbol,
            event_time_ms: self.shown_at(market),
            funding_rate_8h: median(&mut rates),
            venues,
        })
    }

    fn shown_at(&self, market: &Market) -> EventTime {
        self.state.facts.tick.map_or(market.now, |tick| tick.max(market.now))
    }
}
