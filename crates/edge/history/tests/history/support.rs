//! Entries as the dispatcher writes them.

use cascade_bus::StreamId;
use cascade_domain::{AlertReason, Ask, Ending, EventTime, Id, Mute, Order, Phase, Priority, Symbol, Which};
use cascade_wire::{HistoryEntry, HistoryOf, Receipt};

/// When it all began.
pub(crate) const T0: EventTime = EventTime::from_ms(1_795_266_000_000);

pub(crate) fn id(bits: u64) -> Id {
    Id::from_bits(bits)
}

pub(crate) fn symbol(text: &str) -> Symbol {
    Symbol::parse(text).unwrap()
}

/// Entries with the ids `1-0`, `2-0` and so on.
pub(crate) fn numbered(entries: impl IntoIterator<Item = HistoryEntry>) -> Vec<(StreamId, HistoryEntry)> {
    entries.into_iter().zip(1..).map(|(entry, ms)| (StreamId { ms, seq: 0 }, entry)).collect()
}

pub(crate) fn alert(n: u64, at_s: i64, market: &str, rule: &str) -> HistoryEntry {
    let at = T0.plus_ms(at_s * 1000);
    let what = HistoryOf::Alert {
        revision: id(n),
        alert: id(1000 + n),
        kind: "cascade".to_owned(),
        rule: rule.to_owned(),
        scope: market.to_owned(),
        symbol: Symbol::parse(market).ok(),
        phase: Phase::Opened,
        priority: Priority::High,
        known_at_ms: at.plus_ms(-20),
        title: format!("CRITICAL {market} liquidation cascade, $18.4M longs in 30 s"),
        demo: false,
    };
    HistoryEntry { at_ms: at, what }
}

pub(crate) fn decision(
    row: u64,
    revision: u64,
    destination: &str,
    (reason, ending): (AlertReason, Option<Ending>),
) -> HistoryEntry {
    let destination = destination.to_owned();
    let what = HistoryOf::Decision { row: id(row), revision: id(revision), destination, reason, ending };
    HistoryEntry { at_ms: T0.plus_ms(1), what }
}

pub(crate) fn attempt(row: u64, at_s: i64, outcome: &str, said: &str) -> HistoryEntry {
    let (rows, destination) = (vec![id(row)], "phone".to_owned());
    let what = HistoryOf::Attempt { rows, destination, outcome: outcome.to_owned(), said: said.to_owned() };
    HistoryEntry { at_ms: T0.plus_ms(at_s * 1000), what }
}

pub(crate) fn end(row: u64, at_s: i64, ending: Ending, reason: &str) -> HistoryEntry {
    let receipt = (ending == Ending::Sent).then(|| Receipt {
        message: Some("4711".to_owned()),
        editable: true,
        ..Receipt::default()
    });
    let (destination, reason) = ("phone".to_owned(), reason.to_owned());
    let what = HistoryOf::End { row: id(row), destination, ending, reason, receipt };
    HistoryEntry { at_ms: T0.plus_ms(at_s * 1000), what }
}

pub(crate) fn letters(row: u64, act: &str) -> HistoryEntry {
    let what = HistoryOf::Letters { rows: vec![id(row)], act: act.to_owned(), by: "cli:ann@desk".to_owned() };
    HistoryEntry { at_ms: T0.plus_ms(60_000), what }
}

pub(crate) fn mute(market: &str) -> HistoryEntry {
    let what = Which { symbol: Some(symbol(market)), ..Which::default() };
    let order = Order {
        at_ms: T0,
        by: "telegram:42 @ann".to_owned(),
        what: Ask::Mute(Mute { what, until_ms: T0.plus_ms(900_000) }),
    };
    HistoryEntry { at_ms: T0.plus_ms(2_000), what: HistoryOf::Order { given: order, refused: None } }
}

/// One cascade on BTC that reached the phone at the second try and was muted for the desk, one on ETH that is dead.
pub(crate) fn an_hour() -> Vec<(StreamId, HistoryEntry)> {
    numbered([
        alert(1, 0, "BTCUSDT", "cascade"),
        decision(11, 1, "phone", (AlertReason::First, None)),
        decision(12, 1, "desk", (AlertReason::Muted, Some(Ending::Suppressed))),
        attempt(11, 1, "failed", "503"),
        attempt(11, 3, "sent", ""),
        end(11, 3, Ending::Sent, "first"),
        alert(2, 600, "ETHUSDT", "cascade"),
        decision(21, 2, "phone", (AlertReason::Worse, None)),
        attempt(21, 601, "refused", "chat not found"),
        end(21, 601, Ending::Dead, "gone"),
        alert(3, 1200, "market", "market_cascade"),
        decision(31, 3, "phone", (AlertReason::First, None)),
        mute("BTCUSDT"),
    ])
}
