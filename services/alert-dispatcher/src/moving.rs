//! What a destination has learned and must know after a restart: that it is off, and where its chat has moved.
//!
//! Both hold for the settings with which they were learned, and for no others.

use std::time::Duration;

use cascade_bus::{Bus, BusError, Write};
use cascade_notify::Sender;
use cascade_service::Shutdown;
use cascade_wire::dispatch;

use crate::destination::Target;
use crate::office::{FOR_EVER_S, Office, RETRY, missed, pause};
use crate::settling;

/// How often it is looked whether others have switched it off, wall time.
const LOOK: Duration = Duration::from_secs(5);

/// Takes up what was learned before, as soon as Redis answers; `false` = asked to stop before.
pub(crate) async fn take_up(office: &Office, target: &Target, sender: &Sender, shutdown: &Shutdown) -> bool {
    loop {
        let taken = match reopen(office, target).await {
            Ok(()) => follow(office, target, sender).await,
            Err(error) => Err(error),
        };
        match taken {
            Ok(()) => return true,
            Err(error) => missed("learned", &error),
        }
        if !pause(RETRY, shutdown).await {
            return false;
        }
    }
}

/// Looks again and again whether another dispatcher, of older settings, has switched it off: with those of this one it is
/// on. Until asked to stop.
pub(crate) async fn stay_open(office: &Office, target: &Target, shutdown: &Shutdown) {
    let name = &target.destination.name;
    while pause(LOOK, shutdown).await {
        let opened = match office.bus.off(name).await {
            Ok(Some(off)) if !off.ends_with(&settling::off_mark(target)) => reopen(office, target).await,
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = opened {
            missed("off", &error);
        }
    }
}

/// A destination that was switched off is on again if its settings are others than those that were refused.
async fn reopen(office: &Office, target: &Target) -> Result<(), BusError> {
    let name = &target.destination.name;
    let Some(off) = office.bus.off(name).await? else { return Ok(()) };
    let why = settling::why_off(&off);
    if off.ends_with(&settling::off_mark(target)) {
        tracing::error!(destination = name, why, "is off; mend it, then: cascade destinations check");
        return Ok(());
    }
    tracing::info!(destination = name, why, "was off, and has other settings now: on again");
    office.bus.open_again(name).await.map(drop)
}

/// What came of opening a destination again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opened {
    /// It was not off.
    WasOn,
    /// It was off, for this reason, and is told again.
    Again(String),
    /// It is off under other settings, for this reason: a dispatcher that starts with these opens it.
    OtherSettings(String),
}

/// Opens a destination again that was switched off under these settings, for its provider was asked and found good.
///
/// # Errors
/// Redis is away or refuses.
pub async fn open_again(bus: &Bus, target: &Target) -> Result<Opened, BusError> {
    let name = &target.destination.name;
    let Some(off) = bus.off(name).await? else { return Ok(Opened::WasOn) };
    let why = settling::why_off(&off).to_owned();
    if !off.ends_with(&settling::off_mark(target)) {
        return Ok(Opened::OtherSettings(why));
    }
    bus.open_again(name).await?;
    Ok(Opened::Again(why))
}

/// Sends to the chat that the configured one has become.
async fn follow(office: &Office, target: &Target, sender: &Sender) -> Result<(), BusError> {
    let kept = office.bus.get(&dispatch::moved(&target.destination.name)).await?;
    let kept = kept.as_deref().and_then(|kept| kept.split_once(' '));
    if let Some((settings, chat)) = kept
        && settings == target.settings.to_string()
    {
        sender.move_to(chat);
    }
    Ok(())
}

/// Keeps where the chat has moved.
pub(crate) async fn keep(office: &Office, target: &Target, moved: Option<&str>) -> Result<(), BusError> {
    let key = dispatch::moved(&target.destination.name);
    let write = match moved {
        Some(chat) => Write::Json { key, json: format!("{} {chat}", target.settings), ttl_s: FOR_EVER_S },
        None => Write::Forget { key },
    };
    office.bus.write_readings(&[write]).await
}
