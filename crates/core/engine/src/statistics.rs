//! Statistics of small samples, in plain IEEE arithmetic and a fixed order: the same bits on every machine.

/// A series as its deviations from its mean, ready to be correlated with others of its length.
#[derive(Clone, Copy, Debug)]
pub struct Centred<const N: usize> {
    deviations: [f64; N],
    squares: f64,
}

impl<const N: usize> Centred<N> {
    /// `None` of a constant series, and of nothing: there is nothing to correlate.
    pub fn of(mut values: [f64; N]) -> Option<Self> {
        if constant(&values) {
            return None;
        }
        let mean = mean(&values)?;
        let mut squares = 0.0;
        for value in &mut values {
            *value -= mean;
            squares += *value * *value;
        }
        Some(Self { deviations: values, squares })
    }

    /// Pearson's coefficient, -1..=1. `None` if a number is not finite.
    pub fn correlation(&self, other: &Self) -> Option<f64> {
        let mut both = 0.0;
        for (x, y) in self.deviations.iter().zip(&other.deviations) {
            both += x * y;
        }
        let coefficient = both / (self.squares * other.squares).sqrt();
        coefficient.is_finite().then(|| coefficient.clamp(-1.0, 1.0))
    }
}

/// Pearson's coefficient of two series, -1..=1. `None` if either is constant, or if a number is not finite.
pub fn correlation<const N: usize>(left: &[f64; N], right: &[f64; N]) -> Option<f64> {
    Centred::of(*left)?.correlation(&Centred::of(*right)?)
}

/// The median; of an even number of values the mean of the middle two. Sorts the values. `None` of nothing.
pub fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = values.get(middle)?;
    if values.len() % 2 == 1 {
        return Some(*upper);
    }
    let lower = values.get(middle.checked_sub(1)?)?;
    Some(lower.midpoint(*upper))
}

/// The population standard deviation. `None` of nothing.
pub fn deviation(values: &[f64]) -> Option<f64> {
    let mean = mean(values)?;
    let squares: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
    Some((squares / length(values)).sqrt())
}

/// Where a value stands among samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Standing {
    /// Share of the samples that are less, and half of those that are equal, 0..=100.
    pub percentile: f64,
    /// Population standard deviations above the samples' mean; unknown where all samples are equal.
    pub z_score: Option<f64>,
}

/// Where a value stands among samples, which it is none of. `None` if they are fewer than `least`, or none. Sums are
/// whole numbers: the order of the samples does not matter, and samples that are all equal have a deviation of 0.
#[expect(clippy::cast_precision_loss, reason = "figures of some digits, of sums that are exact")]
pub fn standing(value: i64, samples: impl Iterator<Item = i64>, least: u32) -> Option<Standing> {
    let (mut count, mut below, mut sum, mut squares) = (0_u32, 0_u32, 0_i128, 0_i128);
    for sample in samples {
        count += 1;
        below += u32::from(sample < value) + u32::from(sample <= value);
        let sample = i128::from(sample);
        sum += sample;
        squares = squares.saturating_add(sample * sample);
    }
    if count == 0 || count < least {
        return None;
    }
    let many = i128::from(count);
    let spread = squares.saturating_mul(many).saturating_sub(sum.saturating_mul(sum));
    let above = many * i128::from(value) - sum;
    Some(Standing {
        percentile: 50.0 * f64::from(below) / f64::from(count),
        z_score: (spread > 0).then(|| above as f64 / (spread as f64).sqrt()),
    })
}

fn constant(values: &[f64]) -> bool {
    values.iter().all(|value| Some(value) == values.first())
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / length(values))
}

#[expect(clippy::cast_precision_loss, reason = "samples are small")]
fn length(values: &[f64]) -> f64 {
    values.len() as f64
}
