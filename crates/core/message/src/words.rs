//! Figures and foreign texts as people read them.
//!
//! Knows no markup and no finding. A figure that is absurdly large is written short instead of long.

use std::fmt::Write as _;

use cascade_domain::{FeedStatus, Feeds, Side, Usd, Venue};

/// How much of a foreign text is shown, in characters.
const LONGEST_TEXT: usize = 240;

/// Whether a character may steer what shows it: control characters, line and paragraph separators, marks that turn the
/// direction of writing, and what is there without being seen.
fn steers(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// A text from outside as a terminal may be shown it: on one line, without control characters, not too long.
pub fn plain(text: &str) -> String {
    let mut shown: String =
        text.chars().take(LONGEST_TEXT).map(|c| if steers(c) { '?' } else { c }).collect();
    if text.chars().nth(LONGEST_TEXT).is_some() {
        shown.push_str("...");
    }
    shown
}

/// A text on one line without anything that steers: line breaks and tabs are spaces, the rest is left out.
pub(crate) fn clean(text: &str) -> String {
    let space = |c| if matches!(c, '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}') { ' ' } else { c };
    text.chars().map(space).filter(|c| !steers(*c)).collect()
}

/// A text from outside for a message: clean, its spaces single ones, of so many characters at most.
pub(crate) fn foreign(text: &str, most: usize) -> String {
    let clean = clean(text).split_whitespace().collect::<Vec<_>>().join(" ");
    match clean.char_indices().nth(most) {
        Some((end, _)) => format!("{}...", clean[..end].trim_end()),
        None => clean,
    }
}

/// A length of time in whole seconds: `64 s`, `3 min 5 s`, `2 h 0 min`, `4 d 7 h`.
pub fn duration(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min {} s", seconds / 60, seconds % 60),
        7_200..172_800 => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds / 3600 % 24),
    }
}

/// A length of time in milliseconds, in whole seconds; a negative one is none.
pub(crate) fn lasted(ms: i64) -> String {
    duration(u64::try_from(ms).unwrap_or(0).saturating_add(500) / 1000)
}

/// A window: `15 min`, `1 h`, `90 s`.
pub(crate) fn span(seconds: u32) -> String {
    match seconds {
        s if s >= 3600 && s.is_multiple_of(3600) => format!("{} h", s / 3600),
        s if s >= 60 && s.is_multiple_of(60) => format!("{} min", s / 60),
        s => format!("{s} s"),
    }
}

/// A signed fraction as percent with one decimal: `-1.2 %`, `+0.5 %`, `0.0 %`.
pub fn percent(fraction: f64) -> String {
    let percents = fraction * 100.0;
    let text = if percents.abs() < 1e6 { format!("{percents:+.1} %") } else { format!("{percents:+.1e} %") };
    if text == "-0.0 %" || text == "+0.0 %" { "0.0 %".to_owned() } else { text }
}

/// A change in percent, cut towards zero: `+18.0 %`, and `+2.9 %` of what is a hair below a threshold of 3. What is left of
/// a figure that is not quite its last decimal in binary does not cut it.
pub fn moved(change_pct: f64) -> String {
    let tenths = (change_pct.abs() * 10.0 + 1e-6).floor() / 10.0;
    percent(tenths.copysign(change_pct) / 100.0)
}

/// A part of a whole, 0..=1, in whole percent: `93 %`.
pub(crate) fn share(part: f64) -> String {
    fixed(part * 100.0, 0) + " %"
}

/// A figure with so many decimals.
pub(crate) fn fixed(figure: f64, decimals: usize) -> String {
    if figure.abs() < 1e9 { format!("{figure:.decimals$}") } else { format!("{figure:.1e}") }
}

/// A price, with all the decimals that it has.
pub(crate) fn price(price: f64) -> String {
    let size = price.abs();
    if size == 0.0 || (1e-9..1e12).contains(&size) { price.to_string() } else { format!("{price:.3e}") }
}

/// A signed amount of at most three figures and a unit: `+$378M`, `-$37.8M`, `+5.4k`.
pub(crate) fn short(amount: f64, sign: &str) -> String {
    const UNITS: [(f64, &str); 4] = [(1e9, "B"), (1e6, "M"), (1e3, "k"), (1.0, "")];
    let size = amount.abs();
    // What rounds to a thousand of a unit is one of the next.
    let fits = |(unit, _): &&(f64, &str)| size >= unit * 0.9995;
    let (unit, letter) = UNITS.iter().find(fits).copied().unwrap_or((1.0, ""));
    let way = if amount < 0.0 { "-" } else { "+" };
    let scaled = size / unit;
    if scaled >= 1e9 {
        format!("{way}{sign}{size:.1e}")
    } else if scaled >= 99.95 || scaled == 0.0 {
        format!("{way}{sign}{scaled:.0}{letter}")
    } else {
        format!("{way}{sign}{scaled:.1}{letter}")
    }
}

/// A share of an amount, to the cent; `None` where that is no amount.
pub(crate) fn part_of(amount: Usd, share: f64) -> Option<Usd> {
    Usd::from_f64(amount.dollars() * share)
}

/// What is being liquidated, in the plural.
pub(crate) const fn positions(side: Side) -> &'static str {
    match side {
        Side::Long => "longs",
        Side::Short => "shorts",
    }
}

/// `1 order`, `2 orders`.
pub(crate) fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// A venue's name as it writes itself.
pub(crate) const fn venue(venue: Venue) -> &'static str {
    match venue {
        Venue::Binance => "Binance",
        Venue::Bybit => "Bybit",
        Venue::Okx => "OKX",
        Venue::Hyperliquid => "Hyperliquid",
    }
}

/// `Binance`, `Binance and OKX`, `Binance, Bybit and OKX`.
pub(crate) fn listed(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// What the venues do not show, as clauses: `Binance and OKX publish one a second`, `Hyperliquid publishes only some`. Nothing
/// where no venue's feed is known.
pub(crate) fn coverage(feeds: &Feeds, lower_bound: &[Venue]) -> Vec<String> {
    let mut clauses = Vec::new();
    let mut say = |which: &dyn Fn(Venue) -> bool, one: &str, many: &str| {
        let names: Vec<_> = Venue::ALL.into_iter().filter(|v| which(*v)).map(venue).collect();
        if !names.is_empty() {
            clauses.push(format!("{} {}", listed(&names), if names.len() == 1 { one } else { many }));
        }
    };
    if feeds.is_empty() {
        return clauses;
    }
    let is = |status| move |v: Venue| feeds.get(&v) == Some(&status);
    say(&is(FeedStatus::Sampled), "publishes one a second", "publish one a second");
    say(&is(FeedStatus::Partial), "publishes only some", "publish only some");
    say(&|v| feeds.get(&v) == Some(&FeedStatus::Live) && lower_bound.contains(&v), "has a gap", "have gaps");
    for status in [FeedStatus::Suspect, FeedStatus::Stale, FeedStatus::Dead, FeedStatus::Refused] {
        let (one, many) = (format!("is {}", status.as_str()), format!("are {}", status.as_str()));
        say(&is(status), &one, &many);
    }
    say(&|v| !feeds.contains_key(&v), "is not covered", "are not covered");
    clauses
}

/// Adds to a text; writing to a `String` does not fail.
pub(crate) fn push(text: &mut String, more: std::fmt::Arguments<'_>) {
    text.write_fmt(more).ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_short() {
        let shown: Vec<String> = [0, 119, 120, 7_199, 7_200, 172_800].into_iter().map(duration).collect();
        assert_eq!(shown, ["0 s", "119 s", "2 min 0 s", "119 min 59 s", "2 h 0 min", "2 d 0 h"]);
    }

    #[test]
    fn no_sign_of_a_change_that_rounds_to_nothing() {
        assert_eq!(
            (percent(-0.0004), percent(0.0), percent(0.005)),
            ("0.0 %".into(), "0.0 %".into(), "+0.5 %".into())
        );
    }

    #[test]
    fn what_is_below_the_threshold_does_not_look_as_if_it_reached_it() {
        assert_eq!(
            [2.98, 3.0, -2.999, -3.0, 0.04, 17.999_999_999, 4.35].map(moved),
            ["+2.9 %", "+3.0 %", "-2.9 %", "-3.0 %", "0.0 %", "+18.0 %", "+4.3 %"]
        );
    }

    #[test]
    fn amounts_have_three_figures_at_most() {
        let shown = |amount| short(amount, "$");
        assert_eq!(
            [378e6, -378e6, 37.8e6, 3.78e6, 999.4e6, 999.6e6, 99.96e3, 0.0, 0.25].map(shown),
            ["+$378M", "-$378M", "+$37.8M", "+$3.8M", "+$999M", "+$1.0B", "+$100k", "+$0", "+$0.2"]
        );
        assert_eq!([900, 3600, 60, 90, 5400].map(span), ["15 min", "1 h", "1 min", "90 s", "90 min"]);
    }

    #[test]
    fn a_foreign_text_can_not_steer_the_terminal() {
        assert_eq!(plain("a\u{1b}[2Jb\nc"), "a?[2Jb?c");
        assert_eq!(plain(&"x".repeat(1000)).len(), LONGEST_TEXT + 3);
    }

    #[test]
    fn what_is_not_seen_does_not_get_through() {
        let hostile = "BTC\u{202e}TDSU\u{2066}\u{200b}\u{feff}\nsecond\u{1b}[2J";
        assert_eq!(clean(hostile), "BTCTDSU second[2J");
        assert_eq!(plain("a\u{202e}b"), "a?b");
        assert_eq!(foreign("  much too long  ", 8), "much too...");
    }

    #[test]
    fn absurd_figures_are_short() {
        assert_eq!(
            [percent(1e300), fixed(-1e300, 2), price(1e300), short(1e300, "$")],
            ["+1.0e302 %", "-1.0e300", "1.000e300", "+$1.0e300"]
        );
        assert_eq!([price(0.000_012), price(82_340.1), price(0.0)], ["0.000012", "82340.1", "0"]);
    }

    #[test]
    fn venues_say_what_they_do_not_show() {
        let feeds = Feeds::from([
            (Venue::Binance, FeedStatus::Sampled),
            (Venue::Okx, FeedStatus::Sampled),
            (Venue::Bybit, FeedStatus::Live),
            (Venue::Hyperliquid, FeedStatus::Partial),
        ]);
        assert_eq!(
            coverage(&feeds, &[Venue::Binance, Venue::Bybit]),
            ["Binance and OKX publish one a second", "Hyperliquid publishes only some", "Bybit has a gap"]
        );
        let one = Feeds::from([(Venue::Bybit, FeedStatus::Dead)]);
        assert_eq!(coverage(&one, &[]), ["Bybit is dead", "Binance, OKX and Hyperliquid are not covered"]);
        assert_eq!(coverage(&Feeds::new(), &[Venue::Bybit]), [""; 0]);
    }
}
