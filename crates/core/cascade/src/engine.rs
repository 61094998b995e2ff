//! The engine itself: hears the shard's stream in order, keeps its symbols apart, and tells what they have to tell.

use std::sync::Arc;

use cascade_domain::{
    Event, EventTime, FeedHealth, Feeds, Finding, Gap, GapStream, ScoreReading, Shard, Symbol, Tick, Velocity,
};
use cascade_engine::{Engine, Refused, admit};
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::facts::Facts;
use crate::flow::{LONGEST_MS as FLOW_MS, Window};
use crate::market::{Cause, Market};
use crate::markets::Markets;
use crate::price::{LONGEST_MS as PRICE_MS, age_ms};
use crate::report;
use crate::risk::assess;

/// The cascade detector of one shard.
#[derive(Clone, Debug)]
pub struct CascadeEngine {
    shard: Shard,
    pub(crate) state: CascadeState,
}

/// All that the engine has heard and not forgotten. What a snapshot holds; nobody else looks inside.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CascadeState {
    pub(crate) facts: Facts,
    pub(crate) markets: Markets,
}

impl CascadeEngine {
    /// A cold engine for a shard; `engine_label` is what findings call it ([`Config::engine_label`]).
    pub fn new(config: Arc<Config>, shard: Shard, engine_label: String) -> Self {
        let facts = Facts::new(config, engine_label);
        Self { shard, state: CascadeState { facts, markets: Markets::default() } }
    }

    /// The shard whose stream it hears.
    pub const fn shard(&self) -> Shard {
        self.shard
    }

    /// The symbols that have something to show: an order in the last 60 s, an open episode, or a mark price.
    pub fn symbols(&self) -> impl Iterator<Item = &Symbol> {
        let shows = |market: &Market| !market.is_quiet() || market.price.heard();
        self.state.markets.iter().filter(move |market| shows(market)).map(|market| &market.symbol)
    }

    /// The velocity engine's state of a symbol, as of its last event or tick; `None` if nothing is known of it.
    pub fn velocity(&self, symbol: &Symbol) -> Option<Velocity> {
        let market = self.state.markets.get(symbol)?;
        let (count, velocity, usd_velocity) = market.flow.windows();
        let void = market.void(&self.state.facts);
        let correlation = market.fresh_correlation(&self.state.facts);
        let risk = assess(&self.state.facts.config.risk, &market.risk_input(&self.state.facts, correlation));
        let sides = market.flow.sides(Window::S30);
        Some(Velocity {
            symbol: *symbol,
            event_time_ms: self.shown_at(market),
            velocity,
            usd_velocity,
            count,
            acceleration: market.flow.acceleration(void),
            jerk: market.flow.jerk(void),
            risk_score: risk.score,
            risk_level: risk.level,
            usd_30s_long: report::usd(sides.long),
            usd_30s_short: report::usd(sides.short),
        })
    }

    /// The score and held level of a symbol, as of its last event or tick; `None` if nothing is known of it.
    pub fn score(&self, symbol: &Symbol) -> Option<ScoreReading> {
        let market = self.state.markets.get(symbol)?;
        let held = market.held(&self.state.facts);
        let correlation = market.fresh_correlation(&self.state.facts);
        Some(ScoreReading {
            symbol: *symbol,
            score: market.score(&self.state.facts, correlation).score,
            level: held.level,
            reasons: held.reasons.to_vec(),
            event_time_ms: self.shown_at(market),
        })
    }

    /// A quiet symbol is not moved by ticks, but what it shows holds as of the last one.
    fn shown_at(&self, market: &Market) -> EventTime {
        self.state.facts.tick.map_or(market.now, |tick| tick.max(market.now))
    }

    fn take_tick(&mut self, tick: &Tick, out: &mut Vec<Finding>) -> Result<(), Refused> {
        let now = tick.event_time_ms;
        admit::time(now, None)?;
        if self.state.facts.tick.is_some_and(|last| now <= last) {
            return Err(Refused::OldTick);
        }
        let is_first = self.state.facts.tick.replace(now).is_none();
        let heard_from = self.state.facts.heard_from.unwrap_or(now);
        self.state.facts.heard_from = Some(heard_from.min(now));
        if is_first {
            self.forget_the_future();
        }
        self.state.facts.take_btc(tick);
        if self.state.facts.feeds != tick.feeds {
            self.change_feeds(tick.feeds.clone(), now);
        }
        let idle_ms = age_ms(self.state.facts.config.memory.idle_s);
        let facts = &self.state.facts;
        self.state.markets.retain(|market| {
            if market.is_quiet() {
                return now.since(market.heard) <= idle_ms;
            }
            market.advance(facts, now, out);
            market.evaluate(facts, Cause::Tick, out);
            true
        });
        Ok(())
    }

    /// Before the first tick nobody knows what time it is, and any time is let in. Now it is known: symbols that were
    /// led further than an event may be from now are forgotten, or they would pass over everything that is to come.
    fn forget_the_future(&mut self) {
        let Some(latest) = self.state.facts.latest() else { return };
        self.state.markets.retain(|market| market.now <= latest);
    }

    /// Prices up to now count the feeds as they were; from now on, as they are.
    fn change_feeds(&mut self, feeds: Feeds, now: EventTime) {
        for market in self.state.markets.iter_mut() {
            market.price.advance(
                now.max(market.now),
                &self.state.facts.feeds,
                &self.state.facts.config.samples,
            );
        }
        self.state.facts.feeds = feeds;
        for market in self.state.markets.iter_mut() {
            market.refresh_price(&self.state.facts);
        }
    }

    fn take_feed_health(&mut self, health: &FeedHealth) {
        let mut feeds = self.state.facts.feeds.clone();
        feeds.insert(health.venue, health.status);
        if let Some(now) = self.state.facts.tick
            && feeds != self.state.facts.feeds
        {
            self.change_feeds(feeds, now);
        } else {
            self.state.facts.feeds = feeds;
            self.state.markets.iter_mut().for_each(Market::forget_medians);
        }
    }

    fn take_gap(&mut self, gap: &Gap) -> Result<(), Refused> {
        let to = gap.to_ms;
        let overtaken = gap.reason == Gap::TRIMMED;
        // Who was overtaken has not heard for how long, so that the end of it may lie far past the last tick.
        admit::time(to, if overtaken { None } else { self.state.facts.latest() })?;
        if self.state.facts.tick.is_some_and(|tick| to <= tick.plus_ms(-PRICE_MS)) {
            return Err(Refused::Late);
        }
        if overtaken {
            self.state.facts.heard_from = self.state.facts.heard_from.max(Some(to));
        }
        let every = gap.symbols.is_empty();
        if every && gap.stream == GapStream::Liquidations {
            let end = &mut self.state.facts.gaps[gap.venue as usize];
            *end = (*end).max(Some(to));
        }
        for symbol in gap.symbols.iter().filter(|symbol| Shard::of(symbol) == self.shard) {
            admit_market(&mut self.state.markets, &self.state.facts, symbol, to);
        }
        let facts = &self.state.facts;
        // Whoever was overtaken has heard nothing since the last tick, whatever the gap says.
        let from = if overtaken { gap.from_ms.min(facts.tick.unwrap_or(to)) } else { gap.from_ms };
        for market in self.state.markets.iter_mut() {
            if overtaken {
                market.void_trades(from, to);
            }
            if every || gap.symbols.contains(&market.symbol) {
                match gap.stream {
                    GapStream::Liquidations => {
                        let end = &mut market.gaps[gap.venue as usize];
                        *end = (*end).max(Some(to));
                    }
                    GapStream::OpenInterest => market.void_interest(facts, gap.venue, to),
                    GapStream::Mark => {
                        market.price.void(gap.venue, to);
                        market.refresh_price(facts);
                    }
                    GapStream::Trades => market.void_trades(from, to),
                }
            }
        }
        Ok(())
    }

    /// An event of one symbol: checked, then time moved, the event taken, the symbol evaluated.
    #[inline]
    fn take_own(&mut self, event: &Event, symbol: &Symbol, out: &mut Vec<Finding>) -> Result<(), Refused> {
        let known = self.state.markets.get_mut(symbol);
        let reached = known.as_ref().map(|market| market.now).max(self.state.facts.tick);
        let at = event.known_at().or(reached).ok_or(Refused::Late)?;
        admit::time(at, self.state.facts.latest())?;
        if let Event::Liquidation(print) = event {
            admit::time(print.event_time_ms, None)?;
        }
        let window = if matches!(event, Event::Liquidation(_)) { FLOW_MS } else { PRICE_MS };
        if reached.is_some_and(|reached| at <= reached.plus_ms(-window)) {
            return Err(Refused::Late);
        }
        self.state.facts.heard_from.get_or_insert(at);
        let now = reached.map_or(at, |reached| reached.max(at));
        let market = match known {
            Some(market) => market,
            None if matches!(event, Event::TradeBar(_) | Event::LargeTrade(_)) => return Ok(()),
            None => admit_market(&mut self.state.markets, &self.state.facts, symbol, now),
        };
        let facts = &self.state.facts;
        market.advance(facts, now, out);
        market.heard = market.now;
        match event {
            Event::Liquidation(print) => market.liquidation(facts, at, print, out),
            Event::Mark(mark) => market.mark(facts, at, mark),
            Event::OpenInterest(sample) => market.open_interest(facts, at, sample),
            Event::TradeBar(bar) => market.trade_bar(bar),
            Event::LargeTrade(_)
            | Event::Trade(_)
            | Event::Gap(_)
            | Event::FeedHealth(_)
            | Event::Tick(_) => {}
        }
        market.evaluate(facts, Cause::Event, out);
        Ok(())
    }
}

/// A symbol's market, made if it is new. Where the shard is full, the one silent for longest goes, rather one without
/// an episode.
fn admit_market<'a>(
    markets: &'a mut Markets,
    facts: &Facts,
    symbol: &Symbol,
    heard: EventTime,
) -> &'a mut Market {
    let room = usize::try_from(facts.config.memory.max_symbols).unwrap_or(usize::MAX);
    if markets.len() >= room && markets.get(symbol).is_none() {
        let silent = markets.iter().min_by_key(|market| (market.episode.is_some(), market.heard));
        if let Some(silent) = silent.map(|market| market.symbol) {
            markets.remove(&silent);
        }
    }
    markets.get_or_insert_with(symbol, || {
        let mut market = Market::new(*symbol, facts);
        market.heard = heard;
        market
    })
}

impl Engine for CascadeEngine {
    type State = CascadeState;

    const STATE_VERSION: u32 = 1;

    fn state(&self) -> &CascadeState {
        &self.state
    }

    fn resume(&mut self, state: CascadeState) {
        self.state = CascadeState { facts: state.facts.under(&self.state.facts), markets: state.markets };
        for market in self.state.markets.iter_mut() {
            market.obey(&self.state.facts);
        }
    }

    #[inline]
    fn take(&mut self, event: &Event, out: &mut Vec<Finding>) -> Result<(), Refused> {
        admit::figures(event)?;
        match event {
            Event::Liquidation(_)
            | Event::Mark(_)
            | Event::OpenInterest(_)
            | Event::TradeBar(_)
            | Event::LargeTrade(_) => {
                let Some(symbol) = event.symbol() else { return Ok(()) };
                self.take_own(event, symbol, out)
            }
            Event::Tick(tick) => self.take_tick(tick, out),
            Event::Gap(gap) => self.take_gap(gap),
            Event::FeedHealth(health) => {
                self.take_feed_health(health);
                Ok(())
            }
            Event::Trade(_) => Ok(()),
        }
    }
}
