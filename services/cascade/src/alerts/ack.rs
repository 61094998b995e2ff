//! `cascade ack`: somebody takes care of an alert, so that it is not escalated. Asks the dispatcher; decides nothing.

use cascade_bus::{BusError, RedisUrl};
use cascade_domain::{Ask, Id};
use cascade_service::CommonArgs;

use super::asking::done;
use super::{bus, history, note, print, unreachable};
use crate::FAILED;
use crate::words::plain;

const COMMAND: &str = "ack";
/// With how many digits an alert may be named at least.
const SHORTEST: usize = 4;
/// How many digits an alert's id has.
const WHOLE: usize = 16;

const EXAMPLES: &str = "\
Messages and `cascade history` show the id; its first digits will do where only one alert has them.

Examples:
  cascade ack 1564d43e914969af
  cascade ack 1564d43e

Exit: 0 acknowledged, 1 there is no such alert, no dispatcher has taken it (the order stands) or
Redis does not answer, 2 usage or configuration.";

/// The flags of `cascade ack`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct AckArgs {
    /// The alert's id, or its first digits
    #[arg(value_name = "ALERT_ID", value_parser = digits)]
    alert: String,

    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

fn digits(text: &str) -> Result<String, String> {
    let text = text.trim_start_matches('#').to_ascii_lowercase();
    let good = (SHORTEST..=WHOLE).contains(&text.len()) && text.chars().all(|c| c.is_ascii_hexdigit());
    if good {
        Ok(text)
    } else {
        Err(format!("{SHORTEST} to {WHOLE} hex digits are expected, as messages show them"))
    }
}

/// Asks for it; gives the exit code.
pub(crate) async fn run(args: &AckArgs, redis: &RedisUrl, path: &str) -> u8 {
    let (alert, title) = match found(&args.alert, redis, path).await {
        Ok(found) => found,
        Err(code) => return code,
    };
    match asked(alert, redis).await {
        Ok(true) => print(COMMAND, &format!("acknowledged {alert}: {}", plain(&title))),
        Ok(false) => FAILED,
        Err(error) => unreachable(COMMAND, redis, &error),
    }
}

/// The alert that is meant, and its title.
async fn found(digits: &str, redis: &RedisUrl, path: &str) -> Result<(Id, String), u8> {
    let history = history::found(redis, path).await?;
    let looked = digits.to_owned();
    let found = tokio::task::spawn_blocking(move || history.named(&looked)).await;
    match found.map_err(|error| error.to_string()).and_then(|found| found.map_err(|error| error.to_string()))
    {
        Ok(alerts) => match alerts.as_slice() {
            [one] => return Ok(one.clone()),
            [] => note(COMMAND, &format!("no alert {digits} in the history; see `cascade history`")),
            many => {
                let ids: Vec<String> = many.iter().map(|(id, _)| id.to_string()).collect();
                note(COMMAND, &format!("more than one alert begins so: {}", ids.join(", ")));
            }
        },
        Err(error) => note(COMMAND, &error),
    }
    Err(FAILED)
}

async fn asked(alert: Id, redis: &RedisUrl) -> Result<bool, BusError> {
    done(COMMAND, &bus(redis).await?, Ask::Ack { alert }).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alert_is_named_by_its_first_digits() {
        assert_eq!(digits("#1564D43E"), Ok("1564d43e".to_owned()));
        for text in ["", "156", "1564d43e914969af0", "1564%", "btcusdt"] {
            assert!(digits(text).is_err(), "{text}");
        }
    }
}
