//! The commands on alerts, as a shell runs them, against a dispatcher of their own and against none.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test starts its dispatcher itself, and a program that cannot be run fails the test"
)]

use std::io::Write as _;
use std::process::Output;
use std::sync::Arc;
use std::time::Duration;

use cascade_bus::{Bus, StreamId};
use cascade_service::config::{Document, Sources};
use cascade_service::{BoxError, Context, Health, Metrics, Shutdown, SystemClock, Traces};
use cascade_testkit::{Behaviour, FakeTelegram, FakeWebhook, TestProcess, TestRedis, eventually};
use cascade_wire::dispatch;
use serde_json::Value;
use tempfile::NamedTempFile;
use tokio::task::JoinHandle;

const PROGRAM: &str = env!("CARGO_BIN_EXE_cascade");
const DEADLINE: Duration = Duration::from_mins(1);

/// A Redis, a configuration, and maybe a dispatcher that runs by it.
struct Site {
    redis: TestRedis,
    bus: Bus,
    file: NamedTempFile,
    variables: Vec<(String, String)>,
    running: Option<(Shutdown, JoinHandle<Result<(), BoxError>>)>,
}

impl Site {
    async fn new(text: &str) -> Self {
        let redis = TestRedis::start().await.unwrap();
        let (bus, mut file) = (redis.bus("test").unwrap(), NamedTempFile::new().unwrap());
        let quick =
            "[dispatch]\nhistory_path = \"\"\nmedium_wait_ms = 1\nlow_wait_ms = 1\nsend_timeout_s = 2\n";
        file.write_all(format!("{quick}{text}").as_bytes()).unwrap();
        let variables = [
            ("CASCADE_REDIS__URL", redis.url()),
            ("TOKEN", FakeTelegram::TOKEN.to_owned()),
            ("SECRET", FakeWebhook::SECRET.to_owned()),
            ("USER", "ann".to_owned()),
        ];
        let variables = variables.map(|(name, text)| (name.to_owned(), text)).into();
        Self { redis, bus, file, variables, running: None }
    }

    /// Starts its dispatcher, and waits until it decides.
    async fn dispatching(mut self) -> Self {
        let file = Some(self.file.path().to_owned());
        let sources = Sources { file, environment: self.variables.clone(), ..Sources::default() };
        let (document, mut mistakes) = Document::load(&sources);
        let config = alert_dispatcher::Config::read(&document, &mut mistakes);
        assert!(mistakes.is_empty(), "{mistakes}");
        let (name, shutdown) = (alert_dispatcher::PROGRAM.name, Shutdown::new());
        let context = Context {
            name,
            version: "0",
            instance: "one".to_owned(),
            clock: Arc::new(SystemClock::new()),
            seed: 1,
            health: Health::new(),
            metrics: Metrics::new(name, "0"),
            routes: cascade_service::Routes::default(),
            traces: Traces::off(),
            shutdown: shutdown.clone(),
            deadline: Duration::from_secs(10),
        };
        self.running = Some((shutdown, tokio::spawn(alert_dispatcher::run(config, context))));
        let decides = async || self.bus.get(dispatch::DECIDER_LEASE).await.unwrap().is_some();
        assert!(eventually(DEADLINE, decides).await);
        self
    }

    async fn stop(self) {
        if let Some((shutdown, task)) = self.running {
            shutdown.request();
            task.await.unwrap().unwrap();
        }
    }

    /// Runs a command to its end: exit code, stdout, stderr.
    async fn run(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let config = self.file.path().display().to_string();
        let arguments = [arguments, &["--config", &config]].concat();
        let Output { status, stdout, stderr } =
            TestProcess::output(PROGRAM, &arguments, &self.variables).await.unwrap();
        let (out, err) = (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap());
        assert!(!format!("{out}{err}").contains(FakeTelegram::TOKEN), "{arguments:?}: a secret");
        (status.code(), out, err)
    }

    /// What a command says that must succeed.
    async fn says(&self, arguments: &[&str]) -> String {
        let (code, out, err) = self.run(arguments).await;
        assert_eq!(code, Some(0), "{arguments:?}: {out}{err}");
        out
    }

    /// The same as JSON.
    async fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.says(&[arguments, &["--json"]].concat()).await).unwrap()
    }
}

fn webhook(name: &str, fake: &FakeWebhook) -> String {
    format!(
        "[[destination]]\nname = \"{name}\"\nkind = \"webhook\"\nurl = \"{}\"\nsecret_env = \"SECRET\"\n\
         allow_private_targets = true\n",
        fake.url()
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_alert_reaches_every_destination_and_stands_in_the_history() {
    let desk = FakeWebhook::start().await.unwrap();
    let site = Site::new(&webhook("desk", &desk)).await.dispatching().await;
    let out = site.says(&["test-alert"]).await;
    let row: Vec<_> = out.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(row[..4], ["desk", "sent", "-", "1"], "{out}");
    assert_eq!(desk.messages().len(), 1);
    let history = site.json(&["history", "--rule", "test"]).await;
    let told = &history["alerts"][0];
    assert_eq!(
        (&told["kind"], &told["deliveries"][0]["ending"]),
        (&"test".into(), &"sent".into()),
        "{history}"
    );
    assert!(history["source"].as_str().unwrap().contains("the stream on redis://"), "{history}");
    let (_, out, err) = site.run(&["history"]).await;
    assert!(
        err.contains("from the stream on") && out.contains("desk") && out.contains("cli:ann@"),
        "{out}{err}"
    );
    let narrowed = site.says(&["history", "--destination", "nobody"]).await;
    assert_eq!(narrowed.trim(), "no alerts");

    let id = told["alert"].as_str().unwrap();
    let out = site.says(&["ack", &id[..8]]).await;
    assert!(out.starts_with(&format!("acknowledged {id}")), "{out}");
    let (code, _, err) = site.run(&["ack", "ffffffff"]).await;
    assert!(code == Some(1) && err.contains("no alert ffffffff"), "{err}");
    desk.assert_obeyed();
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_alert_that_a_destination_refuses_is_a_failure_by_name_and_a_dead_letter() {
    let (good, bad) = (FakeWebhook::start().await.unwrap(), FakeWebhook::start().await.unwrap());
    let site = Site::new(&(webhook("good", &good) + &webhook("bad", &bad))).await.dispatching().await;
    bad.behave(Behaviour::Status(422, "not like this".to_owned()), 1);
    let (code, out, err) = site.run(&["test-alert"]).await;
    assert_eq!(code, Some(1), "{out}{err}");
    let row = |name: &str| out.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
    assert!(row("good").contains(" sent ") && row("bad").contains(" dead "), "{out}");
    assert!(err.contains("destinations check"), "{err}");
    let (code, out, _) = site.run(&["test-alert", "--destination", "good"]).await;
    assert!(code == Some(0) && !out.contains("bad"), "{out}");
    let (code, _, err) = site.run(&["test-alert", "--destination", "ugly"]).await;
    assert!(code == Some(1) && err.contains("no destination `ugly`; it has"), "{err}");

    let letters = site.json(&["dlq", "list"]).await;
    assert_eq!(letters.as_array().unwrap().len(), 1, "{letters}");
    let id = letters[0]["id"].as_str().unwrap();
    let shown: Value = serde_json::from_str(&site.says(&["dlq", "show", id]).await).unwrap();
    assert_eq!(shown["letter"]["delivery"]["destination"], "bad");
    let (code, _, err) = site.run(&["dlq", "show", "1-1"]).await;
    assert!(code == Some(1) && err.contains("no such dead letter: 1-1"), "{err}");
    let (code, _, err) = site.run(&["dlq", "drop", "--all"]).await;
    assert!(code == Some(2) && err.contains("--yes"), "{err}");
    assert_eq!(site.says(&["dlq", "replay", id]).await.trim(), "1 put back on their way");
    let sent = async || {
        let history = site.json(&["history", "--destination", "bad", "--ending", "sent"]).await;
        history["alerts"].as_array().unwrap().iter().any(|told| told["deliveries"][0]["letter"] == "replayed")
    };
    assert!(eventually(DEADLINE, sent).await, "{}", site.json(&["history"]).await);
    assert_eq!(site.says(&["dlq", "list"]).await.trim(), "no dead letters");
    assert_eq!(site.says(&["dlq", "drop", "--all", "--yes"]).await.trim(), "0 dropped");
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_muted_is_shown_until_it_is_lifted() {
    let desk = FakeWebhook::start().await.unwrap();
    let site = Site::new(&webhook("desk", &desk)).await.dispatching().await;
    assert_eq!(site.says(&["mutes"]).await.trim(), "nothing is muted");
    let out = site.says(&["mute", "--symbol", "btcusdt", "--for", "1h"]).await;
    assert!(out.contains("market BTCUSDT"), "{out}");
    site.says(&["mute", "--rule", "feed", "--destination", "desk", "--for", "2h"]).await;
    let shown = async || site.json(&["mutes"]).await.as_array().unwrap().len() == 2;
    assert!(eventually(DEADLINE, shown).await, "{}", site.says(&["mutes"]).await);
    let status = site.run(&["status"]).await.1;
    assert!(status.contains("MUTED MARKET") && status.contains("BTCUSDT"), "{status}");
    let (code, _, err) = site.run(&["mute", "--destination", "nobody", "--for", "1h"]).await;
    assert!(code == Some(1) && err.contains("refuses") && err.contains("nobody"), "{err}");
    let (code, _, err) = site.run(&["unmute", "--symbol", "ETHUSDT"]).await;
    assert!(code == Some(1) && err.contains("no mute of exactly this"), "{err}");
    site.says(&["unmute", "--symbol", "BTCUSDT"]).await;
    let one = async || site.json(&["mutes"]).await.as_array().unwrap().len() == 1;
    assert!(eventually(DEADLINE, one).await);
    site.says(&["unmute", "--all"]).await;
    let none = async || site.says(&["mutes"]).await.trim() == "nothing is muted";
    assert!(eventually(DEADLINE, none).await);
    let told = site.says(&["history"]).await;
    assert!(told.contains("market BTCUSDT, until ") && !told.contains('{'), "{told}");
    let acts = site.json(&["history"]).await;
    let words: Vec<_> =
        acts["acts"].as_array().unwrap().iter().map(|act| act["act"].as_str().unwrap()).collect();
    assert_eq!(words, ["mute", "mute", "mute", "unmute", "unmute"], "{acts}");
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_dispatcher_an_order_stands_and_the_way_out_is_named() {
    let site = Site::new("").await;
    for command in [&["mute", "--for", "1h"][..], &["test-alert"]] {
        let (code, _, err) = site.run(command).await;
        assert_eq!(code, Some(1), "{command:?}: {err}");
        assert!(err.contains("no dispatcher answers") && err.contains("`cascade up`"), "{command:?}: {err}");
    }
    let orders = site.bus.entries(dispatch::ORDERS, StreamId::ZERO, 10).await.unwrap();
    assert_eq!(orders.len(), 2);
    assert_eq!(site.says(&["dlq", "list"]).await.trim(), "no dead letters");
    assert_eq!(site.says(&["history"]).await.trim(), "no alerts");
    drop(site.redis);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_history_is_asked_where_there_is_one_and_named_where_it_is_broken() {
    let site = Site::new("").await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("history.db").display().to_string();
    let set = format!("dispatch.history_path={path}");
    let asked = ["history", "--set", &set];
    assert!(site.run(&asked).await.2.contains("from the stream on"));
    drop(cascade_history::History::open(&path).unwrap());
    let (code, out, err) = site.run(&asked).await;
    assert!(code == Some(0) && err.contains(&format!("from {path}")), "{out}{err}");
    std::fs::write(&path, "no database ".repeat(99)).unwrap();
    let (code, _, err) = site.run(&asked).await;
    assert!(code == Some(1) && err.contains(&format!("mv {path}")), "{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn destinations_are_listed_without_secrets_and_checked_with_their_providers() {
    let (telegram, desk) = (FakeTelegram::start().await.unwrap(), FakeWebhook::start().await.unwrap());
    let phone = format!(
        "[[destination]]\nname = \"phone\"\nkind = \"telegram\"\ntoken_env = \"TOKEN\"\nchat_id = \"4711\"\nbase_url = \"{}\"\n",
        telegram.url()
    );
    let site = Site::new(&(phone + &webhook("desk", &desk))).await;
    let list = site.says(&["destinations", "list"]).await;
    let row = |name: &str| {
        list.lines()
            .find(|line| line.starts_with(name))
            .unwrap()
            .split_whitespace()
            .nth(1)
            .unwrap()
            .to_owned()
    };
    assert_eq!((row("phone").as_str(), row("desk").as_str()), ("telegram", "webhook"), "{list}");
    let checked = site.says(&["destinations", "check", "phone"]).await;
    assert!(checked.contains("good"), "{checked}");
    telegram.revoke();
    let (code, out, err) = site.run(&["destinations", "check", "phone"]).await;
    assert!(code == Some(1) && out.contains("BAD"), "{out}{err}");
    let (code, _, err) = site.run(&["destinations", "check", "pager"]).await;
    assert!(code == Some(1) && err.contains("there is no pager; there are desk, phone"), "{err}");
    assert_eq!(telegram.messages().len() + desk.messages().len(), 0, "a check sends nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_that_went_off_is_on_again_when_a_check_finds_it_good() {
    let desk = FakeWebhook::start().await.unwrap();
    desk.behave(Behaviour::Status(410, String::new()), 1);
    let site = Site::new(&webhook("desk", &desk)).await.dispatching().await;
    let (code, out, _) = site.run(&["test-alert", "--wait", "20s"]).await;
    assert!(code == Some(1) && out.contains("gone"), "{out}");
    let (code, out, _) = site.run(&["test-alert", "--wait", "20s"]).await;
    assert!(code == Some(1) && out.contains("destination_off"), "{out}");
    let list = site.says(&["dlq", "list"]).await;
    assert!(list.contains("destination_off") && !list.contains("settings"), "{list}");

    let (code, _, err) = site.run(&["destinations", "check"]).await;
    assert!(
        code == Some(0) && err.contains("desk was off (gone: HTTP 410") && err.contains("on again"),
        "{err}"
    );
    site.says(&["test-alert"]).await;
    let (code, _, err) = site.run(&["destinations", "check"]).await;
    assert!(code == Some(0) && err.is_empty(), "{err}");
    site.stop().await;
}

#[tokio::test]
async fn flags_that_make_no_sense_are_refused_with_the_way_out() {
    let site = Site::new("").await;
    for (arguments, said) in [
        (&["history", "--since", "yesterday"][..], "1h (ago)"),
        (&["history", "--ending", "lost"], "suppressed"),
        (&["mute", "--for", "ever"], "90s"),
        (&["mute", "--symbol", "BTCUSDT"], "--for"),
        (&["mute", "--rule", "cascades", "--for", "1h"], "market_cascade"),
        (&["ack", "btc"], "hex digits"),
        (&["dlq", "show", "x"], "dlq list"),
        (&["dlq", "replay"], "<ID>"),
        (&["unmute", "--all", "--rule", "feed"], "--all"),
        (&["up", "--demo-notify"], "--demo"),
    ] {
        let (code, _, err) = site.run(arguments).await;
        assert!(code == Some(2) && err.contains(said), "{arguments:?}: {err}");
    }
}
