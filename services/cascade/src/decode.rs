//! `cascade decode`: raw frames in, one a line; events out, one JSON object a line (contract.md 2).
//!
//! What is not understood is named with its line and counted, and never stops the rest. There is no receive time
//! here, so events carry no `known_at_ms`. Knows no venue's wire format. For Hyperliquid a line of a node's fills
//! (`--write-fills`) is taken as well as a frame.

use std::collections::BTreeMap;
use std::io::{self, BufRead, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use cascade_domain::Venue;
use cascade_venues::{
    DecodeError, Decoded, Instruments, Meaning, Protocol, decode_node_line, is_node_line, protocol,
};
use cascade_wire::event_to_json;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::words::plain;

/// The longest line that is taken for a frame. The largest that venues send are some 100 kB.
const LONGEST_LINE: u64 = 16 * 1024 * 1024;

const EXAMPLES: &str = "\
Examples:
  cascade decode --venue bybit < frames.txt
  cascade decode --venue okx --instruments swap.json --strict < frames.txt > events.jsonl
  websocat wss://ws.example.org | cascade decode --venue binance | jq .notional_usd
  cascade decode --venue hyperliquid < ~/hl/data/node_fills_by_block/hourly/20261009/17

The instruments of OKX, as it answers:
  curl -s 'https://www.okx.com/api/v5/public/instruments?instType=SWAP' > swap.json

Exit: 0 done, 1 refusals under --strict or a failed read, 2 usage or bad instruments.";

/// The flags of `cascade decode`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DecodeArgs {
    /// Whose frames they are
    #[arg(long, value_name = "VENUE", value_parser = venues())]
    venue: Venue,

    /// The venue's own instruments answer as downloaded: where quantities are in contracts, their size stands there
    #[arg(long, value_name = "FILE")]
    instruments: Option<PathBuf>,

    /// Exit 1 if any frame or event was refused
    #[arg(long)]
    strict: bool,
}

fn venues() -> impl TypedValueParser<Value = Venue> {
    PossibleValuesParser::new(Venue::ALL.map(Venue::as_str)).try_map(|name| name.parse::<Venue>())
}

/// Decodes frames from `input` until its end; events go to `out`, refusals and a summary to `err`. Returns the exit
/// code: 0; 1 if reading or writing failed, or something was refused under `--strict`; 2 for bad instruments. A
/// reader of `out` that goes away ends it quietly with 0.
pub(crate) fn run(args: &DecodeArgs, input: impl BufRead, out: &mut impl Write, err: &mut impl Write) -> u8 {
    let protocol = protocol(args.venue);
    let instruments = match instruments(protocol, args.instruments.as_deref()) {
        Ok(table) => table,
        Err(reason) => {
            writeln!(err, "cascade decode: {reason}").ok();
            return 2;
        }
    };
    let mut decoding =
        Decoding { protocol, instruments, decoded: Decoded::default(), tally: Tally::default(), out, err };
    let end = decoding.all(input);
    let (strict, tally) = (args.strict, decoding.tally);
    match end {
        Err(Broken::Output(error)) if error.kind() == ErrorKind::BrokenPipe => return 0,
        Err(Broken::Output(error)) => writeln!(err, "cascade decode: can't write the events: {error}").ok(),
        Err(Broken::Input(error)) => writeln!(err, "cascade decode: can't read the frames: {error}").ok(),
        Ok(()) => {
            writeln!(err, "{}", tally.summary()).ok();
            return u8::from(strict && !tally.refused.is_empty());
        }
    };
    writeln!(err, "{}", tally.summary()).ok();
    1
}

/// The table in the venue's own answer; empty where none is given.
fn instruments(protocol: &dyn Protocol, file: Option<&Path>) -> Result<Instruments, String> {
    let mut table = Instruments::new();
    let Some(file) = file else { return Ok(table) };
    let body = std::fs::read(file).map_err(|e| format!("--instruments {}: {e}", file.display()))?;
    let refused = |reason: String| {
        let (file, venue) = (file.display(), protocol.venue());
        format!("--instruments {file}: {}; give the answer of {venue} as it was downloaded", plain(&reason))
    };
    protocol.read_instruments_file(&body, &mut table).map_err(|e| refused(e.to_string()))?;
    if table.is_empty() {
        return Err(refused("it lists no dollar-quoted perpetual".to_owned()));
    }
    Ok(table)
}

/// Why decoding ended before the input did.
enum Broken {
    Input(io::Error),
    Output(io::Error),
}

/// What became of the lines so far.
#[derive(Debug, Default)]
struct Tally {
    frames: u64,
    events: u64,
    refused: BTreeMap<&'static str, u64>,
    declined: u64,
    auto_deleveraged: u64,
}

impl Tally {
    /// `12 frames, 5 events, 2 refused (1 malformed, 1 unknown_kind)`.
    fn summary(&self) -> String {
        let mut text = format!(
            "{}, {}, {} refused",
            counted(self.frames, "frame"),
            counted(self.events, "event"),
            self.refusals()
        );
        if !self.refused.is_empty() {
            let reasons: Vec<String> =
                self.refused.iter().map(|(why, count)| format!("{count} {why}")).collect();
            text = format!("{text} ({})", reasons.join(", "));
        }
        if self.declined > 0 {
            let subscriptions = counted(self.declined, "subscription");
            text = format!("{text}, {subscriptions} declined by the venue");
        }
        if self.auto_deleveraged > 0 {
            text = format!("{text}, {} auto-deleveraged", counted(self.auto_deleveraged, "trade"));
        }
        text
    }

    fn refusals(&self) -> u64 {
        self.refused.values().sum()
    }
}

fn counted(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// One run over the frames of a venue.
struct Decoding<'a, O, E> {
    protocol: &'static dyn Protocol,
    instruments: Instruments,
    decoded: Decoded,
    tally: Tally,
    out: &'a mut O,
    err: &'a mut E,
}

impl<O: Write, E: Write> Decoding<'_, O, E> {
    fn all(&mut self, mut input: impl BufRead) -> Result<(), Broken> {
        let mut bytes = Vec::new();
        let mut number = 0_u64;
        while let Some(whole) = next_line(&mut input, &mut bytes).map_err(Broken::Input)? {
            number += 1;
            self.line(number, &bytes, whole).map_err(Broken::Output)?;
        }
        self.out.flush().map_err(Broken::Output)
    }

    /// One line, without its end; `whole` is false if it went on beyond what is read.
    fn line(&mut self, number: u64, bytes: &[u8], whole: bool) -> io::Result<()> {
        if !whole {
            self.tally.frames += 1;
            self.refuse(number, "too_long", "longer than 16 MiB");
            return Ok(());
        }
        match std::str::from_utf8(bytes).map(str::trim) {
            Ok("") => Ok(()),
            Ok(frame) if number == 1 && is_recorded(frame) => {
                writeln!(
                    self.err,
                    "this is a recording: its frames are in the field `frame` (docs/recording.md)"
                )?;
                self.tally.frames += 1;
                self.frame(number, frame)
            }
            Ok(frame) => {
                self.tally.frames += 1;
                self.frame(number, frame)
            }
            Err(error) => {
                self.tally.frames += 1;
                self.refuse(number, "not_utf8", &format!("not UTF-8 text: {error}"));
                Ok(())
            }
        }
    }

    fn frame(&mut self, number: u64, frame: &str) -> io::Result<()> {
        let meaning = self.read(frame);
        self.tally.auto_deleveraged += self.decoded.auto_deleveraged;
        for event in &self.decoded.events {
            let mut line = event_to_json(event).map_err(io::Error::other)?;
            line.push('\n');
            self.out.write_all(line.as_bytes())?;
            self.tally.events += 1;
        }
        for refusal in std::mem::take(&mut self.decoded.refused) {
            self.refuse_for(number, &refusal);
        }
        match meaning {
            Err(refusal) => self.refuse_for(number, &refusal),
            Ok(Meaning::Refused { reason, .. }) => {
                self.tally.declined += 1;
                writeln!(self.err, "line {number}: the venue refused a subscription: {}", plain(&reason))
                    .ok();
            }
            Ok(
                Meaning::Market
                | Meaning::Acknowledged(_)
                | Meaning::Pong
                | Meaning::Reply(_)
                | Meaning::Reconnect(_)
                | Meaning::Ignored(_),
            ) => {}
        }
        Ok(())
    }

    /// A frame as the venue's protocol reads it, or a line of a node's fills.
    fn read(&mut self, frame: &str) -> Result<Meaning, DecodeError> {
        if self.protocol.venue() == Venue::Hyperliquid && is_node_line(frame) {
            decode_node_line(frame, &self.instruments, &mut self.decoded)
        } else {
            self.protocol.decode(frame, &self.instruments, &mut self.decoded)
        }
    }

    fn refuse_for(&mut self, number: u64, refusal: &DecodeError) {
        self.refuse(number, refusal.label(), &refusal.to_string());
    }

    /// Names what was refused. If nobody reads `err` any more, there is nowhere left to say so.
    fn refuse(&mut self, number: u64, label: &'static str, reason: &str) {
        *self.tally.refused.entry(label).or_default() += 1;
        writeln!(self.err, "line {number}: {}", plain(reason)).ok();
    }
}

/// Whether a line is one of `cascade record` and no frame of an exchange.
fn is_recorded(line: &str) -> bool {
    line.starts_with("{\"cascade_recording\"") || line.starts_with("{\"recv_ns\"")
}

/// Reads the next line into `bytes`: at most [`LONGEST_LINE`] bytes of it, the rest is passed over. `Some(false)` if
/// there was such a rest, `None` at the end of the input.
fn next_line(input: &mut impl BufRead, bytes: &mut Vec<u8>) -> io::Result<Option<bool>> {
    bytes.clear();
    if input.by_ref().take(LONGEST_LINE).read_until(b'\n', bytes)? == 0 {
        return Ok(None);
    }
    if bytes.pop_if(|last| *last == b'\n').is_some() || (bytes.len() as u64) < LONGEST_LINE {
        return Ok(Some(true));
    }
    pass_over(input).map(|passed| Some(passed == 0))
}

/// Passes over the rest of a line; gives how many bytes it had.
fn pass_over(input: &mut impl BufRead) -> io::Result<usize> {
    let mut passed = 0;
    loop {
        let held = match input.fill_buf() {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            held => held?,
        };
        let end = held.iter().position(|byte| *byte == b'\n');
        let (rest, consumed) = end.map_or((held.len(), held.len()), |at| (at, at + 1));
        passed += rest;
        let done = end.is_some() || held.is_empty();
        input.consume(consumed);
        if done {
            return Ok(passed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYBIT: &str = r#"{"topic":"allLiquidation.BTCUSDT","type":"snapshot","ts":1791565601482,"data":[{"T":1791565600992,"s":"BTCUSDT","S":"Buy","v":"0.006","p":"82396.90"}]}"#;

    fn decoded(strict: bool, input: &[u8]) -> (u8, String, String) {
        let args = DecodeArgs { venue: Venue::Bybit, instruments: None, strict };
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let code = run(&args, input, &mut out, &mut err);
        (code, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
    }

    #[test]
    fn who_decodes_a_recording_as_it_is_is_told_where_its_frames_are() {
        for line in [r#"{"cascade_recording":1}"#, r#"{"recv_ns":1,"venue":"okx","conn":"c","frame":"{}"}"#] {
            assert!(is_recorded(line), "{line}");
        }
        assert!(!is_recorded(r#"{"stream":"!forceOrder@arr"}"#));
    }

    #[test]
    fn the_last_line_needs_no_end_and_carriage_returns_do_not_matter() {
        let (code, out, err) = decoded(true, format!("{BYBIT}\r\n\n  \n{BYBIT}").as_bytes());
        assert_eq!((code, out.lines().count()), (0, 2));
        assert_eq!(err, "2 frames, 2 events, 0 refused\n");
    }

    #[test]
    fn a_line_that_is_no_text_is_refused_and_its_neighbours_are_not() {
        let input = [BYBIT.as_bytes(), b"\n\xff\xfe\n", BYBIT.as_bytes(), b"\n"].concat();
        let (code, out, err) = decoded(true, &input);
        assert_eq!((code, out.lines().count()), (1, 2));
        assert!(err.starts_with("line 2: not UTF-8 text"), "{err}");
        assert!(err.ends_with("3 frames, 2 events, 1 refused (1 not_utf8)\n"), "{err}");
    }

    #[test]
    fn a_line_without_end_is_refused_and_the_next_one_is_read() {
        let mut input = vec![b'x'; 17 * 1024 * 1024];
        input.push(b'\n');
        input.extend_from_slice(BYBIT.as_bytes());
        let (code, out, err) = decoded(false, &input);
        assert_eq!((code, out.lines().count()), (0, 1));
        assert!(err.starts_with("line 1: longer than 16 MiB\n"), "{err}");
    }

    #[test]
    fn a_line_of_the_very_longest_length_is_read_whole() {
        let longest = usize::try_from(LONGEST_LINE).unwrap();
        let padded = format!("{BYBIT}{}\n{BYBIT}\n", " ".repeat(longest - BYBIT.len()));
        let (code, out, _) = decoded(true, padded.as_bytes());
        assert_eq!((code, out.lines().count()), (0, 2));
    }

    #[test]
    fn a_reader_that_goes_away_ends_it_quietly() {
        struct Gone;
        impl Write for Gone {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let args = DecodeArgs { venue: Venue::Bybit, instruments: None, strict: true };
        let mut err = Vec::new();
        assert_eq!(run(&args, BYBIT.as_bytes(), &mut Gone, &mut err), 0);
        assert!(err.is_empty());
    }
}
