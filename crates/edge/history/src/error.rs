//! Why a history can't be had, with the way out. Knows no command.

use rusqlite::ErrorCode;

/// Why a file of history can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HistoryError {
    /// It can't be opened, read or written: a directory, a right, a full disk, somebody who holds it for long.
    #[error("the history {path}: {reason}")]
    Unusable {
        /// The file.
        path: String,
        /// What the system says.
        reason: String,
    },
    /// It is no SQLite database, or a broken one.
    #[error(
        "the history {path} is broken ({reason}); move it away (mv {path} {path}.broken) and alert-dispatcher makes it \
         anew from Redis, as far back as dispatch.history_days"
    )]
    Broken {
        /// The file.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// It is a database of somebody else.
    #[error("{path} is a database, but not a history of alerts; name another file: dispatch.history_path")]
    Foreign {
        /// The file.
        path: String,
    },
    /// A newer version wrote it.
    #[error(
        "the history {path} is of form {found}, this version knows up to {known}; update, or name another file: \
         dispatch.history_path"
    )]
    TooNew {
        /// The file.
        path: String,
        /// Its form.
        found: usize,
        /// The newest that this version knows.
        known: usize,
    },
    /// An older version wrote it, and nobody has brought it up yet.
    #[error(
        "the history {path} is of form {found}, this version reads {known}; alert-dispatcher of this version brings it \
         up when it starts"
    )]
    TooOld {
        /// The file.
        path: String,
        /// Its form.
        found: usize,
        /// The one that this version reads.
        known: usize,
    },
    /// Redis did not give the stream, or the thread of a question died.
    #[error("the history on Redis: {0}")]
    Stream(String),
}

impl HistoryError {
    /// What an error of SQLite means for the file at `path`.
    pub(crate) fn of(path: &str, error: &rusqlite::Error) -> Self {
        let (path, reason) = (path.to_owned(), error.to_string());
        match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => Self::Broken { path, reason },
            _ => Self::Unusable { path, reason },
        }
    }
}
