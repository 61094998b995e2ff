//! An explosion or a collapse of open interest.

use cascade_domain::{Holding, InterestFinding, Phase, PositionReading, Swing, Usd};

use super::Figures;
use crate::document::{Line, Story};
use crate::words::{fixed, foreign, lasted, moved, percent, short, span, venue};

pub(super) fn story(phase: Phase, f: &InterestFinding) -> Story {
    let (symbol, word) = (f.symbol, word(f.direction));
    let change = f.change_pct.map(|change| format!("{} in {}", moved(change), span(f.window_s)));
    let mut story = Story {
        heading: format!("{symbol} OI {word}"),
        lead: format!("{symbol} OI {word}"),
        rest: change.clone().unwrap_or_default(),
        ..Story::default()
    };
    if phase == Phase::Resolved {
        over(&mut story, f, change);
        return story;
    }
    if let Some(change) = change {
        let line = Line::bold(change);
        story.happened.push(match amounts(f) {
            Some(amounts) => line.and(format!(": {amounts}")),
            None => line,
        });
    }
    story.happened.push(Line::of(format!("{}/{} exchanges confirming", f.confirming, f.with_data)));
    for (of, change) in &f.venues {
        let now = change.after.usd.map_or_else(String::new, |usd| format!(", {usd}"));
        story.figure(venue(*of), Some(moved(change.change_pct) + &now));
    }
    let price = f.price_change.map(|change| format!("{} in {}", percent(change), span(f.window_s)));
    story.figure("Price", price);
    let threshold = fixed(f.threshold_pct, 1);
    let why = format!(
        "at least {threshold} % in {} on {} of {} exchanges",
        span(f.window_s),
        f.confirming,
        f.with_data
    );
    story.context.push(Line::why(why));
    story.context.extend(f.reading.map(|reading| Line::of(meaning(reading, f.direction))));
    if f.warming {
        story.context.push(Line::of("A hole in what was heard lies inside the window"));
    }
    story
}

fn over(story: &mut Story, f: &InterestFinding, change: Option<String>) {
    story.heading.push_str(" OVER");
    story.lead = format!("RESOLVED {} OI {}", f.symbol, f.direction.as_str());
    if let Some(ending) = &f.ending {
        let (peak, time) = (moved(ending.peak_change_pct), lasted(ending.duration_ms));
        story.rest = format!("peak {peak}, {time}");
        story.happened.push(Line::of("Peak ").and_bold(peak).and(format!(", it lasted {time}")));
    }
    story.happened.push(Line::of(match (change, amounts(f)) {
        (Some(change), Some(amounts)) => format!("Now {change}: {amounts}"),
        (Some(change), None) => format!("Now {change}"),
        (None, _) => "No exchange has figures any more".to_owned(),
    }));
    let price = f.price_change.map(|change| format!("{} in {}", percent(change), span(f.window_s)));
    story.figure("Price", price);
}

const fn word(swing: Swing) -> &'static str {
    match swing {
        Swing::Explosion => "EXPLOSION",
        Swing::Collapse => "COLLAPSE",
    }
}

/// `$2.1B -> $2.5B (+$378M)`; in coins where one of the two has no price.
pub(crate) fn amounts(f: &InterestFinding) -> Option<String> {
    let (Holding { coins: before, usd: from }, Holding { coins: after, usd: to }) = (f.before?, f.after?);
    Some(if let (Some(from), Some(to)) = (from, to) {
        let difference = short((to - from).dollars(), "$");
        format!("{from} -> {to} ({difference})")
    } else {
        let amount = |coins: f64| short(coins, "").trim_start_matches('+').to_owned();
        let (base, difference) = (foreign(f.symbol.base(), 32), short(after - before, ""));
        format!("{} -> {} {base} ({difference})", amount(before), amount(after))
    })
}

const fn meaning(reading: PositionReading, direction: Swing) -> &'static str {
    match (reading, direction) {
        (PositionReading::NewLongs, _) => "Open interest and price rose: new longs",
        (PositionReading::NewShorts, _) => "Open interest rose while the price fell: new shorts",
        (PositionReading::LongsClosing, _) => "Open interest and price fell: longs closing or liquidated",
        (PositionReading::ShortsCovering, _) => "Open interest fell while the price rose: shorts covering",
        (PositionReading::Flat, Swing::Explosion) => {
            "Open interest rose while the price hardly moved: new positions, no direction"
        }
        (PositionReading::Flat, Swing::Collapse) => {
            "Open interest fell while the price hardly moved: positions closed, no direction"
        }
    }
}

pub(super) fn figures(f: &InterestFinding, figures: &mut Figures) {
    let usd = |held: Option<Holding>| -> Option<Usd> { held?.usd };
    figures.put("direction", f.direction);
    figures.put("change_pct", f.change_pct);
    figures.put("window_s", f.window_s);
    figures.put("threshold_pct", f.threshold_pct);
    figures.put("confirming", f.confirming);
    figures.put("with_data", f.with_data);
    figures.put("before_usd", usd(f.before));
    figures.put("after_usd", usd(f.after));
    figures.put("difference_usd", usd(f.after).zip(usd(f.before)).map(|(after, before)| after - before));
    figures.put("price_change", f.price_change);
    figures.put("reading", f.reading);
    figures.put("peak_change_pct", f.ending.map(|ending| ending.peak_change_pct));
    figures.put("duration_ms", f.ending.map(|ending| ending.duration_ms));
}
