//! What each market shows now. Goes through all keys that there are: read when somebody asks, not every second.

use std::collections::BTreeMap;

use cascade_bus::{Bus, BusError};
use cascade_wire::key;
use serde_json::{Map, Value};

use super::keys::{Unreadable, values};

/// Each symbol with its state, as it stands there.
pub(super) async fn read(
    bus: &Bus,
    unreadable: &mut Unreadable,
) -> Result<BTreeMap<String, Map<String, Value>>, BusError> {
    let states = values(bus, bus.scan(key::VELOCITIES).await?, unreadable).await?;
    Ok(states.into_iter().filter_map(|(key, state)| Some((symbol(&key)?, state))).collect())
}

/// The symbol in `velocity:SYMBOL:current`.
fn symbol(key: &str) -> Option<String> {
    Some(key.strip_prefix("velocity:")?.strip_suffix(":current")?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_another_shape_are_passed_over() {
        assert_eq!(symbol("velocity:BTCUSDT:current").as_deref(), Some("BTCUSDT"));
        assert_eq!(symbol("velocity:current"), None);
    }
}
