//! Liquidations that no connection heard, asked for once more where the exchange gives them. The gap stays told:
//! that an answer is whole nobody can tell.

use std::sync::Arc;

use cascade_domain::{EventTime, GapStream};
use cascade_feed::rest::Client;
use cascade_feed::{Frame, Note, Sink};
use cascade_service::{Metric, Shutdown};
use cascade_venues::{DecodeError, Decoded, Instruments, Missed, Route};
use tokio::sync::{mpsc, watch};

use super::Reader;
use crate::intake::SharedIntake;

/// How far back is asked for. Redis knows for 15 minutes which events it has: of older ones there would be two.
const FURTHEST_MS: i64 = 14 * 60_000;

/// A span in which liquidations were not heard, and where those that are had after all belong.
#[derive(Clone, Debug)]
pub(crate) struct Outage {
    from: EventTime,
    to: EventTime,
    intake: SharedIntake,
}

/// The intake of a connection; that it is live again goes to those who make up for what was missed.
#[derive(Debug)]
pub(crate) struct Hearing {
    intake: SharedIntake,
    /// Whether it carries liquidations.
    carries: bool,
    outages: mpsc::Sender<Outage>,
}

impl Hearing {
    pub(crate) fn new(intake: SharedIntake, route: &Route, outages: mpsc::Sender<Outage>) -> Self {
        let carries = route.streams().any(|(stream, _)| stream == GapStream::Liquidations);
        Self { intake, carries, outages }
    }
}

impl Sink for Hearing {
    fn frame(&mut self, frame: Frame<'_>) {
        self.intake.frame(frame);
    }

    fn events(&mut self, received: EventTime, decoded: &mut Decoded) {
        self.intake.events(received, decoded);
    }

    fn refused(&mut self, error: &DecodeError) {
        self.intake.refused(error);
    }

    fn note(&mut self, note: Note) {
        if let (Note::Recovered { from, to, route }, true) = (&note, self.carries) {
            let outage = Outage { from: *from, to: *to, intake: self.intake.clone() };
            if self.outages.try_send(outage).is_err() {
                tracing::warn!(route, "too many outages at once: one is not made up for");
            }
        }
        self.intake.note(note);
    }
}

impl Reader {
    /// Asks again for what was missed in each outage, one after the other.
    pub(crate) async fn make_up(
        &self,
        mut outages: mpsc::Receiver<Outage>,
        (client, table): (&Client, &watch::Receiver<Arc<Instruments>>),
        shutdown: &Shutdown,
    ) {
        loop {
            let outage = tokio::select! {
                () = shutdown.requested() => return,
                outage = outages.recv() => outage,
            };
            let Some(mut outage) = outage else { return };
            while let Ok(more) = outages.try_recv() {
                (outage.from, outage.to) = (outage.from.min(more.from), outage.to.max(more.to));
            }
            let instruments = Arc::clone(&table.borrow());
            self.make_up_for(outage, client, &instruments, shutdown).await;
        }
    }

    async fn make_up_for(
        &self,
        mut outage: Outage,
        client: &Client,
        instruments: &Instruments,
        shutdown: &Shutdown,
    ) {
        let missed = Missed {
            wanted: &self.wanted,
            instruments,
            endpoints: &self.endpoints,
            from: outage.from.max(self.clock.now().plus_ms(-FURTHEST_MS)),
            to: outage.to,
        };
        let stop = shutdown.requested();
        let done = client.backfill(self.protocol, &missed, &mut outage.intake, stop).await;
        let venue = self.protocol.venue().as_str();
        for (outcome, count) in [("event", done.events), ("answered", done.answered), ("failed", done.failed)]
        {
            let count = u64::try_from(count).unwrap_or(u64::MAX);
            self.shared.metrics.add(Metric::Backfills, &[venue, outcome], count);
        }
        if done.answered > 0 {
            let span_s = missed.to.since(missed.from) / 1000;
            tracing::info!(
                venue,
                span_s,
                events = done.events,
                failed = done.failed,
                "asked for what was missed"
            );
        }
    }
}
