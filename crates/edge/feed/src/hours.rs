//! The hourly files of a node's directory, in the order of their days and hours, and a place in one of them. Knows
//! nothing of what stands in them.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use tokio::fs;

/// The file of one hour: `{YYYYMMDD}/{H}`, the hour of the day without a leading zero (one with it is taken too).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Hour {
    day: u32,
    of_day: u8,
    name: String,
}

impl Hour {
    fn of(day: u32, file: &str) -> Option<Self> {
        let of_day: u8 = digits(file, 1..=2)?.parse().ok()?;
        (of_day < 24).then(|| Self { day, of_day, name: format!("{day}/{file}") })
    }

    /// Its name below the directory of hourly files.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

/// Up to where a node's fills were handed on: an hourly file's name and the number of its bytes, written as
/// `20261009/17:1234`. It always stands at the beginning of a line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    pub(crate) hour: Hour,
    pub(crate) offset: u64,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.hour.name, self.offset)
    }
}

/// A text that is no [`Position`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a position such as 20261009/17:1234: {0}")]
pub struct PositionError(String);

impl FromStr for Position {
    type Err = PositionError;

    fn from_str(text: &str) -> Result<Self, PositionError> {
        let parts = || {
            let (name, offset) = text.split_once(':')?;
            let (day, file) = name.split_once('/')?;
            let offset = digits(offset, 1..=20)?.parse().ok()?;
            Some(Self { hour: Hour::of(day_of(day)?, file)?, offset })
        };
        parts().ok_or_else(|| PositionError(text.chars().take(60).collect()))
    }
}

fn digits(text: &str, length: std::ops::RangeInclusive<usize>) -> Option<&str> {
    (length.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())).then_some(text)
}

fn day_of(name: &str) -> Option<u32> {
    digits(name, 8..=8).filter(|name| !name.starts_with('0'))?.parse().ok()
}

/// Where the days are: in `hourly` below the directory, or in itself if it has none.
pub(crate) async fn base(directory: &Path) -> PathBuf {
    let hourly = directory.join("hourly");
    let is_there = fs::metadata(&hourly).await.is_ok_and(|metadata| metadata.is_dir());
    if is_there { hourly } else { directory.to_owned() }
}

/// The last file that there is.
pub(crate) async fn newest(base: &Path) -> io::Result<Option<Hour>> {
    for day in days(base).await?.into_iter().rev() {
        if let Some(hour) = hours(base, day).await?.pop() {
            return Ok(Some(hour));
        }
    }
    Ok(None)
}

/// The first file after this one.
pub(crate) async fn next_after(base: &Path, last: &Hour) -> io::Result<Option<Hour>> {
    for day in days(base).await?.into_iter().filter(|day| *day >= last.day) {
        let later = hours(base, day).await?.into_iter();
        let mut later = later.filter(|hour| (hour.day, hour.of_day) > (last.day, last.of_day));
        if let Some(hour) = later.next() {
            return Ok(Some(hour));
        }
    }
    Ok(None)
}

/// The days, in order.
async fn days(base: &Path) -> io::Result<Vec<u32>> {
    let mut days: Vec<u32> = names(base).await?.iter().filter_map(|name| day_of(name)).collect();
    days.sort_unstable();
    Ok(days)
}

/// The hours of a day, in order; none if the day went away meanwhile.
async fn hours(base: &Path, day: u32) -> io::Result<Vec<Hour>> {
    let names = match names(&base.join(day.to_string())).await {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        names => names?,
    };
    let mut hours: Vec<Hour> = names.iter().filter_map(|name| Hour::of(day, name)).collect();
    hours.sort_unstable();
    Ok(hours)
}

async fn names(folder: &Path) -> io::Result<Vec<String>> {
    let mut entries = fs::read_dir(folder).await?;
    let mut names = Vec::new();
    while let Some(entry) = entries.next_entry().await? {
        names.extend(entry.file_name().into_string());
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(text: &str) -> Option<Position> {
        text.parse().ok()
    }

    #[test]
    fn a_position_reads_as_it_is_written() {
        for text in ["20261009/0:0", "20261009/23:18446744073709551615", "20260402/08:7"] {
            assert_eq!(position(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_position_is_refused() {
        for text in [
            "",
            "20261009/17",
            "20261009:17",
            "20261009/24:0",
            "20261009/017:0",
            "20261009/:0",
            "20261009/17:",
            "20261009/17:-1",
            "20261009/17:+1",
            "20261009/17:18446744073709551616",
            "2026109/17:0",
            "../../etc/1:0",
            "20261009/../1:0",
            "/20261009/1:0",
        ] {
            assert_eq!(position(text), None, "{text}");
        }
    }

    #[test]
    fn hours_are_in_order_of_their_numbers() {
        let at = |text: &str| position(text).unwrap();
        assert!(at("20261009/9:5") < at("20261009/10:0"));
        assert!(at("20261009/23:5") < at("20261010/0:0"));
    }
}
