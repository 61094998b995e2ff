//! One replay: lines in, events to the engines, findings out. Knows no file and no thread.

use std::collections::BTreeMap;
use std::io;
use std::sync::mpsc::Receiver;

use cascade_domain::{Event, Finding};
use cascade_engine::Place;
use indicatif::ProgressBar;

use super::engines::Engines;
use super::frames::Frames;
use super::input::Piece;
use super::line::{self, Line};
use super::output::Output;
use super::summary::Summary;
use super::{ReplayArgs, Settings, say};
use crate::record::Kind;
use crate::words::plain;

/// Bad lines of a kind that are named; all are counted.
const NAMED: u64 = 20;

/// How lines are read.
enum Reading {
    /// Their first line says what the files hold.
    ByFirstLine,
    Events,
    Frames(Box<Frames>),
}

/// Where a line stands, for people.
type Stand = (usize, u64);

/// One replay.
pub(super) struct Playing {
    reading: Reading,
    settings: Settings,
    engines: Engines,
    out: Output,
    summary: Summary,
    said: Vec<Finding>,
    /// Lines that are parsed and not heard.
    batch: Vec<Line>,
    batch_lines: usize,
    names: Vec<String>,
    named: BTreeMap<&'static str, u64>,
    progress: ProgressBar,
}

impl Playing {
    pub(super) fn new(args: &ReplayArgs, settings: Settings, out: Output, progress: ProgressBar) -> Self {
        let engines = Engines::new(&settings.signals.cascade, &settings.interest.open_interest);
        let mut playing = Self {
            reading: Reading::ByFirstLine,
            settings,
            engines,
            out,
            summary: Summary::default(),
            said: Vec::new(),
            batch: Vec::new(),
            batch_lines: args.batch.get(),
            names: Vec::new(),
            named: BTreeMap::new(),
            progress,
        };
        if let Some(kind) = args.kind {
            playing.read_as(kind);
        }
        playing
    }

    fn read_as(&mut self, kind: Kind) {
        self.reading = match kind {
            Kind::Events => Reading::Events,
            Kind::Frames => {
                Reading::Frames(Box::new(Frames::new(self.settings.ingest.clone(), self.settings.set)))
            }
        };
    }

    /// Replays what comes, to its end; or to where the output can't be written, and nothing more is read.
    pub(super) fn all(&mut self, names: &[String], pieces: Receiver<Piece>) -> io::Result<()> {
        self.names = names.to_vec();
        let mut stand: Stand = (0, 0);
        for piece in pieces {
            match piece {
                Piece::Lines(lines) => {
                    for bytes in Lines(&lines) {
                        stand.1 += 1;
                        self.line(stand, bytes)?;
                    }
                }
                Piece::TooLong => {
                    stand.1 += 1;
                    self.summary.lines += 1;
                    self.bad(stand, "longer than 64 MiB");
                }
                Piece::End(error) => {
                    if let Some(error) = error {
                        self.summary.broken_files += 1;
                        let (name, lines) = (&self.names[stand.0], stand.1);
                        self.tell(&format!("{name} breaks off after line {lines}: {error}"));
                    }
                    stand = (stand.0 + 1, 0);
                }
            }
        }
        self.hear()
    }

    /// What is held at the end, and what it all comes to.
    pub(super) fn close(mut self) -> io::Result<(String, Summary)> {
        for finding in self.engines.finish() {
            self.summary.finding(&finding);
            self.out.put(&finding)?;
        }
        if let Reading::Frames(frames) = &self.reading {
            self.summary.duplicates = frames.duplicates();
        }
        self.summary.close();
        Ok((self.out.close()?, self.summary))
    }

    fn line(&mut self, stand: Stand, bytes: &[u8]) -> io::Result<()> {
        self.summary.lines += 1;
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text.trim(),
            Err(error) => {
                self.bad(stand, &format!("not UTF-8 text: {error}"));
                return Ok(());
            }
        };
        if text.is_empty() {
            return Ok(());
        }
        if let Reading::ByFirstLine = self.reading {
            self.read_as(kind_of(text));
        }
        if let Reading::Frames(frames) = &mut self.reading {
            let taken = frames.take(text);
            let (events, refused, lost) = (frames.events(), frames.refused(), frames.lost());
            self.summary.missing_notes += u64::from(lost);
            self.summary.refused_frames += refused.len() as u64;
            for reason in refused {
                self.named(stand, "refused", &reason);
            }
            if let Err(reason) = taken {
                self.bad(stand, &reason);
            }
            return events.iter().try_for_each(|event| self.take(None, event));
        }
        match line::read(text) {
            Ok(line) => self.batch.push(line),
            Err(reason) => self.bad(stand, &reason),
        }
        if self.batch.len() >= self.batch_lines { self.hear() } else { Ok(()) }
    }

    /// Has the engines hear what was parsed.
    fn hear(&mut self) -> io::Result<()> {
        let mut batch = std::mem::take(&mut self.batch);
        for line in batch.drain(..) {
            match line {
                Line::Event { place, event } => self.take(place, &event)?,
                Line::Snapshot { shard, at, state } => {
                    self.summary.snapshots += 1;
                    self.engines.resume(shard, at, state);
                }
                Line::Note { shard, note } => {
                    self.summary.missing_notes += 1;
                    let place = shard.map_or_else(String::new, |shard| format!("shard {shard:02}: "));
                    self.tell(&format!("the recording says: {place}{}", plain(&note)));
                }
                Line::Refused => self.summary.refused_on_redis += 1,
                Line::Nothing => {}
            }
        }
        self.batch = batch;
        Ok(())
    }

    fn take(&mut self, place: Option<Place>, event: &Event) -> io::Result<()> {
        let taken = self.engines.take(place, event, &mut self.said);
        self.summary.event(event, taken);
        for finding in self.said.drain(..) {
            self.summary.finding(&finding);
            self.out.put(&finding)?;
        }
        Ok(())
    }

    fn bad(&mut self, stand: Stand, reason: &str) {
        self.summary.bad_lines += 1;
        self.named(stand, "bad", reason);
    }

    /// Names a line, unless many of the kind were named already.
    fn named(&mut self, (file, line): Stand, kind: &'static str, reason: &str) {
        let count = self.named.entry(kind).or_default();
        *count += 1;
        if *count <= NAMED {
            let name = self.names.get(file).map_or("", String::as_str);
            let last = if *count == NAMED { " (further ones are only counted)" } else { "" };
            self.tell(&format!("{name}, line {line}: {}{last}", plain(reason)));
        }
    }

    fn tell(&self, text: &str) {
        self.progress.suspend(|| say(text));
    }
}

/// The lines of a text, without their ends.
struct Lines<'a>(&'a [u8]);

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.0.is_empty() {
            return None;
        }
        let end = memchr::memchr(b'\n', self.0).unwrap_or(self.0.len());
        let (line, rest) = self.0.split_at(end);
        self.0 = rest.get(1..).unwrap_or_default();
        Some(line)
    }
}

/// What a file holds that begins with this line.
fn kind_of(first: &str) -> Kind {
    let says_frames = || {
        let line: Option<serde_json::Value> = serde_json::from_str(first).ok();
        line.is_some_and(|line| {
            line["as"] == "frames" || (line["recv_ns"].is_i64() && line["shard"].is_null())
        })
    };
    if says_frames() { Kind::Frames } else { Kind::Events }
}
