//! The gaps that shards have not taken yet: of each venue and shard one at most, however long Redis takes nothing. Pure.

use std::collections::{BTreeMap, BTreeSet};

use cascade_domain::{EventTime, Gap, Shard, Venue};

/// Which gap each shard is owed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Owed {
    gaps: BTreeMap<(Shard, Venue), Gap>,
}

impl Owed {
    /// Every shard is owed this gap. One that is owed another of the venue is owed both as one.
    pub(crate) fn add(&mut self, gap: &Gap) {
        for shard in Shard::all() {
            let owed = self.gaps.entry((shard, gap.venue)).or_insert_with(|| gap.clone());
            owed.from_ms = owed.from_ms.min(gap.from_ms);
            owed.to_ms = owed.to_ms.max(gap.to_ms);
        }
    }

    /// The next samples of these venues came then: who is owed a gap has nothing of before.
    pub(crate) fn lengthen(&mut self, first: &BTreeMap<Venue, EventTime>) {
        for ((_, venue), gap) in &mut self.gaps {
            if let Some(at) = first.get(venue) {
                gap.to_ms = gap.to_ms.max(*at);
            }
        }
    }

    /// Only these shards have not taken theirs.
    pub(crate) fn keep(&mut self, waiting: &BTreeSet<Shard>) {
        self.gaps.retain(|(shard, _), _| waiting.contains(shard));
    }

    /// What is owed to whom.
    pub(crate) fn gaps(&self) -> impl Iterator<Item = (Shard, &Gap)> {
        self.gaps.iter().map(|((shard, _), gap)| (*shard, gap))
    }
}

#[cfg(test)]
mod tests {
    use cascade_domain::GapStream;

    use super::*;

    fn at(second: i64) -> EventTime {
        EventTime::from_ms(1_791_565_600_000 + second * 1000)
    }

    fn gap(from: i64, to: i64) -> Gap {
        Gap {
            venue: Venue::Binance,
            stream: GapStream::OpenInterest,
            symbols: Vec::new(),
            from_ms: at(from),
            to_ms: at(to),
            reason: "not_asked".to_owned(),
        }
    }

    #[test]
    fn a_shard_that_takes_nothing_is_owed_one_gap_that_grows() {
        let mut owed = Owed::default();
        for second in 31..200 {
            owed.lengthen(&BTreeMap::from([(Venue::Binance, at(second))]));
            owed.add(&gap(0, second));
        }
        let shards: Vec<Shard> = owed.gaps().map(|(shard, _)| shard).collect();
        assert_eq!(shards, Shard::all().collect::<Vec<_>>(), "one each");
        assert!(owed.gaps().all(|(_, owed)| *owed == gap(0, 199)));

        // All but one take it; the hole is told, and that one misses what comes then.
        let waits = Shard::all().nth(7).unwrap();
        owed.keep(&BTreeSet::from([waits]));
        owed.lengthen(&BTreeMap::from([(Venue::Binance, at(210)), (Venue::Okx, at(500))]));
        assert_eq!(owed.gaps().collect::<Vec<_>>(), [(waits, &gap(0, 210))]);
        owed.keep(&BTreeSet::new());
        assert_eq!(owed.gaps().count(), 0);
    }
}
