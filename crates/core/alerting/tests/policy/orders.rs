//! What people and the clock ask for.

use cascade_domain::{AlertReason, Ask, Decision, Id, Level, Mute, Priority, Which};

use crate::sample::{bot, crash, large, news, over, quiet, route, symbol, watchdog};
use crate::stage::{Stage, noon};

fn which(symbol_name: Option<&str>, rule: Option<&str>, destination: Option<&str>) -> Which {
    Which {
        symbol: symbol_name.map(symbol),
        rule: rule.map(str::to_owned),
        destination: destination.map(str::to_owned),
    }
}

fn mute(what: Which, until: i64) -> Ask {
    Ask::Mute(Mute { what, until_ms: noon(until) })
}

#[test]
fn a_mute_holds_for_what_it_names_and_until_it_says() {
    use AlertReason::{First, Muted};
    for (what, btc, eth) in [
        (which(Some("BTCUSDT"), None, None), [Muted, Muted], [First, First]),
        (which(None, Some("large_liquidation"), None), [Muted, Muted], [Muted, Muted]),
        (which(None, None, Some("desk")), [Muted, First], [Muted, First]),
        (which(Some("BTCUSDT"), Some("large_liquidation"), Some("chat")), [First, Muted], [First, First]),
        (which(Some("BTCUSDT"), Some("feed"), None), [First, First], [First, First]),
        (Which::default(), [Muted, Muted], [Muted, Muted]),
    ] {
        let mut stage = Stage::of(vec![route("desk", false), route("chat", true)]);
        stage.order(0, mute(what.clone(), 60_000)).unwrap();
        assert_eq!(stage.policy.mutes().len(), 1);
        let first = stage.push(1_000, &large("BTCUSDT", 1, 3));
        let second = stage.push(1_000, &large("ETHUSDT", 2, 3));
        assert_eq!((stage.reasons(&first), stage.reasons(&second)), (btc.to_vec(), eth.to_vec()), "{what:?}");
        let later = stage.push(60_000, &large("BTCUSDT", 3, 3));
        assert_eq!(stage.reasons(&later), [First, First], "{what:?}");
        assert!(stage.policy.mutes().is_empty());
    }
}

#[test]
fn a_mute_by_kind_holds_for_its_rules() {
    let mut stage = Stage::of(vec![route("desk", false)]);
    stage.order(0, mute(which(None, Some("cascade"), None), 60_000)).unwrap();
    for (second, name) in (0..).zip(["BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT", "ADAUSDT"]) {
        stage.push(second, &crash(name, (Level::Critical, Level::Watch), 9));
    }
    stage.wants(0, 60_000, &[]);
}

#[test]
fn what_is_muted_is_not_told_to_be_over_either() {
    let mut stage = Stage::of(vec![route("desk", false)]);
    let alert = news("listing", "BTCUSDT", Priority::High);
    stage.push(0, &alert);
    stage.order(1_000, mute(Which::default(), 60_000)).unwrap();
    let end = stage.push(2_000, &over(&alert));
    assert_eq!(stage.reasons(&end), [AlertReason::Muted]);
    stage.push(70_000, &alert);
    stage.wants(
        0,
        600_000,
        &["0.000 desk: first listing BTCUSDT HIGH", "70.000 desk: first listing BTCUSDT HIGH"],
    );
}

#[test]
fn a_mute_is_lifted_by_naming_exactly_it() {
    let mut stage = Stage::of(vec![route("desk", false)]);
    stage.order(0, mute(which(Some("BTCUSDT"), None, None), 60_000)).unwrap();
    stage.order(0, mute(which(Some("BTCUSDT"), None, None), 90_000)).unwrap();
    assert_eq!(stage.policy.mutes().len(), 1, "the later one counts");
    assert!(stage.order(1, Ask::Unmute { what: Which::default() }).is_err());
    assert!(stage.order(1, Ask::Unmute { what: which(Some("BTCUSDT"), None, None) }).is_ok());
    let alert = stage.push(2, &large("BTCUSDT", 1, 3));
    assert_eq!(stage.reasons(&alert), [AlertReason::First]);
}

#[test]
fn an_order_that_names_nothing_is_refused() {
    let mut stage = Stage::of(vec![route("desk", false)]);
    assert!(stage.order(0, Ask::Ack { alert: Id::from_bits(7) }).unwrap_err().contains("no alert"));
    assert!(stage.order(0, mute(which(None, None, Some("nobody")), 60_000)).unwrap_err().contains("nobody"));
    assert!(stage.order(0, mute(Which::default(), 0)).unwrap_err().contains("over"));
    assert!(stage.order(0, Ask::Watchdog { id: Id::from_bits(1) }).unwrap_err().contains("watchdog"));
    for number in 0..256 {
        let what = which(None, Some(&format!("rule{number}")), None);
        stage.order(0, mute(what, 60_000)).unwrap();
    }
    assert!(stage.order(0, mute(Which::default(), 60_000)).unwrap_err().contains("256"));
    assert!(stage.decisions.is_empty());
}

#[test]
fn a_test_goes_to_all_but_the_watchdog_whatever_they_filter() {
    let mut deaf = route("deaf", true);
    deaf.kinds = ["feed".to_owned()].into();
    deaf.minimum_priority = Priority::High;
    deaf.quiet_hours = Some(quiet("00:00", "23:59", "UTC", Priority::High));
    let config = cascade_alerting::Config { budget_per_hour: 1, ..cascade_alerting::Config::default() };
    let mut stage = Stage::new(config, vec![route("desk", false), deaf, watchdog()]);
    stage.order(0, mute(Which::default(), 60_000)).unwrap();
    for number in 0..3_u64 {
        let ms = 1_000 + 1_000 * number.cast_signed();
        stage.order(ms, Ask::Test { id: Id::from_bits(number), priority: Priority::Low }).unwrap();
    }
    assert!(stage.order(4_000, Ask::Test { id: Id::from_bits(0), priority: Priority::Low }).is_err());
    stage.wants(
        0,
        60_000,
        &[
            "1.000 deaf: first test test LOW",
            "1.000 desk: first test test LOW",
            "2.000 deaf: first test test LOW",
            "2.000 desk: first test test LOW",
            "3.000 deaf: first test test LOW",
            "3.000 desk: first test test LOW",
        ],
    );
    let alert = stage.sent[0].deliveries[0].alert.id;
    assert!(stage.order(61_000, Ask::Ack { alert }).is_ok(), "its button works");
    let first = stage.push(62_000, &large("BTCUSDT", 1, 3));
    assert_eq!(stage.reasons(&first)[0], AlertReason::First, "no budget was used");
}

#[test]
fn the_watchdog_goes_its_own_way() {
    let mut stage = Stage::of(vec![route("desk", false), watchdog()]);
    stage.order(1_000, Ask::Watchdog { id: Id::from_bits(1) }).unwrap();
    stage.push(2_000, &crash("BTCUSDT", (Level::Critical, Level::Watch), 9));
    stage.push(2_000, &bot("kill_switch", "alpha"));
    stage.wants(
        0,
        60_000,
        &[
            "1.000 watchdog: first watchdog watchdog MEDIUM",
            "2.000 desk: first cascade BTCUSDT HIGH",
            "32.000 desk: first kill_switch alpha LOW",
        ],
    );
    let rows = stage.decisions.iter().filter(|(_, decision)| match decision {
        Decision::Tell(row) => row.destination == "watchdog",
        Decision::Suppress { destination, .. } | Decision::Withdraw { destination, .. } => {
            destination == "watchdog"
        }
    });
    assert_eq!(rows.count(), 1);
}

#[test]
fn what_is_over_for_long_can_no_longer_be_acknowledged() {
    let mut stage = Stage::of(vec![route("desk", false)]);
    let alert = news("listing", "BTCUSDT", Priority::High);
    stage.push(0, &alert);
    stage.push(10_000, &over(&alert));
    assert!(stage.order(600_000, Ask::Ack { alert: alert.id }).is_ok());
    stage.push(2_000_000, &large("BTCUSDT", 1, 3));
    assert!(stage.order(2_000_000, Ask::Ack { alert: alert.id }).is_err());
}
