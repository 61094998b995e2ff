//! Writes entries into streams under ids of its own, as anybody may: plain RESP over one connection.
//!
//! An id is never used for two entries, so what is written again after a lost answer is refused as already there. A
//! Redis that was killed may have lost what it acknowledged last (`appendfsync everysec`): on every new connection the
//! last seconds are written again. Within a connection Redis keeps the order, so nothing is ever left out between.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::Failure;

/// How many requests are kept to be written again.
const KEPT: usize = 400;
/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long Redis may be away.
const AWAY: Duration = Duration::from_mins(1);
/// Between two attempts.
const RETRY: Duration = Duration::from_millis(20);

/// Some commands, and how many.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    bytes: Vec<u8>,
    commands: usize,
}

impl Request {
    /// Adds `XADD key id field value`.
    pub(crate) fn append(&mut self, key: &str, id: &str, (field, value): (&str, &[u8])) {
        let parts = [b"XADD", key.as_bytes(), id.as_bytes(), field.as_bytes(), value];
        self.bytes.extend_from_slice(format!("*{}\r\n", parts.len()).as_bytes());
        for part in parts {
            self.bytes.extend_from_slice(format!("${}\r\n", part.len()).as_bytes());
            self.bytes.extend_from_slice(part);
            self.bytes.extend_from_slice(b"\r\n");
        }
        self.commands += 1;
    }
}

/// One writer of one Redis.
#[derive(Debug)]
pub(crate) struct Writer {
    port: u16,
    connection: Option<BufReader<TcpStream>>,
    recent: VecDeque<Request>,
}

impl Writer {
    pub(crate) const fn new(port: u16) -> Self {
        Self { port, connection: None, recent: VecDeque::new() }
    }

    /// Writes all of it, however often Redis goes away meanwhile.
    pub(crate) async fn write(&mut self, request: &Request) -> Result<(), Failure> {
        let writing = async {
            while self.attempt(request).await.is_err() {
                self.connection = None;
                tokio::time::sleep(RETRY).await;
            }
        };
        timeout(AWAY, writing)
            .await
            .map_err(|_| format!("Redis on port {} took nothing for a minute", self.port))?;
        self.recent.push_back(request.clone());
        if self.recent.len() > KEPT {
            self.recent.pop_front();
        }
        Ok(())
    }

    async fn attempt(&mut self, request: &Request) -> Result<(), Failure> {
        if self.connection.is_none() {
            let mut connection = BufReader::new(TcpStream::connect(("127.0.0.1", self.port)).await?);
            // A Redis that still reads its file refuses some and then takes others: not yet.
            exchange(&mut connection, b"*1\r\n$4\r\nPING\r\n", 1).await?;
            for recent in &self.recent {
                exchange(&mut connection, &recent.bytes, recent.commands).await?;
            }
            self.connection = Some(connection);
        }
        let connection = self.connection.as_mut().ok_or("no connection")?;
        exchange(connection, &request.bytes, request.commands).await
    }
}

async fn exchange(
    connection: &mut BufReader<TcpStream>,
    request: &[u8],
    answers: usize,
) -> Result<(), Failure> {
    let both = async {
        connection.get_mut().write_all(request).await?;
        for _ in 0..answers {
            answer(connection).await?;
        }
        Ok::<_, Failure>(())
    };
    timeout(PATIENCE, both).await?
}

/// One answer: an id, `PONG`, or that the id is there already.
async fn answer(connection: &mut BufReader<TcpStream>) -> Result<(), Failure> {
    let mut line = String::new();
    connection.read_line(&mut line).await?;
    if let Some(length) = line.strip_prefix('$') {
        let mut text = vec![0; length.trim().parse::<usize>()? + 2];
        connection.read_exact(&mut text).await?;
        return Ok(());
    }
    if line.starts_with('+') || line.contains("equal or smaller") {
        return Ok(());
    }
    Err(format!("Redis said {line:?}").into())
}
