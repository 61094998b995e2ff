//! Buttons below Telegram messages: who pressed what becomes an order, once for each press whatever dies.
//!
//! One poller a bot, under a lease: Telegram lets nobody else ask. What an order does is the policy's affair.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use cascade_bus::BusError;
use cascade_domain::{Ask, Mute, Order, Which};
use cascade_message::pressed;
use cascade_notify::{Bot, BotError, Callback, Press, Update};
use cascade_pace::Backoff;
use cascade_service::{BoxError, Lease, Shutdown};
use cascade_wire::dispatch;

use crate::config::Config;
use crate::office::{Office, RETRY, missed};

/// How often a lease that another has is asked for, wall time.
const ASK: Duration = Duration::from_secs(1);
/// How long Telegram may keep us waiting for a press, wall time.
const WAIT: Duration = Duration::from_secs(25);
/// How long a bot that can't be asked is left alone, wall time: at first, and at most.
const LEAVE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));
/// After how much of health the first of these counts again, wall time.
const HEALTHY: Duration = Duration::from_mins(1);

/// A bot whose token is not good.
#[derive(Debug)]
struct Off;

/// Who asks one bot for presses.
#[derive(Debug)]
pub(crate) struct Poller {
    office: Office,
    bot: Bot,
    /// The destination that it is the bot of, for people.
    destination: String,
    allowed: Arc<BTreeSet<i64>>,
    backoff: Backoff,
}

impl Poller {
    /// One for each bot whose messages bear buttons.
    ///
    /// # Errors
    /// There is no HTTP client to be had.
    pub(crate) fn all(office: &Office, config: &Config) -> Result<Vec<Self>, BoxError> {
        let (first, most) = LEAVE;
        let backoff = Backoff::try_new(first, most, HEALTHY, office.context.seed)?;
        let allowed = Arc::new(config.allowed_users.clone());
        let mut pollers = BTreeMap::new();
        for target in config.destinations.iter().filter(|target| target.destination.has_buttons()) {
            let destination = target.destination.name.clone();
            let Some(bot) = Bot::of(&target.destination, config.network(), WAIT)? else { continue };
            let (office, allowed) = (office.clone(), Arc::clone(&allowed));
            let name = bot.name().to_owned();
            let backoff = backoff.clone();
            pollers.entry(name).or_insert(Self { office, bot, destination, allowed, backoff });
        }
        Ok(pollers.into_values().collect())
    }

    /// What its task is called.
    pub(crate) fn name(&self) -> String {
        format!("buttons-{}", self.destination)
    }

    /// Waits for the lease, asks while it is ours, and gives it back at the end.
    pub(crate) async fn hold(mut self, shutdown: Shutdown) {
        let (bus, owner) = (self.office.bus.clone(), self.office.context.instance.clone());
        let lease = Lease::new(bus, dispatch::updates_lease(self.bot.name()), owner);
        while lease.take(|| ASK, &shutdown).await {
            let off = tokio::select! {
                biased;
                () = lease.keep_strictly(&shutdown) => None,
                off = self.run() => Some(off),
            };
            if let Some(Off) = off {
                // Whoever has the same token is refused too; a new one comes with a new start.
                lease.let_go().await;
                return shutdown.requested().await;
            }
            if shutdown.is_requested() {
                return lease.let_go().await;
            }
        }
    }

    /// Asks until dropped, or until the token turns out not to be good.
    async fn run(&mut self) -> Off {
        let mut well_since = None;
        loop {
            let pause = match self.look().await {
                Ok(()) => {
                    well_since = well_since.or_else(|| Some(self.office.wall()));
                    continue;
                }
                Err(Missed::Redis(error)) => {
                    missed("buttons", &error);
                    RETRY
                }
                Err(Missed::Telegram(error)) => match self.told(&error) {
                    ControlFlow::Continue(asked) => {
                        let held = well_since.take().map_or(0, |since| self.office.wall().since(since));
                        let held = Duration::from_millis(u64::try_from(held).unwrap_or(0));
                        asked.unwrap_or_else(|| self.backoff.after(held))
                    }
                    ControlFlow::Break(off) => return off,
                },
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// Says why the bot can't be asked; for how long it wants to be left alone, if it says.
    fn told(&self, error: &BotError) -> ControlFlow<Off, Option<Duration>> {
        let destination = self.destination.as_str();
        match error {
            BotError::RetryAfter(pause) => return ControlFlow::Continue(Some(*pause)),
            BotError::Unauthorised(_) => {
                tracing::error!(destination, %error, "its buttons are off until the next start");
                return ControlFlow::Break(Off);
            }
            BotError::Conflict(_) => tracing::warn!(
                destination,
                %error,
                "another program reads them with the same token, or a webhook is set: only one may"
            ),
            BotError::Failed(_) | BotError::Rejected(_) => {
                tracing::warn!(destination, %error, "its buttons are not heard; asked again");
            }
        }
        ControlFlow::Continue(None)
    }

    /// Waits for presses, and makes orders of them.
    async fn look(&self) -> Result<(), Missed> {
        let last = self.office.bus.last_update(self.bot.name()).await?;
        let updates = self.bot.updates(last.map(|last| last + 1)).await?;
        for update in updates {
            self.take(&update).await?;
        }
        Ok(())
    }

    /// Makes an order of a press, once; then says what was done. Who presses hears it again if that was not told before.
    async fn take(&self, update: &Update) -> Result<(), Missed> {
        let (order, said) = match &update.callback {
            Some(callback) => self.judged(callback),
            None => (None, None),
        };
        let is_new = self.office.bus.order_once(self.bot.name(), update.id, order.as_ref()).await?;
        if let (Some(callback), Some(said)) = (&update.callback, said) {
            tracing::info!(
                destination = self.destination,
                user = callback.user,
                is_new,
                said,
                "a button was pressed"
            );
            // Nobody waits for this answer: the press is handled.
            if let Err(error) = self.bot.answer(&callback.query, &said).await {
                tracing::debug!(%error, "who pressed was not told");
            }
        }
        Ok(())
    }

    /// What a press asks for, and what is said to it.
    fn judged(&self, callback: &Callback) -> (Option<Order>, Option<String>) {
        let Some(press) = self.bot.press(&callback.data) else {
            return (None, Some(pressed::NOT_OURS.to_owned()));
        };
        let at_ms = self.office.now();
        let order = |what| Order { at_ms, by: by(callback), what };
        if !self.allowed.contains(&callback.user) {
            let act = word(&press).to_owned();
            let refused = Ask::Refused { act, alert: press.alert };
            return (Some(order(refused)), Some(pressed::NOT_ALLOWED.to_owned()));
        }
        let ask = match press.act.mutes_for() {
            None => Ask::Ack { alert: press.alert },
            // Nothing named would be everything.
            Some(_) if press.which == Which::default() => return (None, Some(pressed::NO_MUTE.to_owned())),
            Some(length) => {
                let until_ms = at_ms.plus_ms(i64::try_from(length.as_millis()).unwrap_or(i64::MAX));
                Ask::Mute(Mute { what: press.which, until_ms })
            }
        };
        let said = pressed::done(&ask);
        (Some(order(ask)), Some(said))
    }
}

/// Why presses were not heard.
enum Missed {
    Redis(BusError),
    Telegram(BotError),
}

impl From<BusError> for Missed {
    fn from(error: BusError) -> Self {
        Self::Redis(error)
    }
}

impl From<BotError> for Missed {
    fn from(error: BotError) -> Self {
        Self::Telegram(error)
    }
}

/// The word for what a press asks for.
const fn word(press: &Press) -> &'static str {
    if press.act.mutes_for().is_some() { "mute" } else { "ack" }
}

/// Who pressed: `telegram:4711 @name`.
fn by(callback: &Callback) -> String {
    match callback.user_name.as_str() {
        "" => format!("telegram:{}", callback.user),
        name => format!("telegram:{} @{name}", callback.user),
    }
}
