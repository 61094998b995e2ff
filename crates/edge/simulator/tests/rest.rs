//! The venues' HTTP answers: contracts with their real sizes, pages, refusals.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

mod client;

use client::{BURST, http, launch};
use serde_json::{Value, json};

fn find<'a>(rows: &'a Value, key: &str, name: &str) -> &'a Value {
    let found = rows.as_array().unwrap().iter().find(|row| row[key] == json!(name));
    found.unwrap_or_else(|| panic!("no {name}"))
}

#[tokio::test]
async fn binance_lists_its_contracts_on_two_hosts() {
    let simulator = launch(BURST, 1, 1).await;
    let (status, usdm) = http(&simulator, "GET /binance/fapi/v1/exchangeInfo", "").await;
    assert_eq!(status, 200);
    for (name, asset) in
        [("BTCUSDT", "BTC"), ("1000PEPEUSDT", "1000PEPE"), ("1INCHUSDT", "1INCH"), ("BTCUSDC", "BTC")]
    {
        let row = find(&usdm["symbols"], "symbol", name);
        assert_eq!((&row["baseAsset"], &row["contractType"]), (&json!(asset), &json!("PERPETUAL")));
    }
    let (_, coinm) = http(&simulator, "GET /binance-coinm/dapi/v1/exchangeInfo", "").await;
    assert_eq!(find(&coinm["symbols"], "symbol", "BTCUSD_PERP")["contractSize"], json!(100));
    assert_eq!(find(&coinm["symbols"], "symbol", "ETHUSD_PERP")["contractSize"], json!(10));
    assert!(usdm["symbols"].as_array().unwrap().iter().all(|row| row["quoteAsset"] != json!("USD")));
}

#[tokio::test]
async fn bybit_pages_as_long_as_asked_and_ends() {
    let simulator = launch(BURST, 1, 1).await;
    let mut names = Vec::new();
    let mut cursor = String::new();
    loop {
        let request = format!(
            "GET /bybit/v5/market/instruments-info?category=linear&limit=4&cursor={}",
            cursor.replace('=', "%3D")
        );
        let (_, page) = http(&simulator, &request, "").await;
        assert_eq!(page["retCode"], json!(0), "{page}");
        let list = page["result"]["list"].as_array().unwrap();
        assert!(!list.is_empty() && list.len() <= 4);
        names.extend(list.iter().map(|row| row["symbol"].as_str().unwrap().to_owned()));
        page["result"]["nextPageCursor"].as_str().unwrap().clone_into(&mut cursor);
        if cursor.is_empty() {
            break;
        }
    }
    let whole = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), whole, "no contract twice");
    assert!(["BTCUSDT", "BTCPERP", "SHIB1000USDT"].iter().all(|n| names.iter().any(|name| name == n)));
    let (_, inverse) = http(&simulator, "GET /bybit/v5/market/instruments-info?category=inverse", "").await;
    assert_eq!(find(&inverse["result"]["list"], "symbol", "BTCUSD")["settleCoin"], json!("BTC"));
    for bad in ["category=swap", "category=linear&limit=0", "category=linear&cursor=x"] {
        let (_, refused) =
            http(&simulator, &format!("GET /bybit/v5/market/instruments-info?{bad}"), "").await;
        assert_eq!(refused["retCode"], json!(10001), "{bad}");
    }
}

#[tokio::test]
async fn okx_tells_contract_sizes() {
    let simulator = launch(BURST, 1, 1).await;
    let (_, swaps) = http(&simulator, "GET /okx/api/v5/public/instruments?instType=SWAP", "").await;
    for (name, value, currency) in [
        ("BTC-USDT-SWAP", "0.01", "BTC"),
        ("ETH-USDT-SWAP", "0.1", "ETH"),
        ("SOL-USDT-SWAP", "1", "SOL"),
        ("BTC-USD-SWAP", "100", "USD"),
    ] {
        let row = find(&swaps["data"], "instId", name);
        assert_eq!(
            (&row["ctVal"], &row["ctMult"], &row["ctValCcy"]),
            (&json!(value), &json!("1"), &json!(currency))
        );
    }
    let (_, refused) = http(&simulator, "GET /okx/api/v5/public/instruments", "").await;
    assert_eq!(refused["code"], json!("50014"));
}

#[tokio::test]
async fn hyperliquid_answers_meta_and_its_vaults_and_refuses_other_questions() {
    let simulator = launch(BURST, 1, 1).await;
    let (_, meta) = http(&simulator, "POST /hyperliquid/info", r#"{"type":"meta"}"#).await;
    assert_eq!(find(&meta["universe"], "name", "BTC")["szDecimals"], json!(5));
    find(&meta["universe"], "name", "kPEPE");
    let hlp = r#"{"type":"vaultDetails","vaultAddress":"0xdfc24b077bc1425ad1dea75bcb6f8158e10df303"}"#;
    let (_, vault) = http(&simulator, "POST /hyperliquid/info", hlp).await;
    assert_eq!(vault["relationship"]["data"]["childAddresses"].as_array().unwrap().len(), 4);
    for bad in [r#"{"type":"liquidations"}"#, "{", ""] {
        assert_eq!(http(&simulator, "POST /hyperliquid/info", bad).await.0, 422, "{bad}");
    }
}
