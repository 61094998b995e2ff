//! The verdict of a demo: what the scenario expects beside what was said, and what the exchanges published beside what
//! was heard of it. A level that was not reached says something only of a system that has heard what there was.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use cascade_domain::{EventTime, Level, State, Swing, Venue};
use cascade_simulator::{Expected, ExpectedFeed, ExpectedInterest, Shown, Tally, Truth};

use super::books::Books;
use super::view::{Known, Seen, SeenInterest};
use crate::words;

/// An engine has heard a market if its state is not older than this, seconds of the clock, or a second on the wall.
const FRESH_S: f64 = 30.0;

/// A scenario that is over.
#[derive(Debug)]
pub(crate) struct Course<'a> {
    pub(crate) expected: &'a [Expected],
    pub(crate) expected_interest: &'a [ExpectedInterest],
    pub(crate) expected_feeds: &'a [ExpectedFeed],
    pub(crate) truth: &'a Truth,
    pub(crate) books: &'a Books,
    /// What a venue published while it was mute, so that nobody could hear it.
    pub(crate) withheld: BTreeMap<Venue, u64>,
    /// The clock's time of the scenario's second 0.
    pub(crate) started: EventTime,
    pub(crate) now: EventTime,
    /// How many times as fast as the wall the clock runs.
    pub(crate) speed: f64,
}

impl Course<'_> {
    /// The tables, and whether everything in them agrees.
    pub(crate) fn verdict(&self, known: &Known) -> (String, bool) {
        let mut agreed = true;
        let mut judged = |agrees: bool| {
            agreed &= agrees;
            if agrees { "agree" } else { "DISAGREE" }
        };
        let mut table = format!("\n{:<8} {:<44} {:<52} verdict\n", "market", "expected", "seen");
        for expected in self.expected {
            let seen = known.seen.get(&expected.symbol).cloned().unwrap_or_default();
            let deaf = self.deaf(known.flows.get(&expected.symbol).map(|flow| flow.event_time_ms));
            let word = judged(holds(expected, &seen, self.started) && deaf.is_none());
            let (wanted, said) = (wanted(expected), said(expected, &seen, self.started));
            let said = said + &deaf.unwrap_or_default();
            writeln!(table, "{:<8} {wanted:<44} {said:<52} {word}", expected.symbol).ok();
        }
        for expected in self.expected_interest {
            let seen = known.seen_interest.get(&expected.symbol).cloned().unwrap_or_default();
            let deaf = self.deaf(known.held.get(&expected.symbol).map(|held| held.event_time_ms));
            let word = judged(interest_holds(expected, &seen) && deaf.is_none());
            let (wanted, said) = (interest_wanted(expected), interest_said(&seen));
            let said = said + &deaf.unwrap_or_default();
            writeln!(table, "{:<8} {wanted:<44} {said:<52} {word}", expected.symbol).ok();
        }
        for expected in self.expected_feeds {
            let said = known.outages.get(&expected.venue).map(Vec::as_slice).unwrap_or_default();
            let told = said.iter().any(|(state, status)| *state == State::Open && *status == expected.status);
            let word = judged(told && said.last().is_some_and(|(state, _)| *state == State::Resolved));
            let wanted = format!("feed {}, and back", expected.status.as_str());
            let said: Vec<_> = said
                .iter()
                .map(|(state, status)| format!("{} {}", state.as_str(), status.as_str()))
                .collect();
            let said = if said.is_empty() { "nothing told".to_owned() } else { said.join(", ") };
            writeln!(table, "{:<8} {wanted:<44} {said:<52} {word}", expected.venue).ok();
        }
        let tally = |t: Tally| format!("{} orders {:>8}", t.orders, t.usd);
        writeln!(
            table,
            "\n{:<12} {:>20} {:>20} {:>12} verdict",
            "exchange", "liquidated", "of which published", "heard"
        )
        .ok();
        for venue in Venue::ALL {
            let Shown { real, published } = self.truth.venues.get(&venue).copied().unwrap_or_default();
            let (heard, word) = match known.feeds.get(&venue) {
                None => ("not read".to_owned(), ""),
                Some(reading) => {
                    let heard = reading.as_ref().map_or(0, |reading| reading.liquidations);
                    let silent = self.withheld.get(&venue).copied().unwrap_or_default();
                    (
                        format!("{heard} orders"),
                        judged(heard == published.orders - silent.min(published.orders)),
                    )
                }
            };
            let silent = self.withheld.get(&venue).copied().unwrap_or_default();
            let silent = if silent == 0 { String::new() } else { format!(" ({silent} were withheld)") };
            let row = format!(
                "{venue:<12} {:>20} {:>20} {heard:>12} {word}{silent}",
                tally(real),
                tally(published)
            );
            table.push_str(row.trim_end());
            table.push('\n');
        }
        self.books.write(&mut table, &mut judged);
        table.truncate(table.trim_end().len());
        (table, agreed)
    }

    /// Why an engine's silence on a market would say nothing, whose state is of that time; `None` if it listened to the
    /// end.
    fn deaf(&self, heard: Option<EventTime>) -> Option<String> {
        let Some(heard) = heard else { return Some(", never heard".to_owned()) };
        #[expect(clippy::cast_precision_loss, reason = "seconds of a demo")]
        let age_s = self.now.since(heard) as f64 / 1e3;
        let at = words::clock(heard);
        if age_s < 0.0 {
            Some(format!(", heard at {at}, which is to come"))
        } else if age_s > FRESH_S.max(self.speed) {
            Some(format!(", last heard at {at}"))
        } else {
            None
        }
    }
}

fn wanted(expected: &Expected) -> String {
    let mut parts = Vec::new();
    if let Some(level) = expected.at_least {
        let within = expected.within_s.map_or(String::new(), |s| format!(" within {s} s of its onset"));
        parts.push(format!("{level}{within}"));
    }
    if let Some(level) = expected.below {
        parts.push(format!("below {level}"));
    }
    if expected.resolved {
        parts.push("resolved".to_owned());
    }
    parts.join(", ")
}

fn interest_wanted(expected: &ExpectedInterest) -> String {
    match expected.direction {
        None => "open interest: nothing".to_owned(),
        Some(way) => {
            format!("open interest: {}{}", way.as_str(), if expected.resolved { ", resolved" } else { "" })
        }
    }
}

fn interest_said(seen: &SeenInterest) -> String {
    let said: Vec<_> =
        seen.said.iter().map(|(way, state)| format!("{} {}", way.as_str(), state.as_str())).collect();
    let peak = seen.peak_pct.map_or_else(String::new, |peak| format!(", peak {}", words::moved(peak)));
    if said.is_empty() { "nothing told".to_owned() } else { said.join(", ") + &peak }
}

/// One episode of that direction and no other, and if that is expected, over.
fn interest_holds(expected: &ExpectedInterest, seen: &SeenInterest) -> bool {
    let opened: Vec<Swing> =
        seen.said.iter().filter(|(_, state)| *state == State::Open).map(|(way, _)| *way).collect();
    let is_resolved = seen.said.last().is_some_and(|(_, state)| *state == State::Resolved);
    match expected.direction {
        None => seen.said.is_empty(),
        Some(way) => opened == [way] && (!expected.resolved || is_resolved),
    }
}

/// Seconds from the scenario's second `from_s` to a time.
fn after_s(at: EventTime, started: EventTime, from_s: u64) -> f64 {
    let onset_ms = i64::try_from(from_s).unwrap_or(i64::MAX).saturating_mul(1000);
    #[expect(clippy::cast_precision_loss, reason = "seconds for people")]
    let seconds = at.since(started.plus_ms(onset_ms)) as f64 / 1e3;
    seconds
}

fn said(expected: &Expected, seen: &Seen, started: EventTime) -> String {
    let reached =
        seen.reached.get(&seen.peak).filter(|_| expected.at_least.is_some()).map_or_else(String::new, |at| {
            format!(" {:.1} s after its onset", after_s(*at, started, expected.onset_s))
        });
    let resolved = seen
        .resolved_at
        .map_or_else(String::new, |at| format!(", resolved at {:.0} s", after_s(at, started, 0)));
    format!("peak {}{reached}{resolved}", seen.peak)
}

#[expect(clippy::cast_precision_loss, reason = "whole seconds of a scenario")]
fn holds(expected: &Expected, seen: &Seen, started: EventTime) -> bool {
    let in_time = |level: Level| {
        seen.reached.get(&level).is_some_and(|at| {
            expected.within_s.is_none_or(|s| after_s(*at, started, expected.onset_s) <= s as f64)
        })
    };
    let reached = expected.at_least.is_none_or(in_time);
    let below = expected.below.is_none_or(|level| seen.peak < level);
    let told = seen.peak >= Level::Alert;
    reached && below && (!expected.resolved || !told || seen.resolved_at.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::up::view::Held;
    use cascade_domain::Symbol;
    use cascade_wire::FeedHealthReading;

    const START: EventTime = EventTime::from_ms(1_791_565_601_000);

    fn expected() -> Expected {
        Expected {
            symbol: Symbol::parse("BTCUSDT").unwrap(),
            at_least: Some(Level::Extreme),
            below: None,
            within_s: Some(60),
            onset_s: 42,
            resolved: true,
        }
    }

    fn seen(extreme_at_ms: i64, resolved: bool) -> Seen {
        Seen {
            level: Level::None,
            peak: Level::Extreme,
            reached: [(Level::Extreme, START.plus_ms(extreme_at_ms))].into(),
            resolved_at: resolved.then_some(START.plus_ms(170_000)),
        }
    }

    #[test]
    fn a_level_in_time_and_resolved_agrees() {
        assert!(holds(&expected(), &seen(102_000, true), START));
        assert!(!holds(&expected(), &seen(102_001, true), START), "too late");
        assert!(!holds(&expected(), &seen(62_000, false), START), "not resolved");
        assert!(!holds(&expected(), &Seen::default(), START), "nothing said");
    }

    #[test]
    fn a_quiet_day_must_stay_below() {
        let quiet = Expected { at_least: None, below: Some(Level::Alert), within_s: None, ..expected() };
        assert!(holds(&quiet, &Seen { peak: Level::Watch, ..Seen::default() }, START));
        assert!(!holds(&quiet, &Seen { peak: Level::Alert, ..seen(1, true) }, START));
        assert_eq!(wanted(&quiet), "below ALERT, resolved");
    }

    /// A quiet day that is over: one order was published on Bybit; the engine has heard BTC's ticks until then.
    fn quiet_day(heard: u64, engine_at_ms: i64) -> (String, bool) {
        let quiet = [Expected { at_least: None, below: Some(Level::Alert), within_s: None, ..expected() }];
        let published = Tally { orders: 1, ..Tally::default() };
        let truth = Truth {
            venues: [(Venue::Bybit, Shown { real: published, published })].into(),
            ..Truth::default()
        };
        let reading: FeedHealthReading = serde_json::from_value(serde_json::json!({
            "status": "live", "since_ms": START, "reconnects": 0, "liquidations": heard, "reason": ""
        }))
        .unwrap();
        let flow = serde_json::json!({
            "event_time_ms": START.ms() + engine_at_ms, "usd_30s_long": 0.0, "usd_30s_short": 0.0, "count_30s": 0,
            "risk_score": 0.0
        });
        let known = Known {
            feeds: [(Venue::Bybit, Some(reading))].into(),
            flows: [(quiet[0].symbol, serde_json::from_value(flow).unwrap())].into(),
            ..Known::default()
        };
        let now = START.plus_ms(3_600_000);
        let withheld = BTreeMap::new();
        let course = Course {
            expected: &quiet,
            expected_interest: &[],
            expected_feeds: &[],
            truth: &truth,
            books: &Books::default(),
            withheld,
            started: START,
            now,
            speed: 1.0,
        };
        course.verdict(&known)
    }

    #[test]
    fn silence_agrees_only_if_the_engine_listened_to_the_end() {
        let (table, agreed) = quiet_day(1, 3_570_000);
        assert!(agreed && !table.contains("DISAGREE"), "{table}");
        for (at_ms, said) in [(3_569_999, "last heard at"), (3_600_001, "which is to come")] {
            let (table, agreed) = quiet_day(1, at_ms);
            assert!(!agreed && table.contains(said) && table.contains("DISAGREE"), "{table}");
        }
    }

    #[test]
    fn open_interest_agrees_if_it_went_the_expected_way_once_and_is_over() {
        use State::{Open, Resolved, Update};
        use Swing::{Collapse, Explosion};
        let of = |direction, resolved| ExpectedInterest { symbol: expected().symbol, direction, resolved };
        let seen = |said: &[(Swing, State)]| SeenInterest { said: said.to_vec(), peak_pct: Some(4.4) };
        let whole = [(Explosion, Open), (Explosion, Update), (Explosion, Resolved)];
        let over = of(Some(Explosion), true);
        assert!(interest_holds(&over, &seen(&whole)));
        assert_eq!(interest_wanted(&over), "open interest: explosion, resolved");
        let said = interest_said(&seen(&whole));
        assert_eq!(said, "explosion open, explosion update, explosion resolved, peak +4.4 %");
        assert!(
            !interest_holds(&over, &seen(&whole[..2]))
                && interest_holds(&of(Some(Explosion), false), &seen(&whole[..2]))
        );
        assert!(!interest_holds(&of(Some(Collapse), true), &seen(&whole)), "the other way");
        assert!(!interest_holds(&over, &seen(&[whole, whole].concat())), "told twice");
        assert!(!interest_holds(&over, &SeenInterest::default()));
        let nothing = of(None, false);
        assert!(
            interest_holds(&nothing, &SeenInterest::default()) && !interest_holds(&nothing, &seen(&whole))
        );
    }

    #[test]
    fn silence_on_open_interest_agrees_only_if_that_engine_listened() {
        let calm = [ExpectedInterest { symbol: expected().symbol, direction: None, resolved: false }];
        let truth = Truth::default();
        let course = Course {
            expected: &[],
            expected_interest: &calm,
            expected_feeds: &[],
            truth: &truth,
            books: &Books::default(),
            withheld: BTreeMap::new(),
            started: START,
            now: START.plus_ms(60_000),
            speed: 1.0,
        };
        let (table, agreed) = course.verdict(&Known::default());
        assert!(!agreed && table.contains("nothing told, never heard"), "{table}");
        let held = Held { event_time_ms: START.plus_ms(59_000), usd: None, change_pct: None };
        let known = Known { held: [(calm[0].symbol, held)].into(), ..Known::default() };
        let (table, agreed) = course.verdict(&known);
        assert!(agreed && table.contains("open interest: nothing"), "{table}");
    }

    #[test]
    fn silence_agrees_only_if_all_that_was_published_was_heard() {
        let (table, agreed) = quiet_day(0, 3_600_000);
        assert!(!agreed, "{table}");
        let row = |venue: &str| {
            let row = table.lines().find(|line| line.starts_with(venue)).unwrap();
            row.split_whitespace().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(row("bybit"), "bybit 1 orders $0 1 orders $0 0 orders DISAGREE");
        assert_eq!(row("okx"), "okx 0 orders $0 0 orders $0 not read");
    }
}
