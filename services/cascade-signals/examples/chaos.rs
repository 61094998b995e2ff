//! Twenty rounds of damage to replicas of cascade-signals and their Redis: is any finding lost, told twice, or altered?
//!
//! `make chaos ARGS='--rounds 3 --seed 7'`. Each round prints its seed; `--rounds 1 --seed N` runs it again (what is damaged
//! and in which order is drawn from it, when it happens is not: that is wall time). Exit 0 = everything held.

#[path = "../tests/chaos/round.rs"]
mod round;
#[path = "../tests/chaos/scenario.rs"]
mod scenario;
#[path = "../tests/chaos/site.rs"]
mod site;
#[path = "../tests/chaos/verdict.rs"]
mod verdict;
#[path = "../tests/chaos/writer.rs"]
mod writer;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use cascade_testkit::Random;
use round::Plan;
use verdict::Verdict;

/// Whatever goes wrong with a round itself.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The minute of the long cascade at which a replica is killed.
const MINUTE: i64 = 45;
/// Seconds of event time a second of wall time.
const SLOWEST: u64 = 70;
const FASTEST: u64 = 120;

/// In so many rounds some zombie must have tried to write.
const ROUNDS_WITH_A_WRITE: usize = 5;

struct Arguments {
    rounds: usize,
    seed: u64,
}

impl Arguments {
    fn read(mut words: impl Iterator<Item = String>) -> Result<Self, Failure> {
        let mut arguments = Self { rounds: 20, seed: 1 };
        while let Some(word) = words.next() {
            match word.as_str() {
                "--rounds" => arguments.rounds = words.next().ok_or("--rounds needs a number")?.parse()?,
                "--seed" => arguments.seed = words.next().ok_or("--seed needs a number")?.parse()?,
                _ => return Err(format!("unknown `{word}`: --rounds N, --seed N").into()),
            }
        }
        Ok(arguments)
    }
}

/// cascade-signals as built with this: this program is among the examples.
fn program() -> Result<PathBuf, Failure> {
    let own = std::env::current_exe()?;
    let directory = own.parent().and_then(Path::parent).ok_or("no directory of programs")?;
    Ok(directory.join("cascade-signals"))
}

async fn rounds(arguments: &Arguments) -> Result<bool, Failure> {
    let program = program()?;
    let mut verdicts = Vec::new();
    for round in 1..=arguments.rounds {
        let seed = arguments.seed + u64::try_from(round - 1)?;
        println!("round {round} of {}: seed {seed}", arguments.rounds);
        let pace = SLOWEST + Random::new(seed).next() % (FASTEST - SLOWEST);
        let plan = Plan { program: program.clone(), seed, minute: MINUTE, pace, whole: true };
        let verdict = match round::run(&plan).await {
            Ok(verdict) => verdict,
            Err(error) => Verdict { seed, failures: vec![error.to_string()], ..Verdict::default() },
        };
        println!("{}\n{}", Verdict::HEAD, verdict.line(round));
        for failure in &verdict.failures {
            println!("  {failure}");
        }
        verdicts.push(verdict);
    }
    println!("\n{}", Verdict::HEAD);
    for (round, verdict) in (1..).zip(&verdicts) {
        println!("{}", verdict.line(round));
    }
    let fenced = verdicts.iter().filter(|verdict| verdict.refused_a_write()).count();
    let held = verdicts.iter().filter(|verdict| verdict.failures.is_empty()).count();
    println!(
        "{held} of {} rounds held; in {fenced} of them the zombie tried to write and was refused",
        arguments.rounds
    );
    // A zombie that looks before it writes is no proof of the fence; in some rounds of many it must have written.
    Ok(held == arguments.rounds && (fenced > 0 || arguments.rounds < ROUNDS_WITH_A_WRITE))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let held = match Arguments::read(std::env::args().skip(1)) {
        Ok(arguments) => rounds(&arguments).await,
        Err(error) => Err(error),
    };
    match held {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("chaos: {error}");
            ExitCode::from(1)
        }
    }
}
