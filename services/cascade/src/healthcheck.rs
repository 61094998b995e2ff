//! `cascade healthcheck`: asks a program of this machine, or process 1 of a container, whether it is ready.
//!
//! Knows where each program serves its health, and how process 1 was started; what it answers is the program's own affair.

use std::ffi::OsString;
use std::path::Path;

use cascade_service::config::{Document, Mistakes, Sources};
use cascade_service::{CommonArgs, address, healthcheck};
use clap::Parser;

use crate::args::{Cli, Command};
use crate::simulate::LISTEN;
use crate::{DONE, FAILED, REFUSED, complain, say};

const EXAMPLES: &str = "\
PROGRAM: liquidation-ingest, oi-detector, cascade-signals, alert-dispatcher, coordinator, up (`cascade up`),
simulator (`cascade simulate`). If none is named: the one that is process 1 of this container, alone or under an init.

Where it serves, the configuration says (CASCADE_DISPATCH__HEALTH_ADDR, ...), or --health-addr.

Examples:
  cascade healthcheck
  cascade healthcheck alert-dispatcher
  CASCADE_COORDINATOR__HEALTH_ADDR=0.0.0.0:8002 cascade healthcheck coordinator
  cascade healthcheck simulator --health-addr 127.0.0.1:9300

Exit: 0 it is ready, 1 it is not or does not answer, 2 usage, or no telling which program is meant.";

/// The services, and the section of the configuration in which each has its `health_addr`.
const SERVICES: [(&str, &str); 6] = [
    (liquidation_ingest::PROGRAM.name, liquidation_ingest::PROGRAM.section),
    (oi_detector::PROGRAM.name, oi_detector::PROGRAM.section),
    (cascade_signals::PROGRAM.name, cascade_signals::PROGRAM.section),
    (alert_dispatcher::PROGRAM.name, alert_dispatcher::PROGRAM.section),
    (coordinator::PROGRAM.name, coordinator::PROGRAM.section),
    ("up", "up"),
];
/// The name of `cascade simulate` among them.
const SIMULATOR: &str = "simulator";
/// How process 1 was started: its arguments, each ended by a zero byte.
const FIRST_PROCESS: &str = "/proc/1/cmdline";

/// The flags of `cascade healthcheck`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct HealthcheckArgs {
    /// Which program; if none is named, process 1 of this container
    #[arg(value_name = "PROGRAM")]
    program: Option<String>,

    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

/// What is asked: a service by its section, with the flags it was started with; or the simulated exchanges.
#[derive(Debug)]
enum Asked {
    Service(&'static str, CommonArgs),
    Simulator(String),
}

/// A service as it was started.
#[derive(Debug, Parser)]
struct Started {
    #[command(flatten)]
    common: CommonArgs,
}

/// Asks; gives the exit code.
pub(crate) async fn run(args: &HealthcheckArgs, environment: Vec<(String, String)>) -> u8 {
    let asked = match &args.program {
        Some(name) => named(name),
        None => std::fs::read(FIRST_PROCESS)
            .map_err(|error| format!("{FIRST_PROCESS}: {error}"))
            .and_then(|words| first_process(&words)),
    };
    let target = match asked {
        Ok(asked) => target(asked, &args.common, environment),
        Err(reason) => Err(format!("cascade healthcheck: {reason}; name one: cascade healthcheck PROGRAM")),
    };
    let address = match target {
        Ok(address) => address,
        Err(reason) => {
            complain(&reason);
            return REFUSED;
        }
    };
    match healthcheck::ask(&address).await {
        Ok(body) => {
            say(&body);
            DONE
        }
        Err(error) => {
            complain(&error.to_string());
            FAILED
        }
    }
}

/// The program of this name, started without flags.
fn named(name: &str) -> Result<Asked, String> {
    if name == SIMULATOR {
        return Ok(Asked::Simulator(LISTEN.to_owned()));
    }
    section(name).map(|section| Asked::Service(section, CommonArgs::default())).ok_or_else(|| {
        format!("`{name}` is none of {}, {SIMULATOR}", SERVICES.map(|(name, _)| name).join(", "))
    })
}

fn section(name: &str) -> Option<&'static str> {
    SERVICES.iter().find(|(service, _)| *service == name).map(|(_, section)| *section)
}

/// The program that process 1 is, or that it was told to run, by the bytes of its arguments.
fn first_process(bytes: &[u8]) -> Result<Asked, String> {
    let text = String::from_utf8_lossy(bytes);
    let words: Vec<&str> = text.trim_end_matches('\0').split('\0').collect();
    let ours = |word: &&str| {
        let name = Path::new(word).file_name().and_then(|name| name.to_str())?;
        (name == "cascade" || section(name).is_some_and(|_| name != "up")).then(|| name.to_owned())
    };
    let found = words.iter().enumerate().find_map(|(place, word)| Some((place, ours(word)?)));
    let Some((place, name)) = found else {
        return Err(format!("process 1 is none of our programs: `{}`", words.join(" ")));
    };
    let started: Vec<OsString> = words[place..].iter().map(OsString::from).collect();
    let unknown = |error: clap::Error| format!("the flags of process 1 are not understood: {error}");
    if let Some(section) = section(&name) {
        let Started { common } = Started::try_parse_from(started).map_err(unknown)?;
        return Ok(Asked::Service(section, common));
    }
    match Cli::try_parse_from(started).map_err(unknown)?.command {
        Command::Up(up) => Ok(Asked::Service("up", up.common)),
        Command::Simulate(simulate) => Ok(Asked::Simulator(simulate.listen)),
        _ => Err(format!("process 1 serves no health: `{}`", words[place..].join(" "))),
    }
}

/// Where what is asked answers; flags of the question come before those of the program.
fn target(asked: Asked, own: &CommonArgs, environment: Vec<(String, String)>) -> Result<String, String> {
    let (section, common) = match asked {
        Asked::Simulator(listen) => return Ok(own.health_addr.clone().unwrap_or(listen)),
        Asked::Service(section, common) => (section, common),
    };
    let mut sources: Sources = common.sources(section, environment.clone());
    let questions = own.sources(section, environment);
    sources.file = questions.file.or(sources.file);
    sources.overrides.extend(questions.overrides);
    // Whatever else is wrong with the configuration, the program itself says.
    let (document, _) = Document::load(&sources);
    let mut mistakes = Mistakes::default();
    let address = address(&document, &mut mistakes, &format!("{section}.health_addr"));
    if mistakes.is_empty() { Ok(address) } else { Err(mistakes.to_string()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where the program is asked whose process 1 has these arguments.
    fn asked(words: &[&str], environment: &[(&str, &str)], own: &[&str]) -> Result<String, String> {
        let bytes = words.iter().flat_map(|word| [word.as_bytes(), &[0]].concat()).collect::<Vec<_>>();
        let environment = environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let own = Started::try_parse_from([&["cascade"], own].concat()).unwrap().common;
        target(first_process(&bytes)?, &own, environment)
    }

    #[test]
    fn process_1_is_known_alone_and_under_an_init() {
        for (words, address) in [
            (&["/usr/local/bin/alert-dispatcher"][..], "127.0.0.1:9105"),
            (&["/sbin/docker-init", "--", "/usr/local/bin/cascade-signals"], "127.0.0.1:9103"),
            (&["/usr/bin/tini", "-g", "--", "coordinator", "--log-format", "json"], "127.0.0.1:8002"),
            (&["liquidation-ingest", "--health-addr", "0.0.0.0:7001"], "0.0.0.0:7001"),
            (&["oi-detector", "--set", "oi.health_addr=0.0.0.0:7002"], "0.0.0.0:7002"),
            (&["/sbin/docker-init", "--", "cascade", "up", "--symbols", "BTCUSDT"], "127.0.0.1:8002"),
            (&["cascade", "up", "--demo", "--health-addr=0.0.0.0:7003"], "0.0.0.0:7003"),
            (&["/sbin/docker-init", "--", "cascade", "simulate", "--repeat"], "127.0.0.1:9300"),
            (&["cascade", "simulate", "--listen", "0.0.0.0:9301", "--repeat"], "0.0.0.0:9301"),
        ] {
            assert_eq!(asked(words, &[], &[]).as_deref(), Ok(address), "{words:?}");
        }
    }

    #[test]
    fn the_environment_counts_and_the_question_comes_first() {
        let variables = [("CASCADE_DISPATCH__HEALTH_ADDR", "0.0.0.0:7005")];
        assert_eq!(asked(&["alert-dispatcher"], &variables, &[]).as_deref(), Ok("0.0.0.0:7005"));
        let own = ["--health-addr", "10.0.0.1:1"];
        assert_eq!(asked(&["alert-dispatcher"], &variables, &own).as_deref(), Ok("10.0.0.1:1"));
        assert_eq!(asked(&["cascade", "simulate"], &[], &own).as_deref(), Ok("10.0.0.1:1"));
        let told = asked(&["coordinator", "--health-addr", "nowhere"], &[], &[]).unwrap_err();
        assert!(told.contains("coordinator.health_addr") && told.contains("HOST:PORT"), "{told}");
    }

    #[test]
    fn what_serves_no_health_is_named() {
        for words in [&["/sbin/init"][..], &["sh", "-c", "sleep 1"], &["cascade", "tail"], &[]] {
            let told = asked(words, &[], &[]).unwrap_err();
            assert!(told.contains("process 1"), "{words:?}: {told}");
        }
        let told = named("grafana").unwrap_err();
        assert!(
            told.contains("grafana") && told.contains("cascade-signals") && told.contains("simulator"),
            "{told}"
        );
    }
}
