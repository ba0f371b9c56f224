//! The error that a client sees: OpenAI's shape, `{"error":{"message","type","param","code"}}`, and one named constructor
//! for each error this program can answer with. A message says what is wrong and what to do; it never holds a key, an
//! account's name or an OCID: the log line has the rest. Knows nothing of sockets or OCI.

use std::time::Duration;

use serde::Serialize;

/// An error answer: the HTTP status and what stands in the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiError {
    /// HTTP status, 400-599.
    pub(crate) status: u16,
    pub(crate) kind: &'static str,
    pub(crate) message: String,
    /// The request's field that is wrong, such as `messages[2].content`.
    pub(crate) param: Option<String>,
    pub(crate) code: Option<String>,
    /// Sent as `Retry-After`, in whole seconds, rounded up.
    pub(crate) retry_after: Option<Duration>,
}

#[derive(Serialize)]
struct Envelope<'a> {
    error: Body<'a>,
}

#[derive(Serialize)]
struct Body<'a> {
    message: &'a str,
    r#type: &'a str,
    param: Option<&'a str>,
    code: Option<&'a str>,
}

const INVALID_REQUEST: &str = "invalid_request_error";
const SERVER: &str = "server_error";

impl ApiError {
    /// `{"error":{…}}` as one line of JSON.
    pub(crate) fn to_json(&self) -> String {
        let body = Body {
            message: &self.message,
            r#type: self.kind,
            param: self.param.as_deref(),
            code: self.code.as_deref(),
        };
        // Serialising strings cannot fail; should it ever, the client still gets an error of the right shape.
        serde_json::to_string(&Envelope { error: body })
            .unwrap_or_else(|_| r#"{"error":{"message":"internal error","type":"server_error","param":null,"code":null}}"#.to_owned())
    }

    /// 400 about the request as a whole or one `param` of it.
    pub(crate) fn invalid_request(message: impl Into<String>, param: Option<String>) -> Self {
        Self::new(400, INVALID_REQUEST, message).with_param(param)
    }

    /// An error whose status, type and code the caller knows, such as one of OCI's.
    pub(crate) fn new(status: u16, kind: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            kind,
            message: message.into(),
            param: None,
            code: None,
            retry_after: None,
        }
    }

    pub(crate) fn with_code(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }

    pub(crate) fn with_param(mut self, param: Option<String>) -> Self {
        self.param = param;
        self
    }

    pub(crate) fn with_retry_after(mut self, retry_after: Option<Duration>) -> Self {
        self.retry_after = retry_after;
        self
    }
}
