//! Follows the fills that a Hyperliquid node writes, as its hourly files grow. Knows how files follow each other; what
//! a line means is `cascade-venues`' affair, where events go is the [`Sink`]'s.
//!
//! Files are polled, not watched: a node's lines come some ten times a second, so that there is something to read at
//! nearly every look; notifications would save nothing, are missing on network and container mounts, and are lost
//! under load, so that polling would have to stand behind them anyway.

use std::convert::Infallible;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use cascade_domain::EventTime;
use cascade_pace::Clock;
use cascade_venues::{Instruments, Route};
use tokio::fs::{self, File};
use tokio::io::{AsyncReadExt, AsyncSeekExt, SeekFrom};
use tokio::time::sleep;

use crate::End;
use crate::hearing::Hearing;
use crate::hours::{self, Hour, Position};
use crate::lines::Lines;
use crate::sink::Sink;

/// How much is read at once.
const PIECE: u64 = 256 << 10;

/// What is too much, and how often is looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FollowLimits {
    /// The longest line, in bytes; a longer one is refused and passed over. 32 MiB by default.
    pub max_line_bytes: usize,
    /// How long to wait, on the wall, when there is nothing more to read. 200 ms by default.
    pub poll: Duration,
}

impl Default for FollowLimits {
    fn default() -> Self {
        Self { max_line_bytes: 32 << 20, poll: Duration::from_millis(200) }
    }
}

/// What is needed to follow a node's fills.
#[derive(Clone, Debug)]
pub struct Follow {
    /// Its name, what it carries and when it is silent: `cascade_venues::node_route`.
    pub route: Route,
    /// The directory that contains `hourly` (`~/hl/data/node_fills` or `~/hl/data/node_fills_by_block`), or that
    /// directory itself. The files in it are `{YYYYMMDD}/{H}`.
    pub directory: PathBuf,
    /// The venue's instruments.
    pub instruments: Arc<Instruments>,
    /// The one clock of the process.
    pub clock: Arc<dyn Clock>,
    /// Up to where what came before this process is known.
    pub since: EventTime,
    /// What is too much.
    pub limits: FollowLimits,
}

/// Follows a node's fills until `shutdown`, and hands every line on to `sink` as a session does its frames.
///
/// Reading begins at `from`; without it at the end of the newest file, and if there is no file yet, at the beginning of
/// the first that appears. Everything after that is read, once and in order: an hour's file to its end, then the next
/// hour that has one, as soon as it exists and the last one has stayed at its end for a poll. A half line waits for its
/// end. After each batch of lines `reached` is told the place from which another process can go on without loss or
/// repetition. A place in the middle of a line is good as well: the rest of that line is passed over.
///
/// Told are: [`Note::Connected`](crate::Note::Connected) when a file is open, `Live` with the first line that is
/// understood, `Ended` when the directory or a file can't be read (`unreachable`), when no line came within the route's
/// `silent_after` (`silent`), and when a file was truncated, replaced or removed (`closed`; reading goes on at the
/// beginning of the newest file). None of them ends the following; one that lasts is told again every 30 s. Gaps are
/// told by the rules of [`keep`](crate::keep); continuing at `from` leaves none.
///
/// Events know when they could be known: lines of the last minute by the live rule
/// ([`cascade_domain::Event::stamp`]), older ones are history, known when their block was published (or when they
/// happened, where the line tells no block).
pub async fn follow(
    plan: &Follow,
    from: Option<Position>,
    sink: &mut dyn Sink,
    reached: &mut (dyn FnMut(&Position) + Send),
    shutdown: impl Future<Output = ()>,
) {
    let mut shutdown = pin!(shutdown);
    let hearing = Hearing::new(plan, from.is_some(), sink);
    let begin = from.map_or(Begin::AtTheEnd, Begin::At);
    let mut trail = Trail { plan, hearing, reached, begin, reading: None };
    tokio::select! {
        biased;
        () = shutdown.as_mut() => {}
        never = trail.go() => match never {},
    }
    trail.hearing.stopped();
}

/// Where reading begins when no file is open.
#[derive(Clone, Debug)]
enum Begin {
    /// At this place.
    At(Position),
    /// At the end of the newest file.
    AtTheEnd,
    /// At the beginning of the newest file, if it is not before this one.
    NotBefore(Option<Hour>),
}

/// The file that is read.
#[derive(Debug)]
struct Reading {
    base: PathBuf,
    path: PathBuf,
    hour: Hour,
    file: File,
    lines: Lines,
    /// The next hour's file, if it was there when this one was at its end.
    next: Option<Hour>,
}

/// The way through the files.
struct Trail<'a> {
    plan: &'a Follow,
    hearing: Hearing<'a>,
    reached: &'a mut (dyn FnMut(&Position) + Send),
    begin: Begin,
    reading: Option<Reading>,
}

impl Trail<'_> {
    async fn go(&mut self) -> Infallible {
        loop {
            match self.step().await {
                // Whoever shares this thread has its turn between two pieces.
                Ok(true) => tokio::task::yield_now().await,
                Ok(false) => sleep(self.plan.limits.poll).await,
                Err(end) => {
                    self.close_for(&end);
                    self.hearing.ended(end);
                    sleep(self.plan.limits.poll).await;
                }
            }
        }
    }

    /// A file that can't be read is asked for again at the same place; one that is not the same any more is given up.
    fn close_for(&mut self, end: &End) {
        let Some(reading) = self.reading.take_if(|_| *end != End::Silent) else { return };
        self.begin = match end {
            End::Closed { .. } => Begin::NotBefore(Some(reading.hour)),
            _ => Begin::At(reading.position()),
        };
    }

    /// Reads one piece; false if there is nothing to read for now.
    async fn step(&mut self) -> Result<bool, End> {
        if let Some(reading) = &mut self.reading {
            let more = reading.piece().await.map_err(|error| unreachable(&reading.path, &error))?;
            if more {
                self.hand_on();
                return Ok(true);
            }
            return self.at_the_end().await;
        }
        let reading = self.open().await?;
        self.read_on(reading);
        self.hearing.connected();
        Ok(true)
    }

    fn read_on(&mut self, reading: Reading) {
        (self.reached)(&reading.position());
        self.reading = Some(reading);
    }

    /// Hands on the lines that are whole.
    fn hand_on(&mut self) {
        let Some(reading) = &mut self.reading else { return };
        let hearing = &mut self.hearing;
        if reading.lines.give(|line| hearing.line(line)) {
            (self.reached)(&reading.position());
        }
    }

    /// Opens the file where reading begins.
    async fn open(&mut self) -> Result<Reading, End> {
        let base = hours::base(&self.plan.directory).await;
        let begin = self.begin.clone();
        // Whatever appears after this look was not there before.
        if matches!(begin, Begin::AtTheEnd) {
            self.begin = Begin::NotBefore(None);
        }
        let (hour, offset) = match begin {
            Begin::At(position) => (position.hour, Some(position.offset)),
            Begin::AtTheEnd => (newest(&base, None).await?, None),
            Begin::NotBefore(hour) => (newest(&base, hour.as_ref()).await?, Some(0)),
        };
        let opened = Reading::open(&base, hour.clone(), offset, self.plan.limits.max_line_bytes).await;
        if matches!(opened, Err(End::Closed { .. })) {
            self.begin = Begin::NotBefore(Some(hour));
        }
        opened
    }

    /// All that was written is read: is there more to come?
    async fn at_the_end(&mut self) -> Result<bool, End> {
        let Some(reading) = &mut self.reading else { return Ok(false) };
        if let Some(lost) = reading.lost().await? {
            return Err(lost);
        }
        if let Some(next) = reading.next.take() {
            let longest = self.plan.limits.max_line_bytes;
            let next = match Reading::open(&reading.base, next, Some(0), longest).await {
                Err(End::Closed { reason, .. }) => return Err(End::Unreachable(reason)),
                next => next?,
            };
            if reading.lines.has_half() {
                self.hearing.half_line(&reading.path);
            }
            self.read_on(next);
            return Ok(true);
        }
        let next = hours::next_after(&reading.base, &reading.hour).await;
        reading.next = next.map_err(|error| unreachable(&reading.base, &error))?;
        if self.hearing.is_silent() { Err(End::Silent) } else { Ok(false) }
    }
}

/// The newest file, if it is not before this one.
async fn newest(base: &Path, not_before: Option<&Hour>) -> Result<Hour, End> {
    let newest = hours::newest(base).await.map_err(|error| unreachable(base, &error))?;
    let none = || match not_before {
        Some(hour) => format!("{}: no file from {} on", base.display(), hour.name()),
        None => format!("{}: no hourly file yet", base.display()),
    };
    newest.filter(|hour| not_before.is_none_or(|first| hour >= first)).ok_or_else(|| End::Unreachable(none()))
}

impl Reading {
    /// Opens a file at a byte of it; at its end if none is given.
    async fn open(base: &Path, hour: Hour, offset: Option<u64>, longest: usize) -> Result<Self, End> {
        let path = base.join(hour.name());
        let metadata = match fs::metadata(&path).await {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(gone(&path, "is gone"));
            }
            metadata => metadata.map_err(|error| unreachable(&path, &error))?,
        };
        if !metadata.is_file() {
            return Err(End::Unreachable(format!("{}: not a file", path.display())));
        }
        let offset = offset.unwrap_or(metadata.len());
        if offset > metadata.len() {
            return Err(gone(&path, "was truncated"));
        }
        let at_offset = async {
            let mut file = File::open(&path).await?;
            let mut before = [b'\n'];
            if offset > 0 {
                file.seek(SeekFrom::Start(offset - 1)).await?;
                file.read_exact(&mut before).await?;
            }
            Ok((file, before != [b'\n']))
        };
        let (file, is_inside) = at_offset.await.map_err(|error| unreachable(&path, &error))?;
        let lines = Lines::new(offset, is_inside, longest);
        Ok(Self { base: base.to_owned(), path, hour, file, lines, next: None })
    }

    fn position(&self) -> Position {
        Position { hour: self.hour.clone(), offset: self.lines.start() }
    }

    /// Reads a piece; false if there is nothing more for now.
    async fn piece(&mut self) -> std::io::Result<bool> {
        let read = (&mut self.file).take(PIECE).read_to_end(self.lines.rest()).await?;
        if read > 0 {
            self.next = None;
        }
        Ok(read > 0)
    }

    /// Whether this file is no longer the one that its name names, or no longer holds what was read.
    async fn lost(&self) -> Result<Option<End>, End> {
        let named = match fs::metadata(&self.path).await {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Some(gone(&self.path, "is gone")));
            }
            metadata => metadata.map_err(|error| unreachable(&self.path, &error))?,
        };
        let held = self.file.metadata().await.map_err(|error| unreachable(&self.path, &error))?;
        if (named.dev(), named.ino()) != (held.dev(), held.ino()) {
            return Ok(Some(gone(&self.path, "was replaced")));
        }
        Ok((named.len() < self.lines.end()).then(|| gone(&self.path, "was truncated")))
    }
}

fn unreachable(path: &Path, error: &std::io::Error) -> End {
    End::Unreachable(format!("{}: {error}; see venues.hyperliquid.node_fills_dir", path.display()))
}

fn gone(path: &Path, what: &str) -> End {
    End::Closed { code: None, reason: format!("{} {what}", path.display()) }
}
