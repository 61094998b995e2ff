//! What was missed, asked for once more where a venue gives it. Knows how to ask; what the answers mean is the
//! protocol's affair, and what is missing in them nobody can tell.

use cascade_domain::{Event, EventTime};
use cascade_venues::{Decoded, Missed, Protocol, RestRequest};

use crate::rest::{Client, MOST_PAGES, RestError};
use crate::sink::Sink;

/// What became of asking again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backfilled {
    /// Events that were handed on; most of them may be known already.
    pub events: usize,
    /// First requests that were answered to the end.
    pub answered: usize,
    /// First requests that were not, or that were not made because the venue does not serve us for now.
    pub failed: usize,
}

impl Client {
    /// Asks for what was missed, and hands it to `sink` as history: each event by itself, in the order of their times
    /// as far as one question goes, received and known when it happened. Ten minutes of liquidations are not one
    /// second of them. What fails is logged and counted; `shutdown` wins every race.
    pub async fn backfill(
        &self,
        protocol: &dyn Protocol,
        missed: &Missed<'_>,
        sink: &mut dyn Sink,
        shutdown: impl Future<Output = ()>,
    ) -> Backfilled {
        let mut done = Backfilled::default();
        tokio::select! {
            biased;
            () = shutdown => {}
            () = self.ask_again(protocol, missed, sink, &mut done) => {}
        }
        done
    }

    async fn ask_again(
        &self,
        protocol: &dyn Protocol,
        missed: &Missed<'_>,
        sink: &mut dyn Sink,
        done: &mut Backfilled,
    ) {
        let requests = protocol.backfill(missed);
        for (at, first) in requests.iter().enumerate() {
            let mut events = Vec::new();
            let answered = self.pages(protocol, missed, first.clone(), (&mut events, sink)).await;
            done.events += events.len();
            hand_on(events, self.now(), sink);
            let Err(error) = answered else {
                done.answered += 1;
                continue;
            };
            let (venue, left) = (protocol.venue().as_str(), requests.len() - at - 1);
            done.failed += 1;
            if error.may_pass() || matches!(error, RestError::Refused { .. }) {
                done.failed += left;
                tracing::warn!(venue, %error, left, "what was missed can't be asked for");
                return;
            }
            tracing::warn!(venue, %error, "a part of what was missed can't be had");
        }
    }

    /// One question with all its pages; what was read before a failure is kept.
    async fn pages(
        &self,
        protocol: &dyn Protocol,
        missed: &Missed<'_>,
        first: RestRequest,
        (events, sink): (&mut Vec<Event>, &mut dyn Sink),
    ) -> Result<(), RestError> {
        let venue = protocol.venue();
        let (mut next, mut pages, mut decoded) = (Some(first), 0, Decoded::default());
        while let Some(request) = next {
            pages += 1;
            if pages > MOST_PAGES {
                return Err(RestError::TooManyPages { venue });
            }
            let body = self.page(protocol, &request).await?;
            next = protocol
                .read_backfill(&request, &body, missed, &mut decoded)
                .map_err(|error| RestError::NotUnderstood { venue, url: request.url.clone(), error })?;
            decoded.refused.drain(..).for_each(|error| sink.refused(&error));
            events.append(&mut decoded.events);
        }
        Ok(())
    }
}

/// Hands events on as history: known when they happened, although they come now.
fn hand_on(events: Vec<Event>, now: EventTime, sink: &mut dyn Sink) {
    let mut dated: Vec<(EventTime, Event)> =
        events.into_iter().filter_map(|event| Some((happened(&event)?, event))).collect();
    dated.sort_by_key(|(at, _)| *at);
    let mut decoded = Decoded::default();
    for (at, mut event) in dated {
        event.stamp(at);
        decoded.events.push(event);
    }
    if !decoded.events.is_empty() {
        sink.events(now, &mut decoded);
    }
}

/// When it happened; only liquidations are asked for.
const fn happened(event: &Event) -> Option<EventTime> {
    match event {
        Event::Liquidation(liquidation) => Some(liquidation.event_time_ms),
        _ => None,
    }
}
