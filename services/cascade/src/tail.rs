//! `cascade tail`: what is published on Redis, a line a finding, as it comes.
//!
//! One finding goes out on several channels; it is printed once. Outages are said on stderr and waited out. Knows no
//! meaning of a finding: `words` has the lines.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Write};
use std::time::Duration;

use cascade_bus::{Bus, BusError, BusSettings, Message, RedisUrl, Subscriber};
use cascade_domain::Id;
use cascade_service::{CommonArgs, Shutdown, random_seed};
use cascade_wire::{Channel, decode_finding, finding_from_json, finding_to_json};
use clap::builder::NonEmptyStringValueParser;
use serde::de::IgnoredAny;
use tokio::time::{sleep, timeout};

use crate::colour;
use crate::words::{line, plain};

/// What is listened to where nothing is named.
const DEFAULT_CHANNELS: [Channel; 3] = [Channel::Signals, Channel::Alerts, Channel::Critical];
/// How often to look whether the connection was lost, wall time.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How long subscribing may take before that is remarked on, wall time.
const PATIENCE: Duration = Duration::from_secs(5);
/// How many findings are remembered so as to print each once.
const REMEMBERED: usize = 4096;
/// What the name of a channel of JSON texts ends in.
const JSON_SUFFIX: &str = ":json";

const EXAMPLES: &str = "\
Channels: cascade:signals, cascade:alerts, cascade:critical (these three by default),
cascade:episodes, cascade:large, cascade:oi (open interest), cascade:ops (feeds); each also with
:json at the end, printed as it comes. Other channels are listened to all the same. A finding on
several channels is printed once.

Examples:
  cascade tail
  cascade tail cascade:critical cascade:large
  cascade tail cascade:episodes --json | jq -r '[.symbol, .state, .level] | @tsv'

Exit: 0 stopped, 1 Redis does not answer at the start, 2 usage or configuration.";

/// The flags of `cascade tail`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct TailArgs {
    /// The channels to listen to
    #[arg(value_name = "CHANNEL", value_parser = NonEmptyStringValueParser::new())]
    channels: Vec<String>,

    /// Print each finding as one line of JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

/// Prints what is published until `shutdown` or until nobody reads. Returns the exit code: 0; 1 if Redis does not
/// answer at the start or stdout fails.
pub(crate) async fn run(args: &TailArgs, redis: &RedisUrl, shutdown: Shutdown) -> u8 {
    let channels = match args.channels.as_slice() {
        [] => DEFAULT_CHANNELS.map(|channel| channel.as_str().to_owned()).to_vec(),
        named => named.to_vec(),
    };
    let mut subscriber = match listen(redis, &channels, &shutdown).await {
        Ok(Some(subscriber)) => subscriber,
        Ok(None) => return 0,
        Err(error) => {
            note(&format!("{redis}: {error}"));
            note("start everything with `cascade up`, or name the Redis to listen to: --redis-url URL");
            return 1;
        }
    };
    note(&format!("listening on {} at {redis}; Ctrl-C ends it", plain(&channels.join(", "))));
    let colour = !args.json && colour::is_wanted();
    let mut printer = Printer { json: args.json, colour, told: VecDeque::new(), printed: 0, unreadable: 0 };
    let end = follow(&mut subscriber, &mut printer, &shutdown).await;
    match end {
        Ok(()) => 0,
        Err(error) if error.kind() == ErrorKind::BrokenPipe => 0,
        Err(error) => {
            note(&format!("can't write to stdout: {error}"));
            1
        }
    }
}

/// A subscriber that is subscribed; `None` if it was asked to stop before.
async fn listen(
    redis: &RedisUrl,
    channels: &[String],
    shutdown: &Shutdown,
) -> Result<Option<Subscriber>, BusError> {
    // Only jitter and the name of the probe channel hang on it.
    let seed = random_seed().unwrap_or_default();
    let settings = BusSettings { instance: format!("tail-{seed:016x}"), seed, ..BusSettings::default() };
    let bus = Bus::open(redis.as_str(), settings)?;
    let subscribing = async {
        bus.ping().await?;
        let mut subscriber = bus.subscriber(channels)?;
        if timeout(PATIENCE, subscriber.subscribed()).await.is_err() {
            note(
                "Redis answers, but does not let us subscribe: is it older than 6, or the user not allowed to?",
            );
            subscriber.subscribed().await;
        }
        Ok(subscriber)
    };
    tokio::select! {
        biased;
        () = shutdown.requested() => Ok(None),
        subscriber = subscribing => subscriber.map(Some),
    }
}

async fn follow(subscriber: &mut Subscriber, printer: &mut Printer, shutdown: &Shutdown) -> io::Result<()> {
    let (mut lost, mut dropped) = (0, 0);
    loop {
        if subscriber.lost() > lost {
            note("the connection to Redis is lost; trying again");
            tokio::select! {
                biased;
                () = shutdown.requested() => break,
                () = subscriber.subscribed() => {}
            }
            note("connected again; what was published in between is missing");
            lost = subscriber.lost();
        }
        if subscriber.dropped() > dropped {
            dropped = subscriber.dropped();
            note(&format!(
                "{dropped} messages were dropped in all: they came faster than they were read here"
            ));
        }
        tokio::select! {
            biased;
            () = shutdown.requested() => break,
            message = subscriber.next() => printer.take(&message)?,
            () = sleep(LOOK_EVERY) => {}
        }
    }
    note(&format!("{} printed, {} unreadable", printer.printed, printer.unreadable));
    Ok(())
}

/// Prints messages, each finding once.
#[derive(Debug)]
struct Printer {
    json: bool,
    colour: bool,
    /// Findings told, with the channel on which each came first.
    told: VecDeque<(Id, String)>,
    printed: u64,
    unreadable: u64,
}

impl Printer {
    fn take(&mut self, message: &Message) -> io::Result<()> {
        match self.text(message) {
            Ok(Some(text)) => {
                self.printed += 1;
                let mut out = io::stdout().lock();
                writeln!(out, "{text}")?;
                out.flush()
            }
            Ok(None) => Ok(()),
            Err(reason) => {
                self.unreadable += 1;
                note(&format!("unreadable on {}: {}", plain(&message.channel), plain(&reason)));
                Ok(())
            }
        }
    }

    /// What to print; `None` for a finding that was printed from another channel.
    fn text(&mut self, message: &Message) -> Result<Option<String>, String> {
        if message.channel.ends_with(JSON_SUFFIX) {
            return as_is(&message.bytes).map(Some);
        }
        let finding = match decode_finding(&message.bytes) {
            Ok(finding) => finding,
            Err(error) => {
                // Other programs' channels may well carry JSON.
                let foreign = Channel::parse(&message.channel).is_none();
                return match as_is(&message.bytes) {
                    Ok(text) if foreign => Ok(Some(self.foreign(text))),
                    Ok(_) | Err(_) => Err(error.to_string()),
                };
            }
        };
        if !self.is_new(finding.id(), &message.channel) {
            return Ok(None);
        }
        if self.json {
            return finding_to_json(&finding).map(Some).map_err(|e| e.to_string());
        }
        Ok(Some(if self.colour { colour::painted(&finding) } else { line(&finding) }))
    }

    /// A JSON text of a channel that is not ours: a finding's line where it is one, else as it is.
    fn foreign(&self, text: String) -> String {
        if self.json {
            return text;
        }
        finding_from_json(&text).map_or(text, |finding| line(&finding))
    }

    /// Whether the finding did not come on another channel before. What a channel says twice is printed twice.
    fn is_new(&mut self, id: Id, channel: &str) -> bool {
        if let Some((_, first)) = self.told.iter().rev().find(|(told, _)| *told == id) {
            return first == channel;
        }
        if self.told.len() >= REMEMBERED {
            self.told.pop_front();
        }
        self.told.push_back((id, channel.to_owned()));
        true
    }
}

/// A JSON text on one line.
fn as_is(bytes: &[u8]) -> Result<String, String> {
    let text = std::str::from_utf8(bytes).map_err(|e| e.to_string())?;
    serde_json::from_str::<IgnoredAny>(text).map_err(|e| format!("not JSON: {e}"))?;
    // Line ends can only stand between the tokens of a JSON text.
    Ok(text.trim().replace(['\r', '\n'], " "))
}

/// A remark on stderr; if nobody reads it, that is no reason to stop.
fn note(text: &str) {
    writeln!(io::stderr(), "cascade tail: {text}").ok();
}

#[cfg(test)]
mod tests {
    use cascade_wire::encode_finding;

    use super::*;

    const FINDING: &str = include_str!("../tests/finding.json");

    fn printer(json: bool) -> Printer {
        Printer { json, colour: false, told: VecDeque::new(), printed: 0, unreadable: 0 }
    }

    fn message(channel: &str, bytes: impl Into<Vec<u8>>) -> Message {
        Message { channel: channel.to_owned(), bytes: bytes.into() }
    }

    fn packed() -> Vec<u8> {
        encode_finding(&finding_from_json(FINDING).unwrap()).unwrap()
    }

    #[test]
    fn a_finding_on_three_channels_is_printed_once_and_a_repetition_on_one_is_printed() {
        let mut printer = printer(false);
        let mut tells = |channel| printer.text(&message(channel, packed())).unwrap().is_some();
        assert!(tells("cascade:signals"));
        assert!(!tells("cascade:alerts") && !tells("cascade:critical"));
        assert!(tells("cascade:signals"), "said twice there");
    }

    #[test]
    fn json_lines_are_the_very_finding() {
        let text = printer(true).text(&message("cascade:signals", packed())).unwrap().unwrap();
        assert_eq!(text, FINDING.trim_end());
    }

    #[test]
    fn json_twins_are_printed_as_they_are_on_one_line() {
        let mut printer = printer(false);
        let text = printer.text(&message("cascade:signals:json", "{\"a\":\n1}\n")).unwrap();
        assert_eq!(text.as_deref(), Some("{\"a\": 1}"));
        let reason = printer.text(&message("cascade:signals:json", packed())).unwrap_err();
        assert!(reason.contains("utf-8"), "{reason}");
    }

    #[test]
    fn our_channels_carry_nothing_but_findings() {
        let mut printer = printer(false);
        assert!(printer.text(&message("cascade:signals", "{\"a\":1}")).is_err());
        assert!(printer.text(&message("cascade:signals", "")).is_err());
        let newer = FINDING.replacen("\"v\":1", "\"v\":2", 1);
        let reason = printer.text(&message("other", "garbage")).unwrap_err();
        assert!(reason.contains("not readable"), "{reason}");
        assert_eq!(
            printer.text(&message("other", newer.clone())).unwrap().as_deref(),
            Some(newer.trim_end())
        );
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut printer = printer(false);
        for bits in 0..2 * REMEMBERED as u64 {
            assert!(printer.is_new(Id::from_bits(bits), "a"));
        }
        assert_eq!(printer.told.len(), REMEMBERED);
        assert!(!printer.is_new(Id::from_bits(2 * REMEMBERED as u64 - 1), "b"));
    }
}
