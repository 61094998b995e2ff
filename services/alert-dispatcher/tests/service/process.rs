//! The program as a shell or an orchestrator runs it: configuration, health, signals, exit codes; and that nothing it says
//! holds a secret.

use std::process::Stdio;
use std::time::Duration;

use cascade_bus::StreamId;
use cascade_domain::{Ending, EventTime, Finding, Level};
use cascade_testkit::{Observer, TestProcess, TestRedis, eventually};
use cascade_wire::dispatch;

use crate::support::{Answer, DEADLINE, PROGRAM, Receiver, Written, all_ended, begins, put_out};

const SECRETS: [&str; 3] =
    ["hunter2hunter2", "AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw", "s3cretS3cretS3cretS3cret"];

fn variables(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

/// What `healthcheck` ends with.
async fn health(greeting: &str) -> Option<i32> {
    let check = ["healthcheck", "--health-addr", greeting.rsplit("http://").next().unwrap()];
    let stdout = "--set=service.log_level=off";
    let hook = variables(&[("ALERT_WEBHOOK_URL", "https://example.org")]);
    TestProcess::output(PROGRAM, &[&check[..], &[stdout]].concat(), &hook).await.unwrap().status.code()
}

async fn started(
    redis: &TestRedis,
    written: &Written,
    environment: &[(String, String)],
) -> (TestProcess, String) {
    let (url, file) = (redis.url(), written.path());
    let arguments = ["--redis-url", &url, "--health-addr", "127.0.0.1:0", "--config", &file];
    let mut process = TestProcess::start(PROGRAM, &arguments, environment).unwrap();
    let greeting = process.line().await.unwrap().unwrap();
    (process, greeting)
}

/// A configuration of another alerter that forwarded nothing was accepted without a word; and it ended with 0 when its
/// start had failed.
#[tokio::test]
async fn a_configuration_that_tells_nobody_ends_with_2_and_a_start_that_fails_with_1() {
    for arguments in [&["--check-config"][..], &[]] {
        let output = TestProcess::output(PROGRAM, arguments, &[]).await.unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(told.contains("destination: there is none") && told.contains("TELEGRAM_BOT_TOKEN"), "{told}");
    }
    let hook = variables(&[("ALERT_WEBHOOK_URL", "https://example.org/hunter2hunter2")]);
    let fine = TestProcess::output(PROGRAM, &["--check-config"], &hook).await.unwrap();
    assert_eq!(fine.status.code(), Some(0));
    assert!(!String::from_utf8_lossy(&fine.stdout).contains("hunter2"));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let failed = TestProcess::output(PROGRAM, &["--health-addr", &address], &hook).await.unwrap();
    assert_eq!(failed.status.code(), Some(1), "{}", String::from_utf8_lossy(&failed.stderr));
}

#[tokio::test]
async fn it_waits_for_redis_becomes_ready_when_somebody_decides_and_ends_with_0_when_asked() {
    let mut redis = TestRedis::start().await.unwrap();
    redis.server.kill9().await.unwrap();
    let written = Written::new("[[destination]]\nname = \"out\"\nkind = \"stdout\"\n");
    let (process, greeting) = started(&redis, &written, &[]).await;
    assert_eq!(health(&greeting).await, Some(1), "no Redis yet");
    redis.server.restart().await.unwrap();
    assert!(eventually(DEADLINE, async || health(&greeting).await == Some(0)).await, "not ready: {greeting}");
    let bus = redis.bus("test").unwrap();
    assert!(!bus.scan("service:alert-dispatcher:*").await.unwrap().is_empty(), "it has a heartbeat");
    assert_eq!(process.end_by("TERM").await.unwrap(), Some(0));
    assert!(bus.scan("service:alert-dispatcher:*").await.unwrap().is_empty(), "and took its leave");
    assert_eq!(bus.get(dispatch::DECIDER_LEASE).await.unwrap(), None, "the lease is given back");
}

/// What it was told to write to standard output, up to the first line that holds this.
async fn says(process: &mut TestProcess, words: &str) -> String {
    loop {
        let line = process.line().await.unwrap().unwrap();
        if line.contains(words) {
            return line;
        }
    }
}

#[tokio::test]
async fn standard_output_is_told_beside_others_or_alone() {
    let stdout = ("CASCADE_DISPATCH__STDOUT", "true");
    let alone = TestProcess::output(PROGRAM, &["--check-config"], &variables(&[stdout])).await.unwrap();
    assert_eq!(alone.status.code(), Some(0), "no other is needed");
    let redis = TestRedis::start().await.unwrap();
    let (bus, desk) = (redis.bus("test").unwrap(), Receiver::start().await);
    let written = Written::new(&desk.webhook("desk"));
    let (mut process, _) = started(&redis, &written, &variables(&[stdout])).await;
    put_out(&bus, &[begins("BTCUSDT", Level::Critical)]).await;
    assert!(!says(&mut process, "BTCUSDT").await.contains("DEMO"));
    desk.gets(1).await;
    assert_eq!(all_ended(&bus, &["desk", "stdout"]).await, 2);
    assert_eq!(process.end_by("TERM").await.unwrap(), Some(0));
}

/// A finding of simulated exchanges.
fn of_a_demo(symbol: &str) -> Finding {
    let mut finding = begins(symbol, Level::Critical);
    let now = finding.known_at();
    finding.stamp(now, true);
    finding
}

#[tokio::test]
async fn a_demo_is_told_on_standard_output_and_elsewhere_only_where_that_is_wanted() {
    for notify in [false, true] {
        let redis = TestRedis::start().await.unwrap();
        let (bus, desk) = (redis.bus("test").unwrap(), Receiver::start().await);
        let directory = tempfile::tempdir().unwrap();
        let history = directory.path().join("history.db");
        let dead_man = format!("{}/dead-man", desk.url);
        let written = Written::new(&desk.webhook("desk"));
        let environment = variables(&[
            ("CASCADE_SIMULATOR__URL", "http://127.0.0.1:9"),
            ("CASCADE_SIMULATOR__NOTIFY", if notify { "true" } else { "false" }),
            ("CASCADE_DISPATCH__DEAD_MAN_URL", &dead_man),
            ("CASCADE_DISPATCH__HISTORY_PATH", history.to_str().unwrap()),
        ]);
        let (mut process, _) = started(&redis, &written, &environment).await;
        put_out(&bus, &[of_a_demo("BTCUSDT")]).await;
        let line = says(&mut process, "BTCUSDT").await;
        assert!(line.starts_with("DEMO "), "{line}");
        if notify {
            desk.gets(1).await;
            assert_eq!(desk.said("/data/demo"), ["true"]);
        }
        let told: &[&str] = if notify { &["desk", "stdout"] } else { &["stdout"] };
        all_ended(&bus, told).await;
        let audit = bus.accounts(EventTime::from_ms(0)).await.unwrap();
        let names: Vec<_> = audit.accounts.keys().map(String::as_str).collect();
        assert_eq!(names, told, "no watchdog, nobody else");
        assert_eq!(desk.requests().len(), usize::from(notify));
        assert!(!history.exists(), "no history is kept");
        assert_eq!(process.end_by("TERM").await.unwrap(), Some(0));
    }
}

#[tokio::test]
async fn it_ends_with_0_within_a_short_deadline_although_redis_hangs() {
    let redis = TestRedis::start().await.unwrap();
    let written = Written::new(
        "[[destination]]\nname = \"out\"\nkind = \"stdout\"\n[service]\nshutdown_deadline_s = 7\n",
    );
    let (process, greeting) = started(&redis, &written, &[]).await;
    assert!(eventually(DEADLINE, async || health(&greeting).await == Some(0)).await, "not ready: {greeting}");
    redis.server.pause().await.unwrap();
    assert!(
        eventually(DEADLINE, async || health(&greeting).await == Some(1)).await,
        "it notices: {greeting}"
    );
    assert_eq!(process.end_by("TERM").await.unwrap(), Some(0));
}

#[tokio::test]
async fn a_message_that_is_under_way_when_it_is_asked_to_stop_is_settled() {
    let redis = TestRedis::start().await.unwrap();
    let (bus, desk) = (redis.bus("test").unwrap(), Receiver::start().await);
    desk.answers([Answer::Hang]);
    let written = Written::new(&desk.webhook("desk"));
    let (process, _) = started(&redis, &written, &[]).await;
    put_out(&bus, &[begins("BTCUSDT", Level::Critical)]).await;
    desk.gets(1).await;
    assert_eq!(process.end_by("TERM").await.unwrap(), Some(0));
    let audit = bus.audit(EventTime::from_ms(0)).await.unwrap();
    let account = &audit.accounts["desk"];
    assert_eq!(
        (account.open, account.ambiguous, audit.orphans),
        (1, 1, 0),
        "it may have arrived, and waits for its next try: {account:?}"
    );
}

/// A message of another alerter was left unsettled when another worker had won.
#[tokio::test]
async fn a_message_that_two_have_sent_since_one_stood_still_ends_once_and_is_settled() {
    let redis = TestRedis::start().await.unwrap();
    let (bus, desk) = (redis.bus("test").unwrap(), Receiver::start().await);
    desk.answers([Answer::Hang]);
    let written = Written::new(&desk.webhook("desk"));
    let (slow, _) = started(&redis, &written, &[]).await;
    put_out(&bus, &[begins("BTCUSDT", Level::Critical)]).await;
    desk.gets(1).await;
    slow.signal("STOP").await.unwrap();
    let (other, _) = started(&redis, &written, &[]).await;
    desk.gets(2).await;
    all_ended(&bus, &["desk"]).await;
    slow.signal("CONT").await.unwrap();
    // Both go on: what comes next is told once.
    put_out(&bus, &[begins("ETHUSDT", Level::Critical)]).await;
    desk.gets(3).await;
    all_ended(&bus, &["desk"]).await;
    assert_eq!(slow.end_by("TERM").await.unwrap(), Some(0));
    assert_eq!(other.end_by("TERM").await.unwrap(), Some(0));
    let audit = bus.audit(EventTime::from_ms(0)).await.unwrap();
    let account = &audit.accounts["desk"];
    assert_eq!((account.ended[&Ending::Sent], account.open, account.ambiguous), (2, 0, 1), "{account:?}");
    assert_eq!(desk.scopes(), ["BTCUSDT", "BTCUSDT", "ETHUSDT"]);
}

#[tokio::test]
async fn nothing_that_it_says_or_keeps_holds_a_secret() {
    let redis = TestRedis::start().await.unwrap();
    let (bus, desk) = (redis.bus("test").unwrap(), Receiver::start().await);
    desk.always(Answer::Refuse(401));
    let base = desk.url.as_str();
    let text = format!(
        "dead_man_url = \"{base}/hunter2hunter2\"\nwatchdog_every_s = 10\n\
         [[destination]]\nname = \"phone\"\nkind = \"telegram\"\ntoken_env = \"TOKEN\"\nchat_id = \"5\"\nbuttons = true\nbase_url = \"{base}\"\n\
         [[destination]]\nname = \"discord\"\nkind = \"discord\"\nurl_env = \"DISCORD\"\nallow_private_targets = true\n\
         [[destination]]\nname = \"slack\"\nkind = \"slack\"\nurl_env = \"SLACK\"\nallow_private_targets = true\n\
         [[destination]]\nname = \"desk\"\nkind = \"webhook\"\nurl_env = \"DESK\"\nsecret_env = \"KEY\"\nallow_private_targets = true\n\
         [service]\nlog_level = \"debug\"\n"
    );
    let written = Written::new(&text);
    let secret = variables(&[
        ("TOKEN", "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"),
        ("DISCORD", &format!("{base}/api/webhooks/1234/s3cretS3cretS3cretS3cret")),
        ("SLACK", &format!("{base}/services/T1/B1/hunter2hunter2")),
        ("DESK", &format!("{base}/hunter2hunter2")),
        ("KEY", "s3cretS3cretS3cretS3cret"),
    ]);
    let (url, file) = (redis.url(), written.path());
    let arguments = ["--redis-url", &url, "--health-addr", "127.0.0.1:0", "--config", &file];
    let mut command = tokio::process::Command::new(PROGRAM);
    command.args(arguments).envs(secret).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.kill_on_drop(true).spawn().unwrap();
    let pid = child.id().unwrap().to_string();
    put_out(&bus, &[begins("BTCUSDT", Level::Critical)]).await;
    all_ended(&bus, &["phone", "discord", "slack", "desk"]).await;
    desk.gets(5).await;
    all_ended(&bus, &["dead-man"]).await;
    assert!(
        std::process::Command::new("sh")
            .args(["-c", &format!("kill -TERM {pid}")])
            .status()
            .unwrap()
            .success()
    );
    let output = tokio::time::timeout(DEADLINE, child.wait_with_output()).await.unwrap().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        log.contains("telegram.allowed_users is empty") && log.contains("phone"),
        "buttons that nobody may press:\n{log}"
    );
    assert!(log.contains("refuses a message for good"), "{log}");
    let history = bus.history(StreamId::ZERO, 1000).await.unwrap();
    let letters = bus.letters(StreamId::ZERO, 1000).await.unwrap();
    let mut shown = format!("{} {log} {history:?} {letters:?}", String::from_utf8_lossy(&output.stdout));
    // And whatever else stands on Redis.
    let observer = Observer::connect(&redis.url(), &[]).await.unwrap();
    observer.command::<String>("CONFIG", &["SET", "rdbcompression", "no"]).await.unwrap();
    for key in bus.scan("*").await.unwrap() {
        shown += &key;
        let dump: Vec<u8> = observer.command("DUMP", &[&key]).await.unwrap();
        shown += &String::from_utf8_lossy(&dump);
    }
    assert!(
        shown.contains("{dispatch}:dead") && shown.matches("BTCUSDT").count() > 5,
        "everything is looked at"
    );
    for secret in SECRETS {
        assert!(!shown.contains(secret), "{secret} is shown");
    }
    tokio::time::timeout(Duration::from_secs(1), observer.close()).await.ok();
}
