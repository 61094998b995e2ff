//! The body of a generic webhook (contract.md 7).
//!
//! Knows no signature and no address.

use cascade_domain::{Alert, AlertReason, Delivery, Phase, Priority, Subject};
use serde_json::{Value, json};

use crate::Style;
use crate::chat::{PLAIN, page};
use crate::markup::Markup;
use crate::subject::figures;
use crate::time::rfc3339;
use crate::told::{document, title};

/// `type`, `timestamp`, `data`.
pub(crate) fn body(delivery: &Delivery, style: &Style) -> Value {
    let Delivery { alert, reason, count, .. } = delivery;
    let text = page(&document(std::slice::from_ref(delivery), style), Markup::None, PLAIN);
    let mut data = json!({
        "alert_id": alert.id,
        "revision": alert.revision,
        "kind": alert.kind,
        "rule": alert.rule,
        "scope": alert.scope,
        "priority": alert.priority,
        "severity": severity(alert.priority),
        "state": alert.phase,
        "reason": reason,
        "count": count,
        "title": title(alert),
        "text": text,
        "figures": figures(alert),
    });
    if let Some(symbol) = &alert.symbol {
        data["symbol"] = json!(symbol);
    }
    if alert.demo {
        data["demo"] = json!(true);
    }
    if let Some(source) = source(alert) {
        data["source"] = source;
    }
    json!({ "type": kind(alert.phase, *reason), "timestamp": rfc3339(alert.known_at_ms), "data": data })
}

/// An alert that is told for the first time is new to who is told, whatever it went through before.
const fn kind(phase: Phase, reason: AlertReason) -> &'static str {
    match phase {
        Phase::Opened => "alert.opened",
        Phase::Updated if matches!(reason, AlertReason::First) => "alert.opened",
        Phase::Updated => "alert.updated",
        Phase::Resolved => "alert.resolved",
    }
}

/// The priority in the words of those who page people.
const fn severity(priority: Priority) -> &'static str {
    match priority {
        Priority::Low => "INFO",
        Priority::Medium => "WARNING",
        Priority::High => "CRITICAL",
    }
}

/// The whole finding, or what else there is to tell.
fn source(alert: &Alert) -> Option<Value> {
    match &alert.subject {
        Subject::Finding(finding) => serde_json::to_value(finding).ok(),
        Subject::Market(market) => serde_json::to_value(market).ok(),
        Subject::Digest(digest) => serde_json::to_value(digest).ok(),
        Subject::Test { by } => Some(json!({ "by": by })),
        Subject::Watchdog => None,
    }
}
