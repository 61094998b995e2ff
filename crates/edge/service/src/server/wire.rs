//! A socket that can be cut, whoever holds it, and that keeps its seat as long as it is open. Knows no HTTP.

use std::fmt;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::seat::Seat;

/// How many bytes a client may send beyond what we wanted before its socket is closed under it.
const LINGERING: usize = 1024 * 1024;

/// A client's socket.
pub(super) struct Wire {
    stream: TcpStream,
    seat: Arc<Seat>,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    /// What was passed over so far; `None` = our side is not closed yet.
    lingered: Option<usize>,
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").field("seat", &self.seat).finish_non_exhaustive()
    }
}

impl Wire {
    /// Of this socket.
    pub(super) fn new(stream: TcpStream, seat: Arc<Seat>) -> Self {
        let cut = Box::pin(seat.cut());
        Self { stream, seat, cut, lingered: None }
    }

    /// An error once it is cut; whoever waits for the socket hears of it.
    fn alive(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        match self.cut.as_mut().poll(context) {
            Poll::Ready(()) => Err(ErrorKind::ConnectionAborted.into()),
            Poll::Pending => Ok(()),
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.alive(context)?;
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.alive(context)?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.alive(context)?;
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    /// Closes our side. A client that still sends what was refused would lose our answer if its socket were closed now.
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.lingered.is_none() {
            ready!(Pin::new(&mut self.stream).poll_shutdown(context))?;
            self.lingered = Some(0);
        }
        let mut passed_over = [0; 8 * 1024];
        while let Some(lingered) =
            self.lingered.filter(|lingered| self.seat.lingers() && *lingered < LINGERING)
        {
            self.alive(context)?;
            let mut buffer = ReadBuf::new(&mut passed_over);
            ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer))?;
            if buffer.filled().is_empty() {
                break;
            }
            self.lingered = Some(lingered + buffer.filled().len());
        }
        Poll::Ready(Ok(()))
    }
}
