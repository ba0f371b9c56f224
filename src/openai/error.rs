//! The error that a client sees: OpenAI's shape, `{"error":{"message","type","param","code"}}`, and one named constructor
//! for each error this program can answer with. A message says what is wrong and what to do; it never holds a key, an
//! account's name or an OCID: the log line has the rest. Knows nothing of sockets or OCI.

use std::borrow::Cow;
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
    /// Sent as `Allow`: the methods that a path takes.
    pub(crate) allow: Option<&'static str>,
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

/// Of what a client sent no more is quoted.
const MAX_QUOTED_CHARS: usize = 512;

const INVALID_REQUEST: &str = "invalid_request_error";
const SERVER: &str = "server_error";
/// What a client is told to wait where nothing better is known.
const SOON: Duration = Duration::from_secs(1);

/// What a client is told to wait for an account of which nobody knows when it comes back: about a health check's time.
const RETURN_UNKNOWN: Duration = Duration::from_secs(10);

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

    /// 400: the bytes are not a request.
    pub(crate) fn bad_http(why: impl Into<String>) -> Self {
        Self::new(
            400,
            INVALID_REQUEST,
            format!("Malformed HTTP request: {}.", why.into()),
        )
    }

    /// 408: the client is too slow with its `part` (head or body).
    pub(crate) fn request_timeout(part: &str) -> Self {
        Self::new(
            408,
            INVALID_REQUEST,
            format!("The {part} of the request did not arrive in time."),
        )
    }

    /// 411.
    pub(crate) fn length_required() -> Self {
        Self::new(
            411,
            INVALID_REQUEST,
            "Send the request's body with a Content-Length.",
        )
    }

    /// 413.
    pub(crate) fn body_too_large(limit: usize) -> Self {
        Self::new(
            413,
            INVALID_REQUEST,
            format!("The request's body is larger than {limit} bytes. The operator can raise max_request_bytes."),
        )
        .with_code("request_too_large")
    }

    /// 413: it is not its length.
    pub(crate) fn too_many_values() -> Self {
        Self::new(
            413,
            INVALID_REQUEST,
            "The request's body has too many values to be held in memory. The operator can raise max_body_memory.",
        )
        .with_code("request_too_large")
    }

    /// 413: the answer would not fit into memory.
    pub(crate) fn answer_too_large() -> Self {
        Self::new(
            413,
            INVALID_REQUEST,
            "The answer has too many numbers to be held in memory. Send fewer inputs at once, or ask for encoding_format \
             base64. The operator can raise max_body_memory.",
        )
        .with_code("request_too_large")
        .with_param(Some("input".to_owned()))
    }

    /// 414.
    pub(crate) fn target_too_long(limit: usize) -> Self {
        Self::new(
            414,
            INVALID_REQUEST,
            format!("The request's path is longer than {limit} bytes."),
        )
    }

    /// 417.
    pub(crate) fn expectation_failed() -> Self {
        Self::new(
            417,
            INVALID_REQUEST,
            "The only expectation understood is 100-continue.",
        )
    }

    /// 431.
    pub(crate) fn head_too_large(message: String) -> Self {
        Self::new(431, INVALID_REQUEST, message)
    }

    /// 505.
    pub(crate) fn http_version() -> Self {
        Self::new(
            505,
            INVALID_REQUEST,
            "Only HTTP/1.1 and HTTP/1.0 are spoken here.",
        )
    }

    /// 401: no key came with the request.
    pub(crate) fn missing_key() -> Self {
        Self::new(
            401,
            INVALID_REQUEST,
            "No API key was sent. Use the header 'Authorization: Bearer KEY'; the key is api_key in the proxy's configuration.",
        )
        .with_code("invalid_api_key")
    }

    /// 401: a key came, and it is none of ours.
    pub(crate) fn wrong_key() -> Self {
        Self::new(
            401,
            INVALID_REQUEST,
            "The API key is wrong. It must be api_key of the proxy's configuration.",
        )
        .with_code("invalid_api_key")
    }

    /// 404: no such path.
    pub(crate) fn unknown_path(method: &str, path: &str) -> Self {
        Self::new(
            404,
            INVALID_REQUEST,
            format!(
                "Unknown path: {} {}. The API is under /v1.",
                quoted(method),
                quoted(path)
            ),
        )
        .with_code("unknown_url")
    }

    /// 404: no such model here.
    pub(crate) fn unknown_model(model: &str) -> Self {
        Self::new(
            404,
            INVALID_REQUEST,
            format!("The model '{}' does not exist here. GET /v1/models lists those that do: [MODELS] in the proxy's configuration.", quoted(model)),
        )
        .with_code("model_not_found")
        .with_param(Some("model".to_owned()))
    }

    /// 404: a response of an earlier request is asked for.
    pub(crate) fn not_stored() -> Self {
        let message =
            "No response is stored here: each is in the answer to its request and nowhere else.";
        Self::new(404, INVALID_REQUEST, message).with_code("response_not_found")
    }

    /// 404: OCI has said of each account that it does not have the model.
    pub(crate) fn missing_model(model: &str) -> Self {
        let message = format!(
            "OCI does not have the model '{}' in any account of this proxy: it is retired, or not offered in their regions. It is asked for now and then.",
            quoted(model)
        );
        Self::new(404, INVALID_REQUEST, message)
            .with_code("model_not_found")
            .with_param(Some("model".to_owned()))
    }

    /// 503: the name is unknown, and a list of models that may have it could not be had yet.
    pub(crate) fn models_unknown(retry_after: Duration) -> Self {
        Self::new(
            503,
            SERVER,
            "OCI's list of models could not be had yet, and this model may stand in it. Try again after Retry-After; the operator finds the reason in the log.",
        )
        .with_code("models_unknown")
        .with_param(Some("model".to_owned()))
        .with_retry_after(Some(retry_after.max(SOON)))
    }

    /// 404: no account of that id.
    pub(crate) fn unknown_account(id: &str) -> Self {
        Self::new(
            404,
            INVALID_REQUEST,
            format!("There is no account '{}'.", quoted(id)),
        )
        .with_code("account_not_found")
        .with_param(Some("account".to_owned()))
    }

    /// 405, with the methods that the path takes.
    pub(crate) fn wrong_method(method: &str, allow: &'static str) -> Self {
        let mut error = Self::new(
            405,
            INVALID_REQUEST,
            format!("{} is not possible here; use {allow}.", quoted(method)),
        );
        error.allow = Some(allow);
        error.with_code("method_not_allowed")
    }

    /// 500: our own fault.
    pub(crate) fn internal() -> Self {
        Self::new(
            500,
            SERVER,
            "The proxy failed to answer this request. Its log has more, under the x-request-id.",
        )
        .with_code("internal_error")
    }

    /// 503: all request bodies together are too large.
    pub(crate) fn body_memory() -> Self {
        Self::new(
            503,
            SERVER,
            "Too many large requests at once. Try again in a moment.",
        )
        .with_code("body_memory_full")
        .with_retry_after(Some(SOON))
    }

    /// 503: threads or descriptors are exhausted.
    pub(crate) fn out_of_resources() -> Self {
        Self::new(
            503,
            SERVER,
            "The proxy is out of threads or file descriptors. Try again in a moment.",
        )
        .with_code("out_of_resources")
        .with_retry_after(Some(SOON))
    }

    /// 503: `max_connections` are held, and none of them is idle.
    pub(crate) fn too_many_connections() -> Self {
        Self::new(503, SERVER, "Too many connections. Try again in a moment.")
            .with_code("too_many_connections")
            .with_retry_after(Some(SOON))
    }

    /// Within a stream that has lasted as long as one may.
    pub(crate) fn stream_too_long(limit: Duration) -> Self {
        let message = format!(
            "The answer was ended because it took longer than {} s.",
            limit.as_secs()
        );
        Self::new(504, SERVER, message).with_code("stream_too_long")
    }

    /// 503: the queue is full. `retry_after`: when it will have drained.
    pub(crate) fn queue_full(retry_after: Duration) -> Self {
        Self::new(
            503,
            SERVER,
            "Too many requests are waiting already. Try again after Retry-After.",
        )
        .with_code("queue_full")
        .with_retry_after(Some(retry_after))
    }

    /// 503: no worker or slot became free in time.
    pub(crate) fn queue_timeout(limit: Duration, retry_after: Duration) -> Self {
        Self::new(
            503,
            SERVER,
            format!(
                "No capacity became free within {} s. Try again after Retry-After.",
                limit.as_secs_f64()
            ),
        )
        .with_code("queue_timeout")
        .with_retry_after(Some(retry_after))
    }

    /// 503: every account is out: refused, unreachable, cooling for this model, or its breaker is open. `returns_in`: the soonest
    /// return of one, if that is known.
    pub(crate) fn no_account(returns_in: Option<Duration>) -> Self {
        Self::new(
            503,
            SERVER,
            "No account can take this request now: all are throttled, failing or refused by OCI. Try again after Retry-After; the operator finds the reasons in /stats/accounts.",
        )
        .with_code("no_account_available")
        .with_retry_after(Some(returns_in.unwrap_or(RETURN_UNKNOWN)))
    }

    /// 404: no account can make this kind of call, now or later.
    pub(crate) fn no_account_can() -> Self {
        Self::new(
            404,
            INVALID_REQUEST,
            "No account of this proxy can serve this model: an account with an API key of the service (oci_api_key) reaches only the models of OCI's OpenAI-compatible API. The operator can add an account that signs its requests.",
        )
        .with_param(Some("model".to_owned()))
        .with_code("model_not_served")
    }

    /// 503: the account's token has expired or never came, and no other account takes the request.
    pub(crate) fn no_credential() -> Self {
        Self::new(
            503,
            SERVER,
            "The proxy has no valid token for OCI at the moment. It goes on asking for one: try again after Retry-After; the operator finds the reason in /stats/accounts.",
        )
        .with_code("no_credential")
        .with_retry_after(Some(SOON))
    }

    /// 503: the proxy is about to stop.
    pub(crate) fn draining() -> Self {
        Self::new(503, SERVER, "The proxy is shutting down.")
            .with_code("draining")
            .with_retry_after(Some(SOON))
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
            allow: None,
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

/// What upstream did. `code` in OpenAI's words where it has one.
impl ApiError {
    /// The client's fault, in OCI's words: `status` 400, 404, 413 or 422.
    pub(crate) fn upstream_refused(
        status: u16,
        message: impl Into<String>,
        param: Option<String>,
    ) -> Self {
        Self::new(status, INVALID_REQUEST, message).with_param(param)
    }

    /// 502: the operator's fault. `status` is OCI's, 401 or 403.
    pub(crate) fn upstream_credentials(status: u16) -> Self {
        let message = format!(
            "OCI refused this proxy's own credentials or policy (status {status}): its operator finds the reason in the log"
        );
        Self::new(502, SERVER, message).with_code("upstream_credentials")
    }

    /// 429 with OCI's message and its `Retry-After`, if it had one.
    pub(crate) fn upstream_busy(message: impl Into<String>, retry_after: Option<Duration>) -> Self {
        Self::new(429, "rate_limit_error", message)
            .with_code("rate_limit_exceeded")
            .with_retry_after(retry_after)
    }

    /// 429 as OpenAI says it of an account without credit: repeating soon does not help.
    pub(crate) fn upstream_quota(
        message: impl Into<String>,
        retry_after: Option<Duration>,
    ) -> Self {
        Self::new(429, "insufficient_quota", message)
            .with_code("insufficient_quota")
            .with_retry_after(retry_after)
    }

    /// 502: OCI failed, or its answer cannot be used.
    pub(crate) fn upstream_failed(message: impl Into<String>) -> Self {
        Self::new(502, SERVER, message).with_code("upstream_error")
    }

    /// 502.
    pub(crate) fn upstream_unreachable() -> Self {
        Self::new(
            502,
            SERVER,
            "OCI cannot be reached: the proxy's operator finds the reason in the log",
        )
        .with_code("upstream_unreachable")
    }

    /// 504. `after` is the limit that was set.
    pub(crate) fn upstream_timeout(after: Duration) -> Self {
        Self::new(
            504,
            SERVER,
            format!("OCI did not answer within {} s", after.as_secs_f64()),
        )
        .with_code("upstream_timeout")
    }

    /// 499 after nginx's custom: for the log, as nobody is left to read it.
    pub(crate) fn client_gone() -> Self {
        Self::new(
            499,
            INVALID_REQUEST,
            "the client left before the answer was complete",
        )
        .with_code("client_closed_request")
    }
}

/// The beginning of what a client sent, or all of it if it is short.
fn quoted(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(MAX_QUOTED_CHARS) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()).into(),
        None => text.into(),
    }
}
