//! Findings that have a scope instead of a market (feeds, services): told once each, in a chain. Whoever tells the next
//! one names the one before, so that two who believe they lead can neither repeat nor contradict each other.

use cascade_domain::{Id, Shard};
use cascade_wire::key;

use crate::{Bus, BusError, Commit, script};

/// A finding to tell of a scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Telling {
    /// What it is about, e.g. `feed:binance`; decides the shard.
    pub scope: String,
    /// The finding that was told of this scope before; `None` = none ever.
    pub after: Option<Id>,
    /// Its own identity.
    pub id: Id,
    /// As JSON, to be read by whoever leads next.
    pub json: String,
    /// Encoded, for the shard's alert stream.
    pub bytes: Vec<u8>,
    /// Channel and message, in order.
    pub publish: Vec<(String, Vec<u8>)>,
}

impl Bus {
    /// Tells a finding: alert stream, channels and the mark that it was told, all or nothing. `CursorMoved` = something
    /// else was told of the scope meanwhile: ask [`Bus::last_told`].
    ///
    /// # Errors
    /// Redis is away or refuses. Whether it came through is not known: tell the same again and see.
    pub async fn tell(&self, telling: &Telling) -> Result<Commit, BusError> {
        let bounds = self.settings.alerts;
        let shard = Shard::of_scope(&telling.scope);
        let mut cmd =
            script::TELL.call(&[&key::told(&telling.scope), &key::alerts(shard), &key::alerts_read(shard)]);
        cmd.arg(telling.after.map_or(String::new(), |id| id.to_string())).arg(telling.id.to_string());
        cmd.arg(&telling.json).arg(bounds.max_len).arg(bounds.max_age_ms()).arg(&telling.bytes);
        for (channel, message) in &telling.publish {
            cmd.arg(channel).arg(message);
        }
        let answer: String = script::TELL.run_one(&self.link, cmd, self.settings.response_timeout).await?;
        Commit::parse(&answer)
    }

    /// The finding that was last told of a scope, as JSON; `None` = none, or Redis has forgotten.
    ///
    /// # Errors
    /// Redis is away, or the key holds another type.
    pub async fn last_told(&self, scope: &str) -> Result<Option<String>, BusError> {
        let mut cmd = redis::cmd("HGET");
        cmd.arg(key::told(scope)).arg("finding");
        self.link.query(&cmd, self.settings.response_timeout).await
    }
}
