//! One connection as its exchange holds it: a bounded queue towards the socket, and what went into it last.
//!
//! Knows no wire format and no socket.

use std::io::Write as _;

use axum::extract::ws::Utf8Bytes;
use cascade_domain::EventTime;
use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::sync::{mpsc, watch};

use crate::wire::{Frame, Session};

/// Frames that may wait for one reader: some seconds of a storm.
const QUEUE_FRAMES: usize = 16_384;

/// A connection's end for its exchange.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) session: Session,
    pub(crate) opened_at: EventTime,
    queue: mpsc::Sender<Frame>,
    /// The last text that the venue itself had to say.
    last: Option<Utf8Bytes>,
    /// Dropped with the connection: that is what cuts the socket.
    _cut: watch::Sender<()>,
}

/// A connection's end for its socket.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) id: u64,
    pub(crate) frames: mpsc::Receiver<Frame>,
    /// Closed when the connection is to be cut.
    pub(crate) cut: watch::Receiver<()>,
    /// Whether nothing may be written at present.
    pub(crate) stalled: watch::Receiver<bool>,
}

impl Connection {
    /// Both ends of a new connection.
    pub(crate) fn open(session: Session, now: EventTime, stalled: watch::Receiver<bool>) -> (Self, Opened) {
        let (queue, frames) = mpsc::channel(QUEUE_FRAMES);
        let (cut_here, cut) = watch::channel(());
        let opened = Opened { id: session.id, frames, cut, stalled };
        (Self { session, opened_at: now, queue, last: None, _cut: cut_here }, opened)
    }

    /// Queues a frame, but for one that is being closed; false if its queue is full or nobody reads it.
    pub(crate) fn take(&mut self, frame: Frame) -> bool {
        if self.session.closing {
            return true;
        }
        self.session.closing = matches!(frame, Frame::Close(..) | Frame::Torn(_));
        self.queue.try_send(frame).is_ok()
    }

    /// The same with what no fault made up: it is what later faults are made of.
    pub(crate) fn tell(&mut self, frame: Frame) -> bool {
        if let Frame::Text(text) = &frame {
            self.last = Some(text.clone());
        }
        self.take(frame)
    }

    /// The first half of the last text, if there was one.
    pub(crate) fn half(&self) -> Option<Frame> {
        let last = self.last.as_ref()?;
        let half = last.get(..last.floor_char_boundary(last.len() / 2))?;
        Some(Frame::text(half.to_owned()))
    }

    /// The last text, to be torn in the middle of its bytes.
    pub(crate) fn torn(&self) -> Option<Frame> {
        self.last.clone().map(Frame::Torn)
    }

    /// The last text, compressed.
    pub(crate) fn gzipped(&self) -> Option<Frame> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(self.last.as_ref()?.as_bytes()).ok()?;
        encoder.finish().ok().map(Frame::Binary)
    }
}
