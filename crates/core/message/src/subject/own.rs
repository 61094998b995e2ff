//! What the dispatcher tells by itself: digests, tests, signs of life.

use cascade_domain::{Digest, DigestLine, Usd};

use super::Figures;
use crate::document::{Line, Story};
use crate::time::second;
use crate::words::foreign;

pub(super) fn digest(digest: &Digest) -> Story {
    let count = held(digest);
    let what = kinds(&digest.of, count);
    let mut story = Story {
        heading: format!("{count} {} HELD BACK", what.to_uppercase()),
        lead: format!("{count} {what} held back"),
        list: digest.lines.iter().map(line).collect(),
        more: u64::from(digest.more),
        ..Story::default()
    };
    story.happened.push(Line::of("There was no room to tell them one by one"));
    story
}

/// How many alerts were held back.
fn held(digest: &Digest) -> u64 {
    u64::try_from(digest.lines.len()).unwrap_or(u64::MAX).saturating_add(u64::from(digest.more))
}

/// `14:03:07 BTCUSDT large liquidation, $1.2M long`.
fn line(line: &DigestLine) -> Line {
    let usd = (line.usd != Usd::ZERO).then(|| line.usd.to_string());
    let figure = foreign(&line.figure, 40);
    let figures: Vec<_> = usd.into_iter().chain((!figure.is_empty()).then_some(figure)).collect();
    let rest = if figures.is_empty() { String::new() } else { format!(", {}", figures.join(" ")) };
    Line::of(second(line.known_at_ms) + " UTC ")
        .and_bold(foreign(&line.scope, 64))
        .and(format!(" {}{rest}", rule(&line.rule)))
}

/// A rule in words.
fn rule(rule: &str) -> String {
    match rule {
        "oi_explosion" => "OI explosion".to_owned(),
        "oi_collapse" => "OI collapse".to_owned(),
        rule => foreign(rule, 40).replace('_', " "),
    }
}

/// A kind in words.
fn kinds(kind: &str, count: u64) -> String {
    let one = count == 1;
    match kind {
        "cascade" if one => "liquidation cascade".to_owned(),
        "cascade" => "liquidation cascades".to_owned(),
        "large_liquidation" if one => "large liquidation".to_owned(),
        "large_liquidation" => "large liquidations".to_owned(),
        "open_interest" if one => "change of open interest".to_owned(),
        "open_interest" => "changes of open interest".to_owned(),
        "feed" if one => "word on feeds".to_owned(),
        "feed" => "words on feeds".to_owned(),
        kind => format!("{} {}", foreign(kind, 40).replace('_', " "), if one { "alert" } else { "alerts" }),
    }
}

pub(super) fn digest_figures(digest: &Digest, figures: &mut Figures) {
    figures.put("of", &digest.of);
    figures.put("held_back", held(digest));
}

pub(super) fn test(by: &str) -> Story {
    let by = foreign(by, 80);
    let by = if by.is_empty() { String::new() } else { format!(", asked for by {by}") };
    let mut story = Story {
        heading: "TEST".to_owned(),
        lead: "Test".to_owned(),
        rest: format!("nothing happened{by}"),
        ..Story::default()
    };
    story.happened.push(Line::of(format!("This is a test{by}. Nothing happened on any market")));
    story
}

pub(super) fn watchdog() -> Story {
    let mut story = Story {
        heading: "SIGN OF LIFE".to_owned(),
        lead: "Sign of life".to_owned(),
        rest: "alerts arrive here".to_owned(),
        ..Story::default()
    };
    story.happened.push(Line::of("Alerts arrive here. Nothing happened on any market"));
    story
}
