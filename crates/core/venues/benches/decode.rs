//! How long one frame takes, per venue and kind: ours, a plain owned `serde_json` struct, and a `serde_json::Value`,
//! all in one run. The two baselines only parse the text; ours also reads the numbers, the money and the id.

use std::hint::black_box;

use cascade_domain::Venue;
use cascade_venues::{Decoded, Instruments, protocol};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use serde::Deserialize;
use serde::de::DeserializeOwned;

mod owned;

struct Case {
    venue: Venue,
    kind: &'static str,
    frame: &'static str,
    owned: fn(&str) -> bool,
}

fn reads<T: DeserializeOwned>(frame: &str) -> bool {
    serde_json::from_str::<T>(black_box(frame)).is_ok()
}

const fn case(venue: Venue, kind: &'static str, frame: &'static str, owned: fn(&str) -> bool) -> Case {
    Case { venue, kind, frame, owned }
}

const CASES: [Case; 12] = [
    case(
        Venue::Binance,
        "liquidation",
        r#"{"stream":"!forceOrder@arr","data":{"e":"forceOrder","E":1791391083124,"o":{"s":"ILVUSDT","S":"SELL","o":"LIMIT","f":"IOC","q":"116.5","p":"3.80300","ap":"3.85642","X":"FILLED","l":"25.2","z":"116.5","T":1791391082119,"ps":"ILVUSDT","st":1}}}"#,
        reads::<owned::Stream<owned::ForceOrder>>,
    ),
    case(
        Venue::Binance,
        "trade",
        r#"{"stream":"btcusdt@aggTrade","data":{"e":"aggTrade","E":1791391082024,"a":3478018549,"s":"BTCUSDT","p":"83434.40","q":"0.016","nq":"0.016","f":8154045700,"l":8154045704,"T":1791391081874,"m":true,"st":1}}"#,
        reads::<owned::Stream<owned::AggTrade>>,
    ),
    case(
        Venue::Binance,
        "mark",
        r#"{"stream":"btcusdt@markPrice@1s","data":{"e":"markPriceUpdate","E":1791391082000,"s":"BTCUSDT","p":"83434.40000000","ap":"83430.1","P":"83400.1","i":"83433.10000000","r":"0.00010000","T":1791417600000,"st":1}}"#,
        reads::<owned::Stream<owned::MarkPrice>>,
    ),
    case(
        Venue::Bybit,
        "liquidation",
        r#"{"topic":"allLiquidation.BTCUSDT","type":"snapshot","ts":1791565601482,"data":[{"T":1791565600992,"s":"BTCUSDT","S":"Buy","v":"0.006","p":"82396.90"}]}"#,
        reads::<owned::Topic<Vec<owned::BybitRow>>>,
    ),
    case(
        Venue::Bybit,
        "trade",
        r#"{"topic":"publicTrade.BTCUSDT","type":"snapshot","ts":1791565601482,"data":[{"T":1791565600992,"s":"BTCUSDT","S":"Sell","v":"0.5","p":"82396.90","L":"PlusTick","i":"20f43950-d8dd-5b31-9112-a178eb6023af","BT":false,"RPI":false,"seq":1783284617}]}"#,
        reads::<owned::Topic<Vec<owned::BybitRow>>>,
    ),
    case(
        Venue::Bybit,
        "mark",
        r#"{"topic":"tickers.BTCUSDT","type":"delta","cs":24987956059,"ts":1791565601482,"data":{"symbol":"BTCUSDT","markPrice":"82396.90","indexPrice":"82390.11","openInterest":"59891.732","openInterestValue":"4934800000","singleOpenInterest":"29945.866","singleOpenInterestValue":"2467400000"}}"#,
        reads::<owned::Topic<owned::Ticker>>,
    ),
    case(
        Venue::Okx,
        "liquidation",
        r#"{"arg":{"channel":"liquidation-orders","instType":"SWAP"},"data":[{"details":[{"bkLoss":"0","bkPx":"82655.7","ccy":"","posSide":"long","side":"sell","sz":"8.55","ts":"1791565600771"}],"instFamily":"BTC-USDT","instId":"BTC-USDT-SWAP","instType":"SWAP","uly":"BTC-USDT"}]}"#,
        reads::<owned::Push<owned::OkxLiquidations>>,
    ),
    case(
        Venue::Okx,
        "trade",
        r#"{"arg":{"channel":"trades","instId":"BTC-USDT-SWAP"},"data":[{"instId":"BTC-USDT-SWAP","tradeId":"219066264","px":"43568.8","sz":"7","side":"buy","ts":"1646312440645","count":"3","seqId":1234}]}"#,
        reads::<owned::Push<owned::OkxTrade>>,
    ),
    case(
        Venue::Okx,
        "mark",
        r#"{"arg":{"channel":"mark-price","instId":"BTC-USDT-SWAP"},"data":[{"instType":"SWAP","instId":"BTC-USDT-SWAP","markPx":"82396.9","ts":"1791565600771"}]}"#,
        reads::<owned::Push<owned::OkxMark>>,
    ),
    case(
        Venue::Hyperliquid,
        "liquidation",
        r#"{"channel":"userFills","data":{"user":"0x2e3d94f0562703b25c83308a05046ddaf9a8dd14","fills":[{"coin":"SOL","px":"67.5499","sz":"28.33","side":"B","time":1770337193454,"dir":"Liquidated Cross Long","crossed":true,"fee":"0.0","liquidation":{"liquidatedUser":"0x7ba283114573bde6fd304ad7b188a763e5402a52","markPx":"68.2","method":"backstop"},"tid":900100200300400}]}}"#,
        reads::<owned::Channel<owned::UserFills>>,
    ),
    case(
        Venue::Hyperliquid,
        "trade",
        r#"{"channel":"trades","data":[{"coin":"BTC","hash":"0x0000000000000000000000000000000000000000000000000000000000000000","px":"105056.0","side":"B","sz":"0.02222","tid":917211710228416,"time":1737918847000,"users":["0x8a43b5424eb06a3e79bc6036c8cae55417fada0e","0x6802b4267f7f2bf7003dcf993c51542245b38329"]}]}"#,
        reads::<owned::Channel<Vec<owned::HyperliquidTrade>>>,
    ),
    case(
        Venue::Hyperliquid,
        "mark",
        r#"{"channel":"activeAssetCtx","data":{"coin":"BTC","ctx":{"funding":"0.0000125","openInterest":"29000.5","prevDayPx":"105000.0","dayNtlVlm":"1169046.29406","premium":"0.00031774","oraclePx":"105047.0","markPx":"105050.0","midPx":"105050.5","impactPxs":["105050.0","105051.0"],"dayBaseVlm":"11.5"}}}"#,
        reads::<owned::Channel<owned::ActiveContext>>,
    ),
];

fn instruments(venue: Venue) -> Instruments {
    let mut table = Instruments::new();
    if venue == Venue::Okx {
        let body = br#"{"code":"0","data":[{"instId":"BTC-USDT-SWAP","instType":"SWAP","ctVal":"0.01","ctMult":"1","ctValCcy":"BTC","state":"live"}]}"#;
        let read = protocol(venue).read_instruments_file(body, &mut table);
        assert!(read.is_ok());
    }
    table
}

fn decode(criterion: &mut Criterion) {
    for case in &CASES {
        let table = instruments(case.venue);
        let protocol = protocol(case.venue);
        let mut out = Decoded::default();
        let understood = protocol.decode(case.frame, &table, &mut out).is_ok() && out.refused.is_empty();
        assert!(understood && !out.events.is_empty() && (case.owned)(case.frame), "{}", case.frame);
        let mut group = criterion.benchmark_group(format!("decode/{}/{}", case.venue, case.kind));
        group.throughput(Throughput::Bytes(case.frame.len() as u64));
        group.bench_function("ours", |bench| {
            bench.iter(|| protocol.decode(black_box(case.frame), &table, &mut out).is_ok());
        });
        group.bench_function("serde_json_struct", |bench| bench.iter(|| (case.owned)(case.frame)));
        group.bench_function("serde_json_value", |bench| {
            bench.iter(|| reads::<serde_json::Value>(case.frame));
        });
        group.finish();
    }
}

criterion_group!(benches, decode);
criterion_main!(benches);
