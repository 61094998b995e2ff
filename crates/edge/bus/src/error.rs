//! Why something on Redis did not work, without secrets, and whether to try again.

use redis::{ErrorKind, RedisError, ServerErrorKind};

/// Why a command, a connection or a private server failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BusError {
    /// The URL names no Redis; the user part and the query are not shown.
    #[error(
        "`{url}` is not the URL of a Redis ({reason}); write redis://HOST:PORT, redis+cluster://HOST:PORT,HOST:PORT \
         or redis+sentinel://HOST:PORT,HOST:PORT/MASTER, with TLS rediss"
    )]
    Url {
        /// The URL without user, password and query.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No connection, or it broke. The next call connects anew.
    #[error("Redis is not reachable: {0}")]
    Unreachable(String),
    /// No answer in time. The connection is given up and the next call connects anew.
    #[error("Redis did not answer within {0} ms")]
    Timeout(u128),
    /// Redis does not let us in.
    #[error("Redis refuses the user or the password: {0}")]
    Credentials(String),
    /// Redis takes no writes for now: out of memory, unable to save, or a replica.
    #[error("Redis takes no writes: {0}")]
    ReadOnly(String),
    /// Redis answered with an error.
    #[error("Redis refused the command: {0}")]
    Refused(String),
    /// Redis answered something that makes no sense here, e.g. a key that holds another type.
    #[error("Redis answered something unexpected: {0}")]
    Reply(String),
    /// This Redis can't serve us: too old, a replica, or a cluster where none is named (or the other way round).
    #[error("this Redis can't be used: {0}")]
    Unfit(String),
    /// There is no `redis-server` to start.
    #[error(
        "redis-server is not installed; install it: `apt-get install redis-server` or `brew install redis`"
    )]
    NotInstalled,
    /// A private `redis-server` did not start or obey.
    #[error("the private redis-server: {0}")]
    Server(String),
}

impl BusError {
    /// Whether the same call may succeed later without anybody changing anything.
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::Timeout(_) | Self::ReadOnly(_))
    }

    /// The word that labels the reason in metrics.
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Url { .. } => "url",
            Self::Unreachable(_) => "unreachable",
            Self::Timeout(_) => "timeout",
            Self::Credentials(_) => "credentials",
            Self::ReadOnly(_) => "read_only",
            Self::Refused(_) => "refused",
            Self::Reply(_) => "reply",
            Self::Unfit(_) => "unfit",
            Self::NotInstalled | Self::Server(_) => "server",
        }
    }

    pub(crate) fn of(error: &RedisError) -> Self {
        let text = error.to_string();
        match error.kind() {
            // The nodes of a cluster each said why.
            ErrorKind::Io if ["NOAUTH", "WRONGPASS"].iter().any(|code| text.contains(code)) => {
                Self::Credentials(text)
            }
            ErrorKind::Io
            | ErrorKind::ClusterConnectionNotFound
            | ErrorKind::MasterNameNotFoundBySentinel
            | ErrorKind::Parse
            | ErrorKind::Server(
                ServerErrorKind::BusyLoading
                | ServerErrorKind::TryAgain
                | ServerErrorKind::ClusterDown
                | ServerErrorKind::Moved
                | ServerErrorKind::Ask
                | ServerErrorKind::MasterDown,
            ) => Self::Unreachable(text),
            ErrorKind::AuthenticationFailed => Self::Credentials(text),
            ErrorKind::UnexpectedReturnType => Self::Reply(text),
            ErrorKind::RESP3NotSupported => Self::Unfit("older than version 6.2".to_owned()),
            _ if matches!(error.code(), Some("OOM" | "MISCONF" | "READONLY" | "NOREPLICAS")) => {
                Self::ReadOnly(text)
            }
            _ if error.code() == Some("NOAUTH") || error.code() == Some("WRONGPASS") => {
                Self::Credentials(text)
            }
            _ => Self::Refused(text),
        }
    }
}

/// A URL as it may be shown: without user, password and query.
pub fn redacted(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").map_or(("", url), |(scheme, rest)| (scheme, rest));
    let rest = rest.split_once('?').map_or(rest, |(before, _)| before);
    let (user, place) = rest.rsplit_once('@').map_or(("", rest), |(_, place)| ("***@", place));
    let separator = if scheme.is_empty() { "" } else { "://" };
    format!("{scheme}{separator}{user}{place}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_its_secrets() {
        assert_eq!(redacted("redis://127.0.0.1:6379/2"), "redis://127.0.0.1:6379/2");
        assert_eq!(redacted("rediss://ann:s3cret@db.example:6380/0"), "rediss://***@db.example:6380/0");
        assert_eq!(redacted("redis://:p@ss/w@rd@h:1"), "redis://***@h:1");
        assert_eq!(redacted("unix:///run/redis.sock?pass=s3cret"), "unix:///run/redis.sock");
        assert_eq!(redacted("s3cret@host"), "***@host");
        assert_eq!(redacted("redis+cluster://:p1@h1:1,:p2@h2:2"), "redis+cluster://***@h2:2");
    }
}
