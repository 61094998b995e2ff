//! What `cascade status` shows of the dispatcher: its destinations, what is muted, what is dead.
//!
//! Believes what the dispatcher writes, as long as there is one that writes it.

use std::collections::BTreeMap;

use cascade_bus::{Bus, BusError, StreamId};
use cascade_domain::Mute;
use cascade_wire::{DestinationReading, dispatch};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{unknown, values};
use crate::alerts;
use crate::columns::table;
use crate::words::{clock, plain};

/// So many dead letters are counted one by one.
const COUNTED: usize = 1000;

/// What is shown of the dispatcher.
#[derive(Debug, Default)]
pub(super) struct Dispatch {
    /// As it stands on Redis, for programs.
    read: Value,
    destinations: BTreeMap<String, DestinationReading>,
    mutes: Vec<Mute>,
    /// Dead letters; as many as are counted, or more.
    letters: usize,
}

impl Dispatch {
    pub(super) async fn read(bus: &Bus, unreadable: &mut Vec<(String, String)>) -> Result<Self, BusError> {
        let key = dispatch::DESTINATIONS.to_owned();
        let found: Vec<(String, Value)> = values(bus, vec![key.clone()], unreadable).await?;
        let read = found.into_iter().next().map_or(Value::Null, |(_, value)| value);
        let destinations = match BTreeMap::<String, DestinationReading>::deserialize(&read) {
            Ok(destinations) => destinations,
            Err(_) if read.is_null() => BTreeMap::new(),
            Err(error) => {
                unreadable.push((key, error.to_string()));
                BTreeMap::new()
            }
        };
        let mutes = match alerts::standing(bus).await {
            Ok(mutes) => mutes,
            Err(BusError::Reply(reason)) => {
                unreadable.push((dispatch::MUTES.to_owned(), reason));
                Vec::new()
            }
            Err(error) => return Err(error),
        };
        let letters = bus.letters(StreamId::ZERO, COUNTED).await?.len();
        Ok(Self { read, destinations, mutes, letters })
    }

    pub(super) fn json(&self) -> Value {
        json!({"destinations": self.read, "mutes": self.mutes, "dead_letters": self.letters})
    }

    /// The lines about it; empty where there is nothing to tell: nobody dispatches here, and never did.
    pub(super) fn text(&self) -> String {
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
        let mut text = table(&head, self.destinations.iter().map(row).collect()).unwrap_or_default();
        if let Some(mutes) = alerts::mutes_text(&self.mutes) {
            text.push('\n');
            text.push_str(&mutes);
        }
        if self.letters > 0 {
            let more = if self.letters >= COUNTED { " or more" } else { "" };
            text.push_str(&format_letters(self.letters, more));
        }
        text
    }
}

fn format_letters(count: usize, more: &str) -> String {
    format!("\n{count}{more} dead letters: see `cascade dlq list`\n")
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
