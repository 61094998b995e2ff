//! Which subscriptions of a session are sent, awaited, standing and refused. Pure: it is told the times.

use std::collections::BTreeSet;

use cascade_venues::{Ack, Route, Subscription};

/// The state of a route's subscriptions in one session.
#[derive(Debug)]
pub(crate) struct Roll {
    subscriptions: Vec<Subscription>,
    /// How many of them were sent.
    sent: usize,
    awaited: Vec<Awaited>,
    /// How many acknowledgements came, or were not needed.
    standing: usize,
    refused: Vec<String>,
    /// A refusal that did not say what it was for, or not in words of ours.
    stray: Option<String>,
    /// The venue's last words of refusal.
    reason: String,
}

#[derive(Debug)]
struct Awaited {
    ack: Ack,
    topics: Vec<String>,
    due_ns: i64,
}

/// What follows from an acknowledgement that is overdue.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Overdue {
    /// A refusal without an address came before: these must be what it was for.
    Refused(Vec<String>, String),
    /// Nothing came for these.
    Unacknowledged(Vec<String>),
}

impl Roll {
    pub(crate) fn new(route: &Route) -> Self {
        Self {
            subscriptions: route.subscriptions.clone(),
            sent: 0,
            awaited: Vec::new(),
            standing: 0,
            refused: Vec::new(),
            stray: None,
            reason: String::new(),
        }
    }

    /// The route has other subscriptions now: those of which nothing was known are to be sent as well. What was sent
    /// and is not there any more is left alone: the venue has nothing more to send for it.
    pub(crate) fn grow(&mut self, route: &Route) {
        let known: BTreeSet<&String> = self.subscriptions.iter().flat_map(|known| &known.topics).collect();
        let is_new = |new: &&Subscription| new.topics.iter().any(|topic| !known.contains(topic));
        let new: Vec<Subscription> = route.subscriptions.iter().filter(is_new).cloned().collect();
        self.subscriptions.extend(new);
    }

    /// Whether something is still to be sent.
    pub(crate) fn has_unsent(&self) -> bool {
        self.sent < self.subscriptions.len()
    }

    /// The next frame to send; its acknowledgements are awaited until `due_ns`.
    pub(crate) fn send_next(&mut self, due_ns: i64) -> Option<&str> {
        let next = self.subscriptions.get(self.sent)?;
        self.sent += 1;
        if next.acks.is_empty() {
            self.standing += 1;
        }
        let awaited =
            |(ack, topics): (&Ack, &[String])| Awaited { ack: ack.clone(), topics: topics.to_vec(), due_ns };
        self.awaited.extend(answered_by(next).map(awaited));
        Some(&next.frame)
    }

    /// Acknowledgements came. Those that answer nothing of ours change nothing; one without an address answers the
    /// oldest subscription that is awaited, as a venue answers in order.
    pub(crate) fn acknowledge(&mut self, acks: &[Ack]) {
        if acks.is_empty() && !self.awaited.is_empty() {
            self.awaited.remove(0);
            self.standing += 1;
        }
        for ack in acks {
            let before = self.awaited.len();
            self.awaited.retain(|awaited| awaited.ack != *ack);
            self.standing += before - self.awaited.len();
        }
    }

    /// A refusal came; gives the topics it is for, as far as can be told.
    pub(crate) fn refuse(&mut self, ack: Option<&Ack>, reason: &str) -> Vec<String> {
        reason.clone_into(&mut self.reason);
        let topics = match ack.map(|ack| (ack, self.topics_of(ack))) {
            Some((ack, Some(topics))) => {
                self.awaited.retain(|awaited| awaited.ack != *ack);
                topics
            }
            _ if self.awaited.len() == 1 => take_topics(&mut self.awaited),
            named => {
                self.stray = Some(reason.to_owned());
                return named.map_or_else(Vec::new, |(ack, _)| vec![name_of(ack)]);
            }
        };
        self.refused.extend_from_slice(&topics);
        topics
    }

    /// What follows at this time from what was not acknowledged in time; at most once for the same topics.
    pub(crate) fn overdue(&mut self, now_ns: i64) -> Option<Overdue> {
        if !self.awaited.iter().any(|awaited| awaited.due_ns <= now_ns) {
            return None;
        }
        let (mut late, waiting) =
            std::mem::take(&mut self.awaited).into_iter().partition(|awaited| awaited.due_ns <= now_ns);
        self.awaited = waiting;
        let topics = take_topics(&mut late);
        Some(match self.stray.take() {
            Some(reason) => {
                self.refused.extend_from_slice(&topics);
                Overdue::Refused(topics, reason)
            }
            None => Overdue::Unacknowledged(topics),
        })
    }

    /// When the next acknowledgement is due.
    pub(crate) fn due_ns(&self) -> Option<i64> {
        self.awaited.iter().map(|awaited| awaited.due_ns).min()
    }

    /// Whether everything is sent, and acknowledged or refused.
    pub(crate) fn is_settled(&self) -> bool {
        self.awaited.is_empty() && !self.has_unsent()
    }

    /// What was refused, and the venue's words, if that was everything there was.
    pub(crate) fn all_refused(&self) -> Option<(Vec<String>, String)> {
        let nothing_left = self.is_settled() && self.standing == 0 && !self.refused.is_empty();
        nothing_left.then(|| (self.refused.clone(), self.reason.clone()))
    }

    /// The topics that an acknowledgement of this route stands for; `None` = it is none of this route's.
    fn topics_of(&self, ack: &Ack) -> Option<Vec<String>> {
        // The last of that name: a session that grew may have used it before.
        let (_, topics) =
            self.subscriptions.iter().flat_map(answered_by).filter(|(known, _)| *known == ack).last()?;
        Some(topics.to_vec())
    }
}

/// What is asked for by this name.
fn name_of(ack: &Ack) -> String {
    match ack {
        Ack::Topic(topic) => topic.clone(),
        Ack::Request(id) => format!("request {id}"),
    }
}

/// Each acknowledgement of a subscription with the topics it stands for: one each where there are as many, else all.
fn answered_by(subscription: &Subscription) -> impl Iterator<Item = (&Ack, &[String])> {
    let one_each = subscription.acks.len() == subscription.topics.len();
    let topics = subscription.topics.as_slice();
    subscription
        .acks
        .iter()
        .enumerate()
        .map(move |(at, ack)| (ack, if one_each { &topics[at..=at] } else { topics }))
}

fn take_topics(from: &mut Vec<Awaited>) -> Vec<String> {
    let mut topics: Vec<String> = Vec::new();
    for topic in from.drain(..).flat_map(|awaited| awaited.topics) {
        if !topics.contains(&topic) {
            topics.push(topic);
        }
    }
    topics
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use cascade_domain::Venue;
    use cascade_venues::Watch;

    use super::*;

    fn topic(name: &str) -> Ack {
        Ack::Topic(name.to_owned())
    }

    /// Two frames: one of topics `a` and `b`, each acknowledged by itself, and one of `c` and `d` with one answer.
    fn route() -> Route {
        let texts = |texts: [&str; 2]| texts.map(str::to_owned).to_vec();
        Route {
            venue: Venue::Okx,
            name: "public-0".to_owned(),
            url: String::new(),
            subscriptions: vec![
                Subscription {
                    frame: "1".to_owned(),
                    acks: vec![topic("a"), topic("b")],
                    topics: texts(["a", "b"]),
                },
                Subscription {
                    frame: "2".to_owned(),
                    acks: vec![Ack::Request("2".to_owned())],
                    topics: texts(["c", "d"]),
                },
            ],
            frames_per_second: 1,
            keepalive: None,
            watch: Watch { silent_after: Duration::ZERO, ack_within: Duration::ZERO },
            renew_after: None,
            market_wide: Vec::new(),
            carries: Vec::new(),
            symbols: Vec::new(),
        }
    }

    #[test]
    fn a_route_is_settled_when_everything_is_sent_and_answered() {
        let route = route();
        let mut roll = Roll::new(&route);
        assert_eq!(roll.send_next(10), Some("1"));
        roll.acknowledge(&[topic("b"), topic("a"), topic("never asked for")]);
        assert!(!roll.is_settled(), "the second frame is not sent yet");
        assert_eq!(roll.send_next(20), Some("2"));
        assert_eq!(roll.due_ns(), Some(20));
        roll.acknowledge(&[Ack::Request("2".to_owned())]);
        assert!(roll.is_settled() && roll.send_next(30).is_none());
        assert_eq!((roll.overdue(i64::MAX), roll.all_refused()), (None, None));
    }

    #[test]
    fn a_route_without_subscriptions_is_settled_at_once() {
        let mut route = route();
        route.subscriptions.clear();
        assert!(Roll::new(&route).is_settled());
        assert_eq!(Roll::new(&route).all_refused(), None);
    }

    #[test]
    fn a_route_that_grows_is_settled_anew_and_sends_only_what_is_new() {
        let mut route = route();
        let mut roll = Roll::new(&route);
        roll.send_next(10);
        roll.send_next(10);
        roll.acknowledge(&[topic("a"), topic("b"), Ack::Request("2".to_owned())]);
        // The first frame's topics are listed no longer, so that the request's number is another frame's now.
        route.subscriptions = vec![
            Subscription {
                frame: "1".to_owned(),
                acks: vec![],
                topics: vec!["c".to_owned(), "d".to_owned()],
            },
            Subscription {
                frame: "2 of e".to_owned(),
                acks: vec![Ack::Request("2".to_owned())],
                topics: vec!["e".to_owned()],
            },
        ];
        roll.grow(&route);
        assert!(!roll.is_settled());
        assert_eq!(roll.send_next(20), Some("2 of e"));
        assert!(!roll.has_unsent());
        roll.grow(&route);
        assert!(!roll.has_unsent(), "the same once more is nothing new");
        assert_eq!(roll.refuse(Some(&Ack::Request("2".to_owned())), "no e"), ["e"]);
        assert!(roll.is_settled() && roll.all_refused().is_none());
    }

    #[test]
    fn only_what_is_overdue_is_named() {
        let route = route();
        let mut roll = Roll::new(&route);
        roll.send_next(10);
        roll.send_next(20);
        roll.acknowledge(&[topic("a")]);
        assert_eq!(roll.overdue(9), None);
        assert_eq!(roll.overdue(10), Some(Overdue::Unacknowledged(vec!["b".to_owned()])));
        assert_eq!(roll.overdue(20), Some(Overdue::Unacknowledged(vec!["c".to_owned(), "d".to_owned()])));
    }

    #[test]
    fn a_refusal_without_an_address_is_for_what_goes_unanswered() {
        let route = route();
        let mut roll = Roll::new(&route);
        roll.send_next(10);
        roll.send_next(10);
        assert!(roll.refuse(None, "60018").is_empty());
        assert_eq!(roll.refuse(Some(&topic("B")), "60018"), ["B"], "spelled in another way");
        roll.acknowledge(&[topic("a"), Ack::Request("2".to_owned())]);
        assert_eq!(roll.overdue(10), Some(Overdue::Refused(vec!["b".to_owned()], "60018".to_owned())));
        assert!(roll.is_settled() && roll.all_refused().is_none());
    }

    #[test]
    fn a_refusal_without_an_address_is_for_the_only_one_that_waits() {
        let route = route();
        let mut roll = Roll::new(&route);
        roll.send_next(10);
        roll.acknowledge(&[topic("a")]);
        assert_eq!(roll.refuse(None, "no"), ["b"]);
    }

    #[test]
    fn an_acknowledgement_without_an_address_answers_the_oldest() {
        let route = route();
        let mut roll = Roll::new(&route);
        roll.send_next(10);
        roll.acknowledge(&[]);
        assert_eq!(roll.overdue(10), Some(Overdue::Unacknowledged(vec!["b".to_owned()])));
        roll.acknowledge(&[]);
    }

    #[test]
    fn a_route_of_which_everything_is_refused_says_so_with_the_last_words() {
        let route = route();
        let mut roll = Roll::new(&route);
        roll.send_next(10);
        roll.send_next(10);
        roll.refuse(Some(&topic("a")), "no a");
        roll.refuse(Some(&topic("b")), "no b");
        assert_eq!(roll.all_refused(), None);
        assert_eq!(roll.refuse(Some(&Ack::Request("2".to_owned())), "no more"), ["c", "d"]);
        let all = ["a", "b", "c", "d"].map(str::to_owned).to_vec();
        assert_eq!(roll.all_refused(), Some((all, "no more".to_owned())));
    }
}
