//! What there is to say of each kind of alert, and its figures for programs.
//!
//! A new kind of finding adds a file here and an arm below. Says nothing that the finding does not know.

mod cascade;
mod feed;
mod interest;
mod large;
mod market;
mod own;

use cascade_domain::{Alert, Finding, Subject};
pub(crate) use interest::amounts;
use jiff::tz::TimeZone;
use serde_json::{Map, Value};

use crate::document::Story;

/// What is said of an alert.
pub(crate) fn story(alert: &Alert, zone: &TimeZone) -> Story {
    match &alert.subject {
        Subject::Finding(finding) => match &**finding {
            Finding::Cascade(f) => cascade::story(alert.phase, f),
            Finding::LargeLiquidation(f) => large::story(f),
            Finding::OpenInterest(f) => interest::story(alert.phase, f),
            Finding::Feed(f) => feed::story(f, zone),
        },
        Subject::Market(market) => market::story(alert.phase, market, zone),
        Subject::Digest(digest) => own::digest(digest),
        Subject::Test { by } => own::test(by),
        Subject::Watchdog => own::watchdog(),
    }
}

/// The figures of an alert for programs: flat, in base units, only what is known.
pub(crate) fn figures(alert: &Alert) -> Value {
    let mut figures = Figures::default();
    match &alert.subject {
        Subject::Finding(finding) => match &**finding {
            Finding::Cascade(f) => cascade::figures(f, &mut figures),
            Finding::LargeLiquidation(f) => large::figures(f, &mut figures),
            Finding::OpenInterest(f) => interest::figures(f, &mut figures),
            Finding::Feed(f) => feed::figures(f, &mut figures),
        },
        Subject::Market(market) => market::figures(market, &mut figures),
        Subject::Digest(digest) => own::digest_figures(digest, &mut figures),
        Subject::Test { .. } | Subject::Watchdog => {}
    }
    Value::Object(figures.0)
}

/// Figures by name.
#[derive(Debug, Default)]
pub(crate) struct Figures(Map<String, Value>);

impl Figures {
    /// Adds one, if it is known.
    pub(crate) fn put(&mut self, name: &str, figure: impl serde::Serialize) {
        match serde_json::to_value(figure) {
            Ok(Value::Null) | Err(_) => {}
            Ok(value) => drop(self.0.insert(name.to_owned(), value)),
        }
    }
}
