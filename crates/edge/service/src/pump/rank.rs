//! Which replica a shard belongs to: the one that ranks highest for it among those that live (rendezvous hashing).
//!
//! A replica that comes takes its share from all others, and one that goes leaves its share to all others; no other
//! shard moves. Every replica works it out alone. Knows no Redis.

use cascade_domain::{IdHasher, Shard};

/// The best-ranked of these members for a shard; `None` of nobody.
pub(super) fn best(shard: Shard, members: &[String]) -> Option<&str> {
    let rank = |member: &str| IdHasher::new("member").text(member).int(i64::from(shard.number())).finish();
    members.iter().map(String::as_str).max_by_key(|member| (rank(member), *member))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

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
