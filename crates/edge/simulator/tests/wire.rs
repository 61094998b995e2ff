//! The venues' wire over real sockets: acknowledgements, refusals, pings, first frames, limits, and what is published.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod client;

use cascade_domain::Venue;
use cascade_simulator::Truth;
use client::{BURST, Client, DEADLINE, launch, number, until};
use futures_util::SinkExt;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{Error, Message};

const MARKET: &str = "/market/stream";

fn is(frame: &Value, key: &str, value: &str) -> bool {
    frame[key] == json!(value)
}

#[tokio::test]
async fn binance_tells_marks_and_trades_before_and_liquidations_only_after_the_start() {
    let simulator = launch(BURST, 1, 4).await;
    let mut client = Client::connect(&simulator, Venue::Binance, MARKET).await;
    let streams = json!(["!forceOrder@arr", "btcusdt@aggTrade", "btcusdt@markPrice@1s"]);
    let ack = client.ask(json!({"method": "SUBSCRIBE", "params": streams, "id": 7}).to_string()).await;
    assert_eq!(ack, json!({"result": null, "id": 7}));
    for _ in 0..2 {
        let frame = client.find(|f| is(f, "stream", "btcusdt@markPrice@1s")).await;
        let (mark, funding) = (number(&frame["data"]["p"]), number(&frame["data"]["r"]));
        assert!((82_000.0..83_000.0).contains(&mark) && (funding - 0.0003).abs() < 1e-9, "{frame}");
    }
    let first = client.find(|f| is(f, "stream", "btcusdt@aggTrade")).await;
    let second = client.find(|f| is(f, "stream", "btcusdt@aggTrade")).await;
    assert_eq!(second["data"]["a"].as_i64().unwrap(), first["data"]["a"].as_i64().unwrap() + 1);
    assert_eq!((simulator.truth(), simulator.started_at()), (Truth::default(), None));

    simulator.start();
    let start = simulator.started_at().unwrap().ms();
    let frame = client.find(|f| is(f, "stream", "!forceOrder@arr")).await;
    let (data, order) = (&frame["data"], &frame["data"]["o"]);
    assert!(is(data, "e", "forceOrder") && is(order, "X", "FILLED") && is(order, "f", "IOC"), "{frame}");
    let (told, time) = (data["E"].as_i64().unwrap(), order["T"].as_i64().unwrap());
    assert!(time >= start && (0..=1000).contains(&(told - time)), "{frame}");
    let coin_margined = client.find(|f| f["data"]["o"]["st"] == json!(2)).await;
    let order = &coin_margined["data"]["o"];
    let contracts = number(&order["z"]);
    assert!(order["s"].as_str().unwrap().ends_with("USD_PERP"), "{coin_margined}");
    assert!(order["ps"].as_str().unwrap().ends_with("USD") && contracts.fract() == 0.0, "{coin_margined}");
}

#[tokio::test]
async fn binance_acknowledges_and_is_silent_where_the_stream_does_not_live() {
    let simulator = launch(BURST, 1, 10).await;
    simulator.start();
    let mut routed = Client::connect(&simulator, Venue::Binance, MARKET).await;
    let subscribe = |stream: &str| json!({"method": "SUBSCRIBE", "params": [stream], "id": 1}).to_string();
    let mut silent = Vec::new();
    for (path, stream) in [
        ("/stream", "btcusdt@markPrice@1s"),
        ("/ws", "btcusdt@aggTrade"),
        ("/public/stream", "!forceOrder@arr"),
        (MARKET, "btcusdt@forceOrders"),
    ] {
        let mut client = Client::connect(&simulator, Venue::Binance, path).await;
        assert_eq!(client.ask(subscribe(stream)).await, json!({"result": null, "id": 1}));
        silent.push((client, stream));
    }
    routed.send(subscribe("btcusdt@markPrice@1s")).await;
    for _ in 0..3 {
        routed.find(|f| is(f, "stream", "btcusdt@markPrice@1s")).await;
    }
    for (mut client, stream) in silent {
        let next = client.ask(r#"{"method":"LIST_SUBSCRIPTIONS","id":"x"}"#).await;
        assert_eq!(next, json!({"result": [stream], "id": "x"}), "nothing came before this answer");
    }
}

#[tokio::test]
async fn binance_refuses_nonsense_too_many_streams_and_too_many_messages() {
    let simulator = launch(BURST, 1, 1).await;
    let mut client = Client::connect(&simulator, Venue::Binance, MARKET).await;
    assert_eq!(client.ask("not json").await["code"], json!(3));
    assert_eq!(client.ask(r#"{"method":"SUBSCRIBE","params":"x","id":1}"#).await["code"], json!(2));
    let many: Vec<String> = (0..201).map(|n| format!("x{n}@aggTrade")).collect();
    let refused = client.ask(json!({"method": "SUBSCRIBE", "params": many, "id": 2}).to_string()).await;
    assert_eq!((&refused["error"]["code"], &refused["id"]), (&json!(2), &json!(2)));
    let mut flood = Client::connect(&simulator, Venue::Binance, MARKET).await;
    for _ in 0..11 {
        flood.socket.send(Message::Ping(vec![].into())).await.unwrap();
    }
    assert_eq!(flood.ended().await, Some(1008));
}

#[tokio::test]
async fn bybit_acknowledges_answers_pings_and_fails_a_batch_with_one_bad_topic() {
    let simulator = launch(BURST, 1, 1).await;
    let mut client = Client::connect(&simulator, Venue::Bybit, "/v5/public/linear").await;
    let ask = |topics: &[&str]| json!({"req_id": "9", "op": "subscribe", "args": topics}).to_string();
    let pong = client.ask(r#"{"op":"ping"}"#).await;
    assert!(is(&pong, "ret_msg", "pong") && is(&pong, "op", "ping") && pong["success"] == json!(true));
    for bad in ["allLiquidation.BTCUSD", "liquidation.BTCUSDT", "tickers", "tickers.NOPEUSDT"] {
        let refused = client.ask(ask(&["publicTrade.BTCUSDT", bad])).await;
        assert_eq!(refused["success"], json!(false));
        assert_eq!(refused["ret_msg"], json!(format!("error:handler not found,topic:{bad}")));
    }
    let long = "x".repeat(21_001);
    assert_eq!(client.ask(ask(&[&long])).await["success"], json!(false));
    let ack = client.ask(ask(&["allLiquidation.BTCUSDT"])).await;
    assert!(ack["success"] == json!(true) && is(&ack, "ret_msg", "") && is(&ack, "req_id", "9"), "{ack}");
    assert_eq!(client.ask("{{").await["success"], json!(false));
}

#[tokio::test]
async fn bybit_tickers_begin_with_a_snapshot_and_go_on_with_changes_only() {
    let simulator = launch(BURST, 1, 4).await;
    let mut client = Client::connect(&simulator, Venue::Bybit, "/v5/public/linear").await;
    let ready = client.find_after(r#"{"op":"subscribe","args":["tickers.BTCUSDT"]}"#, "snapshot").await;
    let data = &ready["data"];
    let (both, one) = (number(&data["openInterest"]), number(&data["singleOpenInterest"]));
    assert!(one > 1000.0 && (both - 2.0 * one).abs() < 0.01, "{ready}");
    for _ in 0..3 {
        let delta = client.find(|f| is(f, "type", "delta")).await;
        let changed = delta["data"].as_object().unwrap();
        assert!(changed.contains_key("symbol") && changed.len() > 1, "{delta}");
        assert!(
            !changed.contains_key("fundingIntervalHour") && changed.len() < data.as_object().unwrap().len()
        );
    }
}

#[tokio::test]
async fn bybit_tells_several_liquidations_of_a_contract_in_one_frame() {
    let simulator = launch(BURST, 1, 4).await;
    for (path, topic) in
        [("/v5/public/linear", "allLiquidation.BTCUSDT"), ("/v5/public/inverse", "allLiquidation.BTCUSD")]
    {
        let mut client = Client::connect(&simulator, Venue::Bybit, path).await;
        client.ask(json!({"op": "subscribe", "args": [topic]}).to_string()).await;
        simulator.start();
        let frame = client.find(|f| is(f, "topic", topic) && f["data"].as_array().unwrap().len() > 1).await;
        for event in frame["data"].as_array().unwrap() {
            let delay = frame["ts"].as_i64().unwrap() - event["T"].as_i64().unwrap();
            assert!((0..=500).contains(&delay) && topic.ends_with(event["s"].as_str().unwrap()), "{frame}");
            assert!(matches!(event["S"].as_str(), Some("Buy" | "Sell")) && number(&event["v"]) > 0.0);
        }
    }
}

#[tokio::test]
async fn okx_acknowledges_what_it_understood_and_refuses_the_rest() {
    let simulator = launch(BURST, 1, 4).await;
    let mut client = Client::connect(&simulator, Venue::Okx, "/ws/v5/public").await;
    client.send("ping").await;
    assert_eq!(client.text().await, "pong");
    let ask = |arg: Value| json!({"op": "subscribe", "args": [arg]}).to_string();
    let dropped = json!({"channel": "liquidation-orders", "instType": "SWAP", "instId": "BTC-USDT-SWAP"});
    let ack = client.ask(ask(dropped)).await;
    assert!(is(&ack, "event", "subscribe") && ack["connId"].is_string(), "{ack}");
    assert_eq!(ack["arg"], json!({"channel": "liquidation-orders", "instType": "SWAP"}), "instId is dropped");
    for bad in [
        json!({"channel": "liquidation-orders", "instId": "BTC-USDT-SWAP"}),
        json!({"channel": "trades", "instId": "NOPE-USDT-SWAP"}),
        json!({"channel": "liquidations", "instType": "SWAP"}),
    ] {
        let refused = client.ask(ask(bad)).await;
        assert!(is(&refused, "event", "error") && is(&refused, "code", "60018"), "{refused}");
    }
    assert_eq!(client.ask("{}").await["code"], json!("60012"));

    simulator.start();
    let frame = client.find(|f| is(&f["arg"], "channel", "liquidation-orders") && f["data"].is_array()).await;
    let (row, details) = (&frame["data"][0], &frame["data"][0]["details"][0]);
    assert_eq!(format!("{}-SWAP", row["uly"].as_str().unwrap()), row["instId"].as_str().unwrap());
    let opposite = [("long", "sell"), ("short", "buy")];
    let sides = (details["posSide"].as_str().unwrap(), details["side"].as_str().unwrap());
    assert!(opposite.contains(&sides) && number(&details["sz"]) > 0.0, "{frame}");
    assert!(number(&details["ts"]) >= 1e12 && number(&details["bkPx"]) > 0.0, "{frame}");

    for (channel, of, field) in [
        ("mark-price", "BTC-USD-SWAP", "markPx"),
        ("funding-rate", "BTC-USDT-SWAP", "fundingRate"),
        ("open-interest", "ETH-USDT-SWAP", "oiCcy"),
        ("index-tickers", "BTC-USDT", "idxPx"),
        ("trades", "BTC-USDT-SWAP", "px"),
    ] {
        client.send(ask(json!({"channel": channel, "instId": of}))).await;
        let frame = client.find(|f| is(&f["arg"], "channel", channel) && f["data"].is_array()).await;
        assert!(number(&frame["data"][0][field]).abs() > 0.0, "{frame}");
    }
}

#[tokio::test]
async fn okx_cuts_a_client_that_says_nothing_for_30_seconds_and_keeps_one_that_pings() {
    let simulator = launch("busy-day", 1, 40).await;
    let mut silent = Client::connect(&simulator, Venue::Okx, "/ws/v5/public").await;
    let mut alive = Client::connect(&simulator, Venue::Okx, "/ws/v5/public").await;
    let mut ended = std::pin::pin!(silent.ended());
    let mut pongs = 0;
    let pinging = async {
        loop {
            tokio::select! {
                _ = &mut ended => return,
                () = tokio::time::sleep(std::time::Duration::from_millis(100)) => {
                    alive.send("ping").await;
                    assert_eq!(alive.text().await, "pong");
                    pongs += 1;
                }
            }
        }
    };
    tokio::time::timeout(DEADLINE, pinging).await.unwrap();
    assert!(pongs >= 2 && simulator.connections(Venue::Okx) == 1, "{pongs} pongs");
}

#[tokio::test]
async fn okx_lets_in_three_connections_a_second() {
    let simulator = launch("busy-day", 1, 1).await;
    let mut clients = Vec::new();
    let refused = loop {
        match Client::try_connect(&simulator, Venue::Okx, "/ws/v5/public").await {
            Ok(client) => clients.push(client),
            Err(error) => break error,
        }
        assert!(clients.len() < 100, "never refused");
    };
    assert!(clients.len() >= 3, "{}", clients.len());
    let Error::Http(answer) = refused else { panic!("{refused}") };
    assert_eq!(answer.status(), 429);
}

#[tokio::test]
async fn hyperliquid_acknowledges_replays_trades_and_refuses_liquidation_channels() {
    let simulator = launch(BURST, 1, 4).await;
    let ask = |what: Value| json!({"method": "subscribe", "subscription": what}).to_string();
    let mut first = Client::connect(&simulator, Venue::Hyperliquid, "/ws").await;
    assert_eq!(first.ask(r#"{"method":"ping"}"#).await, json!({"channel": "pong"}));
    let subscription = json!({"type": "trades", "coin": "BTC"});
    let ack = first.ask(ask(subscription.clone())).await;
    assert_eq!(
        ack,
        json!({"channel": "subscriptionResponse", "data": {"method": "subscribe", "subscription": subscription}})
    );
    let told = first.find(|f| is(f, "channel", "trades")).await;
    let told = told["data"].as_array().unwrap().last().unwrap().clone();
    let mut late = Client::connect(&simulator, Venue::Hyperliquid, "/ws").await;
    late.ask(ask(subscription)).await;
    let replay = late.json().await;
    assert!(replay["data"].as_array().unwrap().contains(&told), "told again to who comes later: {replay}");
    assert!(replay["data"].as_array().unwrap().len() <= 30);

    for nonsense in ["liquidations", "allLiquidation", "nonsense"] {
        let refused = late.find_after(&ask(json!({"type": nonsense, "coin": "BTC"})), "error").await;
        assert!(refused["data"].as_str().unwrap().starts_with("Error parsing JSON into valid"), "{refused}");
    }
    let context =
        late.find_after(&ask(json!({"type": "activeAssetCtx", "coin": "kPEPE"})), "activeAssetCtx").await;
    assert!((0.005..0.008).contains(&number(&context["data"]["ctx"]["markPx"])), "{context}");
    let all = late.find_after(&ask(json!({"type": "allDexsAssetCtxs"})), "allDexsAssetCtxs").await;
    assert_eq!(
        (&all["data"]["ctxs"][0][0], all["data"]["ctxs"][0][1].as_array().unwrap().len()),
        (&json!(""), 6)
    );
}

#[tokio::test]
async fn hyperliquid_shows_only_what_its_vaults_take_over() {
    let simulator = launch(BURST, 1, 4).await;
    let mut client = Client::connect(&simulator, Venue::Hyperliquid, "/ws").await;
    let vault = "0x2e3d94f0562703b25c83308a05046ddaf9a8dd14";
    let ask = json!({"method": "subscribe", "subscription": {"type": "userFills", "user": vault}});
    let first = client.find_after(&ask.to_string(), "userFills").await;
    assert_eq!(first["data"]["isSnapshot"], json!(true));
    let old = &first["data"]["fills"][0];
    assert!(old["liquidation"].is_object(), "a liquidation of weeks ago, which is no news: {first}");
    simulator.start();
    let frame = client.find(|f| f["data"]["fills"][0]["liquidation"].is_object()).await;
    assert!(frame["data"]["isSnapshot"].is_null() && is(&frame["data"], "user", vault), "{frame}");
    let fill = &frame["data"]["fills"][0];
    assert!(is(&fill["liquidation"], "method", "backstop"), "{frame}");
    let sides = (fill["side"].as_str().unwrap(), fill["dir"].as_str().unwrap());
    assert!([("B", "Liquidated Cross Long"), ("A", "Liquidated Cross Short")].contains(&sides), "{frame}");
    assert!(fill["time"].as_i64().unwrap() >= simulator.started_at().unwrap().ms());
}

#[tokio::test]
async fn hyperliquid_closes_the_eleventh_connection_and_one_to_which_it_has_nothing_to_say() {
    let simulator = launch("busy-day", 1, 60).await;
    let mut clients = Vec::new();
    for _ in 0..10 {
        let mut client = Client::connect(&simulator, Venue::Hyperliquid, "/ws").await;
        client.ask(r#"{"method":"ping"}"#).await;
        clients.push(client);
    }
    let mut eleventh = Client::connect(&simulator, Venue::Hyperliquid, "/ws").await;
    assert_eq!(eleventh.ended().await, Some(1008));
    assert_eq!(clients[0].ended().await, Some(1000), "60 s in which the server sent nothing");
}

#[tokio::test]
async fn a_scenario_ends_with_the_same_truth_whoever_listens() {
    let (alone, watched) = (launch(BURST, 5, 20).await, launch(BURST, 5, 30).await);
    let mut client = Client::connect(&watched, Venue::Bybit, "/v5/public/linear").await;
    client.send(r#"{"op":"subscribe","args":["allLiquidation.BTCUSDT","publicTrade.BTCUSDT"]}"#).await;
    for simulator in [&alone, &watched] {
        assert!(!simulator.is_over());
        simulator.start();
    }
    let orders = |simulator: &cascade_simulator::Simulator| {
        simulator.truth().venues.values().map(|venue| venue.real.orders).sum::<u64>()
    };
    until("both are over", || [&alone, &watched].into_iter().all(|s| s.is_over() && orders(s) == 1200)).await;
    until("the last sample is out", || alone.truth() == watched.truth()).await;
    let truth = alone.truth();
    let shown = |venue| truth.venues[&venue];
    assert_eq!(shown(Venue::Bybit).real, shown(Venue::Bybit).published, "Bybit publishes everything");
    for venue in [Venue::Binance, Venue::Okx, Venue::Hyperliquid] {
        assert!(shown(venue).published.orders * 2 < shown(venue).real.orders, "{venue} samples");
    }
}

impl Client {
    /// Asks, and gives the next frame of this channel, event or type.
    async fn find_after(&mut self, text: &str, word: &str) -> Value {
        self.send(text).await;
        self.find(|f| is(f, "channel", word) || is(f, "type", word)).await
    }
}
