//! What anybody outside would see on Redis: channels and streams, read through `fred`, a client that shares no code
//! with the services' own.

use std::time::Duration;

use fred::clients::{Client, SubscriberClient};
use fred::interfaces::{ClientLike, EventInterface, PubsubInterface};
use fred::types::config::{Config, ReconnectPolicy};
use fred::types::{Builder, ClusterHash, CustomCommand, Message, Value as RedisValue};
use serde_json::Value;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

/// Why the observer can't go on.
#[derive(Debug, thiserror::Error)]
pub enum ObserverError {
    /// The client's own error.
    #[error("the observer: {0}")]
    Redis(#[from] fred::error::Error),
    /// The condition did not come true.
    #[error("not within {deadline:?}; {} messages were seen, the last: {last}", .seen)]
    Deadline {
        /// How long it waited.
        deadline: Duration,
        /// How many messages it has.
        seen: usize,
        /// The last of them.
        last: String,
    },
    /// More messages came than the observer holds: a test that looks must look more often.
    #[error("the observer missed {0} messages")]
    Missed(u64),
    /// The client ended.
    #[error("the observer's client ended")]
    Ended,
}

/// A message of a channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Observed {
    /// The channel.
    pub channel: String,
    /// What was published.
    pub bytes: Vec<u8>,
    /// That, read as JSON on channels that end in `:json`, else as MessagePack; `Null` if it can't be read.
    pub value: Value,
}

/// An entry of a stream.
#[derive(Clone, Debug, PartialEq)]
pub struct ObservedEntry {
    /// Its id.
    pub id: String,
    /// Its events or findings: field `e`, or the elements of field `b`, read as MessagePack.
    pub values: Vec<Value>,
}

/// A second, independent pair of eyes on Redis.
pub struct Observer {
    subscriber: SubscriberClient,
    commands: Client,
    messages: Receiver<Message>,
    seen: Vec<Observed>,
}

impl std::fmt::Debug for Observer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Observer").field("seen", &self.seen.len()).finish_non_exhaustive()
    }
}

impl Observer {
    /// Connects and subscribes; from here on nothing of these channels is missed.
    ///
    /// # Errors
    /// Redis is not there.
    pub async fn connect(url: &str, channels: &[&str]) -> Result<Self, ObserverError> {
        let mut builder = Builder::from_config(Config::from_url(url)?);
        builder
            .with_performance_config(|performance| performance.broadcast_channel_capacity = 65_536)
            .set_policy(ReconnectPolicy::new_constant(0, 50));
        let subscriber = builder.build_subscriber_client()?;
        let commands = builder.build()?;
        subscriber.init().await?;
        commands.init().await?;
        let messages = subscriber.message_rx();
        if !channels.is_empty() {
            let channels: Vec<String> = channels.iter().map(|&channel| channel.to_owned()).collect();
            subscriber.subscribe(channels).await?;
        }
        Ok(Self { subscriber, commands, messages, seen: Vec::new() })
    }

    /// Everything seen so far, in order.
    pub fn seen(&self) -> &[Observed] {
        &self.seen
    }

    /// Collects messages until `condition` holds of all that was seen.
    ///
    /// # Errors
    /// It does not within `deadline` of wall time.
    pub async fn wait_for(
        &mut self,
        deadline: Duration,
        condition: impl Fn(&[Observed]) -> bool,
    ) -> Result<&[Observed], ObserverError> {
        let collecting = async {
            while !condition(&self.seen) {
                match self.messages.recv().await {
                    Ok(message) => self.seen.push(observed(&message)),
                    Err(RecvError::Lagged(missed)) => return Err(ObserverError::Missed(missed)),
                    Err(RecvError::Closed) => return Err(ObserverError::Ended),
                }
            }
            Ok(())
        };
        let Ok(result) = tokio::time::timeout(deadline, collecting).await else {
            let last = self.seen.last().map_or_else(|| "none".to_owned(), |m| format!("{m:?}"));
            return Err(ObserverError::Deadline { deadline, seen: self.seen.len(), last });
        };
        result?;
        Ok(&self.seen)
    }

    /// The whole stream at `key`, oldest first.
    ///
    /// # Errors
    /// Redis is not there, or the key is no stream.
    pub async fn stream(&self, key: &str) -> Result<Vec<ObservedEntry>, ObserverError> {
        let raw: Vec<(String, Vec<RedisValue>)> = self.command("XRANGE", &[key, "-", "+"]).await?;
        Ok(raw.into_iter().map(|(id, fields)| ObservedEntry { id, values: values(&fields) }).collect())
    }

    /// The JSON at `key`; `None` if there is nothing, `Null` if it is no JSON.
    ///
    /// # Errors
    /// Redis is not there, or the key is no string.
    pub async fn reading(&self, key: &str) -> Result<Option<Value>, ObserverError> {
        let text: Option<String> = self.command("GET", &[key]).await?;
        Ok(text.map(|text| serde_json::from_str(&text).unwrap_or(Value::Null)))
    }

    /// Any command, as a person would type it.
    ///
    /// # Errors
    /// Redis is not there or refuses.
    pub async fn command<T: fred::types::FromValue>(
        &self,
        name: &'static str,
        args: &[&str],
    ) -> Result<T, ObserverError> {
        let args: Vec<String> = args.iter().map(|&arg| arg.to_owned()).collect();
        let command = CustomCommand::new_static(name, ClusterHash::FirstKey, false);
        Ok(self.commands.custom(command, args).await?)
    }

    /// Ends both connections.
    ///
    /// # Errors
    /// Redis is not there any more.
    pub async fn close(self) -> Result<(), ObserverError> {
        self.subscriber.quit().await?;
        Ok(self.commands.quit().await?)
    }
}

fn observed(message: &Message) -> Observed {
    let channel = message.channel.to_string();
    let bytes = message.value.as_bytes().map(<[u8]>::to_vec).unwrap_or_default();
    let value = if channel.ends_with(":json") {
        serde_json::from_slice(&bytes).unwrap_or(Value::Null)
    } else {
        unpacked(&bytes)
    };
    Observed { channel, bytes, value }
}

fn unpacked(bytes: &[u8]) -> Value {
    rmp_serde::from_slice(bytes).unwrap_or(Value::Null)
}

fn values(fields: &[RedisValue]) -> Vec<Value> {
    let mut values = Vec::new();
    for pair in fields.chunks_exact(2) {
        let bytes = pair[1].as_bytes().unwrap_or_default();
        match (pair[0].as_str().as_deref(), unpacked(bytes)) {
            (Some("e"), value) => values.push(value),
            (Some("b"), Value::Array(many)) => values.extend(many),
            _ => values.push(Value::Null),
        }
    }
    values
}
