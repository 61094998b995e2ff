//! Whether the system does its work: judges one look, by rules alone. Knows neither Redis nor HTTP.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

/// What `GET /health` says.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct Report {
    /// Whether Redis answers and every expected service does its work.
    pub healthy: bool,
    /// How many of the expected services do, of how many: `4/4`.
    pub services_healthy: String,
    /// Since the coordinator started, wall time.
    pub uptime_seconds: u64,
    /// When it looked last, RFC 3339 in UTC.
    pub last_check: String,
    /// Each expected service.
    pub services: BTreeMap<String, ServiceReport>,
    /// What is wrong besides, by name: `redis`, `ticks`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub reasons: BTreeMap<String, String>,
}

/// What is said of one expected service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct ServiceReport {
    /// Whether at least one replica is ready, and none fell silent.
    pub healthy: bool,
    /// Replicas whose heartbeat stands.
    pub replicas: u32,
    /// Why it is not healthy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
