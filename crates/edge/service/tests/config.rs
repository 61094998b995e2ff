//! The configuration as its users meet it: layers, and every mistake at once.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::io::Write as _;

use cascade_domain::{Refusal, Venue};
use cascade_service::config::{DEFAULTS, Document, Mistakes, Origin, Override, Sources};
use serde::Deserialize;
use tempfile::NamedTempFile;

const SMALL: &str = r#"
[redis]
url = "redis://127.0.0.1:6379"
password = ""

[ingest]
exchanges = ["binance", "bybit", "okx", "hyperliquid"]
symbols = ["BTCUSDT"]
queue_events = 65_536
sharpness = 0.5
mirror = true

[cascade]
preset = "balanced"
#flow_share = 0.75
ladder = [1.0, 2.5]
#[cascade.symbols.BTCUSDT]
#unit_usd = 3_000_000
"#;

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
struct Ingest {
    exchanges: Vec<Venue>,
    queue_events: u32,
    sharpness: f64,
    mirror: bool,
}

fn refusals(ingest: &Ingest) -> Vec<Refusal> {
    let low = ingest.queue_events < 16;
    low.then(|| Refusal::new("queue_events", "must be at least 16")).into_iter().collect()
}

fn file(text: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

fn flag(key: &str, text: &str, flag: &str) -> Override {
    Override { key: key.to_owned(), text: text.to_owned(), flag: flag.to_owned() }
}

fn variables(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

fn small() -> Sources {
    Sources { defaults: SMALL, ..Sources::default() }
}

fn from_environment(pairs: &[(&str, &str)]) -> (Document, Mistakes) {
    Document::load(&Sources { environment: variables(pairs), ..small() })
}

#[test]
fn the_defaults_are_a_valid_configuration() {
    let (document, mistakes) = Document::load(&Sources::default());
    assert_eq!(mistakes.to_string(), "");
    assert_eq!(document.text("redis.url"), Some("redis://127.0.0.1:6379"));
    assert_eq!(document.text("venues.binance.coinm_rest_url"), Some("https://dapi.binance.com"));
    let whole = file(DEFAULTS);
    let (_, mistakes) =
        Document::load(&Sources { file: Some(whole.path().to_owned()), ..Sources::default() });
    assert_eq!(mistakes.to_string(), "", "a copy of the defaults is a valid file");
}

#[test]
fn flags_win_over_the_environment_over_the_file_over_the_defaults() {
    let written = file("[redis]\nurl = \"redis://file\"\n[ingest]\nqueue_events = 100\nsharpness = 2\n");
    let mut sources = small();
    let url = |sources: &Sources| {
        let (document, mistakes) = Document::load(sources);
        assert_eq!(mistakes.to_string(), "");
        (document.text("redis.url").unwrap().to_owned(), document.origin("redis.url"))
    };
    assert_eq!(url(&sources), ("redis://127.0.0.1:6379".to_owned(), Origin::Default));
    sources.file = Some(written.path().to_owned());
    let path = written.path().display().to_string();
    assert_eq!(url(&sources), ("redis://file".to_owned(), Origin::File { path, line: 2 }));
    sources.environment = variables(&[("CASCADE_REDIS__URL", "redis://variable"), ("HOME", "/root")]);
    let variable = Origin::Variable("CASCADE_REDIS__URL".to_owned());
    assert_eq!(url(&sources), ("redis://variable".to_owned(), variable));
    sources.overrides = vec![flag("redis.url", "redis://flag", "--redis-url")];
    assert_eq!(url(&sources), ("redis://flag".to_owned(), Origin::Flag("--redis-url".to_owned())));

    let (document, mut mistakes) = Document::load(&sources);
    let ingest: Ingest = document.section("ingest", &mut mistakes, refusals);
    assert!(mistakes.is_empty(), "{mistakes}");
    let exchanges = Venue::ALL.to_vec();
    assert_eq!(ingest, Ingest { exchanges, queue_events: 100, sharpness: 2.0, mirror: true });
}

#[test]
fn every_mistake_of_every_layer_is_reported_at_once_and_its_default_stays() {
    let written = file(
        "[redis]\nurll = \"x\"\nurl = 5\n[ingest]\nqueue_events = 2.5\nmirror = \"yes\"\nbroken = = 1\nexchanges = [\"binanse\"]\n[nonsense]\na = 1\n",
    );
    let sources = Sources {
        file: Some(written.path().to_owned()),
        environment: variables(&[
            ("CASCADE_INGEST__SHARPNESS", "sharp"),
            ("CASCADE_REDIS_URL", "redis://x"),
            ("CASCADE_CASCADE__SYMBOLS__DOGEUSDT__UNIT_US", "1"),
        ]),
        overrides: vec![flag("ingest.queue_events", "3", "--set"), flag("ingest.symbol", "X", "--symbols")],
        ..small()
    };
    let (document, mut mistakes) = Document::load(&sources);
    let ingest: Ingest = document.section("ingest", &mut mistakes, refusals);
    let told = mistakes.to_string().replace(&written.path().display().to_string(), "F");
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(
        lines,
        [
            "file F, line 7: not TOML: extra `=`, expected nothing",
            "cascade.symbols.DOGEUSDT.unit_us: unknown key; did you mean `cascade.symbols.DOGEUSDT.unit_usd`? \
             (environment variable CASCADE_CASCADE__SYMBOLS__DOGEUSDT__UNIT_US)",
            "ingest.exchanges: unknown variant `binanse`, expected one of `binance`, `bybit`, `okx`, `hyperliquid` \
             (file F, line 8)",
            "ingest.mirror: expected true or false, found the text `yes` (file F, line 6)",
            "ingest.queue_events: expected a whole number, found `2.5` (file F, line 5)",
            "ingest.queue_events: must be at least 16 (flag --set)",
            "ingest.sharpness: expected a number, found the text `sharp` \
             (environment variable CASCADE_INGEST__SHARPNESS)",
            "ingest.symbol: unknown key; did you mean `ingest.symbols`? (flag --symbols)",
            "nonsense.a: unknown key; the sections are cascade, ingest, redis (file F, line 10)",
            "redis.url: expected text, found `5` (file F, line 3)",
            "redis.url: unknown variable; did you mean CASCADE_REDIS__URL? (environment variable CASCADE_REDIS_URL)",
            "redis.urll: unknown key; did you mean `redis.url`? (file F, line 2)",
        ]
    );
    assert_eq!(mistakes.len(), lines.len());
    let sharpness = 0.5;
    assert_eq!(ingest, Ingest { exchanges: Venue::ALL.to_vec(), queue_events: 3, sharpness, mirror: true });
    assert_eq!(document.text("redis.url"), Some("redis://127.0.0.1:6379"));
}

#[test]
fn lists_are_written_with_commas_or_as_in_toml_and_one_word_may_stand_for_all() {
    for (text, expected) in [
        ("BTCUSDT, ETHUSDT", r#"["BTCUSDT", "ETHUSDT"]"#),
        (r#"["SOLUSDT"]"#, r#"["SOLUSDT"]"#),
        ("1INCHUSDT", r#"["1INCHUSDT"]"#),
        ("all", r#""all""#),
    ] {
        let (document, mut mistakes) = from_environment(&[("CASCADE_INGEST__SYMBOLS", text)]);
        let table: toml::Table = document.section("ingest", &mut mistakes, |_| Vec::new());
        assert_eq!(mistakes.to_string(), "", "{text}");
        assert_eq!(table["symbols"].to_string(), expected, "{text}");
    }
    let (_, mistakes) = from_environment(&[("CASCADE_INGEST__SYMBOLS", "[1]")]);
    assert!(
        mistakes.to_string().starts_with("ingest.symbols: expected a list of texts, found `1` in it"),
        "{mistakes}"
    );
    let written = file("ingest.symbols = \"some\"\n");
    let (_, mistakes) = Document::load(&Sources { file: Some(written.path().to_owned()), ..small() });
    assert!(mistakes.to_string().contains("expected a list or \"all\", found the text `some`"), "{mistakes}");
}

#[test]
fn optional_keys_and_the_users_own_names_are_known_by_their_example() {
    let (document, mut mistakes) = from_environment(&[
        ("CASCADE_CASCADE__SYMBOLS__DOGEUSDT__UNIT_USD", "500_000"),
        ("CASCADE_CASCADE__FLOW_SHARE", "1"),
        ("CASCADE_CASCADE__LADDER", "1, 2.5, 4"),
    ]);
    let cascade: toml::Table = document.section("cascade", &mut mistakes, |_| Vec::new());
    assert_eq!(mistakes.to_string(), "");
    assert_eq!(cascade["symbols"]["DOGEUSDT"]["unit_usd"].as_integer(), Some(500_000));
    assert_eq!(cascade["flow_share"].as_float(), Some(1.0));
    assert_eq!(cascade["ladder"].to_string(), "[1.0, 2.5, 4.0]", "whole numbers are numbers");
    assert!(cascade["symbols"].get("BTCUSDT").is_none(), "an example is not a default");
    let (document, _) = from_environment(&[]);
    let cascade: toml::Table = document.section("cascade", &mut mistakes, |_| Vec::new());
    assert!(!cascade.contains_key("flow_share") && !cascade.contains_key("symbols"));
}

#[test]
fn foreign_and_empty_variables_are_passed_over() {
    let (document, mistakes) = from_environment(&[
        ("CASCADE_SIGNALS_SERVICE_HOST", "10.0.0.1"),
        ("CASCADE_SIGNALS_PORT_9103_TCP", "tcp://10.0.0.1:9103"),
        ("CASCADE_REDIS__URL", ""),
    ]);
    assert_eq!(mistakes.to_string(), "");
    assert_eq!(document.origin("redis.url"), Origin::Default);
}

#[test]
fn no_mistake_shows_a_secret() {
    let written = file("[redis]\npassword = [\"hunter2\"]\nurl = [\"redis://u:hunter2@h\"]\n");
    let sources = Sources {
        file: Some(written.path().to_owned()),
        environment: variables(&[("CASCADE_INGEST__MIRROR", "redis://u:hunter2@h/0")]),
        overrides: vec![flag("ingest.queue_events", "redis://:hunter2@h", "--set")],
        ..small()
    };
    let (document, mut mistakes) = Document::load(&sources);
    let refused = |_: &toml::Table| vec![Refusal::new("url", "`redis://u:hunter2@h` has no port")];
    let _: toml::Table = document.section("redis", &mut mistakes, refused);
    let told = format!("{mistakes} {sources:?} {document:?}");
    assert_eq!(mistakes.len(), 5, "{told}");
    assert!(!told.contains("hunter2"), "{told}");
    assert!(told.contains("found the text `redis://***@h/0`"), "{told}");
}

#[test]
fn a_file_that_can_not_be_read_is_a_mistake_with_its_name() {
    let (_, mistakes) = Document::load(&Sources { file: Some("/no/such/cascade.toml".into()), ..small() });
    assert!(
        mistakes.to_string().starts_with("file /no/such/cascade.toml: can't be read: No such file"),
        "{mistakes}"
    );
}

#[test]
fn a_mistake_is_one_line_and_shows_no_password_whatever_the_name_of_its_key() {
    let odd = file("[redis]\n\"redis://ann:s3cret@host\" = 1\n\"two\\nlines\\u001b[31m\" = 2\n");
    let (_, mistakes) = Document::load(&Sources { file: Some(odd.path().to_owned()), ..small() });
    let told = mistakes.to_string();
    assert_eq!((mistakes.len(), told.lines().count()), (2, 2), "{told}");
    assert!(told.contains("redis://***@host: unknown key") && !told.contains("s3cret"), "{told}");
    assert!(told.contains(r"two\nlines\u{1b}[31m"), "{told}");
}

#[test]
fn a_setting_that_code_reads_and_nobody_wrote_down_is_found() {
    #[derive(Default, serde::Deserialize)]
    #[serde(default)]
    struct Memory {
        idle_s: u32,
        forgotten_s: u32,
    }
    #[derive(Default, serde::Deserialize)]
    #[serde(default)]
    struct Cascade {
        preset: String,
        colour: String,
        memory: Option<Memory>,
        symbols: std::collections::BTreeMap<String, Memory>,
    }
    let (document, _) = Document::load(&Sources::default());
    let mut unwritten = document.unwritten::<Cascade>("cascade");
    unwritten.sort();
    assert_eq!(unwritten, ["cascade.colour", "cascade.memory.forgotten_s"]);
    assert_eq!(document.unwritten::<Memory>("cascade.memory"), ["cascade.memory.forgotten_s"]);
    assert_eq!(document.unwritten::<toml::Table>("cascade"), Vec::<String>::new());
}
