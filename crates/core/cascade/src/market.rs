//! One symbol of the shard: its windows, prices, open interest, held level and episode, brought together.

use cascade_domain::{
    EventTime, Finding, LargeLiquidation, Level, Liquidation, Liquidity, Mark, OpenInterest, Regime, Side,
    Symbol, TradeBar, Usd,
};
use serde::{Deserialize, Serialize};

use crate::episode::{Episode, Hold, Told};
use crate::facts::{Facts, GapEnds, last};
use crate::flow::{Flow, Window};
use crate::interest::Interest;
use crate::price::{Price, Span, age_ms};
use crate::regime::{self, Scale};
use crate::report;
use crate::risk::RiskInput;
use crate::rungs::{RungInput, Sides, Thresholds};
use crate::score::{ScoreInput, Scored, rate};
use crate::together::Together;
use crate::traded::Traded;

/// Before anything was heard: every event that is let in is later.
const START: EventTime = EventTime::from_ms(0);

/// Why a symbol is evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    Tick,
    Event,
}

/// One symbol.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Market {
    pub(crate) symbol: Symbol,
    pub(crate) now: EventTime,
    /// When an event of its own was last heard.
    pub(crate) heard: EventTime,
    pub(crate) flow: Flow,
    pub(crate) price: Price,
    pub(crate) episode: Option<Episode>,
    pub(crate) gaps: GapEnds,
    /// The unit A as of this second, micro-dollars.
    pub(crate) unit: i128,
    /// Change of open interest over one minute, as of this second.
    pub(crate) oi_change: Option<f64>,
    /// Funding rate per 8 h, as of this second.
    pub(crate) funding: Option<f64>,
    traded: Option<Box<Traded>>,
    /// The market regime by which the thresholds stand, where they follow it.
    followed: Option<Regime>,
    #[serde(skip)]
    thresholds: Thresholds,
    interest: Interest,
    together: Option<Together>,
    hold: Hold,
}

impl Market {
    pub(crate) fn new(symbol: Symbol, facts: &Facts) -> Self {
        let thresholds = Thresholds::of(&facts.config, &symbol);
        Self {
            symbol,
            now: START,
            heard: START,
            flow: Flow::default(),
            price: Price::default(),
            episode: None,
            gaps: GapEnds::default(),
            unit: thresholds.unit(None),
            oi_change: None,
            funding: None,
            traded: None,
            followed: None,
            thresholds,
            interest: Interest::default(),
            together: None,
            hold: Hold::default(),
        }
    }

    /// Puts a market that was read back under these settings.
    pub(crate) fn obey(&mut self, facts: &Facts) {
        self.thresholds = Thresholds::of(&facts.config, &self.symbol);
        if facts.config.regime_scaling {
            self.thresholds = std::mem::take(&mut self.thresholds).scaled(self.scale(facts));
        }
    }

    /// Whether there is nothing to evaluate.
    #[inline]
    pub(crate) fn is_quiet(&self) -> bool {
        self.episode.is_none() && self.flow.is_empty()
    }

    /// Moves time forward; an episode that is over by then is closed.
    #[inline]
    pub(crate) fn advance(&mut self, facts: &Facts, to: EventTime, out: &mut Vec<Finding>) {
        if to <= self.now {
            return;
        }
        let second_passed = to.second() > self.now.second();
        self.now = to;
        self.flow.advance(to);
        self.price.advance(to, &facts.feeds, &facts.config.samples);
        if second_passed {
            self.interest.advance(to, &facts.config.samples);
            self.refresh_interest(facts);
            self.refresh_funding(facts);
        }
        let close_ms = age_ms(facts.config.episode.close_s);
        if let Some(told) = self.episode.as_mut().and_then(|episode| episode.over(to, close_ms)) {
            self.tell(facts, told, out);
            self.episode = None;
        }
        if second_passed && facts.config.regime_scaling && self.episode.is_none() {
            self.follow(facts);
        }
    }

    /// Has the thresholds follow the market regime.
    fn follow(&mut self, facts: &Facts) {
        let (_, regime) = self.regime(facts);
        if regime != self.followed {
            self.followed = regime;
            self.obey(facts);
            self.refresh_interest(facts);
        }
    }

    /// What the thresholds are multiplied by.
    fn scale(&self, facts: &Facts) -> Scale {
        Scale::of(&facts.config.regime, self.followed)
    }

    /// The symbol's liquidity and the market regime, as of now.
    pub(crate) fn regime(&self, facts: &Facts) -> (Option<Liquidity>, Option<Regime>) {
        let config = &facts.config.regime;
        let percentile =
            self.traded.as_ref().and_then(|traded| traded.percentile(self.now, config.least_samples));
        let liquidity = regime::liquidity(config, percentile);
        (liquidity, regime::market(facts.volatility.regime, liquidity))
    }

    /// Takes a second of trades.
    pub(crate) fn trade_bar(&mut self, bar: &TradeBar) {
        let now = self.now;
        self.traded.get_or_insert_with(|| Box::new(Traded::new(now))).take(now, bar);
    }

    /// What a gap in trades touches is unknown.
    pub(crate) fn void_trades(&mut self, from: EventTime, to: EventTime) {
        if let Some(traded) = &mut self.traded {
            traded.void(from, to);
        }
    }

    /// Takes a liquidation known at `at`; says so if its order is large by now.
    #[inline]
    pub(crate) fn liquidation(
        &mut self,
        facts: &Facts,
        at: EventTime,
        print: &Liquidation,
        out: &mut Vec<Finding>,
    ) {
        let filed = self.flow.take(at, print, facts.room);
        self.together.get_or_insert_default().add(
            self.now,
            print.venue,
            print.event_time_ms,
            print.notional_usd,
        );
        let large = self.thresholds.large;
        if i128::from(filed.before.micros()) < large && i128::from(filed.sum.micros()) >= large {
            out.push(Finding::LargeLiquidation(LargeLiquidation {
                threshold_usd: report::usd(large),
                notional_usd: filed.sum,
                ..report::large(self, facts, print, filed.id)
            }));
        }
        let usd = i128::from(print.notional_usd.micros());
        let sides = match print.side {
            Side::Long => Sides { long: usd, short: 0 },
            Side::Short => Sides { long: 0, short: usd },
        };
        if let Some(episode) = &mut self.episode {
            episode.add(u64::from(filed.first), sides);
        }
    }

    /// Takes a mark known at `at`.
    pub(crate) fn mark(&mut self, facts: &Facts, at: EventTime, mark: &Mark) {
        self.price.take(at, mark);
        self.price.refresh(self.now, &facts.feeds, &facts.config.samples);
        self.refresh_funding(facts);
    }

    /// Takes a sample of open interest known at `at`.
    pub(crate) fn open_interest(&mut self, facts: &Facts, at: EventTime, sample: &OpenInterest) {
        self.interest.take(at, sample);
        self.refresh_interest(facts);
    }

    /// Forgets a venue's open interest up to the end of a gap in it.
    pub(crate) fn void_interest(&mut self, facts: &Facts, venue: cascade_domain::Venue, to: EventTime) {
        self.interest.void(venue, to);
        self.refresh_interest(facts);
    }

    /// Has the medians worked out anew when they are next asked for.
    pub(crate) fn forget_medians(&mut self) {
        self.price.forget_medians();
    }

    /// Works the reference price out anew, after a change of feeds or a gap.
    pub(crate) fn refresh_price(&mut self, facts: &Facts) {
        self.price.forget_medians();
        self.price.refresh(self.now, &facts.feeds, &facts.config.samples);
    }

    fn refresh_funding(&mut self, facts: &Facts) {
        self.funding = self.price.funding(self.now, &facts.feeds, &facts.config.samples);
    }

    fn refresh_interest(&mut self, facts: &Facts) {
        if self.interest.is_empty() {
            (self.oi_change, self.unit) = (None, self.thresholds.unit(None));
            return;
        }
        let samples = &facts.config.samples;
        self.oi_change = self.interest.change(self.now, samples);
        self.unit = self.thresholds.unit(self.interest.total(self.now, self.price.reference(), samples));
    }

    /// Open interest of all venues with a fresh sample, as of now.
    pub(crate) fn interest_usd(&self, facts: &Facts) -> Option<Usd> {
        let micros = self.interest.total(self.now, self.price.reference(), &facts.config.samples)?;
        i64::try_from(micros).ok().map(Usd::from_micros)
    }

    /// Evaluates the symbol as of now, and tells what there is to tell.
    #[inline]
    pub(crate) fn evaluate(&mut self, facts: &Facts, cause: Cause, out: &mut Vec<Finding>) {
        if self.is_quiet() {
            return;
        }
        let input = self.rung_input(facts);
        let reached = self.thresholds.reach(&input);
        self.hold.note(self.now, reached);
        let held = self.hold.held(self.now, age_ms(facts.config.episode.hold_s));
        if self.episode.is_none() {
            if held.level == Level::None {
                return;
            }
            let mut episode = Episode::open(&self.symbol, self.now, self.price.reference());
            episode.add(self.flow.count(Window::S30), self.flow.sides(Window::S30));
            self.episode = Some(episode);
        }
        let (now, price, is_tick) = (self.now, self.price.reference(), cause == Cause::Tick);
        let sides = self.flow.sides(Window::S30);
        let told = self.episode.as_mut().and_then(|episode| {
            if sides.total() > 0 {
                episode.direction = sides.dominant();
            }
            episode.step(now, held, price, is_tick)
        });
        if let Some(told) = told {
            self.tell(facts, told, out);
        }
    }

    /// What the rungs look at. The correlation is worked out only where its boost would change the level.
    fn rung_input(&mut self, facts: &Facts) -> RungInput {
        let sides = self.flow.sides(Window::S30);
        let score = self.thresholds.counts(sides, self.unit).then(|| {
            let bare = self.score(facts, None).score;
            let most = (bare * facts.config.score.correlation_boost).min(1.0);
            if self.thresholds.score(Some(bare)) == self.thresholds.score(Some(most)) {
                return bare;
            }
            let correlation = self.correlation(facts);
            self.score(facts, correlation).score
        });
        RungInput {
            sides,
            count: self.flow.count(Window::S30),
            unit: self.unit,
            change_60s: self.price.change(Span::Minute),
            change_15m: self.price.change(Span::Quarter),
            score,
            velocity_2s: self.flow.velocity(Window::S2),
            acceleration: self.flow.acceleration(self.void(facts)),
        }
    }

    fn tell(&mut self, facts: &Facts, told: Told, out: &mut Vec<Finding>) {
        let correlation = self.correlation(facts);
        if let Some(episode) = &mut self.episode {
            episode.revision += 1;
        }
        if let Some(episode) = &self.episode {
            out.push(Finding::Cascade(Box::new(report::cascade(self, facts, (episode, told), correlation))));
        }
    }

    /// What lies before this is not wholly known.
    #[inline]
    pub(crate) fn void(&self, facts: &Facts) -> EventTime {
        facts.void().max(last(&self.gaps)).unwrap_or(START)
    }

    fn correlation(&mut self, facts: &Facts) -> Option<f64> {
        let (now, void) = (self.now, self.void(facts));
        self.together.as_mut().and_then(|together| together.coefficient(now, void))
    }

    /// The level that is held now.
    pub(crate) fn held(&self, facts: &Facts) -> crate::rungs::Reached {
        self.hold.held(self.now, age_ms(facts.config.episode.hold_s))
    }

    /// The venue correlation, without remembering it.
    pub(crate) fn fresh_correlation(&self, facts: &Facts) -> Option<f64> {
        self.together.as_ref().and_then(|together| together.compute(self.now, self.void(facts)))
    }

    /// The score as of now.
    pub(crate) fn score(&self, facts: &Facts, correlation: Option<f64>) -> Scored {
        let input = ScoreInput {
            velocity: Some(self.flow.velocity(Window::S2)),
            acceleration: self.flow.acceleration(self.void(facts)),
            volume: Some(self.flow.usd_velocity(Window::S10)),
            oi_change: self.oi_change,
            funding: self.funding,
            multiplier: facts.volatility.multiplier,
            venue_correlation: correlation,
        };
        let (score, preset) = (&facts.config.score, facts.config.preset());
        if facts.config.regime_scaling {
            return rate(score, &preset.scaled(self.scale(facts)), &input);
        }
        rate(score, preset, &input)
    }

    /// What the risk score is made of.
    pub(crate) fn risk_input(&self, facts: &Facts, correlation: Option<f64>) -> RiskInput {
        let count = self.flow.count(Window::S60);
        let volume = report::usd(self.flow.sides(Window::S60).total());
        #[expect(clippy::cast_precision_loss, reason = "orders of a minute")]
        let average = if count > 0 { volume.dollars() / count as f64 } else { Usd::ZERO.dollars() };
        RiskInput {
            velocity_100ms: self.flow.velocity(Window::Ms100),
            velocity_2s: self.flow.velocity(Window::S2),
            velocity_10s: self.flow.velocity(Window::S10),
            velocity_60s: self.flow.velocity(Window::S60),
            acceleration: self.flow.acceleration(self.void(facts)),
            jerk: self.flow.jerk(self.void(facts)),
            volume_usd: volume.dollars(),
            average_usd: average,
            count_60s: count,
            correlation,
            live_share: facts.live_share(),
        }
    }
}
