//! Single claims on what is said.

use cascade_domain::{AlertReason, Delivery, Phase, Subject, Usd};
use cascade_message::{Style, discord, short_id, slack, telegram, text, title};
use serde_json::json;

use crate::alerts::{cascade, cascade_over, delivery, feed, first, interest, large, market, messages, own};

fn shown(delivery: Delivery) -> String {
    text(&[delivery], &Style::default())
}

#[test]
fn the_level_is_the_only_word_for_how_bad_a_cascade_is() {
    let high = json!({ "context": { "regime": "EXTREME", "vol_multiplier": 3.0 } });
    let mut delivery = first(cascade(&high));
    delivery.alert.demo = true;
    let message = shown(delivery);
    assert!(message.starts_with("DEMO BTCUSDT LIQUIDATION CASCADE CRITICAL\n"), "{message}");
    let severe = message.split(|c: char| !c.is_alphabetic()).filter(|word| {
        matches!(
            *word,
            "NONE" | "WATCH" | "CRITICAL" | "EXTREME" | "HIGH" | "MEDIUM" | "LOW" | "WARNING" | "INFO"
        )
    });
    assert_eq!(severe.collect::<Vec<_>>(), ["CRITICAL"], "{message}");
}

#[test]
fn nothing_is_invented_where_nothing_is_known() {
    let bare = json!({
        "flow": { "notional_30s_usd": 4.1e6, "unit_usd": 3e6 }, "feeds": {}, "lower_bound": [],
        "context": { "vol_multiplier": 1.0 },
    });
    let message = shown(first(cascade(&bare)));
    for word in ["Shorts", "Price", "price", "Open interest", "one a second", "ago", "NaN"] {
        assert!(!message.contains(word), "{word}: {message}");
    }
}

#[test]
fn what_came_often_and_what_nobody_took_care_of_says_so() {
    let message = shown(delivery(feed(&json!({})), AlertReason::Escalated, 3));
    assert!(message.starts_with("ESCALATED BINANCE FEED DEAD\n"), "{message}");
    assert!(
        message.contains("\nNobody acknowledged it in time\n3 times since it was told last\n"),
        "{message}"
    );
}

#[test]
fn a_cascade_counts_its_orders_and_not_how_often_it_was_looked_at() {
    for phase in [Phase::Opened, Phase::Resolved] {
        let message = shown(delivery(market(phase), AlertReason::Resolved, 17));
        assert!(!message.contains("17 times"), "{message}");
    }
    let all = [delivery(market(Phase::Opened), AlertReason::First, 17), first(large(&json!({})))];
    let message = telegram(&all, &Style::default()).html;
    assert!(!message.contains("17 times"), "{message}");
}

#[test]
fn several_are_told_the_most_important_first_and_what_does_not_fit_is_counted() {
    let mut all: Vec<_> = (0..50).map(|_| first(large(&json!({ "instrument": "X".repeat(40) })))).collect();
    for (n, delivery) in all.iter_mut().enumerate() {
        delivery.alert.usd = Usd::from_dollars(i64::try_from(n).unwrap());
        delivery.count = 4_000_000_000;
    }
    all.push(first(market(Phase::Opened)));
    let style = Style::default();
    let (html, slack, discord) = (telegram(&all, &style).html, slack(&all, &style), discord(&all, &style));
    let sections = slack["blocks"][1]["text"]["text"].as_str().unwrap().to_owned();
    let described = discord["embeds"][0]["description"].as_str().unwrap().to_owned();
    for text in [html, sections, described] {
        let told = text.lines().filter(|line| line.contains("iquidation")).count();
        let more = text.lines().find_map(|line| line.strip_prefix("and ")?.strip_suffix(" more"));
        assert_eq!(told + more.map_or(0, |more| more.parse().unwrap()), 51, "{text}");
        let first = text.lines().find(|line| line.contains("iquidation")).unwrap().to_lowercase();
        assert!(first.contains("market-wide"), "{text}");
    }
}

#[test]
fn every_message_names_its_alert_shortly_and_its_time() {
    for (name, deliveries) in messages() {
        let message = text(&deliveries, &Style::default());
        assert!(message.contains("2026-10-09 17:06:41 UTC"), "{name}: {message}");
        if let [one] = &deliveries[..] {
            let (id, short) = (one.alert.id.to_string(), short_id(one.alert.id));
            assert!(id.starts_with(&short) && message.ends_with(&format!(" · {short}")), "{name}: {message}");
        }
    }
}

#[test]
fn an_end_sums_the_episode_up() {
    let message = shown(delivery(cascade_over(), AlertReason::Resolved, 1));
    for part in
        ["Peak EXTREME: 950 orders, $88.0M liquidated in 64 s", "Longs: $85.4M (97 %)", "Price: -4.1 %"]
    {
        assert!(message.contains(part), "{part}: {message}");
    }
}

#[test]
fn every_reading_of_open_interest_says_what_it_means() {
    for (reading, words) in [
        ("new_longs", "Open interest and price rose: new longs"),
        ("new_shorts", "Open interest rose while the price fell: new shorts"),
        ("longs_closing", "Open interest and price fell: longs closing or liquidated"),
        ("shorts_covering", "Open interest fell while the price rose: shorts covering"),
    ] {
        let message = shown(first(interest(&json!({ "reading": reading }))));
        assert!(message.contains(words), "{message}");
    }
}

#[test]
fn a_title_is_one_plain_line() {
    assert_eq!(
        title(&cascade(&json!({ "demo": true }))),
        "DEMO CRITICAL BTCUSDT liquidation cascade, $18.4M longs in 30 s"
    );
    let by = "<b>@all</b>\n\u{1b}[2J\u{202e}".to_owned();
    assert_eq!(title(&own(Subject::Test { by })), "Test, nothing happened, asked for by <b>@all</b> [2J");
}

#[test]
fn a_long_reason_is_cut_and_the_message_stays_whole() {
    let reason = "<b>&".repeat(5_000);
    let message = telegram(&[first(feed(&json!({ "reason": reason })))], &Style::default());
    assert!(message.plain.contains("...") && message.plain.contains("UTC"), "{}", message.plain);
    assert!(message.plain.chars().count() < 600);
}
