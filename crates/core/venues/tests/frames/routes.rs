//! The connections that are planned, and the venues' limits.

use std::collections::BTreeSet;
use std::time::Duration;

use cascade_domain::{GapStream, Symbol, Venue};
use cascade_venues::{
    Ack, Endpoints, Instruments, Listing, Meaning, Ping, Quote, Route, Sizing, Wanted, protocol,
};

use super::{BINANCE_INSTRUMENTS, OKX_INSTRUMENTS, decode, listed};

fn endpoints() -> Endpoints {
    Endpoints { ws_url: "ws://h:1".to_owned(), rest_url: "http://h:2".to_owned(), coinm_rest_url: None }
}

fn wanted(symbols: &[&str]) -> Wanted {
    let symbols = symbols.iter().map(|text| Symbol::parse(text).unwrap()).collect();
    Wanted { symbols: Some(symbols), vaults: vec!["0xABC".to_owned()] }
}

fn routes(venue: Venue, wanted: &Wanted, table: &Instruments) -> Vec<Route> {
    protocol(venue).routes(wanted, table, &endpoints())
}

fn topics(routes: &[Route]) -> Vec<&str> {
    let subscriptions = routes.iter().flat_map(|route| &route.subscriptions);
    subscriptions.flat_map(|subscription| subscription.topics.iter().map(String::as_str)).collect()
}

/// Eight hundred listings, linear and (on Bybit) inverse.
fn many(venue: Venue) -> Instruments {
    let mut table = Instruments::new();
    for at in 0..800 {
        let base = format!("COIN{at}");
        let (name, sizing) = match venue {
            Venue::Bybit if at % 8 == 0 => (format!("{base}USD"), Sizing::Usd),
            Venue::Binance | Venue::Bybit => (format!("{base}USDT"), Sizing::Coins),
            Venue::Okx => (format!("{base}-USDT-SWAP"), Sizing::ContractsOfCoins(1.into())),
            Venue::Hyperliquid => (base.clone(), Sizing::Coins),
        };
        table.insert(Listing::of(venue, &name, &base, Quote::Usdt, sizing).unwrap());
    }
    table
}

#[test]
fn binance_asks_for_all_liquidations_once_and_for_what_is_wanted() {
    let routes = routes(
        Venue::Binance,
        &wanted(&["BTCUSDT", "PEPEUSDT", "NOSUCHUSDT"]),
        &listed(Venue::Binance, &BINANCE_INSTRUMENTS),
    );
    assert_eq!((routes.len(), routes[0].url.as_str()), (1, "ws://h:1/market/stream"));
    assert_eq!(
        routes[0].subscriptions[0].frame,
        r#"{"method":"SUBSCRIBE","params":["!forceOrder@arr","btcusdc@aggTrade","btcusdc@markPrice@1s","btcusdt@aggTrade","btcusdt@markPrice@1s","1000pepeusdt@aggTrade","1000pepeusdt@markPrice@1s"],"id":1}"#
    );
    assert_eq!(routes[0].subscriptions[0].acks, [Ack::Request("1".to_owned())]);
    let own = ["BTCUSDT", "PEPEUSDT"].map(|text| Symbol::parse(text).unwrap());
    let streams: Vec<_> = routes[0].streams().collect();
    assert_eq!(
        streams,
        [(GapStream::Liquidations, &[][..]), (GapStream::Trades, &own), (GapStream::Mark, &own)],
        "liquidations break off for the whole market, the rest for what is read here"
    );
    assert!(routes[0].keepalive.is_none());
    let without = self::routes(Venue::Binance, &wanted(&["PEPEUSDT"]), &Instruments::new());
    assert_eq!(topics(&without), ["!forceOrder@arr", "1000pepeusdt@aggTrade", "1000pepeusdt@markPrice@1s"]);
}

#[test]
fn bybit_keeps_linear_and_inverse_apart() {
    let mut table = Instruments::new();
    for (name, quote, sizing) in [
        ("BTCUSDT", Quote::Usdt, Sizing::Coins),
        ("BTCPERP", Quote::Usdc, Sizing::Coins),
        ("BTCUSD", Quote::Usd, Sizing::Usd),
    ] {
        table.insert(Listing::of(Venue::Bybit, name, "BTC", quote, sizing).unwrap());
    }
    let routes = routes(Venue::Bybit, &wanted(&["BTCUSDT"]), &table);
    let named: Vec<_> = routes.iter().map(|route| (route.name.as_str(), route.url.as_str())).collect();
    assert_eq!(
        named,
        [("linear-0", "ws://h:1/v5/public/linear"), ("inverse-0", "ws://h:1/v5/public/inverse")]
    );
    assert_eq!(
        routes[1].subscriptions[0].frame,
        r#"{"req_id":"1","op":"subscribe","args":["allLiquidation.BTCUSD","publicTrade.BTCUSD","tickers.BTCUSD"]}"#
    );
    assert_eq!(routes[0].symbols, [Symbol::parse("BTCUSDT").unwrap()]);
    assert!(topics(&routes).contains(&"tickers.BTCPERP"));
    let keepalive = routes[0].keepalive.clone().unwrap();
    assert_eq!(
        (keepalive.every, keepalive.ping),
        (Duration::from_secs(20), Ping::Text(r#"{"op":"ping"}"#.to_owned()))
    );
}

#[test]
fn okx_asks_for_each_topic_once_and_recognises_its_acknowledgements() {
    let routes = routes(Venue::Okx, &wanted(&["BTCUSDT"]), &listed(Venue::Okx, &[OKX_INSTRUMENTS]));
    let topics = topics(&routes);
    assert_eq!(topics.len(), 1 + 3 * 5);
    assert_eq!(topics[0], "liquidation-orders:SWAP");
    assert!(topics.contains(&"index-tickers:BTC-USD") && topics.contains(&"index-tickers:BTC-USDT"));
    let frame = &routes[0].subscriptions[0].frame;
    assert!(
        frame.starts_with(r#"{"op":"subscribe","args":[{"channel":"liquidation-orders","instType":"SWAP"},"#)
    );
    for ack in &routes[0].subscriptions[0].acks {
        let Ack::Topic(name) = ack else { continue };
        let (channel, what) = name.split_once(':').unwrap();
        let key = if channel == "liquidation-orders" { "instType" } else { "instId" };
        let answer = format!(
            r#"{{"event":"subscribe","arg":{{"channel":"{channel}","{key}":"{what}"}},"connId":"c"}}"#
        );
        let (meaning, _) = decode(Venue::Okx, &answer, &Instruments::new());
        assert_eq!(meaning, Ok(Meaning::Acknowledged(vec![ack.clone()])));
    }
}

#[test]
fn hyperliquid_asks_coin_by_coin_and_follows_the_vaults() {
    let routes = routes(Venue::Hyperliquid, &wanted(&["PEPEUSDT"]), &Instruments::new());
    assert_eq!(topics(&routes), ["userFills:0xabc", "trades:kPEPE", "activeAssetCtx:kPEPE"]);
    assert_eq!(
        routes[0].subscriptions[0].frame,
        r#"{"method":"subscribe","subscription":{"type":"userFills","user":"0xabc"}}"#
    );
    assert_eq!(routes[0].market_wide, [GapStream::Liquidations]);
    for subscription in &routes[0].subscriptions {
        let echo = subscription.frame.replacen('{', r#"{"channel":"subscriptionResponse","data":{"#, 1) + "}";
        let (meaning, _) = decode(Venue::Hyperliquid, &echo, &Instruments::new());
        assert_eq!(meaning, Ok(Meaning::Acknowledged(subscription.acks.clone())));
    }
}

#[test]
fn no_plan_passes_a_limit_however_much_is_wanted() {
    let everything = Wanted { symbols: None, vaults: (0..20).map(|at| format!("0x{at}")).collect() };
    for venue in Venue::ALL {
        let routes = routes(venue, &everything, &many(venue));
        let all = topics(&routes);
        assert_eq!(
            all.iter().collect::<BTreeSet<_>>().len(),
            all.len(),
            "{venue}: a topic is asked for twice"
        );
        for route in &routes {
            let count: usize = route.subscriptions.iter().map(|s| s.topics.len()).sum();
            let characters: usize = route.subscriptions.iter().map(|s| s.frame.len()).sum();
            assert_eq!(route.watch.silent_after, Duration::from_secs(30));
            match venue {
                Venue::Binance => assert!(count <= 200 && route.frames_per_second <= 10),
                Venue::Bybit => {
                    assert!(
                        characters <= 21_000 && route.subscriptions.iter().all(|s| s.topics.len() <= 200)
                    );
                }
                Venue::Okx => assert!(characters <= 64 * 1024 && route.subscriptions.len() < 480),
                Venue::Hyperliquid => assert!(count <= 250),
            }
        }
        match venue {
            Venue::Binance => assert_eq!(all.len(), 1 + 800 * 2),
            Venue::Bybit => assert_eq!(all.len(), 800 * 3),
            Venue::Okx => assert_eq!(all.len(), 1 + 800 * 5),
            Venue::Hyperliquid => {
                assert!(all.len() <= 1000 && routes.len() <= 9);
                assert_eq!(all.iter().filter(|topic| topic.starts_with("userFills")).count(), 10);
            }
        }
        let limits = protocol(venue).limits();
        assert!(routes.len() <= limits.connections && all.len() <= limits.subscriptions, "{venue}");
        let symbols: Vec<_> = routes.iter().flat_map(|route| &route.symbols).collect();
        let once: BTreeSet<_> = symbols.iter().collect();
        assert_eq!(once.len(), symbols.len(), "{venue}: a symbol is read twice");
        let read = if venue == Venue::Hyperliquid { (960 - 10) / 2 } else { 800 };
        assert_eq!(symbols.len(), read, "{venue}");
        let wholes = routes.iter().filter(|route| !route.market_wide.is_empty()).count();
        assert_eq!(
            wholes,
            usize::from(venue != Venue::Bybit),
            "{venue}: one connection carries the whole market"
        );
        assert!(routes.iter().all(|route| !route.symbols.is_empty()), "{venue}");
    }
}

#[test]
fn a_venue_that_lists_nothing_of_what_is_wanted_is_not_connected_to() {
    for venue in Venue::ALL {
        let routes = routes(venue, &wanted(&["NOSUCHUSDT"]), &many(venue));
        assert_eq!(topics(&routes), [""; 0], "{venue}: liquidations alone could not tell whether it lives");
    }
}

/// What a venue lists: some of eight hundred coins.
fn some(venue: Venue, which: impl Fn(usize) -> bool) -> Instruments {
    let mut table = Instruments::new();
    let all = many(venue);
    let number = |listing: &Listing| {
        let digits = listing.symbol.as_str().trim_start_matches("COIN").trim_end_matches("USDT");
        digits.parse::<usize>().unwrap()
    };
    all.iter().filter(|listing| which(number(listing))).for_each(|listing| table.insert(*listing));
    table
}

#[test]
fn what_is_listed_later_joins_and_nothing_that_stands_moves() {
    let everything = Wanted::default();
    for venue in Venue::ALL {
        let before = routes(venue, &everything, &some(venue, |at| at < 300));
        let replan = |table: &Instruments| protocol(venue).replan(&before, &everything, table, &endpoints());
        assert_eq!(replan(&some(venue, |at| at < 300)), before, "{venue}: nothing new, nothing changed");
        let after = replan(&some(venue, |at| at < 450));
        assert!(after.len() >= before.len(), "{venue}");
        for (before, after) in before.iter().zip(&after) {
            assert_eq!((&before.name, &before.url), (&after.name, &after.url));
            assert_eq!(
                after.subscriptions[..before.subscriptions.len()],
                before.subscriptions[..],
                "{venue}"
            );
            assert_eq!(after.symbols[..before.symbols.len()], before.symbols[..], "{venue}");
        }
        let names: BTreeSet<_> = after.iter().map(|route| &route.name).collect();
        assert_eq!(names.len(), after.len(), "{venue}: a name of its own for each");
        let fresh = routes(venue, &everything, &some(venue, |at| at < 450));
        let sorted =
            |routes: &[Route]| topics(routes).into_iter().map(str::to_owned).collect::<BTreeSet<_>>();
        assert_eq!(sorted(&after), sorted(&fresh), "{venue}: the same is read as if it were new");
        assert_eq!(topics(&after).len(), topics(&fresh).len(), "{venue}: each once");
        let rooms = |routes: &[Route]| routes.iter().map(|r| r.market_wide.clone()).collect::<Vec<_>>();
        assert_eq!(rooms(&after)[..before.len()], rooms(&before)[..], "{venue}");
        assert!(rooms(&after)[before.len()..].iter().all(Vec::is_empty), "{venue}");
        let acks: Vec<_> = after[0]
            .subscriptions
            .iter()
            .flat_map(|s| &s.acks)
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect();
        let all: usize = after[0].subscriptions.iter().map(|s| s.acks.len()).sum();
        assert_eq!(acks.len(), all, "{venue}: no acknowledgement answers two requests");
    }
}

#[test]
fn what_is_listed_no_longer_is_not_asked_for_again() {
    let everything = Wanted::default();
    for venue in Venue::ALL {
        let before = routes(venue, &everything, &some(venue, |at| at < 100));
        let left = some(venue, |at| at < 100 && at != 17 && at != 16);
        let after = protocol(venue).replan(&before, &everything, &left, &endpoints());
        let asked = topics(&after).join(" ").to_uppercase();
        assert!(
            !asked.contains("COIN17") && !asked.contains("COIN16") && asked.contains("COIN18"),
            "{venue}"
        );
        let symbols: Vec<_> = after.iter().flat_map(|route| &route.symbols).collect();
        assert_eq!(symbols.len(), 98, "{venue}");
        assert_eq!(after.len(), before.len());
    }
}

#[test]
fn only_binance_closes_what_is_a_day_old_and_no_two_routes_are_renewed_together() {
    for venue in Venue::ALL {
        let routes = routes(venue, &Wanted::default(), &many(venue));
        let renewals: BTreeSet<_> = routes.iter().filter_map(|route| route.renew_after).collect();
        if venue == Venue::Binance {
            assert_eq!(renewals.len(), routes.len());
            assert!(
                renewals.iter().all(|after| {
                    *after <= Duration::from_hours(23) && *after >= Duration::from_hours(22)
                })
            );
        } else {
            assert!(renewals.is_empty(), "{venue}");
        }
    }
}
