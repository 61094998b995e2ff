//! Episodes: told once, again when they grow, resolved, turned round, closed.

use crate::stream::{Stream, at, gap};
use cascade_domain::{Event, GapStream, IdHasher, State, Swing, Venue};
use cascade_engine::Engine;
use cascade_open_interest::Config;

use State::{Closed, Open, Resolved, Update};
use Swing::{Collapse, Explosion};
use Venue::{Binance, Bybit, Okx};

/// Two venues that hold a million coins each for 15 minutes.
fn warm() -> Stream {
    let mut stream = Stream::new("BTCUSDT").holding(&[(Binance, 1e6), (Bybit, 1e6)]);
    stream.run_to(910);
    stream
}

/// Both change to so many percent above the million, for ten seconds.
fn go(stream: &mut Stream, pct: f64) {
    let coins = 1e6 + 1e4 * pct;
    stream.hold(&[(Binance, coins), (Bybit, coins)]);
    let to = stream.second + 10;
    stream.run_to(to);
}

#[test]
fn an_explosion_is_told_once_and_again_by_half_the_threshold() {
    let mut stream = warm();
    for (pct, said) in [(3.0, 1), (4.0, 1), (4.499_999, 1), (4.5, 2), (5.9, 2), (6.0, 3), (3.1, 3), (7.0, 3)]
    {
        go(&mut stream, pct);
        assert_eq!(stream.findings().len(), said, "{pct}");
    }
    go(&mut stream, 20.0);
    assert_eq!(stream.findings().len(), 4, "one finding however far it went");
    let revisions: Vec<_> = stream.findings().iter().map(|told| (told.revision, told.state)).collect();
    assert_eq!(revisions, [(1, Open), (2, Update), (3, Update), (4, Update)]);
    let episodes: Vec<_> = stream.findings().iter().map(|told| told.episode).collect();
    let episode = IdHasher::new("open_interest").text("BTCUSDT").int(at(910_000).ms()).finish();
    assert_eq!(episodes, [episode; 4]);
    for told in stream.findings() {
        let revision = i64::try_from(told.revision).unwrap();
        let id = IdHasher::new("open_interest").text("BTCUSDT").text(&episode.to_string()).int(revision);
        assert_eq!(told.id, id.finish());
    }
}

#[test]
fn it_is_resolved_below_half_the_threshold_and_says_how_it_went() {
    let mut stream = warm();
    go(&mut stream, 6.0);
    go(&mut stream, 1.5);
    assert_eq!(stream.story(), [(Open, Explosion)], "half is not below half");
    go(&mut stream, 1.499_999);
    assert_eq!(stream.story(), [(Open, Explosion), (Resolved, Explosion)]);
    let told = stream.last();
    let ending = told.ending.unwrap();
    assert_eq!((ending.peak_change_pct, ending.duration_ms), (6.0, 20_000));
    assert_eq!((told.confirming, told.with_data), (0, 2));
    assert!(told.change_pct.is_some_and(|pct| (pct - 1.499_999).abs() < 1e-9));
    let first = stream.findings()[0].episode;
    go(&mut stream, 3.0);
    assert_eq!(stream.story().len(), 3);
    assert_ne!(stream.last().episode, first, "a new one");
    assert_eq!(stream.last().revision, 1);
}

#[test]
fn around_the_threshold_it_does_not_flap() {
    let mut stream = warm();
    for _ in 0..20 {
        go(&mut stream, 3.1);
        go(&mut stream, 2.9);
    }
    assert_eq!(stream.story(), [(Open, Explosion)]);
}

#[test]
fn a_collapse_is_told_like_an_explosion() {
    let mut stream = warm();
    for pct in [-3.0, -4.6, -1.0] {
        go(&mut stream, pct);
    }
    assert_eq!(stream.story(), [(Open, Collapse), (Update, Collapse), (Resolved, Collapse)]);
    assert_eq!(stream.last().ending.unwrap().peak_change_pct, -4.6);
}

#[test]
fn the_other_sign_resolves_it_and_opens_its_own() {
    let mut stream = warm();
    go(&mut stream, 5.0);
    go(&mut stream, -5.0);
    assert_eq!(stream.story(), [(Open, Explosion), (Resolved, Explosion), (Open, Collapse)]);
    let told = stream.findings();
    assert_eq!(told[1].known_at_ms, told[2].known_at_ms);
    assert_ne!(told[1].episode, told[2].episode);
    assert_eq!((told[1].confirming, told[2].confirming), (0, 2));
    assert_eq!((told[1].change_pct, told[2].change_pct), (Some(-5.0), Some(-5.0)));
}

#[test]
fn the_window_passing_over_the_change_resolves_it() {
    let mut stream = warm();
    go(&mut stream, 10.0);
    stream.run_to(1_810);
    assert_eq!(stream.story(), [(Open, Explosion)]);
    stream.run_to(1_811);
    assert_eq!(stream.story(), [(Open, Explosion), (Resolved, Explosion)]);
}

#[test]
fn two_small_venues_confirm_while_the_sum_hardly_moves() {
    let held = [(Binance, 1e7), (Bybit, 1e6), (Okx, 1e6)];
    let mut stream = Stream::new("BTCUSDT").holding(&held);
    stream.run_to(910);
    stream.hold(&[(Bybit, 1.04e6), (Okx, 1.05e6)]);
    stream.run_to(1_000);
    assert_eq!(stream.story(), [(Open, Explosion)], "it does not open and close at every tick");
    assert_eq!((stream.last().change_pct, stream.last().confirming), (Some(0.75), 2));
    stream.hold(&[(Okx, 1.01e6)]);
    stream.run_to(1_010);
    assert_eq!(stream.story(), [(Open, Explosion), (Resolved, Explosion)]);
}

#[test]
fn an_episode_stands_while_its_figures_are_unknown_and_is_closed_after_a_window() {
    let mut stream = warm();
    go(&mut stream, 5.0);
    let onset = stream.last().known_at_ms;
    stream.held.clear();
    // The last samples were told at 915 s and count for 30 s.
    stream.run_to(945 + 900 + 1);
    assert_eq!(stream.story(), [(Open, Explosion)]);
    stream.run_to(945 + 900 + 3);
    assert_eq!(stream.story(), [(Open, Explosion), (Closed, Explosion)]);
    let told = stream.last();
    assert_eq!((told.change_pct, told.before, told.after), (None, None, None));
    assert_eq!((told.confirming, told.with_data, told.venues.len()), (0, 0, 0));
    assert_eq!((told.reading, told.price_change, told.divergence_pct), (None, None, None));
    let ending = told.ending.unwrap();
    assert_eq!((ending.peak_change_pct, ending.duration_ms), (5.0, told.known_at_ms.since(onset)));
}

#[test]
fn a_venue_that_falls_silent_does_not_end_what_it_bore() {
    let mut stream = Stream::new("BTCUSDT").holding(&[(Binance, 1e6), (Bybit, 1e6), (Okx, 1e6)]);
    stream.run_to(910);
    go(&mut stream, 5.0);
    stream.held.remove(&(Bybit, "BTCUSDT".to_owned()));
    stream.run_to(1_100);
    assert_eq!(stream.story(), [(Open, Explosion)], "one venue rose, one did not, of one it is not known");
    assert!(!stream.changes().spans["15m"].venues.contains_key(&Bybit));
    // It comes back where it was: told is what was told, and nothing else.
    go(&mut stream, 5.0);
    assert_eq!(stream.story(), [(Open, Explosion)]);
    // It comes back and had fallen: known, and over.
    stream.held.remove(&(Bybit, "BTCUSDT".to_owned()));
    stream.run_to(1_200);
    go(&mut stream, 0.0);
    assert_eq!(stream.story(), [(Open, Explosion), (Resolved, Explosion)]);
}

#[test]
fn what_can_not_be_any_more_is_over_although_not_all_is_known() {
    let mut stream = warm();
    go(&mut stream, 5.0);
    stream.held.remove(&(Bybit, "BTCUSDT".to_owned()));
    stream.run_to(960);
    assert_eq!(stream.story(), [(Open, Explosion)]);
    stream.hold(&[(Binance, 1e6)]);
    stream.run_to(1_000);
    assert_eq!(stream.story(), [(Open, Explosion), (Resolved, Explosion)]);
    assert_eq!((stream.last().with_data, stream.last().change_pct), (1, Some(0.0)));
}

#[test]
fn a_gap_ends_nothing() {
    let mut stream = warm();
    go(&mut stream, 5.0);
    for venue in [Binance, Bybit] {
        stream.hear(&Event::Gap(gap(GapStream::OpenInterest, venue, 905_000, 919_000))).unwrap();
    }
    stream.run_to(1_000);
    assert_eq!(stream.story(), [(Open, Explosion)]);
}

#[test]
fn the_steps_are_settings() {
    let mut config = Config::default();
    (config.episode.update_step, config.episode.resolve_below) = (1.0, 0.9);
    let mut stream = Stream::with("BTCUSDT", config).holding(&[(Binance, 1e6), (Bybit, 1e6)]);
    stream.run_to(910);
    for (pct, said) in [(3.0, 1), (5.9, 1), (6.0, 2), (2.8, 2), (2.6, 3)] {
        go(&mut stream, pct);
        assert_eq!(stream.findings().len(), said, "{pct}");
    }
}

#[test]
fn the_window_is_a_setting() {
    let mut stream = Stream::with("BTCUSDT", Config { window_s: 300, ..Config::default() });
    stream.hold(&[(Binance, 1e6), (Bybit, 1e6)]);
    stream.run_to(310);
    go(&mut stream, 5.0);
    assert_eq!((stream.story().len(), stream.last().window_s), (1, 300));
    stream.run_to(620);
    assert_eq!(stream.story(), [(Open, Explosion), (Resolved, Explosion)]);
}

#[test]
fn an_episode_that_other_settings_end_while_nothing_is_known_is_closed() {
    let mut stream = warm();
    go(&mut stream, 5.0);
    let mut other = Stream::with("BTCUSDT", Config { min_venues: 3, ..Config::default() });
    other.engine.resume(stream.engine.state().clone());
    other.skip_to(1_000);
    assert_eq!(other.story(), [(Closed, Explosion)]);
    assert_eq!(other.last().change_pct, None);
}
