//! One request and its answer: the body is read whole before anybody sees it, and everything has a deadline.
//!
//! Knows no route.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, HttpBody, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hyper::body::{Frame, Incoming, SizeHint};
use tokio::time::timeout;
use tower::ServiceExt;

use super::seat::{Phase, Seat};
use crate::problem::{Problem, worded};

/// The largest body of a request, bytes.
const LARGEST_BODY: usize = 64 * 1024;
/// How long a client may take to send it.
const ASKING: Duration = Duration::from_secs(5);
/// How long an answer may take to be made.
const ANSWERING: Duration = Duration::from_secs(10);

/// Answers one request.
pub(super) async fn answer(
    request: hyper::Request<Incoming>,
    router: Router,
    seat: Arc<Seat>,
) -> Result<Response, Infallible> {
    seat.enter(Phase::Asking);
    let response = match whole(request).await {
        Ok(request) => {
            seat.enter(Phase::Answering);
            match timeout(ANSWERING, router.oneshot(request)).await {
                Ok(Ok(response)) => worded(response),
                Ok(Err(never)) => match never {},
                Err(_) => overdue(),
            }
        }
        Err(problem) => {
            // What the client still sends is not to be taken for its next request.
            seat.linger();
            let mut response = problem.into_response();
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            response
        }
    };
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        seat.enter(Phase::Upgraded);
        return Ok(response);
    }
    seat.enter(Phase::Reading);
    Ok(response.map(|body| Body::new(Told { body, seat })))
}

fn overdue() -> Response {
    let detail = format!("no answer could be made within {} s", ANSWERING.as_secs());
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).retry_after(1).into_response()
}

/// The request with its whole body.
async fn whole(request: hyper::Request<Incoming>) -> Result<Request, Problem> {
    let (parts, body) = request.into_parts();
    let most = u64::try_from(LARGEST_BODY).unwrap_or(u64::MAX);
    if HttpBody::size_hint(&body).lower() > most {
        return Err(too_large());
    }
    if body.is_end_stream() {
        return Ok(Request::from_parts(parts, Body::empty()));
    }
    match timeout(ASKING, to_bytes(Body::new(body), LARGEST_BODY)).await {
        Ok(Ok(bytes)) => Ok(Request::from_parts(parts, Body::from(bytes))),
        Ok(Err(error)) if is_broken(&error) => {
            Err(Problem::new(StatusCode::BAD_REQUEST, "the request's body is no good HTTP, or broke off"))
        }
        Ok(Err(_)) => Err(too_large()),
        Err(_) => {
            let detail = format!("the request's body took longer than {} s", ASKING.as_secs());
            Err(Problem::new(StatusCode::REQUEST_TIMEOUT, detail))
        }
    }
}

/// Whether the body itself was bad, and not merely too long.
fn is_broken(error: &axum::Error) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if error.is::<hyper::Error>() {
            return true;
        }
        cause = error.source();
    }
    false
}

fn too_large() -> Problem {
    let detail = format!("a request's body may have {LARGEST_BODY} bytes at most");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
}

/// The body of an answer; when it is gone, the client's next request may come.
struct Told {
    body: Body,
    seat: Arc<Seat>,
}

impl HttpBody for Told {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        HttpBody::size_hint(&self.body)
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        self.seat.answered();
    }
}
