//! Whole lines out of pieces of a file, each with its place. Bounded: a line that is too long is told once and passed
//! over up to its end. Pure; knows no file.

/// A line longer than what is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooLong;

/// The capacity that is kept for the next piece; what a long line needed beyond it is given back.
const KEPT: usize = 1 << 20;

/// The pieces of a file from some place on.
#[derive(Debug)]
pub(crate) struct Lines {
    longest: usize,
    /// What has been read and is no whole line yet.
    bytes: Vec<u8>,
    /// How much of `bytes` has no line end in it.
    scanned: usize,
    /// Where the line begins that is not whole yet.
    start: u64,
    /// How much of that line is not in `bytes` any more, because it is passed over.
    passed: u64,
    is_passing: bool,
}

impl Lines {
    /// From this byte of a file on; `is_passing` if that is in the middle of a line, whose rest is passed over.
    pub(crate) const fn new(start: u64, is_passing: bool, longest: usize) -> Self {
        Self { longest, bytes: Vec::new(), scanned: 0, start, passed: 0, is_passing }
    }

    /// Where the first line begins that has not been given yet.
    pub(crate) const fn start(&self) -> u64 {
        self.start
    }

    /// Up to where the file has been read.
    pub(crate) fn end(&self) -> u64 {
        let held = u64::try_from(self.bytes.len()).unwrap_or(u64::MAX);
        self.start.saturating_add(self.passed).saturating_add(held)
    }

    /// Where the next piece is read to, behind what is held.
    pub(crate) const fn rest(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Whether the file ends without a line end.
    pub(crate) fn has_half(&self) -> bool {
        self.end() > self.start && !self.is_passing
    }

    /// Gives every whole line, without its end, and every line that is too long, once. Returns whether a line ended.
    pub(crate) fn give(&mut self, mut each: impl FnMut(Result<&[u8], TooLong>)) -> bool {
        let mut from = 0;
        while let Some(length) = self.bytes[self.scanned..].iter().position(|byte| *byte == b'\n') {
            let end = self.scanned + length;
            if std::mem::take(&mut self.is_passing) {
                // Told already, or begun before the place where reading began.
            } else if end - from > self.longest {
                each(Err(TooLong));
            } else {
                each(Ok(&self.bytes[from..end]));
            }
            from = end + 1;
            self.scanned = from;
        }
        if from > 0 {
            self.pass(from);
            self.start += std::mem::take(&mut self.passed);
        }
        self.scanned = self.bytes.len();
        if !self.is_passing && self.bytes.len() > self.longest {
            each(Err(TooLong));
            self.is_passing = true;
        }
        if self.is_passing {
            self.pass(self.bytes.len());
        }
        if self.bytes.len() < KEPT && self.bytes.capacity() > 2 * KEPT {
            self.bytes.shrink_to(KEPT);
        }
        from > 0
    }

    fn pass(&mut self, count: usize) {
        self.bytes.drain(..count);
        self.scanned = self.scanned.saturating_sub(count);
        self.passed = self.passed.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(lines: &mut Lines, piece: &str) -> (Vec<String>, u64, u64) {
        lines.rest().extend_from_slice(piece.as_bytes());
        let mut given = Vec::new();
        lines.give(|line| {
            given.push(line.map_or("too long".to_owned(), |l| String::from_utf8_lossy(l).into_owned()));
        });
        (given, lines.start(), lines.end())
    }

    fn told(lines: &[&str], start: u64, end: u64) -> (Vec<String>, u64, u64) {
        (lines.iter().map(|line| (*line).to_owned()).collect(), start, end)
    }

    #[test]
    fn a_half_line_waits_for_its_end_and_places_count_from_the_beginning() {
        let mut lines = Lines::new(100, false, 50);
        assert_eq!(given(&mut lines, "ab\nc"), told(&["ab"], 103, 104));
        assert!(lines.has_half());
        assert_eq!(given(&mut lines, ""), told(&[], 103, 104));
        assert_eq!(given(&mut lines, "d\n\nef\n"), told(&["cd", "", "ef"], 110, 110));
        assert!(!lines.has_half());
    }

    #[test]
    fn a_line_that_is_too_long_is_told_once_and_its_neighbours_are_given() {
        let mut lines = Lines::new(0, false, 4);
        assert_eq!(given(&mut lines, "a\n12345"), told(&["a", "too long"], 2, 7));
        assert_eq!(given(&mut lines, "6789"), told(&[], 2, 11));
        assert_eq!(given(&mut lines, "0\nbcde\nf"), told(&["bcde"], 18, 19));
        assert_eq!(given(&mut lines, "ghijk\nl\n"), told(&["too long", "l"], 27, 27));
    }

    #[test]
    fn the_rest_of_a_line_in_whose_middle_reading_begins_is_passed_over() {
        let mut lines = Lines::new(7, true, 4);
        assert_eq!(given(&mut lines, "the rest"), told(&[], 7, 15));
        assert!(!lines.has_half());
        assert_eq!(given(&mut lines, " of it\nnext\n"), told(&["next"], 27, 27));
    }

    #[test]
    fn what_a_long_line_needed_is_given_back() {
        let mut lines = Lines::new(0, false, 8 << 20);
        given(&mut lines, &"x".repeat(6 << 20));
        assert!(lines.bytes.capacity() >= 6 << 20);
        given(&mut lines, "\n");
        assert!(lines.bytes.capacity() <= 2 * KEPT);
    }
}
