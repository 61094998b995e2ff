//! The gaps of a route, told piece by piece while it is down. Pure: it is told the times.
//!
//! One rule: a route is down from the last market data of a live session to the next session's going live. Each end
//! of a session tells the piece since the last one told, so that a lasting outage is known while it lasts; going live
//! tells the last piece. The pieces meet without a hole. A route that was never up is down from its beginning
//! (reason `start`): what came before this process is not known to it. Asked to stop, nothing is told: the next
//! process's `start` follows.

use cascade_domain::{Event, EventTime, Gap};
use cascade_venues::Route;

/// What is known of a route's outage.
#[derive(Debug)]
pub(crate) struct Gaps {
    down: Option<Down>,
}

#[derive(Debug)]
struct Down {
    told_to: EventTime,
    reason: &'static str,
}

impl Gaps {
    /// A route that has not been up yet.
    pub(crate) fn started(now: EventTime) -> Self {
        Self { down: Some(Down { told_to: now, reason: "start" }) }
    }

    /// The route is live again: the last piece of the gap.
    pub(crate) fn recovered(&mut self, route: &Route, now: EventTime, out: &mut Vec<Event>) {
        if let Some(down) = self.down.take() {
            tell(route, down.told_to, now, down.reason, out);
        }
    }

    /// A session ended, or none was to be had: the piece up to now.
    pub(crate) fn broke(
        &mut self,
        route: &Route,
        (last_frame_at, now): (Option<EventTime>, EventTime),
        reason: &'static str,
        out: &mut Vec<Event>,
    ) {
        let from = self.down.as_ref().map_or(last_frame_at.unwrap_or(now), |down| down.told_to);
        tell(route, from, now, reason, out);
        self.down = Some(Down { told_to: now.max(from), reason });
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

    use cascade_domain::{GapStream, Venue};
    use cascade_venues::Watch;

    use super::*;

    fn route() -> Route {
        Route {
            venue: Venue::Okx,
            name: "public-0".to_owned(),
            url: String::new(),
            subscriptions: Vec::new(),
            frames_per_second: 1,
            keepalive: None,
            watch: Watch { silent_after: Duration::ZERO, ack_within: Duration::ZERO },
            market_wide: Vec::new(),
            carries: vec![GapStream::Mark],
            symbols: Vec::new(),
        }
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
        let (route, at, mut out) = (route(), EventTime::from_ms, Vec::new());
        let mut gaps = Gaps::started(at(100));
        gaps.recovered(&route, at(130), &mut out);
        gaps.broke(&route, (Some(at(500)), at(530)), "silent", &mut out);
        gaps.broke(&route, (None, at(600)), "unreachable", &mut out);
        gaps.broke(&route, (Some(at(640)), at(700)), "unacknowledged", &mut out);
        gaps.recovered(&route, at(800), &mut out);
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
        let (route, at, mut out) = (route(), EventTime::from_ms, Vec::new());
        let mut gaps = Gaps::started(at(100));
        gaps.broke(&route, (None, at(100)), "unreachable", &mut out);
        assert!(out.is_empty());
        gaps.recovered(&route, at(150), &mut out);
        assert_eq!(spans(&out), [(100, 150, "unreachable")]);
    }
}
