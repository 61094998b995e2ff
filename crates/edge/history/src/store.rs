//! The file: opening it, and taking entries of the stream into it, each once.
//!
//! Knows no question. Calls block.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cascade_bus::StreamId;
use cascade_domain::{Ending, EventTime, Id};
use cascade_wire::{HistoryEntry, HistoryOf};
use rusqlite::{Connection, OpenFlags, OptionalExtension, Transaction, TransactionBehavior, params};

use crate::{HistoryError, schema};

/// How long somebody else may hold the file, wall time.
const PATIENCE: Duration = Duration::from_secs(5);
/// The path of a history that is in memory alone.
const MEMORY: &str = ":memory:";

/// A history. Clones are the same one. Its calls block.
#[derive(Clone, Debug)]
pub struct History {
    path: Arc<str>,
    connection: Arc<Mutex<Connection>>,
}

impl History {
    /// The history in this file, made or brought up to the form of this version where that is needed; `:memory:` = in no
    /// file.
    ///
    /// # Errors
    /// The file can't be had, is broken, somebody else's, or of a newer version.
    pub fn open(path: &str) -> Result<Self, HistoryError> {
        let folder = Path::new(path).parent().filter(|folder| !folder.as_os_str().is_empty());
        if let Some(folder) = folder.filter(|_| path != MEMORY) {
            std::fs::create_dir_all(folder).map_err(|error| HistoryError::Unusable {
                path: path.to_owned(),
                reason: format!("can't make {}: {error}", folder.display()),
            })?;
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
        let mut connection = connect(path, flags)?;
        schema::bring_up(&mut connection, path, schema::STEPS)?;
        Ok(Self::new(path, connection))
    }

    /// The history in a file that somebody else writes, to be asked only. The file must be there.
    ///
    /// # Errors
    /// The file can't be had, is broken, somebody else's, or of another version.
    pub fn read(path: &str) -> Result<Self, HistoryError> {
        // Who may not write its directory can't share the writer's memory: then the file is read as it stands.
        let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)
            .or_else(|_| connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY))?;
        schema::check(&connection, path)?;
        connection.pragma_update(None, "query_only", true).map_err(|error| HistoryError::of(path, &error))?;
        Ok(Self::new(path, connection))
    }

    fn new(path: &str, connection: Connection) -> Self {
        Self { path: Arc::from(path), connection: Arc::new(Mutex::new(connection)) }
    }

    /// The file.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Up to which entry of the stream it has taken.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn position(&self) -> Result<StreamId, HistoryError> {
        self.asked(position)
    }

    /// Takes entries of the stream, in order, and with them that it has taken everything up to `position`: all or
    /// nothing. What it has taken already is passed over. How many were new.
    ///
    /// # Errors
    /// The file can't be written; nothing is taken.
    pub fn apply(
        &self,
        entries: &[(StreamId, HistoryEntry)],
        position: StreamId,
    ) -> Result<usize, HistoryError> {
        self.written(|tx| {
            let before = self::position(tx)?;
            let mut taken = 0;
            for (id, entry) in entries.iter().filter(|(id, _)| *id > before) {
                take(tx, *id, entry)?;
                taken += 1;
            }
            if position > before {
                tx.execute("INSERT OR REPLACE INTO position VALUES (1, ?)", [position.to_string()])?;
            }
            Ok(taken)
        })
    }

    /// Forgets what is older. How many alerts and acts were forgotten.
    ///
    /// # Errors
    /// The file can't be written; nothing is forgotten.
    pub fn prune(&self, before: EventTime) -> Result<usize, HistoryError> {
        let gone = self.written(|tx| {
            let forget =
                |table: &str| tx.execute(&format!("DELETE FROM {table} WHERE at_ms < ?"), [before.ms()]);
            forget("attempts")?;
            forget("deliveries")?;
            Ok(forget("alerts")? + forget("acts")?)
        })?;
        // The room goes back to the system; a reader may hold that up until the next time.
        self.asked(|connection| connection.execute_batch("PRAGMA incremental_vacuum"))?;
        Ok(gone)
    }

    /// Asks something of the file.
    pub(crate) fn asked<T>(
        &self,
        ask: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, HistoryError> {
        ask(&self.connection()).map_err(|error| HistoryError::of(&self.path, &error))
    }

    /// Writes all or nothing.
    fn written<T>(
        &self,
        write: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, HistoryError> {
        let mut connection = self.connection();
        let writing = || {
            let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let written = write(&tx)?;
            tx.commit()?;
            Ok(written)
        };
        writing().map_err(|error| HistoryError::of(&self.path, &error))
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        // A panic leaves no transaction behind: it is rolled back when dropped.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn connect(path: &str, flags: OpenFlags) -> Result<Connection, HistoryError> {
    let connecting = || {
        // Without the flag for URIs: a path is a path, whatever stands in it.
        let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        connection.busy_timeout(PATIENCE)?;
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0))?;
        Ok(connection)
    };
    connecting().map_err(|error| HistoryError::of(path, &error))
}

fn position(connection: &Connection) -> rusqlite::Result<StreamId> {
    let text: Option<String> =
        connection.query_row("SELECT id FROM position", [], |row| row.get(0)).optional()?;
    // Written by `apply` alone.
    Ok(text.and_then(|text| text.parse().ok()).unwrap_or(StreamId::ZERO))
}

/// Takes one entry.
fn take(tx: &Transaction<'_>, id: StreamId, entry: &HistoryEntry) -> rusqlite::Result<()> {
    let at_ms = entry.at_ms;
    match &entry.what {
        HistoryOf::Alert { .. } => alert(tx, entry),
        HistoryOf::Decision { .. } => decision(tx, entry),
        HistoryOf::Attempt { rows, destination, outcome, said } => {
            for row in rows {
                known(tx, *row, at_ms, destination)?;
                tx.prepare_cached("INSERT INTO attempts VALUES (?, ?, ?, ?, ?)")?.execute(params![
                    id.to_string(),
                    row.to_string(),
                    at_ms.ms(),
                    outcome,
                    said
                ])?;
            }
            Ok(())
        }
        HistoryOf::End { row, destination, ending, reason, receipt } => {
            known(tx, *row, at_ms, destination)?;
            let message = receipt.as_ref().and_then(|receipt| receipt.message.as_deref());
            tx.prepare_cached(
                "UPDATE deliveries SET ending = ?, why = ?, ended_ms = ?, receipt = ? WHERE row = ?",
            )?
            .execute(params![ending.as_str(), reason, at_ms.ms(), message, row.to_string()])
            .map(drop)
        }
        HistoryOf::Order { given, refused } => {
            act(tx, (id, at_ms), &given.by, (given.what.as_str(), refused.as_deref()), &given.what)
        }
        HistoryOf::Letters { rows, act: word, by } => {
            letters(tx, rows, word)?;
            act(tx, (id, at_ms), by, (word, None), rows)
        }
    }
}

fn alert(tx: &Transaction<'_>, entry: &HistoryEntry) -> rusqlite::Result<()> {
    let HistoryOf::Alert {
        revision,
        alert,
        kind,
        rule,
        scope,
        symbol,
        phase,
        priority,
        known_at_ms,
        title,
        demo,
    } = &entry.what
    else {
        return Ok(());
    };
    tx.prepare_cached("INSERT OR IGNORE INTO alerts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")?
        .execute(params![
            revision.to_string(),
            alert.to_string(),
            kind,
            rule,
            scope,
            symbol.as_ref().map(ToString::to_string),
            phase.as_str(),
            priority.as_str(),
            known_at_ms.ms(),
            entry.at_ms.ms(),
            title,
            demo
        ])
        .map(drop)
}

/// A row that was decided before stays as it was decided first: it is not made twice.
fn decision(tx: &Transaction<'_>, entry: &HistoryEntry) -> rusqlite::Result<()> {
    let HistoryOf::Decision { row, revision, destination, reason, ending } = &entry.what else {
        return Ok(());
    };
    let is_new = "reason IS NULL AND ending IS NULL";
    known(tx, *row, entry.at_ms, destination)?;
    if let Some(ending) = ending {
        tx.prepare_cached(&format!(
            "UPDATE deliveries SET ending = ?, why = ?, ended_ms = ? WHERE row = ? AND {is_new}"
        ))?
        .execute(params![ending.as_str(), reason.as_str(), entry.at_ms.ms(), row.to_string()])?;
    }
    tx.prepare_cached("UPDATE deliveries SET reason = ?, revision = ? WHERE row = ? AND reason IS NULL")?
        .execute(params![reason.as_str(), revision.to_string(), row.to_string()])
        .map(drop)
}

/// Makes sure that there is such a row: what it was decided for may be older than the stream is kept.
fn known(tx: &Transaction<'_>, row: Id, at: EventTime, destination: &str) -> rusqlite::Result<()> {
    tx.prepare_cached("INSERT OR IGNORE INTO deliveries (row, at_ms, destination) VALUES (?, ?, ?)")?
        .execute(params![row.to_string(), at.ms(), destination])
        .map(drop)
}

/// Dead letters that were put back are open again; those that were dropped stay dead.
fn letters(tx: &Transaction<'_>, rows: &[Id], word: &str) -> rusqlite::Result<()> {
    for row in rows {
        tx.prepare_cached("UPDATE deliveries SET letter = ? WHERE row = ?")?
            .execute(params![word, row.to_string()])?;
        if word == "replayed" {
            tx.prepare_cached(
                "UPDATE deliveries SET ending = NULL, why = NULL, ended_ms = NULL, receipt = NULL \
                 WHERE row = ? AND ending = ?",
            )?
            .execute(params![row.to_string(), Ending::Dead.as_str()])?;
        }
    }
    Ok(())
}

fn act(
    tx: &Transaction<'_>,
    (id, at): (StreamId, EventTime),
    by: &str,
    (word, refused): (&str, Option<&str>),
    about: &impl serde::Serialize,
) -> rusqlite::Result<()> {
    let about = serde_json::to_string(about)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
    tx.prepare_cached("INSERT INTO acts VALUES (?, ?, ?, ?, ?, ?)")?
        .execute(params![id.to_string(), at.ms(), by, word, about, refused])
        .map(drop)
}
