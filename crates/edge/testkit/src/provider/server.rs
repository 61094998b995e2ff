//! The sockets of a fake: an HTTP server on a free port whose connections can be cut before or within an answer.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};

use axum::Router;
use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A server; it ends when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Server {
    /// Serves on a free port.
    #[expect(clippy::disallowed_methods, reason = "tests have no supervisor; the task ends with its owner")]
    pub(crate) async fn start(router: Router) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let service = router.into_make_service_with_connect_info::<Cut>();
        let serving = axum::serve(Entrance(listener), service).into_future();
        let task = tokio::spawn(async move { drop(serving.await) });
        Ok(Self { address, task })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// By which a connection is cut. Clones are of one connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cut(Arc<AtomicU8>);

const WHOLE: u8 = 0;
const HALF: u8 = 1;
const NOTHING: u8 = 2;

impl Cut {
    /// Half of the next answer leaves.
    pub(crate) fn half_way(&self) {
        self.0.store(HALF, Ordering::Release);
    }

    /// Nothing leaves any more.
    pub(crate) fn now(&self) {
        self.0.store(NOTHING, Ordering::Release);
    }
}

struct Entrance(TcpListener);

impl Listener for Entrance {
    type Io = Line;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Line, SocketAddr) {
        let (stream, address) = Listener::accept(&mut self.0).await;
        // Without it small answers only wait a little.
        drop(stream.set_nodelay(true));
        (Line { stream, cut: Cut::default() }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

impl Connected<IncomingStream<'_, Entrance>> for Cut {
    fn connect_info(stream: IncomingStream<'_, Entrance>) -> Self {
        stream.io().cut.clone()
    }
}

/// One client's connection.
struct Line {
    stream: TcpStream,
    cut: Cut,
}

impl AsyncRead for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Line {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.cut.0.load(Ordering::Acquire) {
            WHOLE => Pin::new(&mut self.stream).poll_write(cx, buf),
            HALF => {
                let half = buf.get(..buf.len().div_ceil(2)).unwrap_or(buf);
                let written = std::task::ready!(Pin::new(&mut self.stream).poll_write(cx, half));
                self.cut.now();
                Poll::Ready(written)
            }
            _ => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
