//! What may be configured, and how what may not is told: all at once, by name, and without a secret.

use std::io::Write as _;

use alert_dispatcher::{Config, DEAD_MAN};
use cascade_domain::Priority;
use cascade_notify::Kind;
use cascade_service::config::{Document, Sources};
use tempfile::NamedTempFile;

const TOKEN: &str = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw";
const HOOK: &str = "https://discord.com/api/webhooks/1234567890123456789/s3cretS3cretS3cretS3cretS3cretS3cretS3cretS3cretS3cretS3cretS3cretSe";

/// The configuration of this file and these variables, and what is wrong with it, the file called `F`.
fn read(text: &str, variables: &[(&str, &str)]) -> (Config, Vec<String>) {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let environment = variables.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    let sources = Sources { file: Some(file.path().to_owned()), environment, ..Sources::default() };
    let (document, mut mistakes) = Document::load(&sources);
    let config = Config::read(&document, &mut mistakes);
    let told = mistakes.to_string().replace(&file.path().display().to_string(), "F");
    let shown = format!("{config:?} {document:?} {sources:?} {told}");
    for secret in [TOKEN, "AAHdqTcvCH1", HOOK, "s3cretS3cret", "hunter2"] {
        assert!(!shown.contains(secret), "{secret} is in {shown}");
    }
    (config, told.lines().map(str::to_owned).collect())
}

const DESK: &str = "[[destination]]\nname = \"desk\"\nkind = \"stdout\"\n";

#[test]
fn the_file_of_defaults_says_what_the_code_does() {
    let (config, told) = read(DESK, &[]);
    assert_eq!(told, Vec::<String>::new());
    // Of three symbols that are read, all are the whole market.
    let default = cascade_alerting::Config::default();
    assert_eq!(config.policy, cascade_alerting::Config { market_symbols: 3, ..default });
    assert_eq!(config.dispatch, alert_dispatcher::Dispatch::default());
    assert!(config.allowed_users.is_empty());
    assert!(config.dead_man().unwrap().is_none(), "no URL, no watchdog");
}

#[test]
fn nobody_to_tell_is_refused_with_the_way_out() {
    let (_, told) = read("", &[]);
    assert_eq!(told.len(), 1, "{told:?}");
    for part in [
        "destination: there is none",
        "[[destination]]",
        "--config",
        "TELEGRAM_BOT_TOKEN",
        "ALERT_WEBHOOK_URL",
    ] {
        assert!(told[0].contains(part), "{told:?} lacks {part}");
    }
    // A dead man's switch is told of nothing but the watchdog.
    let (_, told) = read("[dispatch]\ndead_man_url = \"https://example.org/ping\"\n", &[]);
    assert!(told[0].contains("destination: there is none"), "{told:?}");
    let (document, mut mistakes) = Document::load(&Sources::default());
    let config = Config::read_any(&document, &mut mistakes);
    assert!(mistakes.is_empty() && config.destinations.is_empty(), "who adds one may read it all the same");
}

#[test]
fn the_well_known_variables_make_destinations_where_no_file_does() {
    let all = [
        ("TELEGRAM_BOT_TOKEN", TOKEN),
        ("TELEGRAM_CHAT_ID", "-1001234567890"),
        ("DISCORD_WEBHOOK_URL", HOOK),
        (
            "SLACK_WEBHOOK_URL",
            "https://hooks.slack.com/services/T00000000/B00000000/hunter2XXXXXXXXXXXXXXXXX",
        ),
        ("ALERT_WEBHOOK_URL", "https://example.org/hook?key=hunter2"),
    ];
    let (config, told) = read("", &all);
    assert_eq!(told, Vec::<String>::new());
    let found: Vec<_> =
        config.destinations.iter().map(|t| (t.destination.name.as_str(), t.destination.kind)).collect();
    let kinds = [Kind::Telegram, Kind::Discord, Kind::Slack, Kind::Webhook];
    assert_eq!(found, kinds.map(|kind| (kind.as_str(), kind)));
    let (config, told) = read(DESK, &all);
    assert_eq!((config.destinations.len(), told.len()), (1, 0), "a file that names some decides alone");
    let (config, told) = read("", &[("TELEGRAM_BOT_TOKEN", ""), ("DISCORD_WEBHOOK_URL", HOOK)]);
    assert_eq!(
        (config.destinations.len(), told.len()),
        (1, 0),
        "an empty variable counts as not set: {told:?}"
    );
}

#[test]
fn half_of_what_telegram_needs_is_refused_by_name() {
    let (_, told) = read("", &[("TELEGRAM_BOT_TOKEN", TOKEN)]);
    assert_eq!(
        told,
        ["destination.telegram: TELEGRAM_CHAT_ID is needed too (environment variable TELEGRAM_BOT_TOKEN)"]
    );
    let (_, told) = read("", &[("TELEGRAM_CHAT_ID", "5")]);
    assert_eq!(
        told,
        ["destination.telegram: TELEGRAM_BOT_TOKEN is needed too (environment variable TELEGRAM_CHAT_ID)"]
    );
    let (_, told) = read("", &[("TELEGRAM_CHAT_ID", "5"), ("TELEGRAM_BOT_TOKEN", "hunter2")]);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("destination.telegram.token_env") && told[0].contains("shape"), "{told:?}");
}

#[test]
fn every_mistake_is_named_at_once_with_its_line() {
    let text = "[dispatch]\nhistory_days = 0\nsend_timeout_s = 90\nwatchdog_every_s = 1\ndead_man_url = \"hunter2\"\n\
        escalation = \"nobody\"\ndisabled_alerts = [\"cascde\"]\nquiet_hours = { from = \"25:00\", to = \"07:00\", zone = \"Mars\", minimum_priority = \"HIGH\" }\n\
        \n[telegram]\nallowed_users = [\"ann\"]\n\n\
        [[destination]]\nname = \"desk\"\nkind = \"webhook\"\nurl = \"https://example.org\"\nurll = \"x\"\nminimum_priority = \"LOUD\"\n\
        quiet_hours = { from = \"1:00\", to = \"07:00\", zone = \"UTC\", minimum_priority = \"HIGH\" }\n\n\
        [[destination]]\nname = \"desk\"\nkind = \"stdout\"\n\n\
        [[destination]]\nkind = \"carrier pigeon\"\n\n\
        [[destination]]\nname = \"phone\"\nkind = \"telegram\"\ntoken_env = \"NO_SUCH\"\nchat_id = \"5\"\n\n\
        [[destination]]\nname = \"bare\"\nkind = \"telegram\"\ntoken = \"hunter2\"\nchat_id = \"5\"\n";
    let (_, told) = read(text, &[]);
    let all = told.join("\n");
    for (key, line) in [
        ("dispatch.history_days", 2),
        ("dispatch.send_timeout_s", 3),
        ("dispatch.watchdog_every_s", 4),
        ("dispatch.dead_man_url", 5),
        ("dispatch.escalation", 6),
        ("dispatch.disabled_alerts", 7),
        ("dispatch.quiet_hours.from", 8),
        ("dispatch.quiet_hours.zone", 8),
        ("telegram.allowed_users", 11),
        ("destination.desk.urll", 17),
        ("destination.desk.minimum_priority", 18),
        ("destination.desk.quiet_hours.from", 19),
        ("destination.desk.name", 22),
        ("destination.#3.name", 25),
        ("destination.#3.kind", 26),
        ("destination.phone.token_env", 31),
        ("destination.bare.token", 37),
    ] {
        let place = format!("(file F, line {line})");
        let is_told = told.iter().any(|told| told.starts_with(&format!("{key}: ")) && told.ends_with(&place));
        assert!(is_told, "{key} at line {line} is not told:\n{all}");
    }
}

#[test]
fn escalation_goes_to_a_destination_that_there_is() {
    let escalating = |name: &str| read(&format!("[dispatch]\nescalation = \"{name}\"\n{DESK}"), &[]).1;
    assert_eq!(escalating("desk"), Vec::<String>::new());
    let told = escalating("dekc");
    assert!(told[0].starts_with("dispatch.escalation: ") && told[0].contains("dekc"), "{told:?}");
    let refused =
        "[dispatch]\nescalation = \"desk\"\n[[destination]]\nname = \"desk\"\nkind = \"stdout\"\nx = 1\n";
    let (_, told) = read(refused, &[]);
    assert_eq!(
        told.len(),
        1,
        "that the destination is refused is told, and not that there is none: {told:?}"
    );
}

#[test]
fn settings_come_from_variables_too() {
    let (config, told) = read(
        DESK,
        &[
            ("CASCADE_DISPATCH__HISTORY_DAYS", "7"),
            ("CASCADE_DISPATCH__DEAD_MAN_URL", "https://example.org/hunter2"),
            ("CASCADE_DISPATCH__DISABLED_ALERTS", "feed,oi_collapse"),
            ("CASCADE_TELEGRAM__ALLOWED_USERS", "4711,4712"),
            ("CASCADE_DISPATCH__QUIET_HOURS__FROM", "23:00"),
            ("CASCADE_DISPATCH__QUIET_HOURS__TO", "07:00"),
            ("CASCADE_DISPATCH__QUIET_HOURS__ZONE", "Europe/Berlin"),
            ("CASCADE_DISPATCH__QUIET_HOURS__MINIMUM_PRIORITY", "HIGH"),
        ],
    );
    assert_eq!(told, Vec::<String>::new());
    assert_eq!(config.dispatch.history_days, 7);
    assert_eq!(config.policy.disabled_alerts.len(), 2);
    assert_eq!(config.allowed_users, [4711, 4712].into());
    assert_eq!(config.policy.quiet_hours.clone().unwrap().minimum_priority, Priority::High);
    let dead_man = config.dead_man().unwrap().unwrap();
    assert_eq!((dead_man.destination.name.as_str(), dead_man.destination.kind), (DEAD_MAN, Kind::DeadMan));
}

#[test]
fn what_a_destination_is_has_other_settings_as_soon_as_anything_of_it_changes_its_secret_too() {
    let telegram = |chat: &str, token: &str| {
        let text = format!(
            "[[destination]]\nname = \"phone\"\nkind = \"telegram\"\ntoken_env = \"T\"\nchat_id = \"{chat}\"\n"
        );
        let (config, told) = read(&text, &[("T", token)]);
        assert_eq!(told, Vec::<String>::new());
        config.destinations[0].settings
    };
    let other = TOKEN.replace("saw", "saX");
    assert_eq!(telegram("5", TOKEN), telegram("5", TOKEN));
    assert_ne!(telegram("5", TOKEN), telegram("6", TOKEN));
    assert_ne!(telegram("5", TOKEN), telegram("5", &other));
}

#[test]
fn a_cascade_on_all_symbols_that_are_read_is_of_the_whole_market_unless_said_otherwise() {
    let symbols = |text: &str| {
        let (config, told) = read(DESK, &[("CASCADE_INGEST__SYMBOLS", text)]);
        assert_eq!(told, Vec::<String>::new());
        config.policy.market_symbols
    };
    let seven = "BTCUSDT,ETHUSDT,SOLUSDT,XRPUSDT,DOGEUSDT,ADAUSDT,BNBUSDT";
    assert_eq!([symbols("all"), symbols(seven), symbols("BTCUSDT,ETHUSDT,SOLUSDT,XRPUSDT")], [5, 5, 4]);
    assert_eq!([symbols("BTCUSDT,ETHUSDT"), symbols("BTCUSDT")], [3, 3], "two are no market");
    let (config, _) = read(&format!("[dispatch]\nmarket_symbols = 5\n{DESK}"), &[]);
    assert_eq!(config.policy.market_symbols, 5);
}

#[test]
fn what_the_file_of_defaults_shows_as_examples_may_be_written_so() {
    let shown = |line: &str| {
        let text = line.strip_prefix('#')?;
        let is_setting = text.starts_with(|c: char| c.is_ascii_lowercase() || c == '[');
        is_setting.then(|| text.to_owned())
    };
    let defaults = cascade_service::config::DEFAULTS;
    let (_, listed) = defaults.split_once("#[[destination]]").unwrap();
    let (listed, _) = listed.split_once("\n[").unwrap();
    let lines: Vec<String> = listed.lines().filter_map(shown).collect();
    // The directory of a file must be there.
    let directory = tempfile::tempdir().unwrap();
    let lines = lines.join("\n").replace("data/", &format!("{}/", directory.path().display()));
    let text = format!("[[destination]]\n{lines}\n");
    let variables = [
        ("TELEGRAM_BOT_TOKEN", TOKEN),
        ("DISCORD_WEBHOOK_URL", HOOK),
        (
            "SLACK_WEBHOOK_URL",
            "https://hooks.slack.com/services/T00000000/B00000000/hunter2XXXXXXXXXXXXXXXXX",
        ),
        ("DESK_WEBHOOK_SECRET", "hunter2hunter2hunter2"),
    ];
    let (config, told) = read(&text, &variables);
    assert_eq!(told, Vec::<String>::new(), "{text}");
    let kinds: Vec<_> = config.destinations.iter().map(|target| target.destination.kind).collect();
    assert_eq!(kinds, [Kind::Telegram, Kind::Discord, Kind::Slack, Kind::Webhook, Kind::File]);
}
