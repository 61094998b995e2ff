//! What is not told for a while because somebody said so.
//!
//! Knows no reason but that.

use cascade_domain::{Alert, EventTime, Mute, Symbol, Which};

/// What mutes look at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct About<'a> {
    pub(crate) kind: &'a str,
    pub(crate) rule: &'a str,
    pub(crate) symbol: Option<Symbol>,
}

impl<'a> From<&'a Alert> for About<'a> {
    fn from(alert: &'a Alert) -> Self {
        Self { kind: &alert.kind, rule: &alert.rule, symbol: alert.symbol }
    }
}

/// Whether these are about such an alert to this destination.
fn covers(which: &Which, about: About<'_>, destination: &str) -> bool {
    which.symbol.is_none_or(|symbol| about.symbol == Some(symbol))
        && which.rule.as_ref().is_none_or(|rule| rule == about.rule || rule == about.kind)
        && which.destination.as_ref().is_none_or(|name| name == destination)
}

/// Whether a mute holds for an alert to a destination.
pub(crate) fn is_muted(mutes: &[Mute], about: About<'_>, destination: &str, now: EventTime) -> bool {
    mutes.iter().any(|mute| mute.until_ms > now && covers(&mute.what, about, destination))
}
