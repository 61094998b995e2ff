//! For tests alone: a Redis or a cluster of their own, an observer that reads what services publish through a client
//! that is not theirs, programs as a shell runs them, a clock that may run fast, and waiting for a condition instead of
//! for a time. And the providers that alerts go to, with every rule that they hold their clients to.

mod clock;
mod cluster;
mod observer;
mod process;
mod provider;
mod random;
mod redis;

use std::time::Duration;

pub use clock::TestClock;
pub use cluster::{ClusterNode, TestCluster};
pub use observer::{Observed, ObservedEntry, Observer, ObserverError};
pub use process::TestProcess;
pub use provider::{
    Behaviour, DiscordRules, FakeChat, FakeDiscord, FakeSlack, FakeTelegram, FakeWebhook, Rate, SlackRules,
    TelegramRules, TestMessage, WebhookRules,
};
pub use random::Random;
pub use redis::TestRedis;

/// Whether `condition` came true within `deadline` of wall time; asks every 10 ms.
pub async fn eventually(deadline: Duration, mut condition: impl AsyncFnMut() -> bool) -> bool {
    let asking = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(deadline, asking).await.is_ok()
}
