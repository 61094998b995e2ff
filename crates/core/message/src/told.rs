//! From deliveries to one message: a story of its own for a single one, a line each for several.
//!
//! Knows what is said, not how a provider shows it.

use cascade_domain::{Alert, AlertReason, Delivery, Family, Id, Phase, Priority};
use jiff::tz::TimeZone;

use crate::Style;
use crate::document::{Document, Line, Story, Tone};
use crate::subject::story;
use crate::time::{second, told};
use crate::words::clean;

/// How many digits of an alert's id people are shown.
const SHORT_ID: usize = 8;

/// One plain line on an alert.
pub(crate) fn title(alert: &Alert) -> String {
    let (lead, rest) = headline(alert, &story(alert, &TimeZone::UTC));
    clean(&(lead + &rest))
}

/// As many digits of an alert's id as people are shown.
pub(crate) fn short_id(alert: Id) -> String {
    alert.to_string().chars().take(SHORT_ID).collect()
}

/// What it is, and how much.
fn headline(alert: &Alert, story: &Story) -> (String, String) {
    let demo = if alert.demo { "DEMO " } else { "" };
    let rest = if story.rest.is_empty() { String::new() } else { format!(", {}", story.rest) };
    (format!("{demo}{}", story.lead), rest)
}

/// The message that tells these deliveries.
pub(crate) fn document(deliveries: &[Delivery], style: &Style) -> Document {
    match deliveries {
        [one] => single(one, style),
        several => together(several, style),
    }
}

fn single(delivery: &Delivery, style: &Style) -> Document {
    let Delivery { alert, reason, count, .. } = delivery;
    let mut story = story(alert, &style.zone);
    let (lead, rest) = headline(alert, &story);
    let demo = if alert.demo { "DEMO " } else { "" };
    let escalated = if *reason == AlertReason::Escalated { "ESCALATED " } else { "" };
    story.context.extend(note(*reason).map(Line::of));
    // An edit takes the place of what was told: there is no time before it to count from.
    let counts = *reason != AlertReason::Updated;
    story.context.extend(times(alert, *count).filter(|_| counts).map(Line::of));
    Document {
        tone: tone(alert),
        heading: clean(&format!("{demo}{escalated}{}", story.heading)),
        title: clean(&format!("{escalated}{lead}{rest}")),
        happened: story.happened,
        figures: story.figures,
        list: story.list,
        more: story.more,
        context: story.context,
        foot: Line::of(told(alert.known_at_ms, &style.zone) + " · ").code(short_id(alert.id)),
    }
}

fn together(deliveries: &[Delivery], style: &Style) -> Document {
    let mut sorted: Vec<&Delivery> = deliveries.iter().collect();
    sorted.sort_by_key(|delivery| {
        let Alert { phase, priority, usd, .. } = &delivery.alert;
        std::cmp::Reverse((*phase != Phase::Resolved, *priority, *usd))
    });
    let latest = deliveries.iter().map(|delivery| delivery.alert.known_at_ms).max().unwrap_or_default();
    let is_demo = !deliveries.is_empty() && deliveries.iter().all(|delivery| delivery.alert.demo);
    let heading = format!("{}{} ALERTS", if is_demo { "DEMO " } else { "" }, deliveries.len());
    let first = sorted.first().map(|delivery| title(&delivery.alert)).unwrap_or_default();
    Document {
        tone: deliveries.iter().map(|delivery| tone(&delivery.alert)).max().unwrap_or(Tone::Low),
        title: clean(&format!("{heading}: {first}")),
        heading,
        happened: Vec::new(),
        figures: Vec::new(),
        list: sorted.into_iter().map(line).collect(),
        more: 0,
        context: Vec::new(),
        foot: Line::of(told(latest, &style.zone)),
    }
}

/// A delivery among others.
fn line(delivery: &Delivery) -> Line {
    let Delivery { alert, reason, count, .. } = delivery;
    let (lead, rest) = headline(alert, &story(alert, &TimeZone::UTC));
    let escalated = if *reason == AlertReason::Escalated { "ESCALATED " } else { "" };
    let often = *count > 1 && alert.family != Family::Market;
    let times = if often { format!(", {count} times") } else { String::new() };
    let line = Line::bold(format!("{escalated}{lead}"));
    line.and(format!("{rest}{times} · {} UTC", second(alert.known_at_ms)))
}

/// What a reason adds to a text.
const fn note(reason: AlertReason) -> Option<&'static str> {
    match reason {
        AlertReason::Escalated => Some("Nobody acknowledged it in time"),
        AlertReason::Worse => Some("Worse than before"),
        AlertReason::RepeatDue => Some("It goes on"),
        _ => None,
    }
}

/// How often it came since it was told last. What markets do is told by its figures: that these were taken anew says nothing.
fn times(alert: &Alert, count: u32) -> Option<String> {
    (count > 1 && alert.family != Family::Market).then(|| format!("{count} times since it was told last"))
}

fn tone(alert: &Alert) -> Tone {
    match (alert.phase, alert.priority) {
        (Phase::Resolved, _) => Tone::Calm,
        (_, Priority::Low) => Tone::Low,
        (_, Priority::Medium) => Tone::Medium,
        (_, Priority::High) => Tone::High,
    }
}
