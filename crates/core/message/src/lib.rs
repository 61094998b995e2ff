//! Words for people: what alerts say, as each provider wants it.
//!
//! Pure. Knows no provider's address, no clock, and decides nothing: what is told is decided. Every text is within its
//! provider's limits and valid in its markup, whatever a symbol or a figure is.

use cascade_domain::{Alert, Delivery};
use jiff::tz::TimeZone;

/// How a destination wants its texts.
#[derive(Clone, Debug)]
pub struct Style {
    /// The zone in which times are given besides UTC.
    pub zone: TimeZone,
}

/// A message for Telegram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Telegram {
    /// Parse mode HTML; at most 4096 characters after parsing.
    pub html: String,
    /// The same without markup.
    pub plain: String,
}

/// One line on an alert, without markup: `CRITICAL BTCUSDT liquidation cascade, $18.4M longs in 30 s`.
pub fn title(alert: &Alert) -> String {
    alert.scope.clone()
}

/// The message that tells these deliveries (one, or several that waited together; never none).
pub fn telegram(deliveries: &[Delivery], style: &Style) -> Telegram {
    let plain = text(deliveries, style);
    Telegram { html: plain.clone(), plain }
}

/// The body of a Discord webhook: embeds, and no mention ever.
pub fn discord(deliveries: &[Delivery], style: &Style) -> serde_json::Value {
    serde_json::json!({ "content": text(deliveries, style) })
}

/// The body of a Slack webhook: blocks, and the text that notifications show.
pub fn slack(deliveries: &[Delivery], style: &Style) -> serde_json::Value {
    serde_json::json!({ "text": text(deliveries, style) })
}

/// Plain text, several lines.
pub fn text(deliveries: &[Delivery], _style: &Style) -> String {
    deliveries.iter().map(|delivery| title(&delivery.alert)).collect::<Vec<_>>().join("\n")
}

/// The body of a generic webhook (contract.md 7): `type`, `timestamp`, `data`. One delivery a request.
pub fn webhook(delivery: &Delivery, _style: &Style) -> serde_json::Value {
    serde_json::json!({ "data": { "alert_id": delivery.alert.id } })
}
