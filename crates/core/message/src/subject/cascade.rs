//! A cascade on one market. The level is the only word for how bad it is.

use cascade_domain::{CascadeFinding, Closing, Level, Phase, Reason, Side, Usd};

use super::Figures;
use crate::document::{Line, Story};
use crate::words::{counted, coverage, fixed, lasted, part_of, percent, positions, share};

pub(super) fn story(phase: Phase, f: &CascadeFinding) -> Story {
    match phase {
        Phase::Opened | Phase::Updated => going_on(f),
        Phase::Resolved => over(f),
    }
}

fn going_on(f: &CascadeFinding) -> Story {
    let (symbol, level, flow, metrics) = (f.symbol, f.level, &f.flow, &f.metrics);
    let (side, amount) = (positions(f.direction), flow.notional_30s_usd);
    let mut story = Story {
        heading: format!("{symbol} LIQUIDATION CASCADE {level}"),
        lead: format!("{level} {symbol} liquidation cascade"),
        rest: format!("{amount} {side} in 30 s"),
        ..Story::default()
    };
    let orders = counted(metrics.count_30s, "order", "orders");
    let total = total(f);
    let liquidated = total.map_or_else(|| format!("{amount} {side}"), |total| total.to_string());
    let part = part_of_interest(f, total.unwrap_or(amount));
    let part =
        part.map_or_else(String::new, |part| format!(", {} % of open interest", fixed(part * 100.0, 2)));
    let line = Line::of(format!("{orders}, ")).and_bold(liquidated).and(format!(" liquidated in 30 s{part}"));
    story.happened.push(line);
    if f.previous_level >= Level::Alert && f.level != f.previous_level {
        let way = if f.level > f.previous_level { "Up" } else { "Down" };
        story.happened.push(Line::of(format!("{way} from {}", f.previous_level)));
    }
    let of = |part: f64| share(part);
    let of_side = flow.share.map_or_else(String::new, |part| format!(" ({})", of(part)));
    let other = total.map(|total| (total - amount).max(Usd::ZERO));
    let other = other.zip(flow.share).map(|(usd, part)| format!("{usd} ({})", of(1.0 - part)));
    let (longs, shorts) = match f.direction {
        Side::Long => (Some(format!("{amount}{of_side}")), other),
        Side::Short => (other, Some(format!("{amount}{of_side}"))),
    };
    story.figure("Longs", longs);
    story.figure("Shorts", shorts);
    story.figure("Price", flow.price_change_60s.map(|change| format!("{} in 60 s", percent(change))));
    let interest = f.context.oi_change_1m;
    story.figure("Open interest", interest.map(|change| format!("{} in 1 min", percent(change))));
    story.figure("Largest order", (metrics.largest_usd > Usd::ZERO).then(|| metrics.largest_usd.to_string()));
    story.context.push(Line::why(why(f)));
    if f.warming {
        story.context.push(Line::of("It was heard for a short while only: its windows are not full yet"));
    }
    story
}

/// Both sides in 30 s, where their shares are known.
fn total(f: &CascadeFinding) -> Option<Usd> {
    let share = f.flow.share.filter(|share| *share > 0.0)?;
    Usd::from_f64(f.flow.notional_30s_usd.dollars() / share)
}

/// How large a part of the market's open interest that is; none worth telling below a hundredth of a percent.
fn part_of_interest(f: &CascadeFinding, usd: Usd) -> Option<f64> {
    let whole = f.context.open_interest_usd.filter(|whole| *whole > Usd::ZERO)?;
    Some(usd.dollars() / whole.dollars()).filter(|part| (0.000_1..=1.0).contains(part))
}

/// What reached the level, from the finding's own figures, and what the venues do not show.
fn why(f: &CascadeFinding) -> String {
    let flow = &f.flow;
    let amount = format!("{} {} in 30 s", flow.notional_30s_usd, positions(f.direction));
    let mut reached = Vec::new();
    if f.reasons.contains(&Reason::Flow) {
        reached.push(format!("{amount} (alert at {})", flow.unit_usd));
        reached.extend(flow.price_change_60s.map(|change| format!("price {} in 60 s", percent(change))));
    } else {
        reached.push(amount);
    }
    reached.extend(f.reasons.iter().filter_map(|reason| match reason {
        Reason::Flow => None,
        Reason::Score => Some(format!("score {}", fixed(f.score, 2))),
        Reason::PriceDrop => Some("a large move of the price within 15 min".to_owned()),
        Reason::CascadeRule => Some(counted(f.metrics.count_30s, "order", "orders") + " in 30 s"),
        Reason::Velocity => Some(format!("{} orders a second", fixed(f.metrics.velocity_2s, 1))),
    }));
    let mut text = reached.join(", ");
    let unseen = coverage(&f.feeds, &f.lower_bound);
    if !unseen.is_empty() {
        text.push_str("; ");
        text.push_str(&unseen.join(", "));
    }
    text
}

fn over(f: &CascadeFinding) -> Story {
    let symbol = f.symbol;
    let mut story = Story {
        heading: format!("{symbol} LIQUIDATION CASCADE OVER"),
        lead: format!("RESOLVED {symbol} liquidation cascade"),
        rest: positions(f.direction).to_owned(),
        ..Story::default()
    };
    let Some(closing) = &f.closing else {
        story.happened.push(Line::of(format!("The cascade of {} is over", positions(f.direction))));
        return story;
    };
    let Closing { peak_level, orders, notional_usd, long_share, duration_ms, price_change } = closing;
    let (orders, time) = (counted(*orders, "order", "orders"), lasted(*duration_ms));
    story.rest = format!("peak {peak_level}, {notional_usd} in {time}");
    story.happened.push(
        Line::of(format!("Peak {peak_level}: {orders}, "))
            .and_bold(notional_usd.to_string())
            .and(format!(" liquidated in {time}")),
    );
    let of = |part: f64| part_of(*notional_usd, part).map(|usd| format!("{usd} ({})", share(part)));
    story.figure("Longs", long_share.and_then(of));
    story.figure("Shorts", long_share.and_then(|longs| of(1.0 - longs)));
    story.figure("Price", price_change.map(percent));
    let unseen = coverage(&f.feeds, &f.lower_bound);
    if !unseen.is_empty() {
        story.context.push(Line::of(unseen.join(", ")));
    }
    story
}

pub(super) fn figures(f: &CascadeFinding, figures: &mut Figures) {
    figures.put("level", f.level);
    figures.put("previous_level", f.previous_level);
    figures.put("direction", f.direction);
    if let Some(closing) = &f.closing {
        figures.put("peak_level", closing.peak_level);
        figures.put("orders", closing.orders);
        figures.put("notional_usd", closing.notional_usd);
        figures.put("long_share", closing.long_share);
        figures.put("duration_ms", closing.duration_ms);
        figures.put("price_change", closing.price_change);
        return;
    }
    figures.put("orders_30s", f.metrics.count_30s);
    figures.put("notional_30s_usd", f.flow.notional_30s_usd);
    figures.put("total_30s_usd", total(f));
    figures.put("share", f.flow.share);
    figures.put("unit_usd", f.flow.unit_usd);
    figures.put("price_change_60s", f.flow.price_change_60s);
    figures.put("open_interest_usd", f.context.open_interest_usd);
    figures.put("oi_change_1m", f.context.oi_change_1m);
    figures.put("largest_usd", f.metrics.largest_usd);
    figures.put("score", f.score);
}
