//! An answer's head and body as bytes. Pure but for the `Date`, which is passed in.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use crate::http::cors;
use crate::http::head::{Head, Version};
use crate::http::shape::Shape;
use crate::names::RequestId;
use crate::openai::error::ApiError;

/// A short answer, whole in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
    /// What `body` says, if it refuses something: for clients that expect another [`Shape`].
    pub(super) refusal: Option<Box<ApiError>>,
}

/// How the client finds the end of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Length(usize),
    Chunked,
    /// By the end of the connection: what HTTP/1.0 leaves for a stream.
    Close,
}

impl Reply {
    pub(crate) fn new(
        status: u16,
        headers: Vec<(&'static str, String)>,
        body: impl Into<Vec<u8>>,
    ) -> Self {
        Self {
            status,
            headers,
            body: body.into(),
            refusal: None,
        }
    }

    pub(crate) fn json(status: u16, body: impl Into<Vec<u8>>) -> Self {
        let headers = vec![("Content-Type", "application/json".to_owned())];
        Self::new(status, headers, body)
    }

    pub(crate) fn error(error: &ApiError) -> Self {
        let mut reply = Self::json(error.status, error.to_json());
        reply.refusal = Some(Box::new(error.clone()));
        if let Some(wait) = error.retry_after {
            reply
                .headers
                .push(("Retry-After", whole_seconds(wait).to_string()));
        }
        if error.status == 401 {
            reply
                .headers
                .push(("WWW-Authenticate", "Bearer".to_owned()));
        }
        if let Some(allowed) = error.allow {
            reply.headers.push(("Allow", allowed.to_owned()));
        }
        reply
    }

    /// 204 to a preflight.
    pub(crate) fn preflight(head: &Head) -> Self {
        Self::new(204, cors::preflight_headers(head), Vec::new())
    }

    /// Adds a header, unless its value would break the head.
    pub(crate) fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// `Retry-After` counts whole seconds; a wait is never shortened.
fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

/// What every answer's head needs to know about its request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) path: &'a str,
    pub(crate) version: Version,
    pub(crate) shape: Shape,
    pub(crate) request_id: &'a RequestId,
    /// Whether the connection lives on afterwards.
    pub(crate) keep_alive: bool,
}

/// Most heads fit.
const USUAL_HEAD_BYTES: usize = 1024;

/// The bytes of an answer's head, blank line included.
pub(crate) fn head_bytes(
    asked: Asked<'_>,
    status: u16,
    headers: &[(&'static str, String)],
    ending: Ending,
    now: SystemTime,
) -> Vec<u8> {
    let mut head = String::with_capacity(USUAL_HEAD_BYTES);
    // Writing into a string does not fail.
    let _ = write!(
        head,
        "HTTP/1.1 {status} {}\r\nDate: {}\r\n",
        reason(status),
        httpdate::HttpDate::from(now)
    );
    let mut line = |name: &str, value: &str| {
        head.push_str(name);
        head.push_str(": ");
        // A value from outside (an upstream's id, an account's name) must not begin a line of its own.
        value
            .split(char::is_control)
            .for_each(|part| head.push_str(part));
        head.push_str("\r\n");
    };
    for (name, value) in headers {
        line(name, value);
    }
    for (name, value) in cors::headers(asked.path) {
        line(name, value);
    }
    line("X-Request-Id", asked.request_id.as_str());
    if let Some(name) = asked.shape.id_header() {
        line(name, asked.request_id.as_str());
    }
    match ending {
        // RFC 9110 §8.6: a 204 has no Content-Length, and that of a 304 would be the length of what is not sent.
        Ending::Length(_) if matches!(status, 204 | 304) => {}
        Ending::Length(length) => line("Content-Length", &length.to_string()),
        Ending::Chunked => line("Transfer-Encoding", "chunked"),
        Ending::Close => {}
    }
    match (asked.version, asked.keep_alive && ending != Ending::Close) {
        (Version::Http11, true) => {}
        (Version::Http10, true) => line("Connection", "keep-alive"),
        (Version::Http10 | Version::Http11, false) => line("Connection", "close"),
    }
    head.push_str("\r\n");
    head.into_bytes()
}

/// Reason phrases of the statuses that occur; clients ignore them, people with curl do not.
fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        304 => "Not Modified",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        411 => "Length Required",
        413 => "Content Too Large",
        414 => "URI Too Long",
        417 => "Expectation Failed",
        422 => "Unprocessable Content",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "Status",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(path: &str, version: Version, keep_alive: bool, status: u16, ending: Ending) -> String {
        let id = RequestId::new("id1");
        let asked = Asked {
            path,
            version,
            shape: Shape::OpenAi,
            request_id: &id,
            keep_alive,
        };
        let headers = [("X-Ociai-Account", "a\r\nSet-Cookie: b".to_owned())];
        String::from_utf8_lossy(&head_bytes(
            asked,
            status,
            &headers,
            ending,
            SystemTime::UNIX_EPOCH,
        ))
        .into_owned()
    }

    #[test]
    fn a_head_says_what_the_request_allows() {
        let text = head("/v1/models", Version::Http11, true, 200, Ending::Length(5));
        assert!(
            text.starts_with("HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n"),
            "{text}"
        );
        assert!(
            text.contains("\r\nX-Ociai-Account: aSet-Cookie: b\r\n"),
            "{text}"
        );
        assert!(
            text.contains("\r\nAccess-Control-Allow-Origin: *\r\n"),
            "{text}"
        );
        assert!(text.contains("\r\nX-Request-Id: id1\r\n"), "{text}");
        assert!(text.ends_with("\r\nContent-Length: 5\r\n\r\n"), "{text}");
        let text = head(
            "/stats/queue",
            Version::Http10,
            true,
            200,
            Ending::Length(5),
        );
        assert!(
            !text.contains("Access-Control") && text.ends_with("Connection: keep-alive\r\n\r\n"),
            "{text}"
        );
        let text = head("/v1/x", Version::Http10, true, 200, Ending::Close);
        assert!(text.ends_with("Connection: close\r\n\r\n"), "{text}");
        let text = head("/v1/x", Version::Http11, false, 204, Ending::Length(0));
        assert!(
            !text.contains("Content-Length") && text.ends_with("Connection: close\r\n\r\n"),
            "{text}"
        );
    }

    #[test]
    fn retry_after_is_rounded_up() {
        let error = ApiError::new(429, "rate_limit_error", "slow down")
            .with_retry_after(Some(Duration::from_millis(1200)));
        assert!(
            Reply::error(&error)
                .headers
                .contains(&("Retry-After", "2".to_owned()))
        );
    }
}
