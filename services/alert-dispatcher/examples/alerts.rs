//! 20,000 findings over 100 symbols to six destinations of which four misbehave: does everything add up, is HIGH in time, is
//! any provider's rule broken? Then the same while two dispatchers are killed 50 times and Redis once.
//!
//! `make alerts ARGS='--findings 5000 --kills 10 --seed 7'`, and the end of `make storm`. Exit 0 = everything held.

#[path = "../tests/storm/doors.rs"]
mod doors;
#[path = "../tests/storm/findings.rs"]
mod findings;
#[path = "../tests/storm/ledger.rs"]
mod ledger;
#[path = "../tests/storm/run.rs"]
mod run;
#[path = "../tests/storm/site.rs"]
mod site;
#[path = "../tests/storm/verdict.rs"]
mod verdict;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use run::Plan;

/// Whatever goes wrong with the storm itself.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The waits are those of the defaults but for what only makes the end come sooner; budgets let most of it pass.
const DISPATCH: &str = "history_path = \"\"\nsend_timeout_s = 2\nexpire_s = 60\nbudget_per_hour = 2000\n\
    high_budget_per_hour = 20000\nmarket_kinds = [\"cascade\"]\n";
/// HIGH is at the door of who has no rate to speak of within this, milliseconds.
const IN_TIME_MS: i64 = 1000;

struct Arguments {
    findings: usize,
    pace: u64,
    kills: usize,
    seed: u64,
}

impl Arguments {
    fn read(mut words: impl Iterator<Item = String>) -> Result<Self, Failure> {
        let mut arguments = Self { findings: 20_000, pace: 60, kills: 50, seed: 1 };
        while let Some(word) = words.next() {
            let mut number = || words.next().ok_or_else(|| format!("{word} needs a number"));
            match word.as_str() {
                "--findings" => arguments.findings = number()?.parse()?,
                "--pace" => arguments.pace = number()?.parse()?,
                "--kills" => arguments.kills = number()?.parse()?,
                "--seed" => arguments.seed = number()?.parse()?,
                _ => {
                    let usage = "--findings N, --pace N (a second), --kills N, --seed N";
                    return Err(format!("unknown `{word}`: {usage}").into());
                }
            }
        }
        Ok(arguments)
    }
}

/// alert-dispatcher as built with this: this program is among the examples.
fn program() -> Result<PathBuf, Failure> {
    let own = std::env::current_exe()?;
    let directory = own.parent().and_then(Path::parent).ok_or("no directory of programs")?;
    Ok(directory.join("alert-dispatcher"))
}

async fn storms(arguments: &Arguments) -> Result<bool, Failure> {
    let quiet = Plan {
        program: program()?,
        seed: arguments.seed,
        findings: arguments.findings,
        pace: arguments.pace,
        symbols: 100,
        kills: 0,
        restart: false,
        dispatch: DISPATCH.to_owned(),
        patience: Duration::from_mins(3),
    };
    let killed = Plan { kills: arguments.kills, restart: true, ..quiet.clone() };
    let mut held = true;
    for (name, plan) in [("nobody is killed", quiet), ("dispatchers and Redis are killed", killed)] {
        println!("{} findings, {} a second, {} kills: {name}", plan.findings, plan.pace, plan.kills);
        let mut report = run::run(&plan).await?;
        if plan.kills == 0 && report.p99_ms >= IN_TIME_MS {
            report.failures.push(format!("HIGH was late at the hook: p99 {} ms", report.p99_ms));
        }
        println!("{}", report.table);
        for failure in &report.failures {
            println!("  {failure}");
        }
        println!("{}\n", if report.failures.is_empty() { "everything held" } else { "NOT EVERYTHING HELD" });
        held &= report.failures.is_empty();
    }
    Ok(held)
}

#[tokio::main]
async fn main() -> ExitCode {
    let held = match Arguments::read(std::env::args().skip(1)) {
        Ok(arguments) => storms(&arguments).await,
        Err(error) => Err(error),
    };
    match held {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("alerts: {error}");
            ExitCode::from(1)
        }
    }
}
