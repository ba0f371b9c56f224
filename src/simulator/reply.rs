//! An answer on its way: status line, headers, error bodies, request ids. Knows neither what is asked nor who asks.
//! Source: reference §1.2, §8.

use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rsa::rand_core::{OsRng, RngCore};
use serde_json::json;

use super::connection::{Connection, Request};
use super::state::ActiveCall;

/// `opc-request-id`: up to three segments of at most 32 characters. Source: OCI API 20231130.
const MAX_SEGMENTS: usize = 3;
const MAX_SEGMENT_BYTES: usize = 32;
/// The last second that an HTTP date can tell, at the end of the year 9999.
const LAST_DATE: Duration = Duration::from_secs(253_402_300_799);

/// What happens to a connection when its request is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    KeepAlive,
    Close,
}

/// The simulator's clock, which may differ from this machine's.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    /// Seconds ahead of this machine's.
    ahead: i64,
}

impl Clock {
    pub(super) fn ahead_by(ahead: i64) -> Self {
        Self { ahead }
    }

    /// This machine's time where the simulator's cannot be told.
    pub(super) fn now(self) -> SystemTime {
        let (here, offset) = (
            SystemTime::now(),
            Duration::from_secs(self.ahead.unsigned_abs()),
        );
        let there = if self.ahead < 0 {
            here.checked_sub(offset)
        } else {
            here.checked_add(offset)
        };
        there
            .unwrap_or(here)
            .clamp(UNIX_EPOCH, UNIX_EPOCH + LAST_DATE)
    }
}

/// The answer to one request.
pub(super) struct Reply<'a> {
    pub(super) connection: &'a mut Connection,
    /// `opc-request-id`.
    id: String,
    /// If it is a chat call; it is over when this is dropped.
    call: Option<ActiveCall<'a>>,
    clock: Clock,
}

impl<'a> Reply<'a> {
    pub(super) fn new(
        connection: &'a mut Connection,
        id: String,
        call: Option<ActiveCall<'a>>,
        clock: Clock,
    ) -> Self {
        Self {
            connection,
            id,
            call,
            clock,
        }
    }

    /// To be said before the last write, or before one with which the peer may be done already: its next call can begin
    /// before this one is over, and both together would be one too many.
    pub(super) fn is_about_to_end(&mut self) {
        if let Some(call) = &mut self.call {
            call.stop_counting();
        }
    }

    /// An error in OCI's shape.
    pub(super) fn refuse(&mut self, status: u16, code: &str, message: &str) -> io::Result<After> {
        self.whole(status, &[], error_body(code, message))
    }

    /// All of it with its length, in one write.
    pub(super) fn whole(
        &mut self,
        status: u16,
        headers: &[(String, String)],
        body: impl AsRef<[u8]>,
    ) -> io::Result<After> {
        let body = body.as_ref();
        let mut headers = headers.to_vec();
        if !headers
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case("content-type"))
        {
            headers.push(("content-type".to_owned(), "application/json".to_owned()));
        }
        headers.push(("content-length".to_owned(), body.len().to_string()));
        let mut bytes = self.head_text(status, &headers).into_bytes();
        bytes.extend(body);
        self.is_about_to_end();
        self.connection.write(&bytes)?;
        Ok(After::KeepAlive)
    }

    /// The head alone.
    pub(super) fn head(&mut self, status: u16, headers: &[(String, String)]) -> io::Result<()> {
        let head = self.head_text(status, headers);
        self.connection.write(head.as_bytes())
    }

    /// The head of an answer, with `opc-request-id` and `date` unless they are among the headers.
    fn head_text(&self, status: u16, headers: &[(String, String)]) -> String {
        let mut head = format!("HTTP/1.1 {status} {}\r\n", reason(status));
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        let is_given = |wanted: &str| {
            headers
                .iter()
                .any(|(name, _)| name.eq_ignore_ascii_case(wanted))
        };
        if !is_given("opc-request-id") {
            head += &format!("opc-request-id: {}\r\n", self.id);
        }
        if !is_given("date") {
            head += &format!("date: {}\r\n", httpdate::fmt_http_date(self.clock.now()));
        }
        head + "\r\n"
    }
}

pub(super) fn error_body(code: &str, message: &str) -> String {
    json!({"code": code, "message": message}).to_string()
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        409 => "Conflict",
        411 => "Length Required",
        413 => "Content Too Large",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Status",
    }
}

/// The client's own `opc-request-id` if it is well-formed, else a made one.
pub(super) fn request_id(request: &Request) -> String {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    let good = |id: &&str| {
        id.split('/').count() <= MAX_SEGMENTS
            && id.split('/').all(|part| {
                (1..=MAX_SEGMENT_BYTES).contains(&part.len()) && part.bytes().all(letter)
            })
    };
    request
        .header("opc-request-id")
        .filter(good)
        .map_or_else(made_request_id, str::to_owned)
}

pub(super) fn made_request_id() -> String {
    format!("{:016X}{:016X}", OsRng.next_u64(), OsRng.next_u64())
}
