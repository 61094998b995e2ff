//! The engine itself: hears the shard's stream in order, keeps its symbols apart, and tells what they have to tell.

use std::collections::BTreeMap;
use std::sync::Arc;

use cascade_domain::{Event, EventTime, FeedHealth, Finding, Gap, Shard, Symbol, Tick};
use cascade_engine::{Engine, Refused, admit};
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::facts::Facts;
use crate::market::Market;
use crate::span::LONGEST_MS;

/// The open-interest detector of one shard.
#[derive(Clone, Debug)]
pub struct OpenInterestEngine {
    shard: Shard,
    pub(crate) state: OpenInterestState,
}

/// All that the engine has heard and not forgotten. What a snapshot holds; nobody else looks inside.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OpenInterestState {
    pub(crate) facts: Facts,
    markets: BTreeMap<Symbol, Box<Market>>,
}

impl OpenInterestState {
    /// In order of their symbols.
    pub(crate) fn markets(&self) -> impl Iterator<Item = &Market> {
        self.markets.values().map(AsRef::as_ref)
    }

    pub(crate) fn market(&self, symbol: &Symbol) -> Option<&Market> {
        self.markets.get(symbol).map(AsRef::as_ref)
    }
}

impl OpenInterestEngine {
    /// A cold engine for a shard; `engine_label` is what findings call it ([`Config::engine_label`]).
    pub fn new(config: Arc<Config>, shard: Shard, engine_label: String) -> Self {
        let facts = Facts::new(config, engine_label);
        Self { shard, state: OpenInterestState { facts, markets: BTreeMap::new() } }
    }

    /// The shard whose stream it hears.
    pub const fn shard(&self) -> Shard {
        self.shard
    }

    /// How many samples of a symbol were not believed, since it is known.
    pub fn suspect_samples(&self, symbol: &Symbol) -> u64 {
        self.state.market(symbol).map_or(0, |market| market.suspects)
    }

    /// Bytes of memory that what it has heard takes, its buffers included: an estimate, for a few small ones are left
    /// out.
    pub fn bytes(&self) -> usize {
        self.state.markets().map(Market::bytes).sum()
    }

    fn take_tick(&mut self, tick: &Tick, out: &mut Vec<Finding>) -> Result<(), Refused> {
        let now = tick.event_time_ms;
        admit::time(now, None)?;
        if self.state.facts.tick.is_some_and(|last| now <= last) {
            return Err(Refused::OldTick);
        }
        let OpenInterestState { facts, markets } = &mut self.state;
        if facts.tick.replace(now).is_none() {
            // Before the first tick nobody knows what time it is, and any time is let in. What was led further than an
            // event may be from now is forgotten, or it would pass over everything that is to come.
            let latest = facts.latest();
            markets.retain(|_, market| latest.is_none_or(|latest| market.now <= latest));
        }
        // Moments up to now count the feeds as they were; from now on, as they are.
        for market in markets.values_mut() {
            market.advance(facts, now);
        }
        if facts.feeds != tick.feeds {
            facts.feeds.clone_from(&tick.feeds);
        }
        markets.retain(|_, market| {
            market.evaluate(facts, out);
            !market.is_idle(now, facts)
        });
        Ok(())
    }

    fn take_feed_health(&mut self, health: &FeedHealth) {
        self.state.facts.feeds.insert(health.venue, health.status);
    }

    fn take_gap(&mut self, gap: &Gap) -> Result<(), Refused> {
        let OpenInterestState { facts, markets } = &mut self.state;
        let to = gap.to_ms;
        let overtaken = gap.reason == Gap::TRIMMED;
        // Who was overtaken has not heard for how long, so that the end of it may lie far past the last tick.
        admit::time(to, if overtaken { None } else { facts.latest() })?;
        if facts.tick.is_some_and(|tick| to <= tick.plus_ms(-LONGEST_MS)) {
            return Err(Refused::Late);
        }
        if overtaken {
            facts.overtaken = facts.overtaken.max(Some(to));
            // Nothing was heard since the last tick, whatever the gap says.
            let from = gap.from_ms.min(facts.tick.unwrap_or(to));
            for market in markets.values_mut() {
                market.overtaken(from, gap);
            }
        } else if gap.symbols.is_empty() {
            for market in markets.values_mut() {
                market.gap(gap);
            }
        } else {
            for symbol in &gap.symbols {
                if let Some(market) = markets.get_mut(symbol) {
                    market.gap(gap);
                }
            }
        }
        Ok(())
    }

    /// An event of one symbol: checked, then time moved, then the event taken. Nothing is evaluated before the next tick.
    fn take_own(&mut self, event: &Event, symbol: &Symbol) -> Result<(), Refused> {
        let OpenInterestState { facts, markets } = &mut self.state;
        let reached = markets.get(symbol).map(|market| market.now).max(facts.tick);
        let at = event.known_at().or(reached).ok_or(Refused::Late)?;
        admit::time(at, facts.latest())?;
        if reached.is_some_and(|reached| at <= reached.plus_ms(-LONGEST_MS)) {
            return Err(Refused::Late);
        }
        let now = reached.map_or(at, |reached| reached.max(at));
        // Trades say what samples may change; alone they are nothing.
        if !markets.contains_key(symbol) && matches!(event, Event::TradeBar(_)) {
            return Ok(());
        }
        let market = admit_market(markets, facts, symbol, now);
        market.advance(facts, now);
        match event {
            Event::OpenInterest(sample) => market.open_interest(facts, at, sample),
            Event::Mark(mark) => market.mark(at, mark),
            Event::TradeBar(bar) => market.trade_bar(facts, bar),
            Event::Liquidation(_)
            | Event::LargeTrade(_)
            | Event::Trade(_)
            | Event::Gap(_)
            | Event::FeedHealth(_)
            | Event::Tick(_) => {}
        }
        market.heard = market.now;
        Ok(())
    }
}

/// A symbol's market, made if it is new. Where the shard is full, the one silent for longest goes, rather one without
/// an episode.
fn admit_market<'a>(
    markets: &'a mut BTreeMap<Symbol, Box<Market>>,
    facts: &Facts,
    symbol: &Symbol,
    now: EventTime,
) -> &'a mut Market {
    let room = usize::try_from(facts.config.memory.max_symbols).unwrap_or(usize::MAX);
    if markets.len() >= room && !markets.contains_key(symbol) {
        let silent = markets.values().min_by_key(|market| (market.episode.is_some(), market.heard));
        if let Some(silent) = silent.map(|market| market.symbol) {
            markets.remove(&silent);
        }
    }
    markets.entry(*symbol).or_insert_with(|| Box::new(Market::new(*symbol, now, facts)))
}

impl Engine for OpenInterestEngine {
    type State = OpenInterestState;

    const STATE_VERSION: u32 = 1;

    fn state(&self) -> &OpenInterestState {
        &self.state
    }

    fn resume(&mut self, state: OpenInterestState) {
        let facts = state.facts.under(&self.state.facts);
        let mut markets = state.markets;
        for market in markets.values_mut() {
            market.obey(&facts);
        }
        self.state = OpenInterestState { facts, markets };
    }

    #[inline]
    fn take(&mut self, event: &Event, out: &mut Vec<Finding>) -> Result<(), Refused> {
        admit::figures(event)?;
        match event {
            Event::Mark(_) | Event::OpenInterest(_) | Event::TradeBar(_) => {
                event.symbol().map_or(Ok(()), |symbol| self.take_own(event, symbol))
            }
            Event::Tick(tick) => self.take_tick(tick, out),
            Event::Gap(gap) => self.take_gap(gap),
            Event::FeedHealth(health) => {
                self.take_feed_health(health);
                Ok(())
            }
            Event::Liquidation(_) | Event::LargeTrade(_) | Event::Trade(_) => Ok(()),
        }
    }
}
