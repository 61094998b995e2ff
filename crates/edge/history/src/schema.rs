//! The tables, and how a file of an older form is brought up. Knows no entry of the stream.

use rusqlite::{Connection, TransactionBehavior};

use crate::HistoryError;

/// What marks a file as ours (`PRAGMA application_id`): `CASH`.
const MARK: i64 = 0x4341_5348;

/// What leads from each form to the next; `PRAGMA user_version` says how many of them a file has behind it. A step that
/// was released is never changed.
pub(crate) const STEPS: &[&str] = &["
    CREATE TABLE position (one INTEGER PRIMARY KEY CHECK (one = 1), id TEXT NOT NULL);
    CREATE TABLE alerts (
        revision TEXT PRIMARY KEY, alert TEXT NOT NULL, kind TEXT NOT NULL, rule TEXT NOT NULL, scope TEXT NOT NULL,
        symbol TEXT, phase TEXT NOT NULL, priority TEXT NOT NULL, known_at_ms INTEGER NOT NULL, at_ms INTEGER NOT NULL,
        title TEXT NOT NULL, demo INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX alerts_at ON alerts (at_ms);
    CREATE INDEX alerts_alert ON alerts (alert);
    CREATE INDEX alerts_symbol ON alerts (symbol, at_ms);
    CREATE TABLE deliveries (
        row TEXT PRIMARY KEY, at_ms INTEGER NOT NULL, revision TEXT, destination TEXT NOT NULL, reason TEXT,
        ending TEXT, why TEXT, ended_ms INTEGER, receipt TEXT, letter TEXT
    ) WITHOUT ROWID;
    CREATE INDEX deliveries_revision ON deliveries (revision);
    CREATE INDEX deliveries_at ON deliveries (at_ms);
    CREATE TABLE attempts (entry TEXT NOT NULL, row TEXT NOT NULL, at_ms INTEGER NOT NULL, outcome TEXT NOT NULL,
        said TEXT NOT NULL, PRIMARY KEY (row, at_ms, entry)) WITHOUT ROWID;
    CREATE INDEX attempts_at ON attempts (at_ms);
    CREATE TABLE acts (entry TEXT PRIMARY KEY, at_ms INTEGER NOT NULL, by TEXT NOT NULL, act TEXT NOT NULL,
        about TEXT NOT NULL, refused TEXT) WITHOUT ROWID;
    CREATE INDEX acts_at ON acts (at_ms);
"];

/// Makes the tables of a new file, or brings an older one up by what it lacks of `steps`.
pub(crate) fn bring_up(connection: &mut Connection, path: &str, steps: &[&str]) -> Result<(), HistoryError> {
    let broken = |error: rusqlite::Error| HistoryError::of(path, &error);
    if is_new(connection).map_err(broken)? {
        // Only an empty database takes it.
        connection.execute_batch("PRAGMA auto_vacuum = INCREMENTAL").map_err(broken)?;
    }
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA journal_size_limit = 16777216",
        )
        .map_err(broken)?;
    // Two dispatchers may start at once: who comes second finds it done.
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(broken)?;
    let found = if is_new(&tx).map_err(broken)? { 0 } else { form(&tx, path)? };
    let known = steps.len();
    if found > known {
        return Err(HistoryError::TooNew { path: path.to_owned(), found, known });
    }
    for step in &steps[found..] {
        tx.execute_batch(step).map_err(broken)?;
    }
    if found < known {
        tx.pragma_update(None, "application_id", MARK).map_err(broken)?;
        tx.pragma_update(None, "user_version", i64::try_from(known).unwrap_or(i64::MAX)).map_err(broken)?;
    }
    tx.commit().map_err(broken)
}

/// Says whether a file is one that this version reads as it is.
pub(crate) fn check(connection: &Connection, path: &str) -> Result<(), HistoryError> {
    let (found, known) = (form(connection, path)?, STEPS.len());
    match found.cmp(&known) {
        std::cmp::Ordering::Less => Err(HistoryError::TooOld { path: path.to_owned(), found, known }),
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Greater => Err(HistoryError::TooNew { path: path.to_owned(), found, known }),
    }
}

/// Whether nothing stands in it yet.
fn is_new(connection: &Connection) -> rusqlite::Result<bool> {
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok(tables == 0 && number(connection, "application_id")? == 0)
}

/// How many steps a file of ours has behind it.
fn form(connection: &Connection, path: &str) -> Result<usize, HistoryError> {
    let broken = |error: rusqlite::Error| HistoryError::of(path, &error);
    let mark = number(connection, "application_id").map_err(broken)?;
    let version = number(connection, "user_version").map_err(broken)?;
    match usize::try_from(version) {
        Ok(form) if mark == MARK => Ok(form),
        _ => Err(HistoryError::Foreign { path: path.to_owned() }),
    }
}

fn number(connection: &Connection, pragma: &str) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, pragma, |row| row.get(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_an_older_form_is_brought_up_and_keeps_what_it_holds() {
        let mut connection = Connection::open_in_memory().unwrap();
        bring_up(&mut connection, "f", STEPS).unwrap();
        connection
            .execute("INSERT INTO acts VALUES ('1-0', 5, 'cli:ann@host', 'mute', '{}', NULL)", [])
            .unwrap();
        let later = [STEPS, &["ALTER TABLE acts ADD COLUMN place TEXT NOT NULL DEFAULT 'here'"]].concat();
        bring_up(&mut connection, "f", &later).unwrap();
        bring_up(&mut connection, "f", &later).unwrap();
        let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?));
        let act = connection.query_row("SELECT by, place FROM acts", [], read).unwrap();
        assert_eq!(act, ("cli:ann@host".to_owned(), "here".to_owned()));
        let (found, known) = (later.len(), STEPS.len());
        let too_new = HistoryError::TooNew { path: "f".to_owned(), found, known };
        assert_eq!(bring_up(&mut connection, "f", STEPS), Err(too_new.clone()));
        assert_eq!(check(&connection, "f"), Err(too_new));
    }

    #[test]
    fn a_step_that_fails_leaves_the_file_as_it_was() {
        let mut connection = Connection::open_in_memory().unwrap();
        bring_up(&mut connection, "f", STEPS).unwrap();
        let wrong = [STEPS, &["CREATE TABLE more (a)", "CREATE TABLE acts (a)"]].concat();
        assert!(bring_up(&mut connection, "f", &wrong).is_err());
        assert_eq!(form(&connection, "f"), Ok(STEPS.len()));
        assert!(connection.execute("INSERT INTO more VALUES (1)", []).is_err(), "half a step stayed");
    }
}
