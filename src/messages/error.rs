//! An error as Anthropic's clients expect it: `{"type":"error","error":{"type","message","details"},"request_id"}`. Status, code and
//! message stay what they are. Source: Anthropic's API reference, Errors.

use std::borrow::Cow;

use serde::Serialize;

use crate::openai::error::ApiError;

/// What clients look for in the message to a conversation that has become too long, to make it shorter.
const TOO_LONG: &str = "prompt is too long";

#[derive(Serialize)]
struct Envelope<'a> {
    /// Always `error`.
    r#type: &'static str,
    error: Body<'a>,
    request_id: &'a str,
}

#[derive(Serialize)]
struct Body<'a> {
    r#type: &'static str,
    message: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Details<'a>>,
}

/// Where Anthropic's clients look for what kind of error it is, more closely than its type says.
#[derive(Serialize)]
struct Details<'a> {
    error_code: &'a str,
}

/// One line of JSON.
pub(crate) fn to_json(error: &ApiError, request_id: &str) -> String {
    let message = match error.code.as_deref() {
        Some("context_length_exceeded") => format!("{TOO_LONG}: {}", error.message).into(),
        Some(_) | None => error.message.as_str().into(),
    };
    let envelope = Envelope {
        r#type: "error",
        error: Body {
            r#type: kind(error.status),
            message,
            details: error
                .code
                .as_deref()
                .map(|error_code| Details { error_code }),
        },
        request_id,
    };
    // Serialising strings cannot fail; should it ever, the client still gets an error of the right shape.
    serde_json::to_string(&envelope).unwrap_or_else(|_| {
        r#"{"type":"error","error":{"type":"api_error","message":"internal error"}}"#.to_owned()
    })
}

/// The type of an error with this status.
fn kind(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        408 | 504 => "timeout_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        503 | 529 => "overloaded_error",
        400..=499 => "invalid_request_error",
        _ => "api_error",
    }
}
