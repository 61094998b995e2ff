//! Chance from a seed: the same seed draws the same numbers on every machine. Splitmix64 and the distributions that
//! the market needs. Knows nothing of markets.

use std::f64::consts::TAU;

use crate::numeral::floating;

/// A sequence of numbers that a seed decides.
#[derive(Clone, Debug)]
pub(crate) struct Dice {
    state: u64,
}

impl Dice {
    /// The sequence of this seed for this purpose: two purposes never share their numbers.
    pub(crate) fn of(seed: u64, purpose: u64) -> Self {
        let mut dice = Self { state: seed ^ purpose.wrapping_mul(0xd6e8_feb8_6659_fd93) };
        dice.next();
        dice
    }

    /// The next 64 bits.
    pub(crate) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Evenly in [0, 1).
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit a double exactly")]
    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Evenly in [0, `end`), in whole numbers; 0 where there is no room.
    pub(crate) fn below(&mut self, end: u64) -> i64 {
        i64::try_from(self.next() % end.max(1)).unwrap_or_default()
    }

    /// From the normal distribution with mean 0 and deviation 1 (Box and Muller).
    pub(crate) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (TAU * self.unit()).cos()
    }

    /// Lognormal with this median and this deviation of the logarithm.
    pub(crate) fn lognormal(&mut self, median: f64, sigma: f64) -> f64 {
        median * (sigma * self.normal()).exp()
    }

    /// How many events of a Poisson stream fall into a stretch in which `mean` are expected (small means: Knuth).
    pub(crate) fn poisson(&mut self, mean: f64) -> u32 {
        let floor = (-mean.min(50.0)).exp();
        let mut product = self.unit();
        let mut count = 0;
        while product > floor {
            product *= self.unit();
            count += 1;
        }
        count
    }

    /// The index of one of these weights, each as likely as it is heavy. 0 where all are zero.
    pub(crate) fn weighted(&mut self, weights: impl Iterator<Item = f64> + Clone) -> usize {
        let mut left = self.unit() * weights.clone().sum::<f64>();
        let mut last = 0;
        for (index, weight) in weights.enumerate() {
            if weight > 0.0 {
                last = index;
                if left < weight {
                    return index;
                }
                left -= weight;
            }
        }
        last
    }
}

/// Milliseconds of a stretch at a fraction of it.
pub(crate) fn at_fraction(from_ms: i64, to_ms: i64, fraction: f64) -> i64 {
    from_ms + crate::numeral::whole(floating(to_ms - from_ms) * fraction)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_and_a_purpose_decide_the_numbers() {
        let draw = |seed, purpose| Dice::of(seed, purpose).next();
        assert_eq!(draw(1, 2), draw(1, 2));
        assert_ne!(draw(1, 2), draw(1, 3));
        assert_ne!(draw(1, 2), draw(2, 2));
    }

    #[test]
    fn the_distributions_have_their_means() {
        let mut dice = Dice::of(5, 0);
        let n = 20_000;
        let mean = |sum: f64| sum / f64::from(n);
        let normal = mean((0..n).map(|_| dice.normal()).sum());
        assert!(normal.abs() < 0.03, "{normal}");
        let poisson = mean((0..n).map(|_| f64::from(dice.poisson(1.5))).sum());
        assert!((poisson - 1.5).abs() < 0.05, "{poisson}");
        let second =
            mean((0..n).filter(|_| dice.weighted([1.0, 0.0, 3.0].into_iter()) == 2).map(|_| 1.0).sum());
        assert!((second - 0.75).abs() < 0.02, "{second}");
    }
}
