//! The texts as they are, for people to read and for changes to show.

use std::fmt::Write as _;

use cascade_domain::Delivery;
use cascade_message::{Style, discord, slack, telegram, text, title, webhook};
use jiff::tz::TimeZone;
use serde_json::Value;

use crate::alerts::messages;

fn berlin() -> Style {
    Style { zone: TimeZone::get("Europe/Berlin").unwrap() }
}

/// Each message under its name.
fn shown(pick: &[&str], show: impl Fn(&[Delivery]) -> String) -> String {
    let messages = messages();
    assert!(pick.iter().all(|name| messages.iter().any(|(known, _)| known == name)), "{pick:?}");
    let mut golden = String::new();
    for (name, deliveries) in messages.iter().filter(|(name, _)| pick.is_empty() || pick.contains(name)) {
        writeln!(golden, "---- {name}\n{}\n", show(deliveries)).unwrap();
    }
    golden
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap()
}

#[test]
fn telegram_is_told_so() {
    insta::assert_snapshot!("telegram", shown(&[], |deliveries| telegram(deliveries, &berlin()).html));
}

#[test]
fn plain_text_says_so() {
    let pick = ["cascade opened", "feed refused, escalated", "several"];
    insta::assert_snapshot!("text", shown(&pick, |deliveries| text(deliveries, &Style::default())));
}

#[test]
fn discord_is_told_so() {
    let pick = ["cascade opened", "market updated", "open interest resolved", "several"];
    insta::assert_snapshot!("discord", shown(&pick, |deliveries| pretty(&discord(deliveries, &berlin()))));
}

#[test]
fn slack_is_told_so() {
    let pick = ["cascade resolved", "market opened", "feed refused, escalated", "digest"];
    insta::assert_snapshot!("slack", shown(&pick, |deliveries| pretty(&slack(deliveries, &berlin()))));
}

#[test]
fn webhooks_are_told_so() {
    let pick = ["cascade opened", "market resolved", "feed back", "digest", "watchdog"];
    let show = |deliveries: &[Delivery]| pretty(&webhook(&deliveries[0], &Style::default()));
    insta::assert_snapshot!("webhook", shown(&pick, show));
}

#[test]
fn each_has_a_title() {
    insta::assert_snapshot!("titles", shown(&[], |deliveries| title(&deliveries[0].alert)));
}
