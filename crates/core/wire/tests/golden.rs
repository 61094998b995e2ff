//! Golden files pin the encoding of every event and finding, JSON and MessagePack, byte for byte.
#![expect(clippy::unwrap_used, reason = "a test that cannot build its sample has failed")]

use std::fmt::Write;

use cascade_domain::{
    CascadeFinding, Closing, Context, Coverage, Event, EventTime, Factors, FeedFinding, FeedHealth,
    FeedStatus, Feeds, Finding, Flow, Gap, GapStream, Holding, Id, Instrument, InterestEnding,
    InterestFinding, LargeLiquidation, LargeTrade, Level, Liquidation, Mark, Metrics, OpenInterest,
    PositionReading, PriceKind, Reason, Regime, Risk, RiskAction, RiskFactors, RiskLevel, Side, State, Swing,
    Symbol, Taker, Tick, Trade, TradeBar, Usd, Venue, VenueChange,
};
use cascade_wire::{
    Channel, WireError, decode_entry, decode_event, decode_finding, encode_event, encode_finding,
    event_from_json, event_to_json, finding_from_json, finding_to_json,
};
use proptest::num::f64::{NORMAL, POSITIVE, SUBNORMAL};
use proptest::test_runner::Config as ProptestConfig;

const AT: EventTime = EventTime::from_ms(1_791_565_601_482);

fn btc() -> (Symbol, Instrument) {
    (Symbol::parse("BTCUSDT").unwrap(), Instrument::parse("BTC-USDT-SWAP").unwrap())
}

fn events() -> Vec<Event> {
    let mut events = market();
    events.extend(states());
    events
}

/// What happens on the exchange.
fn market() -> Vec<Event> {
    let (symbol, instrument) = btc();
    let (venue, event_time_ms) = (Venue::Okx, AT.plus_ms(-490));
    let (price, quantity, notional_usd) = (82396.9, 0.006, Usd::from_micros(494_381_400));
    let id = Id::from_bits(0x6f1c_9a2e_4b7d_0358);
    vec![
        Event::Liquidation(Liquidation {
            id,
            venue,
            symbol,
            instrument,
            side: Side::Long,
            price,
            price_kind: PriceKind::Bankruptcy,
            quantity,
            notional_usd,
            event_time_ms,
            published_at_ms: Some(AT),
            known_at_ms: Some(AT),
            coverage: Coverage::Sampled,
            account: Some(Id::from_bits(7)),
        }),
        Event::TradeBar(TradeBar {
            venue,
            symbol,
            instrument,
            open_time_ms: AT.second(),
            close_time_ms: AT.second().plus_ms(1000),
            open: 1.0,
            high: 1.5,
            low: 0.000_000_12,
            close: 1.25,
            buy_quantity: 10.0,
            sell_quantity: 0.1 + 0.2,
            buy_usd: Usd::from_dollars(12),
            sell_usd: Usd::from_micros(1),
            trades: 3,
            largest_usd: Usd::from_dollars(12),
            known_at_ms: Some(AT),
        }),
        Event::LargeTrade(LargeTrade {
            id,
            venue,
            symbol,
            instrument,
            side: Taker::Sell,
            price,
            quantity,
            notional_usd,
            event_time_ms,
            published_at_ms: None,
            known_at_ms: Some(AT),
        }),
        Event::OpenInterest(OpenInterest {
            venue,
            symbol,
            instrument,
            coins: Some(29_945.866),
            usd: None,
            inverse: false,
            event_time_ms: Some(event_time_ms),
            published_at_ms: None,
            known_at_ms: None,
        }),
        Event::Mark(Mark {
            venue,
            symbol,
            instrument,
            mark_price: Some(82_340.1),
            index_price: None,
            funding_rate: Some(-0.0001),
            funding_interval_h: Some(8.0),
            next_funding_time_ms: Some(AT.plus_ms(3_600_000)),
            event_time_ms: Some(event_time_ms),
            known_at_ms: Some(AT),
        }),
    ]
}

/// What tells about the feeds and the time.
fn states() -> Vec<Event> {
    let (symbol, instrument) = btc();
    let (venue, event_time_ms) = (Venue::Okx, AT.plus_ms(-490));
    vec![
        Event::Gap(Gap {
            venue,
            stream: GapStream::Liquidations,
            symbols: vec![symbol],
            from_ms: event_time_ms,
            to_ms: AT,
            reason: "closed".into(),
        }),
        Event::FeedHealth(FeedHealth {
            venue,
            status: FeedStatus::Dead,
            since_ms: AT,
            reason: "silent".into(),
        }),
        Event::Tick(Tick {
            event_time_ms: AT.second(),
            btc_price: Some(82_340.1),
            btc_usd_volume_1s: Some(Usd::from_dollars(1_000_000)),
            btc_venues_changed: true,
            feeds: feeds(),
        }),
        Event::Trade(Trade {
            id: Id::from_bits(11),
            venue,
            symbol,
            instrument,
            side: Taker::Buy,
            price: 82396.9,
            quantity: 0.006,
            notional_usd: Usd::from_micros(494_381_400),
            event_time_ms,
            published_at_ms: None,
            known_at_ms: None,
        }),
    ]
}

fn feeds() -> Feeds {
    Feeds::from([
        (Venue::Binance, FeedStatus::Sampled),
        (Venue::Bybit, FeedStatus::Live),
        (Venue::Okx, FeedStatus::Sampled),
        (Venue::Hyperliquid, FeedStatus::Partial),
    ])
}

fn cascade(state: State, closing: Option<Closing>) -> Finding {
    let over = closing.is_some();
    Finding::Cascade(Box::new(CascadeFinding {
        v: Finding::VERSION,
        id: Id::from_bits(1),
        episode: Id::from_bits(2),
        revision: 3,
        state,
        symbol: btc().0,
        level: if over { Level::None } else { Level::Critical },
        previous_level: Level::Alert,
        reasons: if over { vec![] } else { vec![Reason::Flow, Reason::Score] },
        direction: Side::Long,
        score: 0.7799,
        raw: 0.5415,
        boosted: 0.5415,
        boosts: vec![],
        scores: Factors::from_array([0.6, 0.3, 0.72, 0.85, 0.1, 0.5]),
        contributions: Factors::from_array([0.15, 0.06, 0.144, 0.1275, 0.01, 0.05]),
        missing: vec![],
        flow: Flow {
            notional_30s_usd: Usd::from_dollars(18_400_000),
            share: Some(0.93),
            unit_usd: Usd::from_dollars(3_000_000),
            price_change_60s: Some(-0.0121),
        },
        risk: Risk {
            score: 61.2,
            level: RiskLevel::High,
            confidence: 0.85,
            action: RiskAction::Alert,
            factors: RiskFactors { velocity: 78.0, ..RiskFactors::default() },
        },
        metrics: Metrics {
            velocity_2s: 12.0,
            usd_velocity_10s: 1_440_000.0,
            acceleration: Some(1.5),
            jerk: None,
            count_30s: 212,
            largest_usd: Usd::from_dollars(2_100_000),
            leading_venue: Some(Venue::Bybit),
        },
        context: Context {
            regime: Some(Regime::High),
            btc_price: Some(82_340.1),
            vol_multiplier: 1.0,
            venue_correlation: Some(0.61),
            open_interest_usd: None,
            oi_change_1m: None,
            funding_rate_8h: Some(0.0001),
        },
        feeds: feeds(),
        confidence: 0.85,
        lower_bound: vec![Venue::Binance, Venue::Okx],
        engine: "0.1.0+9f2c41aa".into(),
        warming: false,
        demo: true,
        closing,
        known_at_ms: AT,
        detected_at_ms: Some(AT.plus_ms(1)),
    }))
}

fn findings() -> Vec<Finding> {
    vec![
        cascade(State::Update, None),
        cascade(
            State::Resolved,
            Some(Closing {
                peak_level: Level::Extreme,
                orders: 950,
                notional_usd: Usd::from_dollars(88_000_000),
                long_share: Some(0.97),
                duration_ms: 64_000,
                price_change: Some(-0.041),
            }),
        ),
        Finding::LargeLiquidation(LargeLiquidation {
            v: Finding::VERSION,
            id: Id::from_bits(9),
            symbol: btc().0,
            venue: Venue::Okx,
            instrument: btc().1,
            direction: Side::Short,
            notional_usd: Usd::from_dollars(1_200_000),
            threshold_usd: Usd::from_dollars(1_000_000),
            price: 82_340.1,
            feeds: feeds(),
            engine: "0.1.0+9f2c41aa".into(),
            warming: true,
            demo: false,
            event_time_ms: AT,
            known_at_ms: AT,
            detected_at_ms: None,
        }),
        feed_finding(State::Open, FeedStatus::Dead, None),
        feed_finding(State::Resolved, FeedStatus::Sampled, Some(125_000)),
        interest(State::Open, None),
        interest(State::Resolved, Some(InterestEnding { peak_change_pct: 27.25, duration_ms: 1_385_000 })),
        of_nothing_known(),
    ]
}

/// The example of contract.md 5.
fn interest_finding(state: State, ending: Option<InterestEnding>) -> InterestFinding {
    let held = |coins: f64, usd| Holding { coins, usd: Some(Usd::from_dollars(usd)) };
    let venue = |change_pct, coins, usd| VenueChange { change_pct, after: held(coins, usd) };
    InterestFinding {
        v: Finding::VERSION,
        id: Id::from_bits(3),
        episode: Id::from_bits(4),
        revision: 1,
        state,
        symbol: btc().0,
        direction: Swing::Explosion,
        change_pct: Some(18.0),
        window_s: 900,
        confirming: 3,
        with_data: 3,
        before: Some(held(30_000.0, 2_100_000_000)),
        after: Some(held(35_400.0, 2_478_000_000)),
        venues: [
            (Venue::Binance, venue(18.1, 17_700.0, 1_239_000_000)),
            (Venue::Bybit, venue(17.9, 10_620.0, 743_400_000)),
            (Venue::Okx, venue(18.0, 7_080.0, 495_600_000)),
        ]
        .into(),
        threshold_pct: 3.0,
        price_change: Some(0.0),
        reading: Some(PositionReading::Flat),
        divergence_pct: Some(18.0),
        feeds: feeds(),
        engine: "0.1.0+9f2c41aa".into(),
        warming: false,
        demo: false,
        ending,
        known_at_ms: AT,
        detected_at_ms: Some(AT.plus_ms(1)),
    }
}

fn interest(state: State, ending: Option<InterestEnding>) -> Finding {
    Finding::OpenInterest(Box::new(interest_finding(state, ending)))
}

/// An episode whose figures ran out: what is not known is absent.
fn of_nothing_known() -> Finding {
    let ending = InterestEnding { peak_change_pct: 18.0, duration_ms: 1_900_000 };
    Finding::OpenInterest(Box::new(InterestFinding {
        change_pct: None,
        confirming: 0,
        with_data: 0,
        before: None,
        after: None,
        venues: [].into(),
        price_change: None,
        reading: None,
        divergence_pct: None,
        ..interest_finding(State::Closed, Some(ending))
    }))
}

fn feed_finding(state: State, status: FeedStatus, out_ms: Option<i64>) -> Finding {
    let scope = FeedFinding::scope_of(Venue::Binance);
    Finding::Feed(FeedFinding {
        v: Finding::VERSION,
        id: FeedFinding::id_of(&scope, status, AT),
        state,
        scope,
        venue: Venue::Binance,
        status,
        since_ms: AT,
        reason: if out_ms.is_none() { "market-0: silent".to_owned() } else { String::new() },
        out_ms,
        busiest: false,
        feeds: feeds(),
        demo: false,
        known_at_ms: AT.plus_ms(60_000),
        detected_at_ms: Some(AT.plus_ms(60_001)),
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

#[test]
fn events_keep_their_encoding() {
    let mut golden = String::new();
    for event in events() {
        let bytes = encode_event(&event).unwrap();
        let json = event_to_json(&event).unwrap();
        assert_eq!(decode_event(&bytes).as_ref(), Ok(&event));
        assert_eq!(event_from_json(&json).as_ref(), Ok(&event));
        assert_eq!(
            rmp_serde::from_slice::<serde_json::Value>(&bytes).unwrap(),
            serde_json::from_str::<serde_json::Value>(&json).unwrap()
        );
        writeln!(golden, "{json}\n{}", hex(&bytes)).unwrap();
    }
    insta::assert_snapshot!("events", golden);
}

#[test]
fn findings_keep_their_encoding() {
    let mut golden = String::new();
    for finding in findings() {
        let bytes = encode_finding(&finding).unwrap();
        let json = finding_to_json(&finding).unwrap();
        assert_eq!(decode_finding(&bytes).as_ref(), Ok(&finding));
        assert_eq!(finding_from_json(&json).as_ref(), Ok(&finding));
        writeln!(golden, "{json}\n{}", hex(&bytes)).unwrap();
    }
    insta::assert_snapshot!("findings", golden);
}

#[test]
fn what_is_unknown_is_absent_and_never_zero() {
    let json = event_to_json(&events()[3]).unwrap();
    assert!(!json.contains("usd\":") && !json.contains("known_at_ms") && !json.contains("null"), "{json}");
}

#[test]
fn a_newer_version_is_refused_and_an_unknown_field_is_passed_over() {
    let json = finding_to_json(&findings()[0]).unwrap();
    let newer = json.replacen("\"v\":1", "\"v\":2", 1);
    assert_eq!(finding_from_json(&newer), Err(WireError::TooNew { found: 2, known: 1 }));
    let wider = json.replacen("\"v\":1", "\"v\":1,\"added_later\":{\"x\":[1]}", 1);
    assert_eq!(finding_from_json(&wider).as_ref(), Ok(&findings()[0]));
}

#[test]
fn a_finding_whose_figures_make_no_sense_is_refused() {
    let refused = |change: fn(&mut CascadeFinding)| {
        let mut finding = findings()[1].clone();
        if let Finding::Cascade(f) = &mut finding {
            change(f);
        }
        decode_finding(&encode_finding(&finding).unwrap()).unwrap_err()
    };
    assert_eq!(refused(|f| f.risk.factors.jerk = f64::NAN).to_string(), "risk.factors is not usable: NaN");
    assert_eq!(refused(|f| f.scores.funding = f64::INFINITY).to_string(), "scores is not usable: inf");
    assert_eq!(refused(|f| f.flow.share = Some(f64::NAN)).label(), "bad_number");
    assert_eq!(refused(|f| f.metrics.largest_usd = Usd::from_dollars(-1)).label(), "bad_number");
    assert_eq!(refused(|f| f.known_at_ms = EventTime::from_ms(1_791_565_601)).label(), "bad_time");
    let Finding::LargeLiquidation(large) = &findings()[2] else { unreachable!() };
    let freebie = Finding::LargeLiquidation(LargeLiquidation { price: 0.0, ..large.clone() });
    let refusal = decode_finding(&encode_finding(&freebie).unwrap()).unwrap_err();
    assert_eq!(refusal.to_string(), "price is not usable: 0");
    let refused = |change: fn(&mut InterestFinding)| {
        let mut finding = interest_finding(State::Open, None);
        change(&mut finding);
        decode_finding(&encode_finding(&Finding::OpenInterest(Box::new(finding))).unwrap()).unwrap_err()
    };
    assert_eq!(refused(|f| f.change_pct = Some(f64::NAN)).to_string(), "change_pct is not usable: NaN");
    assert_eq!(refused(|f| f.threshold_pct = 0.0).to_string(), "threshold_pct is not usable: 0");
    let negative = refused(|f| f.before = Some(Holding { coins: -1.0, usd: None }));
    assert_eq!(negative.to_string(), "before is not usable: -1");
}

#[test]
fn open_interest_goes_out_on_its_channel_alone_and_always_concerns_people() {
    for finding in [interest(State::Open, None), interest(State::Update, None), of_nothing_known()] {
        assert_eq!(Channel::of(&finding).map(Channel::as_str).collect::<Vec<_>>(), ["cascade:oi"]);
        assert!(finding.is_transition());
    }
}

#[test]
fn an_event_without_the_optional_fields_is_read() {
    let text = r#"{"kind":"liquidation","id":"6f1c9a2e4b7d0358","venue":"bybit","symbol":"BTCUSDT","instrument":"BTCUSDT","side":"long",
        "price":82396.9,"price_kind":"bankruptcy","quantity":0.006,"notional_usd":494.3814,"event_time_ms":1791565600992,"coverage":"complete"}"#;
    let event = event_from_json(text).unwrap();
    assert_eq!(event.known_at(), Some(EventTime::from_ms(1_791_565_600_992)));
}

#[test]
fn nonsense_is_refused_with_its_reason() {
    let good = event_to_json(&events()[0]).unwrap();
    let refusal = |from: &str, to: &str| {
        let bad = good.replacen(from, to, 1);
        assert_ne!(bad, good, "the row changes nothing: {from}");
        event_from_json(&bad).unwrap_err().to_string()
    };
    assert_eq!(refusal("\"price\":82396.9", "\"price\":-1.0"), "price is not usable: -1");
    assert_eq!(refusal("\"price\":82396.9", "\"price\":0"), "price is not usable: 0");
    assert_eq!(refusal("494.3814", "1e13"), "not readable: dollars that are no finite amount");
    assert_eq!(refusal("494.3814", "2e12"), "notional_usd is not usable: 2000000000000");
    assert_eq!(
        refusal("\"event_time_ms\":1791565600992", "\"event_time_ms\":1791565600"),
        "event_time_ms is not a time in milliseconds: 1791565600"
    );
    assert!(refusal("\"okx\"", "\"ftx\"").contains("unknown variant `ftx`"));
    assert!(refusal("\"long\"", "\"sell\"").contains("unknown variant `sell`"));
    assert!(refusal("BTCUSDT", "BTC USDT").contains("a name with a character that no market has"));
    assert!(refusal("\"kind\":\"liquidation\"", "\"kind\":\"liq\"").contains("unknown variant `liq`"));
    let mut not_a_number = events()[0].clone();
    if let Event::Liquidation(e) = &mut not_a_number {
        e.price = f64::NAN;
    }
    assert_eq!(decode_event(&encode_event(&not_a_number).unwrap()).unwrap_err().label(), "bad_number");
}

#[test]
fn a_refusal_is_short_however_long_what_it_quotes() {
    let long = "é".repeat(1_000_000);
    let good = event_to_json(&events()[0]).unwrap();
    for bad in [good.replacen("\"liquidation\"", &format!("\"{long}\""), 1), good.replacen("okx", &long, 1)] {
        let told = event_from_json(&bad).unwrap_err().to_string();
        assert!(told.contains("unknown variant `é") && told.ends_with("é...") && told.len() < 400, "{told}");
    }
}

#[test]
fn a_bad_event_in_an_array_is_refused_alone() {
    let good = encode_event(&events()[0]).unwrap();
    let mut array = vec![0x93];
    array.extend(&good);
    array.extend([0x81, 0xa1, b'x', 0x01]);
    array.extend(&good);
    let read = decode_entry(None, Some(&array)).unwrap();
    let labels: Vec<_> = read.iter().map(|e| e.as_ref().map_or_else(WireError::label, Event::kind)).collect();
    assert_eq!(labels, ["liquidation", "malformed", "liquidation"]);
}

#[test]
fn what_is_too_deep_or_too_wide_is_refused_before_it_fills_the_memory() {
    let deep = |levels: usize| [&[0x91].repeat(levels)[..], &[0xc0]].concat();
    assert!(matches!(decode_event(&deep(100_000)), Err(WireError::Malformed(_))));
    assert!(matches!(decode_finding(&deep(100_000)), Err(WireError::Malformed(_))));
    let good = encode_event(&events()[0]).unwrap();
    let read = decode_entry(None, Some(&[&[0x92], &deep(100)[..], &good].concat())).unwrap();
    assert!(read[0].is_err() && read[1].is_ok(), "its neighbour is read");
    let read = decode_entry(None, Some(&[&[0x92], &deep(100_000)[..], &good].concat())).unwrap();
    assert!(matches!(&read[..], [Err(WireError::Malformed(_))]), "too deep to be passed over");
    let wide = [&[0xdd, 0, 0x0f, 0x42, 0x40], &[0xc0].repeat(1_000_000)[..]].concat();
    assert!(matches!(decode_entry(None, Some(&wide)), Err(WireError::BadEntry(_))));
}

#[test]
fn an_entry_has_exactly_one_of_its_fields() {
    assert_eq!(decode_entry(None, None), Err(WireError::BadEntry("neither")));
    assert_eq!(decode_entry(Some(&[]), Some(&[])), Err(WireError::BadEntry("both")));
    assert_eq!(decode_entry(None, Some(&[0xc0])), Err(WireError::BadEntry("a `b` that is no array")));
    let torn = decode_entry(None, Some(&[0x95, 0x81, 0xa1])).unwrap();
    assert_eq!(torn.len(), 1, "a torn array ends with one refusal");
}

proptest::proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_an_event_or_an_error(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
        let _event = decode_event(&bytes);
        let _finding = decode_finding(&bytes);
        let _entry = decode_entry(None, Some(&bytes));
    }

    #[test]
    fn a_mutated_event_is_an_event_or_an_error(at in 0usize..400, byte in proptest::num::u8::ANY, which in 0usize..9) {
        let mut bytes = encode_event(&events()[which]).unwrap();
        let at = at % bytes.len();
        bytes[at] = byte;
        if let Ok(event) = decode_event(&bytes) {
            proptest::prop_assert!(encode_event(&event).is_ok());
        }
    }

    #[test]
    fn floats_read_back_to_the_same_bits(price in POSITIVE | NORMAL | SUBNORMAL) {
        let mut event = events()[0].clone();
        if let Event::Liquidation(e) = &mut event { e.price = price; }
        let back = event_from_json(&event_to_json(&event).unwrap()).unwrap();
        proptest::prop_assert_eq!(back, event);
    }
}
