//! How the questions for one venue's open interest do: answers come, they fail, or the venue does not serve us.
//!
//! Pure: what happened, and when, is handed in. Knows no request.

use std::time::Duration;

use cascade_domain::{EventTime, FeedStatus};
use cascade_wire::PollReading;

use super::holes::LONGEST_MS;

/// Without a usable answer for so long it is stale, milliseconds.
const SILENT_MS: i64 = 30_000;
/// After so many questions in a row without a usable answer it is stale.
const FAILURES: u32 = 3;

/// What is said of a venue that is silent.
const SILENT: &str = "no usable answer";

/// Why a question had no usable answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The venue does not serve us, or wants to be left alone.
    Refused,
    /// Anything else.
    Failed,
}

/// The state of one venue's questions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    status: FeedStatus,
    since: EventTime,
    reason: String,
    /// When the last usable answer came, before us included.
    last_answer: Option<EventTime>,
    /// From when on silence counts.
    silent_from: EventTime,
    away_until: Option<EventTime>,
    failures: u32,
    failed_at: Option<EventTime>,
    questions: u64,
    /// How many of them had no usable answer in the last round.
    failing: u64,
    round_ms: Option<i64>,
}

impl Standing {
    /// As of now nobody has asked but the one before us, of whom this is known. What the venue asked of him holds for us.
    pub(crate) fn new(now: EventTime, before: Option<&PollReading>) -> Self {
        let away_until = before.and_then(|before| before.away_until_ms).filter(|until| *until > now);
        let refused = before.filter(|before| before.status == FeedStatus::Refused);
        let (status, since, reason) = match (away_until, refused) {
            (Some(_), Some(before)) => (FeedStatus::Refused, before.since_ms, before.reason.as_str()),
            (Some(_), None) => (FeedStatus::Refused, now, "left alone as by the poller before this one"),
            (None, _) => (FeedStatus::Stale, now, "not answered yet"),
        };
        Self {
            status,
            since,
            reason: reason.to_owned(),
            last_answer: before.and_then(|before| before.last_answer_ms),
            silent_from: now,
            away_until,
            failures: 0,
            failed_at: None,
            questions: 0,
            failing: 0,
            round_ms: None,
        }
    }

    /// So many questions are asked from now on.
    pub(crate) const fn listed(&mut self, questions: u64) {
        self.questions = questions;
    }

    /// Every question had its turn; so many had no usable answer.
    pub(crate) fn round(&mut self, lasted: Duration, failing: u64) {
        self.failing = failing;
        self.round_ms = i64::try_from(lasted.as_millis()).ok();
    }

    /// A usable answer came. One to what was asked before the venue wished to be left alone does not lift that.
    pub(crate) fn answered(&mut self, at: EventTime) {
        (self.last_answer, self.silent_from, self.failures) = (Some(at), at, 0);
        if !self.is_refused(at) {
            self.enter(FeedStatus::Live, at, "");
        }
    }

    /// A question had no usable answer, or a part of one: parts have one time. One that fails among others that do not
    /// changes nothing.
    pub(crate) fn failed(
        &mut self,
        at: EventTime,
        failure: Failure,
        reason: &str,
        away_until: Option<EventTime>,
    ) {
        if self.failed_at.replace(at) != Some(at) {
            self.failures = self.failures.saturating_add(1);
        }
        let is_refused = self.is_refused(at);
        self.away_until = away_until.max(self.away_until);
        match failure {
            Failure::Refused => self.enter(FeedStatus::Refused, at, reason),
            Failure::Failed if is_refused => {}
            Failure::Failed if self.failures >= FAILURES || self.status != FeedStatus::Live => {
                self.enter(FeedStatus::Stale, at, reason);
            }
            Failure::Failed => {}
        }
    }

    /// The venue is left alone until then, although it answered us: its limits are nearly used up.
    pub(crate) fn waits(&mut self, until: EventTime) {
        self.away_until = self.away_until.max(Some(until));
    }

    /// Nobody asks from now on.
    pub(crate) fn left(&mut self, at: EventTime, reason: &str) {
        self.enter(FeedStatus::Stale, at, reason);
    }

    /// Sees that silence lasts too long.
    pub(crate) fn judge(&mut self, now: EventTime) {
        if self.status == FeedStatus::Live && now.since(self.silent_from) > SILENT_MS {
            self.enter(FeedStatus::Stale, now, SILENT);
        }
    }

    /// The last round, seconds of the clock.
    #[expect(clippy::cast_precision_loss, reason = "a gauge")]
    pub(crate) fn round_s(&self) -> Option<f64> {
        self.round_ms.map(|ms| ms as f64 / 1e3)
    }

    /// What is shown of it, but for what stands in the streams: that it does not know.
    pub(crate) fn reading(&self, reader: &str, now: EventTime) -> PollReading {
        PollReading {
            status: self.status,
            since_ms: self.since,
            last_answer_ms: self.last_answer,
            stored_to_ms: None,
            away_until_ms: self.away_until(now),
            instruments: self.questions,
            round_ms: self.round_ms,
            reader: reader.to_owned(),
            told_ms: now,
            reason: self
                .left_alone(now)
                .or_else(|| self.slow())
                .or_else(|| self.incomplete())
                .unwrap_or_else(|| self.reason.clone()),
        }
    }

    /// Until when the venue is left alone, if it is now.
    fn away_until(&self, now: EventTime) -> Option<EventTime> {
        self.away_until.filter(|until| *until > now)
    }

    /// Whether the venue refuses, and the time for which it does is not over.
    fn is_refused(&self, now: EventTime) -> bool {
        self.status == FeedStatus::Refused && self.away_until(now).is_some()
    }

    /// What there is to say of a venue that is left alone, if no answer of its own says more.
    fn left_alone(&self, now: EventTime) -> Option<String> {
        let until = self.away_until(now)?;
        let is_unsaid = self.reason.is_empty() || self.reason == SILENT;
        is_unsaid.then(|| format!("left alone until {}", time_of_day(until)))
    }

    /// What there is to say of a venue that answers, but of which every question has its turn too seldom.
    fn slow(&self) -> Option<String> {
        let round_ms =
            self.round_ms.filter(|round_ms| *round_ms > LONGEST_MS && self.status == FeedStatus::Live)?;
        Some(format!(
            "one round over {} instruments takes {} s, and a sample counts {} s: ask for fewer ingest.symbols, or give \
             oi.weight_share more",
            self.questions,
            round_ms / 1000,
            LONGEST_MS / 1000
        ))
    }

    /// What there is to say of a venue that answers, but not about every instrument.
    fn incomplete(&self) -> Option<String> {
        let is_so = self.failing > 0 && self.status == FeedStatus::Live;
        is_so.then(|| format!("{} of {} instruments do not answer", self.failing, self.questions))
    }

    fn enter(&mut self, status: FeedStatus, at: EventTime, reason: &str) {
        if self.status != status {
            (self.status, self.since) = (status, at);
        }
        if self.reason != reason {
            reason.clone_into(&mut self.reason);
        }
    }
}

/// The time of day, UTC: `14:03:07`.
fn time_of_day(at: EventTime) -> String {
    let second = at.ms().rem_euclid(86_400_000) / 1000;
    format!("{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> EventTime {
        EventTime::from_ms(1_791_565_600_000 + second * 1000)
    }

    fn told(standing: &Standing) -> (FeedStatus, i64, &str) {
        (standing.status, standing.since.since(at(0)) / 1000, &standing.reason)
    }

    #[test]
    fn one_question_that_fails_among_others_changes_nothing_and_three_in_a_row_do() {
        let mut standing = Standing::new(at(0), None);
        standing.answered(at(1));
        for second in 2..10 {
            standing.failed(at(second), Failure::Failed, "HTTP 400", None);
            standing.answered(at(second));
        }
        assert_eq!(told(&standing), (FeedStatus::Live, 1, ""));
        for second in 10..15 {
            standing.failed(at(second), Failure::Failed, "HTTP 500", None);
        }
        assert_eq!(told(&standing), (FeedStatus::Stale, 12, "HTTP 500"));
        standing.answered(at(15));
        assert_eq!(told(&standing), (FeedStatus::Live, 15, ""));
    }

    #[test]
    fn parts_of_one_answer_that_are_refused_count_once() {
        let mut standing = Standing::new(at(0), None);
        standing.answered(at(1));
        for _ in 0..10 {
            standing.failed(at(2), Failure::Failed, "BTC-USDT-SWAP is not usable", None);
        }
        assert_eq!(standing.status, FeedStatus::Live);
        standing.answered(at(2));
        assert_eq!(told(&standing), (FeedStatus::Live, 1, ""));
    }

    #[test]
    fn a_venue_that_refuses_is_told_at_once_with_when_it_is_asked_again() {
        let mut standing = Standing::new(at(0), None);
        standing.failed(at(1), Failure::Refused, "too many requests", Some(at(61)));
        let reading = standing.reading("me", at(2));
        assert_eq!((reading.status, reading.away_until_ms), (FeedStatus::Refused, Some(at(61))));
        assert_eq!(reading.reason, "too many requests");
        standing.answered(at(62));
        assert_eq!(standing.reading("me", at(62)).away_until_ms, None);
        assert_eq!(standing.status, FeedStatus::Live);
    }

    #[test]
    fn what_the_venue_asked_of_the_one_before_us_holds_for_us() {
        let mut before = Standing::new(at(-50), None);
        before.answered(at(-40));
        before.failed(at(-30), Failure::Refused, "a ban", Some(at(600)));
        let killed = Standing::new(at(0), Some(&before.reading("him", at(-20))));
        assert_eq!(told(&killed), (FeedStatus::Refused, -30, "a ban"));
        before.left(at(-10), "stopped");
        let last = before.reading("him", at(-10));
        let mut standing = Standing::new(at(0), Some(&last));
        let reading = standing.reading("me", at(1));
        assert_eq!((reading.status, reading.away_until_ms), (FeedStatus::Refused, Some(at(600))));
        assert_eq!(reading.last_answer_ms, Some(at(-40)));
        standing.answered(at(601));
        assert_eq!(told(&standing), (FeedStatus::Live, 601, ""));
        assert_eq!(told(&Standing::new(at(600), Some(&last))), (FeedStatus::Stale, 600, "not answered yet"));
    }

    #[test]
    fn what_was_under_way_when_the_venue_refused_does_not_lift_that() {
        let mut standing = Standing::new(at(0), None);
        standing.answered(at(1));
        standing.failed(at(2), Failure::Refused, "too many requests", Some(at(62)));
        standing.answered(at(3));
        standing.failed(at(4), Failure::Failed, "HTTP 500", None);
        let reading = standing.reading("me", at(5));
        assert_eq!((reading.away_until_ms, reading.last_answer_ms), (Some(at(62)), Some(at(3))));
        assert_eq!(told(&standing), (FeedStatus::Refused, 2, "too many requests"));
        standing.answered(at(62));
        assert_eq!(told(&standing), (FeedStatus::Live, 62, ""));
        assert_eq!(standing.reading("me", at(62)).away_until_ms, None);
    }

    #[test]
    fn a_venue_whose_limits_are_nearly_used_up_is_left_alone_whatever_it_answers_meanwhile() {
        let mut standing = Standing::new(at(0), None);
        standing.answered(at(1));
        standing.waits(at(60));
        standing.answered(at(2));
        standing.judge(at(33));
        let reading = standing.reading("me", at(33));
        assert_eq!((reading.status, reading.away_until_ms), (FeedStatus::Stale, Some(at(60))));
        assert_eq!(reading.reason, format!("left alone until {}", time_of_day(at(60))));
        assert_eq!(standing.reading("me", at(60)).reason, SILENT, "and then it is not");
        assert_eq!(time_of_day(EventTime::from_ms(1_791_565_601_482)), "17:06:41");
    }

    #[test]
    fn silence_is_stale_after_30_seconds_and_counts_from_the_last_answer() {
        let mut standing = Standing::new(at(0), None);
        standing.answered(at(5));
        standing.judge(at(35));
        assert_eq!(standing.status, FeedStatus::Live);
        standing.judge(at(36));
        assert_eq!(told(&standing), (FeedStatus::Stale, 36, "no usable answer"));
    }

    #[test]
    fn a_failure_after_a_refusal_says_what_is_wrong_now() {
        let mut standing = Standing::new(at(0), None);
        standing.failed(at(1), Failure::Refused, "too many requests", Some(at(61)));
        standing.failed(at(62), Failure::Failed, "HTTP 500", None);
        assert_eq!(told(&standing), (FeedStatus::Stale, 62, "HTTP 500"));
    }

    #[test]
    fn a_round_that_takes_longer_than_a_sample_counts_is_named_with_the_way_out() {
        let mut standing = Standing::new(at(0), None);
        standing.listed(600);
        standing.answered(at(1));
        standing.round(Duration::from_secs(18), 0);
        assert_eq!(standing.reading("a", at(2)).reason, "");
        standing.round(Duration::from_secs(18), 2);
        assert_eq!(standing.reading("a", at(2)).reason, "2 of 600 instruments do not answer");
        standing.round(Duration::from_secs(36), 2);
        let reason = standing.reading("a", at(2)).reason;
        assert!(["600", "36 s", "oi.weight_share"].iter().all(|part| reason.contains(part)), "{reason}");
    }
}
