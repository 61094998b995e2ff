//! The colours of the levels, the same wherever findings are shown, and of what is well or not; here and nowhere else.

use std::io::IsTerminal;

use cascade_domain::{Finding, Level, State};
use cascade_service::environment;
use ratatui::style::{Color, Modifier, Style};

use crate::words;

/// Whether lines on stdout are to be coloured: on a terminal, unless `NO_COLOR` is set (no-color.org).
pub(crate) fn is_wanted() -> bool {
    let refused = |(name, value): &(String, String)| name == "NO_COLOR" && !value.is_empty();
    std::io::stdout().is_terminal() && !environment().iter().any(refused)
}

/// A finding's line in the colour of its level.
pub(crate) fn painted(finding: &Finding) -> String {
    let line = words::line(finding);
    match of(shown_as(finding)).0 {
        "" => line,
        code => format!("\u{1b}[{code}m{line}\u{1b}[0m"),
    }
}

/// How something stands that is not a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    Good,
    Doubtful,
    Bad,
}

/// A word in the colour of how it stands.
pub(crate) fn in_mood(mood: Mood, word: &str) -> String {
    let code = match mood {
        Mood::Good => "32",
        Mood::Doubtful => "33",
        Mood::Bad => "31",
    };
    format!("\u{1b}[{code}m{word}\u{1b}[0m")
}

/// How the table shows a finding.
pub(crate) fn finding(finding: &Finding) -> Style {
    level(shown_as(finding))
}

/// How the table shows a level.
pub(crate) const fn level(level: Level) -> Style {
    of(level).1
}

/// A level's colour: as the number of an ANSI sequence, and as the table takes it.
const fn of(level: Level) -> (&'static str, Style) {
    match level {
        Level::None => ("", Style::new()),
        Level::Watch => ("36", Style::new().fg(Color::Cyan)),
        Level::Alert => ("33", Style::new().fg(Color::Yellow)),
        Level::Critical => ("31", Style::new().fg(Color::Red)),
        Level::Extreme => ("1;31", Style::new().fg(Color::Red).add_modifier(Modifier::BOLD)),
    }
}

/// The level in whose colour a finding is shown. What has none stands out by as much as it wants to be looked at: an
/// open-interest episode that goes on as an alert does, a single large liquidation or what is over not at all.
const fn shown_as(finding: &Finding) -> Level {
    match finding {
        Finding::Cascade(signal) => signal.level,
        Finding::OpenInterest(interest) => match interest.state {
            State::Open | State::Level | State::Update => Level::Alert,
            State::Resolved | State::Closed => Level::None,
        },
        Finding::LargeLiquidation(_) | Finding::Feed(_) => Level::None,
    }
}

#[cfg(test)]
mod tests {
    use cascade_wire::finding_from_json;

    use super::*;

    #[test]
    fn open_interest_stands_out_while_it_moves() {
        let text = include_str!("../tests/interest.json");
        let of = |state: &str| {
            let text = text.replacen(r#""state":"open""#, &format!(r#""state":"{state}""#), 1);
            painted(&finding_from_json(&text).unwrap())
        };
        for state in ["open", "update"] {
            assert!(of(state).starts_with("\u{1b}[33m") && of(state).ends_with("\u{1b}[0m"), "{state}");
        }
        for state in ["resolved", "closed"] {
            assert!(!of(state).contains('\u{1b}'), "{state}");
        }
    }
}
