//! The compose file: each service is watched, bounded and locked in, and is reached from this machine alone.

use serde_json::{Value, json};

use crate::files::{place_in, read, root, yaml};
use crate::services::{PORTS, port, shutdown_deadline_s};

const FILE: &str = "docker-compose.monitoring.yml";
/// What all of Cascade's services that always run may use together (README.md, "Memory").
const CASCADE_MB: u64 = 256;
/// Who has no program in its image that could ask for its health; Prometheus does.
const UNASKED: [&str; 2] = ["otel-collector", "tempo"];

/// A text with each `${NAME:-default}` replaced by its default, and what has none by nothing.
pub(crate) fn defaults(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        out.push_str(&rest[..start]);
        let Some(end) = rest[start..].find('}') else { break };
        out.push_str(rest[start + 2..start + end].split_once(":-").map_or("", |(_, default)| default));
        rest = &rest[start + end + 1..];
    }
    out + rest
}

/// The text at a place, with defaults.
fn text(service: &Value, place: &str) -> String {
    service.pointer(place).and_then(Value::as_str).map(defaults).unwrap_or_default()
}

/// Whether a list has this text.
fn has(service: &Value, place: &str, item: &str) -> bool {
    service.pointer(place).and_then(Value::as_array).is_some_and(|list| list.iter().any(|i| i == item))
}

/// `1m30s` and `768m`: the sum of its parts, by units.
fn amount(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let (mut sum, mut rest) = (0, text);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let letters =
            rest[digits..].find(|c: char| c.is_ascii_digit()).map_or(rest.len(), |len| digits + len);
        let unit = units.iter().find(|(unit, _)| *unit == &rest[digits..letters])?.1;
        sum += rest[..digits].parse::<u64>().ok()? * unit;
        rest = &rest[letters..];
    }
    (sum > 0).then_some(sum)
}

fn seconds(text: &str) -> Option<u64> {
    amount(text, &[("s", 1), ("m", 60), ("h", 3600)])
}

fn megabytes(text: &str) -> Option<u64> {
    amount(text, &[("m", 1), ("g", 1024)])
}

/// What is wrong with any service.
fn service(name: &str, service: &Value) -> Vec<String> {
    let user = text(service, "/user");
    let ports: Vec<String> = service["ports"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|port| port.as_str().map(defaults).unwrap_or_default())
        .collect();
    let asked =
        service.pointer("/healthcheck/test").is_some_and(|test| !has(&json!({"t": test}), "/t", "NONE"));
    let volumes = service["volumes"].as_array().into_iter().flatten();
    let rules = [
        (service["read_only"] == true, "its root can be written"),
        (has(service, "/cap_drop", "ALL") && service["cap_add"].is_null(), "it has capabilities"),
        (has(service, "/security_opt", "no-new-privileges:true"), "it may gain privileges"),
        (service["privileged"] != true, "it is privileged"),
        (
            !user.is_empty() && !user.starts_with('0') && !user.starts_with("root"),
            "it runs as root, or as whoever its image says",
        ),
        (megabytes(&text(service, "/mem_limit")).is_some(), "its memory has no limit"),
        (matches!(text(service, "/restart").as_str(), "always" | "unless-stopped"), "nobody starts it again"),
        (
            !text(service, "/logging/options/max-size").is_empty()
                && !text(service, "/logging/options/max-file").is_empty(),
            "its log grows for ever",
        ),
        (asked || UNASKED.contains(&name), "nobody asks for its health"),
        (ports.iter().all(|port| port.starts_with("127.0.0.1:")), "it is reached from other machines"),
        (
            service["network_mode"].is_null() && service["pid"].is_null(),
            "it shares the machine's network or processes",
        ),
        (
            volumes.into_iter().all(|volume| volume.as_str().is_some_and(|v| !v.contains("docker.sock"))),
            "it commands Docker",
        ),
    ];
    rules.iter().filter(|(fine, _)| !fine).map(|(_, wrong)| format!("{name}: {wrong}")).collect()
}

/// What is wrong with a service of ours besides.
fn ours(program: &str, section: &str, service: &Value) -> Vec<String> {
    let address = format!("/environment/CASCADE_{}__HEALTH_ADDR", section.to_uppercase());
    let grace = seconds(&text(service, "/stop_grace_period")).unwrap_or(10);
    let rules = [
        (service["command"] == json!([program]), "another program runs in it"),
        (
            service["healthcheck"]["test"] == json!(["CMD", program, "healthcheck"]),
            "not its own program asks for its health",
        ),
        (text(service, &address) == format!("0.0.0.0:{}", port(section)), "its health is not on its port"),
        (grace > shutdown_deadline_s(), "it is killed before its shutdown deadline"),
        (text(service, "/environment/CASCADE_REDIS__URL").contains("@redis:6379"), "it asks another Redis"),
        (text(service, "/environment/CASCADE_SERVICE__LOG_FORMAT") == "json", "its log is for people"),
        (service["depends_on"]["redis"]["condition"] == "service_healthy", "it does not wait for Redis"),
    ];
    rules.iter().filter(|(fine, _)| !fine).map(|(_, wrong)| format!("{program}: {wrong}")).collect()
}

/// What is wrong with a compose file.
fn mistakes(file: &Value) -> Vec<String> {
    let services = &file["services"];
    let mut mistakes = Vec::new();
    for (name, value) in services.as_object().into_iter().flatten() {
        mistakes.extend(service(name, value));
    }
    let mut memory = 0;
    for (program, section) in PORTS {
        if services[program].is_null() {
            mistakes.push(format!("{program}: is not in it"));
            continue;
        }
        mistakes.extend(ours(program, section, &services[program]));
        memory += megabytes(&text(&services[program], "/mem_limit")).unwrap_or(0);
    }
    if memory > CASCADE_MB {
        mistakes.push(format!(
            "Cascade's services may use {memory} MB together, {CASCADE_MB} at most are promised"
        ));
    }
    mistakes
}

fn file() -> Value {
    yaml(&read(FILE)).remove(0)
}

#[test]
fn every_service_is_watched_bounded_and_locked_in() {
    assert_eq!(mistakes(&file()), Vec::<String>::new());
}

#[test]
fn compose_yaml_is_a_link_to_the_one_file() {
    assert_eq!(std::fs::read_link(root().join("compose.yaml")).unwrap().to_str(), Some(FILE));
}

#[test]
fn redis_keeps_512_mb_and_forgets_nothing() {
    let redis = &file()["services"]["redis"];
    let command = redis["command"].to_string();
    for setting in ["maxmemory 512mb", "maxmemory-policy noeviction", "appendonly yes"] {
        assert!(command.contains(setting), "{setting}");
    }
    assert!(text(redis, "/ports/0").starts_with("127.0.0.1:6379:"), "`redis-cli SUBSCRIBE` needs no address");
    assert!(
        megabytes(&text(redis, "/mem_limit")).unwrap() > 512,
        "what Redis keeps is not all that it needs"
    );
}

#[test]
fn demo_and_observability_run_only_if_asked_for() {
    let file = file();
    let of = |profile: Value| {
        let services = file["services"].as_object().unwrap().iter();
        let mut names: Vec<&str> =
            services.filter(|(_, s)| s["profiles"] == profile).map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        names.join(" ")
    };
    assert_eq!(of(json!(["demo"])), "simulator");
    assert_eq!(of(json!(["observability"])), "grafana otel-collector prometheus tempo");
    let mut always: Vec<&str> = PORTS.iter().map(|(program, _)| *program).chain(["redis"]).collect();
    always.sort_unstable();
    assert_eq!(of(json!(null)), always.join(" "));
}

/// A mistake each: where it is planted in one service of ours, and what is said of it.
#[test]
fn planted_mistakes_are_found() {
    let good = json!({
        "image": "a:1", "command": ["coordinator"], "user": "65532:65532", "read_only": true, "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"], "mem_limit": "32m", "restart": "unless-stopped", "stop_grace_period": "20s",
        "logging": {"options": {"max-size": "10m", "max-file": "3"}}, "ports": ["127.0.0.1:${PORT:-8002}:8002"],
        "healthcheck": {"test": ["CMD", "coordinator", "healthcheck"]}, "volumes": ["history:/data"],
        "depends_on": {"redis": {"condition": "service_healthy"}},
        "environment": {
            "CASCADE_COORDINATOR__HEALTH_ADDR": "0.0.0.0:8002", "CASCADE_SERVICE__LOG_FORMAT": "json",
            "CASCADE_REDIS__URL": "redis://:${REDIS_PASSWORD:-}@redis:6379",
        },
    });
    let found =
        |value: &Value| [service("coordinator", value), ours("coordinator", "coordinator", value)].concat();
    assert_eq!(found(&good), Vec::<String>::new());
    for (place, planted, wrong) in [
        ("/read_only", json!(false), "root can be written"),
        ("/cap_drop", json!(["NET_RAW"]), "capabilities"),
        ("/cap_add", json!(["NET_ADMIN"]), "capabilities"),
        ("/security_opt", json!([]), "privileges"),
        ("/privileged", json!(true), "privileged"),
        ("/user", json!(null), "root"),
        ("/user", json!("0:0"), "root"),
        ("/mem_limit", json!(null), "memory"),
        ("/restart", json!("no"), "again"),
        ("/logging/options/max-file", json!(null), "log grows"),
        ("/healthcheck/test", json!(["NONE"]), "health"),
        ("/healthcheck/test/1", json!("cascade"), "not its own program"),
        ("/ports/0", json!("8002:8002"), "other machines"),
        ("/ports/0", json!("${ADDRESS:-0.0.0.0}:8002:8002"), "other machines"),
        ("/network_mode", json!("host"), "network"),
        ("/volumes/0", json!("/var/run/docker.sock:/var/run/docker.sock"), "commands Docker"),
        ("/command/0", json!("cascade"), "another program"),
        ("/environment/CASCADE_COORDINATOR__HEALTH_ADDR", json!("0.0.0.0:8001"), "port"),
        ("/environment/CASCADE_REDIS__URL", json!("redis://localhost"), "another Redis"),
        ("/environment/CASCADE_SERVICE__LOG_FORMAT", json!("text"), "for people"),
        ("/stop_grace_period", json!("5s"), "killed before"),
        ("/stop_grace_period", json!(null), "killed before"),
        ("/depends_on/redis/condition", json!("service_started"), "wait for Redis"),
    ] {
        let mut bad = good.clone();
        *place_in(&mut bad, place) = planted;
        let found = found(&bad);
        assert!(found.iter().any(|mistake| mistake.contains(wrong)), "{place}: {found:?}");
    }
    let services: serde_json::Map<String, Value> =
        PORTS.iter().map(|(program, _)| ((*program).to_owned(), json!({"mem_limit": "52m"}))).collect();
    let found = mistakes(&json!({"services": services})).join("\n");
    assert!(found.contains("260 MB together"), "{found}");
    assert!(mistakes(&json!({"services": {}})).iter().any(|mistake| mistake == "coordinator: is not in it"));
}
