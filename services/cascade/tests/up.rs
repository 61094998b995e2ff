//! `cascade up --demo` as a shell runs it: sockets, Redis, verdict and exit code.
#![expect(clippy::unwrap_used, reason = "a program that cannot be run fails the test")]

use std::process::Stdio;
use std::time::Duration;

use cascade_bus::{Stored, StreamBounds, Write};
use cascade_domain::{Event, Shard, Tick};
use cascade_pace::Clock;
use cascade_testkit::{Observed, Observer, ObserverError, TestClock, TestProcess, TestRedis};
use cascade_wire::key;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

const PROGRAM: &str = env!("CARGO_BIN_EXE_cascade");
const DEADLINE: Duration = Duration::from_secs(90);

const CHANNELS: [&str; 2] = ["cascade:critical", "cascade:critical:json"];

/// Runs a demo to its end on this Redis; gives what it printed, and whether it exited with 0.
async fn demo(arguments: &[&str], url: &str) -> (String, bool) {
    let common = ["--once", "--redis-url", url, "--health-addr", "127.0.0.1:0"];
    let mut command = Command::new(PROGRAM);
    command.args(["up", "--demo"]).args(arguments).args(common).kill_on_drop(true);
    let output = tokio::time::timeout(2 * DEADLINE, command.output()).await.unwrap().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    (printed + &String::from_utf8_lossy(&output.stderr), output.status.success())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cascade_is_told_while_it_runs_and_the_table_agrees() {
    let redis = TestRedis::start().await.unwrap();
    let url = redis.url();
    let mut observer = Observer::connect(&url, &CHANNELS).await.unwrap();
    let arguments = ["cascade", "--speed", "8"];
    let ((printed, agreed), ()) = tokio::join!(demo(&arguments, &url), watch(&mut observer, &url));
    assert!(agreed && !printed.contains(" is suspect"), "{printed}");
    assert_eq!(printed.matches(" agree\n").count(), 3 + 4 + 1, "{printed}");
    assert!(printed.contains(" EXTREME BTCUSDT ") && printed.contains(" RESOLVED BTCUSDT "), "{printed}");
}

/// What somebody sees who looks while the cascade runs.
async fn watch(observer: &mut Observer, url: &str) {
    let extreme = |channel: &'static str| {
        move |seen: &[Observed]| {
            let told = |m: &Observed| m.channel == channel && m.value["level"] == "EXTREME";
            seen.iter().any(|m| told(m) && m.value["symbol"] == "BTCUSDT" && m.value["demo"] == true)
        }
    };
    for channel in CHANNELS {
        observer.wait_for(DEADLINE, extreme(channel)).await.unwrap();
    }
    let state = observer.reading("velocity:BTCUSDT:current").await.unwrap().unwrap();
    assert!(state["usd_30s_long"].as_f64().unwrap() > 1e6, "{state}");
    let tail = ["tail", "cascade:critical", "--redis-url", url];
    let mut tail = TestProcess::start(PROGRAM, &tail, &[]).unwrap();
    let line = tail.line().await.unwrap().unwrap();
    assert!(line.starts_with("DEMO ") && line.contains(" in 30 s "), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn open_interest_that_explodes_is_told_while_it_does_and_the_table_agrees() {
    let redis = TestRedis::start().await.unwrap();
    let url = redis.url();
    let mut observer = Observer::connect(&url, &["cascade:oi", "cascade:oi:json"]).await.unwrap();
    // A sample of a minute ago is none: on a machine that has much else to do, that is soon at speed 60.
    let arguments = ["oi-explosion", "--speed", "24"];
    let ((printed, agreed), watched) =
        tokio::join!(demo(&arguments, &url), watch_interest(&mut observer, &url));
    assert!(watched.is_ok(), "{watched:?}\n{printed}");
    assert!(agreed && !printed.contains(" is suspect"), "{printed}");
    assert_eq!(printed.matches(" agree\n").count(), 3 + 3 + 4 + 1, "{printed}");
    for told in [
        " OI EXPLOSION BTCUSDT +",
        " venues (",
        ": new longs\n",
        " OI COLLAPSE ETHUSDT -",
        ": longs closing or liquidated\n",
        " OI RESOLVED BTCUSDT explosion: peak +",
        " OI RESOLVED ETHUSDT collapse: peak -",
    ] {
        assert!(printed.contains(told), "{told:?} is missing in:\n{printed}");
    }
    assert!(!printed.contains(" SOLUSDT +"), "{printed}");
}

/// What somebody sees who looks while open interest explodes.
async fn watch_interest(observer: &mut Observer, url: &str) -> Result<(), ObserverError> {
    for channel in ["cascade:oi", "cascade:oi:json"] {
        let told = |m: &Observed| {
            let (v, direction) = (&m.value, "explosion");
            m.channel == channel
                && v["symbol"] == "BTCUSDT"
                && v["direction"] == direction
                && v["demo"] == true
        };
        observer.wait_for(2 * DEADLINE, |seen: &[Observed]| seen.iter().any(told)).await?;
    }
    let tail = ["tail", "cascade:oi", "--redis-url", url];
    let mut tail = TestProcess::start(PROGRAM, &tail, &[]).unwrap();
    let current = observer.reading("oi:BTCUSDT:current").await.unwrap().unwrap();
    assert!(current["usd"].as_f64().unwrap() > 1e9, "{current}");
    let change = observer.reading("oi:BTCUSDT:change").await.unwrap().unwrap();
    assert!(change["spans"]["15m"]["change_pct"].as_f64().unwrap() > 2.0, "{change}");
    let status = TestProcess::output(PROGRAM, &["status", "--redis-url", url], &[]).await.unwrap();
    let status = String::from_utf8(status.stdout).unwrap();
    assert!(status.lines().any(|line| line.starts_with("oi-detector ")), "{status}");
    let pollers = status.lines().skip_while(|line| !line.starts_with("POLLER "));
    let venues: Vec<_> = pollers.skip(1).take(2).map(|line| line.split(' ').next()).collect();
    assert_eq!(venues, [Some("binance"), Some("okx")], "{status}");
    let line = tail.line().await.unwrap().unwrap();
    assert!(line.starts_with("DEMO ") && line.contains(" OI "), "{line}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_hour_of_a_busy_day_stays_below_alert() {
    let redis = TestRedis::start().await.unwrap();
    let (printed, agreed) = demo(&["busy-day", "--speed", "60"], &redis.url()).await;
    assert!(agreed && !printed.contains(" is suspect"), "{printed}");
    assert_eq!(printed.matches(" agree\n").count(), 3 + 4 + 1, "{printed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_or_a_closed_terminal_ends_a_demo_with_0() {
    let redis = TestRedis::start().await.unwrap();
    let url = redis.url();
    let arguments = ["up", "--demo", "--redis-url", &url, "--health-addr", "127.0.0.1:0"];
    for signal in ["INT", "TERM", "HUP"] {
        let mut process = TestProcess::start(PROGRAM, &arguments, &[]).unwrap();
        while !process.line().await.unwrap().unwrap().contains("feed ") {}
        assert_eq!(process.end_by(signal).await.unwrap(), Some(0), "{signal}");
    }
}

#[tokio::test]
async fn a_port_that_is_taken_is_named_with_the_way_out() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let redis = TestRedis::start().await.unwrap();
    let arguments = ["up", "--demo", "--redis-url", &redis.url(), "--health-addr", &address];
    let output = TestProcess::output(PROGRAM, &arguments, &[]).await.unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(told.contains(&address) && told.contains("--health-addr"), "{told}");
}

/// Runs `cascade up` to its end, which must come at once; gives the exit code and what it complained of.
async fn refusal(arguments: &[&str]) -> (Option<i32>, String) {
    let arguments = [&["up", "--health-addr", "127.0.0.1:0"], arguments].concat();
    let output = TestProcess::output(PROGRAM, &arguments, &[]).await.unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[tokio::test]
async fn a_redis_with_ticks_of_the_future_is_refused_with_the_way_out() {
    let redis = TestRedis::start().await.unwrap();
    let (url, clock) = (redis.url(), TestClock::new(1.0));
    let tick = Tick {
        event_time_ms: clock.now().plus_ms(600_000),
        btc_price: None,
        btc_usd_volume_1s: None,
        btc_venues_changed: false,
        feeds: [].into(),
    };
    let stored = [Stored::event(&Event::Tick(tick), 60).unwrap()];
    let bounds = StreamBounds { max_age_s: 600, max_len: 1000, for_snapshots_s: 0 };
    let shard = Shard::all().next().unwrap();
    redis.bus("test").unwrap().store(shard, &stored, bounds).await.unwrap();
    for demo in [&["--demo", "--once"][..], &[]] {
        let (code, told) = refusal(&[demo, &["--redis-url", &url]].concat()).await;
        assert_eq!(code, Some(1), "{told}");
        assert!(told.contains(&url) && told.contains("9 min 5") && told.contains("{sNN}:market"), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_live_reads_no_redis_that_a_demo_started() {
    let redis = TestRedis::start().await.unwrap();
    let mark = Write::Json { key: key::DEMO.to_owned(), json: "true".to_owned(), ttl_s: 600 };
    redis.bus("test").unwrap().write_readings(&[mark]).await.unwrap();
    let (code, told) = refusal(&["--redis-url", &redis.url()]).await;
    assert!(told.contains("belongs to a demo") && told.contains("--redis-url"), "{told}");
    assert_eq!(code, Some(1));
}

#[tokio::test]
async fn a_named_redis_that_does_not_answer_is_named_with_the_way_out() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("redis://ann:s3cret@127.0.0.1:{port}");
    for demo in [&["--demo"][..], &[]] {
        let (code, told) = refusal(&[demo, &["--redis-url", &url]].concat()).await;
        assert_eq!(code, Some(1), "{told}");
        assert!(told.contains(&format!("redis://***@127.0.0.1:{port}")), "{told}");
        assert!(told.contains("not reachable") && told.contains("to get a private one"), "{told}");
        assert!(!told.contains("s3cret"), "{told}");
    }
}

#[tokio::test]
async fn a_replica_is_refused_by_name() {
    let (master, replica) = (TestRedis::start().await.unwrap(), TestRedis::start().await.unwrap());
    let observer = Observer::connect(&replica.url(), &[]).await.unwrap();
    let port = master.server.port().to_string();
    let _: String = observer.command("REPLICAOF", &["127.0.0.1", &port]).await.unwrap();
    let (code, told) = refusal(&["--redis-url", &replica.url()]).await;
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains(&replica.url()) && told.contains("not a master"), "{told}");
}

#[tokio::test]
async fn what_can_not_be_meant_is_refused_before_anything_is_started() {
    for (arguments, said) in [
        (&["--health-addr", "nonsense"][..], "up.health_addr"),
        (&["--health-addr", "nonsense", "--check-config"], "HOST:PORT"),
        (&["--demo", "--speed", "0"], "above 0 and at most 1000"),
        (&["--demo", "--speed", "1e9"], "above 0 and at most 1000"),
    ] {
        let output = TestProcess::output(PROGRAM, &[&["up"], arguments].concat(), &[]).await.unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {told}");
        assert!(told.contains(said), "{arguments:?}: {told}");
    }
}

#[tokio::test]
async fn a_private_redis_that_is_killed_ends_up_by_name() {
    let mut command = Command::new(PROGRAM);
    command.args(["up", "--demo", "--health-addr", "127.0.0.1:0"]).kill_on_drop(true);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut line = lines.next_line().await.unwrap().unwrap();
    while !line.contains("(private, ") {
        line = lines.next_line().await.unwrap().unwrap();
    }
    let url = line.split_whitespace().nth(1).unwrap();
    let observer = Observer::connect(url, &[]).await.unwrap();
    let info: String = observer.command("INFO", &["server"]).await.unwrap();
    let pid = info.lines().find_map(|line| line.strip_prefix("process_id:")).unwrap();
    let kill = format!("kill -9 {pid}");
    assert!(Command::new("sh").args(["-c", &kill]).status().await.unwrap().success());
    let output = tokio::time::timeout(DEADLINE, child.wait_with_output()).await.unwrap().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains(&format!("the private Redis {url} ended by itself")), "{told}");
}
