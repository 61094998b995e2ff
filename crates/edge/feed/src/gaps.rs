//! The gaps of a route, told piece by piece while it is down. Pure: it is told the times.
//!
//! One rule: a route is down from the last market data of a live session to the next session's going live. Each end
//! of a session tells the piece since the last one told, so that a lasting outage is known while it lasts; going live
//! tells the last piece. What joins a route while it is down is missed from then on. The pieces meet without a hole. A route that was never up is down from its beginning
//! (reason `start`): what came before this process is not known to it. Asked to stop, nothing is told: the next
//! process's `start` follows.

use std::sync::Arc;

use cascade_domain::{Event, EventTime, Gap};
use cascade_venues::Route;

/// What is known of a route's outage.
#[derive(Debug)]
pub struct Gaps {
    route: Arc<Route>,
    down: Option<Down>,
}

#[derive(Debug)]
struct Down {
    from: EventTime,
    told_to: EventTime,
    reason: &'static str,
}

impl Gaps {
    /// A route that has not been up yet; what came before `since` is known.
    pub fn started(route: Arc<Route>, since: EventTime) -> Self {
        Self { route, down: Some(Down { from: since, told_to: since, reason: "start" }) }
    }

    /// The route is live: the last piece of the gap, and from when to when it was down, if it was.
    pub fn recovered(&mut self, now: EventTime, out: &mut Vec<Event>) -> Option<(EventTime, EventTime)> {
        let down = self.down.take()?;
        tell(&self.route, down.told_to, now, down.reason, out);
        Some((down.from, now.max(down.from)))
    }

    /// A session ended, or none was to be had: the piece up to now.
    pub fn broke(
        &mut self,
        (last_frame_at, now): (Option<EventTime>, EventTime),
        reason: &'static str,
        out: &mut Vec<Event>,
    ) {
        let last = last_frame_at.unwrap_or(now);
        let (from, told_to) = self.down.as_ref().map_or((last, last), |down| (down.from, down.told_to));
        tell(&self.route, told_to, now, reason, out);
        self.down = Some(Down { from, told_to: now.max(told_to), reason });
    }

    /// The route carries other symbols from now on: what was missed before was missed of the old ones alone.
    pub fn changed(&mut self, route: Arc<Route>, now: EventTime, out: &mut Vec<Event>) {
        if let Some(down) = self.down.as_mut() {
            tell(&self.route, down.told_to, now, down.reason, out);
            down.told_to = now.max(down.told_to);
        }
        self.route = route;
    }
}

fn tell(route: &Route, from: EventTime, to: EventTime, reason: &str, out: &mut Vec<Event>) {
    if to <= from {
        return;
    }
    out.extend(route.streams().map(|(stream, symbols)| {
        Event::Gap(Gap {
            venue: route.venue,
            stream,
            symbols: symbols.to_vec(),
            from_ms: from,
            to_ms: to,
            reason: reason.to_owned(),
        })
    }));
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use cascade_domain::{GapStream, Symbol, Venue};
    use cascade_venues::Watch;

    use super::*;

    fn route(symbols: &[&str]) -> Arc<Route> {
        Arc::new(Route {
            venue: Venue::Okx,
            name: "public-0".to_owned(),
            url: String::new(),
            subscriptions: Vec::new(),
            frames_per_second: 1,
            keepalive: None,
            watch: Watch { silent_after: Duration::ZERO, ack_within: Duration::ZERO },
            renew_after: None,
            market_wide: Vec::new(),
            carries: vec![GapStream::Mark],
            symbols: symbols.iter().map(|symbol| Symbol::parse(symbol).unwrap()).collect(),
        })
    }

    fn span(event: &Event) -> Option<(i64, i64, &str)> {
        match event {
            Event::Gap(gap) => Some((gap.from_ms.ms(), gap.to_ms.ms(), gap.reason.as_str())),
            _ => None,
        }
    }

    fn spans(events: &[Event]) -> Vec<(i64, i64, &str)> {
        events.iter().filter_map(span).collect()
    }

    #[test]
    fn the_pieces_of_an_outage_meet_and_reach_from_the_last_data_to_recovery() {
        let (at, mut out) = (EventTime::from_ms, Vec::new());
        let mut gaps = Gaps::started(route(&[]), at(100));
        assert_eq!(gaps.recovered(at(130), &mut out), Some((at(100), at(130))));
        assert_eq!(gaps.recovered(at(140), &mut out), None, "it was not down");
        gaps.broke((Some(at(500)), at(530)), "silent", &mut out);
        gaps.broke((None, at(600)), "unreachable", &mut out);
        gaps.broke((Some(at(640)), at(700)), "unacknowledged", &mut out);
        assert_eq!(gaps.recovered(at(800), &mut out), Some((at(500), at(800))), "the whole outage");
        assert_eq!(
            spans(&out),
            [
                (100, 130, "start"),
                (500, 530, "silent"),
                (530, 600, "unreachable"),
                (600, 700, "unacknowledged"),
                (700, 800, "unacknowledged")
            ]
        );
    }

    #[test]
    fn a_gap_of_no_length_is_not_told_and_loses_nothing() {
        let (at, mut out) = (EventTime::from_ms, Vec::new());
        let mut gaps = Gaps::started(route(&[]), at(100));
        gaps.broke((None, at(100)), "unreachable", &mut out);
        assert!(out.is_empty());
        gaps.recovered(at(150), &mut out);
        assert_eq!(spans(&out), [(100, 150, "unreachable")]);
    }

    #[test]
    fn nothing_is_missed_of_a_symbol_before_it_joined() {
        let (at, mut out) = (EventTime::from_ms, Vec::new());
        let mut gaps = Gaps::started(route(&["BTCUSDT"]), at(100));
        gaps.changed(route(&["BTCUSDT", "NEWUSDT"]), at(200), &mut out);
        gaps.recovered(at(300), &mut out);
        assert_eq!(spans(&out), [(100, 200, "start"), (200, 300, "start")]);
        let counts = out.iter().map(|event| if let Event::Gap(gap) = event { gap.symbols.len() } else { 0 });
        assert_eq!(counts.collect::<Vec<_>>(), [1, 2]);
        gaps.changed(route(&["BTCUSDT"]), at(400), &mut out);
        assert_eq!(out.len(), 2, "a route that is up misses nothing by growing");
    }
}
