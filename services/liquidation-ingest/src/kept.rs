//! Up to when what was written is known to be kept. A master that dies takes along what its replicas have not yet
//! copied; each look at Redis notes how far every master has written, and a later look sees that copied. When another
//! master serves a shard, what was written since is what may be lost. Pure: looks are handed in.

use std::collections::BTreeMap;

use cascade_bus::Holder;
use cascade_domain::{EventTime, Shard};

/// What is known of the masters that hold the shards.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    holders: BTreeMap<String, Copied>,
    of_shard: BTreeMap<Shard, String>,
}

/// How far a master's replicas have followed.
#[derive(Clone, Copy, Debug)]
struct Copied {
    /// All that was written before this is on its replicas; `None` = it had none when last looked at.
    until: Option<EventTime>,
    /// The look that is to be confirmed: when, and how far the master had written.
    mark: (EventTime, u64),
}

/// Shards whose master is gone, with what was written to it since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lost {
    pub(crate) shards: Vec<Shard>,
    pub(crate) since: EventTime,
}

impl Kept {
    /// Takes a look at who holds what, begun at `now`. Gives what may be lost since the look before: of a master
    /// without replicas, what was written since `written_at`.
    pub(crate) fn look(&mut self, now: EventTime, written_at: EventTime, holders: &[Holder]) -> Vec<Lost> {
        let lost = self.lost(written_at, holders);
        let mut seen = BTreeMap::new();
        for holder in holders {
            let copied = match self.holders.get(&holder.id) {
                Some(before) => before.followed_by(now, holder),
                // What it had before we first looked is not ours to tell of.
                None => Copied { until: holder.followed.map(|_| written_at), mark: (now, holder.written) },
            };
            seen.insert(holder.id.clone(), copied);
        }
        self.holders = seen;
        // Where nobody serves a shard yet, its loss is told once.
        self.of_shard.retain(|shard, _| !lost.iter().any(|lost| lost.shards.contains(shard)));
        for holder in holders {
            for shard in &holder.shards {
                self.of_shard.insert(*shard, holder.id.clone());
            }
        }
        lost
    }

    /// A slot that moves to another master while its former one lives loses nothing.
    fn lost(&self, written_at: EventTime, holders: &[Holder]) -> Vec<Lost> {
        let mut lost: BTreeMap<&str, Lost> = BTreeMap::new();
        for (shard, id) in &self.of_shard {
            if holders.iter().any(|holder| holder.id == *id) {
                continue;
            }
            let until = self.holders.get(id).and_then(|copied| copied.until);
            let since = until.map_or(written_at, |until| until.min(written_at));
            lost.entry(id).or_insert_with(|| Lost { shards: Vec::new(), since }).shards.push(*shard);
        }
        lost.into_values().collect()
    }
}

impl Copied {
    fn followed_by(self, now: EventTime, holder: &Holder) -> Self {
        match (holder.followed, self.until) {
            (None, _) => Self { until: None, mark: (now, holder.written) },
            (Some(followed), _) if followed >= self.mark.1 => {
                Self { until: Some(self.mark.0), mark: (now, holder.written) }
            }
            (Some(_), until) => Self { until: until.or(Some(self.mark.0)), mark: self.mark },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> EventTime {
        EventTime::from_ms(1_791_565_600_000 + second * 1000)
    }

    fn shards(numbers: std::ops::Range<u8>) -> Vec<Shard> {
        numbers.map(|number| Shard::new(number).unwrap()).collect()
    }

    fn holder(id: &str, numbers: std::ops::Range<u8>, written: u64, followed: Option<u64>) -> Holder {
        Holder { id: id.to_owned(), shards: shards(numbers), written, followed }
    }

    #[test]
    fn only_what_a_dead_master_had_not_copied_may_be_lost() {
        let mut kept = Kept::default();
        let look = |kept: &mut Kept, second, a: u64, copied: u64| {
            let holders = [holder("a", 0..32, a, Some(copied)), holder("b", 32..64, 5, Some(5))];
            kept.look(at(second), at(second), &holders)
        };
        assert_eq!(look(&mut kept, 0, 100, 90), []);
        assert_eq!(look(&mut kept, 2, 200, 120), [], "all of second 0 is copied");
        assert_eq!(look(&mut kept, 4, 300, 150), [], "not yet all of second 2");
        assert_eq!(look(&mut kept, 6, 400, 199), []);
        let replaced = [holder("c", 0..32, 1, Some(1)), holder("b", 32..64, 5, Some(5))];
        let lost = kept.look(at(9), at(8), &replaced);
        assert_eq!(lost, [Lost { shards: shards(0..32), since: at(0) }]);
        assert_eq!(kept.look(at(11), at(11), &replaced), [], "it is told once");
    }

    #[test]
    fn slots_that_move_between_living_masters_lose_nothing() {
        let mut kept = Kept::default();
        let of = |border| [holder("a", 0..border, 9, Some(9)), holder("b", border..64, 9, Some(9))];
        assert_eq!(kept.look(at(0), at(0), &of(32)), []);
        assert_eq!(kept.look(at(2), at(2), &of(40)), []);
    }

    #[test]
    fn a_server_without_replicas_that_was_restarted_may_have_lost_the_last_write() {
        let mut kept = Kept::default();
        assert_eq!(kept.look(at(0), at(0), &[holder("a", 0..64, 9, None)]), []);
        assert_eq!(kept.look(at(2), at(2), &[holder("a", 0..64, 9, None)]), []);
        let lost = kept.look(at(5), at(3), &[holder("b", 0..64, 0, None)]);
        assert_eq!(lost, [Lost { shards: shards(0..64), since: at(3) }]);
    }
}
