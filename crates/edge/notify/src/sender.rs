//! A destination's sender, whatever its kind.

use std::borrow::Cow;
use std::time::Duration;

use cascade_domain::{Delivery, EventTime};
use cascade_message::Style;
use jiff::tz::TimeZone;

use crate::dead_man::DeadMan;
use crate::destination::Settings;
use crate::discord::Discord;
use crate::file::File;
use crate::slack::Slack;
use crate::stdout::Stdout;
use crate::telegram::Telegram;
use crate::webhook::Webhook;
use crate::{Budget, Destination, Outcome, Output};

/// How many alerts that waited together are told in one message at most.
const MOST_AT_ONCE: usize = 10;

/// What a check of a destination found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// Whether messages will arrive, as far as can be told without sending one.
    pub good: bool,
    /// What was found, for people; no secret in it.
    pub found: String,
}

impl Check {
    pub(crate) fn good(found: impl Into<String>) -> Self {
        Self { good: true, found: found.into() }
    }

    pub(crate) fn bad(found: impl Into<String>) -> Self {
        Self { good: false, found: found.into() }
    }

    /// What an attempt that was no success means for the destination.
    pub(crate) fn of(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Sent { .. } => Self::good("answers"),
            Outcome::RetryAfter { after, .. } => {
                Self::good(format!("answers, and asks for patience of {} s", after.as_secs_f64()))
            }
            Outcome::Failed(what) | Outcome::Unanswered(what) => {
                Self::bad(format!("can't be reached: {what}"))
            }
            Outcome::Refused { why, said } => Self::bad(format!("{}: {said}", why.as_str())),
        }
    }
}

/// How the network is used.
#[derive(Clone, Copy, Debug)]
pub struct Network {
    /// How long one request may take in all, wall time.
    pub timeout: Duration,
}

impl Default for Network {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(10) }
    }
}

/// The sender of one destination. Clones share connections.
#[derive(Clone, Debug)]
pub struct Sender {
    destination: Destination,
    style: Style,
    way: Way,
}

/// Each kind's own.
#[derive(Clone, Debug)]
enum Way {
    Telegram(Telegram),
    Discord(Discord),
    Slack(Slack),
    Webhook(Webhook),
    Stdout(Stdout),
    File(File),
    DeadMan(DeadMan),
}

impl Sender {
    /// The sender of a destination.
    ///
    /// # Errors
    /// There is no HTTP client to be had.
    pub fn new(destination: Destination, network: Network) -> Result<Self, String> {
        let way = match &destination.settings {
            Settings::Telegram(settings) => Way::Telegram(Telegram::try_new(settings, network)?),
            Settings::Discord(settings) => Way::Discord(Discord::try_new(settings, network)?),
            Settings::Slack(settings) => Way::Slack(Slack::try_new(settings, network)?),
            Settings::Webhook(settings) => Way::Webhook(Webhook::try_new(settings, network)?),
            Settings::Stdout => Way::Stdout(Stdout::new(Output::stdout(), network)),
            Settings::File(settings) => Way::File(File::new(settings, network)),
            Settings::DeadMan(settings) => Way::DeadMan(DeadMan::try_new(settings, network)?),
        };
        let zone = TimeZone::get(&destination.zone).map_err(|e| e.to_string())?;
        Ok(Self { destination, style: Style { zone }, way })
    }

    /// The same sender; what it would print goes there. Other kinds than `stdout` print nothing.
    #[must_use]
    pub fn with_output(mut self, output: Output) -> Self {
        if let Way::Stdout(stdout) = &mut self.way {
            stdout.replace(output);
        }
        self
    }

    /// Its destination.
    pub const fn destination(&self) -> &Destination {
        &self.destination
    }

    /// Whether what was sent can be edited; for `webhook` and `file` that is another line of the same alert.
    pub const fn can_edit(&self) -> bool {
        matches!(self.way, Way::Telegram(_) | Way::Discord(_) | Way::Webhook(_) | Way::File(_))
    }

    /// How many deliveries one message can tell; at least 1.
    pub const fn most_at_once(&self) -> usize {
        match self.way {
            Way::Telegram(_) | Way::Discord(_) | Way::Slack(_) | Way::Stdout(_) => MOST_AT_ONCE,
            Way::Webhook(_) | Way::File(_) | Way::DeadMan(_) => 1,
        }
    }

    /// The provider's budgets that each message uses one of.
    pub fn budgets(&self) -> Vec<Budget> {
        match &self.way {
            Way::Telegram(telegram) => telegram.budgets().to_vec(),
            Way::Discord(discord) => vec![discord.budget().clone()],
            Way::Slack(slack) => vec![slack.budget().clone()],
            Way::Webhook(webhook) => vec![webhook.budget().clone()],
            Way::Stdout(_) | Way::File(_) | Way::DeadMan(_) => Vec::new(),
        }
    }

    /// Tells these deliveries in one message; `told` = what to edit, for deliveries of one alert. Of several revisions of
    /// one alert the latest is told. `now` = wall time: receivers of webhooks refuse timestamps that are far from theirs.
    pub async fn send(
        &self,
        deliveries: &[Delivery],
        told: Option<&cascade_wire::Receipt>,
        now: EventTime,
    ) -> Outcome {
        let deliveries = &*latest(deliveries);
        if deliveries.is_empty() && !matches!(self.way, Way::DeadMan(_)) {
            return Outcome::Failed("nothing to tell".to_owned());
        }
        let style = &self.style;
        match &self.way {
            Way::Telegram(telegram) => telegram.send(deliveries, style, told, now).await,
            Way::Discord(discord) => discord.send(deliveries, style, told, now).await,
            Way::Slack(slack) => slack.send(deliveries, style, now).await,
            Way::Webhook(webhook) => webhook.send(deliveries, style, now).await,
            Way::Stdout(stdout) => stdout.send(deliveries, style).await,
            Way::File(file) => file.send(deliveries, style).await,
            Way::DeadMan(dead_man) => dead_man.send(now).await,
        }
    }

    /// Asks the provider whether messages will arrive, without sending one where that can be done.
    pub async fn check(&self) -> Check {
        match &self.way {
            Way::Telegram(telegram) => telegram.check().await,
            Way::Discord(discord) => discord.check().await,
            Way::Slack(slack) => slack.check().await,
            Way::Webhook(webhook) => webhook.check().await,
            Way::Stdout(_) => Check::good("standard output"),
            Way::File(file) => file.check().await,
            Way::DeadMan(_) => Check::good("asked when the watchdog arrives"),
        }
    }

    /// The chat that a Telegram group has become, if that was learned: to be kept, and given to [`Sender::move_to`] by the
    /// next one who makes this sender.
    pub fn moved(&self) -> Option<String> {
        match &self.way {
            Way::Telegram(telegram) => telegram.moved(),
            _ => None,
        }
    }

    /// Sends to this chat instead of the configured one, which has become it.
    pub fn move_to(&self, chat: &str) {
        if let Way::Telegram(telegram) = &self.way {
            telegram.move_to(chat);
        }
    }
}

/// The latest revision of each alert, in the order given.
fn latest(deliveries: &[Delivery]) -> Cow<'_, [Delivery]> {
    let is_latest = |at: usize, one: &Delivery| {
        !deliveries.iter().enumerate().any(|(other_at, other)| {
            other.alert.id == one.alert.id
                && (other.alert.known_at_ms, other_at) > (one.alert.known_at_ms, at)
        })
    };
    if deliveries.iter().enumerate().all(|(at, one)| is_latest(at, one)) {
        return Cow::Borrowed(deliveries);
    }
    let latest = deliveries.iter().enumerate().filter(|(at, one)| is_latest(*at, one));
    Cow::Owned(latest.map(|(_, one)| one.clone()).collect())
}
