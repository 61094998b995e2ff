//! Questions about an hour of alerts.

use cascade_domain::{AlertReason, Ending};
use cascade_history::{History, Question, Stand, Told};

use crate::support::{T0, an_hour, symbol};

fn told() -> History {
    let history = History::open(":memory:").unwrap();
    let entries = an_hour();
    history.apply(&entries, entries.last().unwrap().0).unwrap();
    history
}

fn scopes(told: &[Told]) -> Vec<&str> {
    told.iter().map(|told| told.scope.as_str()).collect()
}

#[test]
fn an_alert_comes_with_what_became_of_it_at_each_destination() {
    let all = told().alerts(&Question { limit: 10, ..Question::default() }).unwrap();
    assert_eq!(scopes(&all), ["BTCUSDT", "ETHUSDT", "market"], "oldest first");
    let [desk, phone] = all[0].deliveries.as_slice() else { panic!("{:?}", all[0]) };
    assert_eq!((desk.ending, desk.reason), (Some(Ending::Suppressed), Some(AlertReason::Muted)));
    assert_eq!((phone.ending, phone.receipt.as_deref()), (Some(Ending::Sent), Some("4711")));
    assert_eq!(phone.ended_ms, Some(T0.plus_ms(3000)));
    let tried: Vec<_> = phone.attempts.iter().map(|a| (a.outcome.as_str(), a.said.as_str())).collect();
    assert_eq!(tried, [("failed", "503"), ("sent", "")]);
    assert_eq!((all[1].deliveries[0].why.as_deref(), all[2].deliveries[0].ending), (Some("gone"), None));
}

#[test]
fn every_part_of_a_question_narrows_the_answer() {
    let history = told();
    let whole = Question { limit: 10, ..Question::default() };
    for (question, wanted) in [
        (Question { symbol: Some(symbol("ETHUSDT")), ..whole.clone() }, vec!["ETHUSDT"]),
        (Question { symbol: Some(symbol("SOLUSDT")), ..whole.clone() }, vec![]),
        (Question { destination: Some("desk".to_owned()), ..whole.clone() }, vec!["BTCUSDT"]),
        (Question { rule: Some("market_cascade".to_owned()), ..whole.clone() }, vec!["market"]),
        (
            Question { rule: Some("cascade".to_owned()), ..whole.clone() },
            vec!["BTCUSDT", "ETHUSDT", "market"],
        ),
        (Question { ending: Some(Stand::Open), ..whole.clone() }, vec!["market"]),
        (Question { ending: Some(Stand::Ended(Ending::Dead)), ..whole.clone() }, vec!["ETHUSDT"]),
        (Question { since: Some(T0.plus_ms(600_000)), ..whole.clone() }, vec!["ETHUSDT", "market"]),
        (Question { until: Some(T0.plus_ms(600_000)), ..whole.clone() }, vec!["BTCUSDT"]),
        (Question { limit: 1, ..whole.clone() }, vec!["market"]),
    ] {
        let found = history.alerts(&question).unwrap();
        assert_eq!(scopes(&found), wanted, "{question:?}");
    }
    let suppressed = Question { ending: Some(Stand::Ended(Ending::Suppressed)), ..whole };
    let found = history.alerts(&suppressed).unwrap();
    assert_eq!(found[0].deliveries.len(), 1, "deliveries that stand otherwise are left out");
}

#[test]
fn a_question_is_data_and_never_a_command() {
    let history = told();
    let rule = Some("x'; DROP TABLE alerts; --".to_owned());
    let question = Question { rule: rule.clone(), destination: rule, limit: 10, ..Question::default() };
    assert_eq!(history.alerts(&question), Ok(vec![]));
    assert_eq!(history.alerts(&Question { limit: 10, ..Question::default() }).unwrap().len(), 3);
}

#[test]
fn acts_say_who_did_what_and_when() {
    let acts = told().acts(&Question { limit: 10, ..Question::default() }).unwrap();
    let [mute] = acts.as_slice() else { panic!("{acts:?}") };
    assert_eq!(
        (mute.by.as_str(), mute.act.as_str(), mute.at_ms),
        ("telegram:42 @ann", "mute", T0.plus_ms(2000))
    );
    assert_eq!(mute.about["what"]["symbol"], "BTCUSDT");
}

#[test]
fn an_alert_is_found_by_its_first_digits() {
    let history = told();
    let found = history.named("00000000000003").unwrap();
    let ids: Vec<String> = found.iter().map(|(id, _)| id.to_string()).collect();
    assert_eq!(ids, ["00000000000003e9", "00000000000003ea", "00000000000003eb"]);
    let one = history.named("00000000000003ea").unwrap();
    assert!(one.len() == 1 && one[0].1.contains("ETHUSDT"), "{one:?}");
    assert_eq!(history.named("ffff"), Ok(vec![]));
}
