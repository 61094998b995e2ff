//! Which replica a shard belongs to: the one that ranks highest for it among those that live (rendezvous hashing).
//!
//! A replica that comes takes its share from all others, and one that goes leaves its share to all others; no other
//! shard moves. Every replica works it out alone. Knows no Redis.

use std::collections::BTreeMap;

use cascade_domain::{IdHasher, Shard};

/// Who counts as a member: those who have said more than once that they live. A replica that dies as it starts, again
/// and again under new names, would else be given shards each time.
#[derive(Debug, Default)]
pub(super) struct Members {
    /// When each said so when we first heard of it, by Redis' clock; `None` = it was there before us, or said so again.
    first: BTreeMap<String, Option<i64>>,
    has_looked: bool,
}

impl Members {
    /// Those among the live (each with when it last said so) who count, and always `me`.
    pub(super) fn proven(&mut self, live: Vec<(String, i64)>, me: &str) -> Vec<String> {
        let known = std::mem::take(&mut self.first);
        for (member, said) in live {
            let first = match known.get(&member) {
                Some(first) => first.filter(|first| *first == said),
                None => Some(said).filter(|_| self.has_looked),
            };
            self.first.insert(member, first);
        }
        self.has_looked = true;
        let counts = |(member, first): (&String, &Option<i64>)| {
            (first.is_none() || member == me).then(|| member.clone())
        };
        self.first.iter().filter_map(counts).collect()
    }
}

/// The best-ranked of these members for a shard; `None` of nobody.
pub(super) fn best(shard: Shard, members: &[String]) -> Option<&str> {
    let rank = |member: &str| IdHasher::new("member").text(member).int(i64::from(shard.number())).finish();
    members.iter().map(String::as_str).max_by_key(|member| (rank(member), *member))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_counts_when_it_has_said_twice_that_it_lives() {
        let mut members = Members::default();
        let mut proven = |live: &[(&str, i64)]| {
            members.proven(live.iter().map(|(name, said)| ((*name).to_owned(), *said)).collect(), "me")
        };
        assert_eq!(proven(&[("me", 10), ("older", 9)]), ["me", "older"], "who was there first counts");
        assert_eq!(proven(&[("me", 13), ("new", 14), ("older", 9)]), ["me", "older"]);
        assert_eq!(proven(&[("me", 13), ("new", 14), ("older", 12)]), ["me", "older"], "the same word again");
        assert_eq!(proven(&[("me", 16), ("new", 17), ("older", 12)]), ["me", "new", "older"]);
        assert_eq!(proven(&[("me", 16), ("older", 15)]), ["me", "older"]);
        assert_eq!(proven(&[("me", 19), ("new", 20), ("older", 15)]), ["me", "older"], "back, and new again");
    }

    fn owners(members: &[String]) -> BTreeMap<Shard, String> {
        Shard::all().filter_map(|shard| Some((shard, best(shard, members)?.to_owned()))).collect()
    }

    #[test]
    fn a_replica_that_goes_moves_its_own_shards_and_no_others() {
        let three: Vec<String> = ["a:1", "b:2", "c:3"].map(str::to_owned).to_vec();
        let (all, left) = (owners(&three), owners(&three[..2]));
        for (shard, owner) in &all {
            assert!(owner == "c:3" || left[shard] == *owner, "{shard} moved from {owner}");
        }
        for member in &three {
            let share = all.values().filter(|owner| *owner == member).count();
            assert!((10..=32).contains(&share), "{member} has {share} of 64");
        }
        assert_eq!(best(Shard::all().next().unwrap(), &[]), None);
    }

    #[test]
    fn the_order_in_which_members_are_told_decides_nothing() {
        let members: Vec<String> = (0..7).map(|i| format!("host-{i}:{i}")).collect();
        let reversed: Vec<String> = members.iter().rev().cloned().collect();
        assert_eq!(owners(&members), owners(&reversed));
    }
}
