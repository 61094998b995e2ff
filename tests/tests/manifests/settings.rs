//! Every setting of `config/cascade.toml` is read by somebody: a change of it changes what a program is told, or is refused.
//!
//! The other way round is held where settings are read: `Document::section` asserts that the file shows whatever is asked for.

use cascade_service::config::{DEFAULTS, Document, Mistakes, Override, Sources};
use cascade_service::{Output, Program, ServiceSettings, Simulated, TracesSettings, address};
use toml::{Table, Value};

use crate::files::read;

/// What all programs together are told, as text.
fn told(sources: &Sources) -> String {
    fn of<C: std::fmt::Debug>(program: &Program<C>, document: &Document, mistakes: &mut Mistakes) -> String {
        let own = (program.settings)(document, mistakes);
        format!("{own:?} {}", address(document, mistakes, &format!("{}.health_addr", program.section)))
    }
    let (document, mut mistakes) = Document::load(sources);
    let all = &mut mistakes;
    let common = (
        ServiceSettings::read(&document, all),
        TracesSettings::read(&document, all),
        Output::read(&document, all),
        Simulated::read(&document, all),
    );
    let programs = [
        of(&liquidation_ingest::PROGRAM, &document, all),
        of(&oi_detector::PROGRAM, &document, all),
        of(&cascade_signals::PROGRAM, &document, all),
        of(&alert_dispatcher::PROGRAM, &document, all),
        of(&coordinator::PROGRAM, &document, all),
    ];
    // `cascade up` is a tool, and no library: of its section only the address.
    let up = address(&document, all, "up.health_addr");
    format!("{common:?}\n{programs:?}\n{up}\n{mistakes}")
}

/// The keys below a table, with their values.
fn leaves(table: &Table, above: &str, found: &mut Vec<(String, Value)>) {
    for (name, value) in table {
        let key = if above.is_empty() { name.clone() } else { format!("{above}.{name}") };
        match value {
            Value::Table(inner) => leaves(inner, &key, found),
            value => found.push((key, value.clone())),
        }
    }
}

/// Other values of the type that a key asks for (one of another type is refused by the key alone, whoever reads it); whether they make
/// sense is for the reader to say.
fn others(value: &Value) -> Vec<String> {
    match value {
        Value::Integer(number) => vec![(number + 1).to_string(), "-7".to_owned()],
        Value::Float(number) => vec![format!("{:?}", number * 1.5), "-7.0".to_owned()],
        Value::Boolean(is) => vec![(!is).to_string()],
        Value::Array(items) => {
            let fewer = Value::Array(items.iter().skip(1).cloned().collect()).to_string();
            let larger: Vec<f64> =
                items.iter().filter_map(Value::as_float).map(|number| number * 1.01).collect();
            match items.first() {
                // It shows no type.
                None => vec!["[7]".to_owned(), "[\"?\"]".to_owned()],
                Some(Value::Float(_)) => vec![format!("{larger:?}")],
                Some(_) => vec![fewer, "[\"?\"]".to_owned()],
            }
        }
        _ => vec!["? ?".to_owned(), "BALANCED".to_owned()],
    }
}

/// The keys of which nobody takes notice, whatever they say.
fn unread(keys: &[(String, Value)], told: &dyn Fn(&Sources) -> String) -> Vec<String> {
    let change = |key: &str, text: String| Sources {
        overrides: vec![Override { key: key.to_owned(), text, flag: "--flag".to_owned() }],
        ..Sources::default()
    };
    let before = told(&Sources::default());
    let noticed =
        |key: &str, value: &Value| others(value).into_iter().any(|text| told(&change(key, text)) != before);
    keys.iter().filter(|(key, value)| !noticed(key, value)).map(|(key, _)| key.clone()).collect()
}

#[test]
fn every_setting_is_read_by_somebody() {
    let mut keys = Vec::new();
    leaves(&DEFAULTS.parse().unwrap(), "", &mut keys);
    assert!(keys.len() > 150, "{}", keys.len());
    assert_eq!(unread(&keys, &told), Vec::<String>::new());
    assert!(
        read("services/cascade/src/args.rs").contains("sources(\"up\""),
        "whoever reads [up] is elsewhere"
    );
}

#[test]
fn a_setting_that_nobody_reads_is_found() {
    let keys = [
        ("ingest.queue_events".to_owned(), Value::Integer(1)),
        ("oi.weight_share".to_owned(), Value::Float(0.5)),
    ];
    let ingest_alone = |sources: &Sources| {
        let (document, mut mistakes) = Document::load(sources);
        format!("{:?} {mistakes}", liquidation_ingest::Config::read(&document, &mut Mistakes::default()))
            + &std::mem::take(&mut mistakes).to_string()
    };
    assert_eq!(unread(&keys, &ingest_alone), ["oi.weight_share"]);
}
