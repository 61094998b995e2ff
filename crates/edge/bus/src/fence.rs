//! Who may write a shard's findings: leases with an epoch that fences the former owner, commits that happen once, and
//! the plain lease of the tick writer. Every check and its writes are one script.

use cascade_domain::Shard;
use cascade_wire::EngineKeys;

use crate::{Bus, BusError, StreamId, script};

/// Who claims shards, for which engine and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The engine (`cascade`, `oi`, ...).
    pub engine: String,
    /// This process: its own name with engine version and configuration hash. Two live processes must differ.
    pub owner: String,
    /// How long a lease holds without being renewed, milliseconds of wall time.
    pub ttl_ms: u64,
}

/// A shard that is ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owned {
    /// The fence; larger than every earlier owner's, also after Redis restarted empty.
    pub epoch: u64,
    /// Up to where findings are out; `None` = nothing yet, read from [`StreamId::ZERO`].
    pub cursor: Option<StreamId>,
}

/// What an engine made of some entries of a shard, to be put out once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The shard.
    pub shard: Shard,
    /// The epoch under which the shard is ours.
    pub epoch: u64,
    /// The cursor before these entries.
    pub from: StreamId,
    /// The last of these entries; later than `from`.
    pub to: StreamId,
    /// Findings for the shard's alert stream, encoded.
    pub durable: Vec<Vec<u8>>,
    /// Channel and message, in order.
    pub publish: Vec<(String, Vec<u8>)>,
}

/// What became of a batch. Only `Done` has written anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Commit {
    /// It is out and the cursor has moved.
    Done,
    /// It was out before: an earlier try had come through.
    AlreadyDone,
    /// Somebody else owns the shard, or Redis lost the epoch: give the shard up.
    Fenced,
    /// The cursor stands elsewhere: give the shard up and load anew.
    CursorMoved,
}

impl Commit {
    /// The word that labels it in metrics.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::AlreadyDone => "already_done",
            Self::Fenced => "fenced",
            Self::CursorMoved => "cursor_moved",
        }
    }

    pub(crate) fn parse(word: &str) -> Result<Self, BusError> {
        [Self::Done, Self::AlreadyDone, Self::Fenced, Self::CursorMoved]
            .into_iter()
            .find(|commit| commit.label() == word)
            .ok_or_else(|| BusError::Reply(format!("`{word}` to a commit")))
    }
}

impl Bus {
    /// Takes shards whose lease is free (or was this owner's): for each the new epoch and the cursor, or `None` if
    /// somebody else's lease is live.
    ///
    /// # Errors
    /// Redis is away or refuses; some shards may have been taken all the same.
    pub async fn take(&self, claim: &Claim, shards: &[Shard]) -> Result<Vec<Option<Owned>>, BusError> {
        let calls = shards.iter().map(|shard| {
            let keys = EngineKeys::of(*shard, &claim.engine);
            let mut cmd = script::TAKE.call(&[&keys.lease, &keys.epoch, &keys.cursor]);
            cmd.arg(&claim.owner).arg(claim.ttl_ms);
            cmd
        });
        let answers =
            script::TAKE.run::<Vec<String>>(&self.link, calls, self.settings.response_timeout).await?;
        answers.into_iter().map(|answer| owned(&answer?)).collect()
    }

    /// Renews the leases of shards held under these epochs: `false` = it is not ours any more.
    ///
    /// # Errors
    /// Redis is away or refuses.
    pub async fn renew(&self, claim: &Claim, shards: &[(Shard, u64)]) -> Result<Vec<bool>, BusError> {
        let calls = shards.iter().map(|(shard, epoch)| {
            let keys = EngineKeys::of(*shard, &claim.engine);
            let mut cmd = script::RENEW.call(&[&keys.lease, &keys.epoch]);
            cmd.arg(&claim.owner).arg(epoch).arg(claim.ttl_ms);
            cmd
        });
        let answers = script::RENEW.run::<bool>(&self.link, calls, self.settings.response_timeout).await?;
        answers.into_iter().collect()
    }

    /// Gives leases back, so that others need not wait for them to run out. Those that are not ours stay.
    ///
    /// # Errors
    /// Redis is away or refuses; the leases run out by themselves.
    pub async fn release(&self, claim: &Claim, shards: &[Shard]) -> Result<(), BusError> {
        let calls = shards.iter().map(|shard| {
            let mut cmd = script::LET_GO.call(&[&EngineKeys::of(*shard, &claim.engine).lease]);
            cmd.arg(&claim.owner);
            cmd
        });
        let answers = script::LET_GO.run::<bool>(&self.link, calls, self.settings.response_timeout).await?;
        answers.into_iter().try_for_each(|answer| answer.map(drop))
    }

    /// Puts a batch out: durable findings, messages and the cursor, all or nothing. `engine` as in the claim.
    ///
    /// # Errors
    /// Redis is away or refuses. Whether it came through is not known: commit the same again and see.
    pub async fn commit(&self, engine: &str, batch: &Batch) -> Result<Commit, BusError> {
        let mut results = self.commit_many(engine, std::slice::from_ref(batch)).await?;
        results.pop().unwrap_or_else(|| Err(BusError::Reply("no answer to a commit".to_owned())))
    }

    /// Puts out batches of many shards in one round trip; each has its own result, in the order given.
    ///
    /// # Errors
    /// As [`Bus::commit`].
    pub async fn commit_many(
        &self,
        engine: &str,
        batches: &[Batch],
    ) -> Result<Vec<Result<Commit, BusError>>, BusError> {
        let bounds = self.settings.alerts;
        let calls = batches.iter().map(|batch| {
            let keys = EngineKeys::of(batch.shard, engine);
            let mut cmd = script::COMMIT.call(&[&keys.epoch, &keys.cursor, &keys.alerts]);
            cmd.arg(batch.epoch).arg(batch.from.to_string()).arg(batch.to.to_string());
            cmd.arg(bounds.max_len).arg(bounds.max_age_ms()).arg(batch.durable.len()).arg(&batch.durable);
            for (channel, message) in &batch.publish {
                cmd.arg(channel).arg(message);
            }
            cmd
        });
        let answers = script::COMMIT.run::<String>(&self.link, calls, self.settings.response_timeout).await?;
        Ok(answers.into_iter().map(|answer| Commit::parse(&answer?)).collect())
    }

    /// Takes or renews the lease at `key`: whether it is ours now.
    ///
    /// # Errors
    /// Redis is away or refuses.
    pub async fn hold(&self, key: &str, owner: &str, ttl_ms: u64) -> Result<bool, BusError> {
        let mut cmd = script::HOLD.call(&[key]);
        cmd.arg(owner).arg(ttl_ms);
        script::HOLD.run_one(&self.link, cmd, self.settings.response_timeout).await
    }

    /// Gives the lease at `key` back: whether it was ours.
    ///
    /// # Errors
    /// Redis is away or refuses; the lease runs out by itself.
    pub async fn let_go(&self, key: &str, owner: &str) -> Result<bool, BusError> {
        let mut cmd = script::LET_GO.call(&[key]);
        cmd.arg(owner);
        script::LET_GO.run_one(&self.link, cmd, self.settings.response_timeout).await
    }
}

fn owned(answer: &[String]) -> Result<Option<Owned>, BusError> {
    let [epoch, cursor] = answer else {
        return if answer.is_empty() {
            Ok(None)
        } else {
            Err(BusError::Reply(format!("{} values to a claim", answer.len())))
        };
    };
    let epoch = epoch.parse().map_err(|_| BusError::Reply(format!("the epoch `{epoch}`")))?;
    let cursor = if cursor.is_empty() { None } else { Some(cursor.parse()?) };
    Ok(Some(Owned { epoch, cursor }))
}
