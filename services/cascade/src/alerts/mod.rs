//! Commands on alerts: what was told to whom, what could not be, and what is asked of the dispatcher.
//!
//! Each command is a file. They speak with the dispatcher over Redis alone, and know no provider but to check it.

mod ack;
mod asking;
mod destinations;
mod dlq;
mod history;
mod mute;
mod span;
mod trial;

use std::io::{self, Write as _};

use cascade_bus::{Bus, BusError, BusSettings, RedisUrl};
use cascade_service::random_seed;
use cascade_wire::key;

pub(crate) use ack::{AckArgs, run as ack};
pub(crate) use destinations::{DestinationsArgs, run as destinations};
pub(crate) use dlq::{DlqArgs, run as dlq};
pub(crate) use history::{HistoryArgs, run as history};
pub(crate) use mute::{MuteArgs, MutesArgs, UnmuteArgs, mute, mutes, text as mutes_text, unmute};
pub(crate) use trial::{TrialArgs, run as trial};

use crate::{DONE, FAILED};

/// The service that is asked.
const DISPATCHER: &str = "alert-dispatcher";

/// A Redis that answers, to be asked in the name of a command.
///
/// # Errors
/// It does not answer, or can't be used.
async fn bus(redis: &RedisUrl) -> Result<Bus, BusError> {
    // Only jitter hangs on it.
    let seed = random_seed().unwrap_or_default();
    let settings = BusSettings { instance: format!("cli-{seed:016x}"), seed, ..BusSettings::default() };
    let bus = Bus::open(redis.as_str(), settings)?;
    bus.ready().await?;
    Ok(bus)
}

/// Why a command can't ask Redis, and what to do about it; gives the exit code.
fn unreachable(command: &str, redis: &RedisUrl, error: &BusError) -> u8 {
    note(command, &error.to_string());
    note(
        command,
        &format!("asked {redis}; start everything with `cascade up`, or name another: --redis-url URL"),
    );
    FAILED
}

/// Whether a dispatcher runs.
async fn has_dispatcher(bus: &Bus) -> Result<bool, BusError> {
    let keys = bus.scan(&key::heartbeats_of(DISPATCHER)).await?;
    Ok(!keys.is_empty())
}

/// A line on stderr; if nobody reads it, the exit code still tells.
fn note(command: &str, text: &str) {
    writeln!(io::stderr(), "cascade {command}: {text}").ok();
}

/// Writes what was asked for; gives the exit code. Nobody who reads any more is no failure.
fn print(command: &str, text: &str) -> u8 {
    match writeln!(io::stdout(), "{}", text.trim_end()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            note(command, &format!("can't write to stdout: {error}"));
            FAILED
        }
        _ => DONE,
    }
}
