//! A level that oscillates every second is told once (signals.md 8).

use crate::stream::{Stream, liquidation};
use cascade_domain::{Level, State};

#[test]
fn a_level_that_oscillates_every_second_does_not_flap() {
    let mut stream = Stream::new();
    for second in -120..0 {
        stream.ticks(second, second + 1);
        stream.mark(second * 1_000 + 500, 100_000.0);
    }
    stream.ticks(0, 1);
    stream.liquidate(liquidation(100, 9_000_000));
    assert_eq!(stream.story(), [(State::Open, Level::Alert)]);
    // By the price alone: CRITICAL in even seconds, ALERT in odd ones.
    for second in 0..28 {
        let price = if second % 2 == 0 { 99_400.0 } else { 99_600.0 };
        stream.mark(second * 1_000 + 500, price);
        stream.ticks(second + 1, second + 2);
    }
    assert_eq!(stream.story(), [(State::Open, Level::Alert), (State::Level, Level::Critical)]);
    let updates = stream.cascades().into_iter().filter(|finding| finding.state == State::Update);
    assert_eq!(updates.count(), 28, "one a tick");
}

#[test]
fn a_cascade_that_comes_and_goes_every_second_is_one_episode() {
    let mut stream = Stream::warm();
    for second in 0..120 {
        if second % 2 == 0 {
            stream.liquidate(liquidation(second * 1_000 + 100, 400_000));
        }
        stream.ticks(second + 1, second + 2);
    }
    let first = stream.cascades()[0].episode;
    assert!(stream.cascades().iter().all(|finding| finding.episode == first));
    assert_eq!(stream.story(), [(State::Open, Level::Watch), (State::Level, Level::Alert)]);
    stream.ticks(121, 300);
    let resolved = stream.story().iter().filter(|(state, _)| *state == State::Resolved).count();
    assert_eq!((resolved, stream.last().state), (1, State::Resolved));
}
