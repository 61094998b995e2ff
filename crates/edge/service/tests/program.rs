//! A service program from its arguments to its exit code. One process: the signal of one test must not reach another, so
//! it stands alone among those that run a service.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::ffi::OsString;
use std::future::Future;
use std::process::Command;

use cascade_domain::Refusal;
use cascade_service::config::{Document, Mistakes};
use cascade_service::{BoxError, Context, Program, healthcheck, start};

fn settings(document: &Document, mistakes: &mut Mistakes) -> i64 {
    let refused = |table: &toml::Table| {
        let few = table["queue_events"].as_integer() < Some(16);
        few.then(|| Refusal::new("queue_events", "must be at least 16")).into_iter().collect()
    };
    let section: toml::Table = document.section("ingest", mistakes, refused);
    section["queue_events"].as_integer().unwrap()
}

const PROGRAM: Program<i64> =
    Program { name: "test-service", about: "Tests.", version: "0.1.0", section: "ingest", settings };

fn run<R, F>(arguments: &[&str], variables: &[(&str, &str)], run: R) -> u8
where
    R: FnOnce(i64, Context) -> F,
    F: Future<Output = Result<(), BoxError>> + Send + 'static,
{
    let arguments = ["test-service"].iter().chain(arguments).map(OsString::from);
    let variables = variables.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
    start(&PROGRAM, arguments, variables.collect(), run)
}

async fn unreached(_: i64, _: Context) -> Result<(), BoxError> {
    Err("the service was started".into())
}

#[test]
fn usage_and_configuration_exit_with_2_and_questions_with_0() {
    assert_eq!(run(&["--help"], &[], unreached), 0);
    assert_eq!(run(&["--version"], &[], unreached), 0);
    assert_eq!(run(&["--check-config"], &[], unreached), 0);
    assert_eq!(run(&["--check-config", "--set", "ingest.queue_events=20"], &[], unreached), 0);
    for wrong in [
        vec!["--nonsense"],
        vec!["--log-format", "xml"],
        vec!["--set", "no value"],
        vec!["--check-config", "--set", "ingest.queue_events=3"],
        vec!["--check-config", "--config", "/no/such/file"],
        vec!["--health-addr", "nowhere"],
        vec!["--set", "service.shutdown_deadline_s=0"],
        vec!["--set", "service.log_level=loud"],
        vec!["--set", "service.log_format=xml"],
    ] {
        assert_eq!(run(&wrong, &[], unreached), 2, "{wrong:?}");
    }
    assert_eq!(run(&["--check-config"], &[("CASCADE_SERVICE__HEARTBEAT_S", "soon")], unreached), 2);
}

#[test]
fn a_healthcheck_that_nobody_answers_exits_with_1() {
    assert_eq!(run(&["healthcheck", "--health-addr", "127.0.0.1:1"], &[], unreached), 1);
    assert_eq!(run(&["--health-addr", "127.0.0.1:0", "healthcheck"], &[], unreached), 1);
}

#[test]
fn a_service_ends_with_0_when_it_was_asked_to_and_else_with_1() {
    const ANYWHERE: [&str; 4] = ["--health-addr", "127.0.0.1:0", "--set", "service.log_level=off"];
    assert_eq!(run(&ANYWHERE, &[], unreached), 1, "it failed");
    assert_eq!(run(&ANYWHERE, &[], |_, _| async { Ok(()) }), 1, "it ended by itself");
    assert_eq!(run(&ANYWHERE, &[], |_, _| async { panic!("it panicked") }), 1);

    let asked = run(&ANYWHERE, &[("CASCADE_INGEST__QUEUE_EVENTS", "77")], |queue, context| async move {
        assert_eq!((queue, context.name), (77, "test-service"));
        context.health.set("redis", Ok(()));
        let kill = format!("kill -TERM {}", std::process::id());
        assert!(Command::new("sh").args(["-c", &kill]).status()?.success());
        context.shutdown.requested().await;
        Ok(())
    });
    assert_eq!(asked, 0, "SIGTERM");

    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    assert_eq!(run(&["--health-addr", &address], &[], unreached), 1, "the address is in use");
}

#[tokio::test]
async fn an_address_that_is_none_is_not_asked() {
    assert!(healthcheck::ask("nowhere").await.unwrap_err().to_string().contains("--health-addr"));
}
