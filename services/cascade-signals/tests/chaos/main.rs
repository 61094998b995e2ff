//! Replicas as processes on a Redis with a file: damaged for less than a minute, they tell what an undisturbed one tells.
//! The long form is `make chaos`.

mod round;
mod scenario;
mod site;
mod verdict;
mod writer;

use cascade_domain::{
    EventTime, Feeds, Finding, Id, Instrument, LargeLiquidation, Shard, Side, Symbol, Usd, Venue,
};

use round::Plan;
use verdict::{Difference, Told, Verdict, compare};

/// Whatever goes wrong with the round itself.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::test]
async fn killed_stopped_and_paused_replicas_and_a_restarted_redis_lose_and_repeat_no_finding() {
    let program = env!("CARGO_BIN_EXE_cascade-signals").into();
    let plan = Plan { program, seed: 20_251_010, minute: 12, pace: 30, whole: false };
    let verdict = round::run(&plan).await.unwrap();
    println!("{}\n{}", Verdict::HEAD, verdict.line(1));
    println!("the zombie tried to write: {}", verdict.refused_a_write());
    assert!(verdict.failures.is_empty(), "{:?}", verdict.failures);
}

fn large(id: u64, price: f64) -> Result<Finding, Failure> {
    Ok(Finding::LargeLiquidation(LargeLiquidation {
        v: Finding::VERSION,
        id: Id::from_bits(id),
        symbol: Symbol::parse("BTCUSDT")?,
        venue: Venue::Bybit,
        instrument: Instrument::parse("BTCUSDT")?,
        direction: Side::Long,
        notional_usd: Usd::from_dollars(2_000_000),
        threshold_usd: Usd::from_dollars(1_000_000),
        price,
        feeds: Feeds::new(),
        engine: "0".to_owned(),
        warming: false,
        demo: false,
        event_time_ms: EventTime::from_ms(1_791_565_601_482),
        known_at_ms: EventTime::from_ms(1_791_565_601_482),
        detected_at_ms: None,
    }))
}

#[test]
fn what_is_missing_twice_extra_altered_or_out_of_order_is_told_apart() {
    let told = |findings: &[Finding]| Told::from([(Shard::new(5).unwrap(), findings.to_vec())]);
    let (one, two, three) = (large(1, 10.0).unwrap(), large(2, 10.0).unwrap(), large(3, 10.0).unwrap());
    let truth = told(&[one.clone(), two.clone()]);
    let none = Difference::default();
    let of = |findings: &[&Finding]| {
        compare(&truth, &told(&findings.iter().map(|finding| (*finding).clone()).collect::<Vec<_>>()))
    };
    assert_eq!(of(&[&one, &two]), none);
    assert_eq!(of(&[&one]), Difference { missing: 1, ..none });
    assert_eq!(of(&[&one, &two, &two]), Difference { twice: 1, ..none });
    assert_eq!(of(&[&one, &two, &three]), Difference { extra: 1, ..none });
    assert_eq!(of(&[&one, &large(2, 11.0).unwrap()]), Difference { altered: 1, ..none });
    assert_eq!(of(&[&two, &one]), Difference { misordered: 1, ..none });
}
