//! Dead letters: read, put back on their way, or dropped. Knows no reason why they died.

use cascade_domain::EventTime;
use cascade_wire::{Letter, WireError, dispatch, letter_of};

use super::flags;
use crate::{Bus, BusError, StreamId, script};

impl Bus {
    /// Dead letters with the ids of their entries, oldest first, `count` at most, after this id.
    ///
    /// # Errors
    /// Redis is away or refuses.
    pub async fn letters(
        &self,
        after: StreamId,
        count: usize,
    ) -> Result<Vec<(StreamId, Result<Letter, WireError>)>, BusError> {
        let entries = self.entries(dispatch::DEAD, after, count).await?;
        let letter = |head: Option<Vec<u8>>, body: Option<Vec<u8>>| {
            letter_of(&head.unwrap_or_default(), &body.unwrap_or_default())
        };
        Ok(entries.into_iter().map(|entry| (entry.id, letter(entry.one, entry.delivery))).collect())
    }

    /// Puts dead letters back on their way until `expires`; which of them there were. Their ends are taken back: they are
    /// open again.
    ///
    /// # Errors
    /// Redis is away or refuses.
    pub async fn replay_letters(
        &self,
        ids: &[StreamId],
        by: &str,
        now: EventTime,
        expires: EventTime,
    ) -> Result<Vec<bool>, BusError> {
        self.act_on_letters(("replayed", by), ids, now, expires).await
    }

    /// Drops dead letters; which of them there were. They stay counted as dead.
    ///
    /// # Errors
    /// Redis is away or refuses.
    pub async fn drop_letters(
        &self,
        ids: &[StreamId],
        by: &str,
        now: EventTime,
    ) -> Result<Vec<bool>, BusError> {
        self.act_on_letters(("dropped", by), ids, now, now).await
    }

    async fn act_on_letters(
        &self,
        (act, by): (&str, &str),
        ids: &[StreamId],
        now: EventTime,
        expires: EventTime,
    ) -> Result<Vec<bool>, BusError> {
        let mut cmd = script::LETTERS.call(&[dispatch::DEAD]);
        cmd.arg(act).arg(by).arg(now.ms()).arg(expires.ms());
        for id in ids {
            cmd.arg(id.to_string());
        }
        let answer: String = script::LETTERS.run_one(&self.link, cmd, self.settings.response_timeout).await?;
        Ok(flags(&answer))
    }
}
