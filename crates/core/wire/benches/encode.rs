//! What spelling an event or a finding costs: MessagePack as on the bus, JSON as in files and on the `:json` channels,
//! and, as the floor of the same run, copying the finished bytes.

use std::hint::black_box;

use cascade_wire::{
    WireError, decode_event, decode_finding, encode_event, encode_finding, event_from_json, event_to_json,
    finding_from_json, finding_to_json,
};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const LIQUIDATION: &str = r#"{"kind":"liquidation","id":"6f1c9a2e4b7d0358","venue":"bybit","symbol":"BTCUSDT",
 "instrument":"BTCUSDT","side":"long","price":82396.9,"price_kind":"bankruptcy","quantity":0.006,
 "notional_usd":494.3814,"event_time_ms":1791565600992,"published_at_ms":1791565601482,
 "known_at_ms":1791565601482,"coverage":"complete"}"#;

const TRADE_BAR: &str = r#"{"kind":"trade_bar","venue":"binance","symbol":"BTCUSDT","instrument":"BTCUSDT",
 "open_time_ms":1791565600000,"close_time_ms":1791565601000,"open":82396.9,"high":82401.2,"low":82390.0,
 "close":82399.5,"buy_quantity":3.214,"sell_quantity":5.871,"buy_usd":264823.6,"sell_usd":483752.2,"trades":214,
 "largest_usd":41198.45,"known_at_ms":1791565601020}"#;

const FINDING: &str = r#"{"v":1,"finding":"cascade","id":"6f1c9a2e4b7d0358","episode":"0358bd74e2a9c1f6",
 "revision":3,"state":"update","symbol":"BTCUSDT","level":"CRITICAL","previous_level":"ALERT",
 "reasons":["flow","score"],"direction":"long","score":0.7799,"raw":0.5415,"boosted":0.5415,"boosts":[],
 "scores":{"velocity":0.6,"acceleration":0.3,"volume":0.72,"oi_change":0.85,"funding":0.1,"volatility":0.5},
 "contributions":{"velocity":0.15,"acceleration":0.06,"volume":0.144,"oi_change":0.1275,"funding":0.01,
 "volatility":0.05},"missing":[],
 "flow":{"notional_30s_usd":18400000.0,"share":0.93,"unit_usd":3000000.0,"price_change_60s":-0.0121},
 "risk":{"score":61.2,"level":"HIGH","confidence":0.85,"action":"ALERT","factors":{"velocity":78.0,
 "acceleration":40.0,"jerk":12.5,"volume":66.0,"correlation":61.0,"clustering":80.0}},
 "metrics":{"velocity_2s":12.0,"usd_velocity_10s":1440000.0,"acceleration":1.5,"jerk":0.2,"count_30s":212,
 "largest_usd":2100000.0},
 "context":{"regime":"HIGH","btc_price":82340.1,"vol_multiplier":3.0,"venue_correlation":0.61,
 "oi_change_1m":-0.0085,"funding_rate_8h":0.0001},
 "feeds":{"binance":"sampled","bybit":"live","okx":"sampled","hyperliquid":"partial"},"confidence":0.85,
 "lower_bound":["binance","okx"],"engine":"0.1.0+9f2c41aa","known_at_ms":1791565601482,
 "detected_at_ms":1791565601483}"#;

/// The four verbs of one spelling pair, for a value that was read from `json`.
struct Verbs<T> {
    pack: fn(&T) -> Result<Vec<u8>, WireError>,
    unpack: fn(&[u8]) -> Result<T, WireError>,
    print: fn(&T) -> Result<String, WireError>,
    parse: fn(&str) -> Result<T, WireError>,
}

fn measure<T>(c: &mut Criterion, name: &str, json: &str, verbs: &Verbs<T>) -> Result<(), WireError> {
    let value = (verbs.parse)(json)?;
    let packed = (verbs.pack)(&value)?;
    let text = (verbs.print)(&value)?;
    let mut group = c.benchmark_group(name);
    group.throughput(Throughput::Bytes(packed.len() as u64));
    group.bench_function("copy_floor", |b| b.iter(|| black_box(&packed).clone()));
    group.bench_function("msgpack_encode", |b| b.iter(|| (verbs.pack)(black_box(&value))));
    group.bench_function("msgpack_decode", |b| b.iter(|| (verbs.unpack)(black_box(&packed))));
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("json_encode", |b| b.iter(|| (verbs.print)(black_box(&value))));
    group.bench_function("json_decode", |b| b.iter(|| (verbs.parse)(black_box(&text))));
    group.finish();
    Ok(())
}

fn encode(c: &mut Criterion) {
    let event =
        Verbs { pack: encode_event, unpack: decode_event, print: event_to_json, parse: event_from_json };
    let finding = Verbs {
        pack: encode_finding,
        unpack: decode_finding,
        print: finding_to_json,
        parse: finding_from_json,
    };
    let measured = measure(c, "liquidation", LIQUIDATION, &event)
        .and_then(|()| measure(c, "trade_bar", TRADE_BAR, &event))
        .and_then(|()| measure(c, "cascade_finding", FINDING, &finding));
    assert_eq!(measured, Ok(()), "the examples are readable");
}

criterion_group!(benches, encode);
criterion_main!(benches);
