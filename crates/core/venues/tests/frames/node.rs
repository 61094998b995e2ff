//! Lines of a node's fills, written by hand in the node's shapes, and what they must become.

use cascade_domain::{Event, Liquidation, PriceKind, Side, Venue};
use cascade_venues::{
    DecodeError, Decoded, Instruments, Meaning, decode_node_line, is_node_line, node_route,
};

use super::{liquidations, told};

const BY_BLOCK: &str = include_str!("node_fills/by_block.jsonl");
const BY_FILL: &str = include_str!("node_fills/by_fill.jsonl");

const VICTIM: &str = "0x7ba283114573bde6fd304ad7b188a763e5402a52";
const OTHER: &str = "0xecb63caa47c7c4e77f60f1ce858cf28dc2b82b00";
const VAULT: &str = "0x2e3d94f0562703b25c83308a05046ddaf9a8dd14";

/// One row of a trade in which the victim's position is closed.
#[derive(Clone, Copy)]
struct Row {
    user: &'static str,
    side: &'static str,
    dir: &'static str,
    held: &'static str,
    crossed: bool,
    victim: &'static str,
    method: &'static str,
    coin: &'static str,
}

const SELLS: Row = Row {
    user: VICTIM,
    side: "A",
    dir: "Close Long",
    held: "0.5",
    crossed: true,
    victim: VICTIM,
    method: "market",
    coin: "BTC",
};
const BUYER: Row = Row { user: OTHER, side: "B", dir: "Open Long", held: "0.0", crossed: false, ..SELLS };
const BUYS: Row = Row { side: "B", dir: "Close Short", held: "-0.5", ..SELLS };
const SELLER: Row = Row { side: "A", dir: "Open Short", ..BUYER };

impl Row {
    fn fill(self) -> String {
        let Self { side, dir, held, crossed, victim, method, coin, .. } = self;
        let named =
            if victim.is_empty() { String::new() } else { format!(r#""liquidatedUser":"{victim}","#) };
        format!(
            r#"{{"coin":"{coin}","px":"78215.0","sz":"0.2","side":"{side}","time":1791565600992,"startPosition":"{held}","dir":"{dir}","closedPnl":"0.0","hash":"0x3bb1","oid":308152002891,"crossed":{crossed},"fee":"0.0","tid":565157617789996,"liquidation":{{{named}"markPx":"78219.0","method":"{method}"}},"feeToken":"USDC","twapId":null}}"#
        )
    }

    /// The line of this fill alone.
    fn line(self) -> String {
        format!(r#"["{}",{}]"#, self.user, self.fill())
    }
}

/// The line of a block of these rows.
fn block(rows: &[Row]) -> String {
    let events: Vec<String> = rows.iter().map(|row| row.line()).collect();
    format!(
        r#"{{"local_time":"2026-10-09T17:06:41.001874687","block_time":"2026-10-09T17:06:40.993874687","block_number":880080044,"events":[{}]}}"#,
        events.join(",")
    )
}

fn read(line: &str) -> Decoded {
    let mut out = Decoded::default();
    assert_eq!(decode_node_line(line, &Instruments::new(), &mut out), Ok(Meaning::Market), "{line}");
    out
}

fn counted(out: Decoded) -> Vec<Liquidation> {
    let of = |event| if let Event::Liquidation(event) = event { Some(event) } else { None };
    out.events.into_iter().map(|event| of(event).unwrap()).collect()
}

/// The liquidations of a line in which nothing may be refused.
fn all(line: &str) -> Vec<Liquidation> {
    let out = read(line);
    assert_eq!(out.refused, [], "{line}");
    counted(out)
}

/// The side of the one liquidation of a line.
fn side(line: &str) -> Side {
    let all = all(line);
    assert_eq!(all.len(), 1, "{line}");
    all[0].side
}

/// The one refusal of a line without events.
fn refused(line: &str) -> DecodeError {
    let mut out = read(line);
    assert_eq!((out.events.len(), out.refused.len()), (0, 1), "{line}");
    out.refused.remove(0)
}

#[test]
fn a_block_with_both_rows_of_a_liquidation_counts_it_once_on_the_victims_side() {
    let lines: Vec<Vec<String>> = BY_BLOCK.lines().map(|line| all(line).iter().map(told).collect()).collect();
    assert_eq!(
        lines,
        [
            vec![],
            vec![],
            vec![
                "BTCUSDT long 78215 0.2 15643 1791565600992 1791565600992 complete".to_owned(),
                "BTCUSDT long 78214 0.3 23464.2 1791565600992 1791565600992 complete".to_owned(),
                "ETHUSDT short 3104.9 1.25 3881.125 1791565600992 1791565600992 complete".to_owned(),
            ],
            vec!["SOLUSDT long 67.5499 28.33 1913.688667 1791565601063 1791565601063 complete".to_owned()],
            vec![],
        ]
    );
    let deleveraged: Vec<u64> = BY_BLOCK.lines().map(|line| read(line).auto_deleveraged).collect();
    assert_eq!(deleveraged, [0, 0, 0, 0, 1]);
}

#[test]
fn lines_of_single_fills_count_the_same_without_a_publish_time() {
    let by_fill: Vec<String> = BY_FILL.lines().flat_map(all).map(|l| told(&l)).collect();
    assert_eq!(
        by_fill,
        [
            "BTCUSDT long 78215 0.2 15643 1791565600992 - complete",
            "ETHUSDT short 3104.9 1.25 3881.125 1791565600992 - complete",
            "SOLUSDT long 67.5499 28.33 1913.688667 1791565601063 - complete",
        ]
    );
    assert_eq!(BY_FILL.lines().map(|line| read(line).auto_deleveraged).sum::<u64>(), 1);
    let id = |lines: &str| {
        let sol = |l: &Liquidation| l.symbol.as_str() == "SOLUSDT";
        lines.lines().flat_map(all).find(sol).map(|l| (l.id, l.account))
    };
    assert!(id(BY_FILL).is_some());
    assert_eq!(id(BY_FILL), id(BY_BLOCK), "one trade has one id, however its line is written");
}

#[test]
fn the_victims_own_row_closes_its_position_as_taker_and_as_maker() {
    for crossed in [true, false] {
        let (sells, buys) = (Row { crossed, ..SELLS }, Row { crossed, ..BUYS });
        let (buyer, seller) = (Row { crossed: !crossed, ..BUYER }, Row { crossed: !crossed, ..SELLER });
        for line in [sells.line(), block(&[sells]), block(&[buyer, sells]), block(&[sells, buyer])] {
            assert_eq!(side(&line), Side::Long, "{line}");
        }
        for line in [buys.line(), block(&[buys]), block(&[buys, seller]), block(&[seller, buys])] {
            assert_eq!(side(&line), Side::Short, "{line}");
        }
    }
}

#[test]
fn the_other_row_counts_in_a_block_that_lacks_the_victims_and_is_never_read_by_its_own_dir() {
    for dir in ["Open Long", "Close Short", "Short > Long"] {
        assert_eq!(side(&block(&[Row { dir, ..BUYER }])), Side::Long, "{dir}");
    }
    for dir in ["Open Short", "Close Long", "Long > Short"] {
        assert_eq!(side(&block(&[Row { dir, ..SELLER }])), Side::Short, "{dir}");
    }
    assert!(all(&BUYER.line()).is_empty(), "its partner is another line");
    let (own, other) = (all(&SELLS.line()), all(&block(&[BUYER])));
    assert_eq!((own[0].id, own[0].account), (other[0].id, other[0].account), "so that it is stored once");
}

#[test]
fn a_trade_without_a_liquidated_user_counts_on_the_takers_row() {
    let (sells, buyer) = (Row { victim: "", ..SELLS }, Row { victim: "", ..BUYER });
    assert_eq!(side(&block(&[buyer, sells])), Side::Long);
    assert_eq!(side(&sells.line()), Side::Long);
    assert_eq!(all(&sells.line())[0].account, None);
    assert!(all(&buyer.line()).is_empty());
    let backstop = Row { method: "backstop", dir: "Liquidated Cross Long", crossed: true, ..sells };
    assert_eq!(side(&block(&[Row { user: VAULT, side: "B", ..backstop }, backstop])), Side::Long);
    assert!(all(&Row { user: VAULT, side: "B", ..backstop }.line()).is_empty());
}

#[test]
fn a_backstop_is_on_the_side_that_dir_names_on_either_row() {
    let victim = Row { method: "backstop", dir: "Liquidated Isolated Short", ..BUYS };
    let vault = Row { user: VAULT, side: "A", held: "0.0", ..victim };
    assert_eq!(side(&victim.line()), Side::Short);
    assert_eq!(side(&block(&[victim, vault])), Side::Short);
    assert_eq!(side(&block(&[vault])), Side::Short);
    assert_eq!(side(&block(&[Row { dir: "Close Short", ..victim }, vault])), Side::Short);
    for wrong in [
        block(&[Row { dir: "Liquidated Cross Long", ..victim }]),
        block(&[Row { dir: "Liquidated Cross Long", ..vault }]),
        block(&[Row { dir: "Close Short", ..victim }, Row { dir: "Open Short", ..vault }]),
        Row { dir: "Close Short", ..victim }.line(),
    ] {
        assert!(matches!(refused(&wrong), DecodeError::UnknownSide(_)), "{wrong}");
    }
}

#[test]
fn a_victims_row_that_does_not_close_its_position_is_refused() {
    for row in [Row { held: "-0.5", ..SELLS }, Row { held: "0.5", ..BUYS }] {
        assert!(matches!(refused(&row.line()), DecodeError::UnknownSide(_)));
        assert!(matches!(refused(&block(&[row])), DecodeError::UnknownSide(_)));
    }
    assert_eq!(side(&block(&[Row { held: "-9.0", ..BUYER }])), Side::Long, "the other's position is its own");
}

#[test]
fn deleveraging_counts_no_liquidation_whichever_row_says_so() {
    let other = Row { dir: "Auto-Deleveraging", victim: VAULT, method: "backstop", ..BUYER };
    let vault = Row { user: VAULT, victim: VAULT, method: "backstop", ..SELLS };
    for rows in [&[other, vault][..], &[vault, other], &[other], &[other, Row { dir: other.dir, ..vault }]] {
        let out = read(&block(rows));
        assert_eq!((out.events.len(), out.refused.len(), out.auto_deleveraged), (0, 0, 1));
    }
    let plain = r#"["0xecb6",{"coin":"BTC","px":"1","sz":"1","side":"B","time":1791565600992,"dir":"Auto-Deleveraging","tid":7}]"#;
    assert_eq!(read(plain).auto_deleveraged, 1);
    let mut out = read(plain);
    out.clear();
    assert_eq!(out.auto_deleveraged, 0);
}

#[test]
fn the_node_and_the_vaults_fills_give_a_trade_the_same_id() {
    let vault = Row { user: VAULT, side: "B", dir: "Liquidated Cross Long", method: "backstop", ..SELLS };
    let frame =
        format!(r#"{{"channel":"userFills","data":{{"user":"{VAULT}","fills":[{}]}}}}"#, vault.fill());
    let of_vault = liquidations(Venue::Hyperliquid, &frame, &Instruments::new()).remove(0);
    let victim = Row { dir: vault.dir, method: vault.method, ..SELLS };
    for line in [victim.line(), block(&[vault, victim]), block(&[vault])] {
        let of_node = all(&line).remove(0);
        assert_eq!((of_node.id, of_node.account), (of_vault.id, of_vault.account));
        let known_apart =
            Liquidation { coverage: of_vault.coverage, published_at_ms: of_vault.published_at_ms, ..of_node };
        assert_eq!(known_apart, of_vault);
    }
    assert_eq!(of_vault.price_kind, PriceKind::Fill);
}

#[test]
fn spot_and_other_dexes_are_refused_as_over_websocket_and_only_if_they_were_liquidated() {
    for coin in ["@107", "PURR/USDC", "xyz:CRWV"] {
        let refusal = refused(&block(&[Row { coin, ..BUYER }, Row { coin, ..SELLS }]));
        assert_eq!(refusal, DecodeError::NotPerpetual(coin.to_owned()));
        let plain = format!(
            r#"["{OTHER}",{{"coin":"{coin}","px":"1","sz":"1","side":"B","time":1791565600992,"dir":"Buy","tid":7}}]"#
        );
        assert!(all(&plain).is_empty());
    }
}

#[test]
fn a_bad_row_leaves_its_neighbours_and_half_a_line_is_refused() {
    let good = SELLS.line();
    let bad = good.replace("565157617789996", "1").replace("\"sz\":\"0.2\"", "\"sz\":\"-1\"");
    let unread = good.replace("\"time\":1791565600992", "\"time\":[]").replace("565157617789996", "2");
    let of = |events: &str| format!(r#"{{"block_number":1,"events":[{events}]}}"#);
    let out = read(&of(&[&*bad, "7", "[]", r#"["0x1",7]"#, &*unread, &*good].join(",")));
    assert_eq!(out.refused.len(), 5, "{:?}", out.refused);
    let counted = counted(out);
    assert_eq!((counted.len(), counted[0].published_at_ms), (1, None));
    let out = read(&block(&[SELLS]).replace("2026-10-09T17:06:40.993874687", "yesterday"));
    assert_eq!((out.events.len(), out.refused.len()), (1, 1));
    let whole = block(&[SELLS]);
    for line in [
        &whole[..whole.len() - 1],
        &whole[..90],
        &good[..80],
        "",
        "[]",
        "[[]]",
        "{}",
        "null",
        "garbage",
        "[\"0x1\"]",
        "[\"0x1\",[]]",
        "[\"0x1\",{},{}]",
        r#"{"events":7}"#,
        "\u{0}",
    ] {
        let mut out = Decoded::default();
        let refusal = decode_node_line(line, &Instruments::new(), &mut out);
        assert!(matches!(refusal, Err(DecodeError::Malformed(_))), "{line}: {refusal:?}");
        assert!(out.events.is_empty());
    }
}

#[test]
fn a_fill_that_names_its_user_itself_is_read_too() {
    let line = SELLS.fill().replacen('{', &format!(r#"{{"user":"{VICTIM}","#), 1);
    assert!(is_node_line(&line));
    assert_eq!(all(&line)[0].id, all(&SELLS.line())[0].id);
}

#[test]
fn a_nodes_line_is_told_from_a_frame() {
    for line in BY_BLOCK.lines().chain(BY_FILL.lines()).chain(["[]", r#" {"block_number":1,"events":[]}"#]) {
        assert!(is_node_line(line), "{line}");
    }
    for frame in [
        r#"{"channel":"pong"}"#,
        r#"{"channel":"userFills","user":"0x1","tid":1,"data":{"events":[],"block_number":1}}"#,
        "{}",
        "",
        "nonsense",
    ] {
        assert!(!is_node_line(frame), "{frame}");
    }
}

#[test]
fn the_route_of_a_node_carries_the_liquidations_of_all_symbols() {
    let route = node_route("/hl/data/node_fills_by_block");
    assert_eq!((route.venue, route.name.as_str()), (Venue::Hyperliquid, "node-0"));
    let streams: Vec<_> = route.streams().map(|(stream, symbols)| (stream.as_str(), symbols.len())).collect();
    assert_eq!(streams, [("liquidations", 0)]);
}
