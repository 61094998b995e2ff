//! What who presses a button is told for a moment: one line, without markup, at most 200 characters.
//!
//! Knows no provider and no list of users.

use cascade_domain::{Ask, Which};

use crate::time::second;
use crate::told::short_id;

/// Who pressed may not.
pub const NOT_ALLOWED: &str =
    "Not allowed: your user id is not in telegram.allowed_users. This is in the history.";
/// The button is not ours: its signature is not good.
pub const NOT_OURS: &str = "This button is not of this installation: nothing was done.";
/// A mute that would be of everything.
pub const NO_MUTE: &str = "This alert can't be muted from here; use `cascade mute`.";

/// What was done.
pub fn done(ask: &Ask) -> String {
    match ask {
        Ask::Ack { alert } => format!("Acknowledged {}: it is not escalated.", short_id(*alert)),
        Ask::Mute(mute) => format!("Muted {} until {} UTC.", named(&mute.what), second(mute.until_ms)),
        Ask::Unmute { what } => format!("No longer muted: {}.", named(what)),
        Ask::Test { .. } => "A test alert is on its way.".to_owned(),
        Ask::Watchdog { .. } => "A sign of life is on its way.".to_owned(),
        Ask::Refused { .. } => NOT_ALLOWED.to_owned(),
    }
}

fn named(what: &Which) -> String {
    let symbol = what.symbol.map(|symbol| symbol.to_string());
    let parts: Vec<String> =
        [symbol, what.rule.clone(), what.destination.clone()].into_iter().flatten().collect();
    if parts.is_empty() { "everything".to_owned() } else { parts.join(", ") }
}

#[cfg(test)]
mod tests {
    use cascade_domain::{EventTime, Id, Mute, Symbol};

    use super::*;

    #[test]
    fn an_answer_says_what_was_done_and_for_how_long() {
        let what = Which { symbol: Symbol::parse("BTCUSDT").ok(), ..Which::default() };
        let mute = Ask::Mute(Mute { what, until_ms: EventTime::from_ms(1_795_266_187_482) });
        assert_eq!(done(&mute), "Muted BTCUSDT until 13:03:07 UTC.");
        let ack = Ask::Ack { alert: Id::from_bits(0x1564_d43e_9149_69af) };
        assert_eq!(done(&ack), "Acknowledged 1564d43e: it is not escalated.");
        for text in [NOT_ALLOWED, NOT_OURS, NO_MUTE] {
            assert!(text.chars().count() <= 200, "{text}");
        }
    }
}
