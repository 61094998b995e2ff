//! What the tests share: a server of their own, a bus that gives up waiting early, and waiting for a condition.

use std::time::Duration;

use cascade_bus::{Bus, BusSettings, PortChoice, PrivateRedis, StreamBounds};
use cascade_domain::Shard;

pub(crate) const BOUNDS: StreamBounds = StreamBounds { max_age_s: 600, max_len: 100_000, for_snapshots_s: 0 };
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

pub(crate) fn shard(number: u8) -> Shard {
    Shard::new(number).unwrap()
}

/// A private server and a bus to it that probes every 200 ms.
pub(crate) async fn redis() -> (PrivateRedis, Bus) {
    let server = PrivateRedis::start(PortChoice::Free).await.unwrap();
    let bus = bus(&server);
    (server, bus)
}

/// Any command, as a person would type it.
pub(crate) async fn ask(server: &PrivateRedis, cmd: &redis::Cmd) {
    let client = redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    cmd.exec_async(&mut connection).await.unwrap();
}

pub(crate) fn bus(server: &PrivateRedis) -> Bus {
    Bus::open(&server.url(), settings()).unwrap()
}

/// Gives up waiting early.
pub(crate) fn settings() -> BusSettings {
    BusSettings {
        response_timeout: Duration::from_secs(1),
        connect_timeout: Duration::from_secs(1),
        longest_wait: Duration::from_millis(200),
        probe_interval: Duration::from_millis(200),
        instance: "test".to_owned(),
        ..BusSettings::default()
    }
}

/// Tries until it works; fails the test after the deadline.
pub(crate) async fn eventually<T, E: std::fmt::Debug>(mut attempt: impl AsyncFnMut() -> Result<T, E>) -> T {
    let mut last = None;
    let tries = async {
        loop {
            match attempt().await {
                Ok(value) => return value,
                Err(error) => last = Some(error),
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let value = tokio::time::timeout(DEADLINE, tries).await;
    value.unwrap_or_else(|_| panic!("not within {DEADLINE:?}: {last:?}"))
}
