//! Mistakes planted into the objects of the base: each is found, and by its own words.

use super::{base, mistakes, name};
use crate::files::place_in;

/// The object, where the mistake is planted (`C` = in its first container), what, and a part of what is said of it.
const PLANTED: &[(&str, &str, &str, &str)] = &[
    ("Deployment coordinator", "/spec/template/spec/securityContext/runAsNonRoot", "false", "run as root"),
    ("Deployment coordinator", "/spec/template/spec/securityContext/runAsUser", "0", "run as root"),
    ("Deployment coordinator", "/spec/template/spec/securityContext/seccompProfile", "null", "seccomp"),
    (
        "Deployment coordinator",
        "/spec/template/spec/automountServiceAccountToken",
        "true",
        "key to the cluster",
    ),
    ("Deployment coordinator", "/spec/template/spec/hostNetwork", "true", "node's network"),
    (
        "Deployment alert-dispatcher",
        "/spec/template/spec/volumes/1/hostPath",
        r#"{"path": "/"}"#,
        "node's files",
    ),
    ("Deployment coordinator", "/spec/template/spec/terminationGracePeriodSeconds", "5", "killed before"),
    ("Deployment coordinator", "/spec/selector/matchLabels/x", r#""y""#, "select its own pods"),
    ("Deployment coordinator", "C/securityContext/allowPrivilegeEscalation", "true", "gain privileges"),
    ("StatefulSet redis", "C/securityContext/readOnlyRootFilesystem", "null", "root can be written"),
    ("Deployment coordinator", "C/securityContext/capabilities/drop", "[]", "capabilities"),
    ("StatefulSet redis", "C/startupProbe", "null", "lacks a probe"),
    ("Deployment oi-detector", "C/resources/requests/memory", "null", "requests no resources"),
    ("Deployment oi-detector", "C/resources/limits", "null", "no limits"),
    ("Deployment oi-detector", "C/command/0", r#""cascade""#, "another program"),
    ("Deployment oi-detector", "C/livenessProbe/httpGet/port", "9103", "livenessProbe"),
    ("Deployment oi-detector", "C/readinessProbe/httpGet/path", r#""/health/live""#, "readinessProbe"),
    ("Deployment oi-detector", "C/startupProbe/httpGet/path", r#""/""#, "startupProbe"),
    ("Deployment oi-detector", "C/ports/0/containerPort", "9103", "its port is not named"),
    ("Deployment oi-detector", "C/env/2/value", r#""0.0.0.0:9103""#, "not on its port"),
    (
        "Service oi-detector",
        "/spec/selector/app.kubernetes.io~1name",
        r#""oi""#,
        "Service oi-detector: its selector",
    ),
    ("Service redis", "/spec/ports/0/targetPort", r#""db""#, "no pod behind it has the port"),
    (
        "PodDisruptionBudget redis",
        "/spec/selector/matchLabels/x",
        r#""y""#,
        "PodDisruptionBudget redis: its selector",
    ),
    (
        "PodDisruptionBudget redis",
        "/spec/selector/matchLabels/x",
        r#""y""#,
        "not exactly one disruption budget",
    ),
    (
        "Deployment cascade-signals",
        "/spec/template/spec/topologySpreadConstraints/0/labelSelector/matchLabels/x",
        r#""y""#,
        "spread",
    ),
    ("NetworkPolicy redis", "/spec/podSelector/matchLabels/x", r#""y""#, "NetworkPolicy redis: its selector"),
    (
        "NetworkPolicy to-redis",
        "/spec/egress/0/to/0/podSelector/matchLabels/x",
        r#""y""#,
        "NetworkPolicy to-redis: its peer",
    ),
    ("NetworkPolicy to-redis", "/spec/egress/0/ports/0/port", "6380", "may not reach Redis"),
    (
        "NetworkPolicy redis",
        "/spec/ingress/0/from/0/podSelector/matchLabels/x",
        r#""y""#,
        "may not reach Redis",
    ),
    ("NetworkPolicy default-deny", "/spec/policyTypes", r#"["Ingress"]"#, "nothing is denied"),
    ("NetworkPolicy default-deny", "/spec/egress", "[{}]", "nothing is denied"),
    ("NetworkPolicy to-internet", "/spec/egress/0/ports", "[]", "any peer or any port"),
    ("NetworkPolicy to-internet", "/spec/egress/0/ports/1/port", "9443", "may reach port 9443"),
    ("NetworkPolicy to-internet", "/spec/podSelector/matchLabels", "{}", "cascade-signals: port 443"),
    (
        "Deployment alert-dispatcher",
        "/spec/template/metadata/labels/cascade~1internet",
        r#""denied""#,
        "alert-dispatcher: port 443",
    ),
    (
        "NetworkPolicy metrics",
        "/spec/ingress/0/ports/0/port",
        "9100",
        "no policy lets anybody ask its port 9101",
    ),
];

#[test]
fn planted_mistakes_are_found() {
    let container = "/spec/template/spec/containers/0";
    for &(object, place, planted, wrong) in PLANTED {
        let mut objects = base();
        let bad =
            objects.0.iter_mut().find(|value| name(value) == object).unwrap_or_else(|| panic!("{object}"));
        *place_in(bad, &place.replacen('C', container, usize::from(place.starts_with('C')))) =
            serde_json::from_str(planted).unwrap();
        let found = mistakes(&objects);
        assert!(found.iter().any(|mistake| mistake.contains(wrong)), "{object} {place}: {found:?}");
    }
    let mut objects = base();
    objects.0.retain(|object| name(object) != "Deployment coordinator");
    assert!(mistakes(&objects).iter().any(|mistake| mistake == "coordinator: is not in it"));
}
