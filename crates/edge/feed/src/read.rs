//! What is done with a text frame once it is there, whether it came on a connection or stands in a recording.

use cascade_domain::EventTime;
use cascade_venues::{Decoded, Instruments, Meaning, Protocol};

use crate::sink::{Frame, Sink};

/// Tells the frame itself, then what was refused of it; its events are left in `decoded`, for [`tell_events`].
/// `None` if nothing in it could be understood.
pub fn read_frame(
    protocol: &dyn Protocol,
    frame: Frame<'_>,
    instruments: &Instruments,
    decoded: &mut Decoded,
    sink: &mut dyn Sink,
) -> Option<Meaning> {
    sink.frame(frame);
    match protocol.decode(frame.text, instruments, decoded) {
        Ok(meaning) => {
            decoded.refused.drain(..).for_each(|error| sink.refused(&error));
            Some(meaning)
        }
        Err(error) => {
            sink.refused(&error);
            None
        }
    }
}

/// Tells the events of the frame that was read last, stamped with when it was received; none where market data came
/// that holds nothing for us.
pub fn tell_events(meaning: &Meaning, received: EventTime, decoded: &mut Decoded, sink: &mut dyn Sink) {
    if *meaning == Meaning::Market || !decoded.events.is_empty() {
        decoded.events.iter_mut().for_each(|event| event.stamp(received));
        sink.events(received, decoded);
    }
}
