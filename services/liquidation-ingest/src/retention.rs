//! How long the shard streams are kept: as long as agreed while Redis has room, for less while it fills up, so that a
//! storm costs the oldest events and not the newest. Pure: what Redis uses is handed in.

use cascade_bus::StreamBounds;

/// However full Redis is, the streams are kept so long, seconds: detectors look back that far.
const SHORTEST_S: u32 = 120;
/// From here on they are kept for less, and from here on for the shortest time; per cent of the memory there is.
const FILLING: u64 = 60;
const FULL: u64 = 95;

/// The bounds of the streams as they are at present.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Retention {
    agreed: StreamBounds,
    memory: Option<u64>,
    age_s: u32,
}

impl Retention {
    /// What is agreed, while Redis uses less than a part of `memory` bytes; `None` = of its own limit.
    pub(crate) const fn new(agreed: StreamBounds, memory: Option<u64>) -> Self {
        Self { agreed, memory, age_s: agreed.max_age_s }
    }

    /// Takes what Redis uses now, bytes, and its own limit. In between the time is linear in what is used.
    pub(crate) fn look(&mut self, used: u64, own_limit: Option<u64>) {
        let Some(memory) = own_limit.into_iter().chain(self.memory).min() else {
            self.age_s = self.agreed.max_age_s;
            return;
        };
        let (filling, full) = (memory / 100 * FILLING, memory / 100 * FULL);
        let (longest_s, span) = (self.agreed.max_age_s, full.saturating_sub(filling).max(1));
        let over = used.saturating_sub(filling).min(span);
        let less_s = u64::from(longest_s.saturating_sub(SHORTEST_S)).saturating_mul(over) / span;
        self.age_s = longest_s.saturating_sub(u32::try_from(less_s).unwrap_or(u32::MAX));
    }

    /// Whether the streams are kept for less than agreed.
    pub(crate) const fn is_short(&self) -> bool {
        self.age_s < self.agreed.max_age_s
    }

    /// The bounds at present: where room is short, nothing waits for a snapshot.
    pub(crate) const fn bounds(&self) -> StreamBounds {
        let for_snapshots_s = if self.is_short() { 0 } else { self.agreed.for_snapshots_s };
        StreamBounds { max_age_s: self.age_s, for_snapshots_s, ..self.agreed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: u64 = 1 << 20;

    fn age_s(used: u64, own_limit: Option<u64>) -> u32 {
        let mut retention =
            Retention::new(StreamBounds { max_age_s: 600, max_len: 7, for_snapshots_s: 600 }, Some(500 * MB));
        retention.look(used, own_limit);
        assert_eq!(retention.bounds().max_len, 7);
        let StreamBounds { max_age_s, for_snapshots_s, .. } = retention.bounds();
        assert_eq!(retention.is_short(), max_age_s < 600);
        assert_eq!(retention.is_short(), for_snapshots_s == 0);
        retention.bounds().max_age_s
    }

    #[test]
    fn the_fuller_redis_is_the_shorter_the_streams_are_kept_but_never_below_two_minutes() {
        let ages: Vec<u32> = (0..=60).map(|tenth| age_s(tenth * 10 * MB, None)).collect();
        assert!(ages.is_sorted_by(|a, b| a >= b), "{ages:?}");
        assert_eq!((ages[30], ages[50], ages[60]), (600, 120, 120), "{ages:?}");
        assert!((380..400).contains(&ages[38]), "{ages:?}");
        assert_eq!(age_s(u64::MAX, None), 120);
    }

    #[test]
    fn a_smaller_limit_of_redis_itself_counts_and_a_larger_one_does_not() {
        assert_eq!(age_s(250 * MB, None), 600);
        assert_eq!(age_s(250 * MB, Some(256 * MB)), 120);
        assert_eq!(age_s(250 * MB, Some(4096 * MB)), 600);
    }

    #[test]
    fn without_any_limit_the_streams_are_kept_as_agreed() {
        let mut retention =
            Retention::new(StreamBounds { max_age_s: 600, max_len: 7, for_snapshots_s: 600 }, None);
        retention.look(u64::MAX, None);
        assert!(!retention.is_short());
        retention.look(250 * MB, Some(256 * MB));
        assert_eq!(retention.bounds().max_age_s, 120);
    }

    #[test]
    fn what_is_agreed_to_be_shorter_stays_so() {
        let mut retention =
            Retention::new(StreamBounds { max_age_s: 120, max_len: 7, for_snapshots_s: 600 }, Some(100 * MB));
        retention.look(99 * MB, None);
        assert_eq!(retention.bounds().max_age_s, 120);
        assert!(!retention.is_short());
    }
}
