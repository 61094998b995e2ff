//! `/`: what a person looks at. Rendered here, from the last look and the newest findings; nothing runs in the browser.
//!
//! Everything that stands on Redis may have been written by anybody: the template escapes all of it.

use std::sync::LazyLock;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use cascade_domain::{EventTime, Finding, Level};
use cascade_message::line;
use cascade_service::Problem;
use minijinja::{AutoEscape, Environment, Error, UndefinedBehavior, Value};
use serde::Serialize;
use serde_json::{Value as Json, json};

use super::findings::OnPage;
use super::shown::ProblemShown;
use super::status::report;
use super::{Shared, Site};

/// What the page is rendered with.
static TEMPLATES: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut templates = Environment::new();
    templates.set_auto_escape_callback(|_| AutoEscape::Html);
    // What is not known, or is not what it should be, is nothing: it keeps nobody from seeing the rest.
    templates.set_undefined_behavior(UndefinedBehavior::Chainable);
    templates.add_filter("at", at);
    templates.add_filter("span", span);
    templates.add_filter("seconds", seconds);
    templates.add_filter("mega", mega);
    // The test below holds that it is good.
    templates.add_template("page", include_str!("page.html")).ok();
    templates
});

/// A line of the list of findings.
#[derive(Serialize)]
struct Line {
    /// `extreme`, `critical`, `alert`, `watch`, or the kind.
    class: String,
    /// When it was decided, RFC 3339.
    time: String,
    text: String,
}

impl Line {
    fn of(finding: &Finding) -> Self {
        let class = match finding {
            Finding::Cascade(finding) if finding.level > Level::None => {
                finding.level.to_string().to_lowercase()
            }
            _ => finding.kind().to_owned(),
        };
        Self { class, time: line::rfc3339(finding.known_at()), text: line::line(finding) }
    }
}

/// A page to look at
#[utoipa::path(
    get, path = "/", tag = "page",
    responses(
        (status = 200, description = "What runs, how it does, and the newest findings; refreshes itself", body = String, content_type = "text/html"),
        (status = 500, description = "The page can't be made", body = ProblemShown, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn page(State(site): Shared) -> Response {
    let recent = site.recent.on_page(&site).await;
    match rendered(&site, &recent) {
        Ok(html) => ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], html).into_response(),
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "the page can't be rendered");
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the page can't be rendered; the log says why")
                .into_response()
        }
    }
}

/// The style of the page
#[utoipa::path(
    get, path = "/style.css", tag = "page",
    responses((status = 200, description = "Its style", body = String, content_type = "text/css")),
)]
pub(super) async fn style() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("style.css"))
}

fn rendered(site: &Site, recent: &OnPage) -> Result<String, Error> {
    let (look, _) = site.look();
    let (findings, missing): (Vec<Line>, _) = match &recent.found {
        Ok(found) => (found.findings.iter().map(Line::of).collect(), None),
        Err(problem) => (Vec::new(), Some(problem.detail())),
    };
    let shown = json!({
        "report": report(site),
        "overview": look.as_ref().and_then(|look| look.overview.as_ref()),
        "findings": findings,
        "missing": missing,
        "is_demo": recent.is_demo,
        "version": site.context.version,
        "now": line::rfc3339(site.context.clock.now()),
    });
    TEMPLATES.get_template("page")?.render(value(&shown))
}

/// As templates have it. Not through their own reading of maps: that gives some keys a meaning, and these are anybody's.
fn value(json: &Json) -> Value {
    match json {
        Json::Null => Value::from(()),
        Json::Bool(bool) => Value::from(*bool),
        Json::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(whole), ..) => Value::from(whole),
            (None, Some(whole), _) => Value::from(whole),
            (None, None, float) => Value::from(float.unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(items) => items.iter().map(value).collect(),
        Json::Object(map) => Value::from_pairs(map.iter().map(|(key, item)| (key.as_str(), value(item)))),
    }
}

/// A figure; `None` where there is none.
fn figure(value: Value) -> Option<i64> {
    i64::try_from(value).ok()
}

fn dash() -> String {
    "–".to_owned()
}

/// Milliseconds since 1970 as a time of day.
fn at(ms: Value) -> String {
    figure(ms).map_or_else(dash, |ms| line::clock(EventTime::from_ms(ms)).chars().take(8).collect())
}

/// So many milliseconds in words.
fn span(ms: Value) -> String {
    match figure(ms) {
        None => dash(),
        Some(ms @ 0..10_000) => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        Some(ms) => line::duration(u64::try_from(ms / 1000).unwrap_or(0)),
    }
}

/// So many seconds in words.
fn seconds(seconds: Value) -> String {
    figure(seconds).and_then(|seconds| u64::try_from(seconds).ok()).map_or_else(dash, line::duration)
}

/// So many bytes in MB.
fn mega(bytes: Value) -> String {
    figure(bytes).map_or_else(dash, |bytes| format!("{} MB", bytes / 1_000_000))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;

    fn page(report: &Json, overview: &Json) -> String {
        let template = TEMPLATES.get_template("page").unwrap();
        let shown =
            json!({"report": report, "overview": overview, "findings": [], "version": "0", "now": "now"});
        template.render(value(&shown)).unwrap()
    }

    #[test]
    fn a_page_without_anything_known_is_rendered() {
        let html = page(&json!({"healthy": false, "services_healthy": "0/4", "services": {}}), &json!(null));
        assert!(html.contains("0&#x2f;4") && html.contains("UNHEALTHY"), "{html}");
    }

    #[test]
    fn markup_from_redis_is_text_wherever_it_stands() {
        let evil = "<script>alert('x')</script>\"><b onload=x>";
        let overview = json!({
            "redis": evil,
            "services": [{"name": evil, "instance": evil, "version": evil, "uptime_s": 1, "unready": evil, "engine": evil, "lag_ms": 5}],
            "engines": {evil: {"service": evil, "owned": 1, "owners": [{"instance": evil, "engine": evil, "shards": [1]}]}},
            "feeds": {evil: {"status": evil, "since_ms": 1, "reason": evil, "reader": evil}},
            "polls": {evil: {"status": evil, "since_ms": 1, "reason": evil, "reader": evil}},
            "dispatch": {"destinations": {evil: {"kind": evil, "error": evil, "up": false}}, "deliveries": {evil: {"open": 1}},
                "mutes": [{"what": {"symbol": evil, "rule": evil, "destination": evil}, "until_ms": 5}]},
            "unreadable": {evil: evil},
        });
        let report = json!({"healthy": false, "services_healthy": evil, "services": {evil: {"healthy": false, "reason": evil}},
            "reasons": {evil: evil}, "last_check": evil});
        let html = page(&report, &overview);
        assert!(html.contains("&lt;script&gt;"), "{html}");
        assert!(
            !html.contains("<script") && !html.contains("<b onload") && !html.contains("alert('x')"),
            "{html}"
        );
    }

    #[test]
    fn what_is_not_what_it_should_be_is_passed_over() {
        let report = json!({"healthy": true, "services_healthy": "1/1", "services": {"x": {"healthy": true, "replicas": 1}}});
        for odd in [
            json!(null),
            json!(1),
            json!([1]),
            json!("x"),
            json!({"a": null}),
            json!({"a": {"sent_ms": 1e300}}),
        ] {
            let overview = json!({
                "services": [{"name": "x", "uptime_s": u64::MAX, "beat_age_ms": odd, "lag_ms": i64::MIN}],
                "dispatch": {"destinations": odd, "deliveries": odd, "dead_letters": odd},
                "feeds": {"okx": odd}, "polls": {"okx": odd}, "ticks": odd, "redis_server": odd,
            });
            assert!(page(&report, &overview).contains("HEALTHY"), "{odd}");
        }
    }

    #[test]
    fn figures_that_are_not_known_are_a_dash() {
        let of = |filter: fn(Value) -> String, ms: i64| filter(Value::from(ms));
        assert_eq!([at, span, seconds, mega].map(|filter| filter(Value::UNDEFINED)), ["–"; 4]);
        assert_eq!((of(at, 1_791_565_601_482).as_str(), of(span, 1_250).as_str()), ("17:06:41", "1.2 s"));
        assert_eq!((of(span, 65_000), of(mega, 5_400_000)), (line::duration(65), "5 MB".to_owned()));
    }
}
