//! What the history is told, and what is counted.

use cascade_domain::{AlertReason, Heading, Subject};

use super::*;

const NOW: EventTime = EventTime::from_ms(1_791_565_600_000);

/// A destination that was muted since an alert was told is not told of its escalation.
#[test]
fn an_escalation_that_is_suppressed_is_no_second_alert() {
    let heading = Heading { kind: "test", rule: "test", scope: "here", episode: Id::from_bits(1) };
    let alert = Arc::new(Alert::new(&heading, 1, NOW, Subject::Watchdog));
    for (is_escalation, alerts) in [(false, 1), (true, 0)] {
        let mut batch = Batch::default();
        let row = Delivery::row_of(alert.revision, "desk", is_escalation);
        let (destination, alert) = ("desk".to_owned(), Arc::clone(&alert));
        batch.decisions.push(Decision::Suppress { row, destination, alert, reason: AlertReason::Muted });
        batch.note(0, NOW);
        let told = batch.history.iter().filter(|entry| matches!(entry.what, HistoryOf::Alert { .. })).count();
        assert_eq!((told, batch.history.len()), (alerts, alerts + 1), "the decision is told always");
        let metrics = Metrics::new("test", "0");
        batch.count(&metrics);
        let counted = metrics.render().contains("kind=\"test\"");
        assert_eq!(counted, alerts == 1, "{}", metrics.render());
    }
}
