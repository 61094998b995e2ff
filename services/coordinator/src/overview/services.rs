//! Who runs: the heartbeats, and how long ago each was renewed.

use std::time::Duration;

use cascade_bus::{Bus, BusError, Standing};
use cascade_service::HEARTBEAT_TTL;
use cascade_wire::{Heartbeat, key};
use serde::Serialize;

use super::keys::{Unreadable, or_named, parsed};

/// A process of a service.
#[derive(Clone, Debug, Serialize)]
pub struct Service {
    /// The service.
    pub name: String,
    /// Which of its replicas.
    pub instance: String,
    /// What it says of itself.
    #[serde(flatten)]
    pub heartbeat: Heartbeat,
    /// How long ago it said so, milliseconds of wall time by Redis' clock; absent where the key has no end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub beat_age_ms: Option<u64>,
}

impl Service {
    /// From the key `service:NAME:INSTANCE`.
    fn of(key: &str, heartbeat: Heartbeat, left: Option<Duration>) -> Option<Self> {
        let (name, instance) = key.strip_prefix("service:")?.split_once(':')?;
        let age = left.map(|left| HEARTBEAT_TTL.saturating_sub(left).as_millis());
        Some(Self {
            name: name.to_owned(),
            instance: instance.to_owned(),
            heartbeat,
            beat_age_ms: age.and_then(|age| u64::try_from(age).ok()),
        })
    }
}

/// The keys of all heartbeats that stand. Goes through all keys that there are: not for every second.
///
/// # Errors
/// Redis is away.
pub(crate) async fn heartbeats(bus: &Bus) -> Result<Vec<String>, BusError> {
    bus.scan(key::HEARTBEATS).await
}

/// What stands at these keys, in their order.
pub(super) async fn read(
    bus: &Bus,
    keys: &[String],
    unreadable: &mut Unreadable,
) -> Result<Vec<Service>, BusError> {
    let mut services = Vec::new();
    for (key, answer) in keys.iter().zip(bus.standing(keys).await?) {
        let Some(Some(Standing { text, left })) = or_named(key, answer, unreadable)? else { continue };
        let heartbeat = parsed(key, &text, unreadable);
        services.extend(heartbeat.and_then(|heartbeat| Service::of(key, heartbeat, left)));
    }
    Ok(services)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_another_shape_are_passed_over_and_what_is_left_of_a_key_tells_its_age() {
        let heartbeat: Heartbeat = serde_json::from_str(r#"{"version":"0.1.0","uptime_s":5}"#).unwrap();
        let of =
            |key: &str, left_ms| Service::of(key, heartbeat.clone(), Some(Duration::from_millis(left_ms)));
        assert!(of("service:alone", 1).is_none() && of("members:x:y", 1).is_none());
        let service = of("service:x:host:7", 4_000).unwrap();
        assert_eq!((service.name.as_str(), service.instance.as_str()), ("x", "host:7"));
        assert_eq!(service.beat_age_ms, Some(11_000));
        assert_eq!(of("service:x:y", 60_000).unwrap().beat_age_ms, Some(0), "of a longer life than ours");
        assert_eq!(Service::of("service:x:y", heartbeat.clone(), None).unwrap().beat_age_ms, None);
    }
}
