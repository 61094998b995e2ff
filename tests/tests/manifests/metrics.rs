//! Dashboards and rules ask for metrics and labels that there are; each rule says what to do, and has a test.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::files::{below, read, yaml};
use crate::promql::asked;

/// Calls `with` for each object in a value.
fn each_object<'a>(value: &'a Value, with: &mut impl FnMut(&'a serde_json::Map<String, Value>)) {
    match value {
        Value::Object(object) => {
            with(object);
            object.values().for_each(|inner| each_object(inner, with));
        }
        Value::Array(items) => items.iter().for_each(|inner| each_object(inner, with)),
        _ => {}
    }
}

/// The labels between `{{` and `}}` of a text, with what stands before each name.
fn placeholders<'a>(text: &'a str, before: &str) -> Vec<&'a str> {
    let insides = text.split("{{").skip(1).filter_map(|rest| rest.split("}}").next());
    let labels = insides.flat_map(|inside| match before {
        "" => vec![inside.trim()],
        before => inside.split(before).skip(1).collect(),
    });
    let name = |text: &'a str| {
        text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or_default()
    };
    labels.map(name).collect()
}

/// What is wrong with an expression and with the labels that its texts name.
fn wrong(expression: &str, texts: &[&str], before: &str) -> Vec<String> {
    let asked = asked(expression);
    let mut mistakes = asked.mistakes;
    for label in texts.iter().flat_map(|text| placeholders(text, before)) {
        if !asked.labels.contains(label) {
            mistakes.push(format!("`{label}` is no label of its result"));
        }
    }
    mistakes.iter().map(|mistake| format!("{expression}: {mistake}")).collect()
}

/// What is wrong with a dashboard.
fn dashboard(dashboard: &Value) -> Vec<String> {
    let mut mistakes = Vec::new();
    let mut asks = 0;
    each_object(&dashboard["panels"], &mut |object| {
        let Some(expression) = object.get("expr").and_then(Value::as_str) else { return };
        asks += 1;
        let legend = object.get("legendFormat").and_then(Value::as_str).unwrap_or_default();
        mistakes.extend(wrong(expression, &[legend], ""));
    });
    if asks == 0 {
        mistakes.push("no panel asks for anything".to_owned());
    }
    for variable in dashboard["templating"]["list"].as_array().into_iter().flatten() {
        let query =
            variable["query"].as_str().or_else(|| variable["query"]["query"].as_str()).unwrap_or_default();
        let Some(inside) = query.strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(')')) else {
            continue;
        };
        let Some((series, label)) = inside.rsplit_once(',') else { continue };
        mistakes.extend(wrong(series, &[&format!("{{{{{}}}}}", label.trim())], ""));
    }
    mistakes
}

/// What is wrong with a file of rules, given the page that says what to do.
fn rules(file: &Value, page: &str) -> Vec<String> {
    let anchors: BTreeSet<String> = page
        .lines()
        .filter_map(|line| line.strip_prefix('#'))
        .map(|heading| {
            heading.trim_start_matches('#').trim().to_lowercase().replace(' ', "-").replace(['`', '.'], "")
        })
        .collect();
    let mut mistakes = Vec::new();
    let groups = file["groups"].as_array().into_iter().flatten();
    for rule in groups.flat_map(|group| group["rules"].as_array().into_iter().flatten()) {
        let (name, annotations) = (rule["alert"].as_str().unwrap_or_default(), &rule["annotations"]);
        let texts: Vec<&str> =
            ["summary", "description"].iter().filter_map(|key| annotations[key].as_str()).collect();
        if texts.len() < 2 {
            mistakes.push(format!("{name}: no summary or no description"));
        }
        mistakes.extend(wrong(rule["expr"].as_str().unwrap_or_default(), &texts, "$labels."));
        let anchor =
            annotations["runbook_url"].as_str().and_then(|url| url.strip_prefix("docs/operating.md#"));
        match anchor {
            Some(anchor) if anchor == name.to_lowercase() && anchors.contains(anchor) => {}
            _ => mistakes.push(format!("{name}: docs/operating.md has no section #{}", name.to_lowercase())),
        }
        if !["critical", "warning"].contains(&rule["labels"]["severity"].as_str().unwrap_or_default()) {
            mistakes.push(format!("{name}: neither critical nor a warning"));
        }
    }
    mistakes
}

/// The alerts of a file of rules.
fn alerts(file: &Value) -> BTreeSet<String> {
    let groups = file["groups"].as_array().into_iter().flatten();
    let rules = groups.flat_map(|group| group["rules"].as_array().into_iter().flatten());
    rules.filter_map(|rule| rule["alert"].as_str().map(str::to_owned)).collect()
}

/// The alerts that a file of promtool's tests sees firing, and what its series and expressions ask for that is not there.
fn tests(file: &Value) -> (BTreeSet<String>, Vec<String>) {
    let (mut firing, mut mistakes) = (BTreeSet::new(), Vec::new());
    each_object(&file["tests"], &mut |object| {
        let text = |key: &str| object.get(key).and_then(Value::as_str);
        mistakes.extend(text("series").map_or_else(Vec::new, |series| wrong(series, &[], "")));
        mistakes.extend(text("expr").map_or_else(Vec::new, |expression| wrong(expression, &[], "")));
        let expected =
            object.get("exp_alerts").and_then(Value::as_array).is_some_and(|alerts| !alerts.is_empty());
        firing.extend(text("alertname").filter(|_| expected).map(str::to_owned));
    });
    (firing, mistakes)
}

#[test]
fn dashboards_ask_for_what_there_is() {
    for path in below("deploy/grafana/dashboards", ".json") {
        let value: Value = serde_json::from_str(&read(&path)).unwrap();
        assert_eq!(dashboard(&value), Vec::<String>::new(), "{path}");
    }
}

#[test]
fn rules_ask_for_what_there_is_and_say_what_to_do() {
    let page = read("docs/operating.md");
    for path in below("deploy/prometheus/rules", ".yml") {
        let found: Vec<String> = yaml(&read(&path)).iter().flat_map(|file| rules(file, &page)).collect();
        assert_eq!(found, Vec::<String>::new(), "{path}");
    }
}

#[test]
fn every_rule_is_seen_firing_by_a_test() {
    let (mut known, mut seen) = (BTreeSet::new(), BTreeSet::new());
    for path in below("deploy/prometheus/rules", ".yml") {
        for file in yaml(&read(&path)) {
            known.extend(alerts(&file));
        }
    }
    for path in below("deploy/prometheus/tests", ".yml") {
        for file in yaml(&read(&path)) {
            let (firing, mistakes) = tests(&file);
            assert_eq!(mistakes, Vec::<String>::new(), "{path}");
            seen.extend(firing);
        }
    }
    assert!(known.len() > 5, "{known:?}");
    assert_eq!(seen, known);
}

#[test]
fn what_kubernetes_asks_prometheus_is_there() {
    let mut found = 0;
    for path in below("k8s/components", ".yaml") {
        for document in yaml(&read(&path)) {
            each_object(&document, &mut |object| {
                for key in ["query", "expr"] {
                    let Some(expression) = object.get(key).and_then(Value::as_str) else { continue };
                    found += 1;
                    assert_eq!(wrong(expression, &[], ""), Vec::<String>::new(), "{path}");
                }
            });
        }
    }
    assert!(found > 5, "only {found} expressions were found");
}

#[test]
fn a_planted_mistake_in_a_dashboard_is_found() {
    let of = |expr: &str, legend: &str, variable: &str| {
        dashboard(&json!({
            "panels": [{"panels": [{"targets": [{"expr": expr, "legendFormat": legend}]}]}],
            "templating": {"list": [{"query": {"query": variable}}]},
        }))
    };
    let good = ("max by (venue) (cascade_feed_up)", "{{venue}}", "label_values(cascade_feed_up, venue)");
    assert_eq!(of(good.0, good.1, good.2), Vec::<String>::new());
    assert_eq!(of("max(cascade_no)", "", good.2).len(), 1);
    assert_eq!(of(good.0, "{{exchange}}", good.2).len(), 1);
    assert_eq!(of(good.0, good.1, "label_values(cascade_feed_up, exchange)").len(), 1);
    assert_eq!(of(good.0, good.1, "label_values(cascade_fed_up, venue)").len(), 2);
    assert_eq!(dashboard(&json!({"panels": []})).len(), 1);
}

#[test]
fn a_planted_mistake_in_a_rule_is_found() {
    let good = json!({"groups": [{"rules": [{
        "alert": "CascadeX", "expr": "max by (venue) (cascade_feed_up) == 0", "labels": {"severity": "critical"},
        "annotations": {"summary": "{{ $labels.venue }}", "description": "{{ $value }}", "runbook_url": "docs/operating.md#cascadex"},
    }]}]});
    let page = "# All\n### CascadeX\nDo this.\n";
    assert_eq!(rules(&good, page), Vec::<String>::new());
    assert_eq!(rules(&good, "### CascadeY\n").len(), 1);
    for (place, planted) in [
        ("expr", json!("cascade_no == 0")),
        ("labels/severity", json!("page")),
        ("annotations/summary", json!("{{ $labels.exchange | humanize }}")),
        ("annotations/description", json!(null)),
        ("annotations/runbook_url", json!("docs/operating.md#cascadey")),
    ] {
        let mut bad = good.clone();
        *bad.pointer_mut(&format!("/groups/0/rules/0/{place}")).unwrap() = planted;
        assert!(!rules(&bad, page).is_empty(), "{place}");
    }
    let test = |alerts: Value, series: &str| {
        tests(
            &json!({"tests": [{"input_series": [{"series": series}], "alert_rule_test": [{"alertname": "X", "exp_alerts": alerts}]}]}),
        )
    };
    assert_eq!(test(json!([{}]), "cascade_feed_up{venue=\"okx\"}").0.len(), 1);
    assert_eq!(test(json!([]), "cascade_feed_up{venue=\"okx\"}").0.len(), 0);
    assert_eq!(test(json!([{}]), "cascade_feed_up{market=\"okx\"}").1.len(), 1);
}
