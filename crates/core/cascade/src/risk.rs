//! The risk score, 0-100: a pure function of six inputs. It is shown and decides nothing by default.

use cascade_domain::{Risk, RiskAction, RiskFactors, RiskLevel};
use cascade_engine::deviation;

use crate::config::RiskConfig;

/// What the risk score is made of; unknown is absent.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RiskInput {
    /// Orders a second over 0.1 s, of venues that publish every liquidation.
    pub velocity_100ms: f64,
    /// Orders a second over 2 s.
    pub velocity_2s: f64,
    /// Orders a second over 10 s.
    pub velocity_10s: f64,
    /// Orders a second over 60 s.
    pub velocity_60s: f64,
    /// Orders a second, a second.
    pub acceleration: Option<f64>,
    /// Orders a second, a second, a second.
    pub jerk: Option<f64>,
    /// US dollars of 60 s.
    pub volume_usd: f64,
    /// US dollars of the average order of 60 s.
    pub average_usd: f64,
    /// Orders of 60 s.
    pub count_60s: u64,
    /// Mean Pearson coefficient over venue pairs.
    pub correlation: Option<f64>,
    /// Share of live venues, 0..=1.
    pub live_share: f64,
}

/// The risk score of an input, with its band, its confidence and what it would have you do.
pub fn assess(config: &RiskConfig, input: &RiskInput) -> Risk {
    let factors = factors(config, input);
    let score = config.velocity_weight * factors.velocity
        + config.acceleration_weight * factors.acceleration
        + config.jerk_weight * factors.jerk
        + config.volume_weight * factors.volume
        + config.correlation_weight * factors.correlation
        + config.clustering_weight * factors.clustering;
    let score = score.clamp(0.0, 100.0);
    let level = level(config, score);
    let confidence = confidence(input, &factors);
    Risk { score, level, confidence, action: action(config, level, confidence), factors }
}

fn factors(config: &RiskConfig, input: &RiskInput) -> RiskFactors {
    let velocity = 0.4 * input.velocity_100ms + 0.4 * input.velocity_10s + 0.2 * input.velocity_60s;
    let volume = climb(input.volume_usd, &config.volume_usd, 25.0);
    let boost = if input.average_usd > config.large_average_usd { config.large_average_boost } else { 1.0 };
    let ratio = if input.velocity_60s > 0.0 { input.velocity_100ms / input.velocity_60s } else { 0.0 };
    RiskFactors {
        velocity: climb(velocity, &config.velocity, 25.0),
        acceleration: climb(input.acceleration.unwrap_or(0.0), &config.acceleration, 25.0),
        jerk: climb(input.jerk.unwrap_or(0.0), &config.jerk, 25.0),
        volume: (volume * boost).min(100.0),
        correlation: climb(input.correlation.unwrap_or(0.0), &config.correlation, 50.0),
        clustering: climb(ratio, &config.clustering, 50.0),
    }
}

/// Piecewise linear from 0 at 0 through `rise` more at each of `points`, 100 from the last on; 0 for what is
/// negative or no number.
fn climb(value: f64, points: &[f64], rise: f64) -> f64 {
    if value.is_nan() || value <= 0.0 {
        return 0.0;
    }
    let (mut from, mut reached) = (0.0, 0.0);
    for point in points {
        if value < *point {
            return reached + rise * (value - from) / (point - from);
        }
        (from, reached) = (*point, reached + rise);
    }
    100.0
}

fn level(config: &RiskConfig, score: f64) -> RiskLevel {
    let [low, medium, high, critical] = config.levels;
    match score {
        s if s >= critical => RiskLevel::Critical,
        s if s >= high => RiskLevel::High,
        s if s >= medium => RiskLevel::Medium,
        s if s >= low => RiskLevel::Low,
        _ => RiskLevel::None,
    }
}

fn confidence(input: &RiskInput, factors: &RiskFactors) -> f64 {
    let mut confidence: f64 = 0.5;
    confidence += match input.count_60s {
        10.. => 0.2,
        5..10 => 0.1,
        _ => 0.0,
    };
    let velocities = [input.velocity_100ms, input.velocity_2s, input.velocity_10s, input.velocity_60s];
    if deviation(&velocities).is_some_and(|deviation| deviation < 2.0) {
        confidence += 0.15;
    }
    let shown = [factors.velocity, factors.acceleration, factors.volume, factors.correlation];
    confidence += match shown.iter().filter(|factor| **factor > 50.0).count() {
        3.. => 0.15,
        2 => 0.1,
        _ => 0.0,
    };
    let share = if input.live_share.is_nan() { 0.0 } else { input.live_share.clamp(0.0, 1.0) };
    confidence.min(1.0) * share
}

fn action(config: &RiskConfig, level: RiskLevel, confidence: f64) -> RiskAction {
    match level {
        RiskLevel::Critical if confidence > config.urgent_confidence => RiskAction::Urgent,
        RiskLevel::Critical | RiskLevel::High if confidence > config.alert_confidence => RiskAction::Alert,
        RiskLevel::Critical | RiskLevel::High | RiskLevel::Medium => RiskAction::Monitor,
        RiskLevel::Low | RiskLevel::None => RiskAction::Normal,
    }
}
