//! Who may write a shard's findings: leases with an epoch that fences the former owner, commits that happen once, and
//! the plain lease of the tick writer. Every check and its writes are one script.

use cascade_domain::Shard;
use cascade_wire::{EngineKeys, key};

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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owned {
    /// The fence; larger than every earlier owner's, also after Redis restarted empty.
    pub epoch: u64,
    /// Up to where findings are out; `None` = nothing yet, read from [`StreamId::ZERO`].
    pub cursor: Option<StreamId>,
    /// The engine's last snapshot, as it was committed; `None` = there is none.
    pub state: Option<Vec<u8>>,
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
    /// The last of these entries; `from` itself if there is only a snapshot to keep.
    pub to: StreamId,
    /// Findings for the shard's alert stream, encoded.
    pub durable: Vec<Vec<u8>>,
    /// Channel and message, in order.
    pub publish: Vec<(String, Vec<u8>)>,
    /// The engine's snapshot as of `to`; `None` leaves the one there is.
    pub state: Option<Vec<u8>>,
}

impl Batch {
    /// About how many bytes go to Redis.
    fn bytes(&self) -> usize {
        let durable: usize = self.durable.iter().map(Vec::len).sum();
        let publish: usize = self.publish.iter().map(|(_, message)| message.len()).sum();
        durable + publish + self.state.as_ref().map_or(0, Vec::len)
    }
}

/// How many of these batches, at least one, go to Redis in one round trip: its answer is waited for only so long.
fn round_trip(batches: &[Batch]) -> usize {
    let mut bytes = 0_usize;
    let fits = batches.iter().take_while(|batch| {
        bytes = bytes.saturating_add(batch.bytes());
        bytes <= MOST_BYTES
    });
    fits.count().max(1)
}

/// What became of a batch. `Fenced` and `CursorMoved` have written nothing.
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

/// What goes to Redis in one round trip, if it is more than one batch.
const MOST_BYTES: usize = 8 << 20;
/// How many shards are taken in one round trip: each may bring a snapshot of megabytes.
const TAKEN_AT_ONCE: usize = 8;

impl Bus {
    /// Says that `member` of `group` lives (`None` = only listen), and tells which do, in order of their names, each with
    /// when it last said so: those heard of within `ttl_ms` of Redis' clock, milliseconds.
    ///
    /// # Errors
    /// Redis is away or refuses.
    pub async fn meet(
        &self,
        group: &str,
        member: Option<&str>,
        ttl_ms: u64,
    ) -> Result<Vec<(String, i64)>, BusError> {
        let mut cmd = script::MEET.call(&[&key::members(group)]);
        cmd.arg(member.unwrap_or_default()).arg(ttl_ms);
        script::MEET.run_one(&self.link, cmd, self.settings.response_timeout).await
    }

    /// Takes leave of a group.
    ///
    /// # Errors
    /// Redis is away or refuses; the others notice after the time that the last word holds.
    pub async fn part(&self, group: &str, member: &str) -> Result<(), BusError> {
        let mut cmd = redis::cmd("ZREM");
        cmd.arg(key::members(group)).arg(member);
        self.link.query::<u64>(&cmd, self.settings.response_timeout).await.map(drop)
    }

    /// Who owns each shard for an engine: the owner of [`Claim`], or `None` where no lease is live or can be read.
    ///
    /// # Errors
    /// Redis is away.
    pub async fn owners(&self, engine: &str) -> Result<Vec<Option<String>>, BusError> {
        let mut pipe = redis::Pipeline::new();
        for shard in Shard::all() {
            pipe.cmd("GET").arg(EngineKeys::of(shard, engine).lease);
        }
        let answers = self.link.pipeline(&mut pipe, self.settings.response_timeout).await?;
        Ok(answers.into_iter().map(|answer| answer.ok().flatten()).collect())
    }

    /// Takes shards whose lease is free (or was this owner's): for each the new epoch and the cursor, or `None` if
    /// somebody else's lease is live; or why this shard alone was not taken, or was taken and can't be used.
    pub async fn take(&self, claim: &Claim, shards: &[Shard]) -> Vec<Result<Option<Owned>, BusError>> {
        let mut taken = Vec::with_capacity(shards.len());
        for some in shards.chunks(TAKEN_AT_ONCE) {
            let calls = some.iter().map(|shard| {
                let keys = EngineKeys::of(*shard, &claim.engine);
                let mut cmd = script::TAKE.call(&[&keys.lease, &keys.epoch, &keys.cursor, &keys.state]);
                cmd.arg(&claim.owner).arg(claim.ttl_ms);
                cmd
            });
            match script::TAKE.run::<Vec<Vec<u8>>>(&self.link, calls, self.settings.response_timeout).await {
                Ok(answers) => taken.extend(answers.into_iter().map(|answer| answer.and_then(owned))),
                Err(error) => {
                    // Redis is away: the others need not be tried.
                    taken.resize(shards.len(), Err(error));
                    break;
                }
            }
        }
        taken
    }

    /// Renews the leases of shards held under these epochs: `false` = it is not ours any more. Each has its own result.
    ///
    /// # Errors
    /// Redis is away.
    pub async fn renew(
        &self,
        claim: &Claim,
        shards: &[(Shard, u64)],
    ) -> Result<Vec<Result<bool, BusError>>, BusError> {
        let calls = shards.iter().map(|(shard, epoch)| {
            let keys = EngineKeys::of(*shard, &claim.engine);
            let mut cmd = script::RENEW.call(&[&keys.lease, &keys.epoch]);
            cmd.arg(&claim.owner).arg(epoch).arg(claim.ttl_ms);
            cmd
        });
        script::RENEW.run::<bool>(&self.link, calls, self.settings.response_timeout).await
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

    /// Puts out batches of many shards in few round trips; each has its own result, in the order given.
    ///
    /// # Errors
    /// As [`Bus::commit`]; of some of them it may be known that they came through, and is not told.
    pub async fn commit_many(
        &self,
        engine: &str,
        batches: &[Batch],
    ) -> Result<Vec<Result<Commit, BusError>>, BusError> {
        let mut results = Vec::with_capacity(batches.len());
        while let Some(rest) = batches.get(results.len()..).filter(|rest| !rest.is_empty()) {
            results.extend(self.commit_some(engine, &rest[..round_trip(rest)]).await?);
        }
        Ok(results)
    }

    async fn commit_some(
        &self,
        engine: &str,
        batches: &[Batch],
    ) -> Result<Vec<Result<Commit, BusError>>, BusError> {
        let bounds = self.settings.alerts;
        let calls = batches.iter().map(|batch| {
            let keys = EngineKeys::of(batch.shard, engine);
            let mut cmd = script::COMMIT.call(&[
                &keys.epoch,
                &keys.cursor,
                &keys.alerts,
                &keys.state,
                &key::snapshots(batch.shard),
                &key::alerts_read(batch.shard),
            ]);
            cmd.arg(batch.epoch).arg(batch.from.to_string()).arg(batch.to.to_string());
            cmd.arg(bounds.max_len).arg(bounds.max_age_ms());
            cmd.arg(engine).arg(batch.state.as_deref().unwrap_or_default());
            cmd.arg(batch.durable.len()).arg(&batch.durable);
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

fn owned(answer: Vec<Vec<u8>>) -> Result<Option<Owned>, BusError> {
    let answer: [Vec<u8>; 3] = match answer.try_into() {
        Ok(answer) => answer,
        Err(other) if other.is_empty() => return Ok(None),
        Err(other) => return Err(BusError::Reply(format!("{} values to a claim", other.len()))),
    };
    let [epoch, cursor, state] = answer;
    let (epoch, cursor) = (String::from_utf8_lossy(&epoch), String::from_utf8_lossy(&cursor));
    let cursor = if cursor.is_empty() { None } else { Some(cursor.parse()?) };
    let epoch = epoch.parse().map_err(|_| BusError::Reply(format!("the epoch `{epoch}`")))?;
    Ok(Some(Owned { epoch, cursor, state: (!state.is_empty()).then_some(state) }))
}
