//! Whole numbers in as few bytes as they need: seven bits a byte, small differences small. What is read is not believed:
//! a number that does not end or does not fit is refused.

/// Marks a run of holes; a difference is never 0 in this form.
const RUN: u64 = 0;

/// Writes numbers one after another.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    pub(crate) bytes: Vec<u8>,
}

impl Writer {
    pub(crate) fn unsigned(&mut self, mut value: u64) {
        loop {
            let low = (value & 0x7f) as u8;
            value >>= 7;
            if value == 0 {
                self.bytes.push(low);
                return;
            }
            self.bytes.push(low | 0x80);
        }
    }

    pub(crate) fn count(&mut self, count: usize) {
        self.unsigned(u64::try_from(count).unwrap_or(u64::MAX));
    }

    /// Small numbers of either sign are short.
    pub(crate) fn signed(&mut self, value: i64) {
        self.unsigned((value << 1 ^ value >> 63).cast_unsigned());
    }

    /// A number, neither of them negative, as what it is more than the last.
    pub(crate) fn difference(&mut self, value: i64, last: i64) {
        let difference = value.wrapping_sub(last);
        let folded = (difference << 1 ^ difference >> 63).cast_unsigned();
        // Two numbers that are not negative are never so far apart that this wraps.
        self.unsigned(folded.wrapping_add(1));
    }

    /// A run of holes, if there are any.
    pub(crate) fn holes(&mut self, count: usize) {
        if count > 0 {
            self.unsigned(RUN);
            self.count(count);
        }
    }
}

/// Reads what a [`Writer`] wrote.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Whether everything was read.
    pub(crate) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn unsigned(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for place in 0..10 {
            let (byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            let low = u64::from(byte & 0x7f);
            if place == 9 && low > 1 {
                return None;
            }
            value |= low << (7 * place);
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    /// A count of at most so many.
    pub(crate) fn count(&mut self, most: usize) -> Option<usize> {
        usize::try_from(self.unsigned()?).ok().filter(|count| *count <= most)
    }

    pub(crate) fn signed(&mut self) -> Option<i64> {
        Some(unfold(self.unsigned()?))
    }

    /// The next number, or how many holes come next.
    pub(crate) fn point(&mut self, last: i64) -> Option<Result<i64, usize>> {
        let folded = self.unsigned()?;
        if folded == RUN {
            return self.count(usize::MAX).filter(|run| *run > 0).map(Err);
        }
        let value = last.checked_add(unfold(folded - 1))?;
        (value >= 0).then_some(Ok(value))
    }
}

fn unfold(folded: u64) -> i64 {
    (folded >> 1).cast_signed() ^ -(folded & 1).cast_signed()
}
