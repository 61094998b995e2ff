//! Numbers as a venue writes them, and the few conversions between whole and floating numbers that the simulator
//! needs, each in one place. Knows no venue.

/// The number with so many decimals, as text.
pub(crate) fn fixed(value: f64, decimals: usize) -> String {
    format!("{value:.decimals$}")
}

/// The number with at most so many decimals: trailing zeros go, as OKX writes sizes (`8.55`, `12`).
pub(crate) fn trimmed(value: f64, decimals: usize) -> String {
    let text = fixed(value, decimals);
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// The number with at most so many decimals and at least one, as Hyperliquid writes prices (`105056.0`).
pub(crate) fn pointed(value: f64, decimals: usize) -> String {
    let text = trimmed(value, decimals);
    if text.contains('.') { text } else { text + ".0" }
}

/// The nearest number with so many decimals.
pub(crate) fn rounded(value: f64, decimals: usize) -> f64 {
    fixed(value, decimals).parse().unwrap_or(value)
}

/// The smallest step that so many decimals can write, as text: `0.001`.
pub(crate) fn step(decimals: usize) -> String {
    if decimals == 0 { "1".to_owned() } else { fixed(step_of(decimals), decimals) }
}

/// The smallest step that so many decimals can write.
pub(crate) fn step_of(decimals: usize) -> f64 {
    (0..decimals).fold(1.0, |step, _| step / 10.0)
}

/// A whole number as a floating one.
#[expect(clippy::cast_precision_loss, reason = "counts and milliseconds of a scenario fit 53 bits")]
pub(crate) const fn floating(whole: i64) -> f64 {
    whole as f64
}

/// A floating number cut to a whole one; saturates, and not-a-number is zero.
#[expect(clippy::cast_possible_truncation, reason = "the conversion saturates, which is what is wanted")]
pub(crate) const fn whole(value: f64) -> i64 {
    value as i64
}
