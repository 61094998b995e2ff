//! Every input in `fuzz/corpus` passes the check of its door: seeds, and whatever once broke one.
#![expect(clippy::unwrap_used, reason = "a folder that cannot be read fails the test")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use cascade_tests::checks;

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("fuzz")
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn stems(folder: &str) -> BTreeSet<String> {
    let stem = |path: PathBuf| path.file_stem().unwrap().to_string_lossy().into_owned();
    entries(&fuzz().join(folder)).into_iter().map(stem).collect()
}

#[test]
fn every_input_that_was_kept_passes_its_check() {
    let mut wrong = Vec::new();
    for (name, check) in checks::ALL {
        let inputs = entries(&fuzz().join("corpus").join(name));
        assert!(!inputs.is_empty(), "{name} has no seeds");
        for input in inputs {
            let bytes = std::fs::read(&input).unwrap();
            match std::panic::catch_unwind(|| check(&bytes)) {
                Ok(Ok(())) => {}
                Ok(Err(why)) => wrong.push(format!("{}: {why}", input.display())),
                Err(_) => wrong.push(format!("{}: a panic (its words are above)", input.display())),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_check_has_a_target_a_dictionary_and_seeds() {
    let names: BTreeSet<String> = checks::ALL.iter().map(|(name, _)| (*name).to_owned()).collect();
    for folder in ["corpus", "dictionaries", "fuzz_targets"] {
        assert_eq!(stems(folder), names, "fuzz/{folder}");
    }
    let manifest = std::fs::read_to_string(fuzz().join("Cargo.toml")).unwrap();
    for name in &names {
        assert!(
            manifest.contains(&format!("\nname = \"{name}\"\n")),
            "fuzz/Cargo.toml does not build {name}"
        );
    }
}

#[test]
fn the_inputs_are_few_and_small() {
    let sizes = checks::ALL.iter().flat_map(|(name, _)| entries(&fuzz().join("corpus").join(name)));
    let sum: u64 = sizes.map(|input| std::fs::metadata(input).unwrap().len()).sum();
    assert!(sum < 300_000, "{sum} bytes: keep fewer of what was found (names of 40 hex digits)");
}
