//! What somebody, or the clock, asks of the policy.
//!
//! Knows no command line and no button.

use std::sync::Arc;

use cascade_domain::{
    Alert, AlertReason, Ask, Decision, EventTime, Heading, Id, Mute, Order, Priority, Subject, Which,
};

use crate::case::{Case, record};
use crate::policy::Policy;
use crate::thread::{Escalation, Standing};

/// So many mutes hold at most.
const MUTES: usize = 256;

impl Policy {
    /// Does what is asked; `Err` = why it makes no sense.
    ///
    /// # Errors
    /// The order names nothing that there is.
    pub fn order(&mut self, order: &Order, now: EventTime, out: &mut Vec<Decision>) -> Result<(), String> {
        match &order.what {
            Ask::Mute(mute) => self.mute(mute, now),
            Ask::Unmute { what } => self.unmute(what, now),
            Ask::Ack { alert } => self.acknowledge(*alert, &order.by),
            Ask::Test { id, priority } => self.test(*id, *priority, (&order.by, now), out),
            Ask::Watchdog { id } => self.watchdog(*id, now, out),
            Ask::Refused { .. } => Ok(()),
        }
    }

    fn knows(&self, what: &Which) -> Result<(), String> {
        match &what.destination {
            Some(name) if !self.targets.iter().any(|target| target.route.name == *name) => {
                Err(format!("no destination is called `{name}`"))
            }
            _ => Ok(()),
        }
    }

    fn mute(&mut self, mute: &Mute, now: EventTime) -> Result<(), String> {
        self.knows(&mute.what)?;
        if mute.until_ms <= now {
            return Err("the time until which it was to be muted is over".to_owned());
        }
        let mutes = &mut self.state.mutes;
        mutes.retain(|held| held.what != mute.what && held.until_ms > now);
        if mutes.len() >= MUTES {
            return Err(format!("{MUTES} mutes hold already: lift one first"));
        }
        mutes.push(mute.clone());
        Ok(())
    }

    fn unmute(&mut self, what: &Which, now: EventTime) -> Result<(), String> {
        let mutes = &mut self.state.mutes;
        mutes.retain(|held| held.until_ms > now);
        let before = mutes.len();
        mutes.retain(|held| held.what != *what);
        if mutes.len() == before {
            return Err("exactly this is not muted".to_owned());
        }
        Ok(())
    }

    fn acknowledge(&mut self, alert: Id, by: &str) -> Result<(), String> {
        let Some(standing) = self.state.alerts.get_mut(&alert) else {
            return Err(format!("no alert {alert} was told lately"));
        };
        standing.acknowledged = Some(by.to_owned());
        if matches!(standing.escalation, Escalation::At(..)) {
            standing.escalation = Escalation::No;
        }
        Ok(())
    }

    fn test(
        &mut self,
        id: Id,
        priority: Priority,
        (by, now): (&str, EventTime),
        out: &mut Vec<Decision>,
    ) -> Result<(), String> {
        let heading = Heading { kind: "test", rule: "test", scope: "test", episode: id };
        let subject = Subject::Test { by: by.to_owned() };
        let alert = Arc::new(Alert { priority, ..Alert::new(&heading, 1, now, subject) });
        self.tell_all(&alert, false, now, out)
    }

    fn watchdog(&mut self, id: Id, now: EventTime, out: &mut Vec<Decision>) -> Result<(), String> {
        let heading = Heading { kind: "watchdog", rule: "watchdog", scope: "watchdog", episode: id };
        let alert = Arc::new(Alert::new(&heading, 1, now, Subject::Watchdog));
        self.tell_all(&alert, true, now, out)
    }

    /// Tells an alert at once, whatever filters, hours, mutes and budgets say: to the watchdog's destination, or to all
    /// others.
    fn tell_all(
        &mut self,
        alert: &Arc<Alert>,
        is_watchdog: bool,
        now: EventTime,
        out: &mut Vec<Decision>,
    ) -> Result<(), String> {
        if !self.targets.iter().any(|target| target.route.is_watchdog == is_watchdog) {
            let whose =
                if is_watchdog { "no destination is the watchdog's" } else { "there is no destination" };
            return Err(whose.to_owned());
        }
        if !self.state.seen.note(alert.revision, now) {
            return Err("this was asked before".to_owned());
        }
        let mut standing = Standing::new(alert, now);
        for target in self.targets.iter().filter(|target| target.route.is_watchdog == is_watchdog) {
            let case = Case::new(&self.config, target, alert, now);
            record(&case, &mut standing, case.told(AlertReason::First, now), out);
        }
        if !is_watchdog {
            self.state.alerts.insert(alert.id, standing);
        }
        Ok(())
    }
}
