//! An HTTP/1.1 server on loopback that a test scripts answer by answer.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::timeout;

use crate::ear::DEADLINE;

/// A server that is scripted by its test.
pub(crate) struct Web {
    listener: TcpListener,
}

impl Web {
    pub(crate) async fn open() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").await.unwrap() }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.listener.local_addr().unwrap())
    }

    /// Answers the next request and closes; gives the request's first line.
    pub(crate) async fn answer(&self, status: &str, body: &str) -> String {
        let (mut stream, _) = timeout(DEADLINE, self.listener.accept()).await.expect("nobody asked").unwrap();
        let mut request = Vec::new();
        while !request.windows(4).any(|end| end == b"\r\n\r\n") {
            let mut piece = [0; 4096];
            let read = stream.read(&mut piece).await.unwrap();
            assert!(read > 0, "the request broke off");
            request.extend_from_slice(&piece[..read]);
        }
        let head =
            format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
        stream.write_all(head.as_bytes()).await.unwrap();
        // Whoever finds an answer too long goes before its end.
        drop(stream.write_all(body.as_bytes()).await);
        String::from_utf8_lossy(&request).lines().next().unwrap().to_owned()
    }
}
