//! Files: what is taken, what survives, what is refused.

use cascade_bus::StreamId;
use cascade_domain::Ending;
use cascade_history::{History, HistoryError, Question};

use crate::support::{T0, an_hour, attempt, end, letters, numbered};

const ALL: u32 = 1000;

fn everything() -> Question {
    Question { limit: ALL, ..Question::default() }
}

fn path(folder: &tempfile::TempDir) -> String {
    folder.path().join("a/b/history.sqlite").display().to_string()
}

#[test]
fn twice_applied_counts_once() {
    let folder = tempfile::tempdir().unwrap();
    let history = History::open(&path(&folder)).unwrap();
    let entries = an_hour();
    let last = entries.last().unwrap().0;
    assert_eq!(history.apply(&entries, last), Ok(entries.len()));
    let once = history.alerts(&everything()).unwrap();
    assert_eq!(history.apply(&entries, last), Ok(0));
    assert_eq!(history.apply(&entries[3..6], entries[5].0), Ok(0), "an old batch");
    assert_eq!(history.alerts(&everything()).unwrap(), once);
    assert_eq!(history.position(), Ok(last));
    let attempts: usize = once.iter().flat_map(|told| &told.deliveries).map(|d| d.attempts.len()).sum();
    assert_eq!(attempts, 3);
}

#[test]
fn two_who_write_at_once_count_each_entry_once() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (History::open(&path(&folder)).unwrap(), History::open(&path(&folder)).unwrap());
    let entries = an_hour();
    let last = entries.last().unwrap().0;
    let taken = std::thread::scope(|scope| {
        let writing = [&one, &two].map(|history| scope.spawn(|| history.apply(&entries, last).unwrap()));
        writing.map(|writer| writer.join().unwrap())
    });
    assert_eq!(taken.iter().sum::<usize>(), entries.len(), "{taken:?}");
    assert_eq!(one.alerts(&everything()), two.alerts(&everything()));
}

#[test]
fn what_was_taken_is_there_when_the_file_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let entries = an_hour();
    let before = {
        let history = History::open(&path(&folder)).unwrap();
        history.apply(&entries, entries[5].0).unwrap();
        history.alerts(&everything()).unwrap()
    };
    let history = History::open(&path(&folder)).unwrap();
    assert_eq!(history.alerts(&everything()), Ok(before));
    assert_eq!(history.position(), Ok(entries[5].0));
    let reader = History::read(&path(&folder)).unwrap();
    assert_eq!(reader.alerts(&everything()).unwrap().len(), 3);
    assert!(reader.apply(&entries, StreamId { ms: 99, seq: 0 }).is_err(), "who reads does not write");
}

#[test]
fn a_letter_that_is_put_back_is_open_again_and_one_that_is_dropped_stays_dead() {
    let history = History::open(":memory:").unwrap();
    let mut entries = an_hour();
    let number = |entries: Vec<_>, from: u64| {
        entries.into_iter().zip(from..).map(|((_, entry), ms)| (StreamId { ms, seq: 0 }, entry))
    };
    entries.extend(number(numbered([letters(21, "replayed")]), 50));
    let eth = |history: &History| history.alerts(&everything()).unwrap()[1].deliveries[0].clone();
    history.apply(&entries, StreamId { ms: 50, seq: 0 }).unwrap();
    assert_eq!((eth(&history).ending, eth(&history).letter.as_deref()), (None, Some("replayed")));
    let again = number(
        numbered([
            attempt(21, 700, "refused", "chat not found"),
            end(21, 700, Ending::Dead, "gone"),
            letters(21, "dropped"),
        ]),
        60,
    );
    history.apply(&again.collect::<Vec<_>>(), StreamId { ms: 62, seq: 0 }).unwrap();
    let row = eth(&history);
    assert_eq!(
        (row.ending, row.letter.as_deref(), row.attempts.len()),
        (Some(Ending::Dead), Some("dropped"), 2)
    );
}

#[test]
fn what_is_older_than_it_is_kept_goes_and_the_rest_stays() {
    let folder = tempfile::tempdir().unwrap();
    let history = History::open(&path(&folder)).unwrap();
    let entries = an_hour();
    history.apply(&entries, entries.last().unwrap().0).unwrap();
    assert_eq!(history.prune(T0), Ok(0));
    assert_eq!(history.prune(T0.plus_ms(600_000)), Ok(2), "the first alert and the mute");
    let left = history.alerts(&everything()).unwrap();
    assert_eq!(left.iter().map(|told| told.scope.as_str()).collect::<Vec<_>>(), ["ETHUSDT", "market"]);
    assert!(history.acts(&everything()).unwrap().is_empty());
    assert_eq!(history.position(), Ok(entries.last().unwrap().0), "it does not go back");
}

#[test]
fn a_file_that_is_no_database_is_named_with_the_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.sqlite").display().to_string();
    std::fs::write(&path, "my shopping list, which is longer than a header of a hundred bytes".repeat(9))
        .unwrap();
    for opened in [History::open(&path), History::read(&path)] {
        let error = opened.unwrap_err();
        assert!(matches!(error, HistoryError::Broken { .. }), "{error:?}");
        assert!(error.to_string().contains(&format!("mv {path} {path}.broken")), "{error}");
    }
    assert!(std::fs::read_to_string(&path).unwrap().starts_with("my shopping"), "it was overwritten");
}

#[test]
fn a_file_that_breaks_while_it_is_used_is_named_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.sqlite").display().to_string();
    let entries = an_hour();
    History::open(&path).unwrap().apply(&entries, entries[12].0).unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    let header = 100;
    bytes[header..].fill(0x5a);
    std::fs::write(&path, bytes).unwrap();
    let error = History::open(&path).and_then(|history| history.alerts(&everything())).unwrap_err();
    assert!(matches!(error, HistoryError::Broken { .. }), "{error:?}");
}

#[test]
fn a_database_of_somebody_else_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("theirs.sqlite").display().to_string();
    let theirs = rusqlite::Connection::open(&path).unwrap();
    theirs.execute_batch("CREATE TABLE alerts (a); INSERT INTO alerts VALUES (7)").unwrap();
    for opened in [History::open(&path), History::read(&path)] {
        let error = opened.unwrap_err();
        assert_eq!(error, HistoryError::Foreign { path: path.clone() });
        assert!(error.to_string().contains("dispatch.history_path"), "{error}");
    }
    let seven: i64 = theirs.query_row("SELECT a FROM alerts", [], |row| row.get(0)).unwrap();
    assert_eq!(seven, 7);
}

#[test]
fn a_place_where_no_file_can_be_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().display().to_string();
    let error = History::open(&path).unwrap_err();
    assert!(error.to_string().contains(&path), "{error}");
    assert!(History::read(&format!("{path}/none")).is_err());
    assert!(!folder.path().join("none").exists(), "who only asks makes no file");
}
