//! One thing that was looked at, and all of them as a text or as JSON.

use std::fmt::Write as _;

use serde::Serialize;

use crate::colour;
use crate::words::plain;

/// How it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    /// As it should be.
    Ok,
    /// It works, but not well, or not for everybody.
    Warn,
    /// It does not work.
    Fail,
}

impl Status {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Check {
    pub(crate) name: String,
    pub(crate) status: Status,
    pub(crate) found: String,
    /// What to do about it, where something is to be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) way_out: Option<String>,
}

impl Check {
    pub(crate) fn ok(name: impl Into<String>, found: impl Into<String>) -> Self {
        Self { name: name.into(), status: Status::Ok, found: found.into(), way_out: None }
    }

    pub(crate) fn warn(
        name: impl Into<String>,
        found: impl Into<String>,
        way_out: impl Into<String>,
    ) -> Self {
        Self { status: Status::Warn, way_out: Some(way_out.into()), ..Self::ok(name, found) }
    }

    pub(crate) fn fail(
        name: impl Into<String>,
        found: impl Into<String>,
        way_out: impl Into<String>,
    ) -> Self {
        Self { status: Status::Fail, way_out: Some(way_out.into()), ..Self::ok(name, found) }
    }

    /// A failure in the words `what is wrong; what to do`.
    pub(crate) fn fail_as_told(name: impl Into<String>, told: &str, else_do: &str) -> Self {
        let (found, way_out) = told.split_once("; ").unwrap_or((told, else_do));
        Self::fail(name, found, way_out)
    }
}

/// A report as it is written.
#[derive(Serialize)]
struct Whole<'a> {
    ok: bool,
    failed: usize,
    warned: usize,
    checks: &'a [Check],
}

/// All that was looked at, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Report(Vec<Check>);

impl Report {
    pub(crate) fn add(&mut self, checks: impl IntoIterator<Item = Check>) {
        self.0.extend(checks);
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.count(Status::Fail) > 0
    }

    fn count(&self, status: Status) -> usize {
        self.0.iter().filter(|check| check.status == status).count()
    }

    /// `{"ok":..,"failed":n,"warned":n,"checks":[{"name","status","found","way_out"}]}`.
    pub(crate) fn json(&self) -> serde_json::Result<String> {
        serde_json::to_string(&Whole {
            ok: !self.has_failed(),
            failed: self.count(Status::Fail),
            warned: self.count(Status::Warn),
            checks: &self.0,
        })
    }

    /// A line a check, the way out below it, and what it comes to.
    pub(crate) fn text(&self, coloured: bool) -> String {
        let width = self.0.iter().map(|check| check.name.chars().count()).max().unwrap_or_default();
        let mut text = String::new();
        for check in &self.0 {
            let word = format!("{:4}", check.status.as_str());
            let word = if coloured { painted(check.status, &word) } else { word };
            // Writing to a `String` does not fail.
            writeln!(text, "{word}  {:width$}  {}", plain(&check.name), shown(&check.found)).ok();
            if let Some(way_out) = &check.way_out {
                writeln!(text, "{:indent$}-> {}", "", shown(way_out), indent = width + 8).ok();
            }
        }
        let (failed, warned) = (self.count(Status::Fail), self.count(Status::Warn));
        let sum = match (failed, warned) {
            (0, 0) => "nothing is wrong".to_owned(),
            (0, _) => format!("nothing failed; {}", counted(warned, "warning")),
            (_, 0) => format!("{} failed", counted(failed, "check")),
            (_, _) => format!("{} failed; {}", counted(failed, "check"), counted(warned, "warning")),
        };
        text + "\n" + &sum + "\n"
    }
}

fn painted(status: Status, word: &str) -> String {
    colour::in_mood(
        match status {
            Status::Ok => colour::Mood::Good,
            Status::Warn => colour::Mood::Doubtful,
            Status::Fail => colour::Mood::Bad,
        },
        word,
    )
}

/// A text without control characters, on one line, as long as it is.
fn shown(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let mut report = Report::default();
        report.add([
            Check::ok("redis", "7.0.15"),
            Check::warn("port 9101", "in use", "stop it"),
            Check::fail_as_told("okx REST", "HTTP 451: not here; move away", ""),
        ]);
        report
    }

    #[test]
    fn the_lines_stand_in_columns_with_the_way_out_below() {
        let expected = "\
ok    redis      7.0.15
warn  port 9101  in use
                 -> stop it
fail  okx REST   HTTP 451: not here
                 -> move away

1 check failed; 1 warning
";
        assert_eq!(report().text(false), expected);
        assert!(report().text(true).contains("\u{1b}[31mfail\u{1b}[0m"), "{}", report().text(true));
    }

    #[test]
    fn the_json_has_the_same_content() {
        let expected = r#"{"ok":false,"failed":1,"warned":1,"checks":[{"name":"redis","status":"ok","found":"7.0.15"},{"name":"port 9101","status":"warn","found":"in use","way_out":"stop it"},{"name":"okx REST","status":"fail","found":"HTTP 451: not here","way_out":"move away"}]}"#;
        assert_eq!(report().json().unwrap(), expected);
    }

    #[test]
    fn what_comes_from_outside_can_not_steer_the_terminal() {
        let mut report = Report::default();
        report.add([Check::fail("x", "a\u{1b}[2Jb\nc", "d")]);
        assert!(report.text(false).starts_with("fail  x  a [2Jb c\n"), "{}", report.text(false));
    }
}
