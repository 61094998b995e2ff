//! The Lua scripts, sent by their hash, many at a time. A server that does not know them (restarted, flushed) is
//! taught once, on a cluster every master, and asked again for those calls alone.

use std::sync::LazyLock;
use std::time::Duration;

use redis::{Cmd, ErrorKind, FromRedisValue, Pipeline, RedisResult, ServerErrorKind};

use crate::BusError;
use crate::link::Link;

/// A script and the hash that it goes by.
pub(crate) struct Script {
    code: &'static str,
    hash: String,
}

/// A script of one file, or of several that are read one after the other.
macro_rules! script {
    ($name:ident, $($file:literal),+) => {
        pub(crate) static $name: LazyLock<Script> = LazyLock::new(|| {
            let code = concat!($(include_str!(concat!("../scripts/", $file, ".lua"))),+);
            Script { code, hash: redis::Script::new(code).get_hash().to_owned() }
        });
    };
}

script!(STORE, "store");
script!(TAKE, "take");
script!(RENEW, "renew");
script!(COMMIT, "trim", "commit");
script!(HOLD, "hold");
script!(LET_GO, "let_go");
script!(TELL, "trim", "tell");
script!(MEET, "meet");
script!(NEWEST, "newest");
script!(READ_UP_TO, "read_up_to");
script!(DECIDE, "books/begin", "books/decide");
script!(CLAIM, "books/begin", "books/claim");
script!(SETTLE, "books/begin", "books/settle");
script!(AUDIT, "books/begin", "books/audit");
script!(ACCOUNTS, "books/begin", "books/accounts");
script!(LETTERS, "books/begin", "books/letters");
script!(ORDER, "books/order");

impl Script {
    /// One call: every key that it touches is in the slot of those that are declared. Arguments are added by the caller.
    pub(crate) fn call(&self, keys: &[&str]) -> Cmd {
        let mut cmd = redis::cmd("EVALSHA");
        cmd.arg(&self.hash).arg(keys.len()).arg(keys);
        cmd
    }

    /// Runs calls of this script in order; each has its own result.
    pub(crate) async fn run<T: FromRedisValue>(
        &self,
        link: &Link,
        calls: impl IntoIterator<Item = Cmd>,
        limit: Duration,
    ) -> Result<Vec<Result<T, BusError>>, BusError> {
        let mut pipe = Pipeline::new();
        for cmd in calls {
            pipe.add_command(cmd);
        }
        let mut results: Vec<RedisResult<T>> = link.pipeline(&mut pipe, limit).await?;
        let mut again = Pipeline::new();
        for (cmd, result) in pipe.cmd_iter().zip(&results) {
            if is_unknown(result) {
                again.add_command(cmd.clone());
            }
        }
        if !again.is_empty() {
            // A master that is away is not taught; its calls fail by themselves.
            link.each_master::<String>(redis::cmd("SCRIPT").arg("LOAD").arg(self.code), limit).await?;
            let second = link.pipeline(&mut again, limit).await?;
            for (result, anew) in results.iter_mut().filter(|result| is_unknown(result)).zip(second) {
                *result = anew;
            }
        }
        Ok(results.into_iter().map(|result| result.map_err(|e| BusError::of(&e))).collect())
    }

    /// Runs one call.
    pub(crate) async fn run_one<T: FromRedisValue>(
        &self,
        link: &Link,
        cmd: Cmd,
        limit: Duration,
    ) -> Result<T, BusError> {
        let mut results = self.run(link, [cmd], limit).await?;
        results.pop().unwrap_or_else(|| Err(BusError::Reply("no answer".to_owned())))
    }
}

fn is_unknown<T>(result: &RedisResult<T>) -> bool {
    matches!(result, Err(e) if e.kind() == ErrorKind::Server(ServerErrorKind::NoScript))
}
