//! What goes wrong over HTTP, told as RFC 9457 has it: `application/problem+json`. Knows no route.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// The content type of a problem.
const CONTENT_TYPE: &str = "application/problem+json";

/// Why a request got no answer, or none that helps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    status: StatusCode,
    detail: String,
    retry_after_s: Option<u32>,
}

/// The members of a problem: `type` is `about:blank`, so that `title` is the status' own words.
#[derive(Serialize)]
struct Members<'a> {
    r#type: &'static str,
    title: &'a str,
    status: u16,
    detail: &'a str,
}

impl Problem {
    /// A problem of this HTTP status; `detail` says to a person what to do about it, and no secret.
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), retry_after_s: None }
    }

    /// Says after how many seconds asking again makes sense.
    #[must_use]
    pub const fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }

    /// The HTTP status.
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// What to do about it.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The words of a status where nobody has better ones.
    pub(crate) fn of(status: StatusCode) -> Self {
        let detail = match status {
            StatusCode::NOT_FOUND => "there is nothing at this path",
            StatusCode::METHOD_NOT_ALLOWED => {
                "this path does not know this method; the header `allow` names those it knows"
            }
            _ => status.canonical_reason().unwrap_or("no more is known"),
        };
        Self::new(status, detail)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let members = Members {
            r#type: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Problem"),
            status: self.status.as_u16(),
            detail: &self.detail,
        };
        let json = serde_json::to_string(&members).unwrap_or_default();
        let headers = [(header::CONTENT_TYPE, CONTENT_TYPE), (header::CACHE_CONTROL, "no-store")];
        let mut response = (self.status, headers, json).into_response();
        if let Some(seconds) = self.retry_after_s {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// Puts words into an error that has none; its headers stay.
pub(crate) fn worded(response: Response) -> Response {
    let status = response.status();
    let is_bare = !response.headers().contains_key(header::CONTENT_TYPE);
    if !is_bare || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let mut problem = Problem::of(status).into_response();
    for (name, value) in response.headers() {
        if *name != header::CONTENT_LENGTH {
            problem.headers_mut().append(name.clone(), value.clone());
        }
    }
    problem
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_without_words_gets_some_and_keeps_its_headers() {
        let bare = (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "GET,HEAD")]).into_response();
        let told = worded(bare);
        assert_eq!(told.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(
            (&told.headers()[header::CONTENT_TYPE], &told.headers()[header::ALLOW]),
            (&HeaderValue::from_static(CONTENT_TYPE), &HeaderValue::from_static("GET,HEAD"),)
        );
        let plain = (StatusCode::SERVICE_UNAVAILABLE, "{}").into_response();
        assert_eq!(worded(plain).headers()[header::CONTENT_TYPE], "text/plain; charset=utf-8");
        assert!(worded(StatusCode::NO_CONTENT.into_response()).headers().is_empty());
    }
}
