//! The settings, and what is wrong with them.

use cascade_alerting::{Config, QuietHours};
use cascade_domain::{Priority, Refusal};

use crate::sample::{quiet, route, watchdog};

fn refused(config: &Config) -> Vec<String> {
    config.refusals().into_iter().map(|Refusal { key, .. }| key).collect()
}

#[test]
fn the_defaults_are_those_of_the_design() {
    let config: Config = toml::from_str("").unwrap();
    assert_eq!(config, Config::default());
    assert_eq!(config.refusals(), []);
    assert_eq!((config.dedup_s, config.bot_dedup_s, config.expire_s, config.escalate_s), (300, 60, 900, 120));
    assert_eq!((config.budget_per_hour, config.high_budget_per_hour), (10, 60));
    assert_eq!((config.medium_wait_ms, config.low_wait_ms), (2_000, 30_000));
    assert_eq!((config.market_symbols, config.market_within_s), (5, 120));
}

#[test]
fn quiet_hours_are_read_as_the_contract_writes_them() {
    let text = r#"
        disabled_alerts = ["feed"]
        quiet_hours = { from = "23:00", to = "07:00", zone = "Europe/Berlin", minimum_priority = "HIGH" }
        escalation = "phone"
    "#;
    let config: Config = toml::from_str(text).unwrap();
    assert_eq!(config.refusals(), []);
    assert_eq!(config.quiet_hours, Some(quiet("23:00", "07:00", "Europe/Berlin", Priority::High)));
    let misspelt =
        r#"quiet_hours = { from = "23:00", till = "07:00", zone = "UTC", minimum_priority = "HIGH" }"#;
    assert!(toml::from_str::<Config>(misspelt).is_err());
}

#[test]
fn every_mistake_is_named_with_its_key_and_the_way_out() {
    let config = Config {
        disabled_alerts: ["cascades".to_owned(), "test".to_owned(), "oi_collapse".to_owned()].into(),
        market_kinds: ["liquidations".to_owned()].into(),
        quiet_hours: Some(quiet("24:00", "7:00", "Europe/Atlantis", Priority::High)),
        dedup_s: 0,
        bot_dedup_s: 0,
        budget_per_hour: 0,
        high_budget_per_hour: 0,
        medium_wait_ms: 900_000,
        low_wait_ms: 900_000,
        edit_every_ms: 0,
        market_symbols: 1,
        market_within_s: 0,
        market_silence_s: 0,
        escalate_s: 0,
        digest_lines: 0,
        ..Config::default()
    };
    assert_eq!(
        refused(&config),
        [
            "disabled_alerts",
            "disabled_alerts",
            "market_kinds",
            "quiet_hours.from",
            "quiet_hours.to",
            "quiet_hours.zone",
            "dedup_s",
            "bot_dedup_s",
            "budget_per_hour",
            "high_budget_per_hour",
            "edit_every_ms",
            "digest_lines",
            "market_within_s",
            "market_silence_s",
            "escalate_s",
            "market_symbols",
            "medium_wait_ms",
            "low_wait_ms",
        ]
    );
    let said: Vec<_> = config.refusals().into_iter().map(|refusal| refusal.reason).collect();
    assert!(said[0].contains("`cascades`") && said[0].contains("large_liquidation"), "{}", said[0]);
    assert!(said[3].contains("HH:MM") && said[5].contains("Europe/Berlin"));
}

#[test]
fn times_of_day_are_four_digits_and_a_colon() {
    let refused = |from: &str| {
        let hours = QuietHours { from: from.to_owned(), ..quiet("", "07:00", "UTC", Priority::High) };
        hours.refusals("quiet_hours").into_iter().map(|refusal| refusal.key).collect::<Vec<_>>()
    };
    for good in ["00:00", "23:59", "09:30"] {
        assert!(refused(good).is_empty(), "{good}");
    }
    for bad in ["", ":", "24:00", "12:60", "1:00", "001:00", "+1:00", "12:00:00", "noon", "１２:00"] {
        assert_eq!(refused(bad), ["quiet_hours.from"], "{bad}");
    }
    assert_eq!(refused("07:00"), ["quiet_hours.to"], "an empty span");
}

#[test]
fn the_escalation_destination_must_be_one_that_hears_alerts() {
    let routes = [route("desk", false), watchdog()];
    let refused = |name: Option<&str>| {
        let config = Config { escalation: name.map(str::to_owned), ..Config::default() };
        config.refusals_for(&routes).into_iter().map(|refusal| refusal.reason).collect::<Vec<_>>()
    };
    assert!(refused(None).is_empty() && refused(Some("desk")).is_empty());
    assert!(refused(Some("phone"))[0].contains("no destination"));
    assert!(refused(Some("watchdog"))[0].contains("watchdog"));
}
