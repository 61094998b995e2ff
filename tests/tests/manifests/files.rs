//! The files of the repository, as text and as values.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Where the repository is.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The text of a file, by its path in the repository.
pub(crate) fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The paths of all files below a folder (or the file itself) whose names end so, sorted. There is at least one.
pub(crate) fn below(folder: &str, end: &str) -> Vec<String> {
    fn walk(path: &Path, found: &mut Vec<PathBuf>) {
        if path.is_dir() {
            for entry in std::fs::read_dir(path).unwrap() {
                walk(&entry.unwrap().path(), found);
            }
        } else if path.is_file() {
            found.push(path.to_owned());
        }
    }
    let mut found = Vec::new();
    walk(&root().join(folder), &mut found);
    let inside = |path: &PathBuf| path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
    let mut paths: Vec<String> = found.iter().map(inside).filter(|path| path.ends_with(end)).collect();
    paths.sort();
    assert!(!paths.is_empty(), "no file {folder}/**{end}");
    paths
}

/// The documents of a YAML text.
pub(crate) fn yaml(text: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(text).unwrap_or_else(|error| panic!("not YAML: {error}\n{text}"))
}

/// The programs of the workspace's services, as cargo knows them.
pub(crate) fn programs() -> Vec<String> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap().iter();
    let services = packages.filter(|p| p["manifest_path"].as_str().unwrap().contains("/services/"));
    let targets = services.flat_map(|p| p["targets"].as_array().unwrap());
    let bins = targets.filter(|target| target["kind"][0] == "bin");
    let mut names: Vec<String> = bins.map(|target| target["name"].as_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

/// The place in a value, made if it is not there; for planting a mistake.
pub(crate) fn place_in<'a>(value: &'a mut Value, place: &str) -> &'a mut Value {
    place.split('/').skip(1).fold(value, |value, name| match name.parse::<usize>() {
        Ok(index) if value.is_array() => &mut value[index],
        _ => &mut value[name.replace("~1", "/")],
    })
}

/// Paths with their texts.
pub(crate) fn texts(paths: &[String]) -> Vec<(String, String)> {
    paths.iter().map(|path| (path.clone(), read(path))).collect()
}
