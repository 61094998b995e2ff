//! Cascades on many markets at once.

use cascade_domain::{MarketCascade, MarketPart, Phase, Regime};
use jiff::tz::TimeZone;

use super::Figures;
use crate::document::{Line, Story};
use crate::time::told_clock;
use crate::words::{counted, lasted, part_of, positions, share};

pub(super) fn story(phase: Phase, market: &MarketCascade, zone: &TimeZone) -> Story {
    let MarketCascade { symbols, ongoing, notional_usd, long_share, began_ms, ended_ms, .. } = market;
    let of_all = symbols;
    let symbols = counted(u64::from(*symbols), "symbol", "symbols");
    let mut story = Story {
        heading: "MARKET-WIDE LIQUIDATION CASCADE".to_owned(),
        lead: "Market-wide liquidation cascade".to_owned(),
        rest: format!("{symbols}, {notional_usd} ({} longs)", share(*long_share)),
        ..Story::default()
    };
    let line = Line::of(format!("{symbols}, ")).and_bold(notional_usd.to_string());
    if phase == Phase::Resolved {
        let time = ended_ms.map(|ended| format!(" in {}", lasted(ended.since(*began_ms))));
        story.heading.push_str(" OVER");
        story.lead = format!("RESOLVED {}", story.lead.to_lowercase());
        story.happened.push(line.and(format!(" liquidated{}", time.unwrap_or_default())));
    } else {
        // What a symbol comes to in all is known when it is over.
        story.happened.push(line.and(" in their largest 30 s"));
        if ongoing < of_all {
            story.happened.push(Line::of(format!("It goes on for {ongoing} of them")));
        }
    }
    let of = |part: f64| part_of(*notional_usd, part).map(|usd| format!("{usd} ({})", share(part)));
    story.figure("Longs", of(*long_share));
    story.figure("Shorts", of(1.0 - long_share));
    story.list = market.largest.iter().map(part).collect();
    let since = told_clock(*began_ms, zone);
    story.context.push(match phase {
        Phase::Resolved => Line::of(format!("It began at {since}")),
        Phase::Opened | Phase::Updated => Line::why(format!("{symbols} at ALERT or above since {since}")),
    });
    story.context.extend(market.regime.map(|regime| Line::of(format!("The market moves {}", moves(regime)))));
    story
}

fn part(part: &MarketPart) -> Line {
    let MarketPart { symbol, notional_usd, level, direction } = part;
    Line::bold(symbol.as_str()).and(format!(" {notional_usd} {}, {level}", positions(*direction)))
}

/// How much a market moves, in words that are no level's.
const fn moves(regime: Regime) -> &'static str {
    match regime {
        Regime::Dormant => "hardly at all",
        Regime::Low => "less than usual",
        Regime::Normal => "as usual",
        Regime::Elevated => "more than usual",
        Regime::High => "much more than usual",
        Regime::Extreme => "as in the largest cascades on record",
    }
}

pub(super) fn figures(market: &MarketCascade, figures: &mut Figures) {
    figures.put("symbols", market.symbols);
    figures.put("ongoing", market.ongoing);
    figures.put("notional_usd", market.notional_usd);
    figures.put("long_share", market.long_share);
    figures.put("regime", market.regime);
    figures.put("began_ms", market.began_ms);
    figures.put("ended_ms", market.ended_ms);
}
