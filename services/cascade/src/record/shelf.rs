//! The directory of a recording: what its files are called, which of them are whole, and which have to go.
//!
//! A file is written as `NAME.jsonl.zst.part`, locked while its recorder lives, and loses the `.part` when it is
//! closed: a name without it is a whole file. Knows nothing of what is in them.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use cascade_domain::EventTime;

use super::line::Kind;
use crate::words::civil;

/// What every file's name ends in.
const SUFFIX: &str = ".jsonl.zst";
/// And, until it is closed, this.
const PART: &str = ".part";
/// Files that may begin in one second.
const MOST_A_SECOND: u32 = 1_000;

/// What could not be done to which file, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[error("can't {doing} {path}: {reason}{}", way_out(.reason))]
pub(crate) struct ShelfError {
    doing: &'static str,
    path: String,
    reason: io::Error,
}

fn way_out(reason: &io::Error) -> &'static str {
    match reason.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            "; make room, keep less (--keep-gb), or record elsewhere (--out)"
        }
        ErrorKind::PermissionDenied
        | ErrorKind::NotFound
        | ErrorKind::ReadOnlyFilesystem
        | ErrorKind::NotADirectory
        | ErrorKind::AlreadyExists => "; name a directory that can be written to: --out DIR",
        _ => "",
    }
}

impl ShelfError {
    pub(crate) fn new(doing: &'static str, path: &Path, reason: io::Error) -> Self {
        Self { doing, path: path.display().to_string(), reason }
    }
}

/// A file that is being written.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) file: File,
    /// Where it is now.
    pub(crate) at: PathBuf,
    /// Where it will be when it is closed.
    pub(crate) path: PathBuf,
}

/// The directory.
#[derive(Clone, Debug)]
pub(crate) struct Shelf {
    dir: PathBuf,
    kind: Kind,
}

/// A file that stands on the shelf; in the order in which they were begun.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Standing {
    stamp: String,
    number: u32,
    path: PathBuf,
    bytes: u64,
}

impl Shelf {
    /// The directory, made if it is not there.
    pub(crate) fn open(dir: &Path, kind: Kind) -> Result<Self, ShelfError> {
        fs::create_dir_all(dir).map_err(|e| ShelfError::new("use the directory", dir, e))?;
        Ok(Self { dir: dir.to_owned(), kind })
    }

    /// Begins a file that is called after this time: a name that nothing on the shelf has, whole or not.
    pub(crate) fn begin(&self, now: EventTime) -> Result<Part, ShelfError> {
        let stem = format!("{}-{}", self.kind.as_str(), stamp(now));
        for number in 1..=MOST_A_SECOND {
            let name =
                if number == 1 { format!("{stem}{SUFFIX}") } else { format!("{stem}-{number}{SUFFIX}") };
            let (path, part) = (self.dir.join(&name), self.dir.join(name + PART));
            let created = OpenOptions::new().write(true).create_new(true).open(&part);
            let file = match created {
                Ok(file) => file,
                Err(error) if error.kind() == ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(ShelfError::new("begin", &part, error)),
            };
            // Looked for only now: another recorder may have closed its file of this name just before.
            if path.exists() {
                drop(fs::remove_file(&part));
                continue;
            }
            if let Err(error) = file.try_lock() {
                tracing::debug!(%error, "no lock on the file: another recorder may take it for abandoned");
            }
            return Ok(Part { file, at: part, path });
        }
        let full = io::Error::other(format!("{MOST_A_SECOND} files have that name"));
        Err(ShelfError::new("begin", &self.dir.join(stem), full))
    }

    /// Deletes the oldest files of this kind, but `current` and those that another recorder writes, until all of them
    /// together have at most `keep` bytes. Gives the names of those that are gone.
    pub(crate) fn trim(&self, keep: u64, current: &Path) -> Result<Vec<String>, ShelfError> {
        let mut standing = self.standing()?;
        let mut total: u64 = standing.iter().map(|file| file.bytes).sum();
        standing.sort();
        let mut gone = Vec::new();
        for file in standing.iter().filter(|file| file.path != current) {
            if total <= keep {
                break;
            }
            if is_in_use(&file.path) {
                continue;
            }
            match fs::remove_file(&file.path) {
                // Another recorder was quicker.
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    total = total.saturating_sub(file.bytes);
                    continue;
                }
                removed => removed.map_err(|e| ShelfError::new("delete", &file.path, e))?,
            }
            total = total.saturating_sub(file.bytes);
            gone.push(name(&file.path).to_owned());
        }
        Ok(gone)
    }

    /// The names of files of this kind that a recorder began and nobody writes any more: they break off.
    pub(crate) fn abandoned(&self) -> Result<Vec<String>, ShelfError> {
        let is_part = |file: &Standing| name(&file.path).ends_with(PART);
        let mut standing = self.standing()?;
        standing.sort();
        let left = standing.iter().filter(|file| is_part(file) && !is_in_use(&file.path));
        Ok(left.map(|file| name(&file.path).to_owned()).collect())
    }

    /// The files of this kind that bear our names.
    fn standing(&self) -> Result<Vec<Standing>, ShelfError> {
        let listed = fs::read_dir(&self.dir).map_err(|e| ShelfError::new("list", &self.dir, e))?;
        let mut standing = Vec::new();
        for entry in listed.filter_map(Result::ok) {
            let path = entry.path();
            let Some((stamp, number)) = self.parse(name(&path)) else { continue };
            // What is gone since is none of ours to count.
            let Some(metadata) = entry.metadata().ok().filter(fs::Metadata::is_file) else { continue };
            standing.push(Standing { stamp, number, bytes: metadata.len(), path });
        }
        Ok(standing)
    }

    /// The time and the number in a name of ours; `None` for any other.
    fn parse(&self, name: &str) -> Option<(String, u32)> {
        let name = name.strip_suffix(PART).unwrap_or(name).strip_suffix(SUFFIX)?;
        let rest = name.strip_prefix(self.kind.as_str())?.strip_prefix('-')?;
        let (stamp, number) = match rest.split_once('-') {
            Some((stamp, number)) => (stamp, number.parse().ok().filter(|number| *number > 1)?),
            None => (rest, 1),
        };
        let shape = |(at, byte): (usize, u8)| match at {
            8 => byte == b'T',
            15 => byte == b'Z',
            _ => byte.is_ascii_digit(),
        };
        let is_stamp = stamp.len() == 16 && stamp.bytes().enumerate().all(shape);
        is_stamp.then(|| (stamp.to_owned(), number))
    }
}

/// Whether a recorder that lives holds it.
fn is_in_use(path: &Path) -> bool {
    let Ok(file) = File::open(path) else { return false };
    matches!(file.try_lock(), Err(TryLockError::WouldBlock))
}

fn name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

/// A time as it stands in a name: `20261121T131500Z`.
fn stamp(at: EventTime) -> String {
    let seconds = at.ms().div_euclid(1000);
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    const T: EventTime = EventTime::from_ms(1_795_266_900_000);

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// A whole file of this size.
    fn shelved(shelf: &Shelf, at: EventTime, bytes: usize) -> String {
        let mut part = shelf.begin(at).unwrap();
        part.file.write_all(&vec![0; bytes]).unwrap();
        fs::rename(&part.at, &part.path).unwrap();
        name(&part.path).to_owned()
    }

    #[test]
    fn a_file_is_called_after_the_second_it_begins_in() {
        for (ms, expected) in [
            (0, "19700101T000000Z"),
            (951_827_696_000, "20000229T123456Z"),
            (T.ms() + 999, "20261121T131500Z"),
            (4_107_542_399_000, "21000228T235959Z"),
            (4_107_542_400_000, "21000301T000000Z"),
        ] {
            assert_eq!(stamp(EventTime::from_ms(ms)), expected);
        }
    }

    #[test]
    fn a_name_that_is_taken_whole_or_in_part_gets_a_number() {
        let dir = tempfile::tempdir().unwrap();
        let shelf = Shelf::open(dir.path(), Kind::Frames).unwrap();
        let first = shelf.begin(T).unwrap();
        assert_eq!(shelved(&shelf, T, 1), "frames-20261121T131500Z-2.jsonl.zst");
        assert_eq!(name(&shelf.begin(T).unwrap().at), "frames-20261121T131500Z-3.jsonl.zst.part");
        assert_eq!(name(&first.at), "frames-20261121T131500Z.jsonl.zst.part");
        assert_eq!(names(dir.path()).len(), 3, "what was only tried is not left behind");
    }

    #[test]
    fn the_oldest_of_ours_go_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let shelf = Shelf::open(dir.path(), Kind::Frames).unwrap();
        let events = Shelf::open(dir.path(), Kind::Events).unwrap();
        for foreign in ["notes.txt", "frames-2026.jsonl.zst", "frames-20261121T131500Z-x.jsonl.zst"] {
            fs::write(dir.path().join(foreign), [0; 500]).unwrap();
        }
        let other = shelved(&events, T, 500);
        let old = [shelved(&shelf, T, 100), shelved(&shelf, T, 100), shelved(&shelf, T.plus_ms(1000), 100)];
        let current = shelf.begin(T.plus_ms(2000)).unwrap();
        (&current.file).write_all(&[0; 100]).unwrap();
        let also_written = shelf.begin(T.plus_ms(-9000)).unwrap();
        (&also_written.file).write_all(&[0; 100]).unwrap();
        assert_eq!(shelf.trim(500, &current.at).unwrap(), Vec::<String>::new());
        assert_eq!(shelf.trim(399, &current.at).unwrap(), old[..2], "the second of one second is younger");
        assert_eq!(shelf.trim(0, &current.at).unwrap(), old[2..]);
        assert!(
            names(dir.path()).contains(&other) && names(dir.path()).len() == 6,
            "{:?}",
            names(dir.path())
        );
        assert_eq!(shelf.abandoned().unwrap(), Vec::<String>::new());
        drop(also_written);
        assert_eq!(shelf.abandoned().unwrap(), ["frames-20261121T131451Z.jsonl.zst.part"]);
        assert_eq!(shelf.trim(0, &current.at).unwrap(), ["frames-20261121T131451Z.jsonl.zst.part"]);
    }

    #[test]
    fn a_directory_that_can_not_be_one_is_named_with_the_way_out() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        let told = Shelf::open(&file.join("inside"), Kind::Events).unwrap_err().to_string();
        assert!(told.contains("file/inside") && told.contains("--out DIR"), "{told}");
    }
}
