//! What became of claimed rows. Knows no provider's answer: it is told what follows from it.

use std::time::Duration;

use cascade_domain::{Ending, EventTime, Id};
use cascade_wire::{HistoryEntry, HistoryOf, Letter, Receipt, dispatch};

use super::{flags, history_json, millis, unwritable};
use crate::{Bus, BusError, script};

/// What became of claimed rows.
#[derive(Clone, Debug)]
pub struct Settlement<'a> {
    /// The destination.
    pub destination: &'a str,
    /// The claim.
    pub token: &'a str,
    /// The dispatchers' clock.
    pub now: EventTime,
    /// Each row and what becomes of it.
    pub rows: &'a [(Id, Settled)],
    /// What the destination is told of an alert now; it is forgotten where the alert is over.
    pub told: &'a [(Id, Option<Receipt>)],
    /// A budget that the provider closed, and for how long (wall time).
    pub close: Option<(String, Duration)>,
    /// The destination is off for good: why.
    pub off: Option<String>,
    /// No answer came: what was sent may have arrived, and is counted `ambiguous`.
    pub unanswered: bool,
    /// What goes into the history; of rows' ends only those that this settles.
    pub history: &'a [HistoryEntry],
}

/// What becomes of a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Settled {
    /// It ended. The reason is the word of a decision or a refusal.
    Ended(Ending, String),
    /// It ended dead, and this is its letter.
    Dead(Box<Letter>),
    /// It failed and is tried again, not before then (the dispatchers' clock).
    Again(EventTime),
    /// It is tried again, not before then (the dispatchers' clock), and this was no failure: the provider closed a budget.
    Later(EventTime),
    /// It was refused together with others, any of which may be the reason: it is tried again in a message of its own, not
    /// before then (the dispatchers' clock).
    Alone(EventTime),
}

/// How long it is remembered what was told of an alert.
const TOLD: Duration = Duration::from_hours(25);

impl Bus {
    /// Settles claimed rows: `false` for each that the claim holds no more. The same again answers the same and changes
    /// nothing. What was sent is noted also where the claim had run out, unless the row has ended meanwhile.
    ///
    /// # Errors
    /// Redis is away or refuses; try the same again.
    pub async fn settle(&self, settlement: &Settlement<'_>) -> Result<Vec<bool>, BusError> {
        let mut cmd = script::SETTLE.call(&[&dispatch::flight(settlement.destination)]);
        cmd.arg(settlement.destination).arg(settlement.token).arg(settlement.now.ms()).arg(millis(TOLD));
        let (budget, closed) =
            settlement.close.as_ref().map_or(("", Duration::ZERO), |(budget, long)| (budget.as_str(), *long));
        cmd.arg(budget).arg(millis(closed)).arg(settlement.off.as_deref().unwrap_or_default());
        cmd.arg(u8::from(settlement.unanswered)).arg(settlement.rows.len());
        for (row, settled) in settlement.rows {
            cmd.arg(row.to_string());
            match settled {
                Settled::Ended(ending, reason) => cmd.arg("ended").arg(ending.as_str()).arg(reason),
                Settled::Dead(letter) => cmd.arg("dead").arg(&letter.reason).arg(&letter.said),
                Settled::Again(due) => cmd.arg("again").arg(due.ms()).arg(""),
                Settled::Later(due) => cmd.arg("later").arg(due.ms()).arg(""),
                Settled::Alone(due) => cmd.arg("alone").arg(due.ms()).arg(""),
            };
        }
        cmd.arg(settlement.told.len());
        for (alert, receipt) in settlement.told {
            let receipt = receipt.as_ref().map(Receipt::to_json).transpose().map_err(|e| unwritable(&e))?;
            cmd.arg(alert.to_string()).arg(receipt.unwrap_or_default());
        }
        for entry in settlement.history {
            let ended =
                if let HistoryOf::End { row, .. } = &entry.what { row.to_string() } else { String::new() };
            cmd.arg(ended).arg(history_json(entry)?);
        }
        let answer: String = script::SETTLE.run_one(&self.link, cmd, self.settings.response_timeout).await?;
        Ok(flags(&answer))
    }
}
