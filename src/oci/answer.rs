//! From the head of an answer to what it is: an error status, a whole answer, or a stream with its first event. Goes
//! by what the body is rather than by what its content type says. Every body is read within a limit of bytes and of
//! time. Never repeats more of a body than the title of an error page: answers belong to the client alone.

use std::io::Read as _;
use std::time::{Duration, Instant, SystemTime};

use ureq::http::{HeaderMap, Response, header};
use ureq::{Body, BodyReader};

use crate::json;

use super::call::{Call, one_line};
use super::error::{OciError, status_error};
use super::exchange::{BUFFER_BYTES, date_of};
use super::stream::{ChatStream, Decode};
use super::wire::ChatResult;
use super::{Answer, CallLimits, JsonAnswer, WholeAnswer};

/// The largest answer that is not a stream.
pub(crate) const MAX_ANSWER_BYTES: usize = 32 * 1024 * 1024;

/// As much of an error's body as is read.
const MAX_ERROR_BYTES: usize = 64 * 1024;

/// How long an error's body may take after its head, whatever is left of the call's time: without it the error would
/// lose its message. What has not come by then is not waited for.
const ERROR_BODY_WAIT: Duration = Duration::from_secs(2);

/// How far into a body its kind may be hidden, behind white space.
const MAX_SNIFFED_BYTES: usize = 4 * 1024;

/// A body under way, together with the call it belongs to. Field order is drop order: the connection first.
pub(super) struct Incoming {
    reader: BodyReader<'static>,
    pub(super) call: Call,
}

impl Incoming {
    /// At least one byte, or 0 at the proper end of the body.
    pub(super) fn read(&mut self, into: &mut [u8]) -> Result<usize, OciError> {
        self.reader
            .read(into)
            .map_err(|error| self.call.cut_off(error))
    }

    /// Appends to `bytes` until the body ends, or until there are more than `limit`. `true`: it ended.
    fn read_up_to(&mut self, limit: usize, bytes: &mut Vec<u8>) -> Result<bool, OciError> {
        while bytes.len() <= limit {
            let length = bytes.len();
            make_room(bytes, limit);
            bytes.resize(length + BUFFER_BYTES, 0);
            let read = self.read(bytes.get_mut(length..).unwrap_or_default());
            bytes.truncate(length + read.as_ref().map_or(0, |count| *count));
            if read? == 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Room for one more piece. By half of what there is and no further than to the limit: old and new are there at once.
fn make_room(bytes: &mut Vec<u8>, limit: usize) {
    let length = bytes.len();
    if bytes.capacity() - length < BUFFER_BYTES {
        let most = (limit + BUFFER_BYTES).saturating_sub(length);
        bytes.reserve_exact((length / 2).min(most).max(BUFFER_BYTES));
    }
}

/// What the beginning of a body says it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Json,
    Events,
    Other,
}

/// An answer of which the beginning has been read.
struct Begun {
    incoming: Incoming,
    content_type: String,
    opc_request_id: Option<String>,
    beginning: Vec<u8>,
    kind: Kind,
    /// The beginning is all of it.
    ended: bool,
}

/// The headers of a good answer, and its body. Errors: the status, if it is none of success.
fn accept(response: Response<Body>, call: Call) -> Result<(HeaderMap, Incoming), OciError> {
    let (head, body) = response.into_parts();
    let incoming = Incoming {
        reader: body.into_reader(),
        call,
    };
    let status = head.status.as_u16();
    if status >= 300 {
        return Err(refusal(status, &head.headers, incoming)?);
    }
    Ok((head.headers, incoming))
}

/// Reads as far as needed to know what comes. Errors: the status, if it is none of success.
fn begin(response: Response<Body>, call: Call) -> Result<Begun, OciError> {
    let (headers, mut incoming) = accept(response, call)?;
    refuse_compressed(&headers)?;
    let text = |name: &str| text_of(&headers, name).map(str::to_owned);
    let content_type = text(header::CONTENT_TYPE.as_str()).unwrap_or_default();
    let mut beginning = Vec::new();
    let (kind, ended) = sniff(&mut incoming, &content_type, &mut beginning)?;
    Ok(Begun {
        incoming,
        content_type,
        opc_request_id: text("opc-request-id"),
        beginning,
        kind,
        ended,
    })
}

impl Begun {
    /// It is nothing that OCI answers with.
    fn unexpected(self) -> OciError {
        unexpected(
            self.incoming,
            &self.content_type,
            self.beginning,
            self.ended,
        )
    }
}

/// Consumes the call: it goes into the stream, or ends here. `parse` reads a whole answer's bytes.
pub(super) fn read<W, D: Decode>(
    response: Response<Body>,
    call: Call,
    limits: &CallLimits,
    parse: fn(Vec<u8>) -> Result<W, OciError>,
) -> Result<Answer<W, D>, OciError> {
    let begun = begin(response, call)?;
    match begun.kind {
        Kind::Json => Ok(Answer::Whole(WholeAnswer {
            result: read_all(begun.incoming, begun.beginning).and_then(parse)?,
            opc_request_id: begun.opc_request_id,
        })),
        Kind::Events => ChatStream::start(
            begun.incoming,
            &begun.beginning,
            begun.opc_request_id,
            limits.idle,
        )
        .map(Answer::Stream),
        Kind::Other => Err(begun.unexpected()),
    }
}

/// The same of a call that is no chat: JSON, which is left to who asked. Consumes the call.
pub(super) fn read_json(response: Response<Body>, call: Call) -> Result<JsonAnswer, OciError> {
    let begun = begin(response, call)?;
    match begun.kind {
        Kind::Json => Ok(JsonAnswer {
            bytes: read_all(begun.incoming, begun.beginning)?,
            opc_request_id: begun.opc_request_id,
        }),
        Kind::Events => Err(OciError::Broken {
            why: "OCI streamed an answer that was asked for whole".to_owned(),
        }),
        Kind::Other => Err(begun.unexpected()),
    }
}

/// Reads an answer of which only the status matters, so that its connection can serve again. Consumes the call.
pub(super) fn discard(response: Response<Body>, call: Call) -> Result<(), OciError> {
    let (_, mut incoming) = accept(response, call)?;
    // What is longer, or does not come, costs the connection and no more.
    let _ = incoming.read_up_to(MAX_ERROR_BYTES, &mut Vec::new());
    Ok(())
}

/// All of a good answer, which may be no longer than that. Consumes the call.
pub(super) fn bytes(
    response: Response<Body>,
    call: Call,
    limit: usize,
) -> Result<Vec<u8>, OciError> {
    let (headers, mut incoming) = accept(response, call)?;
    refuse_compressed(&headers)?;
    // The final size at once: what is read may be a secret, and a buffer that grows would leave pieces behind in freed memory.
    let mut bytes = Vec::with_capacity(limit + BUFFER_BYTES + 1);
    if incoming.read_up_to(limit, &mut bytes)? {
        return Ok(bytes);
    }
    Err(OciError::Broken {
        why: format!("the answer has more than {limit} bytes"),
    })
}

/// OCI's error answer.
fn refusal(status: u16, headers: &HeaderMap, incoming: Incoming) -> Result<OciError, OciError> {
    let retry_after = text_of(headers, header::RETRY_AFTER.as_str());
    let body = read_error(incoming)?;
    let id = text_of(headers, "opc-request-id");
    // A `Retry-After` that is a date is meant by OCI's clock.
    let now = date_of(headers).unwrap_or_else(SystemTime::now);
    let error = status_error(status, id, retry_after, &body, now);
    Ok(OciError::Status(Box::new(error)))
}

/// Reads as far as needed to know what comes. `true` with it: that was all of the body.
fn sniff(
    incoming: &mut Incoming,
    content_type: &str,
    beginning: &mut Vec<u8>,
) -> Result<(Kind, bool), OciError> {
    let says_events = is_type(content_type, "text/event-stream");
    let mut limit = 0;
    loop {
        let ended = incoming.read_up_to(limit, beginning)?;
        if let Some(kind) = kind_of(beginning, says_events) {
            return Ok((kind, ended));
        }
        if ended || beginning.len() > MAX_SNIFFED_BYTES {
            // Nothing but white space: let the stream's own words be used for a stream without events.
            let kind = if says_events {
                Kind::Events
            } else {
                Kind::Other
            };
            return Ok((kind, ended));
        }
        limit = beginning.len();
    }
}

/// `None`: more bytes are needed to say.
fn kind_of(beginning: &[u8], says_events: bool) -> Option<Kind> {
    const FIELDS: [&[u8]; 5] = [b"data:", b":", b"event:", b"id:", b"retry:"];
    let text = beginning
        .strip_prefix(b"\xEF\xBB\xBF")
        .unwrap_or(beginning)
        .trim_ascii_start();
    match text.first() {
        None => None,
        Some(b'{') => Some(Kind::Json),
        Some(_) if says_events || FIELDS.iter().any(|field| text.starts_with(field)) => {
            Some(Kind::Events)
        }
        Some(_) if FIELDS.iter().any(|field| field.starts_with(text)) => None,
        Some(_) => Some(Kind::Other),
    }
}

fn read_all(mut incoming: Incoming, mut bytes: Vec<u8>) -> Result<Vec<u8>, OciError> {
    if incoming.read_up_to(MAX_ANSWER_BYTES, &mut bytes)? {
        return Ok(bytes);
    }
    let why = format!("the answer is over {MAX_ANSWER_BYTES} bytes");
    Err(OciError::Broken { why })
}

/// A whole answer of the native API.
#[expect(clippy::needless_pass_by_value, reason = "it is freed here")]
pub(super) fn parse(bytes: Vec<u8>) -> Result<ChatResult, OciError> {
    // serde_json's own message may quote the answer.
    json::read(&bytes).map_err(|error| OciError::Broken {
        why: format!(
            "the answer is not the JSON expected of a chat call (line {}, column {})",
            error.line(),
            error.column()
        ),
    })
}

/// The status is what matters: an error's body that is late or cut off is taken as far as it came.
fn read_error(mut incoming: Incoming) -> Result<Vec<u8>, OciError> {
    let mut body = Vec::new();
    match read_soon(&mut incoming, MAX_ERROR_BYTES, &mut body) {
        Err(OciError::Cancelled) => Err(OciError::Cancelled),
        Ok(_) | Err(_) => {
            body.truncate(MAX_ERROR_BYTES);
            Ok(body)
        }
    }
}

fn read_soon(incoming: &mut Incoming, limit: usize, body: &mut Vec<u8>) -> Result<bool, OciError> {
    let deadline = Instant::now() + ERROR_BODY_WAIT;
    incoming.call.set_deadline(deadline, ERROR_BODY_WAIT);
    incoming.read_up_to(limit, body)
}

fn unexpected(
    mut incoming: Incoming,
    content_type: &str,
    mut bytes: Vec<u8>,
    ended: bool,
) -> OciError {
    // What has come by then is enough to say what it is.
    if !ended
        && let Err(OciError::Cancelled) = read_soon(&mut incoming, MAX_ERROR_BYTES, &mut bytes)
    {
        return OciError::Cancelled;
    }
    let named = match one_line(content_type) {
        name if name.is_empty() => "no content type".to_owned(),
        name => name,
    };
    let why = match snippet(content_type, &bytes) {
        _ if bytes.trim_ascii().is_empty() => format!("an empty answer ({named})"),
        Some(snippet) => one_line(&format!("neither JSON nor events but {named}: {snippet}")),
        None => one_line(&format!("neither JSON nor events but {named}")),
    };
    OciError::Broken { why }
}

/// What a gateway's page is called, or how its plain text begins.
fn snippet(content_type: &str, bytes: &[u8]) -> Option<String> {
    if !is_type(content_type, "text/html") && !is_type(content_type, "text/plain") {
        return None;
    }
    let text = String::from_utf8_lossy(bytes);
    let title = text
        .to_ascii_lowercase()
        .find("<title>")
        .and_then(|at| text.get(at + "<title>".len()..))
        .and_then(|rest| rest.split('<').next());
    Some(one_line(title.unwrap_or(&text)))
}

fn refuse_compressed(headers: &HeaderMap) -> Result<(), OciError> {
    match text_of(headers, header::CONTENT_ENCODING.as_str()) {
        None | Some("" | "identity") => Ok(()),
        Some(encoding) => Err(OciError::Broken {
            why: one_line(&format!(
                "the answer is compressed ({encoding}), although `Accept-Encoding: identity` was sent"
            )),
        }),
    }
}

fn is_type(content_type: &str, wanted: &str) -> bool {
    let name = content_type.split(';').next().unwrap_or_default();
    name.trim().eq_ignore_ascii_case(wanted)
}

fn text_of<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
