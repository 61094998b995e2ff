//! One compressed file: its head, its lines, its end. Knows no clock and no queue.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use cascade_domain::EventTime;
use zstd::stream::write::Encoder;

use super::line::{Answer, Header, Line};
use super::queue::Tally;
use super::shelf::{Part, Shelf, ShelfError};

/// The usual compression: a tenth of the frames' size, at some 200 MB/s.
const LEVEL: i32 = zstd::DEFAULT_COMPRESSION_LEVEL;

/// A compressed file that is being written.
pub(super) struct Archive {
    encoder: Encoder<'static, Counted>,
    /// Where it is now.
    pub(super) part: PathBuf,
    /// Where it will be.
    path: PathBuf,
    pub(super) begun: EventTime,
    pub(super) flushed: EventTime,
    /// Lines written, its head left out.
    pub(super) lines: u64,
}

impl std::fmt::Debug for Archive {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Archive")
            .field("part", &self.part)
            .field("lines", &self.lines)
            .finish_non_exhaustive()
    }
}

impl Archive {
    /// Begins the next file of a recording, with its head.
    pub(super) fn begin(
        shelf: &Shelf,
        header: &mut Header,
        answers: &[Arc<Answer>],
        now: EventTime,
    ) -> Result<Self, ShelfError> {
        let Part { file, at: part, path } = shelf.begin(now)?;
        header.started_ms = now.ms();
        header.file += 1;
        let fail = |e| ShelfError::new("write to", &part, e);
        let mut encoder = Encoder::new(Counted { file, bytes: 0 }, LEVEL).map_err(fail)?;
        encoder.include_checksum(true).map_err(fail)?;
        let mut head = Vec::new();
        header.write(&mut head).map_err(fail)?;
        for answer in answers {
            Line::Answer(Arc::clone(answer)).write(&mut head).map_err(fail)?;
        }
        let mut archive = Self { encoder, part, path, begun: now, flushed: now, lines: 0 };
        archive.write(&head)?;
        archive.flush(now)?;
        Ok(archive)
    }

    pub(super) fn failed(&self, error: io::Error) -> ShelfError {
        ShelfError::new("write to", &self.part, error)
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), ShelfError> {
        self.encoder.write_all(bytes).map_err(|e| self.failed(e))
    }

    /// Brings to the file what was written, so that it can be read from there.
    pub(super) fn flush(&mut self, now: EventTime) -> Result<(), ShelfError> {
        self.flushed = now;
        self.encoder.flush().map_err(|e| self.failed(e))
    }

    /// Compressed bytes in the file by now.
    pub(super) fn bytes(&self) -> u64 {
        self.encoder.get_ref().bytes
    }

    /// Ends the file and gives it its name.
    pub(super) fn close(self, tally: &Tally) -> Result<(), ShelfError> {
        let Self { encoder, part, path, .. } = self;
        let fail = |path: &Path| {
            let path = path.to_owned();
            move |e| ShelfError::new("write to", &path, e)
        };
        let Counted { file, bytes } = encoder.finish().map_err(fail(&part))?;
        file.sync_all().map_err(fail(&part))?;
        std::fs::rename(&part, &path).map_err(fail(&path))?;
        Tally::add(&tally.closed_bytes, bytes);
        tally.open_bytes.store(0, Ordering::Relaxed);
        Ok(())
    }
}

/// A file that counts what goes into it.
struct Counted {
    file: File,
    bytes: u64,
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
