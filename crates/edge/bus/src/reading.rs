//! Read-models: what a symbol, a feed or a service shows now. Each key has its own slot, so writes are pipelined and
//! not atomic together; they are idempotent and unfenced.

use std::collections::BTreeMap;
use std::time::Duration;

use redis::{Cmd, FromRedisValue, Pipeline, RedisResult, Value, from_redis_value};

use crate::{Bus, BusError};

/// One write of a read-model.
#[derive(Clone, Debug, PartialEq)]
pub enum Write {
    /// A string that runs out by itself.
    Json {
        /// The key.
        key: String,
        /// The text.
        json: String,
        /// Seconds of wall time; at least one.
        ttl_s: u32,
    },
    /// A member of a sorted set of which the highest scores are kept.
    History {
        /// The key.
        key: String,
        /// The score: milliseconds of event time.
        score: i64,
        /// The text.
        member: String,
        /// How many members stay.
        keep: u32,
    },
    /// What is not so any more.
    Forget {
        /// The key.
        key: String,
    },
}

/// A string, and how long it still stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The text.
    pub text: String,
    /// How long until it runs out, wall time; `None` = it does not.
    pub left: Option<Duration>,
}

/// What a scan may go through before it stops.
const LARGEST_SCAN: usize = 10_000;

impl Bus {
    /// Writes read-models in one round trip.
    ///
    /// # Errors
    /// Redis is away, or refuses one of them (the others are written).
    pub async fn write_readings(&self, writes: &[Write]) -> Result<(), BusError> {
        let mut pipe = Pipeline::new();
        for write in writes {
            match write {
                Write::Json { key, json, ttl_s } => {
                    pipe.cmd("SET").arg(key).arg(json).arg("EX").arg((*ttl_s).max(1));
                }
                Write::History { key, score, member, keep } => {
                    pipe.cmd("ZADD").arg(key).arg(*score).arg(member);
                    pipe.cmd("ZREMRANGEBYRANK").arg(key).arg(0).arg(-i64::from(*keep) - 1);
                }
                Write::Forget { key } => {
                    pipe.cmd("DEL").arg(key);
                }
            }
        }
        let answers = self.link.pipeline::<Value>(&mut pipe, self.settings.response_timeout).await?;
        answers.into_iter().try_for_each(|answer| answer.map(drop).map_err(|e| BusError::of(&e)))
    }

    /// The string at `key`.
    ///
    /// # Errors
    /// Redis is away, or the key holds another type.
    pub async fn get(&self, key: &str) -> Result<Option<String>, BusError> {
        text(self.link.query(redis::cmd("GET").arg(key), self.settings.response_timeout).await?)
    }

    /// The strings at these keys, in order.
    ///
    /// # Errors
    /// As [`Bus::get`].
    pub async fn get_many(&self, keys: &[String]) -> Result<Vec<Option<String>>, BusError> {
        let mut pipe = Pipeline::with_capacity(keys.len());
        for key in keys {
            pipe.cmd("GET").arg(key);
        }
        let answers = self.link.pipeline(&mut pipe, self.settings.response_timeout).await?;
        answers.into_iter().map(|answer| text(answer.map_err(|e| BusError::of(&e))?)).collect()
    }

    /// The strings at these keys, in order, each with its own result: one may hold another type. On a cluster one round
    /// trip a node.
    ///
    /// # Errors
    /// Redis is away.
    pub async fn get_each(&self, keys: &[String]) -> Result<Vec<Result<Option<String>, BusError>>, BusError> {
        let mut pipe = Pipeline::with_capacity(keys.len());
        for key in keys {
            pipe.cmd("GET").arg(key);
        }
        let answers = self.link.read_all(&mut pipe, self.settings.response_timeout).await?;
        let each = |answer: RedisResult<_>| text(answer.map_err(|e| BusError::of(&e))?);
        Ok(answers.into_iter().map(each).collect())
    }

    /// The same, each with how long it still stands: who writes it again and again shows by that when it did last.
    ///
    /// # Errors
    /// Redis is away.
    pub async fn standing(
        &self,
        keys: &[String],
    ) -> Result<Vec<Result<Option<Standing>, BusError>>, BusError> {
        let mut pipe = Pipeline::with_capacity(2 * keys.len());
        for key in keys {
            pipe.cmd("GET").arg(key).cmd("PTTL").arg(key);
        }
        let answers = self.link.read_all::<Value>(&mut pipe, self.settings.response_timeout).await?;
        let mut answers = answers.into_iter();
        let mut found = Vec::with_capacity(keys.len());
        while let (Some(text), Some(left)) = (answers.next(), answers.next()) {
            found.push(standing(text, left));
        }
        Ok(found)
    }

    /// The keys that match `pattern`, sorted, each once; at most 10 000 of each master of a cluster are gone through.
    ///
    /// # Errors
    /// Redis, or one of the masters, is away or refuses.
    pub async fn scan(&self, pattern: &str) -> Result<Vec<String>, BusError> {
        let limit = self.settings.response_timeout;
        let mut found = Vec::new();
        // Each master counts on its own, and a cursor says nothing to another.
        let mut cursors = BTreeMap::new();
        let mut looked_at = 0;
        let first = self.link.each_master::<(String, Vec<String>)>(&scan_from("0", pattern), limit).await?;
        for (master, answer) in first {
            let (next, keys) = answer?;
            found.extend(keys);
            cursors.insert(master, next);
        }
        while let Some((master, cursor)) = cursors.pop_first() {
            if cursor == "0" || looked_at >= LARGEST_SCAN {
                looked_at = 0;
                continue;
            }
            let (next, keys): (String, Vec<String>) =
                self.link.query_at(&master, &scan_from(&cursor, pattern), limit).await?;
            looked_at += keys.len();
            found.extend(keys);
            cursors.insert(master, next);
        }
        found.sort_unstable();
        found.dedup();
        found.truncate(LARGEST_SCAN);
        Ok(found)
    }

    /// Publishes messages in order, in one round trip, outside every fence: for what no engine says. On a cluster the
    /// order holds within a channel.
    ///
    /// # Errors
    /// Redis is away or refuses.
    pub async fn publish(&self, messages: &[(String, Vec<u8>)]) -> Result<(), BusError> {
        let mut pipe = Pipeline::with_capacity(messages.len());
        for (channel, message) in messages {
            pipe.cmd("PUBLISH").arg(channel).arg(message);
        }
        let answers = self.link.pipeline::<u64>(&mut pipe, self.settings.response_timeout).await?;
        answers.into_iter().try_for_each(|answer| answer.map(drop).map_err(|e| BusError::of(&e)))
    }
}

/// What stands there, if it is text: anybody may have written it.
fn text(bytes: Option<Vec<u8>>) -> Result<Option<String>, BusError> {
    let text = |bytes| String::from_utf8(bytes).map_err(|e| BusError::Reply(format!("no text: {e}")));
    bytes.map(text).transpose()
}

fn standing(at: RedisResult<Value>, left: RedisResult<Value>) -> Result<Option<Standing>, BusError> {
    let Some(text) = text(of(at)?)? else { return Ok(None) };
    // Gone in between: -2. For ever: -1.
    Ok(match of::<i64>(left)? {
        -2 => None,
        left => Some(Standing { text, left: u64::try_from(left).ok().map(Duration::from_millis) }),
    })
}

fn of<T: FromRedisValue>(answer: RedisResult<Value>) -> Result<T, BusError> {
    let value = answer.and_then(redis::Value::extract_error);
    from_redis_value(value.map_err(|e| BusError::of(&e))?).map_err(|e| BusError::Reply(e.to_string()))
}

fn scan_from(cursor: &str, pattern: &str) -> Cmd {
    let mut cmd = redis::cmd("SCAN");
    cmd.arg(cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(500);
    cmd
}
