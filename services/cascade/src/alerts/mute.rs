//! `cascade mute`, `unmute` and `mutes`: alerts that nobody is told for a while. Asks the dispatcher; decides nothing.

use std::time::Duration;

use cascade_bus::{Bus, BusError, RedisUrl};
use cascade_domain::{Ask, Mute, Symbol, Which};
use cascade_pace::Clock;
use cascade_service::{CommonArgs, SystemClock};
use clap::Args;

use super::asking::done;
use super::history::symbol;
use super::span::{length, ms};
use super::{bus, note, print, unreachable};
use crate::columns::table;
use crate::words::{date_time, duration, plain};
use crate::{DONE, FAILED, REFUSED};

const MUTE: &str = "\
Alerts that match every given part are not told until the time is over; with no part, none is.
They stand in the history as suppressed (muted). A market is muted for all its rules.

Examples:
  cascade mute --symbol BTCUSDT --for 1h
  cascade mute --rule large_liquidation --destination phone --for 8h
  cascade mute --for 15m                       everything

Exit: 0 muted, 1 no dispatcher has taken it (the order stands) or Redis does not answer, 2 usage
or configuration.";

const UNMUTE: &str = "\
Lifts the mute of exactly these parts; `cascade mutes` shows which there are.

Examples:
  cascade unmute --symbol BTCUSDT
  cascade unmute --all

Exit: 0 lifted, 1 there is no such mute, no dispatcher has taken it or Redis does not answer, 2
usage or configuration.";

const MUTES: &str = "\
Examples:
  cascade mutes
  cascade mutes --json

Exit: 0 done (also if there are none), 1 Redis does not answer, 2 usage or configuration.";

/// Which alerts.
#[derive(Clone, Debug, Args)]
struct Parts {
    /// About this market
    #[arg(long, value_name = "SYMBOL", value_parser = symbol)]
    symbol: Option<Symbol>,

    /// Of this rule or kind, e.g. cascade, feed
    #[arg(long, value_name = "RULE", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    rule: Option<String>,

    /// To this destination
    #[arg(long, value_name = "NAME", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    destination: Option<String>,
}

impl Parts {
    fn which(&self) -> Which {
        Which { symbol: self.symbol, rule: self.rule.clone(), destination: self.destination.clone() }
    }
}

/// The flags of `cascade mute`.
#[derive(Debug, Args)]
#[command(after_help = MUTE)]
pub(crate) struct MuteArgs {
    #[command(flatten)]
    parts: Parts,

    /// For so long: 90s, 15m, 1h, 1d
    #[arg(long = "for", value_name = "TIME", value_parser = length)]
    length: Duration,

    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

/// The flags of `cascade unmute`.
#[derive(Debug, Args)]
#[command(after_help = UNMUTE)]
pub(crate) struct UnmuteArgs {
    #[command(flatten)]
    parts: Parts,

    /// All mutes that hold
    #[arg(long, conflicts_with_all = ["symbol", "rule", "destination"])]
    all: bool,

    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

/// The flags of `cascade mutes`.
#[derive(Debug, Args)]
#[command(after_help = MUTES)]
pub(crate) struct MutesArgs {
    /// Print them as one JSON array
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

/// Asks for a mute; gives the exit code.
pub(crate) async fn mute(args: &MuteArgs, redis: &RedisUrl) -> u8 {
    const COMMAND: &str = "mute";
    // A mute of what there is not would mute nothing, without a word.
    if let Some(Err(why)) = args.parts.rule.as_deref().map(alert_dispatcher::known_rule) {
        note(COMMAND, &why);
        return REFUSED;
    }
    let asked = async {
        let bus = bus(redis).await?;
        let now = SystemClock::new().now();
        let (what, until_ms) = (args.parts.which(), now.plus_ms(ms(args.length)));
        let said = format!("muted until {} UTC: {}", date_time(until_ms), named(&what));
        let done = done(COMMAND, &bus, Ask::Mute(Mute { what, until_ms })).await?;
        Ok(if done { print(COMMAND, &said) } else { FAILED })
    };
    asked.await.unwrap_or_else(|error| unreachable(COMMAND, redis, &error))
}

/// Asks for the end of mutes; gives the exit code.
pub(crate) async fn unmute(args: &UnmuteArgs, redis: &RedisUrl) -> u8 {
    const COMMAND: &str = "unmute";
    let asked = async {
        let bus = bus(redis).await?;
        let standing: Vec<Which> = standing(&bus).await?.into_iter().map(|mute| mute.what).collect();
        let meant = args.parts.which();
        let meant: Vec<Which> = standing.into_iter().filter(|what| args.all || *what == meant).collect();
        if meant.is_empty() && args.all {
            return Ok(print(COMMAND, "nothing is muted"));
        }
        if meant.is_empty() {
            note(
                COMMAND,
                &format!(
                    "no mute of exactly this holds: {}; see `cascade mutes`",
                    named(&args.parts.which())
                ),
            );
            return Ok(FAILED);
        }
        let mut code = DONE;
        for what in meant {
            let said = format!("no longer muted: {}", named(&what));
            let heard = done(COMMAND, &bus, Ask::Unmute { what }).await?;
            code = code.max(if heard { print(COMMAND, &said) } else { return Ok(FAILED) });
        }
        Ok(code)
    };
    asked.await.unwrap_or_else(|error| unreachable(COMMAND, redis, &error))
}

/// Shows the mutes that hold; gives the exit code.
pub(crate) async fn mutes(args: &MutesArgs, redis: &RedisUrl) -> u8 {
    const COMMAND: &str = "mutes";
    let shown = async {
        let bus = bus(redis).await?;
        let mutes = standing(&bus).await?;
        if args.json {
            return Ok(print(COMMAND, &serde_json::json!(mutes).to_string()));
        }
        Ok(print(COMMAND, &text(&mutes).unwrap_or_else(|| "nothing is muted".to_owned())))
    };
    shown.await.unwrap_or_else(|error| unreachable(COMMAND, redis, &error))
}

/// The mutes that hold.
pub(crate) async fn standing(bus: &Bus) -> Result<Vec<Mute>, BusError> {
    coordinator::mutes(bus, SystemClock::new().now()).await
}

/// The mutes as a table; `None` = there are none.
pub(crate) fn text(mutes: &[Mute]) -> Option<String> {
    let now = SystemClock::new().now();
    let any = |text: Option<String>| text.map_or_else(|| "all".to_owned(), |text| plain(&text));
    let row = |mute: &Mute| {
        let left = u64::try_from(mute.until_ms.since(now) / 1000).unwrap_or(0);
        let what = &mute.what;
        vec![
            any(what.symbol.map(|symbol| symbol.to_string())),
            any(what.rule.clone()),
            any(what.destination.clone()),
            date_time(mute.until_ms),
            duration(left),
        ]
    };
    table(&["MUTED MARKET", "RULE", "DESTINATION", "UNTIL", "LEFT"], mutes.iter().map(row).collect())
}

/// What is muted, in words.
pub(super) fn named(what: &Which) -> String {
    let parts: Vec<String> = [
        what.symbol.map(|symbol| format!("market {symbol}")),
        what.rule.as_ref().map(|rule| format!("rule {}", plain(rule))),
        what.destination.as_ref().map(|name| format!("destination {}", plain(name))),
    ]
    .into_iter()
    .flatten()
    .collect();
    if parts.is_empty() { "everything".to_owned() } else { parts.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_muted_is_said_part_by_part() {
        let btc = Which { symbol: Symbol::parse("BTCUSDT").ok(), ..Which::default() };
        assert_eq!(named(&Which::default()), "everything");
        assert_eq!(named(&btc), "market BTCUSDT");
        let both = Which { rule: Some("cascade".to_owned()), ..btc };
        assert_eq!(named(&both), "market BTCUSDT, rule cascade");
    }
}
