//! HTTP for whoever connects: hostile clients get what they are due and keep nobody else waiting.
//!
//! At most [`SEATS`] connections are held. When all are taken, the one that has kept us waiting for longest goes, whether
//! it is idle, dribbles a request or does not read its answer; a new one waits only while every seat is busy with us.
//! Every phase of a connection has a deadline. Knows no route.

mod answer;
mod seat;
mod wire;

use std::io::{Error, ErrorKind};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use self::answer::answer;
use self::seat::{Seat, Seats};
use self::wire::Wire;
use crate::Shutdown;

/// How many connections are held at once.
const SEATS: usize = 512;
/// How many bytes of a request's line and headers are read.
const LONGEST_HEADERS: usize = 32 * 1024;
/// How long to rest when the machine gives us no connection: it has too many open files.
const REST: Duration = Duration::from_millis(500);
/// How long what is under way may take once the server was asked to stop.
const LAST_REQUESTS: Duration = Duration::from_secs(1);

/// Serves until asked to stop; what is under way then has a second, upgraded connections too.
pub(crate) async fn serve(listener: TcpListener, router: Router, shutdown: Shutdown) {
    let seats = Seats::new(SEATS);
    let mut connections = JoinSet::new();
    loop {
        while let Some(ended) = connections.try_join_next() {
            if let Err(error) = ended {
                tracing::error!(%error, "a connection died");
            }
        }
        let seated = tokio::select! {
            biased;
            () = shutdown.requested() => break,
            seated = accept(&listener, &seats) => seated,
        };
        if let Some((stream, seat)) = seated {
            connections.spawn(converse(stream, seat, router.clone(), shutdown.clone()));
        }
    }
    drop(listener);
    timeout(LAST_REQUESTS, seats.all_left()).await.ok();
    seats.cut_all();
}

/// The next connection with its seat; `None` where there was none to be had.
async fn accept(listener: &TcpListener, seats: &Arc<Seats>) -> Option<(TcpStream, Arc<Seat>)> {
    match listener.accept().await {
        Ok((stream, _)) => {
            stream.set_nodelay(true).ok();
            Some((stream, seats.take().await))
        }
        Err(error) => {
            if !is_of_the_client(&error) {
                tracing::warn!(%error, "no connection can be accepted");
                sleep(REST).await;
            }
            None
        }
    }
}

/// Whether it was the client that gave up.
fn is_of_the_client(error: &Error) -> bool {
    use ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// Answers one connection's requests until it ends, is cut, or is overdue.
async fn converse(stream: TcpStream, seat: Arc<Seat>, router: Router, shutdown: Shutdown) {
    let wire = TokioIo::new(Wire::new(stream, Arc::clone(&seat)));
    let service = service_fn(|request| answer(request, router.clone(), Arc::clone(&seat)));
    let connection = http1::Builder::new()
        // The seat keeps the time, of idle connections too.
        .header_read_timeout(None)
        .max_header_size(LONGEST_HEADERS)
        .max_buf_size(2 * LONGEST_HEADERS)
        // Who has nothing more to ask still wants the answer.
        .half_close(true)
        .serve_connection(wire, service)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let mut overdue = std::pin::pin!(seat.overdue());
    let mut is_asked = false;
    loop {
        tokio::select! {
            biased;
            () = seat.is_cut() => return,
            () = shutdown.requested(), if !is_asked => {
                connection.as_mut().graceful_shutdown();
                is_asked = true;
            }
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a client broke off, or spoke no HTTP");
                }
                return;
            }
            () = &mut overdue => return,
        }
    }
}
