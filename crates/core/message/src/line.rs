//! Findings in plain lines for terminals, and the words that stand beside them there.
//!
//! Knows no colours, no channel and no time zone but UTC. What a finding does not know is left out of its line.

mod interest;

use cascade_domain::{
    CascadeFinding, Closing, FeedFinding, FeedStatus, Feeds, Finding, LargeLiquidation, State,
};

pub use crate::time::{civil, clock, date_time, rfc3339};
pub use crate::words::{duration, moved, percent, plain};
use crate::words::{positions, push};

/// One plain line: `14:03:07.482 CRITICAL BTCUSDT longs $18.4M in 30 s (93 %), price -1.2 % in 60 s, score 0.78
/// [flow score]`. The time is when the finding was decided, UTC.
pub fn line(finding: &Finding) -> String {
    let (demo, warming, text) = match finding {
        Finding::Cascade(f) => {
            let text = match f.state {
                State::Open | State::Level | State::Update => signal(f),
                State::Resolved => over("RESOLVED", f),
                State::Closed => over("CLOSED", f),
            };
            (f.demo, f.warming, text)
        }
        Finding::LargeLiquidation(f) => (f.demo, f.warming, large(f)),
        Finding::OpenInterest(f) => (f.demo, f.warming, interest::finding(f)),
        Finding::Feed(f) => (f.demo, false, feed(f)),
    };
    let (demo, warming) = (if demo { "DEMO " } else { "" }, if warming { ", warming up" } else { "" });
    format!("{demo}{} {text}{warming}", clock(finding.known_at()))
}

/// An episode that goes on.
fn signal(f: &CascadeFinding) -> String {
    let mut text =
        format!("{} {} {} {} in 30 s", f.level, f.symbol, positions(f.direction), f.flow.notional_30s_usd);
    if let Some(share) = f.flow.share {
        push(&mut text, format_args!(" ({:.0} %)", share * 100.0));
    }
    if let Some(change) = f.flow.price_change_60s {
        push(&mut text, format_args!(", price {} in 60 s", percent(change)));
    }
    let reasons: Vec<&str> = f.reasons.iter().map(|reason| reason.as_str()).collect();
    push(&mut text, format_args!(", score {:.2} [{}]", f.score, reasons.join(" ")));
    match f.state {
        State::Open => text.push_str(", opened"),
        State::Level if f.level > f.previous_level => {
            push(&mut text, format_args!(", up from {}", f.previous_level));
        }
        State::Level => push(&mut text, format_args!(", down from {}", f.previous_level)),
        State::Update | State::Resolved | State::Closed => {}
    }
    text.push_str(&without(&f.feeds));
    text
}

/// The venues that a signal must do without: `, without binance (dead)`.
fn without(feeds: &Feeds) -> String {
    let broken =
        feeds.iter().filter(|(_, status)| !status.counts_as_live() && **status != FeedStatus::Partial);
    let named: Vec<_> = broken.map(|(venue, status)| format!("{venue} ({})", status.as_str())).collect();
    if named.is_empty() { String::new() } else { format!(", without {}", named.join(", ")) }
}

/// An episode that is over.
fn over(word: &str, f: &CascadeFinding) -> String {
    let mut text = format!("{word} {} {}", f.symbol, positions(f.direction));
    let Some(Closing { peak_level, orders, notional_usd, long_share, duration_ms, price_change }) =
        &f.closing
    else {
        return text;
    };
    let noun = if *orders == 1 { "order" } else { "orders" };
    push(&mut text, format_args!(": peak {peak_level}, {orders} {noun}, {notional_usd}"));
    if let Some(share) = long_share {
        push(&mut text, format_args!(" ({:.0} % longs)", share * 100.0));
    }
    let seconds = u64::try_from(*duration_ms).unwrap_or(0).saturating_add(500) / 1000;
    push(&mut text, format_args!(" in {}", duration(seconds)));
    if let Some(change) = price_change {
        push(&mut text, format_args!(", price {}", percent(*change)));
    }
    text
}

fn large(f: &LargeLiquidation) -> String {
    let LargeLiquidation { symbol, direction, notional_usd, price, venue, instrument, .. } = f;
    format!("LARGE {symbol} {direction} {notional_usd} at {price} on {venue} ({instrument})")
}

/// `FEED binance dead for 60 s: market-0: silent`, `FEED binance is back (sampled) after 2 min 5 s`.
fn feed(f: &FeedFinding) -> String {
    let seconds = |ms: i64| duration(u64::try_from(ms / 1000).unwrap_or(0));
    let (venue, status) = (f.venue, f.status.as_str());
    if f.state == State::Resolved {
        let out = f.out_ms.map_or(String::new(), |ms| format!(" after {}", seconds(ms)));
        return format!("FEED {venue} is back ({status}){out}");
    }
    let mut text = format!("FEED {venue} {status} for {}", seconds(f.known_at_ms.since(f.since_ms)));
    if !f.reason.is_empty() {
        push(&mut text, format_args!(": {}", plain(&f.reason)));
    }
    text
}

#[cfg(test)]
mod tests {
    use cascade_wire::finding_from_json;

    use super::*;

    /// A finding of the wire's golden file with one piece changed.
    fn finding(from: &str, to: &str) -> Finding {
        let text = include_str!("../tests/finding.json");
        assert!(text.contains(from), "{from}");
        finding_from_json(&text.replacen(from, to, 1)).unwrap()
    }

    #[test]
    fn a_signal_says_who_how_much_and_why() {
        assert_eq!(
            line(&finding("", "")),
            "17:06:41.482 CRITICAL BTCUSDT longs $18.4M in 30 s (93 %), price -1.2 % in 60 s, score 0.78 [flow score]"
        );
    }

    #[test]
    fn a_change_of_level_says_from_where() {
        let up = line(&finding(r#""state":"update""#, r#""state":"level""#));
        assert!(up.ends_with("[flow score], up from ALERT"), "{up}");
        let down = line(&finding(
            r#""state":"update","symbol":"BTCUSDT","level":"CRITICAL""#,
            r#""state":"level","symbol":"BTCUSDT","level":"WATCH""#,
        ));
        assert!(down.contains(" WATCH BTCUSDT ") && down.ends_with(", down from ALERT"), "{down}");
    }

    #[test]
    fn what_is_unknown_is_left_out_and_a_demo_says_so_first() {
        let text = line(&finding(
            r#""share":0.93,"unit_usd":3000000.0,"price_change_60s":-0.0121"#,
            r#""unit_usd":3000000.0"#,
        ));
        assert!(text.contains("longs $18.4M in 30 s, score 0.78"), "{text}");
        let demo = line(&finding(r#""engine""#, r#""demo":true,"warming":true,"engine""#));
        assert!(demo.starts_with("DEMO 17:06:41.482 CRITICAL") && demo.ends_with(", warming up"), "{demo}");
    }

    #[test]
    fn the_end_of_an_episode_sums_it_up() {
        let resolved = finding(
            r#""state":"update","symbol":"BTCUSDT","level":"CRITICAL""#,
            r#""peak_level":"EXTREME","orders":950,"notional_usd":88000000.0,"long_share":0.97,"duration_ms":64000,
               "price_change":-0.041,"state":"resolved","symbol":"BTCUSDT","level":"NONE""#,
        );
        assert_eq!(
            line(&resolved),
            "17:06:41.482 RESOLVED BTCUSDT longs: peak EXTREME, 950 orders, $88.0M (97 % longs) in 64 s, price -4.1 %"
        );
    }

    #[test]
    fn a_large_liquidation_names_its_venue_and_price() {
        let text = r#"{"finding":"large_liquidation","v":1,"id":"0000000000000009","symbol":"BTCUSDT","venue":"okx",
            "instrument":"BTC-USDT-SWAP","direction":"short","notional_usd":1200000.0,"threshold_usd":1000000.0,
            "price":82340.1,"feeds":{},"engine":"0.1.0+9f2c41aa","event_time_ms":1791565601482,"known_at_ms":1791565601482}"#;
        assert_eq!(
            line(&finding_from_json(text).unwrap()),
            "17:06:41.482 LARGE BTCUSDT short $1.2M at 82340.1 on okx (BTC-USDT-SWAP)"
        );
    }
}
