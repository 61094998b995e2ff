//! The six destinations of a storm, each a fake that holds its provider's rules: two take everything, one says 429, one
//! errs and refuses, one hangs, one takes messages and breaks off.

use std::path::Path;
use std::time::Duration;

use cascade_testkit::{
    Behaviour, DiscordRules, FakeDiscord, FakeSlack, FakeTelegram, FakeWebhook, Rate, TestMessage,
    WebhookRules,
};

use crate::Failure;

/// Where nothing goes wrong.
pub(crate) const HEALTHY: [&str; 2] = ["chat", "hook"];
/// Where a message may be taken and its answer be lost, by what the provider does.
pub(crate) const CUTTING: &str = "cutting";
/// Where none is answered.
pub(crate) const HANGING: &str = "hanging";
/// All, in order.
pub(crate) const ALL: [&str; 6] = ["chat", "cutting", "failing", "hanging", "hook", "limited"];

/// What a webhook takes here: more than a dispatcher ever sends.
const HOOK_RATE: u32 = 1000;

/// The destinations.
#[derive(Debug)]
pub(crate) struct Doors {
    chat: FakeTelegram,
    hook: FakeWebhook,
    limited: FakeDiscord,
    failing: FakeSlack,
    hanging: FakeWebhook,
    cutting: FakeWebhook,
}

impl Doors {
    /// Opens them.
    pub(crate) async fn open(seed: u64) -> Result<Self, Failure> {
        let rules = || WebhookRules { rate: Rate::new(HOOK_RATE, 900), ..WebhookRules::default() };
        let doors = Self {
            chat: FakeTelegram::start().await?,
            hook: FakeWebhook::with_rules(rules()).await?,
            limited: FakeDiscord::with_rules(DiscordRules::default()).await?,
            failing: FakeSlack::start().await?,
            hanging: FakeWebhook::with_rules(rules()).await?,
            cutting: FakeWebhook::with_rules(rules()).await?,
        };
        doors.limited.misbehave(seed, 4, &[Behaviour::TooMany(Duration::from_secs(1))]);
        let refuses = Behaviour::Status(400, "invalid_blocks".to_owned());
        doors.failing.misbehave(seed + 1, 3, &[Behaviour::ServerError, Behaviour::BadGateway, refuses]);
        doors.hanging.misbehave(seed + 2, 1, &[Behaviour::Hang]);
        let cuts = [Behaviour::CloseHalfWay, Behaviour::TakeAndClose, Behaviour::ServerError];
        doors.cutting.misbehave(seed + 3, 3, &cuts);
        Ok(doors)
    }

    /// Writes the dispatchers' configuration; the variables that hold its secrets.
    pub(crate) fn configure(&self, file: &Path, dispatch: &str) -> Result<Vec<(String, String)>, Failure> {
        let chat = self.chat.url();
        let hook = |name: &str, kind: &str, more: &str| {
            format!(
                "[[destination]]\nname = \"{name}\"\nkind = \"{kind}\"\nurl_env = \"{}\"\n\
                 allow_private_targets = true\n{more}",
                name.to_uppercase()
            )
        };
        let signed = format!("secret_env = \"S\"\nmessages_per_second = {HOOK_RATE}\n");
        let tables = [
            format!("[dispatch]\n{dispatch}"),
            format!(
                "[[destination]]\nname = \"chat\"\nkind = \"telegram\"\ntoken_env = \"T\"\n\
                 chat_id = \"4711\"\nbase_url = \"{chat}\"\n"
            ),
            hook("limited", "discord", ""),
            hook("failing", "slack", ""),
            hook("hook", "webhook", &signed),
            hook("hanging", "webhook", &signed),
            hook("cutting", "webhook", &signed),
        ];
        std::fs::write(file, tables.concat())?;
        let variables = [
            ("T", FakeTelegram::TOKEN.to_owned()),
            ("S", FakeWebhook::SECRET.to_owned()),
            ("HOOK", self.hook.url()),
            ("LIMITED", self.limited.url()),
            ("FAILING", self.failing.url()),
            ("HANGING", self.hanging.url()),
            ("CUTTING", self.cutting.url()),
        ];
        Ok(variables.map(|(name, text)| (name.to_owned(), text)).into())
    }

    /// How often anybody knocked.
    pub(crate) fn requests(&self) -> u64 {
        let webhooks = self.hook.requests() + self.hanging.requests() + self.cutting.requests();
        self.chat.requests() + self.limited.requests() + self.failing.requests() + webhooks
    }

    /// How many messages a door has taken, repeats and edits among them.
    pub(crate) fn taken(&self, door: &str) -> u64 {
        let taken = |message: TestMessage| {
            u64::from(message.times.max(1)) + u64::try_from(message.edits.len()).unwrap_or(u64::MAX)
        };
        self.messages(door).into_iter().map(taken).sum()
    }

    fn messages(&self, door: &str) -> Vec<TestMessage> {
        match door {
            "chat" => self.chat.messages(),
            "hook" => self.hook.messages(),
            "limited" => self.limited.messages(),
            "failing" => self.failing.messages(),
            "hanging" => self.hanging.messages(),
            _ => self.cutting.messages(),
        }
    }

    /// Every rule that was broken, with the door.
    pub(crate) fn violations(&self) -> Vec<String> {
        let all = [
            ("chat", self.chat.violations()),
            ("hook", self.hook.violations()),
            ("limited", self.limited.violations()),
            ("failing", self.failing.violations()),
            ("hanging", self.hanging.violations()),
            ("cutting", self.cutting.violations()),
        ];
        all.into_iter().flat_map(|(door, of)| of.into_iter().map(move |v| format!("{door}: {v}"))).collect()
    }
}
