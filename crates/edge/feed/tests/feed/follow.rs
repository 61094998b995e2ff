//! Claims about following a node's fills, in real directories.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cascade_domain::{Event, EventTime, Liquidation};
use cascade_feed::{Follow, FollowLimits, Frame, Note, Position, Sink, follow};
use cascade_pace::Clock;
use cascade_venues::{DecodeError, Decoded, Instruments, node_route};
use tempfile::TempDir;
use tokio::sync::oneshot;

use crate::ear::{Ear, Fast, Told, wall};

/// When the tests' clock begins, in milliseconds; the same in a node's spelling.
const BEGUN: i64 = 1_791_565_600_000;
const BEGUN_ISO: &str = "2026-10-09T17:06:40.000000000";

/// A node's directory.
struct Node(TempDir);

impl Node {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn directory(&self) -> PathBuf {
        self.0.path().join("node_fills_by_block")
    }

    fn path(&self, hour: &str) -> PathBuf {
        self.directory().join("hourly").join(hour)
    }

    /// Appends to an hour's file, which may not be there yet.
    fn write(&self, hour: &str, text: &str) {
        fs::create_dir_all(self.path(hour).parent().unwrap()).unwrap();
        let mut file = OpenOptions::new().create(true).append(true).open(self.path(hour)).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn plan(&self, clock: &Arc<Fast>) -> Follow {
        let directory = self.directory();
        Follow {
            route: node_route(directory.to_str().unwrap()),
            directory,
            instruments: Arc::new(Instruments::new()),
            since: EventTime::from_ms(BEGUN - 1_000),
            clock: Arc::clone(clock) as Arc<dyn Clock>,
            limits: FollowLimits { max_line_bytes: 2_000, poll: Duration::from_millis(20) },
        }
    }
}

/// The two rows of one liquidation of so many coins, as a block that was published at this time.
fn block_at(coins: u32, time: &str) -> String {
    let row = |user: &str, side: &str, dir: &str| {
        format!(
            r#"["{user}",{{"coin":"BTC","px":"78215.0","sz":"{coins}","side":"{side}","time":{BEGUN},"dir":"{dir}","crossed":true,"tid":{coins},"liquidation":{{"liquidatedUser":"0x7ba2","markPx":"78219.0","method":"market"}}}}]"#
        )
    };
    let (buyer, victim) = (row("0xecb6", "B", "Open Long"), row("0x7ba2", "A", "Close Long"));
    format!(r#"{{"block_time":"{time}","block_number":{coins},"events":[{buyer},{victim}]}}"#) + "\n"
}

fn block(coins: u32) -> String {
    block_at(coins, BEGUN_ISO)
}

fn blocks(coins: impl IntoIterator<Item = u32>) -> String {
    coins.into_iter().map(block).collect()
}

/// A block in which nobody was liquidated.
const QUIET: &str = "{\"block_number\":1,\"events\":[]}\n";

/// Where the fills have been handed on to, as the one who follows them was told.
#[derive(Clone, Default)]
struct Reached(Arc<Mutex<Vec<Position>>>);

impl Reached {
    fn last(&self) -> Option<Position> {
        self.0.lock().unwrap().last().cloned()
    }
}

/// Follows beside a script.
async fn followed(
    plan: &Follow,
    from: Option<Position>,
    ear: &Ear,
    script: impl Future<Output = ()>,
) -> Option<Position> {
    let (mut sink, reached) = (ear.clone(), Reached::default());
    following(plan, from, &mut sink, &reached, script).await;
    reached.last()
}

async fn following(
    plan: &Follow,
    from: Option<Position>,
    sink: &mut dyn Sink,
    reached: &Reached,
    script: impl Future<Output = ()>,
) {
    let (stop, stopped) = oneshot::channel::<()>();
    let scripted = async {
        script.await;
        drop(stop);
    };
    let mut tell = |position: &Position| reached.0.lock().unwrap().push(position.clone());
    let following = follow(plan, from, sink, &mut tell, async { drop(stopped.await) });
    tokio::join!(following, scripted);
}

fn liquidations(ear: &Ear) -> Vec<Liquidation> {
    let of = |event| if let Event::Liquidation(event) = event { Some(event) } else { None };
    ear.events().into_iter().filter_map(of).collect()
}

/// Whose coins came, in order.
fn coins(ear: &Ear) -> Vec<f64> {
    liquidations(ear).iter().map(|l| l.quantity).collect()
}

fn is_connected(ear: &Ear) -> bool {
    ear.notes().iter().any(|(_, note)| matches!(note, Note::Connected { .. }))
}

fn frames(ear: &Ear) -> usize {
    ear.told().iter().filter(|told| matches!(told, Told::Frame(_))).count()
}

async fn until_coins(ear: &Ear, count: usize) {
    ear.until("the liquidations", |ear| coins(ear).len() == count).await;
}

/// What an end said.
fn reasons(ear: &Ear) -> Vec<String> {
    let end = |(_, note)| if let Note::Ended { end, .. } = note { Some(end.to_string()) } else { None };
    ear.notes().into_iter().filter_map(end).collect()
}

#[tokio::test]
async fn a_node_that_lags_behind_is_not_live_before_it_tells_of_now() {
    let (node, clock) = (Node::new(), Fast::new(1));
    node.write("20261009/17", &block(100));
    let ear = Ear::new(clock.clone());
    let is_live = |ear: &Ear| ear.notes().iter().any(|(_, note)| matches!(note, Note::Live { .. }));
    followed(&node.plan(&clock), None, &ear, async {
        ear.until("connected", is_connected).await;
        node.write("20261009/17", &block_at(1, "2026-10-09T16:06:40.000000000"));
        until_coins(&ear, 1).await;
        assert!(!is_live(&ear), "an hour ago is not now");
        node.write("20261009/17", &block(2));
        ear.until("live", is_live).await;
    })
    .await;
    assert_eq!(coins(&ear), [1.0, 2.0], "what is late is told all the same");
}

#[tokio::test]
async fn a_file_is_followed_from_its_end_as_it_grows() {
    let (node, clock) = (Node::new(), Fast::new(1));
    node.write("20261008/23", &blocks([100]));
    node.write("20261009/17", &blocks([101, 102]));
    let ear = Ear::new(clock.clone());
    let reached = followed(&node.plan(&clock), None, &ear, async {
        ear.until("connected", is_connected).await;
        node.write("20261009/17", &blocks([1, 2]));
        until_coins(&ear, 2).await;
        node.write("20261009/17", &block(3));
        until_coins(&ear, 3).await;
    })
    .await;
    assert_eq!(coins(&ear), [1.0, 2.0, 3.0], "what stood there before is history and not read");
    let length = fs::metadata(node.path("20261009/17")).unwrap().len();
    assert_eq!(reached.unwrap().to_string(), format!("20261009/17:{length}"));
    let kinds: Vec<&str> = ear
        .told()
        .iter()
        .map(|told| match told {
            Told::Frame(_) => "frame",
            Told::Events(_, events) => events[0].kind(),
            Told::Refused(_) => "refused",
            Told::Note(_, Note::Connected { .. }) => "connected",
            Told::Note(_, Note::Live { .. }) => "live",
            Told::Note(_, Note::Ended { .. }) => "ended",
            Told::Note(..) => "other",
        })
        .collect();
    assert_eq!(kinds[..5], ["connected", "frame", "live", "gap", "liquidation"]);
    assert_eq!(kinds.last(), Some(&"ended"));
    let gaps = ear.gaps();
    assert_eq!((gaps.len(), gaps[0].reason.as_str(), gaps[0].symbols.len()), (1, "start", 0));
    assert_eq!(reasons(&ear), ["asked to stop"]);
}

#[tokio::test]
async fn the_directory_of_hourly_files_may_be_named_itself() {
    let (node, clock) = (Node::new(), Fast::new(1));
    node.write("20261009/17", "");
    let mut plan = node.plan(&clock);
    plan.directory = plan.directory.join("hourly");
    let ear = Ear::new(clock.clone());
    followed(&plan, None, &ear, async {
        ear.until("connected", is_connected).await;
        node.write("20261009/17", &block(1));
        until_coins(&ear, 1).await;
    })
    .await;
}

#[tokio::test]
async fn a_half_line_waits_for_its_end_and_the_place_stays_before_it() {
    let (node, clock) = (Node::new(), Fast::new(1));
    node.write("20261009/17", &block(100)[..40]);
    let ear = Ear::new(clock.clone());
    let (whole, line) = (block(1), block(2));
    let plan = node.plan(&clock);
    let reached = followed(&plan, None, &ear, async {
        ear.until("connected", is_connected).await;
        node.write("20261009/17", &block(100)[40..]);
        node.write("20261009/17", &format!("{whole}{}", &line[..80]));
        until_coins(&ear, 1).await;
    })
    .await;
    assert_eq!(coins(&ear), [1.0], "the line in whose middle reading began is passed over");
    assert_eq!(
        reached.clone().unwrap().to_string(),
        format!("20261009/17:{}", block(100).len() + whole.len())
    );

    let ear = Ear::new(clock.clone());
    followed(&plan, reached, &ear, async {
        ear.until("connected", is_connected).await;
        node.write("20261009/17", &line[80..200]);
        node.write("20261009/17", &line[200..]);
        until_coins(&ear, 1).await;
    })
    .await;
    assert_eq!((coins(&ear), ear.refused().len()), (vec![2.0], 0));
}

#[tokio::test]
async fn the_next_hour_is_read_after_the_last_line_of_this_one_and_over_midnight() {
    let (node, clock) = (Node::new(), Fast::new(1));
    node.write("20261009/9", "");
    let ear = Ear::new(clock.clone());
    followed(&node.plan(&clock), None, &ear, async {
        ear.until("connected", is_connected).await;
        node.write("20261009/9", &block(1));
        node.write("20261009/10", &block(2));
        until_coins(&ear, 2).await;
        node.write("20261009/10", &block(3));
        node.write("20261009/23", &block(4));
        node.write("20261010/0", &block(5));
        until_coins(&ear, 5).await;
        node.write("20261010/1", &block(6));
        until_coins(&ear, 6).await;
    })
    .await;
    assert_eq!(coins(&ear), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], "hours without a file are none");
    assert_eq!((ear.refused().len(), ear.lives(), ear.gaps().len()), (0, 1, 1), "another file is no outage");
}

#[tokio::test]
async fn a_restart_at_the_last_place_loses_and_repeats_nothing() {
    let (node, clock) = (Node::new(), Fast::new(1));
    node.write("20261009/17", "");
    let plan = node.plan(&clock);
    let ear = Ear::new(clock.clone());
    let reached = followed(&plan, None, &ear, async {
        ear.until("connected", is_connected).await;
        node.write("20261009/17", &blocks(1..=3));
        until_coins(&ear, 3).await;
    })
    .await;
    node.write("20261009/17", &blocks(4..=5));
    node.write("20261009/18", &blocks(6..=400));
    node.write("20261009/20", &blocks(401..=402));
    let again: Position = reached.unwrap().to_string().parse().unwrap();
    let second = Ear::new(clock.clone());
    let reached = followed(&plan, Some(again), &second, until_coins(&second, 399)).await;
    let all: Vec<f64> = [coins(&ear), coins(&second)].concat();
    assert_eq!(all, (1..=402).map(f64::from).collect::<Vec<_>>());
    assert_eq!(reached.unwrap().to_string(), format!("20261009/20:{}", blocks(401..=402).len()));
    assert_eq!(second.gaps(), [], "nothing is missing");
}

#[tokio::test]
async fn a_truncated_a_replaced_and_a_removed_file_are_told_and_the_newest_is_read() {
    let (node, clock) = (Node::new(), Fast::new(1));
    node.write("20261009/17", &blocks(100..=110));
    let ear = Ear::new(clock.clone());
    let path = node.path("20261009/17");
    followed(&node.plan(&clock), None, &ear, async {
        ear.until("connected", is_connected).await;
        node.write("20261009/17", &block(1));
        until_coins(&ear, 1).await;
        fs::write(&path, block(2)).unwrap();
        until_coins(&ear, 2).await;
        fs::rename(&path, path.with_extension("old")).unwrap();
        ear.until("that there is none", |ear| ear.ends().len() == 3).await;
        node.write("20261009/17", &block(3));
        until_coins(&ear, 3).await;
        let other = node.0.path().join("other");
        fs::write(&other, blocks([3, 4])).unwrap();
        fs::rename(&other, &path).unwrap();
        ear.until("the other file's lines", |ear| coins(ear).last() == Some(&4.0)).await;
        fs::remove_file(&path).unwrap();
        ear.until("that there is none", |ear| {
            ear.ends().last().is_some_and(|(_, end)| *end == "unreachable")
        })
        .await;
        node.write("20261009/18", &block(5));
        ear.until("the next file's line", |ear| coins(ear).last() == Some(&5.0)).await;
    })
    .await;
    assert_eq!(coins(&ear), [1.0, 2.0, 3.0, 3.0, 4.0, 5.0]);
    let reasons = reasons(&ear).join("\n");
    for part in ["17 was truncated", "17 is gone", "17 was replaced", "no file from 20261009/17 on"] {
        assert!(reasons.contains(part), "{part} is missing in\n{reasons}");
    }
    let gaps = ear.gaps();
    assert!(gaps.iter().skip(1).all(|gap| ["closed", "unreachable"].contains(&gap.reason.as_str())));
    assert!(gaps.len() > 4, "{gaps:?}");
}

#[tokio::test]
async fn a_place_whose_file_is_gone_or_shorter_is_told_and_the_newest_file_is_read() {
    let (node, clock) = (Node::new(), Fast::new(1));
    node.write("20261009/17", &block(1));
    for place in ["20261008/3:0", "20261008/3:77", "20261009/17:99999"] {
        let ear = Ear::new(clock.clone());
        followed(&node.plan(&clock), Some(place.parse().unwrap()), &ear, until_coins(&ear, 1)).await;
        assert_eq!(coins(&ear), [1.0], "{place}");
        assert_eq!(ear.ends()[0].1, "closed", "{place}");
    }
}

#[tokio::test]
async fn a_directory_that_appears_later_is_read_from_its_beginning() {
    let (node, clock) = (Node::new(), Fast::new(1));
    let ear = Ear::new(clock.clone());
    followed(&node.plan(&clock), None, &ear, async {
        ear.until("that it is missing", |ear| ear.ends().len() == 1).await;
        let made = node.0.path().join("made");
        fs::create_dir_all(made.join("hourly")).unwrap();
        fs::rename(made, node.directory()).unwrap();
        ear.until("that it is empty", |ear| ear.ends().len() == 2).await;
        node.write("20261009/17", &blocks([1, 2]));
        until_coins(&ear, 2).await;
    })
    .await;
    let reasons = reasons(&ear);
    assert!(reasons[0].contains("node_fills_by_block: No such file or directory"), "{}", reasons[0]);
    assert!(reasons[1].contains("hourly: no hourly file yet"), "{}", reasons[1]);
    assert_eq!(ear.ends().len(), 3, "the same outage is told once, and the stop: {reasons:?}");
    let gaps = ear.gaps();
    assert!(gaps.windows(2).all(|pair| pair[0].to_ms == pair[1].from_ms), "the pieces meet: {gaps:?}");
}

#[tokio::test]
async fn what_is_no_directory_and_no_file_is_named() {
    let (node, clock) = (Node::new(), Fast::new(1));
    fs::write(node.directory(), "").unwrap();
    let ear = Ear::new(clock.clone());
    followed(&node.plan(&clock), None, &ear, ear.until("the reason", |ear| ear.ends().len() == 1)).await;
    assert!(reasons(&ear)[0].contains("Not a directory"), "{:?}", reasons(&ear));

    fs::remove_file(node.directory()).unwrap();
    fs::create_dir_all(node.path("20261009/17")).unwrap();
    let ear = Ear::new(clock.clone());
    followed(&node.plan(&clock), None, &ear, ear.until("the reason", |ear| ear.ends().len() == 1)).await;
    assert!(reasons(&ear)[0].contains("20261009/17: not a file"), "{:?}", reasons(&ear));
}

#[tokio::test]
async fn garbage_is_counted_line_by_line_and_its_neighbours_survive() {
    let (node, clock) = (Node::new(), Fast::new(1));
    node.write("20261009/17", "");
    fs::write(node.path("20261009/17").with_file_name("17.lz4"), "not an hour's file").unwrap();
    let ear = Ear::new(clock.clone());
    followed(&node.plan(&clock), None, &ear, async {
        ear.until("connected", is_connected).await;
        let mut file = OpenOptions::new().append(true).open(node.path("20261009/17")).unwrap();
        file.write_all(b"garbage\n\n\xff\xfe\n{\"events\":[\r\n").unwrap();
        file.write_all(block(1).as_bytes()).unwrap();
        file.write_all("x".repeat(3_000).as_bytes()).unwrap();
        ear.until("the long line", |ear| ear.refused().len() == 4).await;
        file.write_all("x".repeat(300_000).as_bytes()).unwrap();
        file.write_all(format!("\n{}{}", block(2).trim_end(), "\r\n").as_bytes()).unwrap();
        until_coins(&ear, 2).await;
        file.write_all(&block(3).as_bytes()[..70]).unwrap();
        node.write("20261009/18", &block(4));
        until_coins(&ear, 3).await;
    })
    .await;
    assert_eq!(coins(&ear), [1.0, 2.0, 4.0]);
    let refused: Vec<String> = ear.refused().iter().map(DecodeError::to_string).collect();
    assert_eq!(refused.len(), 5, "{refused:?}");
    for (refusal, part) in
        refused[1..].iter().zip(["not UTF-8", "EOF", "more than 2000 bytes", "ends in the"])
    {
        assert!(refusal.contains(part), "{part}: {refusal}");
    }
}

#[tokio::test]
async fn a_node_that_writes_nothing_for_30_s_is_silent_and_its_return_is_told() {
    let (node, clock) = (Node::new(), Fast::new(100));
    node.write("20261009/17", QUIET);
    let ear = Ear::new(clock.clone());
    let begin = "20261009/17:0".parse().unwrap();
    followed(&node.plan(&clock), Some(begin), &ear, async {
        ear.until("live", |ear| ear.lives() == 1).await;
        ear.until("silence, told again while it lasts", |ear| ear.ends().len() > 1).await;
        node.write("20261009/17", QUIET);
        ear.until("live again", |ear| ear.lives() == 2).await;
    })
    .await;
    let ends = ear.ends();
    assert_eq!(ends.last().map(|(_, word)| *word), Some("shutdown"));
    assert!(ends[..ends.len() - 1].iter().all(|(_, word)| *word == "silent"), "{ends:?}");
    assert_eq!(frames(&ear), 2);
    let gaps = ear.gaps();
    assert_eq!(gaps.len(), ends.len(), "one at each end and one at the return");
    assert!(gaps.iter().all(|gap| gap.reason == "silent"), "{gaps:?}");
    assert!(gaps[0].to_ms.since(gaps[0].from_ms) >= 30_000);
    assert!(gaps.windows(2).all(|pair| pair[0].to_ms == pair[1].from_ms), "the pieces meet: {gaps:?}");
}

#[tokio::test]
async fn lines_of_the_last_minute_are_live_and_older_ones_are_history() {
    let (node, clock) = (Node::new(), Fast::new(1));
    node.write("20261009/17", "");
    let ear = Ear::new(clock.clone());
    followed(&node.plan(&clock), None, &ear, async {
        ear.until("connected", is_connected).await;
        node.write("20261009/17", &block_at(1, "2026-10-09T17:06:39.500000000"));
        node.write("20261009/17", &block_at(2, "2026-10-09T17:06:20.000000000"));
        node.write("20261009/17", &block_at(3, "2026-10-09T16:06:40.123456789"));
        let old = r#"["0x7ba2",{"coin":"BTC","px":"1","sz":"4","side":"A","time":1791560000000,"tid":4,"liquidation":{"liquidatedUser":"0x7ba2","method":"market"}}]"#;
        node.write("20261009/17", &format!("{old}\n"));
        until_coins(&ear, 4).await;
    })
    .await;
    let received: Vec<EventTime> = ear
        .told()
        .iter()
        .filter_map(|told| match told {
            Told::Events(at, events) if events[0].kind() == "liquidation" => Some(*at),
            _ => None,
        })
        .collect();
    let known: Vec<EventTime> = liquidations(&ear).iter().map(|l| l.known_at_ms.unwrap()).collect();
    let published = EventTime::from_ms(BEGUN - 500);
    assert_eq!(known[0], published.clamp(received[0].plus_ms(-2_000), received[0]));
    assert_eq!(known[1], received[1].plus_ms(-2_000), "held to what is possible of a live line");
    assert_eq!(known[2].ms(), BEGUN - 3_600_000 + 123);
    assert_eq!(known[3].ms(), 1_791_560_000_000, "the fill's own time, where no block tells one");
}

/// A sink that counts what was deleveraged.
struct Counting(Ear, Arc<Mutex<u64>>);

impl Sink for Counting {
    fn frame(&mut self, frame: Frame<'_>) {
        assert_eq!(frame.route, "node-0");
        self.0.frame(frame);
    }

    fn events(&mut self, received: EventTime, decoded: &mut Decoded) {
        *self.1.lock().unwrap() += decoded.auto_deleveraged;
        Sink::events(&mut self.0, received, decoded);
    }

    fn refused(&mut self, error: &DecodeError) {
        Sink::refused(&mut self.0, error);
    }

    fn note(&mut self, note: Note) {
        self.0.note(note);
    }
}

#[tokio::test]
async fn deleveraging_is_handed_on_apart_although_it_is_no_event() {
    let (node, clock) = (Node::new(), Fast::new(1));
    node.write("20261009/17", "");
    let (ear, count) = (Ear::new(clock.clone()), Arc::new(Mutex::new(0)));
    let mut sink = Counting(ear.clone(), Arc::clone(&count));
    following(&node.plan(&clock), None, &mut sink, &Reached::default(), async {
        ear.until("connected", is_connected).await;
        node.write("20261009/17", &block(1).replace("Open Long", "Auto-Deleveraging"));
        node.write("20261009/17", &block(2));
        until_coins(&ear, 1).await;
    })
    .await;
    assert_eq!((*count.lock().unwrap(), coins(&ear)), (1, vec![2.0]));
}

#[tokio::test]
async fn a_stop_is_obeyed_at_once_while_an_hour_is_read() {
    let (node, clock) = (Node::new(), Fast::new(1));
    node.write("20261009/17", &blocks(1..=20_000));
    let ear = Ear::new(clock.clone());
    let mut asked = None;
    let begin = "20261009/17:0".parse().unwrap();
    let reached = followed(&node.plan(&clock), Some(begin), &ear, async {
        ear.until("the first lines", |ear| !coins(ear).is_empty()).await;
        asked = Some(wall());
    })
    .await;
    assert!(asked.unwrap().elapsed() < Duration::from_secs(2));
    let (heard, reached) = (coins(&ear), reached.unwrap());
    assert!(heard.len() < 20_000, "it was stopped on the way");
    let rest = Ear::new(clock.clone());
    let missing = 20_000 - heard.len();
    followed(&node.plan(&clock), Some(reached), &rest, rest.until("the rest", |ear| frames(ear) == missing))
        .await;
    assert_eq!(coins(&rest).first().copied(), heard.last().map(|coins| coins + 1.0));
}
