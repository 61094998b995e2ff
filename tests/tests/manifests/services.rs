//! The services as the configuration and cargo know them: everything else that is shipped must name the same.

use cascade_service::ServiceSettings;
use cascade_service::config::{DEFAULTS, Document, Mistakes, Sources};

use crate::files::{programs, read};

/// Each service's program, and the section of the configuration that says where its health is.
pub(crate) const PORTS: [(&str, &str); 5] = [
    ("liquidation-ingest", "ingest"),
    ("oi-detector", "oi"),
    ("cascade-signals", "signals"),
    ("alert-dispatcher", "dispatch"),
    ("coordinator", "coordinator"),
];

/// The port of a section's health address, by default.
pub(crate) fn port(section: &str) -> u16 {
    let defaults: toml::Table = DEFAULTS.parse().unwrap();
    let address = defaults[section]["health_addr"].as_str().unwrap();
    address.rsplit_once(':').unwrap().1.parse().unwrap()
}

/// How long a program may take to stop, by default.
pub(crate) fn shutdown_deadline_s() -> u64 {
    let (document, _) = Document::load(&Sources::default());
    ServiceSettings::read(&document, &mut Mistakes::default()).shutdown_deadline_s
}

#[test]
fn every_program_is_known_here() {
    let mut known: Vec<&str> = PORTS.iter().map(|(program, _)| *program).chain(["cascade"]).collect();
    known.sort_unstable();
    assert_eq!(programs(), known);
}

#[test]
fn the_image_holds_every_program() {
    let dockerfile = read("deploy/Dockerfile");
    for program in programs() {
        assert!(
            dockerfile.contains(&format!("-p {program} ")) || dockerfile.contains(&format!("-p {program}\"")),
            "{program} is not built"
        );
        let copied = dockerfile.lines().any(|line| {
            line.contains("for program in")
                && line.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').any(|word| word == program)
        });
        assert!(copied, "{program} is not in the image");
    }
    assert!(dockerfile.contains("\nUSER 65532:65532\n"));
}

/// Lists of programs in scripts and workflows: one that is forgotten there is not released, or without its licences.
#[test]
fn every_program_is_released_with_its_licences() {
    for path in ["deploy/Dockerfile", "deploy/scripts/third-party", ".github/workflows/ci.yml"] {
        let text = read(path);
        for program in programs() {
            assert!(
                text.contains(&format!("{program} "))
                    || text.contains(&format!("{program})"))
                    || text.contains(&format!("{program}\"")),
                "{program}: {path}"
            );
        }
    }
    let dockerfile = read("deploy/Dockerfile");
    assert!(
        dockerfile.contains("deploy/scripts/third-party > /out/doc/")
            && dockerfile.contains("/out/doc/ /usr/share/doc/cascade/")
    );
}

/// `.ci/run` thinks up the same cases each time; the nightly job does not.
#[test]
fn property_tests_have_a_fixed_seed_where_changes_land_and_a_new_one_each_night() {
    assert!(read(".ci/run").contains("export PROPTEST_RNG_SEED="));
    let workflow = read(".github/workflows/ci.yml");
    let set = workflow
        .lines()
        .filter(|line| !line.trim_start().starts_with('#') && line.contains("PROPTEST_RNG_SEED"));
    assert_eq!(set.count(), 0);
    assert!(workflow.contains("run: make fuzz") && workflow.contains("run: .ci/run"));
}
