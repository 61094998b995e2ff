//! The one who writes: takes lines from the queue on a thread of its own, compresses them, begins a new file when the
//! time has come, and deletes the oldest.
//!
//! Every file begins with its header and the REST answers known by then, so that it can be understood by itself; and
//! is flushed every few seconds, so that one that breaks off can be read up to there.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use cascade_domain::EventTime;
use cascade_pace::Clock;

use super::archive::Archive;
use super::line::{Answer, Header, Line, Remark};
use super::queue::{Item, Lines, Tally};
use super::shelf::{Shelf, ShelfError};

/// How old the last flush may get.
const FLUSH_MS: i64 = 4_000;
/// When a file has been filled, and how many stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rotation {
    /// Compressed bytes.
    pub(crate) bytes: u64,
    /// Milliseconds of the clock.
    pub(crate) age_ms: i64,
    /// Compressed bytes of all files together; `None` = all stay.
    pub(crate) keep: Option<u64>,
}

/// Writes one recording.
#[derive(Debug)]
pub(crate) struct Writer {
    shelf: Shelf,
    rotation: Rotation,
    header: Header,
    clock: Arc<dyn Clock>,
    tally: Arc<Tally>,
    /// The last answer to each question.
    answers: Vec<Arc<Answer>>,
    open: Archive,
    told_lost: u64,
    text: Vec<u8>,
}

impl Writer {
    /// Begins the first file.
    pub(crate) fn begin(
        shelf: Shelf,
        rotation: Rotation,
        mut header: Header,
        clock: Arc<dyn Clock>,
        tally: Arc<Tally>,
    ) -> Result<Self, ShelfError> {
        let open = Archive::begin(&shelf, &mut header, &[], clock.now())?;
        Tally::add(&tally.files, 1);
        Ok(Self {
            shelf,
            rotation,
            header,
            clock,
            tally,
            answers: Vec::new(),
            open,
            told_lost: 0,
            text: Vec::new(),
        })
    }

    /// Writes until nobody puts in any more, then closes the file. Blocks its thread.
    pub(crate) fn run(mut self, mut lines: Lines) -> Result<(), ShelfError> {
        while let Some(item) = lines.next() {
            self.take(item)?;
        }
        self.tell_lost()?;
        self.open.close(&self.tally)
    }

    fn take(&mut self, item: Item) -> Result<(), ShelfError> {
        self.tell_lost()?;
        if let Item::Line(line) = item {
            if let Line::Answer(answer) = &line {
                self.answers.retain(|known| !answer.replaces(known));
                self.answers.push(Arc::clone(answer));
            }
            self.write(&line)?;
        }
        self.tally.open_bytes.store(self.open.bytes(), Ordering::Relaxed);
        let now = self.clock.now();
        if now.since(self.open.flushed) >= FLUSH_MS {
            self.open.flush(now)?;
            self.trim()?;
        }
        let is_full = self.open.bytes() >= self.rotation.bytes;
        let is_old = now.since(self.open.begun) >= self.rotation.age_ms;
        if self.open.lines > 0 && (is_full || is_old) {
            self.rotate(now)?;
        }
        Ok(())
    }

    fn write(&mut self, line: &Line) -> Result<(), ShelfError> {
        self.text.clear();
        let formed = line.write(&mut self.text);
        formed.map_err(|e| self.open.failed(e))?;
        self.open.write(&self.text)?;
        self.open.lines += 1;
        self.tally.written(line);
        Ok(())
    }

    /// A remark on what did not fit into the queue since the last one.
    fn tell_lost(&mut self) -> Result<(), ShelfError> {
        let lost = self.tally.lost.load(Ordering::Relaxed);
        let since = lost - self.told_lost;
        if since == 0 {
            return Ok(());
        }
        self.told_lost = lost;
        let note = "lines are missing here: more came than could be written".to_owned();
        tracing::warn!(lost = since, "more comes than can be written");
        let recv_ns = self.clock.now_ns();
        self.write(&Line::Remark(Remark { recv_ns, lost: Some(since), note, ..Remark::default() }))
    }

    fn rotate(&mut self, now: EventTime) -> Result<(), ShelfError> {
        let next = Archive::begin(&self.shelf, &mut self.header, &self.answers, now)?;
        Tally::add(&self.tally.files, 1);
        std::mem::replace(&mut self.open, next).close(&self.tally)?;
        self.trim()
    }

    fn trim(&self) -> Result<(), ShelfError> {
        let Some(keep) = self.rotation.keep else { return Ok(()) };
        for name in self.shelf.trim(keep, &self.open.part)? {
            super::say(&format!("deleted {name}: all files together were above --keep-gb"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Read;
    use std::path::Path;
    use std::sync::atomic::AtomicI64;
    use std::time::Duration;

    use cascade_domain::Venue;
    use serde_json::Value;

    use super::*;
    use crate::record::line::{Kind, Source};
    use crate::record::queue::queue;

    /// A clock that stands until it is moved.
    #[derive(Debug)]
    struct Hand(AtomicI64);

    impl Hand {
        fn new() -> Arc<Self> {
            Arc::new(Self(AtomicI64::new(1_795_266_900_000_000_000)))
        }

        fn moves(&self, ms: i64) {
            self.0.fetch_add(ms * 1_000_000, Ordering::Relaxed);
        }
    }

    impl Clock for Hand {
        fn now_ns(&self) -> i64 {
            self.0.load(Ordering::Relaxed)
        }

        fn wall(&self, of_clock: Duration) -> Duration {
            of_clock
        }
    }

    const NEVER: Rotation = Rotation { bytes: u64::MAX, age_ms: i64::MAX, keep: None };

    struct Bench {
        dir: tempfile::TempDir,
        clock: Arc<Hand>,
        tally: Arc<Tally>,
        writer: Writer,
    }

    impl Bench {
        fn new(rotation: Rotation) -> Self {
            let (dir, clock) = (tempfile::tempdir().unwrap(), Hand::new());
            let tally = Arc::new(Tally::default());
            let shelf = Shelf::open(dir.path(), Kind::Frames).unwrap();
            let header = Source::Frames { symbols: None, exchanges: vec![Venue::Okx] }.header();
            let writer =
                Writer::begin(shelf, rotation, header, Arc::<Hand>::clone(&clock), Arc::clone(&tally))
                    .unwrap();
            Self { dir, clock, tally, writer }
        }

        fn files(&self) -> Vec<std::path::PathBuf> {
            let mut files: Vec<_> =
                std::fs::read_dir(self.dir.path()).unwrap().map(|e| e.unwrap().path()).collect();
            files.sort();
            files
        }

        fn frame(&mut self, number: u32) {
            // A hundred characters that hardly compress, the same in every run.
            let noise: Vec<_> = (0..7_u64)
                .map(|i| {
                    u64::from(number)
                        .wrapping_mul(0x9E37_79B9)
                        .wrapping_add(i)
                        .wrapping_mul(0xBF58_476D_1CE4_E5B9)
                })
                .collect();
            let text = format!("frame {number} {noise:016x?}");
            let line = Line::Frame { recv_ns: 1, venue: Venue::Okx, conn: "public-0".into(), text };
            self.writer.take(Item::Line(line)).unwrap();
        }

        fn answer(&mut self, url: &str, frame: &str) {
            self.writer.take(Item::Line(Line::Answer(Arc::new(answer(url, frame))))).unwrap();
        }

        fn sample(&mut self, url: &str, frame: &str) {
            self.writer.take(Item::Line(Line::Sample(Box::new(answer(url, frame))))).unwrap();
        }
    }

    fn answer(url: &str, frame: &str) -> Answer {
        let (url, frame) = (url.to_owned(), frame.to_owned());
        Answer { recv_ns: 1, venue: Venue::Okx, conn: "rest", url, body: None, frame }
    }

    /// What can be read of a file, and whether it is whole.
    fn read(path: &Path) -> (Vec<Value>, bool) {
        let mut bytes = Vec::new();
        let whole = zstd::Decoder::new(File::open(path).unwrap()).unwrap().read_to_end(&mut bytes).is_ok();
        let text = String::from_utf8(bytes).unwrap();
        let lines = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        (lines.map(|line| serde_json::from_str(line).unwrap()).collect(), whole)
    }

    #[test]
    fn what_was_flushed_can_be_read_while_it_is_written_and_the_whole_when_it_is_closed() {
        let mut bench = Bench::new(NEVER);
        for number in 0..10 {
            bench.frame(number);
        }
        let part = bench.files().remove(0);
        assert!(part.to_str().unwrap().ends_with("frames-20261121T131500Z.jsonl.zst.part"));
        assert_eq!(read(&part).0.len(), 1, "the header is there from the beginning");
        bench.clock.moves(5_000);
        bench.writer.take(Item::Look).unwrap();
        let (lines, whole) = read(&part);
        assert_eq!((lines.len(), whole), (11, false));
        bench.frame(10);
        let (_, lines) = queue(&bench.tally);
        let Bench { dir, writer, tally, .. } = bench;
        writer.run(lines).unwrap();
        let path = dir.path().join("frames-20261121T131500Z.jsonl.zst");
        let (lines, whole) = read(&path);
        assert_eq!((lines.len(), whole, lines[0]["file"].as_u64()), (12, true, Some(1)));
        assert_eq!(tally.bytes(), std::fs::metadata(&path).unwrap().len());
    }

    #[test]
    fn a_file_that_is_cut_reads_up_to_the_cut() {
        let mut bench = Bench::new(NEVER);
        for number in 0..3_000 {
            bench.frame(number);
            bench.clock.moves(20);
        }
        let (_, lines) = queue(&bench.tally);
        let Bench { dir, writer, .. } = bench;
        writer.run(lines).unwrap();
        let path = dir.path().join("frames-20261121T131500Z.jsonl.zst");
        let (whole, bytes) = (read(&path).0, std::fs::read(&path).unwrap());
        for part in [2, 3, 10] {
            std::fs::write(&path, &bytes[..bytes.len() / part]).unwrap();
            let (cut, ended) = read(&path);
            assert!(!ended && cut.len() > whole.len() / part / 2, "{} of {}", cut.len(), whole.len());
            assert_eq!(cut[..], whole[..cut.len()]);
        }
    }

    #[test]
    fn every_file_has_the_last_answers_at_its_head() {
        let mut bench = Bench::new(Rotation { age_ms: 60_000, ..NEVER });
        bench.answer("/instruments", "old");
        bench.answer("/other", "other");
        bench.answer("/instruments", "new");
        bench.sample("/open-interest", "of that moment alone");
        bench.clock.moves(60_000);
        bench.writer.take(Item::Look).unwrap();
        bench.frame(1);
        bench.clock.moves(4_000);
        bench.writer.take(Item::Look).unwrap();
        let files = bench.files();
        assert_eq!(files.len(), 2);
        let (first, second) = (read(&files[0]), read(&files[1]));
        assert!(first.1 && !second.1);
        let answers: Vec<_> = second.0[1..3].iter().map(|line| line["frame"].as_str().unwrap()).collect();
        assert_eq!((second.0[0]["file"].as_u64(), answers), (Some(2), vec!["other", "new"]));
        assert_eq!(second.0.len(), 4);
        bench.clock.moves(3_600_000);
        bench.writer.take(Item::Look).unwrap();
        bench.clock.moves(3_600_000);
        bench.writer.take(Item::Look).unwrap();
        assert_eq!(bench.files().len(), 3, "no file is left for one in which nothing stands");
    }

    #[test]
    fn a_full_file_gives_way_and_the_oldest_go() {
        let mut bench = Bench::new(Rotation { bytes: 2_000, keep: Some(5_000), ..NEVER });
        for number in 0..400 {
            bench.frame(number);
            bench.clock.moves(1_000);
        }
        let written = bench.tally.files.load(Ordering::Relaxed);
        let files = bench.files();
        assert!(written > 6 && files.len() >= 2, "{written} files, {} left", files.len());
        let left: u64 = files.iter().map(|file| std::fs::metadata(file).unwrap().len()).sum();
        assert!(left <= 5_500, "{left} bytes");
        assert!(read(&files[0]).1, "a whole one was left");
    }

    #[test]
    fn lost_lines_are_told_where_they_are_missing() {
        let mut bench = Bench::new(NEVER);
        bench.frame(1);
        Tally::add(&bench.tally.lost, 7);
        bench.frame(2);
        bench.frame(3);
        bench.clock.moves(5_000);
        bench.writer.take(Item::Look).unwrap();
        let lines = read(&bench.files()[0]).0;
        let lost: Vec<_> = lines.iter().map(|line| line["lost"].as_u64()).collect();
        assert_eq!(lost, [None, None, Some(7), None, None]);
        assert!(lines[2]["note"].as_str().unwrap().contains("missing"), "{}", lines[2]);
    }
}
