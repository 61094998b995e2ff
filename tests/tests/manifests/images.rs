//! Images: each by a tag that stays what it is, and Cascade's own version in one place per tool.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::compose::defaults;
use crate::files::{below, read, texts, yaml};

const VERSION: &str = env!("CARGO_PKG_VERSION");
const COMPOSE: &str = "docker-compose.monitoring.yml";
const BASE: &str = "k8s/base/kustomization.yaml";

/// Why an image's name is no good: it says no tag, or one that is another image tomorrow.
fn loose(image: &str) -> Option<String> {
    let last = image.rsplit('/').next().unwrap_or_default();
    let tag = last.split_once('@').or_else(|| last.split_once(':')).map(|(_, tag)| tag);
    match tag {
        Some("" | "latest" | "main" | "master" | "edge") => {
            Some(format!("{image}: is another image tomorrow"))
        }
        Some(_) => None,
        None => Some(format!("{image}: has no tag")),
    }
}

/// The images that a compose file or an object of Kubernetes runs.
fn images(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            for (key, inner) in object {
                match inner.as_str() {
                    Some(image) if key == "image" => found.push(defaults(image)),
                    _ => images(inner, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|inner| images(inner, found)),
        _ => {}
    }
}

/// The images that a Dockerfile begins with: by `ARG`, or written out.
fn base_images(dockerfile: &str) -> Vec<String> {
    let args = dockerfile.lines().filter_map(|line| line.strip_prefix("ARG ")?.split_once("_IMAGE="));
    let stages: BTreeSet<&str> = dockerfile.lines().filter_map(|line| line.split(" AS ").nth(1)).collect();
    let from = dockerfile.lines().filter_map(|line| line.strip_prefix("FROM ")?.split(' ').next());
    let written = from.filter(|image| !image.starts_with('$') && !stages.contains(image));
    args.map(|(_, image)| image.to_owned()).chain(written.map(str::to_owned)).collect()
}

/// The images that kustomize gives tags to: their names and tags.
fn tagged(kustomization: &Value) -> Vec<(String, String)> {
    let text = |image: &Value, key: &str| image[key].as_str().unwrap_or_default().to_owned();
    let images = kustomization["images"].as_array().into_iter().flatten();
    images.map(|image| (text(image, "name"), text(image, "newTag"))).collect()
}

/// Lines that say `latest` of an image, wherever they stand.
fn latest(text: &str) -> Vec<&str> {
    let said = |line: &&str| {
        let rest = line.split(":latest").nth(1);
        rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_alphanumeric()))
    };
    text.lines().filter(said).collect()
}

#[test]
fn no_image_is_another_one_tomorrow() {
    let mut found = Vec::new();
    for file in yaml(&read(COMPOSE)) {
        images(&file, &mut found);
    }
    found.extend(base_images(&read("deploy/Dockerfile")));
    found.extend(tagged(&yaml(&read(BASE))[0]).iter().map(|(name, tag)| format!("{name}:{tag}")));
    let given: BTreeSet<String> = tagged(&yaml(&read(BASE))[0]).into_iter().map(|(name, _)| name).collect();
    for path in below("k8s", ".yaml") {
        let mut named = Vec::new();
        for document in yaml(&read(&path)) {
            images(&document, &mut named);
        }
        // What the base gives a tag needs none of its own.
        found.extend(named.into_iter().filter(|image| !given.contains(image)));
    }
    assert!(found.len() > 8, "{found:?}");
    assert_eq!(found.iter().filter_map(|image| loose(image)).collect::<Vec<_>>(), Vec::<String>::new());
    let mut paths = vec![COMPOSE.to_owned(), "Makefile".to_owned(), "README.md".to_owned()];
    for folder in ["deploy", "k8s", ".github"] {
        paths.extend(below(folder, ""));
    }
    for (path, text) in texts(&paths) {
        // Validators plant the mistake that they are to find.
        assert!(latest(&text).is_empty() || path.starts_with("deploy/check/"), "{path}: {:?}", latest(&text));
    }
}

/// What is wrong with how a text of compose or a script names Cascade's version.
fn versions(text: &str) -> Vec<String> {
    let both = ["CASCADE_TAG:-", "CASCADE_VERSION:-"].into_iter();
    let tags =
        both.flat_map(|name| text.split(name).skip(1)).map(|rest| rest.split('}').next().unwrap_or_default());
    tags.filter(|tag| *tag != VERSION && !tag.is_empty())
        .map(|tag| format!("{tag} is not {VERSION}"))
        .collect()
}

#[test]
fn cascade_s_image_and_version_stand_in_one_place_per_tool() {
    let compose = read(COMPOSE);
    let images =
        compose.lines().filter(|line| line.contains("image: ${CASCADE_IMAGE:-cascade}:${CASCADE_TAG:-"));
    assert_eq!(images.count(), 1, "{COMPOSE} names Cascade's image once");
    let mut paths = vec![COMPOSE.to_owned(), "Makefile".to_owned()];
    paths.extend(below("deploy/scripts", ""));
    for (path, text) in texts(&paths) {
        assert_eq!(versions(&text), Vec::<String>::new(), "{path}");
    }
    let given = tagged(&yaml(&read(BASE))[0]);
    assert!(given.contains(&("cascade".to_owned(), VERSION.to_owned())), "{BASE}: {given:?}");
    for path in below("k8s", "kustomization.yaml").iter().filter(|path| *path != BASE) {
        assert_eq!(tagged(&yaml(&read(path))[0]), [], "{path}: tags stand in {BASE}");
    }
}

#[test]
fn planted_mistakes_are_found() {
    for (image, fine) in [
        ("cascade:0.1.0", true),
        ("gcr.io/distroless/cc-debian12:nonroot", true),
        ("registry.example:5000/cascade@sha256:00", true),
        ("redis", false),
        ("registry.example:5000/redis", false),
        ("redis:latest", false),
        ("redis:", false),
        ("x/redis:main", false),
    ] {
        assert_eq!(loose(image).is_none(), fine, "{image}");
    }
    let mut found = Vec::new();
    images(
        &serde_json::json!({"a": [{"image": "${X:-redis}:${Y:-latest}"}, {"image": {"image": "b"}}]}),
        &mut found,
    );
    assert_eq!(found, ["redis:latest", "b"]);
    assert_eq!(
        base_images("ARG BUILDER_IMAGE=rust\nFROM ${BUILDER_IMAGE} AS a\nFROM a AS b\nFROM debian:12\n"),
        ["rust", "debian:12"]
    );
    assert_eq!(
        latest("docker pull redis:latest\nthe :latest-known tag is latest\n"),
        ["docker pull redis:latest", "the :latest-known tag is latest"]
    );
    assert_eq!(
        versions(&format!("${{CASCADE_TAG:-{VERSION}}} ${{CASCADE_TAG:-0.0.9}} ${{CASCADE_TAG:-}}")).len(),
        1
    );
    assert_eq!(
        tagged(&serde_json::json!({"images": [{"name": "a", "newTag": "1"}]})),
        [("a".to_owned(), "1".to_owned())]
    );
}
