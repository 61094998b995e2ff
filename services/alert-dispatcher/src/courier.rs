//! Who brings messages to one destination: claims what is due, has it sent, and settles what became of it.
//!
//! Each destination has two: one for all lanes, and one for HIGH alone, which need not wait for a message of another lane
//! that hangs. Whatever one destination does, no other waits for it. What is said and how it is sent is
//! `cascade-notify`'s affair, and what goes next that of the books.

use std::time::Duration;

use cascade_bus::BusError;
use cascade_bus::delivery::{Claimed, Claiming, Row, Settlement};
use cascade_notify::{Outcome, Sender};
use cascade_service::{Metric, Shutdown};
use cascade_wire::Receipt;

use crate::destination::Target;
use crate::moving;
use crate::office::{Office, RETRY, missed, of_fast, pause};
use crate::settling::{Tried, is_of_one};

/// How long until it is asked anew whether something is due, wall time: what another dispatcher decided wakes nobody here.
const LOOK: Duration = Duration::from_millis(500);
/// How much longer than an attempt a claim holds: for what is asked of Redis before and after.
const MARGIN: Duration = Duration::from_secs(5);
/// The shortest wait after a failure where the clock is a fast one, wall time: a demo that tells real destinations must not
/// press them.
const SHORTEST: Duration = Duration::from_secs(1);
/// What is left of the deadline to settle what was under way when it was asked to stop.
const LAST_WORD: Duration = Duration::from_secs(2);

/// Who brings messages to one destination.
#[derive(Debug)]
pub(crate) struct Courier {
    office: Office,
    target: Target,
    sender: Sender,
    /// How long an attempt may last in all, wall time.
    patience: Duration,
    only_high: bool,
    budgets: Vec<(String, Duration, u32, u32)>,
    claims: u64,
    /// The chat that the configured one has become, as far as it is kept.
    moved: Option<String>,
}

impl Courier {
    pub(crate) fn new(
        office: Office,
        (target, sender): (Target, Sender),
        patience: Duration,
        only_high: bool,
    ) -> Self {
        let budgets = sender.budgets().into_iter();
        let budgets = budgets.map(|b| (b.name, b.every, b.burst, b.reserve)).collect();
        Self { office, target, sender, patience, only_high, budgets, claims: 0, moved: None }
    }

    fn destination(&self) -> &str {
        &self.target.destination.name
    }

    /// Sends until asked to stop; then what is under way is brought to its end.
    pub(crate) async fn run(mut self, shutdown: Shutdown) {
        let mut sleeper = self.office.sleeper();
        while !shutdown.is_requested() {
            let lane = if self.only_high { "high" } else { "all" };
            let token = format!("{}:{}:{lane}:{}", self.office.run(), self.destination(), self.claims);
            let Some(claimed) = self.claim(&token).await else {
                // Whether it came through is not known: the same claim again gives the same rows.
                pause(RETRY, &shutdown).await;
                continue;
            };
            self.claims += 1;
            match claimed {
                Claimed::Rows { rows, told } => self.bring(&token, rows, told, &shutdown).await,
                Claimed::Nothing { after, due } => {
                    let due = due.map(|due| self.office.wall_until(due));
                    let wait = after.into_iter().chain(due).fold(LOOK, Duration::min);
                    sleeper.sleep(wait, &shutdown).await;
                }
            }
        }
    }

    async fn claim(&self, token: &str) -> Option<Claimed> {
        let claiming = Claiming {
            destination: self.destination(),
            token,
            now: self.office.now(),
            only_high: self.only_high,
            most: self.sender.most_at_once(),
            holds: self.patience + MARGIN,
            settings: self.target.settings,
            budgets: &self.budgets,
        };
        match self.office.bus.claim(&claiming).await {
            Ok(claimed) => Some(claimed),
            Err(error) => {
                if matches!(error, BusError::Reply(_)) {
                    tracing::warn!(destination = self.destination(), %error, "left to dispatchers of its version");
                }
                missed("claim", &error);
                None
            }
        }
    }

    /// Sends one message, and settles it.
    async fn bring(&mut self, token: &str, rows: Vec<Row>, told: Option<Receipt>, shutdown: &Shutdown) {
        if rows.is_empty() {
            // The answer to the claim was lost, and others have ended its rows since.
            return;
        }
        let began = self.office.now();
        for row in rows.iter().filter(|row| row.attempts == 0) {
            let delay = began.since(row.delivery.alert.known_at_ms);
            let delay = Duration::from_millis(u64::try_from(delay).unwrap_or(0)).as_secs_f64();
            let labels = [self.destination(), row.delivery.lane.as_str()];
            self.office.metrics().record(Metric::DeliveryDelay, &labels, delay);
        }
        let outcome = self.send(&rows, told.as_ref(), shutdown).await;
        let now = self.office.now();
        self.note(&rows, &outcome);
        let shortest = of_fast(self.office.context.clock.as_ref(), SHORTEST);
        let tried =
            Tried { target: &self.target, rows: &rows, seed: self.office.context.seed, now, shortest };
        let settling = tried.settled(&outcome);
        let settlement = Settlement {
            destination: self.destination(),
            token,
            now,
            rows: &settling.rows,
            told: &settling.told,
            close: settling.close.clone(),
            off: settling.off.clone(),
            unanswered: matches!(outcome, Outcome::Unanswered(_)),
            history: &settling.history,
        };
        self.settle(&settlement, shutdown).await;
        self.keep_move().await;
    }

    /// Keeps the chat that a Telegram group has become, for whoever starts next.
    async fn keep_move(&mut self) {
        let moved = self.sender.moved();
        if moved == self.moved {
            return;
        }
        match moving::keep(&self.office, &self.target, moved.as_deref()).await {
            Ok(()) => self.moved = moved,
            Err(error) => missed("moved", &error),
        }
    }

    /// One attempt, not longer than it may last.
    async fn send(&self, rows: &[Row], told: Option<&Receipt>, shutdown: &Shutdown) -> Outcome {
        let deliveries: Vec<_> = rows.iter().map(|row| row.delivery.clone()).collect();
        let overdue = async {
            tokio::select! {
                () = tokio::time::sleep(self.patience) => {}
                () = async {
                    shutdown.requested().await;
                    tokio::time::sleep(self.office.context.deadline.saturating_sub(LAST_WORD)).await;
                } => {}
            }
        };
        tokio::select! {
            biased;
            outcome = self.sender.send(&deliveries, told, self.office.wall()) => outcome,
            () = overdue => Outcome::Unanswered("no answer in time".to_owned()),
        }
    }

    /// Tells how the destination does.
    fn note(&self, rows: &[Row], outcome: &Outcome) {
        let (name, now) = (self.destination(), self.office.now());
        self.office.metrics().add(Metric::Attempts, &[name, outcome.as_str()], 1);
        match outcome {
            Outcome::Sent { .. } => {
                if self.office.desk.standing(name).failed.is_some() {
                    tracing::info!(destination = name, "takes messages again");
                }
                self.office.desk.sent(name, now);
            }
            Outcome::RetryAfter { after, .. } => {
                tracing::info!(destination = name, seconds = after.as_secs_f64(), "wants to be left alone");
            }
            Outcome::Failed(said) | Outcome::Unanswered(said) => {
                if self.office.desk.standing(name).failed.is_none() {
                    tracing::warn!(destination = name, said, "does not take a message; tried again");
                }
                self.office.desk.failed(name, now, said);
            }
            Outcome::Refused { why, said } if is_of_one(*why, rows) => {
                let reason = why.as_str();
                tracing::warn!(
                    destination = name,
                    reason,
                    said,
                    "refuses a message of several: told one by one"
                );
                self.office.desk.refused(name, now, said);
            }
            Outcome::Refused { why, said } => {
                let reason = why.as_str();
                tracing::error!(
                    destination = name,
                    reason,
                    said,
                    "refuses a message for good: cascade dlq list"
                );
                if why.closes() {
                    tracing::error!(
                        destination = name,
                        reason,
                        "is off; mend it, then: cascade destinations check"
                    );
                }
                self.office.desk.refused(name, now, said);
            }
        }
    }

    /// Writes what became of it, and tries until that is known to be written: whatever a provider took must not be sent
    /// again. Asked to stop, it tries only for a moment: then the books put the rows back when the claim runs out.
    async fn settle(&self, settlement: &Settlement<'_>, shutdown: &Shutdown) {
        let trying = async {
            loop {
                match self.office.bus.settle(settlement).await {
                    Ok(ours) => return ours,
                    Err(error) => missed("settle", &error),
                }
                tokio::time::sleep(RETRY).await;
            }
        };
        let given_up = async {
            shutdown.requested().await;
            tokio::time::sleep(LAST_WORD / 2).await;
        };
        let name = self.destination();
        tokio::select! {
            biased;
            ours = trying => {
                let lost = ours.iter().filter(|ours| !**ours).count();
                if lost > 0 {
                    tracing::warn!(destination = name, rows = lost, "settled by somebody else meanwhile");
                }
            }
            () = given_up => tracing::warn!(
                destination = name,
                rows = settlement.rows.len(),
                "what became of a message is not written: it is sent again, and counted as ambiguous"
            ),
        }
    }
}
