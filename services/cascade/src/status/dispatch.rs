//! What `cascade status` shows of the dispatcher: its destinations, what is muted, what is dead.

use std::fmt::Write;

use cascade_wire::DestinationReading;
use coordinator::Dispatch;

use super::unknown;
use crate::alerts;
use crate::columns::table;
use crate::words::{clock, plain};

/// The lines about it; empty where there is nothing to tell: nobody dispatches here, and never did.
pub(super) fn text(dispatch: &Dispatch) -> String {
    let head = [
        "DESTINATION",
        "KIND",
        "STANDS",
        "PRODUCED",
        "SENT",
        "SUPPRESSED",
        "EXPIRED",
        "DEAD",
        "OPEN",
        "AMBIGUOUS",
        "LAST SENT",
        "REASON",
    ];
    let mut text = table(&head, dispatch.readings.iter().map(row).collect()).unwrap_or_default();
    if let Some(mutes) = alerts::mutes_text(&dispatch.mutes) {
        text.push('\n');
        text.push_str(&mutes);
    }
    if let Some(letters) = dispatch.dead_letters.filter(|letters| *letters > 0) {
        writeln!(text, "\n{letters} dead letters: see `cascade dlq list`").ok();
    }
    text
}

fn row((name, standing): (&String, &DestinationReading)) -> Vec<String> {
    let stands = match (&standing.off, standing.up) {
        (Some(_), _) => "off",
        (None, true) => "up",
        (None, false) => "failing",
    };
    let why = standing.off.as_deref().or(standing.error.as_deref()).map_or_else(unknown, plain);
    let mut cells = vec![plain(name), plain(&standing.kind), stands.to_owned()];
    let counts = [
        standing.produced,
        standing.sent,
        standing.suppressed,
        standing.expired,
        standing.dead,
        standing.open,
        standing.ambiguous,
    ];
    cells.extend(counts.map(|count| count.to_string()));
    cells.extend([standing.sent_ms.map_or_else(unknown, clock), why]);
    cells
}
