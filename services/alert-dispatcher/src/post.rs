//! What only one dispatcher does at a time: the decider, the auditor and the watchdog, under one lease.
//!
//! A dispatcher that dies is followed when its lease has run out, one that stops gives it back.

use std::time::Duration;

use cascade_service::{Lease, Metric, Shutdown};
use cascade_wire::dispatch;

use crate::auditor::Auditor;
use crate::decider::Decider;
use crate::destination::Target;
use crate::office::{Office, pause};
use crate::watchdog;

/// How often a lease that another has is asked for, wall time.
const ASK: Duration = Duration::from_millis(500);
/// How often it is looked whether anybody has it, wall time.
const LOOK: Duration = Duration::from_secs(1);

/// The post of who decides.
#[derive(Debug)]
pub(crate) struct Post {
    pub(crate) office: Office,
    pub(crate) decider: Decider,
    pub(crate) targets: Vec<Target>,
    /// How often the watchdog's alert is sent, of the clock; `None` = there is none.
    pub(crate) watchdog: Option<Duration>,
}

impl Post {
    /// Waits for the lease, decides while it is ours, and gives it back at the end.
    pub(crate) async fn hold(mut self, shutdown: Shutdown) {
        let (bus, owner) = (self.office.bus.clone(), self.office.context.instance.clone());
        let lease = Lease::new(bus, dispatch::DECIDER_LEASE.to_owned(), owner);
        while lease.take(|| ASK, &shutdown).await {
            let auditor = Auditor::new(self.office.clone(), self.targets.clone());
            let (office, every) = (self.office.clone(), self.watchdog);
            let signs = async {
                match every {
                    Some(every) => watchdog::run(office, every, shutdown.clone()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = lease.keep_strictly(&shutdown) => {}
                ((), (), ()) = async { tokio::join!(self.decider.run(), auditor.run(shutdown.clone()), signs) } => {}
            }
            self.office.metrics().forget(Metric::DispatchLag);
            if shutdown.is_requested() {
                lease.let_go().await;
                return;
            }
            tracing::info!("decides no more: the lease is another's, or may be");
        }
    }
}

/// Says in the health condition `decider` whether somebody decides, until asked to stop.
pub(crate) async fn watch(office: Office, shutdown: Shutdown) {
    let health = &office.context.health;
    health.set("decider", Err("nobody decides yet".to_owned()));
    loop {
        let state = match office.bus.get(dispatch::DECIDER_LEASE).await {
            Ok(Some(_)) => Ok(()),
            Ok(None) => Err(format!("nobody decides: {} is free", dispatch::DECIDER_LEASE)),
            Err(error) => Err(format!("who decides is not known: {error}")),
        };
        health.set("decider", state);
        if !pause(LOOK, &shutdown).await {
            return;
        }
    }
}
