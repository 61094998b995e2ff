//! How open interest changed, and how many venues of one sign confirm it: whole numbers, compared without division.
//!
//! Knows no time, no grid and no settings but the threshold it is given.

use cascade_domain::{Swing, Venue};

const VENUES: usize = Venue::ALL.len();
/// A hundred percent, in millionths of a percent.
const WHOLE: i128 = 100_000_000;

/// A change to be compared with, in millionths of a percent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Size(pub(crate) i128);

impl Size {
    /// Of so many percent.
    #[expect(clippy::cast_possible_truncation, reason = "settings are held to 1000 %; a cast saturates")]
    pub(crate) fn of_percent(percent: f64) -> Self {
        Self(i128::from((percent * 1e6).round_ties_even() as i64))
    }
}

/// Micro-coins at both ends of a span.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) before: i128,
    pub(crate) after: i128,
}

impl Change {
    /// Adds another's.
    pub(crate) fn add(&mut self, before: i128, after: i128) {
        self.before = self.before.saturating_add(before);
        self.after = self.after.saturating_add(after);
    }

    fn delta(&self) -> i128 {
        self.after.saturating_sub(self.before)
    }

    /// Which way; `None` if it did not change.
    pub(crate) fn direction(&self) -> Option<Swing> {
        match self.delta() {
            0 => None,
            delta if delta > 0 => Some(Swing::Explosion),
            _ => Some(Swing::Collapse),
        }
    }

    /// Signed percent of what was before, which must be above 0.
    #[expect(clippy::cast_precision_loss, reason = "shown; decisions compare whole numbers")]
    pub(crate) fn percent(&self) -> f64 {
        self.delta() as f64 * 100.0 / self.before as f64
    }

    /// Whether it is of this direction and at least of this size.
    pub(crate) fn reaches(&self, direction: Swing, size: Size) -> bool {
        let delta = self.delta().saturating_abs().saturating_mul(WHOLE);
        self.direction() == Some(direction) && delta >= size.0.saturating_mul(self.before)
    }

    /// Its size, cut to whole millionths of a percent: at least `size` exactly where it reaches `size`.
    fn size(&self) -> Size {
        Size(self.delta().saturating_abs().saturating_mul(WHOLE).checked_div(self.before).unwrap_or(0))
    }
}

/// Each venue's change, where it has data.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Changes(pub(crate) [Option<Change>; VENUES]);

impl Changes {
    /// Venues with data, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Venue, &Change)> {
        Venue::ALL.into_iter().zip(&self.0).filter_map(|(venue, change)| Some((venue, change.as_ref()?)))
    }

    /// The change of a venue.
    pub(crate) const fn of(&self, venue: Venue) -> Option<&Change> {
        self.0[venue as usize].as_ref()
    }

    /// Over all venues with data; `None` if there is none.
    pub(crate) fn total(&self) -> Option<Change> {
        let mut total = None;
        for (_, change) in self.iter() {
            total.get_or_insert(Change::default()).add(change.before, change.after);
        }
        total
    }

    /// How many venues reach a size in a direction.
    pub(crate) fn reaching(&self, direction: Swing, size: Size) -> usize {
        self.iter().filter(|(_, change)| change.reaches(direction, size)).count()
    }

    /// The size that `least` venues of a direction reach; 0 where fewer are of it.
    pub(crate) fn strength(&self, direction: Swing, least: usize) -> Size {
        let mut sizes = [Size::default(); VENUES];
        let of_it = self.iter().filter(|(_, change)| change.direction() == Some(direction));
        for (size, (_, change)) in sizes.iter_mut().zip(of_it) {
            *size = change.size();
        }
        sizes.sort_unstable_by(|left, right| right.cmp(left));
        least.checked_sub(1).and_then(|place| sizes.get(place)).copied().unwrap_or_default()
    }

    /// The direction in which at least `least` venues reach a size. Where they do in both: that of more venues; of as
    /// many, the one that is told already, else that of the sum.
    pub(crate) fn confirmed(&self, size: Size, least: usize, told: Option<Swing>) -> Option<Swing> {
        let [up, down] = [Swing::Explosion, Swing::Collapse].map(|way| self.reaching(way, size));
        match (up >= least, down >= least) {
            (false, false) => None,
            (true, false) => Some(Swing::Explosion),
            (false, true) => Some(Swing::Collapse),
            (true, true) if up > down => Some(Swing::Explosion),
            (true, true) if up < down => Some(Swing::Collapse),
            (true, true) => {
                let sum = self.total().and_then(|total| total.direction());
                Some(told.or(sum).unwrap_or(Swing::Explosion))
            }
        }
    }
}
