//! Whatever comes, in whatever order.

use crate::sample::{NOON, symbol};
use cascade_domain::{FeedStatus, Finding, Holding, Id, InterestFinding, State, Swing, Usd, Venue};

/// A finding of open interest that changed by so many times its threshold.
pub(crate) fn interest(ratio: f64) -> Finding {
    let held = |usd| Some(Holding { coins: 1.0, usd: Some(Usd::from_dollars(usd)) });
    Finding::OpenInterest(Box::new(InterestFinding {
        v: Finding::VERSION,
        id: Id::from_bits(3),
        episode: Id::from_bits(4),
        revision: 1,
        state: State::Open,
        symbol: symbol("BTCUSDT"),
        direction: Swing::Collapse,
        change_pct: Some(-10.0 * ratio),
        window_s: 900,
        confirming: 2,
        with_data: 2,
        before: held(2_000_000),
        after: held(1_000_000),
        venues: [].into(),
        threshold_pct: 10.0,
        price_change: None,
        reading: None,
        divergence_pct: None,
        feeds: [(Venue::Bybit, FeedStatus::Live)].into(),
        engine: "test".to_owned(),
        warming: false,
        demo: false,
        ending: None,
        known_at_ms: NOON,
        detected_at_ms: None,
    }))
}

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cascade_alerting::{Config, Policy, Route, State as Kept};
use cascade_domain::{
    Alert, AlertReason, Ask, Decision, EventTime, IdHasher, Level, Mute, Order, Phase, Priority, Subject,
    Which,
};
use proptest::prelude::*;

use crate::sample::{at, bot, crash, feed, goes_on, large, over, quiet, route, watchdog};

const NAMES: [&str; 7] = ["BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT", "ADAUSDT", "DOGEUSDT", "LTCUSDT"];

/// Something that happens.
#[derive(Clone, Debug)]
enum Step {
    Take(Box<Alert>),
    /// Exactly what was taken so many steps ago.
    Again(usize),
    Order(Ask),
    Tick,
}

fn alerts() -> impl Strategy<Value = Alert> {
    let level = prop::sample::select(Level::ALL.to_vec());
    let priority = prop::sample::select(Priority::ALL.to_vec());
    let name = prop::sample::select(NAMES.to_vec());
    prop_oneof![
        6 => (name.clone(), level, 1..100_000_000_i64).prop_map(|(name, level, dollars)| {
            crash(name, (level, Level::Alert), dollars)
        }),
        2 => (name.clone(), 0..40_i64, 1..9_i64).prop_map(|(name, number, multiple)| large(name, number, multiple)),
        1 => (name, 1..4_u32).prop_map(|(name, ratio)| {
            let alert = crate::sample::of(&interest(f64::from(ratio)));
            Alert { symbol: Some(symbol(name)), scope: name.to_owned(), ..alert }
        }),
        2 => (priority, 0..4_u32, 0..3_u32).prop_map(|(priority, rank, which)| {
            let alert = at(priority, rank, &bot(["kill_switch", "reconcile"][rank as usize % 2], "alpha"));
            if which == 0 { over(&alert) } else { alert }
        }),
        1 => Just(feed(FeedStatus::Dead, State::Open, true)),
        1 => Just(goes_on(&feed(FeedStatus::Suspect, State::Open, false))),
        1 => Just(feed(FeedStatus::Live, State::Resolved, false)),
    ]
}

fn asks() -> impl Strategy<Value = Ask> {
    let which = || {
        let destination = prop::option::of(prop::sample::select(vec!["chat", "desk", "nobody"]));
        let rule = prop::option::of(prop::sample::select(vec!["cascade", "market_cascade", "bot"]));
        (prop::option::of(prop::sample::select(NAMES.to_vec())), rule, destination).prop_map(
            |(name, rule, destination)| Which {
                symbol: name.map(symbol),
                rule: rule.map(str::to_owned),
                destination: destination.map(str::to_owned),
            },
        )
    };
    let until = (-100_000..2_000_000_i64).prop_map(|ms| NOON.plus_ms(ms));
    prop_oneof![
        (which(), until).prop_map(|(what, until_ms)| Ask::Mute(Mute { what, until_ms })),
        which().prop_map(|what| Ask::Unmute { what }),
        alerts().prop_map(|alert| Ask::Ack { alert: alert.id }),
        any::<u64>().prop_map(|id| Ask::Test { id: Id::from_bits(id), priority: Priority::Medium }),
        any::<u64>().prop_map(|id| Ask::Watchdog { id: Id::from_bits(id) }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => alerts().prop_map(|alert| Step::Take(Box::new(alert))),
        1 => (0..20_usize).prop_map(Step::Again),
        2 => asks().prop_map(Step::Order),
        2 => Just(Step::Tick),
    ]
}

/// What happens, and how many milliseconds after the one before, and how long it was known by then.
fn course(most: usize) -> impl Strategy<Value = Vec<(i64, i64, Step)>> {
    let pause = prop_oneof![6 => 0..2_000_i64, 3 => 0..60_000_i64, 1 => 0..2_000_000_i64];
    let age = prop_oneof![8 => Just(0_i64), 1 => 0..1_000_i64, 1 => 0..1_000_000_i64];
    prop::collection::vec((pause, age, step()), 0..most)
}

fn routes() -> Vec<Route> {
    let night =
        Route { quiet_hours: Some(quiet("12:20", "13:00", "UTC", Priority::High)), ..route("night", false) };
    let some = Route { symbols: NAMES[..2].iter().map(|name| symbol(name)).collect(), ..route("some", true) };
    vec![route("chat", true), route("desk", false), night, some, watchdog()]
}

fn config() -> Arc<Config> {
    Arc::new(Config {
        budget_per_hour: 4,
        high_budget_per_hour: 6,
        digest_lines: 3,
        escalation: Some("night".to_owned()),
        ..Config::default()
    })
}

/// A policy, and what it was given.
struct Run {
    policy: Policy,
    taken: Vec<Arc<Alert>>,
    decided: Vec<(EventTime, Decision)>,
}

impl Run {
    fn new() -> Self {
        let policy = Policy::new(config(), routes(), Kept::default());
        Self { policy, taken: Vec::new(), decided: Vec::new() }
    }

    fn note(&mut self, now: EventTime, out: Vec<Decision>) {
        self.decided.extend(out.into_iter().map(|decision| (now, decision)));
    }

    fn tick(&mut self, now: EventTime) {
        let mut out = Vec::new();
        self.policy.tick(now, &mut out);
        self.note(now, out);
    }

    fn step(&mut self, now: EventTime, age: i64, step: &Step) {
        let mut out = Vec::new();
        match step {
            Step::Take(alert) => {
                let number = i64::try_from(self.taken.len()).unwrap();
                let revision = IdHasher::new("step").int(number).finish();
                let alert = Arc::new(Alert { revision, known_at_ms: now.plus_ms(-age), ..(**alert).clone() });
                assert!(self.policy.take(&alert, now, &mut out));
                self.taken.push(alert);
            }
            Step::Again(back) => {
                let alert = self.taken.iter().rev().nth(*back).cloned();
                // What is older is forgotten, and too old to be told.
                if let Some(alert) = alert.filter(|alert| now.since(alert.known_at_ms) <= 900_000) {
                    assert!(!self.policy.take(&alert, now, &mut out) && out.is_empty());
                }
            }
            Step::Order(ask) => {
                let order = Order { at_ms: now, by: "tester".to_owned(), what: ask.clone() };
                if self.policy.order(&order, now, &mut out).is_err() {
                    assert!(out.is_empty());
                }
            }
            Step::Tick => self.policy.tick(now, &mut out),
        }
        self.note(now, out);
    }

    /// All of it, with what is due in between.
    fn all(&mut self, course: &[(i64, i64, Step)], mut then: impl FnMut(&mut Self)) {
        let mut now = NOON;
        for (pause, age, step) in course {
            let next = now.plus_ms(*pause);
            while let Some(due) = self.policy.due().filter(|due| *due <= next) {
                now = due.max(now);
                self.tick(now);
                assert!(self.policy.due().is_none_or(|due| due > now), "what is due is done at once");
            }
            now = next;
            self.step(now, *age, step);
            then(self);
        }
    }

    fn restart(&mut self) {
        let kept = rmp_serde::to_vec_named(self.policy.state()).unwrap();
        let kept: Kept = rmp_serde::from_slice(&kept).unwrap();
        self.policy = Policy::new(config(), routes(), kept);
    }
}

/// What one decision is about: revision, row, destination, reason.
fn about(decision: &Decision) -> Option<(Id, Id, &str, AlertReason)> {
    match decision {
        Decision::Tell(row) => Some((row.alert.revision, row.row, &row.destination, row.reason)),
        Decision::Suppress { row, destination, alert, reason } => {
            Some((alert.revision, *row, destination, *reason))
        }
        Decision::Withdraw { .. } => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn each_revision_is_decided_once_for_each_destination(course in course(120)) {
        let mut run = Run::new();
        run.all(&course, |_| {});
        let mut rows = BTreeSet::new();
        let mut told: BTreeMap<Id, BTreeSet<&str>> = BTreeMap::new();
        for (_, decision) in &run.decided {
            let Some((revision, row, destination, _)) = about(decision) else { continue };
            prop_assert!(rows.insert(row), "{decision:?}");
            told.entry(revision).or_default().insert(destination);
        }
        let all: BTreeSet<_> = ["chat", "desk", "night", "some"].into();
        for alert in &run.taken {
            prop_assert_eq!(told.get(&alert.revision), Some(&all));
        }
        for (_, decision) in &run.decided {
            if let Decision::Withdraw { row, .. } = decision {
                prop_assert!(rows.contains(row));
            }
        }
    }

    #[test]
    fn no_more_is_told_in_an_hour_than_the_budgets_allow(course in course(200)) {
        let mut run = Run::new();
        run.all(&course, |_| {});
        let mut told: BTreeMap<(String, String), Vec<EventTime>> = BTreeMap::new();
        for (at, decision) in &run.decided {
            let Decision::Tell(row) = decision else { continue };
            let free = matches!(row.reason, AlertReason::Resolved | AlertReason::Updated)
                || matches!(row.alert.subject, Subject::Watchdog)
                || row.alert.kind == "test";
            if !free {
                let tier = if row.lane == Priority::High { "HIGH" } else { row.alert.kind.as_str() };
                told.entry((row.destination.clone(), tier.to_owned())).or_default().push(*at);
            }
        }
        for ((destination, tier), times) in told {
            let most = if tier == "HIGH" { 6 } else { 4 };
            for from in &times {
                let within = times.iter().filter(|at| (0..3_600_000).contains(&at.since(*from))).count();
                prop_assert!(within <= most, "{within} of {tier} to {destination} within an hour");
            }
        }
    }

    #[test]
    fn stopped_and_resumed_anywhere_it_decides_the_same(course in course(100), every in 1..5_usize) {
        let (mut straight, mut broken) = (Run::new(), Run::new());
        straight.all(&course, |_| {});
        let mut steps = 0;
        broken.all(&course, |run| {
            steps += 1;
            if steps % every == 0 {
                run.restart();
            }
        });
        prop_assert_eq!(&straight.decided, &broken.decided);
        prop_assert_eq!(straight.policy.state(), broken.policy.state());
    }

    #[test]
    fn no_time_is_too_strange(
        course in prop::collection::vec((any::<i64>(), any::<i64>(), any::<bool>(), step()), 0..60),
    ) {
        let mut run = Run::new();
        for (now, age, is_strange, step) in &course {
            let now = if *is_strange { EventTime::from_ms(*now) } else { NOON.plus_ms(now % 10_000_000) };
            let mut step = step.clone();
            if let Step::Take(alert) = &mut step {
                alert.phase = if age % 3 == 0 { Phase::Resolved } else { alert.phase };
            }
            if !matches!(step, Step::Again(_)) {
                run.step(now, if *is_strange { *age } else { age % 100_000 }, &step);
            }
            run.tick(now);
            let due = run.policy.due();
            prop_assert!(due.is_none_or(|due| due > now), "due {due:?} at {now}");
        }
        run.restart();
    }
}
