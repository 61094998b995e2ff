//! Words for people: what alerts say, as each provider wants it.
//!
//! Pure. Knows no provider's address, no clock, and decides nothing: what is told is decided. Every text is within its
//! provider's limits and valid in its markup, whatever a symbol or a figure is.

mod chat;
mod discord;
mod document;
pub mod line;
mod markup;
pub mod pressed;
mod slack;
mod subject;
mod time;
mod told;
mod webhook;
mod words;

use cascade_domain::{Alert, Delivery, Id};
use jiff::tz::TimeZone;
use markup::Markup;

/// How a destination wants its texts.
#[derive(Clone, Debug)]
pub struct Style {
    /// The zone in which times are given besides UTC.
    pub zone: TimeZone,
}

impl Default for Style {
    /// Times in UTC alone.
    fn default() -> Self {
        Self { zone: TimeZone::UTC }
    }
}

/// A message for Telegram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Telegram {
    /// Parse mode HTML; at most 4096 characters after parsing.
    pub html: String,
    /// The same without markup.
    pub plain: String,
}

/// One line on an alert, without markup: `CRITICAL BTCUSDT liquidation cascade, $18.4M longs in 30 s`. For terminals and
/// the history: nothing in it steers a terminal.
pub fn title(alert: &Alert) -> String {
    told::title(alert)
}

/// As many digits of an alert's id as its texts show; whoever asks for an alert by it means the ids that begin so.
pub fn short_id(alert: Id) -> String {
    told::short_id(alert)
}

/// The message that tells these deliveries (one, or several that waited together; never none).
pub fn telegram(deliveries: &[Delivery], style: &Style) -> Telegram {
    let document = told::document(deliveries, style);
    let page = |markup| chat::page(&document, markup, chat::TELEGRAM);
    Telegram { html: page(Markup::Html), plain: page(Markup::Chat) }
}

/// The body of a Discord webhook: embeds, and no mention ever.
pub fn discord(deliveries: &[Delivery], style: &Style) -> serde_json::Value {
    discord::body(&told::document(deliveries, style))
}

/// The same as one text, for when Discord refuses the embeds. Editing with it takes the embeds away.
pub fn discord_plain(deliveries: &[Delivery], style: &Style) -> serde_json::Value {
    discord::plain(&told::document(deliveries, style))
}

/// The body of a Slack webhook: blocks, and the text that notifications show.
pub fn slack(deliveries: &[Delivery], style: &Style) -> serde_json::Value {
    slack::body(&told::document(deliveries, style))
}

/// The same as one text, for when Slack refuses the blocks.
pub fn slack_plain(deliveries: &[Delivery], style: &Style) -> serde_json::Value {
    slack::plain(&told::document(deliveries, style))
}

/// Plain text, several lines.
pub fn text(deliveries: &[Delivery], style: &Style) -> String {
    chat::page(&told::document(deliveries, style), Markup::None, chat::PLAIN)
}

/// The body of a generic webhook (contract.md 7): `type`, `timestamp`, `data`. One delivery a request.
pub fn webhook(delivery: &Delivery, style: &Style) -> serde_json::Value {
    webhook::body(delivery, style)
}
