//! What is wrong with a `[[destination]]` is told all at once, by key.

use cascade_domain::Priority;
use cascade_notify::{Destination, Kind};

use crate::read;

const TOKEN: &str = "123456789:AAabcdefghijklmnopqrstuvwxyz0123456";

/// The keys that are refused, with the reasons.
#[track_caller]
fn refusals(toml: &str, secrets: &[(&str, &str)]) -> Vec<(String, String)> {
    let refusals = read(toml, secrets).unwrap_err();
    refusals.into_iter().map(|refusal| (refusal.key, refusal.reason)).collect()
}

#[track_caller]
fn refused(toml: &str, secrets: &[(&str, &str)], key: &str, word: &str) {
    let refusals = refusals(toml, secrets);
    let is_there = refusals.iter().any(|(found, reason)| found == key && reason.contains(word));
    assert!(is_there, "no `{word}` at {key}: {refusals:?}");
}

#[test]
fn the_destinations_of_the_contract_are_good() {
    let desk = read(
        "name = 'desk'\nkind = 'webhook'\nurl = 'https://example.org/hook'\nsecret_env = 'DESK_WEBHOOK_SECRET'\n\
         allow_private_targets = false\nminimum_priority = 'MEDIUM'\nkinds = ['cascade', 'open_interest']\n\
         symbols = ['BTCUSDT']",
        &[("DESK_WEBHOOK_SECRET", "whsec_RmFrZVdlYmhvb2tTZWNyZXQ=")],
    );
    let desk = desk.unwrap();
    assert_eq!((desk.kind, desk.minimum_priority), (Kind::Webhook, Priority::Medium));
    assert_eq!((desk.kinds.len(), desk.symbols.len(), desk.zone.as_str()), (2, 1, "UTC"));
    let phone = read(
        "name = 'phone'\nkind = 'telegram'\ntoken_env = 'TELEGRAM_BOT_TOKEN'\nchat_id = '-1001234567890'\n\
         base_url = 'https://api.telegram.org'\nzone = 'Europe/Berlin'\n\
         quiet_hours = { from = '23:00', to = '07:00', zone = 'Europe/Berlin', minimum_priority = 'HIGH' }",
        &[("TELEGRAM_BOT_TOKEN", TOKEN)],
    );
    let phone = phone.unwrap();
    assert_eq!(phone.minimum_priority, Priority::Low);
    assert_eq!(phone.quiet_hours.unwrap().minimum_priority, Priority::High);
    for good in [
        "name = 'a'\nkind = 'telegram'\ntoken_file = 'T'\nchat_id = 42\nthread_id = 3\nbuttons = true",
        "name = 'a'\nkind = 'telegram'\ntoken_file = 'T'\nchat_id = '@my_channel'\nmessages_per_second = 0.5",
        "name = 'a'\nkind = 'discord'\nurl_env = 'DISCORD'",
        "name = 'a'\nkind = 'discord'\nurl_env = 'THREAD'",
        "name = 'a'\nkind = 'slack'\nurl_file = 'SLACK'",
        "name = 'a'\nkind = 'stdout'",
        "name = 'a'\nkind = 'file'\npath = 'alerts.jsonl'",
    ] {
        let secrets = [
            ("T", TOKEN),
            ("DISCORD", "https://discord.com/api/webhooks/1/a-b_c"),
            ("THREAD", "https://ptb.discord.com/api/v10/webhooks/1/abc?thread_id=5"),
            ("SLACK", "https://hooks.slack.com/services/T0/B0/abc"),
        ];
        if let Err(refusals) = read(good, &secrets) {
            panic!("{good}: {refusals:?}");
        }
    }
}

#[test]
fn every_mistake_is_told_at_once_by_key() {
    let refusals = refusals(
        "name = 'My Desk'\nkind = 'telegram'\ntoken_env = 'NOT_SET'\nchat_id = 'desk'\nthread_id = 0\n\
         base_url = 'api.telegram.org'\nbuttons = 'yes'\nminimum_priority = 'URGENT'\nkinds = ['cascades']\n\
         symbols = ['BTC USDT', 'btcusdt']\nzone = 'Berlin'\nmessages_per_second = 0\nminimum_prority = 'LOW'\n\
         quiet_hours = { from = '23:00', untill = '07:00' }",
        &[],
    );
    let keys: Vec<&str> = refusals.iter().map(|(key, _)| key.as_str()).collect();
    let expected = [
        "base_url",
        "buttons",
        "chat_id",
        "kinds",
        "messages_per_second",
        "minimum_priority",
        "minimum_prority",
        "name",
        "quiet_hours",
        "quiet_hours.untill",
        "symbols",
        "symbols",
        "thread_id",
        "token_env",
        "zone",
    ];
    assert_eq!(keys, expected, "{refusals:#?}");
    let says = |key: &str, word: &str| refusals.iter().any(|(k, reason)| k == key && reason.contains(word));
    assert!(says("token_env", "the variable NOT_SET that token_env names is not set"));
    assert!(says("minimum_prority", "did you mean `minimum_priority`"));
    assert!(says("kinds", "did you mean `cascade`"));
    assert!(says("symbols", "did you mean `BTCUSDT`"));
}

#[test]
fn a_destination_without_its_most_important_fields_says_which() {
    let keys = |toml: &str| refusals(toml, &[]).into_iter().map(|(key, _)| key).collect::<Vec<_>>();
    assert_eq!(keys(""), ["kind", "name"]);
    assert_eq!(keys("kind = 'telegram'"), ["chat_id", "name", "token_env"]);
    assert_eq!(keys("name = 'a'\nkind = 'webhook'"), ["url_env"]);
    assert_eq!(keys("name = 'a'\nkind = 'discord'"), ["url_env"]);
    assert_eq!(keys("name = 'a'\nkind = 'file'"), ["path"]);
    // A field of another kind is unknown here, and with no known kind nothing of any kind is.
    assert_eq!(keys("name = 'a'\nkind = 'stdout'\nchat_id = 1"), ["chat_id"]);
    assert_eq!(keys("name = 'a'\nkind = 'telegramm'\nchat_id = 1"), ["kind"]);
    for field in Destination::FIELDS {
        assert!(!keys(&format!("{field} = 'x'")).iter().any(|key| key == field && field == "url"));
    }
}

#[test]
fn an_unknown_kind_names_the_nearest_and_email_is_not_built_yet() {
    refused("name = 'a'\nkind = 'telegrm'", &[], "kind", "did you mean `telegram`");
    refused("name = 'a'\nkind = 'pigeon'", &[], "kind", "there are telegram, discord");
    refused("name = 'a'\nkind = 'email'", &[], "kind", "not built yet");
    refused("name = 'a'\nkind = 'dead_man'", &[], "kind", "is not known");
    refused("name = 'dead-man'\nkind = 'stdout'", &[], "name", "watchdog");
}

#[test]
fn shapes_and_hosts_are_checked() {
    let phone = |token| [("T", token)];
    let telegram = "name = 'a'\nkind = 'telegram'\ntoken_env = 'T'\nchat_id = 1";
    for token in [
        "abc",
        "123:short",
        ":AAabcdefghijklmnopqrstuvwxyz0123456",
        "12a:AAabcdefghijklmnopqrstuvwxyz0123456",
    ] {
        refused(telegram, &phone(token), "token_env", "shape");
    }
    refused(telegram, &phone("  \n"), "token_env", "not set");
    let at = |kind: &str, url: &str| format!("name = 'a'\nkind = '{kind}'\nurl = '{url}'");
    refused(&at("discord", "https://example.org/api/webhooks/1/abc"), &[], "url", "discord.com");
    refused(&at("discord", "https://discord.com.evil.org/api/webhooks/1/abc"), &[], "url", "discord.com");
    refused(&at("discord", "http://discord.com/api/webhooks/1/abc"), &[], "url", "https://");
    refused(&at("discord", "https://discord.com/api/webhooks/1/abc"), &[], "url", "url_env");
    refused(&at("slack", "https://hooks.slack.com/services/T/B/x"), &[], "url", "url_env");
    let by_env = |kind: &str| format!("name = 'a'\nkind = '{kind}'\nurl_env = 'U'");
    for address in ["https://discord.com/channels/1/2", "https://discord.com/api/webhooks/x/abc"] {
        refused(&by_env("discord"), &[("U", address)], "url_env", "/api/webhooks/");
    }
    refused(&at("slack", "https://example.org/services/T/B/x"), &[], "url", "hooks.slack.com");
    refused(&by_env("slack"), &[("U", "https://hooks.slack.com/services/T/B")], "url_env", "/services/");
    refused(&at("webhook", "http://example.org/"), &[], "url", "https://");
    refused(&at("webhook", "ftp://example.org/"), &[], "url", "https://");
    refused(&at("webhook", "example.org"), &[], "url", "not an address");
    refused(&at("webhook", "https://me:pass@example.org/"), &[], "url", "name or a password");
    let signed = "name = 'a'\nkind = 'webhook'\nurl = 'https://example.org/'\nsecret_env = 'KEY'";
    refused(signed, &[("KEY", "whsec_%%%")], "secret_env", "base64");
    refused(signed, &[("KEY", "short")], "secret_env", "16 bytes");
    let twice = "name = 'a'\nkind = 'slack'\nurl = 'https://hooks.slack.com/services/T/B/x'\nurl_env = 'U'";
    refused(twice, &[("U", "x")], "url", "only one of");
    refused("name = 'a'\nkind = 'file'\npath = '/no/such/folder/x'", &[], "path", "directory does not exist");
    refused("name = 'a'\nkind = 'file'\npath = '/tmp'", &[], "path", "is a directory");
    let quiet = "name = 'a'\nkind = 'stdout'\n\
                 quiet_hours = { from = '25:00', to = '07:00', zone = 'UTC', minimum_priority = 'HIGH' }";
    refused(quiet, &[], "quiet_hours.from", "");
}

#[test]
fn a_secret_that_stands_where_a_name_belongs_is_refused_and_not_shown() {
    let slack = "https://hooks.slack.com/services/T0SECRET/B0SECRET/TopSecretTopSecret";
    for (toml, key) in [
        (format!("name = 'a'\nkind = 'telegram'\ntoken_env = '{TOKEN}'\nchat_id = 1"), "token_env"),
        (format!("name = 'a'\nkind = 'telegram'\ntoken_file = '{TOKEN}'\nchat_id = 1"), "token_file"),
        (format!("name = 'a'\nkind = 'telegram'\ntoken = '{TOKEN}'\nchat_id = 1"), "token"),
        (format!("name = 'a'\nkind = 'telegram'\ntoken_env = 'T'\nchat_id = '{TOKEN}'"), "chat_id"),
        (format!("name = 'a'\nkind = 'slack'\nurl_env = '{slack}'"), "url_env"),
        (format!("name = 'a'\nkind = 'slack'\nurl_file = '{slack}'"), "url_file"),
        (format!("name = '{TOKEN}'\nkind = 'stdout'"), "name"),
        (format!("name = 'a'\nkind = '{TOKEN}'"), "kind"),
        (format!("name = 'a'\nkind = 'stdout'\nzone = '{TOKEN}'"), "zone"),
        (format!("name = 'a'\nkind = 'stdout'\nkinds = ['{TOKEN}']"), "kinds"),
        (format!("name = 'a'\nkind = 'stdout'\nminimum_priority = '{slack}'"), "minimum_priority"),
        (
            "name = 'a'\nkind = 'webhook'\nurl = 'https://example.org'\n\
             secret_env = 'whsec_RmFrZVdlYmhvb2tTZWNyZXQ'"
                .to_owned(),
            "secret_env",
        ),
    ] {
        let refusals = refusals(&toml, &[]);
        assert!(refusals.iter().any(|(found, _)| found == key), "{refusals:?}");
        let shown = format!("{refusals:?}");
        for secret in ["AAabcdef", "SECRET", "TopSecret", "RmFrZVdl"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}
