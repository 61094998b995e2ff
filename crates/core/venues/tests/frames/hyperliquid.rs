//! Hyperliquid's frames.

use cascade_domain::{PriceKind, Side, Taker, Venue};
use cascade_venues::{Ack, DecodeError, Instruments, Meaning};

use super::{decode, liquidations, marks, meaning, refusal, told, trades};

const VAULT: &str = "0x2e3d94f0562703b25c83308a05046ddaf9a8dd14";
const VICTIM: &str = "0x7ba283114573bde6fd304ad7b188a763e5402a52";

fn fill(coin: &str, side: &str, dir: &str, method: &str) -> String {
    format!(
        r#"{{"coin":"{coin}","px":"67.5499","sz":"28.33","side":"{side}","time":1770337193454,"dir":"{dir}","crossed":true,"fee":"0.0","liquidation":{{"liquidatedUser":"{VICTIM}","markPx":"68.2","method":"{method}"}},"tid":900100200300400}}"#
    )
}

fn frame(user: &str, fills: &str) -> String {
    format!(r#"{{"channel":"userFills","data":{{"user":"{user}","fills":[{fills}]}}}}"#)
}

fn one(user: &str, fill: &str) -> cascade_domain::Liquidation {
    let mut all = liquidations(Venue::Hyperliquid, &frame(user, fill), &Instruments::new());
    assert_eq!(all.len(), 1);
    all.remove(0)
}

#[test]
fn a_backstop_fill_names_the_victims_side() {
    let long = one(VAULT, &fill("SOL", "B", "Liquidated Cross Long", "backstop"));
    assert_eq!(told(&long), "SOLUSDT long 67.5499 28.33 1913.688667 1770337193454 - partial");
    assert_eq!(long.price_kind, PriceKind::Fill);
    let short = one(VAULT, &fill("SOL", "A", "Liquidated Isolated Short", "backstop"));
    assert_eq!(short.side, Side::Short);
    let contradiction = frame(VAULT, &fill("SOL", "A", "Liquidated Cross Long", "backstop"));
    assert!(matches!(
        refusal(Venue::Hyperliquid, &contradiction, &Instruments::new()),
        DecodeError::UnknownSide(_)
    ));
}

#[test]
fn a_market_fill_is_read_from_the_row_and_never_from_the_counterpartys_dir() {
    assert_eq!(one(VAULT, &fill("SOL", "B", "Open Long", "market")).side, Side::Long);
    assert_eq!(one(VAULT, &fill("SOL", "A", "Open Short", "market")).side, Side::Short);
    let own = VICTIM.to_ascii_uppercase().replace("0X", "0x");
    assert_eq!(one(&own, &fill("SOL", "A", "Close Long", "market")).side, Side::Long);
    assert_eq!(one(&own, &fill("SOL", "B", "Close Short", "market")).side, Side::Short);
}

#[test]
fn the_account_is_a_hash_of_the_user_whatever_its_spelling() {
    let lower = fill("SOL", "B", "Liquidated Cross Long", "backstop");
    let upper =
        lower.replace("7ba283114573bde6fd304ad7b188a763e5402a52", "7BA283114573BDE6FD304AD7B188A763E5402A52");
    assert!(one(VAULT, &lower).account.is_some());
    assert_eq!(one(VAULT, &lower).account, one(VAULT, &upper).account);
}

#[test]
fn a_trade_counts_once_by_its_tid() {
    let row = fill("SOL", "B", "Liquidated Cross Long", "backstop");
    let other = row.replace("900100200300400", "900100200300401");
    let both = liquidations(
        Venue::Hyperliquid,
        &frame(VAULT, &[&*row, &*other, &*row].join(",")),
        &Instruments::new(),
    );
    assert_eq!(both.len(), 2);
    assert_ne!(both[0].id, both[1].id);
    assert_eq!(
        one(VAULT, &row.replace("67.5499", "67.55")).id,
        both[0].id,
        "the venue's own id is the event's"
    );
}

#[test]
fn deleveraging_inventory_and_snapshots_are_no_liquidations() {
    let none =
        |fills: &str| liquidations(Venue::Hyperliquid, &frame(VAULT, fills), &Instruments::new()).is_empty();
    assert!(none(&fill("SOL", "B", "Auto-Deleveraging", "market")));
    let inventory =
        r#"{"coin":"SOL","px":"67.5","sz":"1","side":"A","time":1770337193454,"dir":"Close Long","tid":1}"#;
    assert!(none(inventory));
    let fills = frame(VAULT, &fill("SOL", "B", "Liquidated Cross Long", "backstop"));
    let snapshot = fills.replace(r#""data":{"#, r#""data":{"isSnapshot":true,"#);
    let (meaning, out) = decode(Venue::Hyperliquid, &snapshot, &Instruments::new());
    assert_eq!((meaning, out.events.len()), (Ok(Meaning::Ignored("snapshot")), 0));
    let unknown = frame(VAULT, &fill("SOL", "B", "Liquidated Cross Long", "magic"));
    assert!(matches!(
        refusal(Venue::Hyperliquid, &unknown, &Instruments::new()),
        DecodeError::UnknownKind(_)
    ));
}

#[test]
fn thousands_are_undone_and_other_dexes_and_spot_refused() {
    let pepe = one(VAULT, &fill("kPEPE", "B", "Liquidated Cross Long", "backstop"));
    assert_eq!((pepe.symbol.as_str(), pepe.quantity, pepe.price), ("PEPEUSDT", 28_330.0, 0.067_549_9));
    assert_eq!(pepe.notional_usd.micros(), 1_913_688_667);
    for coin in ["@107", "PURR/USDC", "xyz:CRWV"] {
        let frame = frame(VAULT, &fill(coin, "B", "Liquidated Cross Long", "backstop"));
        let refused = refusal(Venue::Hyperliquid, &frame, &Instruments::new());
        assert_eq!(refused, DecodeError::NotPerpetual(coin.to_owned()));
    }
}

#[test]
fn trades_bear_the_takers_side() {
    let frame = r#"{"channel":"trades","data":[{"coin":"BTC","hash":"0x0","px":"105056.0","side":"B","sz":"0.00219","tid":121451470284048,"time":1737918794873,"users":["0x1","0x2"]},{"coin":"BTC","hash":"0x0","px":"105056.0","side":"A","sz":"0.00015","tid":588047386913648,"time":1737918796007,"users":["0x1","0x2"]}]}"#;
    let got = trades(Venue::Hyperliquid, frame, &Instruments::new());
    assert_eq!((got[0].side, got[1].side), (Taker::Buy, Taker::Sell));
    assert_eq!(got[0].notional_usd.dollars(), 230.07264);
    assert_eq!(got[0].published_at_ms, None);
}

#[test]
fn a_context_gives_marks_and_open_interest_without_a_time() {
    let frame = r#"{"channel":"activeAssetCtx","data":{"coin":"kPEPE","ctx":{"funding":"0.0000125","openInterest":"1000000.5","prevDayPx":"0.012","dayNtlVlm":"1","premium":"0.0","oraclePx":"0.0119","markPx":"0.012","midPx":"0.012","impactPxs":["0.0119","0.0121"],"dayBaseVlm":"1"}}}"#;
    let (mark, open) = marks(Venue::Hyperliquid, frame, &Instruments::new());
    assert_eq!((mark[0].mark_price, mark[0].index_price), (Some(0.000_012), Some(0.000_011_9)));
    assert_eq!((mark[0].funding_rate, mark[0].funding_interval_h), (Some(0.000_012_5), Some(1.0)));
    assert_eq!((mark[0].event_time_ms, open[0].event_time_ms), (None, None));
    assert_eq!(open[0].coins, Some(1_000_000_500.0));
    assert_eq!(open[0].usd.map(cascade_domain::Usd::dollars), Some(12_000.006));
}

#[test]
fn answers_are_told_from_channels() {
    let meaning = |frame: &str| meaning(Venue::Hyperliquid, frame);
    let topic = |name: &str| Ack::Topic(name.to_owned());
    let ack = r#"{"channel":"subscriptionResponse","data":{"method":"subscribe","subscription":{"type":"trades","coin":"BTC"}}}"#;
    assert_eq!(meaning(ack), Ok(Meaning::Acknowledged(vec![topic("trades:BTC")])));
    let user = format!(
        r#"{{"channel":"subscriptionResponse","data":{{"method":"subscribe","subscription":{{"type":"userFills","user":"{VAULT}","aggregateByTime":null}}}}}}"#
    );
    assert_eq!(meaning(&user), Ok(Meaning::Acknowledged(vec![topic(&format!("userFills:{VAULT}"))])));
    let error = r#"{"channel":"error","data":"Error parsing JSON into valid websocket request: {\"method\":\"subscribe\",\"subscription\":{\"type\":\"liquidations\",\"coin\":\"BTC\"}}"}"#;
    assert!(matches!(
        meaning(error),
        Ok(Meaning::Refused { ack: Some(ack), reason }) if ack == topic("liquidations:BTC") && reason.starts_with("Error parsing")
    ));
    assert_eq!(meaning(r#"{"channel":"pong"}"#), Ok(Meaning::Pong));
    assert_eq!(meaning(r#"{"channel":"l2Book","data":{}}"#), Ok(Meaning::Ignored("l2Book")));
    assert_eq!(meaning(r#"{"channel":"news","data":{}}"#), Err(DecodeError::UnknownKind("news".to_owned())));
}
