//! Who may know whom (ARCHITECTURE.md, "Layers"), read from `cargo metadata`: a rule that nobody checks is a wish.
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "without cargo's own answer there is nothing to test"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// A package of ours: where it lives, and what it names.
#[derive(Debug)]
struct Package {
    name: String,
    /// `core`, `edge`, `services` or `tests`.
    layer: String,
    normal: BTreeSet<String>,
    dev: BTreeSet<String>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn packages() -> Vec<Package> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .expect("cargo metadata runs");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON");
    metadata["packages"].as_array().unwrap().iter().map(package).collect()
}

fn package(described: &Value) -> Package {
    let text = |v: &Value| v.as_str().unwrap().to_owned();
    let manifest = text(&described["manifest_path"]);
    let folder = Path::new(&manifest).parent().unwrap().strip_prefix(root()).unwrap().to_owned();
    let parts: Vec<_> = folder.iter().map(|p| p.to_string_lossy().into_owned()).collect();
    let layer = if parts[0] == "crates" { parts[1].clone() } else { parts[0].clone() };
    let named = |kind: Option<&str>| {
        let all = described["dependencies"].as_array().unwrap().iter();
        all.filter(|d| d["kind"].as_str() == kind).map(|d| text(&d["name"])).collect()
    };
    Package { name: text(&described["name"]), layer, normal: named(None), dev: named(Some("dev")) }
}

fn layers(packages: &[Package]) -> BTreeMap<&str, &str> {
    packages.iter().map(|p| (p.name.as_str(), p.layer.as_str())).collect()
}

/// From outside, core names only these, crate by crate: nothing that does I/O, reads a clock or draws randomness.
const CORE_MAY_NAME: &[(&str, &[&str])] = &[
    ("cascade-domain", &["arrayvec", "rust_decimal", "serde", "thiserror", "xxhash-rust"]),
    ("cascade-wire", &["memchr", "rmp-serde", "serde", "serde_json", "thiserror"]),
    ("cascade-venues", &["rust_decimal", "serde", "serde_json", "thiserror"]),
    ("cascade-engine", &["serde"]),
    ("cascade-detector", &["libm", "serde"]),
    ("cascade-open-interest", &["serde"]),
    ("cascade-pace", &["thiserror"]),
    ("cascade-alerting", &["jiff", "serde", "thiserror"]),
    ("cascade-message", &["jiff", "serde", "serde_json"]),
];

/// Who among ours may name whom inside core.
const CORE_MAY_NAME_OURS: &[(&str, &[&str])] = &[
    ("cascade-domain", &[]),
    ("cascade-wire", &["cascade-domain"]),
    ("cascade-venues", &["cascade-domain"]),
    ("cascade-engine", &["cascade-domain"]),
    ("cascade-detector", &["cascade-domain", "cascade-engine"]),
    ("cascade-open-interest", &["cascade-domain", "cascade-engine"]),
    ("cascade-pace", &["cascade-domain"]),
    ("cascade-alerting", &["cascade-domain"]),
    ("cascade-message", &["cascade-domain"]),
];

/// Which outside crate belongs to which rooms alone.
const OWNED: &[(&str, &[&str])] = &[
    ("redis", &["cascade-bus"]),
    ("fred", &["cascade-testkit"]),
    ("tokio-tungstenite", &["cascade-feed"]),
    ("reqwest", &["cascade-feed", "cascade-notify", "cascade-service"]),
    ("rusqlite", &["cascade-history"]),
    ("axum", &["cascade-service", "cascade-simulator", "cascade-testkit", "coordinator"]),
    ("hyper", &["cascade-service"]),
    ("hyper-util", &["cascade-service"]),
    ("getrandom", &["cascade-service"]),
    // Traces are the process kit's affair: services tell it spans, whatever protocol carries them.
    ("opentelemetry", &["cascade-service"]),
    ("opentelemetry-otlp", &["cascade-service"]),
    ("opentelemetry_sdk", &["cascade-service"]),
    ("tracing-subscriber", &["cascade-service"]),
];

fn allowed<'a>(table: &'a [(&str, &[&str])], name: &str) -> BTreeSet<&'a str> {
    table.iter().filter(|(who, _)| *who == name).flat_map(|(_, whom)| whom.iter().copied()).collect()
}

#[test]
fn core_names_only_core_and_pure_crates() {
    let packages = packages();
    let layers = layers(&packages);
    for package in packages.iter().filter(|p| p.layer == "core") {
        assert!(
            CORE_MAY_NAME.iter().any(|(who, _)| *who == package.name),
            "{} has no row in the table",
            package.name
        );
        for dependency in &package.normal {
            let table =
                if layers.contains_key(dependency.as_str()) { CORE_MAY_NAME_OURS } else { CORE_MAY_NAME };
            assert!(
                allowed(table, &package.name).contains(dependency.as_str()),
                "{} may not name {dependency}",
                package.name
            );
        }
    }
}

#[test]
fn an_edge_names_core_and_no_other_edge() {
    let packages = packages();
    let layers = layers(&packages);
    for package in packages.iter().filter(|p| p.layer == "edge") {
        for dependency in &package.normal {
            let fine = match layers.get(dependency.as_str()) {
                None | Some(&"core") => true,
                Some(&"edge") => match package.name.as_str() {
                    "cascade-service" | "cascade-history" => dependency == "cascade-bus",
                    "cascade-testkit" => true,
                    _ => false,
                },
                Some(_) => false,
            };
            assert!(fine, "{} may not name {dependency}", package.name);
        }
    }
}

#[test]
fn each_outside_thing_has_one_room() {
    for package in packages() {
        for (outside, rooms) in OWNED {
            assert!(
                !package.normal.contains(*outside) || rooms.contains(&package.name.as_str()),
                "{} may not name {outside}: {rooms:?} may",
                package.name
            );
        }
    }
}

#[test]
fn nobody_names_a_service_but_the_command_line_tool() {
    let packages = packages();
    let layers = layers(&packages);
    for package in packages.iter().filter(|p| !matches!(p.name.as_str(), "cascade" | "cascade-tests")) {
        for dependency in package.normal.union(&package.dev) {
            assert_ne!(
                layers.get(dependency.as_str()),
                Some(&"services"),
                "{} names {dependency}",
                package.name
            );
        }
    }
}

#[test]
fn the_testkit_is_for_tests_only() {
    for package in packages() {
        assert!(
            !package.normal.contains("cascade-testkit"),
            "{} names the testkit outside its tests",
            package.name
        );
    }
}

#[test]
fn our_own_graph_is_at_most_six_deep() {
    fn depth(name: &str, graph: &BTreeMap<String, Vec<String>>) -> usize {
        1 + graph[name].iter().map(|d| depth(d, graph)).max().unwrap_or(0)
    }
    let packages = packages();
    let ours: BTreeSet<_> = packages.iter().map(|p| p.name.clone()).collect();
    let graph: BTreeMap<_, Vec<_>> =
        packages.iter().map(|p| (p.name.clone(), p.normal.intersection(&ours).cloned().collect())).collect();
    for name in graph.keys() {
        let deep = depth(name, &graph);
        assert!(deep <= 6, "{name} is {deep} deep");
    }
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && path.file_name().unwrap() != "target" {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn every_file_opens_with_what_it_is_for() {
    let mut files = Vec::new();
    for folder in ["crates", "services", "tests"] {
        sources(&root().join(folder), &mut files);
    }
    assert!(files.len() > 30, "the search found only {} files", files.len());
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.starts_with("//!"), "{} does not open with //!", file.display());
    }
}

#[test]
fn a_main_is_short() {
    for entry in std::fs::read_dir(root().join("services")).unwrap() {
        let main = entry.unwrap().path().join("src/main.rs");
        let lines = std::fs::read_to_string(&main).unwrap_or_default().lines().count();
        assert!(lines <= 40, "{} has {lines} lines", main.display());
    }
}

#[test]
fn both_clippy_tables_ban_the_same_clock_and_environment() {
    let bans = |file: &str| -> BTreeSet<String> {
        let text = std::fs::read_to_string(root().join(file)).unwrap();
        text.lines()
            .filter_map(|l| l.split("path = \"").nth(1)?.split('"').next().map(str::to_owned))
            .collect()
    };
    let (outer, core) = (bans("clippy.toml"), bans("crates/core/clippy.toml"));
    for ban in ["std::time::SystemTime::now", "std::time::Instant::now", "std::env::var"] {
        assert!(outer.contains(ban) && core.contains(ban), "{ban} is not banned in both tables");
    }
}
