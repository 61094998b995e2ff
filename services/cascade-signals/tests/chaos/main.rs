//! Replicas as processes on a Redis with a file: damaged for less than a minute, they tell what an undisturbed one tells.
//! The long form is `make chaos`.

mod random;
mod round;
mod scenario;
mod site;
mod verdict;
mod writer;

use round::Plan;
use verdict::Verdict;

/// Whatever goes wrong with the round itself.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::test]
async fn killed_stopped_and_paused_replicas_and_a_restarted_redis_lose_and_repeat_no_finding() {
    let program = env!("CARGO_BIN_EXE_cascade-signals").into();
    let plan = Plan { program, seed: 20_251_010, minute: 12, pace: 30, whole: false };
    let verdict = round::run(&plan).await.unwrap();
    println!("{}\n{}", Verdict::HEAD, verdict.line(1));
    assert!(verdict.failures.is_empty(), "{:?}", verdict.failures);
}
