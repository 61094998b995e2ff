//! The lines of files, plain or compressed, read and unpacked on a thread of their own.
//!
//! Whether a file is compressed, and how, is told by how it begins. Knows nothing of what the lines say.

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::mpsc::SyncSender;

use flate2::read::MultiGzDecoder;
use indicatif::ProgressBar;

/// Bytes that are unpacked at once.
const PIECE: usize = 256 * 1024;
/// The longest line that is taken: the largest REST answers have some 10 MB.
const LONGEST_LINE: usize = 64 << 20;
/// The largest window that a zstd file may ask for, as a power of two: what `zstd --long=31` makes.
const LARGEST_WINDOW: u32 = 31;
const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
/// How a zstd frame begins that holds none of the content, after its first byte.
const ZSTD_SKIPPED: (Range<u8>, &[u8]) = (0x50..0x60, &[0x2a, 0x4d, 0x18]);

/// What is read.
#[derive(Debug)]
pub(super) enum Piece {
    /// Whole lines with their ends; only at a file's end the last may lack its own.
    Lines(Vec<u8>),
    /// A line that is longer than any is.
    TooLong,
    /// The file is over; if it broke off, why.
    End(Option<io::Error>),
}

/// A file that was opened.
pub(super) struct Source {
    /// As it was named.
    pub(super) name: String,
    /// Its size; `None` where that is not known.
    pub(super) bytes: Option<u64>,
    from: Box<dyn Read + Send>,
}

impl Source {
    /// Opens a file; `-` is the standard input.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let name = path.display().to_string();
        if name == "-" {
            return Ok(Self { name: "stdin".to_owned(), bytes: None, from: Box::new(io::stdin()) });
        }
        let file = File::open(path)?;
        let about = file.metadata()?;
        if about.is_dir() {
            return Err(io::Error::new(io::ErrorKind::IsADirectory, "a directory; name the files in it"));
        }
        Ok(Self { name, bytes: about.is_file().then_some(about.len()), from: Box::new(file) })
    }

    /// Opens all, or says of each that can't be why.
    pub(super) fn open_all(paths: &[PathBuf]) -> Result<Vec<Self>, Vec<String>> {
        let opened =
            |path: &PathBuf| Self::open(path).map_err(|e| format!("can't read {}: {e}", path.display()));
        let (opened, failed): (Vec<_>, Vec<_>) = paths.iter().map(opened).partition(Result::is_ok);
        if failed.is_empty() {
            Ok(opened.into_iter().flatten().collect())
        } else {
            Err(failed.into_iter().filter_map(Result::err).collect())
        }
    }

    /// Sends the file in pieces, and its end. `false` if nobody takes them any more.
    pub(super) fn send(self, progress: &ProgressBar, to: &SyncSender<Piece>) -> bool {
        let counted = progress.wrap_read(self.from);
        let mut failed = None;
        let taken = match unpacked(counted) {
            Ok(mut unpacked) => send_lines(&mut unpacked, to, &mut failed),
            Err(error) => {
                failed = Some(error);
                true
            }
        };
        taken && to.send(Piece::End(failed)).is_ok()
    }
}

/// The content of what is read, by how it begins.
fn unpacked(mut from: impl Read + Send + 'static) -> io::Result<Box<dyn Read + Send>> {
    let mut head = Vec::new();
    from.by_ref().take(4).read_to_end(&mut head)?;
    let is_skipped = || {
        let (first, rest) = ZSTD_SKIPPED;
        head.first().is_some_and(|byte| first.contains(byte)) && head[1..].starts_with(rest)
    };
    let (is_gzip, is_zstd) = (head.starts_with(GZIP), head.starts_with(ZSTD) || is_skipped());
    let whole = Cursor::new(head).chain(from);
    Ok(if is_gzip {
        Box::new(MultiGzDecoder::new(BufReader::with_capacity(PIECE, whole)))
    } else if is_zstd {
        let mut decoder = zstd::Decoder::new(whole)?;
        decoder.window_log_max(LARGEST_WINDOW)?;
        Box::new(decoder)
    } else {
        Box::new(whole)
    })
}

/// Sends whole lines until the end, or until reading fails. `false` if nobody takes them any more.
fn send_lines(from: &mut dyn Read, to: &SyncSender<Piece>, failed: &mut Option<io::Error>) -> bool {
    let mut held: Vec<u8> = Vec::new();
    // The rest of a line that is too long is passed over.
    let mut is_passing = false;
    loop {
        let start = held.len();
        held.resize(start + PIECE, 0);
        let read = loop {
            match from.read(&mut held[start..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        held.truncate(start + *read.as_ref().unwrap_or(&0));
        match read {
            Ok(0) => return held.is_empty() || is_passing || to.send(Piece::Lines(held)).is_ok(),
            // A line that breaks off with the file is none.
            Err(error) => {
                *failed = Some(error);
                return true;
            }
            Ok(_) => {}
        }
        if is_passing {
            let end = held.iter().position(|byte| *byte == b'\n');
            is_passing = end.is_none();
            held.drain(..end.map_or(held.len(), |at| at + 1));
        }
        if let Some(end) = held.iter().skip(start.min(held.len())).rposition(|byte| *byte == b'\n') {
            let rest = held.split_off(start.min(held.len()) + end + 1);
            if to.send(Piece::Lines(std::mem::replace(&mut held, rest))).is_err() {
                return false;
            }
        } else if held.len() > LONGEST_LINE {
            held.clear();
            is_passing = true;
            if to.send(Piece::TooLong).is_err() {
                return false;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::mpsc::sync_channel;

    use super::*;

    /// Gives a few bytes at a time.
    struct Slow(Cursor<Vec<u8>>, usize);

    impl Read for Slow {
        fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
            let most = to.len().min(self.1);
            self.0.read(&mut to[..most])
        }
    }

    /// The text of the lines that come, how many were too long, and how it ended.
    fn read(bytes: Vec<u8>, at_once: usize) -> (String, usize, Option<io::Error>) {
        let from = Box::new(Slow(Cursor::new(bytes), at_once));
        let source = Source { name: String::new(), bytes: None, from };
        let (to, pieces) = sync_channel(100_000);
        assert!(source.send(&ProgressBar::hidden(), &to));
        drop(to);
        let (mut text, mut long) = (String::new(), 0);
        for piece in pieces {
            match piece {
                Piece::Lines(lines) => text.push_str(std::str::from_utf8(&lines).unwrap()),
                Piece::TooLong => long += 1,
                Piece::End(error) => return (text, long, error),
            }
        }
        panic!("no end")
    }

    fn lines() -> String {
        (0..20_000).map(|number| format!("{{\"number\":{number}}}\n")).collect::<Vec<_>>().concat()
    }

    fn gzip(text: &str) -> Vec<u8> {
        let mut to = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        to.write_all(text.as_bytes()).unwrap();
        to.finish().unwrap()
    }

    #[test]
    fn plain_and_compressed_files_give_the_same_lines_however_they_come() {
        let text = lines();
        let zstd = zstd::encode_all(text.as_bytes(), 1).unwrap();
        let twice = [zstd.clone(), zstd.clone()].concat();
        for at_once in [1, 1_000, PIECE] {
            for bytes in [text.clone().into_bytes(), gzip(&text), zstd.clone()] {
                let (read, long, end) = read(bytes, at_once);
                assert!(read == text && long == 0 && end.is_none());
            }
        }
        assert_eq!(read(twice, 5_000).0.len(), 2 * text.len(), "files that were put together");
        assert_eq!(read([gzip(&text), gzip(&text)].concat(), 5_000).0.len(), 2 * text.len());
    }

    #[test]
    fn a_file_that_breaks_off_gives_its_whole_lines_and_says_so() {
        let text = lines();
        for bytes in [gzip(&text), zstd::encode_all(text.as_bytes(), 1).unwrap()] {
            let (read, _, end) = read(bytes[..bytes.len() / 2].to_vec(), 777);
            assert!(end.is_some());
            assert!(text.starts_with(&read) && read.ends_with('\n') && read.len() < text.len());
        }
    }

    #[test]
    fn nothing_is_an_empty_file_and_the_last_line_may_lack_its_end() {
        let (text, long, end) = read(Vec::new(), 10);
        assert!(text.is_empty() && long == 0 && end.is_none());
        assert_eq!(read(b"a\nb".to_vec(), 1).0, "a\nb");
    }

    #[test]
    fn a_line_that_is_too_long_is_passed_over_alone() {
        let mut bytes = b"before\n".to_vec();
        bytes.resize(bytes.len() + LONGEST_LINE + 3 * PIECE, b'x');
        bytes.extend_from_slice(b"\nafter\n");
        let (text, long, end) = read(bytes, PIECE);
        assert_eq!((text.as_str(), long, end.is_none()), ("before\nafter\n", 1, true));
    }
}
