//! Where Redis is: one server, a cluster, or a master that sentinels name; and how to connect to it. Keeps no
//! connection, and knows no command but those that ask a cluster for its nodes.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::cluster::ClusterClientBuilder;
use redis::cluster_async::ClusterConnection;
use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion,
    RedisResult, TlsMode,
};

use crate::cluster::{Node, Topology};
use crate::{BusError, redacted};

/// Where Redis is. Clones of a cluster share what was learnt of its nodes.
#[derive(Clone)]
pub(crate) enum Place {
    /// One server.
    Server(Box<Client>),
    /// A cluster.
    Cluster(Arc<Nodes>),
    /// The master of this name, which moves.
    Sentinels(Arc<Sentinels>),
}

/// A cluster's nodes: those of the URL, and those that the cluster named last.
pub(crate) struct Nodes {
    named: Vec<ConnectionInfo>,
    topology: Mutex<Arc<Topology>>,
}

/// Who knows where the master is, and how to talk to it.
pub(crate) struct Sentinels {
    addresses: Vec<ConnectionAddr>,
    master: String,
    server: ConnectionInfo,
}

/// A connection that carries commands.
#[derive(Clone)]
pub(crate) enum Wire {
    One(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(client) => f.debug_tuple("Server").field(client).finish(),
            Self::Cluster(nodes) => f.debug_tuple("Cluster").field(&nodes.addresses()).finish(),
            Self::Sentinels(sentinels) => f.debug_tuple("Sentinels").field(&sentinels.master).finish(),
        }
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if matches!(self, Self::One(_)) { "One" } else { "Cluster" })
    }
}

/// The parts of a URL with several hosts.
struct Parts<'a> {
    /// `redis` or `rediss`.
    scheme: &'a str,
    /// With its `@`; empty = nobody.
    user: String,
    hosts: Vec<&'a str>,
    path: Vec<&'a str>,
    /// With its `?`; empty = none.
    query: String,
}

/// The library tries a command so often on a cluster that has moved its slots; waits of 20 to 200 ms in between.
const TRIES: u32 = 3;
const SHORTEST_RETRY_MS: u64 = 20;
const LONGEST_RETRY_MS: u64 = 200;
const SENTINEL_PORT: u16 = 26_379;

impl Place {
    /// What a URL names; connects to nothing.
    pub(crate) fn parse(url: &str) -> Result<Self, BusError> {
        let refused = |reason: String| BusError::Url { url: redacted(url), reason };
        let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
        let place = match scheme.split_once('+') {
            None => {
                return Client::open(url)
                    .map(|client| Self::Server(Box::new(client)))
                    .map_err(|e| refused(e.category().to_owned()));
            }
            Some((scheme @ ("redis" | "rediss"), "cluster")) => {
                Parts::of(scheme, rest).and_then(|parts| parts.cluster())
            }
            Some((scheme @ ("redis" | "rediss"), "sentinel")) => {
                Parts::of(scheme, rest).and_then(|parts| parts.sentinels())
            }
            Some(_) => Err(format!("`{scheme}` is no scheme of Redis")),
        };
        place.map_err(refused)
    }

    pub(crate) const fn is_cluster(&self) -> bool {
        matches!(self, Self::Cluster(_))
    }

    pub(crate) const fn is_behind_sentinels(&self) -> bool {
        matches!(self, Self::Sentinels(_))
    }

    /// What the cluster looked like when it was last asked; empty where there is none.
    pub(crate) fn topology(&self) -> Arc<Topology> {
        match self {
            Self::Cluster(nodes) => nodes.topology(),
            Self::Server(_) | Self::Sentinels(_) => Arc::default(),
        }
    }

    pub(crate) fn learnt(&self, topology: Topology) {
        if let Self::Cluster(nodes) = self {
            *nodes.topology.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(topology);
        }
    }

    /// A connection for commands. `patience` is for one node's connection, and for one node's answer.
    pub(crate) async fn connect(
        &self,
        config: &AsyncConnectionConfig,
        (connecting, answering): (Duration, Duration),
    ) -> RedisResult<Wire> {
        match self {
            Self::Server(client) => {
                client.get_multiplexed_async_connection_with_config(config).await.map(Wire::One)
            }
            Self::Sentinels(sentinels) => {
                let mut client = sentinels.client(ProtocolVersion::RESP2)?;
                client.get_async_connection_with_config(config).await.map(Wire::One)
            }
            Self::Cluster(nodes) => {
                let client = ClusterClientBuilder::new(nodes.all())
                    .use_protocol(ProtocolVersion::RESP3)
                    .connection_timeout(connecting)
                    .response_timeout(answering)
                    .overall_response_timeout(None)
                    .retries(TRIES)
                    .min_retry_wait(SHORTEST_RETRY_MS)
                    .max_retry_wait(LONGEST_RETRY_MS)
                    .build()?;
                let mut connection = client.get_async_connection().await?;
                let slots = Topology::ask().query_async(&mut connection).await?;
                self.learnt(Topology::of(slots));
                Ok(Wire::Cluster(connection))
            }
        }
    }

    /// A connection that hears channels: to the master, or to a node of the cluster, the next one at each `attempt`.
    pub(crate) async fn connect_to_listen(
        &self,
        config: &AsyncConnectionConfig,
        attempt: usize,
    ) -> RedisResult<MultiplexedConnection> {
        let info = match self {
            Self::Server(client) => client.get_connection_info().clone(),
            Self::Cluster(nodes) => nodes.one(attempt),
            Self::Sentinels(sentinels) => {
                let mut client = sentinels.client(ProtocolVersion::RESP3)?;
                return client.get_async_connection_with_config(config).await;
            }
        };
        let resp3 = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
        let client = Client::open(info.set_redis_settings(resp3))?;
        let mut connection = client.get_multiplexed_async_connection_with_config(config).await?;
        // Nobody may have asked before: the other nodes are needed when this one dies.
        if self.is_cluster() && *self.topology() == Topology::default() {
            self.learnt(Topology::of(Topology::ask().query_async(&mut connection).await?));
        }
        Ok(connection)
    }
}

impl<'a> Parts<'a> {
    fn of(scheme: &'a str, rest: &'a str) -> Result<Self, String> {
        let (rest, query) = rest.split_once('?').map_or((rest, String::new()), |(b, q)| (b, format!("?{q}")));
        let (user, place) = rest.split_once('@').map_or(("", rest), |(user, place)| (user, place));
        if place.contains('@') {
            return Err(
                "user and password stand once, ahead of all hosts, with `@` written as %40".to_owned()
            );
        }
        let user = if user.is_empty() { String::new() } else { format!("{user}@") };
        let mut path = place.split('/');
        let hosts: Vec<_> = path.next().unwrap_or_default().split(',').collect();
        if hosts.iter().any(|host| host.is_empty()) {
            return Err("a host is missing".to_owned());
        }
        Ok(Self { scheme, user, hosts, path: path.filter(|part| !part.is_empty()).collect(), query })
    }

    fn cluster(&self) -> Result<Place, String> {
        if !matches!(self.path[..], [] | ["0"]) {
            return Err("a cluster has no database but 0".to_owned());
        }
        let named = self.hosts.iter().map(|host| self.server(host)).collect::<Result<Vec<_>, _>>()?;
        Ok(Place::Cluster(Arc::new(Nodes { named, topology: Mutex::default() })))
    }

    fn sentinels(&self) -> Result<Place, String> {
        let (master, db) = match self.path[..] {
            [master] => (master, "0"),
            [master, db] => (master, db),
            _ => {
                return Err("the name of the master is missing: .../MASTER or .../MASTER/DATABASE".to_owned());
            }
        };
        let mut addresses = Vec::new();
        for host in &self.hosts {
            let is_complete = host.rsplit_once(':').is_some_and(|(_, port)| !port.ends_with(']'));
            let text = if is_complete {
                format!("{}://{host}", self.scheme)
            } else {
                format!("{}://{host}:{SENTINEL_PORT}", self.scheme)
            };
            addresses.push(info(&text)?.addr().clone());
        }
        let server = self.server(&format!("unused/{db}"))?;
        Ok(Place::Sentinels(Arc::new(Sentinels { addresses, master: master.to_owned(), server })))
    }

    fn server(&self, host: &str) -> Result<ConnectionInfo, String> {
        info(&format!("{}://{}{host}{}", self.scheme, self.user, self.query))
    }
}

fn info(url: &str) -> Result<ConnectionInfo, String> {
    url.into_connection_info().map_err(|e| e.category().to_owned())
}

impl Nodes {
    fn topology(&self) -> Arc<Topology> {
        Arc::clone(&self.topology.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The nodes that the cluster named last, then those of the URL that it did not name.
    fn all(&self) -> Vec<ConnectionInfo> {
        let Some(pattern) = self.named.first() else { return Vec::new() };
        let known = self.topology();
        let mut all: Vec<_> = known.nodes().map(|node| at(pattern, node)).collect();
        for info in &self.named {
            if !all.iter().any(|known| known.addr() == info.addr()) {
                all.push(info.clone());
            }
        }
        all
    }

    fn one(&self, attempt: usize) -> ConnectionInfo {
        let mut all = self.all();
        let chosen = attempt % all.len().max(1);
        all.swap_remove(chosen)
    }

    fn addresses(&self) -> Vec<String> {
        self.named.iter().map(|info| info.addr().to_string()).collect()
    }
}

/// The way to a node, with the TLS and the credentials of another.
fn at(pattern: &ConnectionInfo, node: &Node) -> ConnectionInfo {
    let address = match pattern.addr() {
        ConnectionAddr::TcpTls { insecure, tls_params, .. } => ConnectionAddr::TcpTls {
            host: node.host.clone(),
            port: node.port,
            insecure: *insecure,
            tls_params: tls_params.clone(),
        },
        _ => ConnectionAddr::Tcp(node.host.clone(), node.port),
    };
    pattern.clone().set_addr(address)
}

impl Sentinels {
    fn client(&self, protocol: ProtocolVersion) -> RedisResult<SentinelClient> {
        let server = self.server.redis_settings();
        let mut builder =
            SentinelClientBuilder::new(self.addresses.clone(), &self.master, SentinelServerType::Master)?
                .set_client_to_redis_db(server.db())
                .set_client_to_redis_protocol(protocol);
        if matches!(self.server.addr(), ConnectionAddr::TcpTls { .. }) {
            builder = builder
                .set_client_to_redis_tls_mode(TlsMode::Secure)
                .set_client_to_sentinel_tls_mode(TlsMode::Secure);
        }
        if let Some(user) = server.username() {
            builder = builder.set_client_to_redis_username(user);
        }
        if let Some(password) = server.password() {
            builder = builder.set_client_to_redis_password(password);
        }
        builder.build()
    }
}
