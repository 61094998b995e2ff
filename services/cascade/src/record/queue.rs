//! What stands between those who hear and the one who writes: a bounded queue, and what is counted on the way.
//!
//! A session never waits: what does not fit is counted, and the writer tells it in the next line. Who reads Redis may
//! wait, since the streams keep what it has not read.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use cascade_domain::Venue;
use tokio::sync::mpsc;

use super::line::Line;

/// How many lines may wait to be written.
const MOST_LINES: usize = 65_536;
/// How many bytes they may hold together: some ten seconds of four exchanges at their busiest.
const MOST_BYTES: usize = 128 << 20;

/// What the writer is told.
#[derive(Debug)]
pub(crate) enum Item {
    /// Write this.
    Line(Line),
    /// Look at the clock: is something due?
    Look,
}

/// What is counted while recording.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Lines written, headers left out.
    pub(crate) lines: AtomicU64,
    /// Lines that did not fit into the queue.
    pub(crate) lost: AtomicU64,
    /// Files begun.
    pub(crate) files: AtomicU64,
    /// Compressed bytes of the files that are closed.
    pub(crate) closed_bytes: AtomicU64,
    /// Compressed bytes of the file that is open.
    pub(crate) open_bytes: AtomicU64,
    /// Frames that the session itself did not understand; they are recorded all the same.
    pub(crate) not_understood: AtomicU64,
    /// Entries or events on Redis that are none.
    pub(crate) refused: AtomicU64,
    frames: [AtomicU64; Venue::ALL.len()],
    held_bytes: AtomicUsize,
}

impl Tally {
    /// Adds to one of the counts.
    pub(crate) fn add(count: &AtomicU64, more: u64) {
        count.fetch_add(more, Ordering::Relaxed);
    }

    /// Compressed bytes in all.
    pub(crate) fn bytes(&self) -> u64 {
        self.closed_bytes.load(Ordering::Relaxed) + self.open_bytes.load(Ordering::Relaxed)
    }

    /// A line was written.
    pub(crate) fn written(&self, line: &Line) {
        Self::add(&self.lines, 1);
        if let Line::Frame { venue, .. } = line
            && let Some(at) = Venue::ALL.iter().position(|known| known == venue)
        {
            Self::add(&self.frames[at], 1);
        }
    }

    /// Frames written of each exchange.
    pub(crate) fn frames(&self) -> impl Iterator<Item = (Venue, u64)> {
        Venue::ALL.into_iter().zip(&self.frames).map(|(venue, count)| (venue, count.load(Ordering::Relaxed)))
    }
}

/// The end of the queue into which lines are put. Clones are the same queue.
#[derive(Clone, Debug)]
pub(crate) struct Queue {
    sender: mpsc::Sender<Item>,
    tally: Arc<Tally>,
}

/// The end from which the writer takes.
#[derive(Debug)]
pub(crate) struct Lines {
    receiver: mpsc::Receiver<Item>,
    tally: Arc<Tally>,
}

/// A queue that counts in `tally`.
pub(crate) fn queue(tally: &Arc<Tally>) -> (Queue, Lines) {
    bounded(tally, MOST_LINES)
}

fn bounded(tally: &Arc<Tally>, lines: usize) -> (Queue, Lines) {
    let (sender, receiver) = mpsc::channel(lines);
    (Queue { sender, tally: Arc::clone(tally) }, Lines { receiver, tally: Arc::clone(tally) })
}

impl Queue {
    /// Puts a line in if there is room, and never waits; else it is lost and counted.
    pub(crate) fn offer(&self, line: Line) {
        let size = line.size();
        let held = self.tally.held_bytes.fetch_add(size, Ordering::Relaxed);
        let has_room = held.saturating_add(size) <= MOST_BYTES;
        if !has_room || self.sender.try_send(Item::Line(line)).is_err() {
            self.tally.held_bytes.fetch_sub(size, Ordering::Relaxed);
            Tally::add(&self.tally.lost, 1);
        }
    }

    /// Puts a line in as soon as there is room; `false` if nobody writes any more.
    pub(crate) async fn put(&self, line: Line) -> bool {
        let size = line.size();
        self.tally.held_bytes.fetch_add(size, Ordering::Relaxed);
        let taken = self.sender.send(Item::Line(line)).await.is_ok();
        if !taken {
            self.tally.held_bytes.fetch_sub(size, Ordering::Relaxed);
        }
        taken
    }

    /// Has the writer look at the clock; a full queue means that it does so anyway.
    pub(crate) fn look(&self) {
        self.sender.try_send(Item::Look).ok();
    }

    /// What is counted.
    pub(crate) fn tally(&self) -> &Tally {
        &self.tally
    }
}

impl Lines {
    /// The next item, waiting for it on this thread; `None` when nobody can put in more.
    pub(crate) fn next(&mut self) -> Option<Item> {
        let item = self.receiver.blocking_recv()?;
        if let Item::Line(line) = &item {
            self.tally.held_bytes.fetch_sub(line.size(), Ordering::Relaxed);
        }
        Some(item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(bytes: usize) -> Line {
        Line::Frame { recv_ns: 0, venue: Venue::Okx, conn: "public-0".into(), text: "x".repeat(bytes) }
    }

    #[test]
    fn what_does_not_fit_is_counted_and_what_was_taken_makes_room() {
        let tally = Arc::new(Tally::default());
        let (queue, mut lines) = bounded(&tally, 2);
        for _ in 0..5 {
            queue.offer(frame(10));
        }
        assert_eq!(tally.lost.load(Ordering::Relaxed), 3);
        assert!(matches!(lines.next(), Some(Item::Line(_))));
        queue.offer(frame(10));
        assert_eq!(tally.lost.load(Ordering::Relaxed), 3);
    }

    #[test]
    fn few_large_lines_fill_it_too() {
        let tally = Arc::new(Tally::default());
        let (queue, mut lines) = bounded(&tally, 100);
        for _ in 0..3 {
            queue.offer(frame(MOST_BYTES / 2));
        }
        assert_eq!(tally.lost.load(Ordering::Relaxed), 2, "the second one is just too large with the first");
        drop(queue);
        assert!(lines.next().is_some() && lines.next().is_none());
        assert_eq!(tally.held_bytes.load(Ordering::Relaxed), 0);
    }
}
