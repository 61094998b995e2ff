//! Which symbol goes where a shard is full (signals.md 9: bounded, and the same on every machine).

use crate::stream::{Stream, liquidation, mark, symbol};
use cascade_detector::Config;
use cascade_domain::{Event, Liquidation, Mark, State};

const NAMES: [&str; 4] = ["AUSDT", "BUSDT", "CUSDT", "DUSDT"];

/// A stream with room for three symbols.
fn small() -> Stream {
    let mut config = Config::default();
    config.memory.max_symbols = 3;
    Stream::with(config)
}

fn hear(stream: &mut Stream, ms: i64, name: &str) {
    stream.hear(&Event::Mark(Mark { symbol: symbol(name), ..mark(ms, 1.0) })).unwrap();
}

fn known(stream: &Stream) -> [bool; 4] {
    NAMES.map(|name| stream.engine.velocity(&symbol(name)).is_some())
}

#[test]
fn where_a_shard_is_full_the_symbol_silent_for_longest_goes() {
    let mut stream = small();
    for (ms, name) in [(0, "AUSDT"), (1, "BUSDT"), (2, "CUSDT"), (3, "AUSDT"), (4, "CUSDT")] {
        hear(&mut stream, ms, name);
    }
    assert_eq!(known(&stream), [true, true, true, false]);
    hear(&mut stream, 5, "DUSDT");
    assert_eq!(known(&stream), [true, false, true, true]);
    hear(&mut stream, 6, "BUSDT");
    assert_eq!(known(&stream), [false, true, true, true]);
}

#[test]
fn a_symbol_with_an_episode_stays_longer_than_one_without() {
    let mut stream = small();
    stream.liquidate(Liquidation { symbol: symbol("BUSDT"), ..liquidation(0, 100_000) });
    assert_eq!(stream.last().state, State::Open);
    hear(&mut stream, 1, "AUSDT");
    hear(&mut stream, 2, "CUSDT");
    hear(&mut stream, 3, "DUSDT");
    assert_eq!(known(&stream), [false, true, true, true]);
}
