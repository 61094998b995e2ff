//! The watchdog: every few minutes an order for a sign of life, which goes the whole way of an alert.
//!
//! That it arrived, its own destination says to a dead man's switch; this only sends it on its way.

use std::time::Duration;

use cascade_domain::{Ask, IdHasher, Order};
use cascade_service::Shutdown;

use crate::office::{Office, RETRY, missed, pause};

/// Who asks for the sign.
const NAME: &str = "watchdog";

/// Asks for a sign of life each `every` of the clock, until asked to stop or dropped.
pub(crate) async fn run(office: Office, every: Duration, shutdown: Shutdown) {
    loop {
        let now = office.now();
        let id = IdHasher::new(NAME).text(&office.context.instance).int(now.ms()).finish();
        let order = Order { at_ms: now, by: NAME.to_owned(), what: Ask::Watchdog { id } };
        let wait = match office.bus.order(&order).await {
            Ok(()) => office.context.clock.wall(every),
            Err(error) => {
                missed(NAME, &error);
                RETRY
            }
        };
        if !pause(wait, &shutdown).await {
            return;
        }
    }
}
