//! A venue's feed that broke, or came back.

use cascade_domain::{FeedFinding, State};
use jiff::tz::TimeZone;

use super::Figures;
use crate::document::{Line, Story};
use crate::time::told;
use crate::words::{duration, foreign, venue};

/// How much of a venue's words is told, in characters.
const LONGEST_REASON: usize = 240;
/// The same in a line among others.
const SHORT_REASON: usize = 60;

pub(super) fn story(f: &FeedFinding, zone: &TimeZone) -> Story {
    let (name, status) = (venue(f.venue), f.status.as_str());
    let seconds = |ms: i64| duration(u64::try_from(ms / 1000).unwrap_or(0));
    let mut story = Story::default();
    if f.state == State::Resolved {
        let after = f.out_ms.map_or_else(String::new, |ms| format!(" after {}", seconds(ms)));
        story.heading = format!("{} FEED BACK", name.to_uppercase());
        story.lead = format!("{name} feed back");
        story.rest = format!("{status}{after}");
        story.happened.push(Line::of(format!("{name} delivers again{after} ({status})")));
    } else {
        let time = seconds(f.known_at_ms.since(f.since_ms));
        story.heading = format!("{} FEED {}", name.to_uppercase(), status.to_uppercase());
        story.lead = format!("{name} feed {status} for {time}");
        story.rest = foreign(&f.reason, SHORT_REASON);
        story.happened.push(Line::of(format!("{status} for {time}, since {}", told(f.since_ms, zone))));
        let reason = foreign(&f.reason, LONGEST_REASON);
        if !reason.is_empty() {
            story.context.push(Line::why(reason));
        }
        if f.busiest {
            let line = "No other exchange that is read published more liquidations in the last 24 hours";
            story.context.push(Line::of(line));
        }
    }
    for (other, status) in f.feeds.iter().filter(|(other, _)| **other != f.venue) {
        story.figure(venue(*other), Some(status.as_str().to_owned()));
    }
    story
}

pub(super) fn figures(f: &FeedFinding, figures: &mut Figures) {
    figures.put("venue", f.venue);
    figures.put("status", f.status);
    figures.put("since_ms", f.since_ms);
    figures.put("out_ms", f.out_ms);
    figures.put("busiest", f.busiest);
}
