//! What is said of open interest, in words: how far it went, on which venues, and what that means beside the price.
//!
//! Amounts are US dollars, or base coins where no price was known. Knows no finding of another kind.

use cascade_domain::{InterestFinding, PositionReading, State, Swing};

use crate::subject::amounts;
use crate::words::{duration, moved, percent, push, span};

/// `OI EXPLOSION BTCUSDT +18.0 % in 15 min: $2.1B -> $2.5B (+$378M), 3 of 3 venues (binance +18.1 %, ...), price 0.0 %: flat`.
pub(super) fn finding(f: &InterestFinding) -> String {
    match f.state {
        State::Resolved => over("RESOLVED", f),
        State::Closed => over("CLOSED", f),
        State::Open | State::Level | State::Update => going_on(f),
    }
}

/// An episode that goes on.
fn going_on(f: &InterestFinding) -> String {
    let word = match f.direction {
        Swing::Explosion => "EXPLOSION",
        Swing::Collapse => "COLLAPSE",
    };
    let now = if f.state == State::Open { "" } else { " now" };
    let mut text = format!("OI {word} {}{now}", f.symbol);
    if let Some(change) = f.change_pct {
        push(&mut text, format_args!(" {} in {}", moved(change), span(f.window_s)));
    }
    if let Some(amounts) = amounts(f) {
        push(&mut text, format_args!(": {amounts}"));
    }
    push(&mut text, format_args!(", {} of {} venues", f.confirming, f.with_data));
    let venues: Vec<_> =
        f.venues.iter().map(|(venue, change)| format!("{venue} {}", moved(change.change_pct))).collect();
    if !venues.is_empty() {
        push(&mut text, format_args!(" ({})", venues.join(", ")));
    }
    if let Some(change) = f.price_change {
        push(&mut text, format_args!(", price {}", percent(change)));
    }
    if let Some(reading) = f.reading {
        push(&mut text, format_args!(": {}", meaning(reading)));
    }
    text
}

/// An episode that is over: `OI RESOLVED BTCUSDT explosion: peak +18.0 %, 23 min 5 s, now +2.1 % in 15 min`.
fn over(word: &str, f: &InterestFinding) -> String {
    let mut text = format!("OI {word} {} {}", f.symbol, f.direction.as_str());
    if let Some(ending) = &f.ending {
        let seconds = u64::try_from(ending.duration_ms).unwrap_or(0).saturating_add(500) / 1000;
        let (peak, lasted) = (moved(ending.peak_change_pct), duration(seconds));
        push(&mut text, format_args!(": peak {peak}, {lasted}"));
    }
    match f.change_pct {
        Some(change) => push(&mut text, format_args!(", now {} in {}", moved(change), span(f.window_s))),
        None => text.push_str(", no figures any more"),
    }
    text
}

const fn meaning(reading: PositionReading) -> &'static str {
    match reading {
        PositionReading::NewLongs => "new longs",
        PositionReading::NewShorts => "new shorts",
        PositionReading::LongsClosing => "longs closing or liquidated",
        PositionReading::ShortsCovering => "shorts covering",
        PositionReading::Flat => "flat",
    }
}

#[cfg(test)]
mod tests {
    use cascade_wire::finding_from_json;

    use crate::line::line;

    /// The line of the finding of contract.md 5 with one piece changed.
    fn told(from: &str, to: &str) -> String {
        let text = include_str!("../../tests/interest.json");
        assert!(text.contains(from), "{from}");
        line(&finding_from_json(&text.replacen(from, to, 1)).unwrap())
    }

    #[test]
    fn an_explosion_says_how_much_where_and_what_it_means() {
        assert_eq!(
            told("", ""),
            "17:06:41.482 OI EXPLOSION BTCUSDT +18.0 % in 15 min: $2.1B -> $2.5B (+$378M), 3 of 3 venues \
             (binance +18.1 %, bybit +17.9 %, okx +18.0 %), price 0.0 %: flat"
        );
    }

    #[test]
    fn a_collapse_falls() {
        let text = told(
            r#""direction":"explosion","change_pct":18.0"#,
            r#""direction":"collapse","change_pct":-15.25"#,
        );
        assert!(text.contains(" OI COLLAPSE BTCUSDT -15.2 % in 15 min: "), "{text}");
        let swapped = told(
            r#""before":{"coins":30000.0,"usd":2100000000.0},"after":{"coins":35400.0,"usd":2478000000.0}"#,
            r#""after":{"coins":30000.0,"usd":2100000000.0},"before":{"coins":35400.0,"usd":2478000000.0}"#,
        );
        assert!(swapped.contains(": $2.5B -> $2.1B (-$378M), "), "{swapped}");
    }

    #[test]
    fn every_reading_has_its_words() {
        for (reading, words) in [
            ("new_longs", ": new longs"),
            ("new_shorts", ": new shorts"),
            ("longs_closing", ": longs closing or liquidated"),
            ("shorts_covering", ": shorts covering"),
        ] {
            let text = told(r#""reading":"flat""#, &format!(r#""reading":"{reading}""#));
            assert!(text.ends_with(&format!(", price 0.0 %{words}")), "{text}");
        }
    }

    #[test]
    fn what_goes_on_says_now_and_what_is_over_sums_up() {
        let now = told(r#""state":"open""#, r#""state":"update""#);
        assert!(now.contains(" OI EXPLOSION BTCUSDT now +18.0 % in 15 min: $2.1B"), "{now}");
        let resolved = told(
            r#""state":"open","symbol":"BTCUSDT","direction":"explosion","change_pct":18.0"#,
            r#""peak_change_pct":27.31,"duration_ms":1385000,"state":"resolved","symbol":"BTCUSDT","direction":"explosion","change_pct":7.04"#,
        );
        assert_eq!(
            resolved,
            "17:06:41.482 OI RESOLVED BTCUSDT explosion: peak +27.3 %, 23 min 5 s, now +7.0 % in 15 min"
        );
        let closed = told(
            r#""state":"open","symbol":"BTCUSDT","direction":"explosion","change_pct":18.0"#,
            r#""peak_change_pct":-27.31,"duration_ms":1385000,"state":"closed","symbol":"BTCUSDT","direction":"collapse""#,
        );
        assert_eq!(
            closed,
            "17:06:41.482 OI CLOSED BTCUSDT collapse: peak -27.3 %, 23 min 5 s, no figures any more"
        );
    }

    #[test]
    fn what_is_unknown_is_left_out_and_coins_stand_in_for_dollars() {
        let coins = told(r#""before":{"coins":30000.0,"usd":2100000000.0}"#, r#""before":{"coins":30000.0}"#);
        assert!(coins.contains(" in 15 min: 30.0k -> 35.4k BTC (+5.4k), 3 of 3 venues "), "{coins}");
        let bare = told(r#","price_change":0.0,"reading":"flat","divergence_pct":18.0"#, "");
        assert!(bare.ends_with("okx +18.0 %)"), "{bare}");
        let demo = told(r#""engine""#, r#""demo":true,"warming":true,"engine""#);
        assert!(demo.starts_with("DEMO 17:06:41.482 OI ") && demo.ends_with(": flat, warming up"), "{demo}");
    }
}
