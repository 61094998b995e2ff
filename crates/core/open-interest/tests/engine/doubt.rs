//! Samples that imply more change than what was traded allows.

use crate::stream::{Stream, bar, gap, sample, symbol};
use cascade_domain::{Event, Gap, GapStream, OpenInterest, Usd, Venue};
use cascade_open_interest::Config;

use Venue::{Binance, Bybit};

/// A stream of BTC whose trades count from 10 s before the last sample on.
fn strict() -> Stream {
    let mut config = Config::default();
    config.suspect.slack_s = 10;
    Stream::with("BTCUSDT", config)
}

/// A stream in which Binance trades so many coins a second, told two seconds later.
struct Traded {
    stream: Stream,
    a_second: f64,
    bars: bool,
}

impl Traded {
    fn new(a_second: f64) -> Self {
        let stream = strict().holding(&[(Binance, 1_000_000.0), (Bybit, 1_000_000.0)]);
        Self { stream, a_second, bars: true }
    }

    fn run_to(&mut self, second: i64) {
        while self.stream.second < second {
            self.stream.tell_samples();
            let opened = (self.stream.second - 2) * 1_000;
            if self.bars {
                self.stream.bar(bar(opened, Binance, "BTCUSDT", self.a_second));
            }
            self.stream.tell_rest();
        }
    }

    /// What Binance is believed to hold, and whether its samples are suspect.
    fn believed(&self) -> (f64, bool) {
        let venue = &self.stream.current().venues[&Binance];
        (venue.total.coins, venue.suspect)
    }

    fn suspects(&self) -> u64 {
        self.stream.engine.suspect_samples(&symbol("BTCUSDT"))
    }
}

#[test]
fn a_change_that_trades_allow_is_believed_once_its_bars_have_come() {
    // From 95 s, less the slack, to 100 s: 15 seconds of 100 coins, and a floor of 1000.
    let mut traded = Traded::new(100.0);
    traded.run_to(100);
    traded.stream.hold(&[(Binance, 1_002_500.0)]);
    traded.run_to(101);
    assert_eq!(traded.believed(), (1_000_000.0, false), "the bar that ends at 100 s has not come");
    traded.run_to(102);
    assert_eq!((traded.believed(), traded.suspects()), ((1_002_500.0, false), 0));
}

#[test]
fn a_change_that_they_do_not_allow_is_suspect_and_not_used() {
    let mut traded = Traded::new(100.0);
    traded.run_to(100);
    traded.stream.hold(&[(Binance, 1_002_501.0)]);
    traded.run_to(102);
    assert_eq!((traded.believed(), traded.suspects()), ((1_000_000.0, true), 1));
    let shown = traded.stream.current();
    assert_eq!(shown.suspect_samples, 1);
    let instrument = shown.venues[&Binance].instruments.values().next().unwrap();
    assert!(instrument.suspect);
    assert_eq!(instrument.known_at_ms, crate::stream::at(95_000));
    assert!(!shown.venues[&Bybit].suspect);
}

#[test]
fn a_change_within_the_floor_needs_no_trades_and_waits_for_none() {
    let mut traded = Traded::new(0.0);
    traded.run_to(100);
    traded.stream.hold(&[(Binance, 999_000.0)]);
    traded.run_to(101);
    assert_eq!(traded.believed(), (999_000.0, false));
    traded.run_to(105);
    traded.stream.hold(&[(Binance, 997_999.0)]);
    traded.run_to(110);
    assert_eq!(traded.believed(), (999_000.0, true), "2 coins more than a thousandth");
}

#[test]
fn without_bars_of_its_time_a_sample_is_believed_after_three_seconds() {
    let mut traded = Traded::new(100.0);
    traded.run_to(100);
    traded.bars = false;
    traded.stream.hold(&[(Binance, 1_500_000.0)]);
    traded.run_to(103);
    assert_eq!(traded.believed(), (1_000_000.0, false), "it waits");
    traded.run_to(104);
    assert_eq!((traded.believed(), traded.suspects()), ((1_500_000.0, false), 0));
}

#[test]
fn what_bars_do_not_cover_is_believed_at_once() {
    let mut never = Traded::new(0.0);
    never.bars = false;
    never.run_to(100);
    never.stream.hold(&[(Binance, 1_500_000.0)]);
    never.run_to(101);
    assert_eq!(never.believed(), (1_500_000.0, false), "no bar was ever heard");

    let mut gapped = Traded::new(0.0);
    gapped.run_to(100);
    let hole = gap(GapStream::Trades, Binance, 86_000, 86_500);
    gapped.stream.hear(&Event::Gap(Gap { symbols: vec![symbol("BTCUSDT")], ..hole })).unwrap();
    gapped.stream.hold(&[(Binance, 1_500_000.0)]);
    gapped.run_to(101);
    assert_eq!(gapped.believed(), (1_500_000.0, false), "a gap in trades touches the interval");

    let mut elsewhere = Traded::new(0.0);
    elsewhere.run_to(100);
    let bybit = gap(GapStream::Trades, Bybit, 86_000, 99_000);
    elsewhere.stream.hear(&Event::Gap(bybit)).unwrap();
    let before = gap(GapStream::Trades, Binance, 80_000, 85_000);
    elsewhere.stream.hear(&Event::Gap(before)).unwrap();
    elsewhere.stream.hold(&[(Binance, 1_500_000.0)]);
    elsewhere.run_to(103);
    assert_eq!(elsewhere.believed(), (1_000_000.0, true), "of another venue, or before the interval");
}

#[test]
fn an_interval_longer_than_the_bars_reach_is_not_checked() {
    let mut traded = Traded::new(0.0);
    traded.run_to(100);
    let held = std::mem::take(&mut traded.stream.held);
    traded.run_to(290);
    traded.stream.held = held;
    traded.stream.hold(&[(Binance, 1_500_000.0)]);
    traded.run_to(294);
    assert_eq!(traded.believed(), (1_500_000.0, false));
}

#[test]
fn a_glitch_passes_and_changes_nothing() {
    let mut traded = Traded::new(1.0);
    traded.run_to(910);
    traded.stream.hold(&[(Binance, 2_000_000.0)]);
    traded.run_to(920);
    traded.stream.hold(&[(Binance, 1_000_000.0)]);
    traded.run_to(930);
    assert_eq!(traded.believed(), (1_000_000.0, false));
    assert_eq!(traded.stream.change("15m"), Some(0.0));
    assert_eq!(traded.suspects(), 2);
}

#[test]
fn trades_that_catch_up_make_a_level_believable() {
    let mut traded = Traded::new(100.0);
    traded.run_to(910);
    // 5000 coins: a thousand are free, and the other four thousand are traded within 40 s, slack included.
    traded.stream.hold(&[(Binance, 1_005_000.0)]);
    traded.run_to(930);
    assert!(traded.believed().1);
    traded.run_to(945);
    assert_eq!(traded.believed(), (1_005_000.0, false));
    assert_eq!(traded.stream.change("15m"), Some(0.25), "nothing began anew");
}

#[test]
fn a_level_that_stays_suspect_for_a_window_is_a_new_beginning() {
    let mut traded = Traded::new(1.0);
    traded.run_to(910);
    traded.stream.hold(&[(Binance, 2_000_000.0), (Bybit, 1_100_000.0)]);
    traded.run_to(1_811);
    assert!(traded.believed().1);
    assert!(!traded.stream.changes().spans["15m"].venues.contains_key(&Binance));
    let total = traded.stream.current().total.unwrap();
    assert_eq!(total.coins, 1_100_000.0, "what is suspect counts no more once it is stale");
    traded.run_to(1_812);
    assert_eq!(traded.believed(), (2_000_000.0, false));
    assert_eq!(traded.stream.current().total.unwrap().coins, 3_100_000.0);
    traded.run_to(2_700);
    assert!(!traded.stream.changes().spans["15m"].venues.contains_key(&Binance), "no change across it");
    traded.run_to(2_730);
    assert_eq!(traded.stream.changes().spans["15m"].venues[&Binance].change_pct, 0.0);
    assert_eq!(traded.stream.story(), [], "the restatement confirmed nothing");
}

#[test]
fn a_suspect_level_is_a_new_beginning_also_where_nothing_is_traded_any_more() {
    let mut traded = Traded::new(1.0);
    traded.run_to(910);
    traded.stream.hold(&[(Binance, 2_000_000.0)]);
    traded.run_to(920);
    assert!(traded.believed().1);
    traded.bars = false;
    traded.run_to(1_808);
    assert!(traded.believed().1, "not for a whole window yet");
    traded.run_to(1_820);
    assert_eq!(traded.believed(), (2_000_000.0, false));
    assert!(!traded.stream.changes().spans["15m"].venues.contains_key(&Binance), "no change across it");
}

#[test]
fn where_trades_or_samples_were_missed_meanwhile_nothing_can_be_checked_and_a_doubt_ends() {
    for of in [GapStream::Trades, GapStream::OpenInterest] {
        let mut traded = Traded::new(1.0);
        traded.run_to(910);
        traded.stream.hold(&[(Binance, 1_200_000.0)]);
        traded.run_to(920);
        assert!(traded.believed().1);
        traded.stream.hear(&Event::Gap(gap(of, Binance, 918_000, 919_500))).unwrap();
        traded.run_to(930);
        assert_eq!(traded.believed(), (1_200_000.0, false), "{of:?}");
        assert_eq!(traded.stream.changes().spans["15m"].venues[&Binance].change_pct, 20.0, "{of:?}");
    }
}

#[test]
fn bars_in_any_order_allow_the_same() {
    let mut stream = strict().holding(&[(Binance, 1_000_000.0)]);
    stream.run_to(100);
    for second in [98, 84, 92, 90, 85, 91, 97, 86, 96, 95, 94, 93, 87, 89, 88] {
        stream.bar(bar(second * 1_000, Binance, "BTCUSDT", 100.0));
    }
    stream.sample(sample(100_000, Binance, "BTCUSDT", 1_002_500.0));
    assert_eq!(stream.current().venues[&Binance].total.coins, 1_000_000.0, "it waits for the last bar");
    stream.bar(bar(99_000, Binance, "BTCUSDT", 100.0));
    assert_eq!(stream.current().venues[&Binance].total.coins, 1_002_500.0);
}

#[test]
fn a_bar_of_the_future_is_of_no_clock_and_ends_no_waiting() {
    let mut traded = Traded::new(100.0);
    traded.run_to(100);
    traded.stream.bar(cascade_domain::TradeBar {
        known_at_ms: Some(crate::stream::at(99_000)),
        ..bar(150_000, Binance, "BTCUSDT", 1.0)
    });
    traded.stream.hold(&[(Binance, 1_002_500.0)]);
    traded.run_to(101);
    assert_eq!(traded.believed(), (1_000_000.0, false), "it still waits");
    traded.run_to(102);
    assert_eq!(traded.believed(), (1_002_500.0, false));
}

#[test]
fn the_trades_of_another_instrument_allow_nothing() {
    let mut traded = Traded::new(0.0);
    traded.run_to(90);
    for second in 84..103 {
        let other = bar(second * 1_000, Binance, "BTCUSDT", 1e6);
        traded
            .stream
            .bar(cascade_domain::TradeBar { instrument: crate::stream::instrument("BTCUSDC"), ..other });
    }
    traded.run_to(100);
    traded.stream.hold(&[(Binance, 1_500_000.0)]);
    traded.run_to(103);
    assert_eq!(traded.believed(), (1_000_000.0, true));
}

#[test]
fn a_price_that_moves_trades_nothing_where_dollars_are_told() {
    let mut stream = strict();
    for second in 0..130 {
        let dollars = if second < 120 { 100_000_000 } else { 120_000_000 };
        stream.price = if second < 100 { 100.0 } else { 90.0 };
        stream.bar(bar((second - 2) * 1_000, Binance, "BTCUSDT", 1.0));
        if second % 5 == 0 && second > 0 {
            let told = sample(second * 1_000, Binance, "BTCUSDT", 0.0);
            stream.sample(OpenInterest { coins: None, usd: Some(Usd::from_dollars(dollars)), ..told });
        }
        stream.tell_rest();
        if second < 5 {
            continue;
        }
        let venue = stream.current().venues[&Binance].clone();
        if second == 115 {
            assert!((venue.total.coins - 100_000_000.0 / 90.0).abs() < 1e-6, "{venue:?}");
        }
        assert_eq!(venue.suspect, second >= 121, "{second}: dollars that nobody traded are suspect");
    }
}

#[test]
fn a_contract_of_dollars_that_tells_coins_is_not_suspect_when_the_price_moves_and_is_when_its_dollars_do() {
    let mut stream = strict();
    for second in 0..130 {
        let dollars = if second < 120 { 100_000_000 } else { 120_000_000 };
        stream.price = if second < 100 { 100.0 } else { 90.0 };
        stream.bar(bar((second - 2) * 1_000, Binance, "BTCUSDT", 1.0));
        if second % 5 == 0 && second > 0 {
            #[expect(clippy::cast_precision_loss, reason = "a few millions")]
            let coins = dollars as f64 / stream.price;
            let told = sample(second * 1_000, Binance, "BTCUSDT", coins);
            stream.sample(OpenInterest { usd: Some(Usd::from_dollars(dollars)), inverse: true, ..told });
        }
        stream.tell_rest();
        if second < 5 {
            continue;
        }
        let venue = stream.current().venues[&Binance].clone();
        if second == 115 {
            assert!((venue.total.coins - 100_000_000.0 / 90.0).abs() < 1e-6, "{venue:?}");
        }
        assert_eq!(venue.suspect, second >= 121, "{second}");
    }
}
