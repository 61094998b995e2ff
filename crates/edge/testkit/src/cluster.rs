//! A Redis Cluster per test: real servers on loopback, masters with replicas, whose failover takes two seconds.

use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::process::Stdio;
use std::time::Duration;

use cascade_bus::{Bus, BusError};
use fred::clients::Client;
use fred::interfaces::ClientLike;
use fred::types::config::Config;
use fred::types::{Builder, ClusterHash, CustomCommand};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::eventually;
use crate::redis::alert_bus;

/// A cluster, killed when dropped.
#[derive(Debug)]
pub struct TestCluster {
    nodes: Vec<ClusterNode>,
}

/// One server of it.
#[derive(Debug)]
pub struct ClusterNode {
    // Ahead of its directory: fields are dropped in order.
    child: Child,
    port: u16,
    _directory: TempDir,
}

/// After how long without a sign of life a master is replaced, milliseconds.
const NODE_TIMEOUT_MS: &str = "2000";
/// How long starting and joining may take on a busy machine, wall time.
const PATIENCE: Duration = Duration::from_mins(1);
/// How often a port may be snatched away between finding it free and taking it.
const PORT_TRIES: u32 = 10;
/// How many slots there are.
const SLOTS: usize = 16_384;

impl TestCluster {
    /// Starts so many masters, each with so many replicas, and waits until all agree and all copies are made.
    ///
    /// # Errors
    /// redis-server is not installed, does not start, or the nodes do not agree in time.
    pub async fn start(masters: usize, replicas_each: usize) -> Result<Self, BusError> {
        let mut nodes = Vec::new();
        for _ in 0..masters * (1 + replicas_each) {
            nodes.push(ClusterNode::start().await?);
        }
        let cluster = Self { nodes };
        cluster.join(masters).await?;
        let settled = eventually(PATIENCE, async || cluster.is_settled().await);
        if settled.await { Ok(cluster) } else { Err(failed("its nodes do not agree")) }
    }

    async fn join(&self, masters: usize) -> Result<(), BusError> {
        let Some(first) = self.nodes.first() else { return Err(failed("no node")) };
        for (number, node) in self.nodes.iter().enumerate().take(masters) {
            let (from, to) = (number * SLOTS / masters, (number + 1) * SLOTS / masters - 1);
            node.ask("CLUSTER", &["ADDSLOTSRANGE", &from.to_string(), &to.to_string()]).await?;
            // Two with the same epoch would have to settle that first.
            node.ask("CLUSTER", &["SET-CONFIG-EPOCH", &(number + 1).to_string()]).await?;
        }
        let (port, bus_port) = (first.port.to_string(), first.bus_port().await?);
        for node in self.nodes.iter().skip(1) {
            node.ask("CLUSTER", &["MEET", "127.0.0.1", &port, &bus_port]).await?;
        }
        for (number, replica) in self.nodes.iter().enumerate().skip(masters) {
            let id = self.nodes[number % masters].ask("CLUSTER", &["MYID"]).await?;
            // It must have heard of its master.
            let follows =
                eventually(PATIENCE, async || replica.ask("CLUSTER", &["REPLICATE", &id]).await.is_ok());
            if !follows.await {
                return Err(failed("a replica does not find its master"));
            }
        }
        Ok(())
    }

    async fn is_settled(&self) -> bool {
        let known = format!("cluster_known_nodes:{}", self.nodes.len());
        for node in &self.nodes {
            let state = node.ask("CLUSTER", &["INFO"]).await.unwrap_or_default();
            let copies = node.ask("INFO", &["replication"]).await.unwrap_or_default();
            let nodes = node.ask("CLUSTER", &["NODES"]).await.unwrap_or_default();
            let is_copied = copies.contains("role:master") || copies.contains("master_link_status:up");
            let replicas = nodes.lines().filter(|line| line.contains("slave")).count();
            let masters = nodes.lines().filter(|line| line.contains("master")).count();
            let everybody = replicas + masters == self.nodes.len() && nodes.contains("connected");
            if !(state.contains("cluster_state:ok") && state.contains(&known) && is_copied && everybody) {
                return false;
            }
            // A replica whose copy is not made yet can't take over.
            let own =
                copies.lines().filter(|line| line.starts_with("slave") && line.contains("state=online"));
            if copies.contains("role:master") && own.count() < replicas / masters.max(1) {
                return false;
            }
        }
        true
    }

    /// Its URL: all nodes.
    pub fn url(&self) -> String {
        let hosts: Vec<_> = self.nodes.iter().map(|node| format!("127.0.0.1:{}", node.port)).collect();
        format!("redis+cluster://{}", hosts.join(","))
    }

    /// Its URL as [`crate::Observer`] takes it.
    pub fn observed_url(&self) -> String {
        let hosts: Vec<_> = self.nodes.iter().map(|node| format!("node=127.0.0.1:{}", node.port)).collect();
        let first = self.nodes.first().map_or(0, |node| node.port);
        format!("redis-cluster://127.0.0.1:{first}?{}", hosts.join("&"))
    }

    /// The URL of the node on this port alone, as a single server.
    pub fn url_of_node(port: u16) -> String {
        format!("redis://127.0.0.1:{port}")
    }

    /// The ports of the nodes that live, masters at the start first.
    pub fn ports(&mut self) -> Vec<u16> {
        let mut ports = Vec::new();
        for node in &mut self.nodes {
            if matches!(node.child.try_wait(), Ok(None)) {
                ports.push(node.port);
            }
        }
        ports
    }

    /// A bus to it that notices outages fast: commands fail after 1 s, probes go every 200 ms.
    ///
    /// # Errors
    /// Never in practice: the URL is good.
    pub fn bus(&self, instance: &str) -> Result<Bus, BusError> {
        alert_bus(&self.url(), instance)
    }

    /// The port of the master that serves a key.
    ///
    /// # Errors
    /// No node knows.
    pub async fn master_of(&mut self, key: &str) -> Result<u16, BusError> {
        for port in self.ports() {
            let slot = ask(port, "CLUSTER", &["KEYSLOT", key]).await?;
            let slot = slot.parse::<u16>().map_err(|e| BusError::Reply(e.to_string()))?;
            let nodes = ask(port, "CLUSTER", &["NODES"]).await.unwrap_or_default();
            if let Some(port) = nodes.lines().find_map(|line| serves(line, slot)) {
                return Ok(port);
            }
        }
        Err(failed("nobody serves the key"))
    }

    /// Kills the master that serves a key (SIGKILL), as a crash would, and gives its port.
    ///
    /// # Errors
    /// Nobody serves it, or it does not end.
    pub async fn kill_master_of(&mut self, key: &str) -> Result<u16, BusError> {
        let port = self.master_of(key).await?;
        self.kill(port).await?;
        Ok(port)
    }

    /// Kills the node on this port (SIGKILL).
    ///
    /// # Errors
    /// There is none, or it does not end.
    pub async fn kill(&mut self, port: u16) -> Result<(), BusError> {
        let node =
            self.nodes.iter_mut().find(|node| node.port == port).ok_or_else(|| failed("no such node"))?;
        node.child.kill().await.map_err(|e| BusError::Server(e.to_string()))
    }
}

impl TestCluster {
    /// Freezes the node on this port (SIGSTOP): its connections stay, answers don't come.
    ///
    /// # Errors
    /// There is none.
    pub async fn pause(&self, port: u16) -> Result<(), BusError> {
        let node = self.nodes.iter().find(|node| node.port == port);
        let pid = node.and_then(|node| node.child.id()).ok_or_else(|| failed("no such node"))?;
        // The shell's own `kill`: there is always a shell, not always a program of that name.
        let status = Command::new("sh").arg("-c").arg(format!("kill -STOP {pid}")).status().await;
        status.map(drop).map_err(|e| BusError::Server(e.to_string()))
    }
}

impl ClusterNode {
    async fn start() -> Result<Self, BusError> {
        for _ in 0..PORT_TRIES {
            let (port, bus_port) = two_ports()?;
            let directory = tempfile::Builder::new()
                .prefix("cascade-cluster-")
                .tempdir()
                .map_err(|e| BusError::Server(e.to_string()))?;
            let child = server(port, bus_port, &directory).spawn().map_err(|e| match e.kind() {
                std::io::ErrorKind::NotFound => BusError::NotInstalled,
                _ => BusError::Server(e.to_string()),
            })?;
            let mut node = Self { child, port, _directory: directory };
            let pid = format!("process_id:{}\r", node.child.id().unwrap_or_default());
            let up = eventually(PATIENCE, async || {
                let has_ended = !matches!(node.child.try_wait(), Ok(None));
                has_ended || ask(port, "INFO", &["server"]).await.is_ok_and(|info| info.contains(&pid))
            });
            if up.await && matches!(node.child.try_wait(), Ok(None)) {
                return Ok(node);
            }
        }
        Err(failed("a node does not start"))
    }

    async fn ask(&self, command: &'static str, args: &[&str]) -> Result<String, BusError> {
        ask(self.port, command, args).await
    }

    async fn bus_port(&self) -> Result<String, BusError> {
        let nodes = self.ask("CLUSTER", &["NODES"]).await?;
        let port = nodes.lines().find(|line| line.contains("myself")).and_then(|line| {
            line.split_whitespace().nth(1)?.split_once('@').map(|(_, port)| port.split(',').next())
        });
        port.flatten().map(str::to_owned).ok_or_else(|| failed("a node without a bus port"))
    }
}

fn server(port: u16, bus_port: u16, directory: &TempDir) -> Command {
    let mut command = Command::new("redis-server");
    command
        .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--daemonize", "no"])
        .args(["--port", &port.to_string(), "--cluster-port", &bus_port.to_string()])
        .args(["--cluster-enabled", "yes", "--cluster-node-timeout", NODE_TIMEOUT_MS])
        .args(["--cluster-allow-replica-migration", "no", "--repl-diskless-sync-delay", "0"])
        .args(["--cluster-replica-validity-factor", "0"])
        .arg("--dir")
        .arg(directory.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .kill_on_drop(true);
    command
}

/// Two free ports; both are held until both are found.
fn two_ports() -> Result<(u16, u16), BusError> {
    let bind = || TcpListener::bind(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0));
    let ports = || -> std::io::Result<(u16, u16)> {
        let (one, two) = (bind()?, bind()?);
        Ok((one.local_addr()?.port(), two.local_addr()?.port()))
    };
    ports().map_err(|e| BusError::Server(format!("no free port: {e}")))
}

/// What one node answers, as text.
async fn ask(port: u16, command: &'static str, args: &[&str]) -> Result<String, BusError> {
    let asked = async {
        let config = Config::from_url(&TestCluster::url_of_node(port))?;
        let client: Client = Builder::from_config(config).build()?;
        client.init().await?;
        let command = CustomCommand::new_static(command, ClusterHash::FirstKey, false);
        let args: Vec<String> = args.iter().map(|&arg| arg.to_owned()).collect();
        let answer = client.custom(command, args).await;
        client.quit().await?;
        answer
    };
    asked.await.map_err(|e: fred::error::Error| BusError::Server(e.to_string()))
}

/// The port of the node that this line of CLUSTER NODES is about, if it is a living master of the slot.
fn serves(line: &str, slot: u16) -> Option<u16> {
    let mut words = line.split_whitespace();
    let (address, flags) = (words.nth(1)?, words.next()?);
    if !flags.contains("master") || flags.contains("fail") {
        return None;
    }
    let has = words.skip(5).any(|range| {
        let (from, to) = range.split_once('-').unwrap_or((range, range));
        matches!((from.parse::<u16>(), to.parse::<u16>()), (Ok(from), Ok(to)) if (from..=to).contains(&slot))
    });
    let port = address.split('@').next()?.rsplit_once(':')?.1.parse().ok()?;
    has.then_some(port)
}

fn failed(reason: &str) -> BusError {
    BusError::Server(format!("the test cluster: {reason}"))
}
