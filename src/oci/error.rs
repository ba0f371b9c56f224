//! What can go wrong upstream, in OCI's own words. Source: reference §8. Never knows what a client is told about it.

use std::time::Duration;

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
