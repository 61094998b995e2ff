//! One large liquidation.

use cascade_domain::LargeLiquidation;

use super::Figures;
use crate::document::{Line, Story};
use crate::words::{foreign, price, venue};

pub(super) fn story(f: &LargeLiquidation) -> Story {
    let LargeLiquidation { symbol, direction, notional_usd, threshold_usd, .. } = f;
    let (at, venue) = (price(f.price), venue(f.venue));
    let mut story = Story {
        heading: format!("{symbol} LARGE LIQUIDATION"),
        lead: format!("{symbol} large liquidation"),
        rest: format!("{notional_usd} {direction} on {venue}"),
        ..Story::default()
    };
    let line = Line::bold(format!("{notional_usd} {direction}"));
    story.happened.push(line.and(format!(" at {at} on {venue} ({})", foreign(f.instrument.as_str(), 40))));
    story.context.push(Line::why(format!("one order of at least {threshold_usd}")));
    if f.warming {
        story.context.push(Line::of("It was heard for a short while only: the order may be larger"));
    }
    story
}

pub(super) fn figures(f: &LargeLiquidation, figures: &mut Figures) {
    figures.put("direction", f.direction);
    figures.put("venue", f.venue);
    figures.put("instrument", f.instrument);
    figures.put("notional_usd", f.notional_usd);
    figures.put("threshold_usd", f.threshold_usd);
    figures.put("price", f.price);
}
