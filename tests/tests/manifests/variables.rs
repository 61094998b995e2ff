//! Environment variables: whatever is shipped names only those that somebody reads, and says what they are.

use std::collections::BTreeSet;

use cascade_service::config::{Document, Sources};

use crate::files::{below, read, texts};

const EXAMPLE: &str = ".env.example";
const COMPOSE: &str = "docker-compose.monitoring.yml";
/// What compose sets by itself, whatever stands in `.env`, or what only an example names.
const NOT_PASSED_ON: [&str; 3] =
    ["CASCADE_REDIS__URL", "CASCADE_DISPATCH__HISTORY_PATH", "DESK_WEBHOOK_SECRET"];
/// What Docker Compose itself reads.
const OF_COMPOSE: [&str; 1] = ["COMPOSE_PROFILES"];

/// The files that name variables: those that are shipped, and the pages.
fn shipped() -> Vec<String> {
    let mut paths: Vec<String> =
        [COMPOSE, EXAMPLE, "Makefile", "README.md", "CONTRIBUTING.md", ".ci/run"].map(str::to_owned).to_vec();
    for folder in ["deploy", "k8s", "docs", ".github"] {
        paths.extend(below(folder, ""));
    }
    // It plants mistakes.
    paths.retain(|path| path != "deploy/check/planted");
    paths
}

/// Words that may be names of variables, of a text.
fn words(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words
        .filter(|word| word.contains('_') && word.bytes().all(|b| !b.is_ascii_lowercase()))
        .map(str::to_owned)
        .collect()
}

/// Settings that a text names and the loader does not know. A name that ends in `__` stands for many.
fn unknown_settings(text: &str) -> Vec<String> {
    let named = words(text).into_iter().filter(|word| word.starts_with("CASCADE_") && word.contains("__"));
    let unknown = |name: &String| {
        let environment = vec![(name.clone(), "1".to_owned())];
        let (_, mistakes) = Document::load(&Sources { environment, ..Sources::default() });
        mistakes.iter().any(|mistake| mistake.reason.contains("unknown"))
    };
    named.filter(|name| !name.ends_with('_')).filter(unknown).collect()
}

/// A file without its comments; a page as it is.
fn code(path: &str, text: &str) -> String {
    let is_page = [".md", ".json"].iter().any(|end| path.ends_with(end));
    let cut = |line: &str| {
        if is_page { line.to_owned() } else { line.split(" #").next().unwrap_or_default().to_owned() }
    };
    let lines = text.lines().filter(|line| is_page || !line.trim_start().starts_with('#'));
    lines.map(cut).collect::<Vec<_>>().join("\n")
}

/// The comment at the beginning of a file.
fn header(text: &str) -> String {
    text.lines().take_while(|line| line.starts_with('#')).collect::<Vec<_>>().join("\n")
}

/// Variables that are no settings and that a file names: ours by their prefix, and whatever compose fills in.
fn others(path: &str, text: &str) -> BTreeSet<String> {
    let code = code(path, text);
    let mut named: BTreeSet<String> = words(&code)
        .into_iter()
        .filter(|word| word.starts_with("CASCADE_") && !word.contains("__") && !word.ends_with('_'))
        .collect();
    if path == COMPOSE {
        let filled =
            code.split("${").skip(1).map(|rest| rest.split([':', '}']).next().unwrap_or_default().to_owned());
        // `$${NAME}` is the shell's within the container.
        named.extend(filled.filter(|name| !name.is_empty() && !name.contains("__")));
    }
    named
}

/// The variables that `.env.example` offers.
fn offered(example: &str) -> BTreeSet<String> {
    let lines = example.lines().filter_map(|line| line.strip_prefix('#').unwrap_or(line).split_once('='));
    let names = lines.map(|(name, _)| name);
    names
        .filter(|name| {
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_uppercase() || b"_0123456789".contains(&b))
        })
        .map(str::to_owned)
        .collect()
}

/// Variables that are explained nowhere: neither in `.env.example` (by a line or a comment) nor at the head of a file.
fn unexplained(files: &[(String, String)]) -> BTreeSet<String> {
    let example =
        files.iter().find(|(path, _)| path == EXAMPLE).map(|(_, text)| words(text)).unwrap_or_default();
    let heads: BTreeSet<String> = files.iter().flat_map(|(_, text)| words(&header(text))).collect();
    let named: BTreeSet<String> = files.iter().flat_map(|(path, text)| others(path, text)).collect();
    named.into_iter().filter(|name| !example.contains(name) && !heads.contains(name)).collect()
}

#[test]
fn every_setting_that_is_named_exists() {
    let mut found = BTreeSet::new();
    for path in shipped() {
        let text = read(&path);
        found.extend(
            words(&text).into_iter().filter(|word| word.starts_with("CASCADE_") && word.contains("__")),
        );
        assert_eq!(unknown_settings(&text), Vec::<String>::new(), "{path}");
    }
    assert!(found.len() > 200, "only {} were found", found.len());
}

#[test]
fn every_other_variable_is_explained() {
    assert_eq!(unexplained(&texts(&shipped())), BTreeSet::new());
}

/// A variable in `.env` that does nothing is worse than none.
#[test]
fn whatever_env_example_offers_is_read() {
    let (example, compose) = (read(EXAMPLE), code(COMPOSE, &read(COMPOSE)));
    let passed = words(&compose);
    for name in offered(&example) {
        let excepted = NOT_PASSED_ON.contains(&name.as_str()) || OF_COMPOSE.contains(&name.as_str());
        assert!(
            passed.contains(&name) || excepted,
            "{name} of {EXAMPLE} never reaches a container ({COMPOSE})"
        );
    }
    let sources = texts(&below("services", ".rs")).into_iter().chain(texts(&below("crates", ".rs")));
    let sources: BTreeSet<String> = sources.flat_map(|(_, text)| words(&text)).collect();
    let tools = texts(&[COMPOSE.to_owned(), "deploy/Dockerfile".to_owned()]);
    let filled: BTreeSet<String> = tools.iter().flat_map(|(path, text)| words(&code(path, text))).collect();
    for name in offered(&example).iter().filter(|name| !name.contains("__")) {
        let library =
            name.starts_with("OTEL_") || OF_COMPOSE.contains(&name.as_str()) || name.starts_with("DESK_");
        assert!(
            sources.contains(name) || filled.contains(name) || library,
            "nobody reads {name} of {EXAMPLE}"
        );
    }
}

#[test]
fn planted_mistakes_are_found() {
    for (text, unknown) in [
        (
            "CASCADE_REDIS__URL: x\nCASCADE_CASCADE__SYMBOLS__DOGEUSDT__UNIT_USD and CASCADE_VENUES__ as such",
            0,
        ),
        ("CASCADE_REDIS__ULR=x", 1),
        ("`CASCADE_SIGNAL__HEALTH_ADDR`, CASCADE_SIGNALS__HEALTH__ADDR", 2),
    ] {
        assert_eq!(unknown_settings(text).len(), unknown, "{text}");
    }
    let file = |path: &str, text: &str| (path.to_owned(), text.to_owned());
    let found = |files: &[(String, String)]| unexplained(files).into_iter().collect::<Vec<_>>().join(" ");
    let example = file(EXAMPLE, "# A.\n#REDIS_PASSWORD=\nCASCADE_TAG=1\n");
    let compose =
        file(COMPOSE, "# It.\nimage: cascade:${CASCADE_TAG:-1}\nx: ${REDIS_PASSWORD:-} # ${NOT_THIS}\n");
    assert_eq!(found(&[example.clone(), compose.clone()]), "");
    assert_eq!(found(&[compose]), "CASCADE_TAG REDIS_PASSWORD");
    assert_eq!(found(&[example.clone(), file(COMPOSE, "x: ${REDIS_PASSWD:-}")]), "REDIS_PASSWD");
    assert_eq!(
        found(&[example.clone(), file("deploy/scripts/start", "echo $CASCADE_COLOUR\n")]),
        "CASCADE_COLOUR"
    );
    assert_eq!(
        found(&[
            example.clone(),
            file("deploy/scripts/start", "# CASCADE_COLOUR: which.\necho $CASCADE_COLOUR\n")
        ]),
        ""
    );
    assert_eq!(found(&[example, file("README.md", "set `CASCADE_COLOUR`")]), "CASCADE_COLOUR");
}
