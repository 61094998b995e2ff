//! Whose turn it is among questions that are asked again and again: each as often as is worth it, one after the other
//! with the same time between any two, and no faster than was allowed.
//!
//! Pure: the time of every call is an argument, in nanoseconds of the clock. Knows no venue and asks nobody.

use std::collections::BTreeMap;
use std::time::Duration;

use cascade_venues::{Quota, RestRequest, Sampling};

use crate::timing::nanoseconds;

/// The questions and their turns.
#[derive(Debug)]
pub(crate) struct Turns {
    questions: BTreeMap<RestRequest, Question>,
    /// The least time between two questions, whatever they are worth.
    least_gap: Duration,
    /// The time between two questions now.
    gap_ns: i64,
    /// No question before this.
    next_ns: i64,
    round_begun_ns: i64,
}

/// What is known of a question.
#[derive(Clone, Copy, Debug)]
struct Question {
    every_ns: i64,
    /// Not worth asking before.
    due_ns: i64,
    /// It is under way.
    is_asked: bool,
    /// It was answered, or failed, in this round.
    had_turn: bool,
    /// Its last turn came to nothing.
    fails: bool,
}

impl Turns {
    /// No question yet; of what `quota` allows, `share` is used (above 0, at most 1).
    pub(crate) fn new(quota: Quota, share: f64) -> Self {
        let share = if share.is_finite() { share.clamp(0.01, 1.0) } else { 1.0 };
        let most = f64::from(u32::try_from(quota.most.max(1)).unwrap_or(u32::MAX));
        let least_gap = quota.within.div_f64(most * share);
        Self { questions: BTreeMap::new(), least_gap, gap_ns: 0, next_ns: i64::MIN, round_begun_ns: i64::MIN }
    }

    /// From now on these are the questions. Those that were there keep their turns, new ones are due.
    pub(crate) fn list(&mut self, samplings: Vec<Sampling>, now_ns: i64) {
        let mut before = std::mem::take(&mut self.questions);
        let mut a_second = 0.0;
        for Sampling { request, every } in samplings {
            let every = every.max(Duration::from_millis(1));
            a_second += every.as_secs_f64().recip();
            let new =
                Question { every_ns: 0, due_ns: now_ns, is_asked: false, had_turn: false, fails: false };
            let known = before.remove(&request).unwrap_or(new);
            self.questions.insert(request, Question { every_ns: nanoseconds(every), ..known });
        }
        let gap = if a_second > 0.0 { Duration::from_secs_f64(1.0 / a_second) } else { Duration::ZERO };
        self.gap_ns = nanoseconds(gap.max(self.least_gap));
        if self.round_begun_ns == i64::MIN {
            self.round_begun_ns = now_ns;
        }
    }

    /// How many questions there are.
    pub(crate) fn len(&self) -> usize {
        self.questions.len()
    }

    /// When the next question has its turn; none while there is none that is not under way.
    pub(crate) fn ready_at_ns(&self) -> Option<i64> {
        self.first().map(|(_, due_ns)| due_ns.max(self.next_ns))
    }

    /// The next question, if it is its turn; it is under way until it is [`Self::answered`].
    pub(crate) fn take(&mut self, now_ns: i64) -> Option<RestRequest> {
        self.ready_at_ns().filter(|at| *at <= now_ns)?;
        let request = self.first()?.0.clone();
        let question = self.questions.get_mut(&request)?;
        question.is_asked = true;
        question.due_ns = question.due_ns.saturating_add(question.every_ns).max(now_ns);
        // Who wakes a little late makes up for it; after a pause nothing is made up for.
        let in_step = self.next_ns.saturating_add(self.gap_ns);
        self.next_ns = if in_step > now_ns { in_step } else { now_ns.saturating_add(self.gap_ns) };
        Some(request)
    }

    /// Whether a question's turn came to something.
    pub(crate) fn came_to(&mut self, request: &RestRequest, is_usable: bool) {
        if let Some(question) = self.questions.get_mut(request) {
            question.fails = !is_usable;
        }
    }

    /// How many questions' last turns came to nothing.
    pub(crate) fn failing(&self) -> usize {
        self.questions.values().filter(|question| question.fails).count()
    }

    /// A question had its turn, whatever came of it; gives how long the round took if it was the last of it.
    pub(crate) fn answered(&mut self, request: &RestRequest, now_ns: i64) -> Option<Duration> {
        let question = self.questions.get_mut(request)?;
        question.is_asked = false;
        question.had_turn = true;
        if !self.questions.values().all(|question| question.had_turn) {
            return None;
        }
        self.questions.values_mut().for_each(|question| question.had_turn = false);
        let lasted = now_ns.saturating_sub(self.round_begun_ns);
        self.round_begun_ns = now_ns;
        Some(Duration::from_nanos(u64::try_from(lasted).unwrap_or(0)))
    }

    /// The question that waits longest.
    fn first(&self) -> Option<(&RestRequest, i64)> {
        let waiting = self.questions.iter().filter(|(_, question)| !question.is_asked);
        waiting.map(|(request, question)| (request, question.due_ns)).min_by_key(|(_, due_ns)| *due_ns)
    }
}

#[cfg(test)]
mod tests {
    use cascade_venues::Method;

    use super::*;

    const SECOND: i64 = 1_000_000_000;

    fn sampling(name: &str, every_s: u64) -> Sampling {
        let request = RestRequest { method: Method::Get, url: name.to_owned() };
        Sampling { request, every: Duration::from_secs(every_s) }
    }

    fn turns(names: &[&str], quota: (usize, u64), share: f64) -> Turns {
        let quota = Quota { most: quota.0, within: Duration::from_secs(quota.1) };
        let mut turns = Turns::new(quota, share);
        turns.list(names.iter().map(|name| sampling(name, 5)).collect(), 0);
        turns
    }

    /// When each question was asked within so many seconds, in milliseconds; each is answered after 100 ms.
    fn asked(turns: &mut Turns, seconds: i64) -> Vec<(i64, String)> {
        let (mut now, mut asked, mut under_way) = (0, Vec::new(), Vec::new());
        while now < seconds * SECOND {
            under_way.retain(|(request, answer_ns)| {
                let is_over = *answer_ns <= now;
                is_over.then(|| turns.answered(request, now));
                !is_over
            });
            while let Some(request) = turns.take(now) {
                asked.push((now / 1_000_000, request.url.clone()));
                under_way.push((request, now + SECOND / 10));
            }
            now += SECOND / 1000;
        }
        asked
    }

    #[test]
    fn questions_are_spread_evenly_and_each_has_its_turn_as_often_as_is_worth_it() {
        let asked = asked(&mut turns(&["a", "b", "c", "d"], (1000, 1), 0.5), 20);
        let times: Vec<i64> = asked.iter().map(|(at, _)| *at).collect();
        assert_eq!(times, (0..16).map(|at| at * 1250).collect::<Vec<_>>());
        let names: String = asked.into_iter().map(|(_, name)| name).collect();
        assert_eq!(names, "abcdabcdabcdabcd");
    }

    #[test]
    fn no_more_is_asked_than_the_share_of_what_the_venue_takes() {
        let asked = asked(&mut turns(&["a", "b", "c", "d"], (60, 60), 0.5), 60);
        assert_eq!(asked.len(), 30, "half of one a second");
        assert!(asked.windows(2).all(|two| two[1].0 - two[0].0 >= 2000), "{asked:?}");
        assert!(asked.windows(5).all(|five| five[4].1 == five[0].1), "in turn: {asked:?}");
    }

    #[test]
    fn a_question_under_way_is_not_asked_again() {
        let mut turns = turns(&["a"], (1000, 1), 1.0);
        let request = turns.take(0).unwrap();
        assert_eq!((turns.take(60 * SECOND), turns.ready_at_ns()), (None, None));
        turns.answered(&request, 60 * SECOND);
        assert_eq!(turns.take(60 * SECOND), Some(request));
    }

    #[test]
    fn after_a_pause_nothing_is_made_up_for() {
        let mut turns = turns(&["a", "b", "c", "d", "e"], (1000, 1), 1.0);
        let later = 100 * SECOND;
        assert!(turns.take(later).is_some() && turns.take(later).is_none());
        assert_eq!(turns.ready_at_ns(), Some(later + SECOND));
        assert!(turns.take(later + SECOND + SECOND / 2).is_some());
        assert_eq!(turns.ready_at_ns(), Some(later + 2 * SECOND), "half a second late is made up for");
    }

    #[test]
    fn a_round_is_over_when_every_question_had_its_turn() {
        let mut turns = turns(&["a", "b"], (1000, 1), 1.0);
        let first = turns.take(0).unwrap();
        assert_eq!(turns.answered(&first, SECOND), None);
        let second = turns.take(3 * SECOND).unwrap();
        assert_eq!(turns.answered(&second, 4 * SECOND), Some(Duration::from_secs(4)));
        let first = turns.take(8 * SECOND).unwrap();
        assert_eq!(turns.answered(&first, 9 * SECOND), None);
    }

    #[test]
    fn a_question_fails_until_a_turn_of_it_comes_to_something_or_nobody_asks_it() {
        let mut turns = turns(&["a", "b"], (1000, 1), 1.0);
        let first = turns.take(0).unwrap();
        turns.came_to(&first, false);
        turns.answered(&first, SECOND);
        assert_eq!(turns.failing(), 1);
        turns.list([first.url.as_str(), "c"].map(|name| sampling(name, 5)).to_vec(), SECOND);
        assert_eq!(turns.failing(), 1);
        turns.came_to(&first, true);
        assert_eq!(turns.failing(), 0);
        turns.came_to(&first, false);
        turns.list(vec![sampling("c", 5)], SECOND);
        assert_eq!(turns.failing(), 0);
    }

    #[test]
    fn who_is_listed_anew_has_its_turn_and_who_is_not_has_none() {
        let mut turns = turns(&["a", "b"], (1000, 1), 1.0);
        let a = turns.take(0).unwrap();
        turns.list(["a", "c"].map(|name| sampling(name, 5)).to_vec(), SECOND);
        assert_eq!((turns.len(), turns.take(3 * SECOND).map(|c| c.url)), (2, Some("c".to_owned())));
        assert_eq!(turns.take(6 * SECOND), None, "the first is still under way");
        turns.answered(&a, 6 * SECOND);
        assert_eq!(turns.take(6 * SECOND), Some(a));
        turns.list(Vec::new(), 7 * SECOND);
        assert_eq!((turns.len(), turns.ready_at_ns()), (0, None));
    }
}
