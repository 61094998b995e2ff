//! A stage: the policy, a clock that the test moves, and senders that claim and merge as the books do. What they send is
//! what a test wants to see.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::Arc;

use cascade_alerting::{Config, Policy, Route, State};
use cascade_domain::{
    Alert, AlertReason, Ask, Decision, Delivery, EventTime, Id, IdHasher, Manner, Order, Priority,
};

use crate::sample::NOON;

/// So many rows in one message.
const MOST: usize = 20;

/// What a sender sent.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) at: EventTime,
    pub(crate) to: String,
    pub(crate) is_edit: bool,
    pub(crate) deliveries: Vec<Delivery>,
}

/// See above.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) policy: Policy,
    config: Arc<Config>,
    routes: Vec<Route>,
    now: EventTime,
    revisions: i64,
    /// No message goes to this destination before then.
    held_until: BTreeMap<String, EventTime>,
    open: Vec<Delivery>,
    /// What was told of an alert: whether it can be edited.
    told: BTreeMap<(String, Id), bool>,
    pub(crate) sent: Vec<Message>,
    pub(crate) decisions: Vec<(EventTime, Decision)>,
}

/// So many milliseconds after noon.
pub(crate) fn noon(ms: i64) -> EventTime {
    NOON.plus_ms(ms)
}

impl Stage {
    pub(crate) fn new(config: Config, routes: Vec<Route>) -> Self {
        let refusals: Vec<_> = config.refusals().into_iter().chain(config.refusals_for(&routes)).collect();
        assert!(refusals.is_empty(), "{refusals:?}");
        let config = Arc::new(config);
        Self {
            policy: Policy::new(Arc::clone(&config), routes.clone(), State::default()),
            config,
            routes,
            now: NOON,
            revisions: 0,
            held_until: BTreeMap::new(),
            open: Vec::new(),
            told: BTreeMap::new(),
            sent: Vec::new(),
            decisions: Vec::new(),
        }
    }

    /// With default settings.
    pub(crate) fn of(routes: Vec<Route>) -> Self {
        Self::new(Config::default(), routes)
    }

    /// Stops the policy and takes it up again from what was kept, with these destinations.
    pub(crate) fn restart(&mut self, config: Config, routes: Vec<Route>) {
        let kept = rmp_serde::to_vec_named(self.policy.state()).unwrap();
        let state: State = rmp_serde::from_slice(&kept).unwrap();
        assert_eq!(&state, self.policy.state(), "what is kept is the whole of it");
        (self.config, self.routes) = (Arc::new(config), routes);
        self.policy = Policy::new(Arc::clone(&self.config), self.routes.clone(), state);
    }

    fn did(&mut self, decisions: Vec<Decision>) {
        for decision in decisions {
            match &decision {
                Decision::Tell(delivery) => self.open.push((**delivery).clone()),
                Decision::Withdraw { row, .. } => self.open.retain(|open| open.row != *row),
                Decision::Suppress { .. } => {}
            }
            self.decisions.push((self.now, decision));
        }
    }

    /// Moves the clock: the policy does what is due, and the senders send.
    pub(crate) fn until(&mut self, ms: i64) {
        let end = noon(ms);
        assert!(end >= self.now, "the clock goes forwards");
        loop {
            self.send();
            let rows = self.open.iter().map(|row| {
                let held = self.held_until.get(&row.destination).copied().unwrap_or(NOON);
                row.due_ms.max(held)
            });
            let rows = rows.filter(|at| *at > self.now);
            let next = rows.chain(self.policy.due()).min().filter(|next| *next <= end);
            let Some(next) = next else { break };
            self.now = self.now.max(next);
            if self.policy.due().is_some_and(|due| due <= self.now) {
                let mut out = Vec::new();
                self.policy.tick(self.now, &mut out);
                self.did(out);
                assert!(self.policy.due().is_none_or(|due| due > self.now), "what is due is done at once");
            }
        }
        self.now = end;
    }

    /// Nothing goes to a destination until then: its provider said so.
    pub(crate) fn hold(&mut self, destination: &str, until_ms: i64) {
        self.held_until.insert(destination.to_owned(), noon(until_ms));
    }

    /// Pushes an alert at a time, as a revision of its own, known just then.
    pub(crate) fn push(&mut self, ms: i64, alert: &Alert) -> Arc<Alert> {
        self.push_known(ms, ms, alert)
    }

    /// The same, known at an earlier time.
    pub(crate) fn push_known(&mut self, ms: i64, known_ms: i64, alert: &Alert) -> Arc<Alert> {
        self.revisions += 1;
        let revision = IdHasher::new("revision").int(self.revisions).finish();
        let alert = Arc::new(Alert { revision, known_at_ms: noon(known_ms), ..alert.clone() });
        self.again(ms, &alert);
        alert
    }

    /// Pushes exactly this revision.
    pub(crate) fn again(&mut self, ms: i64, alert: &Arc<Alert>) {
        self.until(ms);
        let mut out = Vec::new();
        self.policy.take(alert, self.now, &mut out);
        self.did(out);
    }

    pub(crate) fn order(&mut self, ms: i64, what: Ask) -> Result<(), String> {
        self.until(ms);
        let mut out = Vec::new();
        let order = Order { at_ms: self.now, by: "tester".to_owned(), what };
        let answer = self.policy.order(&order, self.now, &mut out);
        self.did(out);
        answer
    }

    /// Sends what can be sent now.
    fn send(&mut self) {
        self.open.retain(|row| row.expires_ms > self.now);
        let destinations: BTreeSet<_> = self.open.iter().map(|row| row.destination.clone()).collect();
        for destination in destinations {
            if self.held_until.get(&destination).is_some_and(|until| *until > self.now) {
                continue;
            }
            while let Some(rows) = self.claim(&destination) {
                self.deliver(&destination, rows);
            }
        }
    }

    /// All new ones of the best lane, or all that edit one alert's message.
    fn claim(&mut self, destination: &str) -> Option<Vec<Delivery>> {
        let open: BTreeSet<_> = self.open.iter().map(|row| row.row).collect();
        let can = |row: &Delivery| {
            row.destination == destination
                && row.due_ms <= self.now
                && row.after.is_none_or(|after| !open.contains(&after))
        };
        let first = self
            .open
            .iter()
            .filter(|row| can(row))
            .max_by_key(|row| (row.lane, row.manner == Manner::New, std::cmp::Reverse(row.due_ms)))?;
        let (lane, manner, id) = (first.lane, first.manner, first.alert.id);
        let belongs = |row: &Delivery| {
            can(row)
                && row.manner == manner
                && if manner == Manner::New { row.lane == lane } else { row.alert.id == id }
        };
        let mut rows: Vec<_> = self.open.iter().filter(|row| belongs(row)).cloned().collect();
        if lane == Priority::High && manner == Manner::New {
            rows.sort_by_key(|row| std::cmp::Reverse(row.alert.usd));
        }
        rows.truncate(MOST);
        self.open.retain(|row| !rows.iter().any(|claimed| claimed.row == row.row));
        Some(rows)
    }

    fn deliver(&mut self, destination: &str, mut rows: Vec<Delivery>) {
        let is_new = rows[0].manner == Manner::New;
        let is_edit = !is_new && {
            let told = self.told.get(&(destination.to_owned(), rows[0].alert.id));
            rows.retain(|row| told == Some(&true) || (told.is_some() && row.reason != AlertReason::Updated));
            told == Some(&true)
        };
        if rows.is_empty() {
            return;
        }
        let can_edit = self.routes.iter().any(|route| route.name == destination && route.can_edit);
        for row in rows.iter().filter(|_| !is_edit) {
            self.told.insert((destination.to_owned(), row.alert.id), can_edit && rows.len() == 1);
        }
        let to = destination.to_owned();
        self.sent.push(Message { at: self.now, to, is_edit, deliveries: rows });
    }

    /// Exactly these messages were sent from one time until before another, and nothing else; edits as `edit`. Moves the
    /// clock there.
    #[track_caller]
    pub(crate) fn wants(&mut self, from_ms: i64, to_ms: i64, wanted: &[&str]) {
        self.until(to_ms - 1);
        let within = self.sent.iter().filter(|sent| (noon(from_ms)..noon(to_ms)).contains(&sent.at));
        let got: Vec<_> = within.map(Message::line).collect();
        assert_eq!(got, wanted);
        self.adds_up();
    }

    /// Only what was told anew.
    pub(crate) fn messages(&self, destination: &str) -> Vec<String> {
        let new = self.sent.iter().filter(|sent| sent.to == destination && !sent.is_edit);
        new.map(Message::line).collect()
    }

    /// Why the decisions on this revision were as they were, in the order of the destinations.
    pub(crate) fn reasons(&self, alert: &Alert) -> Vec<AlertReason> {
        let reason = |decision: &Decision| match decision {
            Decision::Tell(delivery) if delivery.alert.revision == alert.revision => Some(delivery.reason),
            Decision::Suppress { alert: told, reason, .. } if told.revision == alert.revision => {
                Some(*reason)
            }
            _ => None,
        };
        self.decisions.iter().filter_map(|(_, decision)| reason(decision)).collect()
    }

    /// Every row is decided once, and is not withdrawn unless it was to be told.
    #[track_caller]
    pub(crate) fn adds_up(&self) {
        let (mut rows, mut told) = (BTreeSet::new(), BTreeSet::new());
        for (_, decision) in &self.decisions {
            match decision {
                Decision::Tell(delivery) => {
                    assert!(rows.insert(delivery.row), "decided twice: {delivery:?}");
                    assert!(delivery.count > 0 && delivery.after.is_none_or(|after| rows.contains(&after)));
                    told.insert(delivery.row);
                }
                Decision::Suppress { row, .. } => assert!(rows.insert(*row), "decided twice: {decision:?}"),
                Decision::Withdraw { row, .. } => assert!(told.remove(row), "never told: {decision:?}"),
            }
        }
    }
}

impl Message {
    /// `2.000 desk: first cascade BTCUSDT MEDIUM + ...`; an edit begins with `edit`.
    fn line(&self) -> String {
        let ms = self.at.since(NOON);
        let edit = if self.is_edit { "edit " } else { "" };
        let mut line = format!("{}.{:03} {}: {edit}", ms / 1_000, ms % 1_000, self.to);
        for (at, row) in self.deliveries.iter().enumerate() {
            let (plus, alert) = (if at == 0 { "" } else { " + " }, &row.alert);
            write!(line, "{plus}{} {} {} {}", row.reason.as_str(), alert.rule, alert.scope, alert.priority)
                .unwrap();
            if row.count > 1 {
                write!(line, " x{}", row.count).unwrap();
            }
        }
        line
    }
}
