//! What is let in: figures that make sense, and times that an exchange's event can bear and that are not in the future.

use cascade_domain::{Event, EventTime, Unusable};

use crate::Refused;

/// Refuses an event whose figures make no sense.
///
/// # Errors
/// A number that is none, or a time outside of those that events bear.
#[inline]
pub fn figures(event: &Event) -> Result<(), Refused> {
    event.check().map_err(|unusable| match unusable {
        Unusable::Number { .. } => Refused::NotANumber,
        Unusable::Time { value, .. } if value > EventTime::LATEST => Refused::FromTheFuture,
        Unusable::Time { .. } => Refused::Late,
    })
}

/// Refuses a time that no event of an exchange can bear, or one beyond `latest`.
///
/// # Errors
/// [`Refused::Late`] before the earliest time of all, [`Refused::FromTheFuture`] beyond the latest or beyond `latest`.
#[inline]
pub fn time(at: EventTime, latest: Option<EventTime>) -> Result<(), Refused> {
    if at < EventTime::EARLIEST {
        return Err(Refused::Late);
    }
    if at > EventTime::LATEST || latest.is_some_and(|latest| at > latest) {
        return Err(Refused::FromTheFuture);
    }
    Ok(())
}
