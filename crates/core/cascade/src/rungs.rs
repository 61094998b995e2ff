//! The rungs: which level is reached, and by what. Pure; money is compared in whole micro-dollars, without division.

use cascade_domain::{Level, Reason, Side, Symbol};
use serde::{Deserialize, Serialize};

use crate::config::{Config, FlowConfig, ScoreConfig, VelocityConfig};
use crate::regime::Scale;
use crate::symbol::SymbolThresholds;

/// Multiples and shares are held in millionths, so that money is compared exactly.
const MILLION: i128 = 1_000_000;
/// A move that misses its threshold by less than this is one: prices are decimal, doubles are not.
pub(crate) const MOVE_TOLERANCE: f64 = 1e-12;

/// The rungs that reach a level, in the order of [`Reason`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reasons(u8);

impl Reasons {
    const ALL: [Reason; 5] =
        [Reason::Flow, Reason::Score, Reason::PriceDrop, Reason::CascadeRule, Reason::Velocity];

    /// The rungs, in order.
    pub fn to_vec(self) -> Vec<Reason> {
        Self::ALL.into_iter().filter(|reason| self.0 & Self::bit(*reason) != 0).collect()
    }

    const fn bit(reason: Reason) -> u8 {
        match reason {
            Reason::Flow => 1,
            Reason::Score => 2,
            Reason::PriceDrop => 4,
            Reason::CascadeRule => 8,
            Reason::Velocity => 16,
        }
    }
}

/// A level, and the rungs that reach it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reached {
    /// The highest level that any rung reaches.
    pub level: Level,
    /// The rungs that reach that very level; none for NONE.
    pub reasons: Reasons,
}

impl Reached {
    fn by(&mut self, reason: Reason, level: Level) {
        if level > self.level {
            *self = Self { level, reasons: Reasons::default() };
        }
        if level == self.level && level > Level::None {
            self.reasons.0 |= Reasons::bit(reason);
        }
    }
}

/// What was liquidated in the last 30 s, by side, in micro-dollars.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sides {
    /// Longs.
    pub long: i128,
    /// Shorts.
    pub short: i128,
}

impl Sides {
    /// The side of which more was liquidated; of equals, longs.
    pub const fn dominant(self) -> Side {
        if self.short > self.long { Side::Short } else { Side::Long }
    }

    /// Micro-dollars of the dominant side.
    pub const fn notional(self) -> i128 {
        if self.short > self.long { self.short } else { self.long }
    }

    /// Micro-dollars of both sides.
    pub const fn total(self) -> i128 {
        self.long.saturating_add(self.short)
    }
}

/// What the rungs look at.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RungInput {
    /// Notional of 30 s by side.
    pub sides: Sides,
    /// Orders of 30 s.
    pub count: u64,
    /// The symbol's unit A, micro-dollars.
    pub unit: i128,
    /// Change of the reference price over 60 s, a signed fraction.
    pub change_60s: Option<f64>,
    /// The same over 15 min.
    pub change_15m: Option<f64>,
    /// The score; asked for only where [`Thresholds::counts`].
    pub score: Option<f64>,
    /// Orders a second over 2 s.
    pub velocity_2s: f64,
    /// Orders a second, a second.
    pub acceleration: Option<f64>,
}

/// The thresholds of one symbol under one preset, money in micro-dollars and multiples in millionths.
#[derive(Clone, Debug, Default)]
pub struct Thresholds {
    share: i128,
    watch_divisor: i128,
    multiples: [i128; 5],
    moves: [f64; 2],
    move_15m: f64,
    score: ScoreConfig,
    velocity: Option<VelocityConfig>,
    cascade_orders: u64,
    cascade: i128,
    cascade_level: Level,
    unit: i128,
    unit_open_interest: i128,
    unit_factor: i128,
    /// The unit is multiplied by this.
    volume: i128,
    /// A single order of so many micro-dollars is large.
    pub large: i128,
}

impl Thresholds {
    /// The thresholds of a symbol under these settings.
    pub fn of(config: &Config, symbol: &Symbol) -> Self {
        let preset = config.preset();
        let own: SymbolThresholds = config.symbol(symbol);
        let flow: &FlowConfig = &config.flow;
        Self {
            share: millionths(flow.share),
            watch_divisor: millionths(flow.watch_divisor),
            multiples: [
                flow.alert,
                flow.critical,
                flow.extreme,
                flow.critical_unpriced,
                flow.extreme_unpriced,
            ]
            .map(millionths),
            moves: [own.critical_move, own.extreme_move],
            move_15m: own.alert_move_15m,
            score: config.score.clone(),
            velocity: preset.velocity_rung.then(|| config.velocity.clone()),
            cascade_orders: own.cascade_orders,
            cascade: millionths(own.cascade_usd),
            cascade_level: preset.cascade_rule_level,
            unit: millionths(own.unit_usd * preset.unit_factor),
            unit_open_interest: millionths(own.unit_open_interest),
            unit_factor: millionths(preset.unit_factor),
            volume: MILLION,
            large: millionths(own.large_usd * preset.large_factor),
        }
    }

    /// These, with those of velocity and volume multiplied: the rung `velocity` but for its accelerations, the unit A,
    /// the dollars of `cascade_rule`.
    #[must_use]
    pub fn scaled(mut self, scale: Scale) -> Self {
        self.volume = millionths(scale.volume);
        self.cascade = self.cascade.saturating_mul(self.volume) / MILLION;
        if let Some(rung) = &mut self.velocity {
            for threshold in [&mut rung.watch, &mut rung.alert, &mut rung.critical, &mut rung.extreme] {
                *threshold *= scale.velocity;
            }
        }
        self
    }

    /// The unit A in micro-dollars, given the symbol's open interest in micro-dollars where known.
    pub fn unit(&self, open_interest: Option<i128>) -> i128 {
        let share = open_interest.map_or(0, |usd| {
            (usd.saturating_mul(self.unit_open_interest) / MILLION).saturating_mul(self.unit_factor) / MILLION
        });
        self.unit.max(share).saturating_mul(self.volume) / MILLION
    }

    /// Whether there is enough flow, and one-sided enough, for the score to count.
    #[inline]
    pub fn counts(&self, sides: Sides, unit: i128) -> bool {
        self.flows(sides, unit) && self.one_sided(sides)
    }

    /// The highest level that holds, and the rungs that reach it.
    pub fn reach(&self, input: &RungInput) -> Reached {
        let mut reached = Reached::default();
        let sides = input.sides;
        if input.count == 0 && sides.total() == 0 {
            return reached;
        }
        if self.flows(sides, input.unit) {
            reached.by(Reason::Flow, self.flow(input));
            if self.one_sided(sides) {
                reached.by(Reason::Score, self.score(input.score));
            }
            if moved(input.change_15m, sides.dominant(), self.move_15m) {
                reached.by(Reason::PriceDrop, Level::Alert);
            }
        }
        if input.count >= self.cascade_orders && sides.total() >= self.cascade {
            reached.by(Reason::CascadeRule, self.cascade_level);
        }
        if let Some(rung) = &self.velocity {
            reached.by(Reason::Velocity, velocity(rung, input));
        }
        reached
    }

    fn flows(&self, sides: Sides, unit: i128) -> bool {
        let notional = sides.notional();
        notional > 0 && notional.saturating_mul(self.watch_divisor) >= unit.saturating_mul(MILLION)
    }

    fn one_sided(&self, sides: Sides) -> bool {
        let total = sides.total();
        total > 0 && sides.notional().saturating_mul(MILLION) >= total.saturating_mul(self.share)
    }

    fn flow(&self, input: &RungInput) -> Level {
        let sides = input.sides;
        let notional = sides.notional().saturating_mul(MILLION);
        let holds = |multiple: i128| notional >= input.unit.saturating_mul(multiple);
        let [alert, critical, extreme, critical_unpriced, extreme_unpriced] = self.multiples;
        if !self.one_sided(sides) || !holds(alert) {
            return Level::Watch;
        }
        let falls = |threshold| moved(input.change_60s, sides.dominant(), threshold);
        let (is_extreme, is_critical) = if input.change_60s.is_some_and(f64::is_finite) {
            (holds(extreme) && falls(self.moves[1]), holds(critical) && falls(self.moves[0]))
        } else {
            (holds(extreme_unpriced), holds(critical_unpriced))
        };
        match (is_extreme, is_critical) {
            (true, _) => Level::Extreme,
            (false, true) => Level::Critical,
            (false, false) => Level::Alert,
        }
    }

    /// The level that the score reaches.
    #[inline]
    pub(crate) fn score(&self, score: Option<f64>) -> Level {
        let rungs = [
            (self.score.extreme, Level::Extreme),
            (self.score.critical, Level::Critical),
            (self.score.alert, Level::Alert),
            (self.score.watch, Level::Watch),
        ];
        let reached = |score: f64| rungs.iter().find(|(least, _)| score >= *least).map(|(_, level)| *level);
        score.and_then(reached).unwrap_or_default()
    }
}

fn velocity(rung: &VelocityConfig, input: &RungInput) -> Level {
    let acceleration = input.acceleration.unwrap_or(0.0).abs();
    match input.velocity_2s {
        v if v >= rung.extreme && acceleration >= rung.extreme_acceleration => Level::Extreme,
        v if v >= rung.critical && acceleration >= rung.critical_acceleration => Level::Critical,
        v if v >= rung.alert => Level::Alert,
        v if v >= rung.watch => Level::Watch,
        _ => Level::None,
    }
}

/// Whether the price moved by at least so much in the direction in which liquidating this side drives it.
fn moved(change: Option<f64>, side: Side, threshold: f64) -> bool {
    let towards = match side {
        Side::Long => change.map(|change| -change),
        Side::Short => change,
    };
    towards.is_some_and(|towards| towards.is_finite() && towards >= threshold - MOVE_TOLERANCE)
}

/// A positive number in whole millionths; micro-dollars of dollars. Saturates at both ends.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a cast from double to integer saturates, and 0 for no number"
)]
fn millionths(value: f64) -> i128 {
    (value * 1e6).round_ties_even().clamp(0.0, 1e24) as i128
}
