//! A Redis per test.

use std::time::Duration;

use cascade_bus::{Bus, BusError, BusSettings, PortChoice, PrivateRedis};

/// A private server on a free port, ended when dropped.
#[derive(Debug)]
pub struct TestRedis {
    /// The server, to be killed, frozen and restarted.
    pub server: PrivateRedis,
}

impl TestRedis {
    /// Starts one that keeps nothing over a restart.
    ///
    /// # Errors
    /// redis-server is not installed or does not start.
    pub async fn start() -> Result<Self, BusError> {
        Ok(Self { server: PrivateRedis::start(PortChoice::Free).await? })
    }

    /// Starts one that loses nothing over a restart.
    ///
    /// # Errors
    /// As [`TestRedis::start`].
    pub async fn start_append_only() -> Result<Self, BusError> {
        Ok(Self { server: PrivateRedis::start_append_only(PortChoice::Free).await? })
    }

    /// Its URL.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// A bus to it that notices outages fast: commands fail after 1 s, probes go every 200 ms.
    ///
    /// # Errors
    /// Never in practice: the URL is good.
    pub fn bus(&self, instance: &str) -> Result<Bus, BusError> {
        alert_bus(&self.url(), instance)
    }
}

/// A bus that notices outages fast.
pub(crate) fn alert_bus(url: &str, instance: &str) -> Result<Bus, BusError> {
    let settings = BusSettings {
        response_timeout: Duration::from_secs(1),
        connect_timeout: Duration::from_secs(1),
        longest_wait: Duration::from_millis(200),
        probe_interval: Duration::from_millis(200),
        instance: instance.to_owned(),
        ..BusSettings::default()
    };
    Bus::open(url, settings)
}
