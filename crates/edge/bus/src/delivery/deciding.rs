//! What the policy decided, written all or nothing; and its snapshot. Knows no reason for a decision.

use cascade_domain::{Decision, Delivery, Ending, EventTime, Manner};
use cascade_wire::{HistoryEntry, dispatch, encode_delivery};
use redis::Cmd;

use super::{history_json, unwritable};
use crate::{Bus, BusError, script};

/// The policy's snapshot as it stands on Redis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Counts the commits; the next one must name it.
    pub generation: u64,
    /// The snapshot, as it was committed.
    pub state: Vec<u8>,
}

/// What the policy decided on some findings, to be written all or nothing.
#[derive(Clone, Copy, Debug)]
pub struct Decided<'a> {
    /// The generation that it goes on from; 0 = there was none.
    pub generation: u64,
    /// Names this try: the same try again is known by it.
    pub writer: &'a str,
    /// The dispatchers' clock.
    pub now: EventTime,
    /// The snapshot after it.
    pub state: &'a [u8],
    /// The decisions; a row that there is, or was within 25 h, is not made twice.
    pub decisions: &'a [Decision],
    /// What goes into the history, in order. What becomes of withdrawals is added by itself.
    pub history: &'a [HistoryEntry],
}

impl Bus {
    /// The policy's snapshot; `None` = there is none.
    ///
    /// # Errors
    /// Redis is away or refuses.
    pub async fn policy(&self) -> Result<Option<Kept>, BusError> {
        let mut cmd = redis::cmd("HMGET");
        cmd.arg(dispatch::POLICY).arg("generation").arg("state");
        let (generation, state): (Option<u64>, Option<Vec<u8>>) =
            self.link.query(&cmd, self.settings.response_timeout).await?;
        Ok(generation.zip(state).map(|(generation, state)| Kept { generation, state }))
    }

    /// Writes what was decided: `false` = somebody else has decided meanwhile, and nothing is written. The same try again
    /// is `true` and changes nothing.
    ///
    /// # Errors
    /// Redis is away or refuses; whether it came through is not known: try the same again.
    pub async fn decide(&self, decided: &Decided<'_>) -> Result<bool, BusError> {
        let mut cmd = script::DECIDE.call(&[dispatch::POLICY]);
        cmd.arg(decided.generation).arg(decided.writer).arg(decided.now.ms()).arg(decided.state);
        cmd.arg(decided.history.len());
        for entry in decided.history {
            cmd.arg(history_json(entry)?);
        }
        for decision in decided.decisions {
            match decision {
                Decision::Tell(delivery) => tell(&mut cmd, delivery)?,
                Decision::Suppress { row, destination, reason, .. } => {
                    cmd.arg("suppress").arg(row.to_string()).arg(destination);
                    cmd.arg(Ending::of(*reason).as_str()).arg(reason.as_str());
                }
                Decision::Withdraw { row, destination, reason } => {
                    cmd.arg("withdraw").arg(row.to_string()).arg(destination).arg(reason.as_str());
                }
            }
        }
        script::DECIDE.run_one(&self.link, cmd, self.settings.response_timeout).await
    }
}

fn tell(cmd: &mut Cmd, delivery: &Delivery) -> Result<(), BusError> {
    let manner = match delivery.manner {
        Manner::New => "new",
        Manner::Edit => "edit",
    };
    cmd.arg("tell").arg(delivery.row.to_string()).arg(&delivery.destination);
    cmd.arg(delivery.alert.id.to_string())
        .arg(delivery.lane.as_str())
        .arg(manner)
        .arg(delivery.reason.as_str());
    cmd.arg(delivery.after.map_or(String::new(), |row| row.to_string()));
    cmd.arg(delivery.due_ms.ms()).arg(delivery.expires_ms.ms()).arg(delivery.alert.usd.micros());
    cmd.arg(encode_delivery(delivery).map_err(|e| unwritable(&e))?);
    Ok(())
}
