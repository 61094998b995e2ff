//! The Kubernetes objects: each workload is probed, bounded and locked in; no selector selects nothing; who may talk to whom
//! is what is promised.

mod planted;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::files::{below, read, yaml};
use crate::services::{PORTS, port, shutdown_deadline_s};

/// Who asks the exchanges or the providers of destinations.
const OUTSIDE: [&str; 3] = ["liquidation-ingest", "oi-detector", "alert-dispatcher"];
/// The internet, DNS, Redis.
const PORTS_OUT: [u64; 4] = [53, 443, 6379, 8443];

type Labels = BTreeMap<String, String>;

/// The items of a list, wherever there is one.
fn items<'a>(value: &'a Value, place: &str) -> impl Iterator<Item = &'a Value> {
    value.pointer(place).and_then(Value::as_array).into_iter().flatten()
}

fn text<'a>(value: &'a Value, place: &str) -> &'a str {
    value.pointer(place).and_then(Value::as_str).unwrap_or_default()
}

fn labels(value: &Value) -> Labels {
    let pairs = value.as_object().into_iter().flatten();
    pairs.map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned())).collect()
}

/// Whether a selector (`matchLabels` and `matchExpressions`) selects these labels.
fn selects(selector: &Value, found: &Labels) -> bool {
    let same = labels(&selector["matchLabels"]).iter().all(|(name, value)| found.get(name) == Some(value));
    same && items(selector, "/matchExpressions").all(|rule| {
        let values: Vec<&str> = items(rule, "/values").filter_map(Value::as_str).collect();
        let has = found.get(text(rule, "/key")).map(String::as_str);
        match text(rule, "/operator") {
            "In" => has.is_some_and(|value| values.contains(&value)),
            "NotIn" => has.is_none_or(|value| !values.contains(&value)),
            "Exists" => has.is_some(),
            "DoesNotExist" => has.is_none(),
            _ => false,
        }
    })
}

/// All objects of a rendered or plain set.
struct Objects(Vec<Value>);

impl Objects {
    fn of(&self, kinds: &[&str]) -> Vec<&Value> {
        self.0.iter().filter(|object| kinds.contains(&text(object, "/kind"))).collect()
    }

    fn workloads(&self) -> Vec<&Value> {
        self.of(&["Deployment", "StatefulSet", "DaemonSet"])
    }

    fn pods(&self) -> Vec<Labels> {
        self.workloads().iter().map(|workload| pod(workload)).collect()
    }

    /// The policies that select these labels and speak of this direction, `Ingress` or `Egress`.
    fn policies<'a>(&'a self, of: &Labels, direction: &str) -> Vec<&'a Value> {
        let all = self.of(&["NetworkPolicy"]).into_iter();
        let speaks = |policy: &Value| items(policy, "/spec/policyTypes").any(|kind| kind == direction);
        all.filter(|policy| speaks(policy) && selects(&policy["spec"]["podSelector"], of)).collect()
    }

    /// The ports to which these labels may send anything.
    fn ports_out(&self, of: &Labels) -> BTreeSet<u64> {
        let policies = self.policies(of, "Egress").into_iter();
        let rules = policies.flat_map(|policy| items(policy, "/spec/egress"));
        rules.flat_map(|rule| items(rule, "/ports")).filter_map(|port| port["port"].as_u64()).collect()
    }

    /// Whether one pod may open a connection to another: both sides must let it.
    fn may_talk(&self, from: &Labels, to: &Labels, port: u64) -> bool {
        let lets = |policies: Vec<&Value>, list: &str, peers: &str, other: &Labels| {
            policies.iter().flat_map(|policy| items(policy, list)).any(|rule| {
                let port = items(rule, "/ports").any(|p| p["port"].as_u64() == Some(port));
                port && items(rule, peers).any(|peer| {
                    !peer["podSelector"].is_null()
                        && peer["namespaceSelector"].is_null()
                        && selects(&peer["podSelector"], other)
                })
            })
        };
        lets(self.policies(from, "Egress"), "/spec/egress", "/to", to)
            && lets(self.policies(to, "Ingress"), "/spec/ingress", "/from", from)
    }
}

fn pod(workload: &Value) -> Labels {
    labels(&workload["spec"]["template"]["metadata"]["labels"])
}

fn name(object: &Value) -> String {
    format!("{} {}", text(object, "/kind"), text(object, "/metadata/name"))
}

/// What is wrong with a workload by itself.
fn workload(object: &Value) -> Vec<String> {
    let spec = &object["spec"]["template"]["spec"];
    let security = &spec["securityContext"];
    let grace = spec["terminationGracePeriodSeconds"].as_u64().unwrap_or(30);
    let mut rules = vec![
        (security["runAsNonRoot"] == true && security["runAsUser"].as_u64() > Some(0), "may run as root"),
        (text(security, "/seccompProfile/type") == "RuntimeDefault", "no seccomp profile"),
        (spec["automountServiceAccountToken"] == false, "is given a key to the cluster"),
        (
            ["hostNetwork", "hostPID", "hostIPC"].iter().all(|key| spec[*key] != true),
            "shares its node's network or processes",
        ),
        (items(spec, "/volumes").all(|volume| volume["hostPath"].is_null()), "reads its node's files"),
        (grace > shutdown_deadline_s(), "is killed before its shutdown deadline"),
        (selects(&object["spec"]["selector"], &pod(object)), "does not select its own pods"),
    ];
    for container in items(spec, "/containers").chain(items(spec, "/initContainers")) {
        let (own, resources) = (&container["securityContext"], &container["resources"]);
        let probes = ["startupProbe", "readinessProbe", "livenessProbe"];
        rules.extend([
            (own["allowPrivilegeEscalation"] == false && own["privileged"] != true, "may gain privileges"),
            (own["readOnlyRootFilesystem"] == true, "root can be written"),
            (
                own["capabilities"]["drop"] == json!(["ALL"]) && own["capabilities"]["add"].is_null(),
                "has capabilities",
            ),
            (probes.iter().all(|probe| container[*probe].is_object()), "lacks a probe"),
            (
                ["cpu", "memory"].iter().all(|kind| !resources["requests"][*kind].is_null()),
                "requests no resources",
            ),
            (["cpu", "memory"].iter().all(|kind| !resources["limits"][*kind].is_null()), "has no limits"),
        ]);
    }
    let wrong = rules.iter().filter(|(fine, _)| !fine);
    wrong.map(|(_, wrong)| format!("{}: {wrong}", name(object))).collect()
}

/// What is wrong with a service of ours besides: its program, its port, and its probes there.
fn ours(object: &Value, program: &str, section: &str) -> Vec<String> {
    let Some(container) = items(object, "/spec/template/spec/containers").next() else {
        return vec![format!("{program}: no container")];
    };
    let port = u64::from(port(section));
    let variable = format!("CASCADE_{}__HEALTH_ADDR", section.to_uppercase());
    let address = items(container, "/env").find(|entry| text(entry, "/name") == variable);
    let probe = |kind: &str, path: &str| {
        let get = &container[kind]["httpGet"];
        let named = items(container, "/ports")
            .find(|p| text(p, "/name") == text(get, "/port") && !text(get, "/port").is_empty());
        let asked = get["port"].as_u64().or_else(|| named?["containerPort"].as_u64());
        text(get, "/path") == path && asked == Some(port)
    };
    let rules = [
        (container["command"] == json!([program]), "another program runs in it"),
        (
            address.is_some_and(|entry| text(entry, "/value") == format!("0.0.0.0:{port}")),
            "its health is not on its port",
        ),
        (
            items(container, "/ports").any(|p| p["containerPort"].as_u64() == Some(port)),
            "its port is not named",
        ),
        (probe("livenessProbe", "/health/live"), "livenessProbe asks for something else"),
        (probe("readinessProbe", "/health/ready"), "readinessProbe asks for something else"),
        (probe("startupProbe", "/health/ready"), "startupProbe asks for something else"),
    ];
    rules.iter().filter(|(fine, _)| !fine).map(|(_, wrong)| format!("{program}: {wrong}")).collect()
}

/// Selectors that select nothing, and workloads that nothing selects which should.
fn selectors(objects: &Objects) -> Vec<String> {
    let pods = objects.pods();
    let mut mistakes = Vec::new();
    let mut none = |who: String, what: &str, selector: &Value| {
        if !pods.iter().any(|pod| selects(selector, pod)) {
            mistakes.push(format!("{who}: its {what} selects nothing"));
        }
    };
    for service in objects.of(&["Service"]) {
        none(name(service), "selector", &json!({"matchLabels": service["spec"]["selector"]}));
    }
    for budget in objects.of(&["PodDisruptionBudget"]) {
        none(name(budget), "selector", &budget["spec"]["selector"]);
    }
    for policy in objects.of(&["NetworkPolicy"]) {
        none(name(policy), "selector", &policy["spec"]["podSelector"]);
        let rules = items(policy, "/spec/ingress").flat_map(|rule| items(rule, "/from"));
        for peer in rules.chain(items(policy, "/spec/egress").flat_map(|rule| items(rule, "/to"))) {
            if !peer["podSelector"].is_null() && peer["namespaceSelector"].is_null() {
                none(name(policy), "peer", &peer["podSelector"]);
            }
        }
    }
    for object in objects.workloads() {
        for spread in items(object, "/spec/template/spec/topologySpreadConstraints") {
            none(name(object), "spread", &spread["labelSelector"]);
        }
    }
    for object in objects.workloads() {
        let of_pod = pod(object);
        let budgets = objects.of(&["PodDisruptionBudget"]);
        if budgets.iter().filter(|budget| selects(&budget["spec"]["selector"], &of_pod)).count() != 1 {
            mistakes.push(format!("{}: not exactly one disruption budget", name(object)));
        }
    }
    mistakes.extend(objects.of(&["Service"]).into_iter().flat_map(|service| targets(service, objects)));
    mistakes
}

/// Ports of a Service that no pod behind it has.
fn targets(service: &Value, objects: &Objects) -> Vec<String> {
    let selector = json!({"matchLabels": service["spec"]["selector"]});
    let behind: Vec<&Value> =
        objects.workloads().into_iter().filter(|object| selects(&selector, &pod(object))).collect();
    let containers = || behind.iter().flat_map(|object| items(object, "/spec/template/spec/containers"));
    let has = |target: &Value| {
        containers()
            .flat_map(|c| items(c, "/ports"))
            .any(|p| p["name"] == *target || p["containerPort"] == *target)
    };
    let missing = items(service, "/spec/ports")
        .filter(|port| !has(if port["targetPort"].is_null() { &port["port"] } else { &port["targetPort"] }));
    missing.map(|port| format!("{}: no pod behind it has the port {port}", name(service))).collect()
}

/// What is wrong with who may talk to whom.
fn network(objects: &Objects) -> Vec<String> {
    let mut mistakes = Vec::new();
    let denies = objects.of(&["NetworkPolicy"]).into_iter().any(|policy| {
        let spec = &policy["spec"];
        let both = ["Ingress", "Egress"].iter().all(|kind| items(spec, "/policyTypes").any(|k| k == kind));
        both && spec["podSelector"] == json!({})
            && items(spec, "/ingress").chain(items(spec, "/egress")).next().is_none()
    });
    if !denies {
        mistakes.push("nothing is denied by default".to_owned());
    }
    for policy in objects.of(&["NetworkPolicy"]) {
        let rules = items(policy, "/spec/egress")
            .map(|rule| (rule, "/to"))
            .chain(items(policy, "/spec/ingress").map(|rule| (rule, "/from")));
        for (rule, peers) in rules {
            if items(rule, peers).next().is_none() || items(rule, "/ports").next().is_none() {
                mistakes.push(format!("{}: lets through any peer or any port", name(policy)));
            }
        }
    }
    let redis =
        objects.workloads().into_iter().find(|object| text(object, "/metadata/name") == "redis").map(pod);
    for object in objects.workloads() {
        let (program, of_pod) = (text(object, "/metadata/name"), pod(object));
        let out = objects.ports_out(&of_pod);
        if let Some(port) = out.iter().find(|port| !PORTS_OUT.contains(port)) {
            mistakes.push(format!("{program}: may reach port {port}"));
        }
        for port in [443, 8443] {
            if out.contains(&port) != OUTSIDE.contains(&program) {
                mistakes.push(format!("{program}: port {port} of the internet"));
            }
        }
        let Some((_, section)) = PORTS.iter().find(|(known, _)| *known == program) else { continue };
        if !redis.as_ref().is_some_and(|redis| objects.may_talk(&of_pod, redis, 6379)) {
            mistakes.push(format!("{program}: may not reach Redis"));
        }
        let port = u64::from(port(section));
        let asked = objects
            .policies(&of_pod, "Ingress")
            .into_iter()
            .flat_map(|policy| items(policy, "/spec/ingress"));
        if !asked.flat_map(|rule| items(rule, "/ports")).any(|p| p["port"].as_u64() == Some(port)) {
            mistakes.push(format!("{program}: no policy lets anybody ask its port {port}"));
        }
    }
    mistakes
}

/// What is wrong with all of it.
fn mistakes(objects: &Objects) -> Vec<String> {
    let mut mistakes: Vec<String> = objects.workloads().into_iter().flat_map(workload).collect();
    for (program, section) in PORTS {
        match objects.workloads().into_iter().find(|object| text(object, "/metadata/name") == program) {
            Some(object) => mistakes.extend(ours(object, program, section)),
            None => mistakes.push(format!("{program}: is not in it")),
        }
    }
    mistakes.extend(selectors(objects));
    mistakes.extend(network(objects));
    mistakes
}

fn base() -> Objects {
    let files = below("k8s/base", ".yaml").into_iter().filter(|path| !path.ends_with("kustomization.yaml"));
    Objects(files.flat_map(|path| yaml(&read(&path))).collect())
}

#[test]
fn every_workload_is_probed_bounded_and_locked_in_and_every_selector_selects() {
    assert_eq!(mistakes(&base()), Vec::<String>::new());
}

#[test]
fn every_file_of_the_base_is_listed() {
    let listed: BTreeSet<String> = items(&yaml(&read("k8s/base/kustomization.yaml"))[0], "/resources")
        .map(|r| format!("k8s/base/{}", r.as_str().unwrap()))
        .collect();
    for path in below("k8s/base", ".yaml").iter().filter(|path| !path.ends_with("kustomization.yaml")) {
        assert!(listed.contains(path), "{path} is in no kustomization");
    }
}

/// What an overlay or component changes exists in the base: objects of patches, targets, counts.
fn dangling(path: &str, document: &Value, objects: &Objects) -> Vec<String> {
    let exists = |kind: &str, name: &str| {
        objects.0.iter().any(|o| {
            (kind.is_empty() || text(o, "/kind") == kind)
                && (name.is_empty() || text(o, "/metadata/name") == name)
        })
    };
    let mut named = vec![];
    if path.ends_with("kustomization.yaml") {
        let targets = items(document, "/patches").filter(|patch| !patch["target"].is_null());
        named.extend(targets.map(|patch| (text(patch, "/target/kind"), text(patch, "/target/name"))));
        named.extend(items(document, "/replicas").map(|count| ("", text(count, "/name"))));
    } else if document.is_object()
        && text(document, "/metadata/name") != "any"
        && text(document, "/apiVersion").ends_with("/v1")
    {
        let ours = ["Deployment", "StatefulSet", "NetworkPolicy", "PodDisruptionBudget", "Service"];
        named.extend(
            ours.contains(&text(document, "/kind"))
                .then(|| (text(document, "/kind"), text(document, "/metadata/name"))),
        );
        named
            .push((text(document, "/spec/scaleTargetRef/kind"), text(document, "/spec/scaleTargetRef/name")));
    }
    named
        .into_iter()
        .filter(|(kind, name)| !exists(kind, name))
        .map(|(kind, name)| format!("{path}: there is no {kind} {name}"))
        .collect()
}

#[test]
fn overlays_and_components_change_what_there_is() {
    let objects = base();
    let mut files = below("k8s/overlays", ".yaml");
    files.extend(below("k8s/components", ".yaml"));
    let found: Vec<String> = files
        .iter()
        .flat_map(|path| {
            yaml(&read(path))
                .iter()
                .flat_map(|document| dangling(path, document, &objects))
                .collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn planted_mistakes_in_what_overlays_change_are_found() {
    let objects = base();
    let patch =
        |kind: &str, name: &str| json!({"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name}});
    assert_eq!(dangling("x/redis.yaml", &patch("StatefulSet", "redis"), &objects), Vec::<String>::new());
    assert_eq!(dangling("x/redis.yaml", &patch("Deployment", "redis"), &objects).len(), 1);
    let targets = json!({"patches": [{"target": {"kind": "Deployment", "name": "signals"}}], "replicas": [{"name": "oi"}]});
    assert_eq!(dangling("x/kustomization.yaml", &targets, &objects).len(), 2);
}
