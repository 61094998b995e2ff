//! How a cluster shares out its work: which node serves which slot, and which commands go together. Asks nothing
//! itself and keeps no connection.

use std::collections::{BTreeSet, HashMap};
use std::ops::RangeInclusive;
use std::sync::LazyLock;

use redis::cluster_routing::{Route, SingleNodeRoutingInfo, Slot, SlotAddr};
use redis::{Arg, Cmd, Pipeline, Value, from_redis_value};

/// A node, as the cluster names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Node {
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Node {
    pub(crate) fn route(&self) -> SingleNodeRoutingInfo {
        SingleNodeRoutingInfo::ByAddress { host: self.host.clone(), port: self.port }
    }
}

impl std::fmt::Display for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// Who serves what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Topology {
    masters: Vec<(RangeInclusive<u16>, Node)>,
    replicas: BTreeSet<Node>,
}

/// Commands that go to one place together, in order.
pub(crate) struct Group {
    pub(crate) route: SingleNodeRoutingInfo,
    /// Where each stood among all commands.
    pub(crate) places: Vec<usize>,
    pub(crate) commands: Pipeline,
}

/// How commands are grouped.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Together {
    /// Those of one slot: what the cluster moves, it moves together, so that nothing is done twice on the way.
    Slot,
    /// Those of one node, for reads: a node that gave a slot away makes the whole group fail.
    Node,
}

/// Slots do not tell their number.
static NUMBERS: LazyLock<HashMap<Slot, u16>> =
    LazyLock::new(|| (0..=u16::MAX).map_while(|number| Some((Slot::new(number)?, number))).collect());

/// The number of a key's slot.
pub(crate) fn slot(key: &[u8]) -> u16 {
    NUMBERS.get(&Slot::for_key(key)).copied().unwrap_or_default()
}

impl Topology {
    /// What to ask a node for it.
    pub(crate) fn ask() -> Cmd {
        let mut cmd = redis::cmd("CLUSTER");
        cmd.arg("SLOTS");
        cmd
    }

    /// Reads an answer to that; what has no address of its own is left out.
    pub(crate) fn of(answer: Vec<Vec<Value>>) -> Self {
        let mut topology = Self::default();
        for range in answer {
            let mut parts = range.into_iter();
            let (Some(from), Some(to)) = (next::<u16>(&mut parts), next::<u16>(&mut parts)) else { continue };
            let mut nodes = parts.map(node);
            if let Some(Some(master)) = nodes.next() {
                topology.masters.push((from..=to, master));
            }
            topology.replicas.extend(nodes.flatten());
        }
        topology
    }

    /// Every master, once.
    pub(crate) fn masters(&self) -> BTreeSet<&Node> {
        self.masters.iter().map(|(_, node)| node).collect()
    }

    /// Every node, masters first.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = &Node> {
        let masters = self.masters();
        let others = self.replicas.iter().filter(|node| !self.masters.iter().any(|(_, m)| m == *node));
        masters.into_iter().chain(others)
    }

    /// Who serves this slot; `None` = nobody.
    pub(crate) fn master_of(&self, slot: u16) -> Option<&Node> {
        self.masters.iter().find(|(slots, _)| slots.contains(&slot)).map(|(_, node)| node)
    }

    /// Sorts commands by where they go; the order within a group is the order given.
    pub(crate) fn groups(&self, commands: &Pipeline, together: Together) -> Vec<Group> {
        let mut groups: Vec<Group> = Vec::new();
        let mut found: HashMap<(Option<&Node>, u16), usize> = HashMap::new();
        for (place, cmd) in commands.cmd_iter().enumerate() {
            let key = key_of(cmd);
            let slot = slot(key);
            let node = if together == Together::Node { self.master_of(slot) } else { None };
            let group = *found.entry((node, if node.is_some() { 0 } else { slot })).or_insert_with(|| {
                let route = node.map_or_else(
                    || SingleNodeRoutingInfo::SpecificNode(Route::with_key(key, SlotAddr::Master)),
                    Node::route,
                );
                groups.push(Group { route, places: Vec::new(), commands: Pipeline::new() });
                groups.len() - 1
            });
            groups[group].places.push(place);
            groups[group].commands.add_command(cmd.clone());
        }
        groups
    }
}

/// The key by which a command finds its node. Of a message that is its channel, so that one node sends all of them,
/// in order.
fn key_of(cmd: &Cmd) -> &[u8] {
    let arg = |index: usize| match cmd.args_iter().nth(index) {
        Some(Arg::Simple(bytes)) => bytes,
        _ => &[],
    };
    match arg(0) {
        b"EVALSHA" => arg(3),
        b"XREAD" => {
            let streams = cmd.args_iter().position(|arg| matches!(arg, Arg::Simple(b"STREAMS")));
            streams.map_or(&[], |streams| arg(streams + 1))
        }
        _ => arg(1),
    }
}

fn next<T: redis::FromRedisValue>(parts: &mut impl Iterator<Item = Value>) -> Option<T> {
    from_redis_value(parts.next()?).ok()
}

fn node(value: Value) -> Option<Node> {
    let mut parts = from_redis_value::<Vec<Value>>(value).ok()?.into_iter();
    let host: String = next(&mut parts)?;
    let port: u16 = next(&mut parts)?;
    (!host.is_empty() && host != "?" && port != 0).then_some(Node { host, port })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(host: &str, port: i64) -> Value {
        Value::Array(vec![Value::BulkString(host.into()), Value::Int(port), Value::BulkString("id".into())])
    }

    fn two_masters() -> Topology {
        Topology::of(vec![
            vec![Value::Int(0), Value::Int(8191), member("a", 1), member("c", 3)],
            vec![Value::Int(8192), Value::Int(16_000), member("b", 2), Value::Array(vec![Value::Nil])],
            vec![Value::Int(16_001), Value::Int(16_383), member("a", 1), member("c", 3)],
        ])
    }

    #[test]
    fn slots_have_the_numbers_that_redis_documents() {
        assert_eq!((slot(b"123456789"), slot(b"foo"), slot(b"{foo}bar")), (0x31c3, 12_182, 12_182));
        assert_eq!(NUMBERS.len(), 16_384);
    }

    #[test]
    fn every_slot_has_its_master_and_every_node_is_known_once() {
        let topology = two_masters();
        let nodes: Vec<_> = topology.nodes().map(ToString::to_string).collect();
        assert_eq!(nodes, ["a:1", "b:2", "c:3"]);
        assert_eq!(topology.masters().len(), 2);
        let of = |slot| topology.master_of(slot).map(ToString::to_string);
        assert_eq!(
            (of(8191), of(8192), of(16_383)),
            (Some("a:1".into()), Some("b:2".into()), Some("a:1".into()))
        );
        assert_eq!(Topology::default().master_of(1), None);
    }

    #[test]
    fn commands_are_grouped_by_slot_or_by_node_and_keep_their_order() {
        let mut pipe = Pipeline::new();
        pipe.cmd("GET").arg("foo").cmd("EVALSHA").arg("hash").arg(1).arg("bar");
        pipe.cmd("XREAD").arg("COUNT").arg(1).arg("STREAMS").arg("{foo}x").arg("0-0");
        pipe.cmd("SET").arg("baz").arg("1");
        let places = |topology: &Topology, together| {
            let groups = topology.groups(&pipe, together);
            groups.into_iter().map(|group| group.places).collect::<Vec<_>>()
        };
        assert_eq!(places(&two_masters(), Together::Slot), [vec![0, 2], vec![1], vec![3]]);
        assert_eq!(places(&two_masters(), Together::Node), [vec![0, 2], vec![1, 3]]);
        assert_eq!(places(&Topology::default(), Together::Node), [vec![0, 2], vec![1], vec![3]]);
    }
}
