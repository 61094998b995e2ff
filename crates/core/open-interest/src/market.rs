//! One symbol of the shard: its instruments, its price and its episode, brought together.

use cascade_domain::{
    EventTime, Finding, Gap, GapStream, Mark, OpenInterest, State, Swing, Symbol, TradeBar, Usd,
};
use serde::{Deserialize, Serialize};

use crate::change::{Changes, Size};
use crate::coins;
use crate::episode::{Bars, Episode};
use crate::facts::Facts;
use crate::line::{Line, Sample, Told};
use crate::price::{Price, age_ms};
use crate::report;
use crate::span::{FINE, LONGEST_MS, Span};

/// One symbol.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Market {
    pub(crate) symbol: Symbol,
    pub(crate) now: EventTime,
    /// When an event of its own was last heard.
    pub(crate) heard: EventTime,
    /// In order of venue and instrument.
    pub(crate) lines: Vec<Line>,
    pub(crate) price: Price,
    pub(crate) episode: Option<Episode>,
    /// How many samples were not believed.
    pub(crate) suspects: u64,
    #[serde(skip)]
    bars: Bars,
    #[serde(skip)]
    minimum: Usd,
}

impl Market {
    pub(crate) fn new(symbol: Symbol, now: EventTime, facts: &Facts) -> Self {
        let mut market = Self {
            symbol,
            now,
            heard: now,
            lines: Vec::new(),
            price: Price::starting(now),
            episode: None,
            suspects: 0,
            bars: Bars::default(),
            minimum: Usd::ZERO,
        };
        market.obey(facts);
        market
    }

    /// Puts it under these settings.
    pub(crate) fn obey(&mut self, facts: &Facts) {
        let (config, own) = (&facts.config, facts.config.symbol(&self.symbol));
        let share = |share: f64| Size::of_percent(own.change_pct * share);
        self.bars = Bars {
            threshold: share(1.0),
            step: share(config.episode.update_step),
            low: share(config.episode.resolve_below),
            least: usize::try_from(config.min_venues).unwrap_or(usize::MAX).max(1),
            patience_ms: age_ms(config.window_s),
        };
        self.minimum = Usd::from_f64(own.minimum_usd).unwrap_or(Usd::ZERO);
    }

    /// Whether it may be forgotten.
    pub(crate) fn is_idle(&self, now: EventTime, facts: &Facts) -> bool {
        self.episode.is_none() && now.since(self.heard) > age_ms(facts.config.memory.idle_s)
    }

    /// Moves time forward and samples every moment that passes.
    #[inline]
    pub(crate) fn advance(&mut self, facts: &Facts, to: EventTime) {
        if to <= self.now {
            return;
        }
        // Both grids have their points at whole steps of the finer one; until the next, nothing is due.
        let step = |at: EventTime| at.ms().saturating_sub(1).div_euclid(FINE.step_ms);
        let is_due = step(to) > step(self.now);
        self.now = to;
        if is_due {
            let rules = facts.rules();
            for line in &mut self.lines {
                line.advance(to, &rules);
            }
            self.price.advance(to, &facts.feeds, &facts.config.samples);
        }
    }

    /// Takes a mark known at `at`.
    pub(crate) fn mark(&mut self, at: EventTime, mark: &Mark) {
        self.price.take(at, mark);
    }

    /// Takes a sample known at `at`; one that does not tell what is held is not used.
    pub(crate) fn open_interest(&mut self, facts: &Facts, at: EventTime, sample: &OpenInterest) {
        let key = (sample.venue, sample.instrument);
        let Some((micros, told)) = held(sample) else { return };
        let event = sample.event_time_ms.map_or(at, |event| event.min(at));
        let sample = Sample { at, event, heard: self.now, micros, told, usd: sample.usd };
        let rules = facts.rules();
        let place = match self.lines.binary_search_by_key(&key, |line| (line.venue, line.instrument)) {
            Ok(place) => place,
            Err(place) => self.admit(place, Line::new(key.0, key.1, &sample), facts),
        };
        if let Some(line) = self.lines.get_mut(place) {
            self.suspects = self.suspects.saturating_add(line.take(sample, &rules));
        }
    }

    /// Where a new line stands; where there is no room, the one silent for longest goes.
    fn admit(&mut self, mut place: usize, line: Line, facts: &Facts) -> usize {
        let room = usize::try_from(facts.config.memory.max_instruments).unwrap_or(usize::MAX).max(1);
        while self.lines.len() >= room {
            let silent = (0..self.lines.len()).min_by_key(|place| self.lines[*place].heard);
            let Some(silent) = silent else { break };
            self.lines.remove(silent);
            place -= usize::from(silent < place);
        }
        self.lines.reserve_exact(1);
        self.lines.insert(place, line);
        place
    }

    /// Takes a second of trades.
    pub(crate) fn trade_bar(&mut self, facts: &Facts, bar: &TradeBar) {
        let (now, whose) = (self.now, (bar.venue, bar.instrument));
        if let Ok(place) = self.lines.binary_search_by_key(&whose, |line| (line.venue, line.instrument))
            && let Some(line) = self.lines.get_mut(place)
        {
            self.suspects = self.suspects.saturating_add(line.trade_bar(now, bar, &facts.rules()));
        }
    }

    /// A gap in one of a venue's streams.
    pub(crate) fn gap(&mut self, gap: &Gap) {
        if gap.stream == GapStream::Mark {
            self.price.void(gap.venue, gap.to_ms);
        }
        for line in self.lines.iter_mut().filter(|line| line.venue == gap.venue) {
            match gap.stream {
                GapStream::OpenInterest => line.void(gap.from_ms, gap.to_ms),
                GapStream::Trades => line.void_trades(gap),
                GapStream::Liquidations | GapStream::Mark => {}
            }
        }
    }

    /// A hole in all that was heard.
    pub(crate) fn overtaken(&mut self, from: EventTime, gap: &Gap) {
        self.price.void_all(from, gap.to_ms);
        for line in &mut self.lines {
            line.void(from, gap.to_ms);
            line.void_trades(gap);
        }
    }

    /// Evaluates the symbol at a tick, and tells what there is to tell.
    pub(crate) fn evaluate(&mut self, facts: &Facts, out: &mut Vec<Finding>) {
        let (now, rules) = (self.now, facts.rules());
        for line in &mut self.lines {
            self.suspects = self.suspects.saturating_add(line.settle(now, &rules));
        }
        self.lines.retain(|line| now.since(line.heard) <= LONGEST_MS);
        if self.lines.is_empty() && self.episode.is_none() {
            return;
        }
        let changes = self.changes(facts, facts.window());
        let told = self.episode.as_ref().map(|episode| episode.direction);
        let confirmed = changes.confirmed(self.bars.threshold, self.bars.least, told);
        let opens = confirmed.filter(|way| told != Some(*way) && self.is_large(facts, &changes));
        if let Some(mut episode) = self.episode.take() {
            let state = episode.step(now, &changes, &self.bars);
            let state = if opens.is_some() { Some(State::Resolved) } else { state };
            if let Some(state) = state {
                self.tell(facts, &mut episode, (state, &changes), out);
            }
            if !matches!(state, Some(State::Resolved | State::Closed)) {
                self.episode = Some(episode);
            }
        }
        if let Some(way) = opens {
            self.open(facts, way, &changes, out);
        }
    }

    fn open(&mut self, facts: &Facts, way: Swing, changes: &Changes, out: &mut Vec<Finding>) {
        let mut episode = Episode::open(&self.symbol, self.now, way);
        if let Some(state) = episode.step(self.now, changes, &self.bars) {
            self.tell(facts, &mut episode, (state, changes), out);
        }
        self.episode = Some(episode);
    }

    fn tell(
        &self,
        facts: &Facts,
        episode: &mut Episode,
        (state, changes): (State, &Changes),
        out: &mut Vec<Finding>,
    ) {
        episode.revision = episode.revision.saturating_add(1);
        let confirming = changes.reaching(episode.direction, self.bars.threshold);
        let finding = report::finding(self, facts, episode, (state, changes, confirming));
        out.push(Finding::OpenInterest(Box::new(finding)));
    }

    /// Each venue's change over a span: over its instruments that are fresh and were known at the beginning. A venue
    /// that held nothing then has no data, nor has one of which these hold less than those of which one end is missing.
    pub(crate) fn changes(&self, facts: &Facts, span: Span) -> Changes {
        let (mut changes, mut missing) = (Changes::default(), Changes::default());
        for (line, before, after) in self.ends(facts, span) {
            let sums = if before.is_some() && after.is_some() { &mut changes } else { &mut missing };
            let sum = sums.0[line.venue as usize].get_or_insert_default();
            sum.add(before.unwrap_or(0), after.unwrap_or(0));
        }
        for (change, missing) in changes.0.iter_mut().zip(missing.0) {
            let missing = missing.map_or(0, |missing| missing.before.saturating_add(missing.after));
            *change = change.filter(|known| known.before > 0 && known.before.max(known.after) >= missing);
        }
        changes
    }

    /// Each instrument with the micro-coins that it held at the beginning of a span and holds now, as far as that is known;
    /// dollars at the price of now.
    fn ends(&self, facts: &Facts, span: Span) -> impl Iterator<Item = (&Line, Option<i128>, Option<i128>)> {
        let (rules, coverage) = (facts.rules(), facts.config.samples.coverage);
        let price = self.reference(facts);
        self.lines.iter().map(move |line| {
            let before = line.before(self.now, span, coverage);
            let after = line.fresh(self.now, &rules).map(|last| last.units);
            let [before, after] = [before, after].map(|units| line.micros(units?, price));
            (line, before, after)
        })
    }

    /// Whether the open interest of all venues with data reaches the minimum: at the reference price, else as the
    /// samples themselves carried it; where neither is known, it does not.
    fn is_large(&self, facts: &Facts, changes: &Changes) -> bool {
        if let Some(price) = self.reference(facts) {
            let held = changes.total().and_then(|total| report::usd(total.after, price));
            return held.is_some_and(|held| held >= self.minimum);
        }
        let carried = self.ends(facts, facts.window()).filter_map(|(line, before, after)| {
            let counts = before.is_some() && after.is_some() && changes.of(line.venue).is_some();
            line.last().filter(|_| counts).and_then(|last| last.usd)
        });
        let held = carried.reduce(|sum, usd| sum + usd);
        held.is_some_and(|held| held >= self.minimum)
    }

    /// The reference price as of now.
    pub(crate) fn reference(&self, facts: &Facts) -> Option<f64> {
        self.price.reference(self.now, &facts.feeds, &facts.config.samples)
    }

    /// The threshold that decides, percent.
    pub(crate) fn threshold_pct(&self, facts: &Facts) -> f64 {
        facts.config.symbol(&self.symbol).change_pct
    }

    /// Bytes that it takes, buffers included.
    pub(crate) fn bytes(&self) -> usize {
        let lines: usize = self.lines.iter().map(Line::bytes).sum();
        size_of::<Self>() + self.price.bytes() + lines
    }
}

/// Millionths of what a sample tells to be held: of dollars where the contracts are of those, or where nothing else is told.
fn held(sample: &OpenInterest) -> Option<(i128, Told)> {
    match sample.coins.filter(|_| !sample.inverse) {
        Some(coins) => Some((coins::micros(coins)?, Told::Coins)),
        None => Some((i128::from(sample.usd?.micros()), Told::Dollars)),
    }
}
