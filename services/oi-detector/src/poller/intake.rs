//! What comes of one venue's questions: samples go to the queue, and all of it is counted.
//!
//! Knows no Redis; what an answer means was the protocol's affair.

use cascade_domain::{EventTime, FeedStatus, Venue};
use cascade_feed::rest::RestError;
use cascade_feed::{PollNote, Sampled};
use cascade_service::{Metric, Throttle};
use cascade_venues::{DecodeError, Decoded};

use super::desk::{Desk, LOGGED_A_MINUTE};
use super::standing::Failure;
use super::waiting::Sample;

/// One venue's intake.
#[derive(Debug)]
pub(crate) struct Intake {
    venue: Venue,
    desk: Desk,
    throttle: Throttle,
}

impl Intake {
    /// An intake that has heard nothing yet.
    pub(crate) const fn new(venue: Venue, desk: Desk) -> Self {
        Self { venue, desk, throttle: Throttle::new(LOGGED_A_MINUTE, 60_000) }
    }
}

impl Sampled for Intake {
    fn samples(&mut self, received: EventTime, decoded: &mut Decoded) {
        let (venue, metrics) = (self.venue.as_str(), &self.desk.metrics);
        let (mut samples, mut superseded) = (0, 0);
        for sample in decoded.events.drain(..).filter_map(|event| Sample::of(event, received)) {
            superseded += u64::from(self.desk.waiting.put(sample));
            samples += 1;
        }
        metrics.add(Metric::Polls, &[venue, "ok"], 1);
        metrics.add(Metric::Samples, &[venue], samples);
        metrics.add(Metric::Superseded, &[venue], superseded);
        self.desk.tell(self.venue, |standing| standing.answered(received));
    }

    fn refused(&mut self, at: EventTime, error: &DecodeError) {
        let (venue, label) = (self.venue.as_str(), error.label());
        self.desk.metrics.add(Metric::Refused, &[venue, label], 1);
        if let Some(suppressed) = self.throttle.admit(label, at) {
            tracing::warn!(venue, %error, suppressed, "an answer on open interest is refused");
        }
        self.desk.tell(self.venue, |standing| {
            standing.failed(at, Failure::Failed, &error.to_string(), None);
        });
    }

    fn note(&mut self, at: EventTime, note: PollNote<'_>) {
        let venue = self.venue.as_str();
        match note {
            PollNote::Listed { questions } => {
                tracing::info!(venue, questions, "asking for open interest");
                self.desk.tell(self.venue, |standing| standing.listed(questions as u64));
            }
            PollNote::Round { lasted, failing } => {
                self.desk.tell(self.venue, |standing| standing.round(lasted, failing as u64));
            }
            PollNote::Waits { until } => {
                tracing::warn!(venue, until_ms = until.ms(), "left alone for a while");
                self.desk.tell(self.venue, |standing| standing.waits(until));
            }
            PollNote::Failed { error, away_until } => {
                let label = outcome(error);
                self.desk.metrics.add(Metric::Polls, &[venue, label], 1);
                if let Some(suppressed) = self.throttle.admit(label, at) {
                    let away_until_ms = away_until.map(EventTime::ms);
                    tracing::warn!(venue, %error, away_until_ms, suppressed, "no answer on open interest");
                }
                self.desk.tell(self.venue, |standing| {
                    standing.failed(at, failure(error), &error.to_string(), away_until);
                });
            }
        }
    }
}

const fn failure(error: &RestError) -> Failure {
    match error {
        RestError::Refused { .. } | RestError::Limited { .. } => Failure::Refused,
        _ => Failure::Failed,
    }
}

/// The word that labels a failure in metrics.
const fn outcome(error: &RestError) -> &'static str {
    match error {
        RestError::Shutdown => "shutdown",
        RestError::Refused { .. } => "refused",
        RestError::Limited { .. } => "limited",
        RestError::Unreachable { .. } => "unreachable",
        RestError::Status { .. } => "status",
        RestError::TooLarge { .. } => "too_large",
        RestError::TooManyPages { .. } => "too_many_pages",
        RestError::NotUnderstood { .. } => "not_understood",
        RestError::NoClient(_) | RestError::Backoff(_) => "no_client",
    }
}

/// 1 for a venue that answers, as a gauge.
pub(crate) fn is_up(status: FeedStatus) -> f64 {
    f64::from(u8::from(status == FeedStatus::Live))
}
