//! What can go wrong upstream, in OCI's own words. Source: reference §8. Never knows what a client is told about it.

use std::borrow::Cow;
use std::fmt;
use std::time::{Duration, SystemTime};

use serde_json::{Map, Value};

use crate::json;

/// How far a call had come when it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Name look-up, connecting, TLS.
    Connect,
    /// The request is sent, no answer yet; of a stream also: no first event yet.
    Answer,
    /// Within the body, after a stream's first event.
    Body,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum OciError {
    /// OCI answered with a status other than 2xx.
    Status(Box<StatusError>),
    /// No connection, or it was closed before an answer came.
    Unreachable { phase: Phase, why: String },
    /// A deadline passed. `after` is the limit that was set.
    Timeout { phase: Phase, after: Duration },
    /// An answer came and is unusable: cut off, not JSON, a line over the limit, an unexpected content type.
    Broken { why: String },
    /// An error event inside a stream.
    Event {
        code: Option<String>,
        message: String,
    },
    /// The account has nothing to make this call with: its token has expired, or never came. Nothing was sent.
    NoCredential { why: String },
    /// The hook asked to stop: the client left.
    Cancelled,
}

/// OCI's error answer, unwrapped from whichever of its envelopes it came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StatusError {
    /// HTTP status, 300-599.
    pub(crate) status: u16,
    /// OCI's code (`NotAuthenticated`, `TooManyRequests`, `"400"`), or the inner OpenAI code if the message held one.
    pub(crate) code: Option<String>,
    /// For people. Of a double-encoded error the innermost message.
    pub(crate) message: String,
    /// The parameter at fault, if the error names one.
    pub(crate) param: Option<String>,
    pub(crate) opc_request_id: Option<String>,
    pub(crate) retry_after: Option<Duration>,
}

/// The longest honoured `Retry-After`. OCI documents none; a gateway's hour must not take an account out for an hour.
pub(crate) const MAX_RETRY_AFTER: Duration = Duration::from_secs(300);

/// Characters of a message, for the client and for the log. OCI's own are below 1000.
pub(crate) const MAX_MESSAGE_CHARS: usize = 2000;

/// Bytes of an error's body that are looked at. OCI's own are below 4 KiB.
pub(crate) const MAX_BODY_BYTES: usize = 64 * 1024;

/// Characters of a gateway's plain text or of a page's title that become part of the message.
const MAX_GATEWAY_CHARS: usize = 200;

/// What stands before a secret in a request's `Authorization`, and how many characters make one: words are shorter. A signature of
/// the smallest key has 172, a token some hundred, an API key of the service about 50.
const SECRET_MARKS: [(&str, usize); 3] = [("signature=", 40), ("ST$", 16), ("Bearer ", 16)];

/// Characters of a code, a parameter's name or an `opc-request-id` (three segments of 32 and two slashes).
const MAX_NAME_CHARS: usize = 128;

/// JSON values within values, quoted or not, that are unwrapped. Of one error within another four have been seen.
const MAX_LAYERS: u32 = 16;

/// OCI's codes by the status that they come with. Source: reference §8.
const STATUSES: [(&str, u16); 16] = [
    ("InvalidParameter", 400),
    ("CannotParseRequest", 400),
    ("MissingParameter", 400),
    ("LimitExceeded", 400),
    ("QuotaExceeded", 400),
    ("NotAuthenticated", 401),
    ("NotAuthorized", 403),
    ("NotAllowed", 403),
    ("SignUpRequired", 403),
    ("NotAuthorizedOrNotFound", 404),
    ("IncorrectState", 409),
    ("RequestEntityTooLarge", 413),
    ("TooManyRequests", 429),
    ("rate_limit_exceeded", 429),
    ("InternalServerError", 500),
    ("ServiceUnavailable", 503),
];

/// The status that an error of this code has where it has one: an error within a stream comes without. `None` for a code
/// that says nothing.
pub(crate) fn status_of_code(code: &str) -> Option<u16> {
    let number = code
        .parse()
        .ok()
        .filter(|status| (400..600).contains(status));
    let known = STATUSES.iter().find(|(known, _)| *known == code);
    number.or(known.map(|(_, status)| *status))
}

/// Reads OCI's error answer, whichever envelope it came in: `{"code","message"}` with the code as a name, a number or a
/// numeric string; a message that is itself JSON with an OpenAI error; OpenAI's `{"error":{…}}`; a gateway's page or line
/// of text; nothing. Never fails: without a usable text the message says so. `retry_after` is the header's value, seconds
/// or an HTTP date, which `now` turns into a duration; more than [`MAX_RETRY_AFTER`] is cut to that.
pub(crate) fn status_error(
    status: u16,
    opc_request_id: Option<&str>,
    retry_after: Option<&str>,
    body: &[u8],
    now: SystemTime,
) -> StatusError {
    let body = body.get(..MAX_BODY_BYTES).unwrap_or(body);
    let text = String::from_utf8_lossy(body);
    let text = text.trim_start_matches('\u{feff}').trim();
    let details = match json::from_text::<Value>(text) {
        Ok(value) => Details::of(&value, MAX_LAYERS),
        Err(_) => Details::default(),
    };
    let message = details.message.unwrap_or_else(|| {
        let remark = gateway_remark(text);
        if remark.is_empty() {
            format!("OCI answered {status} without an explanation")
        } else {
            format!("OCI answered {status} without an explanation ({remark})")
        }
    });
    StatusError {
        status,
        code: details.code,
        param: details.param.or_else(|| param_in(&message)),
        message,
        opc_request_id: opc_request_id.and_then(name),
        retry_after: retry_after.and_then(|value| wait_of(value, now)),
    }
}

/// The text without the signature of a request, its token or its key, should it hold them: a gateway's error may repeat the headers
/// that it got. All else in them may be shown.
pub(super) fn without_signature(text: &str) -> Cow<'_, str> {
    let mut shown = Cow::Borrowed(text);
    for (mark, shortest) in SECRET_MARKS {
        if let Some(without) = without(&shown, mark, shortest) {
            shown = Cow::Owned(without);
        }
    }
    shown
}

/// `None`: nothing stands behind that mark.
fn without(text: &str, mark: &str, shortest: usize) -> Option<String> {
    let is_digit = |c: char| c.is_ascii_alphanumeric() || "+/=\\-_%.".contains(c);
    let mut shown = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(mark) {
        let digits = after.trim_start_matches(['\\', '"', '\'', ' ']);
        let (opening, _) = after.split_at(after.len() - digits.len());
        let behind = digits.trim_start_matches(is_digit);
        shown.extend([before, mark, opening]);
        rest = if digits.len() - behind.len() < shortest {
            digits
        } else {
            shown.push_str("***");
            behind
        };
    }
    if shown.is_empty() {
        return None;
    }
    shown.push_str(rest);
    Some(shown)
}

/// One line without control characters and of at most `max` characters, of which the last is `…` if something is missing.
/// A client could else forge log lines through an error that quotes it.
pub(crate) fn one_line(text: &str, max: usize) -> String {
    let text = without_signature(text);
    let mut line = String::new();
    let mut characters = 0;
    let mut room_for_mark = 0;
    let mut gap = false;
    for character in text.chars().filter(|character| !turns_text(*character)) {
        if character.is_whitespace() || character.is_control() {
            gap = !line.is_empty();
            continue;
        }
        for character in gap.then_some(' ').into_iter().chain([character]) {
            if characters == max {
                line.truncate(room_for_mark);
                line.push('…');
                return line;
            }
            line.push(character);
            characters += 1;
            if characters + 1 == max {
                room_for_mark = line.len();
            }
        }
        gap = false;
    }
    line
}

/// Unicode's invisible marks that reorder a line: a terminal would show a log line other than it is.
fn turns_text(character: char) -> bool {
    matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// What could be read out of a body.
#[derive(Default)]
struct Details {
    code: Option<String>,
    message: Option<String>,
    param: Option<String>,
}

impl Details {
    fn of(value: &Value, layers: u32) -> Self {
        let Some(layers) = layers.checked_sub(1) else {
            return Self::default();
        };
        match value {
            Value::Object(object) => Self::of_object(object, layers),
            Value::String(text) => Self::of_text(text, layers),
            // Google's gateways wrap their error in a list of one.
            Value::Array(items) => items
                .first()
                .map_or_else(Self::default, |first| Self::of(first, layers)),
            Value::Null | Value::Bool(_) | Value::Number(_) => Self::default(),
        }
    }

    fn of_object(object: &Map<String, Value>, layers: u32) -> Self {
        let outer = Self {
            code: object.get("code").and_then(code),
            message: None,
            param: object.get("param").and_then(Value::as_str).and_then(name),
        };
        ["error", "message", "errorMessage", "detail"]
            .iter()
            .filter_map(|key| object.get(*key))
            .map(|inner| Self::of(inner, layers))
            .fold(Self::default(), Self::or)
            .or(outer)
    }

    /// A message for people, or JSON with another error in it.
    fn of_text(text: &str, layers: u32) -> Self {
        let trimmed = text.trim();
        if trimmed.starts_with(['{', '[', '"'])
            && let Ok(value) = json::from_text::<Value>(trimmed)
        {
            let inner = Self::of(&value, layers);
            if inner.message.is_some() {
                return inner;
            }
        }
        let message = one_line(text, MAX_MESSAGE_CHARS);
        Self {
            message: Some(message).filter(|message| !message.is_empty()),
            ..Self::default()
        }
    }

    /// The innermost details win, but for a code that is only a number where a layer around it has a name.
    fn or(self, outer: Self) -> Self {
        let is_name = |code: &String| code.parse::<u64>().is_err();
        let (inner, around) = (self.code, outer.code);
        let code = if inner.as_ref().is_some_and(is_name) || !around.as_ref().is_some_and(is_name) {
            inner.or(around)
        } else {
            around
        };
        Self {
            code,
            message: self.message.or(outer.message),
            param: self.param.or(outer.param),
        }
    }
}

fn code(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => name(text),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

fn name(text: &str) -> Option<String> {
    Some(one_line(text, MAX_NAME_CHARS)).filter(|name| !name.is_empty())
}

/// The parameter that a message names, in OCI's spelling: `Invalid 'maxTokens': …`, or
/// `Model grok-4 does not support parameter presencePenalty`. A quoted *value* (`Invalid value: 'x'`) is none.
fn param_in(message: &str) -> Option<String> {
    const QUOTED: [&str; 6] = [
        "Unsupported parameter: '",
        "Unsupported value: '",
        "Missing required parameter: '",
        "Unknown parameter: '",
        "Invalid type for '",
        "Invalid '",
    ];
    const BARE: &str = "does not support parameter ";
    let is_part = |c: char| c.is_ascii_alphanumeric() || "_.[]-".contains(c);
    let quoted = QUOTED.iter().find_map(|before| {
        let (_, after) = message.split_once(before)?;
        let (param, _) = after.split_once('\'')?;
        param.chars().all(is_part).then_some(param)
    });
    let bare = || {
        let (_, after) = message.split_once(BARE)?;
        let end = after.find(|c: char| !is_part(c)).unwrap_or(after.len());
        Some(after.get(..end)?.trim_end_matches('.'))
    };
    quoted.or_else(bare).and_then(name)
}

/// What a gateway's body adds, if it is worth repeating: the title of a page, or a short plain text. Not a piece of JSON
/// that was cut off, which could be anything, and not bytes that are no text.
fn gateway_remark(text: &str) -> String {
    if text.starts_with('<') {
        return one_line(title(text).unwrap_or_default(), MAX_GATEWAY_CHARS);
    }
    let is_json = json::from_text::<serde::de::IgnoredAny>(text).is_ok();
    if is_json || text.starts_with(['{', '[', '"']) || text.contains(char::REPLACEMENT_CHARACTER) {
        return String::new();
    }
    one_line(text, MAX_GATEWAY_CHARS)
}

fn title(page: &str) -> Option<&str> {
    // ASCII case changes no length, so that places in one text are places in the other.
    let lower = page.to_ascii_lowercase();
    let tag = lower.find("<title")?;
    let start = tag + lower.get(tag..)?.find('>')? + 1;
    let end = start + lower.get(start..)?.find('<')?;
    page.get(start..end)
}

fn wait_of(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    let wait = if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // Digits that do not fit are a very long time.
        value.parse().map_or(MAX_RETRY_AFTER, Duration::from_secs)
    } else {
        let date = httpdate::parse_http_date(value).ok()?;
        // A date that has passed: at once.
        date.duration_since(now).unwrap_or_default()
    };
    Some(wait.min(MAX_RETRY_AFTER))
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "connecting",
            Self::Answer => "waiting for the answer",
            Self::Body => "reading the answer",
        })
    }
}

/// One line for the log.
impl fmt::Display for OciError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = |text| one_line(text, MAX_MESSAGE_CHARS);
        match self {
            Self::Status(error) => error.fmt(f),
            Self::Unreachable { phase, why } => {
                write!(f, "OCI unreachable while {phase}: {}", line(why))
            }
            Self::Timeout { phase, after } => {
                write!(f, "OCI timed out while {phase}, after {after:?}")
            }
            Self::Broken { why } => write!(f, "OCI's answer is unusable: {}", line(why)),
            Self::Event { code, message } => {
                f.write_str("OCI error within the stream")?;
                if let Some(code) = code {
                    write!(f, ", code {}", one_line(code, MAX_NAME_CHARS))?;
                }
                write!(f, ": {}", line(message))
            }
            Self::NoCredential { why } => f.write_str(&line(why)),
            Self::Cancelled => f.write_str("the client left"),
        }
    }
}

/// One line for the log: `OCI status 429, code TooManyRequests, opc-request-id A/B/C: Too many requests …`.
impl fmt::Display for StatusError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OCI status {}", self.status)?;
        if let Some(code) = &self.code {
            write!(f, ", code {}", one_line(code, MAX_NAME_CHARS))?;
        }
        if let Some(id) = &self.opc_request_id {
            write!(f, ", opc-request-id {}", one_line(id, MAX_NAME_CHARS))?;
        }
        if let Some(wait) = self.retry_after {
            write!(f, ", retry after {wait:?}")?;
        }
        write!(f, ": {}", one_line(&self.message, MAX_MESSAGE_CHARS))
    }
}

impl std::error::Error for OciError {}

#[cfg(test)]
mod tests;
