//! The reference page says what `config/cascade.toml` says: every key, with a variable that the loader takes.
//! After a change of that file: `GOLDEN=write cargo test -p cascade-tests --test manifests reference`

use std::collections::BTreeSet;

use cascade_service::config::{DEFAULTS, Document, Sources};
use cascade_tests::reference::{page, sections};
use toml::{Table, Value};

use crate::files::{read, root};

const PAGE: &str = "docs/configuration.md";

#[test]
fn the_reference_page_is_made_of_the_configuration() {
    let made = page(DEFAULTS);
    #[expect(clippy::disallowed_methods, reason = "how a test is told to write is no setting of the program")]
    let writes = std::env::var("GOLDEN").is_ok_and(|value| value == "write");
    if writes {
        std::fs::write(root().join(PAGE), &made).unwrap();
    }
    assert!(
        made == read(PAGE),
        "{PAGE} is not what config/cascade.toml says now: \
         GOLDEN=write cargo test -p cascade-tests --test manifests reference"
    );
}

/// The keys of a document that have a default; a table within a line is one setting.
fn leaves(table: &Table, above: &str, found: &mut BTreeSet<String>) {
    for (name, value) in table {
        let key = if above.is_empty() { name.clone() } else { format!("{above}.{name}") };
        match value {
            Value::Table(inner) => leaves(inner, &key, found),
            _ => assert!(found.insert(key)),
        }
    }
}

#[test]
fn every_key_is_on_the_page_once_with_its_default() {
    let plain = |line: &str| match line.split_once(" = {") {
        Some((name, _)) if !line.starts_with('#') => format!("{name} = 0"),
        _ => line.to_owned(),
    };
    let plain: Vec<String> = DEFAULTS.lines().map(plain).collect();
    let mut known = BTreeSet::new();
    leaves(&plain.join("\n").parse().unwrap(), "", &mut known);
    let mut shown = BTreeSet::new();
    for section in sections(DEFAULTS).iter().filter(|section| !section.list) {
        for setting in section.rows.iter().flat_map(|row| &row.settings).filter(|setting| !setting.example) {
            let key = format!("{}.{}", section.name, setting.name);
            assert!(shown.insert(key.clone()), "{key} is on the page twice");
            assert!(format!("x = {}", setting.value).parse::<Table>().is_ok(), "{key} = {}", setting.value);
        }
    }
    assert_eq!(shown.symmetric_difference(&known).collect::<Vec<_>>(), Vec::<&String>::new());
}

#[test]
fn every_variable_of_the_page_is_one_that_the_loader_takes() {
    let mut variables = Vec::new();
    for section in sections(DEFAULTS).iter().filter(|section| !section.list) {
        for setting in section.rows.iter().flat_map(|row| &row.settings) {
            let value = setting.value.parse::<Value>().map_or(setting.value.clone(), |value| match value {
                Value::String(text) => text,
                other => other.to_string(),
            });
            variables.push((section.variable(setting), value));
        }
    }
    assert!(variables.len() > 200, "{}", variables.len());
    let (_, mistakes) = Document::load(&Sources { environment: variables, ..Sources::default() });
    assert_eq!(mistakes.to_string(), "");
}

#[test]
fn comments_above_and_beside_are_what_a_setting_means() {
    let made = sections(
        "# The file.\n\n# Section.\n[a]\n# Two of\n# them.\none = 1\ntwo = [\n  2, # no\n  3,\n]\n\nbare = \"#\"  # a | b\nlast = 4\n#none = 5\n\n[a.b]\nx = { y = 1 }\n# Who.\n#[[to]]\n#name = \"n\" # its name\n#[[to]]\n#name = \"m\"\n",
    );
    let rows: Vec<String> = made
        .iter()
        .map(|section| {
            let rows = section.rows.iter().map(|row| {
                let names = row
                    .settings
                    .iter()
                    .map(|s| format!("{}={}{}", s.name, s.value, if s.example { "?" } else { "" }));
                format!("{} ({})", names.collect::<Vec<_>>().join(" "), row.about)
            });
            format!(
                "[{}] {}: {} {:?}",
                section.name,
                section.about,
                rows.collect::<Vec<_>>().join("; "),
                section.example
            )
        })
        .collect();
    assert_eq!(
        rows,
        [
            "[] The file.:  []",
            "[a] Section.: one=1 two=[2, 3] (Two of them.); bare=\"#\" (a | b); last=4 (); none=5? () []",
            "[a.b] : x={ y = 1 } () []",
            "[to] Who.:  [\"[[to]]\", \"name = \\\"n\\\" # its name\", \"\", \"[[to]]\", \"name = \\\"m\\\"\"]",
        ]
    );
    assert!(page("[a]\nx = 1 # a | b\n").contains("| **`x`**<br>`CASCADE_A__X` | `1` | a \\| b |"));
}
