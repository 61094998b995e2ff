//! What is broken on purpose at one exchange, and what that does to its frames on their way out.
//!
//! Pure: time is handed in. Knows no wire format and no socket.

use std::collections::BTreeMap;
use std::time::Duration;

use cascade_domain::{EventTime, Venue};

use crate::wire::{Answer, Told};

/// An HTTP status, and the seconds of `Retry-After`.
pub(crate) type HttpAnswer = (u16, Option<u32>);

/// How a venue answers who asks for open interest over REST, instead of well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PollFault {
    /// With this HTTP status, and with these seconds of `Retry-After`.
    Status(u16, Option<u32>),
    /// With the first half of the body.
    Truncated,
    /// With what it answered to the same question the first time: its figures and its times stand still.
    Stale,
    /// With what would be the answer for the contract that is listed after the one asked for. Where all are asked for, with
    /// the first alone.
    Swapped,
}

/// Faults that stand, and the frames that they hold back.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub(crate) struct Broken {
    pub(crate) muted: bool,
    pub(crate) ignores_subscribe: bool,
    pub(crate) refused_topics: Vec<String>,
    /// Acknowledged, and never sent.
    pub(crate) silent_topics: Vec<String>,
    /// Each frame twice.
    pub(crate) duplicates: bool,
    /// Liquidations backwards within a second.
    pub(crate) reorders: bool,
    /// After a subscription the last minutes' liquidations come first.
    pub(crate) replays: bool,
    /// Topics by a part of their name, and how much later they leave, milliseconds.
    pub(crate) delays: Vec<(String, i64)>,
    /// How far the venue's clock is ahead, milliseconds.
    pub(crate) clock_offset_ms: i64,
    /// The code with which a new connection is closed after its first message.
    pub(crate) closes_new: Option<u16>,
    /// How old a connection becomes.
    pub(crate) connection_age: Option<Duration>,
    pub(crate) answers_connect: Option<HttpAnswer>,
    pub(crate) answers_rest: Option<HttpAnswer>,
    pub(crate) polls: Option<PollFault>,
    /// The first answer to each question, while they are stale.
    pub(crate) first_answers: BTreeMap<String, Answer>,
    /// Delayed frames by the time at which they leave and the order in which they came.
    held: BTreeMap<(EventTime, u64), Told>,
    delayed: u64,
    /// Liquidations of the second that is not over.
    turning: Vec<Told>,
    turning_since: Option<EventTime>,
}

impl Broken {
    /// What is so without any fault: Binance ends a connection after 24 hours.
    pub(crate) fn of(venue: Venue) -> Self {
        let connection_age = (venue == Venue::Binance).then(|| Duration::from_hours(24));
        Self { connection_age, ..Self::default() }
    }

    /// Takes the frames of a step and gives those that leave at its end.
    pub(crate) fn pass(&mut self, mut frames: Vec<Told>, now: EventTime) -> Vec<Told> {
        let muted = self.muted;
        frames.retain(|told| !muted && !self.silent_topics.iter().any(|part| told.topic.contains(part)));
        let turned = self.turn(frames, now);
        let mut leaving = self.delay(turned, now);
        if muted {
            leaving.clear();
        }
        if self.duplicates {
            leaving = leaving.into_iter().flat_map(|told| [told.clone(), told]).collect();
        }
        leaving
    }

    /// Holds liquidations until their second is over, and lets the last go first.
    fn turn(&mut self, mut frames: Vec<Told>, now: EventTime) -> Vec<Told> {
        if !self.reorders && self.turning.is_empty() {
            return frames;
        }
        let over = self.turning_since.is_some_and(|since| since.second() != now.second());
        let mut leaving = Vec::new();
        if over || !self.reorders {
            leaving.extend(self.turning.drain(..).rev());
            self.turning_since = None;
        }
        if self.reorders {
            self.turning.extend(frames.extract_if(.., |told| told.liquidation));
            if !self.turning.is_empty() {
                self.turning_since.get_or_insert(now);
            }
        }
        leaving.extend(frames);
        leaving
    }

    /// Holds what is delayed, and gives what is due.
    fn delay(&mut self, frames: Vec<Told>, now: EventTime) -> Vec<Told> {
        let mut leaving = Vec::with_capacity(frames.len());
        while self.held.first_key_value().is_some_and(|((due, _), _)| *due <= now) {
            leaving.extend(self.held.pop_first().map(|(_, told)| told));
        }
        for told in frames {
            let matching = self.delays.iter().filter(|(part, _)| told.topic.contains(part));
            match matching.map(|(_, ms)| *ms).max() {
                Some(ms) => {
                    self.delayed += 1;
                    self.held.insert((now.plus_ms(ms), self.delayed), told);
                }
                None => leaving.push(told),
            }
        }
        leaving
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(topic: &str, text: &'static str) -> Told {
        Told { topic: topic.to_owned(), text: text.into(), liquidation: topic == "l" }
    }

    fn texts(frames: &[Told]) -> Vec<&str> {
        frames.iter().map(|told| told.text.as_str()).collect()
    }

    #[test]
    fn only_binance_ends_a_connection_for_its_age_unasked() {
        let ages = Venue::ALL.map(|venue| Broken::of(venue).connection_age);
        assert_eq!(ages, [Some(Duration::from_hours(24)), None, None, None]);
    }

    #[test]
    fn what_is_delayed_leaves_at_its_time_also_when_new_ones_are_not_delayed_any_more() {
        let mut broken = Broken { delays: vec![("l".to_owned(), 480_000)], ..Broken::default() };
        let at = EventTime::from_ms;
        assert_eq!(texts(&broken.pass(vec![told("l", "late"), told("t", "trade")], at(100))), ["trade"]);
        broken.delays.clear();
        assert_eq!(texts(&broken.pass(vec![told("l", "new")], at(200))), ["new"]);
        assert!(broken.pass(Vec::new(), at(480_000)).is_empty());
        assert_eq!(texts(&broken.pass(vec![told("t", "x")], at(480_100))), ["late", "x"]);
    }

    #[test]
    fn liquidations_of_a_second_leave_backwards_and_none_is_lost() {
        let mut broken = Broken { reorders: true, ..Broken::default() };
        let at = EventTime::from_ms;
        assert_eq!(texts(&broken.pass(vec![told("l", "1"), told("t", "t")], at(100))), ["t"]);
        assert!(broken.pass(vec![told("l", "2")], at(900)).is_empty());
        assert_eq!(texts(&broken.pass(vec![told("l", "3")], at(1000))), ["2", "1"]);
        broken.reorders = false;
        assert_eq!(texts(&broken.pass(vec![told("l", "4")], at(1100))), ["3", "4"]);
        assert_eq!(texts(&broken.pass(vec![told("l", "5")], at(1200))), ["5"]);
    }

    #[test]
    fn what_comes_due_while_mute_is_lost() {
        let mut broken = Broken { delays: vec![("l".to_owned(), 1000)], ..Broken::default() };
        broken.pass(vec![told("l", "late")], EventTime::from_ms(0));
        broken.muted = true;
        assert!(broken.pass(Vec::new(), EventTime::from_ms(1000)).is_empty());
        broken.muted = false;
        assert!(broken.pass(Vec::new(), EventTime::from_ms(2000)).is_empty());
    }
}
