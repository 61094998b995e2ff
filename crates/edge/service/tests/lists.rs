//! Lists of tables in a configuration, tables that are good only as a whole, and secrets that stand elsewhere.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::io::Write as _;

use cascade_service::config::{Document, Item, Mistakes, Origin, Override, Sources};
use serde::Deserialize;
use tempfile::NamedTempFile;

const SMALL: &str = r#"
[dispatch]
days = 90
#quiet = { from = "23:00", to = "07:00", loud = "HIGH" }

#[[destination]]
#name = "desk"
"#;

fn file(text: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

fn loaded(text: &str, environment: &[(&str, &str)]) -> (Document, Mistakes, String) {
    let written = file(text);
    let environment = environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let path = written.path().display().to_string();
    let sources =
        Sources { defaults: SMALL, file: Some(written.path().to_owned()), environment, ..Sources::default() };
    let (document, mistakes) = Document::load(&sources);
    (document, mistakes, path)
}

/// The mistakes with the file's name as `F`.
fn told(mistakes: &Mistakes, path: &str) -> Vec<String> {
    mistakes.to_string().replace(path, "F").lines().map(str::to_owned).collect()
}

#[test]
fn each_table_of_a_list_comes_whole_with_the_lines_of_its_keys() {
    let text = "[dispatch]\ndays = 7\n\n[[destination]]\nname = \"desk\"\nkinds = [\"cascade\"]\n\
                quiet = { from = \"1:00\", to = \"2:00\" }\n[[destination]]\n[destination.quiet]\nfrom = \"3:00\"\n";
    let (document, mistakes, path) = loaded(text, &[]);
    assert_eq!(mistakes.to_string(), "");
    let items = document.items("destination");
    let line = |item: &Item, key: &str| match item.origin(key) {
        Origin::File { path: of, line } if *of == path => *line,
        other => panic!("{other}"),
    };
    assert_eq!(items.len(), 2);
    assert_eq!(items[0].table()["name"].as_str(), Some("desk"));
    assert_eq!(items[0].table()["quiet"]["to"].as_str(), Some("2:00"));
    assert_eq!(items[1].table()["quiet"]["from"].as_str(), Some("3:00"));
    let lines = ["name", "kinds", "quiet.from", "quiet.zone", "url"].map(|key| line(&items[0], key));
    assert_eq!(lines, [5, 6, 7, 7, 4], "what is missing stands where its table does");
    assert_eq!(line(&items[1], "quiet.from"), 10);
    assert!(document.items("other").is_empty());
    let shown = format!("{document:?} {:?}", items[0]);
    assert!(!shown.contains("desk") && !shown.contains("1:00"), "{shown}");
}

#[test]
fn a_list_that_is_none_is_refused_with_the_way_out() {
    for text in ["[destination]\nname = \"desk\"\n", "destination = [\"desk\"]\n", "destination = 5\n"] {
        let (document, mistakes, path) = loaded(text, &[]);
        let told = told(&mistakes, &path);
        assert_eq!(
            told,
            ["destination: write each one as a table of its own, headed [[destination]] (file F, line 1)"],
            "{text}"
        );
        assert!(document.items("destination").is_empty());
    }
    let (_, mistakes, _) = loaded("", &[("CASCADE_DESTINATION__NAME", "desk")]);
    let told = mistakes.to_string();
    assert!(told.starts_with("destination.name: stands in a file (--config FILE)"), "{told}");
    let flag =
        Override { key: "destination.name".to_owned(), text: "hunter2".to_owned(), flag: "--set".to_owned() };
    let (_, mistakes) =
        Document::load(&Sources { defaults: SMALL, overrides: vec![flag], ..Sources::default() });
    let told = mistakes.to_string();
    assert!(told.contains("flag --set") && !told.contains("hunter2"), "{told}");
}

#[test]
fn a_broken_line_in_a_list_takes_no_other_along() {
    let text =
        "[[destination]]\nname = \"desk\"\nkind = = 1\nzone = \"UTC\"\n[[destination]]\nname = \"b\"\n";
    let (document, mistakes, path) = loaded(text, &[]);
    assert_eq!(told(&mistakes, &path), ["file F, line 3: not TOML: extra `=`, expected nothing"]);
    let names: Vec<_> =
        document.items("destination").iter().map(|item| item.table()["name"].to_string()).collect();
    assert_eq!(names, ["\"desk\"", "\"b\""]);
    assert!(!document.items("destination")[0].table().contains_key("kind"));
    assert_eq!(document.items("destination")[0].table()["zone"].as_str(), Some("UTC"));
}

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
struct Dispatch {
    days: u8,
    quiet: Option<Quiet>,
}

#[derive(Debug, Deserialize, PartialEq)]
struct Quiet {
    from: String,
    to: String,
    loud: Loud,
}

#[derive(Debug, Deserialize, PartialEq)]
enum Loud {
    #[serde(rename = "HIGH")]
    High,
}

fn section(text: &str, environment: &[(&str, &str)]) -> (Dispatch, Vec<String>) {
    let (document, mut mistakes, path) = loaded(text, environment);
    let section = document.section("dispatch", &mut mistakes, |_: &Dispatch| Vec::new());
    (section, told(&mistakes, &path))
}

fn quiet() -> Quiet {
    Quiet { from: "23:00".to_owned(), to: "07:00".to_owned(), loud: Loud::High }
}

const WHOLE: &str = "{ from = \"23:00\", to = \"07:00\", loud = \"HIGH\" }";

#[test]
fn a_table_that_is_good_only_as_a_whole_is_taken_whole_from_wherever_it_comes() {
    let inline = format!("[dispatch]\nquiet = {WHOLE}\n");
    assert_eq!(section(&inline, &[]), (Dispatch { days: 90, quiet: Some(quiet()) }, Vec::new()));
    let from_variable = section("", &[("CASCADE_DISPATCH__QUIET", WHOLE)]);
    assert_eq!(from_variable, (Dispatch { days: 90, quiet: Some(quiet()) }, Vec::new()));
    let by_parts = [
        ("CASCADE_DISPATCH__QUIET__FROM", "23:00"),
        ("CASCADE_DISPATCH__QUIET__TO", "07:00"),
        ("CASCADE_DISPATCH__QUIET__LOUD", "HIGH"),
    ];
    assert_eq!(section("", &by_parts), (Dispatch { days: 90, quiet: Some(quiet()) }, Vec::new()));
}

#[test]
fn a_mistake_beside_such_a_table_is_told_alone_and_those_within_it_by_name() {
    let beside = format!("[dispatch]\ndays = 300\nquiet = {WHOLE}\n");
    let (found, told) = section(&beside, &[]);
    assert_eq!(found.quiet, Some(quiet()));
    assert_eq!(told, ["dispatch.days: invalid value: integer `300`, expected u8 (file F, line 2)"]);

    let (found, told) = section("[dispatch]\nquiet = { from = \"1:00\", to = \"2:00\" }\n", &[]);
    assert_eq!(found.quiet, None);
    assert_eq!(told, ["dispatch.quiet: missing field `loud` (file F, line 2)"]);

    let wrong = "[dispatch.quiet]\nfrom = \"1:00\"\nto = \"2:00\"\nloud = \"LOUD\"\nzone = 5\n";
    let (found, told) = section(wrong, &[]);
    assert_eq!(found, Dispatch { days: 90, quiet: None });
    assert!(told.iter().any(|line| line.contains("unknown variant `LOUD`")), "{told:?}");
    assert!(told.iter().any(|line| line.contains("dispatch.quiet.zone: unknown key")), "{told:?}");
    let (_, told) = section("", &[("CASCADE_DISPATCH__QUIET", "{ form = \"1:00\" }")]);
    let meant = "dispatch.quiet.form: unknown key; did you mean `dispatch.quiet.from`? (environment variable CASCADE_DISPATCH__QUIET)";
    assert_eq!(told, [meant]);
}

#[test]
fn a_secret_is_read_from_the_variable_or_the_file_that_a_setting_names() {
    let secret = file("hunter2\n");
    let empty = file("\n");
    let (document, _, _) = loaded("", &[("TOKEN", "s3cret"), ("EMPTY", "")]);
    assert_eq!((document.variable("TOKEN"), document.variable("EMPTY")), (Some("s3cret"), None));
    assert_eq!(document.file(secret.path().to_str().unwrap()).as_deref(), Some("hunter2"));
    assert_eq!(document.file(empty.path().to_str().unwrap()), None);
    assert_eq!(document.file("/no/such/file"), None);
    assert!(!format!("{document:?}").contains("s3cret"));
}
