//! `cascade simulate` and those who read it, each a process as a shell runs it: what is marked, who is told, who is not.
#![expect(clippy::unwrap_used, reason = "a program that cannot be run fails the test")]

use std::process::Stdio;
use std::time::Duration;

use cascade_testkit::{FakeWebhook, Observed, Observer, TestProcess, TestRedis, WebhookRules, eventually};
use tempfile::NamedTempFile;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

const PROGRAM: &str = env!("CARGO_BIN_EXE_cascade");
/// From the start of everything to the height of the cascade it is a minute, on a machine with nothing else to do.
const DEADLINE: Duration = Duration::from_mins(4);

fn variables(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

/// Simulated exchanges, and where they are.
async fn simulate(arguments: &[&str]) -> (TestProcess, String) {
    let arguments = [&["simulate", "--listen", "127.0.0.1:0"], arguments].concat();
    let mut process = TestProcess::start(PROGRAM, &arguments, &[]).unwrap();
    let greeting = process.line().await.unwrap().unwrap();
    let url = greeting.rsplit("CASCADE_SIMULATOR__URL=").next().unwrap().to_owned();
    (process, url)
}

async fn ended(arguments: &[&str], environment: &[(&str, &str)]) -> (Option<i32>, String) {
    let output = TestProcess::output(PROGRAM, arguments, &variables(environment)).await.unwrap();
    let told = String::from_utf8(output.stdout).unwrap() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code(), told)
}

#[tokio::test]
async fn simulated_exchanges_are_healthy_from_the_start_and_end_with_0_when_asked() {
    for signal in ["TERM", "INT"] {
        let (process, url) = simulate(&["--start-after-s", "0", "--repeat", "--pause-s", "5"]).await;
        let address = url.strip_prefix("http://").unwrap();
        let check = ["healthcheck", "simulator", "--health-addr", address];
        let (code, told) = ended(&check, &[]).await;
        assert_eq!(code, Some(0), "{told}");
        assert!(told.contains(r#""holding":["exchanges"]"#), "{told}");
        assert_eq!(process.end_by(signal).await.unwrap(), Some(0), "{signal}");
        let (code, told) = ended(&check, &[]).await;
        assert_eq!(code, Some(1), "nobody answers any more: {told}");
    }
}

#[tokio::test]
async fn simulated_exchanges_that_nobody_would_read_do_not_start() {
    let (code, told) = ended(&["simulate"], &[("CASCADE_SIMULATOR__URL", "")]).await;
    assert_eq!(code, Some(2), "{told}");
    for part in [
        "CASCADE_SIMULATOR__URL is empty",
        "deploy/scripts/start --demo",
        "CASCADE_SIMULATOR_URL=http://simulator:9300",
    ] {
        assert!(told.contains(part), "{told}");
    }
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (code, told) = ended(&["simulate", "--listen", &address], &[]).await;
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains(&address), "{told}");
}

#[tokio::test]
async fn an_address_that_is_none_is_a_mistake_of_the_configuration() {
    for command in ["up", "doctor"] {
        let (code, told) =
            ended(&[command, "--check-config"], &[("CASCADE_SIMULATOR__URL", "simulator:9300")]).await;
        assert_eq!(code, Some(2), "{command}: {told}");
        assert!(told.contains("simulator.url: must be http://HOST:PORT"), "{command}: {told}");
    }
}

/// The whole system, on simulated exchanges elsewhere.
struct Up {
    child: Child,
    redis: TestRedis,
    webhook: FakeWebhook,
    _config: NamedTempFile,
}

impl Up {
    async fn start(url: &str, notify: &str) -> Self {
        let redis = TestRedis::start().await.unwrap();
        let rules = WebhookRules { secret: None, tolerance: None, ..WebhookRules::default() };
        let webhook = FakeWebhook::with_rules(rules).await.unwrap();
        let config = NamedTempFile::new().unwrap();
        let desk = format!(
            "[[destination]]\nname = \"desk\"\nkind = \"webhook\"\nurl = \"{}\"\nallow_private_targets = true\n",
            webhook.url()
        );
        std::fs::write(config.path(), desk).unwrap();
        let mut command = Command::new(PROGRAM);
        command.args(["up", "--health-addr", "127.0.0.1:0", "--redis-url", &redis.url(), "--config"]);
        command
            .arg(config.path())
            .env("CASCADE_SIMULATOR__URL", url)
            .env("CASCADE_SIMULATOR__NOTIFY", notify);
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        Self { child, redis, webhook, _config: config }
    }

    /// Reads what it prints until a line says this; gives all of it.
    async fn says(&mut self, words: &str) -> Vec<String> {
        let mut lines = BufReader::new(self.child.stdout.take().unwrap()).lines();
        let mut said = Vec::new();
        let reading = async {
            while let Some(line) = lines.next_line().await.unwrap() {
                let is_it = line.contains(words);
                said.push(line);
                if is_it {
                    return true;
                }
            }
            false
        };
        let found = tokio::time::timeout(DEADLINE, reading).await.unwrap_or(false);
        assert!(found, "{words:?} is not said: {said:#?}");
        // What comes now shall not block it.
        self.child.stdout = Some(lines.into_inner().into_inner());
        said
    }

    async fn stop(mut self) {
        let pid = self.child.id().unwrap();
        let kill = format!("kill -TERM {pid}");
        assert!(Command::new("sh").args(["-c", &kill]).status().await.unwrap().success());
        let output = tokio::time::timeout(DEADLINE, self.child.wait()).await.unwrap().unwrap();
        assert_eq!(output.code(), Some(0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_reads_simulated_exchanges_says_so_everywhere_and_wakes_nobody_who_does_not_want_it() {
    let (simulator, url) = simulate(&["--start-after-s", "5"]).await;
    let mut quiet = Up::start(&url, "false").await;
    let mut loud = Up::start(&url, "true").await;
    let mut observer = Observer::connect(&quiet.redis.url(), &["cascade:critical:json"]).await.unwrap();

    let told = |seen: &[Observed]| seen.iter().any(|message| message.value["level"] == "CRITICAL");
    observer.wait_for(DEADLINE, told).await.unwrap();
    assert!(observer.seen().iter().all(|message| message.value["demo"] == true), "{:?}", observer.seen());
    let said = quiet.says("DEMO ALERT ").await;
    assert!(said[0].starts_with(&format!("DEMO: simulated exchanges at {url}: binance, ")), "{said:#?}");
    assert!(
        said.iter().any(|line| line.contains("alerts: to this terminal (to real destinations too: ")),
        "{said:#?}"
    );
    loud.says("DEMO ALERT ").await;
    assert!(eventually(DEADLINE, async || loud.webhook.requests() > 0).await);
    let messages = loud.webhook.messages();
    assert!(messages.iter().all(|message| message.body["data"]["demo"] == true), "{messages:?}");
    assert_eq!(quiet.webhook.requests(), 0, "nobody is woken");

    let mark = quiet.redis.bus("test").unwrap().get("cascade:demo").await.unwrap().unwrap();
    assert!(mark.contains(&url), "{mark}");
    let (code, refused) =
        ended(&["up", "--health-addr", "127.0.0.1:0", "--redis-url", &quiet.redis.url()], &[]).await;
    assert_eq!(code, Some(1), "{refused}");
    assert!(refused.contains("belongs to a demo"), "{refused}");
    quiet.stop().await;
    loud.stop().await;
    assert_eq!(simulator.end_by("TERM").await.unwrap(), Some(0));
}

/// Status line and body of what is answered there.
async fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn any_program_of_this_machine_is_asked_by_its_name_and_up_serves_what_a_coordinator_does() {
    let redis = TestRedis::start().await.unwrap();
    let (exchanges, url) = simulate(&["--start-after-s", "600"]).await;
    let arguments = ["up", "--health-addr", "127.0.0.1:0", "--redis-url", &redis.url()];
    let mut up =
        TestProcess::start(PROGRAM, &arguments, &variables(&[("CASCADE_SIMULATOR__URL", &url)])).unwrap();
    up.line().await.unwrap();
    let second = up.line().await.unwrap().unwrap();
    assert!(second.contains("health, status, page: http://"), "{second}");
    let address = second.rsplit("http://").next().unwrap();
    let ready = async || ended(&["healthcheck", "up"], &[("CASCADE_UP__HEALTH_ADDR", address)]).await;
    assert!(eventually(DEADLINE, async || ready().await.0 == Some(0)).await, "{:?}", ready().await);
    let whole = async || get(address, "/health").await;
    let is_healthy = async || {
        let told = whole().await;
        told.starts_with("HTTP/1.1 200 ") && told.contains(r#""services_healthy":"4/4""#)
    };
    assert!(eventually(DEADLINE, is_healthy).await, "{}", whole().await);
    assert!(get(address, "/").await.contains("<html"), "a page to look at");
    let status = get(address, "/status").await;
    assert!(status.contains("oi-detector") && status.contains("hyperliquid"), "{status}");
    let (code, told) = ended(&["healthcheck", "grafana"], &[]).await;
    assert_eq!(code, Some(2), "{told}");
    assert_eq!(up.end_by("TERM").await.unwrap(), Some(0));
    assert_eq!(exchanges.end_by("TERM").await.unwrap(), Some(0));
}
