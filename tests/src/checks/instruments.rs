//! What exchanges answer when they are asked for their instruments, and what frames become with such a table.

use cascade_domain::{Symbol, Venue};
use cascade_venues::{Endpoints, Instruments, Listing, RestRequest, Sizing, Wanted, protocol};

use super::frames::decoded;
use super::{Verdict, ensure, told};

/// Pages that may follow on the very same page, before it counts as a circle.
const MOST_PAGES: usize = 3;
/// Listings of an answer with which frames are decoded.
const MOST_TRIED: usize = 3;
/// Prices and quantities, from the usual to what overflows.
const FIGURES: [(&str, &str); 4] = [
    ("82396.9", "0.006"),
    ("0.00000001", "0.0000001"),
    ("9999999999999", "999999999999"),
    ("79228162514264337593543950335", "79228162514264337593543950335"),
];

/// The bytes as every venue's answer.
///
/// # Errors
/// A listing came out that makes no sense, pages without end, or an event that makes no sense.
pub fn instruments(bytes: &[u8]) -> Verdict {
    Venue::ALL.into_iter().try_for_each(|venue| answer(venue, bytes))
}

fn answer(venue: Venue, bytes: &[u8]) -> Verdict {
    let (mut table, mut again) = (Instruments::new(), Instruments::new());
    let first = protocol(venue).read_instruments_file(bytes, &mut table);
    let second = protocol(venue).read_instruments_file(bytes, &mut again);
    ensure!(first == second && table == again, "two readings differ: {table:?} {again:?}");
    if let Err(refusal) = &first {
        told(refusal)?;
        ensure!(table.is_empty(), "a refused answer left {table:?}");
    }
    for request in protocol(venue).instrument_requests(&endpoints()) {
        pages(venue, &request, bytes, &mut table)?;
    }
    table.iter().try_for_each(listed)?;
    for wanted in [Wanted::default(), btc_alone()] {
        let routes = protocol(venue).routes(&wanted, &table, &endpoints());
        for symbol in routes.iter().flat_map(|route| &route.symbols) {
            ensure!(wanted.wants(symbol), "{symbol} was not wanted");
        }
        let planned = protocol(venue).replan(&routes, &wanted, &table, &endpoints());
        ensure!(planned == routes, "planned again, nothing new: {routes:?} became {planned:?}");
    }
    for listing in table.iter().take(MOST_TRIED) {
        for (price, quantity) in FIGURES {
            for frame in frames(venue, listing.instrument.as_str(), price, quantity) {
                decoded(venue, &frame, &table)?;
            }
        }
    }
    Ok(())
}

/// The bytes as the answer to this request, and to each that follows from it.
fn pages(venue: Venue, first: &RestRequest, bytes: &[u8], table: &mut Instruments) -> Verdict {
    let mut request = first.clone();
    for _ in 0..MOST_PAGES {
        match protocol(venue).read_instruments(&request, bytes, table) {
            Ok(Some(next)) => request = next,
            Ok(None) => return Ok(()),
            Err(refusal) => return told(&refusal),
        }
    }
    Err(format!("pages without end: {}", request.url))
}

fn listed(listing: &Listing) -> Verdict {
    let (Sizing::ContractsOfCoins(size) | Sizing::ContractsOfUsd(size)) = listing.sizing else {
        return Ok(());
    };
    ensure!(size.is_sign_positive() && !size.is_zero(), "contracts of {size}: {listing:?}");
    Ok(())
}

fn btc_alone() -> Wanted {
    Wanted { symbols: Symbol::of_base("BTC").ok().map(|btc| vec![btc]), vaults: vec!["0x2e3d".to_owned()] }
}

pub(super) fn endpoints() -> Endpoints {
    Endpoints {
        ws_url: "ws://127.0.0.1:1".to_owned(),
        rest_url: "http://127.0.0.1:2".to_owned(),
        coinm_rest_url: Some("http://127.0.0.1:3".to_owned()),
    }
}

/// One frame of each kind about this instrument.
fn frames(venue: Venue, name: &str, price: &str, quantity: &str) -> Vec<String> {
    let templates: &[&str] = match venue {
        Venue::Binance => &[
            r#"[{"e":"forceOrder","E":1791391083124,"o":{"s":"NAME","S":"BUY","ap":"PRICE","X":"FILLED","z":"QUANTITY","T":1791391082119},"st":2}]"#,
            r#"{"e":"aggTrade","E":1791391082024,"a":7,"s":"NAME","p":"PRICE","q":"QUANTITY","T":1791391081874,"m":true}"#,
            r#"{"e":"markPriceUpdate","E":1791391082000,"s":"NAME","p":"PRICE","i":"PRICE","r":"-0.0001","T":1791417600000}"#,
        ],
        Venue::Bybit => &[
            r#"{"topic":"allLiquidation.NAME","ts":1791565601482,"data":[{"T":1791565600992,"s":"NAME","S":"Buy","v":"QUANTITY","p":"PRICE"}]}"#,
            r#"{"topic":"publicTrade.NAME","ts":1791565601482,"data":[{"T":1791565600992,"s":"NAME","S":"Sell","v":"QUANTITY","p":"PRICE","i":"20f4"}]}"#,
            r#"{"topic":"tickers.NAME","ts":1791565601482,"data":{"symbol":"NAME","markPrice":"PRICE","indexPrice":"PRICE","openInterest":"QUANTITY","openInterestValue":"QUANTITY"}}"#,
        ],
        Venue::Okx => &[
            r#"{"arg":{"channel":"liquidation-orders","instType":"SWAP"},"data":[{"details":[{"bkPx":"PRICE","side":"sell","sz":"QUANTITY","ts":"1791565600771"}],"instId":"NAME"}]}"#,
            r#"{"arg":{"channel":"trades","instId":"NAME"},"data":[{"instId":"NAME","tradeId":"2","px":"PRICE","sz":"QUANTITY","side":"buy","ts":"1791565600771"}]}"#,
            r#"{"arg":{"channel":"open-interest","instId":"NAME"},"data":[{"instId":"NAME","oi":"QUANTITY","oiCcy":"QUANTITY","oiUsd":"QUANTITY","ts":"1791565600771"}]}"#,
            r#"{"arg":{"channel":"mark-price","instId":"NAME"},"data":[{"instId":"NAME","markPx":"PRICE","ts":"1791565600771"}]}"#,
        ],
        Venue::Hyperliquid => &[
            r#"{"channel":"trades","data":[{"coin":"NAME","px":"PRICE","side":"B","sz":"QUANTITY","tid":1,"time":1737918794873}]}"#,
            r#"{"channel":"activeAssetCtx","data":{"coin":"NAME","ctx":{"funding":"0.0000125","openInterest":"QUANTITY","oraclePx":"PRICE","markPx":"PRICE"}}}"#,
        ],
    };
    let filled = |template: &&str| {
        template.replace("PRICE", price).replace("QUANTITY", quantity).replace("NAME", name)
    };
    templates.iter().map(filled).collect()
}
