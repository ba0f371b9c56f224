//! Paths and methods to routes. Pure.

use crate::api::dashboard::{self, File};
use crate::http::head::Head;
use crate::openai::error::ApiError;

/// What a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Route {
    Chat,
    /// Anthropic's way to chat.
    Messages,
    /// `/messages/count_tokens`.
    CountTokens,
    /// The legacy completions.
    Completions,
    /// `POST /v1/responses`.
    Responses,
    /// A response of an earlier request, by its id.
    StoredResponse,
    Embeddings,
    Rerank,
    Models,
    /// One model, by the name clients use, percent-decoded.
    Model(String),
    Health,
    Ready,
    TestOci,
    /// `/stats/accounts`.
    Accounts,
    /// `/stats/concurrency`.
    Concurrency,
    /// `/stats/circuit-breaker`.
    Breakers,
    /// `/stats/queue`.
    Queue,
    /// `/stats/summary`: what the dashboard reads.
    Summary,
    /// `/metrics`, for Prometheus.
    Metrics,
    /// `/admin/circuit-breaker/reset`.
    ResetBreakers,
    /// `/` and what that page is made of.
    Dashboard(&'static File),
    /// A CORS preflight of an API path.
    Preflight,
}

/// Who may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    Open,
    Key,
    /// A request from this machine itself, or one with a key.
    LocalOrKey,
}

impl Route {
    /// Whether it is asked for with POST.
    fn changes_something(&self) -> bool {
        matches!(
            self,
            Self::Chat
                | Self::Messages
                | Self::CountTokens
                | Self::Completions
                | Self::Responses
                | Self::Embeddings
                | Self::Rerank
                | Self::ResetBreakers
        )
    }

    pub(crate) fn access(&self) -> Access {
        match self {
            Self::Chat
            | Self::Messages
            | Self::CountTokens
            | Self::Completions
            | Self::Responses
            | Self::StoredResponse
            | Self::Embeddings
            | Self::Rerank
            | Self::Models
            | Self::Model(_) => Access::Key,
            Self::Health | Self::Ready | Self::Dashboard(_) | Self::Preflight => Access::Open,
            Self::TestOci
            | Self::Accounts
            | Self::Concurrency
            | Self::Breakers
            | Self::Queue
            | Self::Summary
            | Self::Metrics
            | Self::ResetBreakers => Access::LocalOrKey,
        }
    }
}

/// # Errors
/// 404 for an unknown path, 405 with `Allow` for a method that the path does not take.
pub(crate) fn route(head: &Head) -> Result<Route, ApiError> {
    let path = head.path.trim_end_matches('/');
    let api = path
        .strip_prefix("/v1")
        .filter(|rest| rest.starts_with('/'))
        .unwrap_or(path);
    let route = match api {
        "/chat/completions" => Route::Chat,
        "/messages" => Route::Messages,
        "/messages/count_tokens" => Route::CountTokens,
        "/completions" => Route::Completions,
        "/responses" => Route::Responses,
        "/embeddings" => Route::Embeddings,
        // Cohere's second version asks there.
        "/rerank" | "/v2/rerank" => Route::Rerank,
        "/models" => Route::Models,
        _ if api.starts_with("/responses/") => Route::StoredResponse,
        _ => match (api.strip_prefix("/models/"), path) {
            (Some(name), _) => Route::Model(percent_decoded(name)),
            (None, "/health") => Route::Health,
            (None, "/ready") => Route::Ready,
            (None, "/test-oci") => Route::TestOci,
            (None, "/stats/accounts") => Route::Accounts,
            (None, "/stats/concurrency") => Route::Concurrency,
            (None, "/stats/circuit-breaker") => Route::Breakers,
            (None, "/stats/queue") => Route::Queue,
            (None, "/stats/summary") => Route::Summary,
            (None, "/metrics") => Route::Metrics,
            (None, "/admin/circuit-breaker/reset") => Route::ResetBreakers,
            (None, _) => match dashboard::file(&head.path) {
                Some(file) => Route::Dashboard(file),
                None => return Err(ApiError::unknown_path(&head.method, &head.path)),
            },
        },
    };
    match (head.method.as_str(), route.access()) {
        ("OPTIONS", Access::Key) => Ok(Route::Preflight),
        ("POST", _) if route.changes_something() => Ok(route),
        // Whatever is to be done with it: it is not there.
        ("POST" | "DELETE", _) if route == Route::StoredResponse => Ok(route),
        ("GET" | "HEAD", Access::Key | Access::Open | Access::LocalOrKey)
            if !route.changes_something() =>
        {
            Ok(route)
        }
        (method, _) => Err(ApiError::wrong_method(method, allowed(&route))),
    }
}

fn allowed(route: &Route) -> &'static str {
    match route {
        Route::Chat
        | Route::Messages
        | Route::CountTokens
        | Route::Completions
        | Route::Responses
        | Route::Embeddings
        | Route::Rerank => "POST, OPTIONS",
        Route::StoredResponse => "GET, HEAD, POST, DELETE, OPTIONS",
        Route::Models | Route::Model(_) => "GET, HEAD, OPTIONS",
        Route::ResetBreakers => "POST",
        Route::Health
        | Route::Ready
        | Route::TestOci
        | Route::Accounts
        | Route::Concurrency
        | Route::Breakers
        | Route::Queue
        | Route::Summary
        | Route::Metrics
        | Route::Dashboard(_)
        | Route::Preflight => "GET, HEAD",
    }
}

/// The value of `name` in a query, percent-decoded.
pub(crate) fn query_value(query: Option<&str>, name: &str) -> Option<String> {
    let pairs = query?.split('&');
    let found = pairs
        .filter_map(|pair| pair.split_once('='))
        .find(|(key, _)| *key == name);
    found.map(|(_, value)| percent_decoded(&value.replace('+', " ")))
}

/// `%2F` to `/`; what is not a pair of hex digits stays as it is, and bytes that are not UTF-8 become U+FFFD.
fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let pair = after
            .get(..2)
            .and_then(|pair| std::str::from_utf8(pair).ok());
        let decoded = pair.filter(|pair| pair.bytes().all(|b| b.is_ascii_hexdigit()));
        match decoded.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            Some(decoded) if byte == b'%' => {
                bytes.push(decoded);
                rest = after.get(2..).unwrap_or_default();
            }
            Some(_) | None => {
                bytes.push(byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use super::*;
    use crate::http::head::Version;

    fn check(method: &str, path: &str, expected: Result<Route, u16>) {
        let head = Head {
            method: method.to_owned(),
            path: path.to_owned(),
            query: None,
            version: Version::Http11,
            headers: Vec::new(),
            peer: "127.0.0.1:9".parse().unwrap(),
        };
        assert_eq!(
            route(&head).map_err(|error| error.status),
            expected,
            "{method} {path}"
        );
    }

    #[test]
    fn routes() {
        check("POST", "/v1/chat/completions", Ok(Route::Chat));
        check("POST", "/chat/completions", Ok(Route::Chat));
        check("POST", "/v1/chat/completions/", Ok(Route::Chat));
        check("POST", "/v1/messages", Ok(Route::Messages));
        check("POST", "/messages/", Ok(Route::Messages));
        check("GET", "/v1/messages", Err(405));
        check("OPTIONS", "/v1/messages", Ok(Route::Preflight));
        let count = "/v1/messages/count_tokens";
        check("POST", count, Ok(Route::CountTokens));
        check("GET", count, Err(405));
        check("POST", "/v1/messages/batches", Err(404));
        check("POST", "/v1/embeddings", Ok(Route::Embeddings));
        check("POST", "/embeddings", Ok(Route::Embeddings));
        check("GET", "/v1/embeddings", Err(405));
        check("POST", "/v1/rerank", Ok(Route::Rerank));
        check("POST", "/v2/rerank", Ok(Route::Rerank));
        check("POST", "/rerank", Ok(Route::Rerank));
        check("OPTIONS", "/v2/rerank", Ok(Route::Preflight));
        check("GET", "/v1/models", Ok(Route::Models));
        check("HEAD", "/models", Ok(Route::Models));
        check(
            "GET",
            "/v1/models/meta%2Fllama%zz",
            Ok(Route::Model("meta/llama%zz".to_owned())),
        );
        check(
            "GET",
            "/models/grok-4",
            Ok(Route::Model("grok-4".to_owned())),
        );
        check("OPTIONS", "/v1/chat/completions", Ok(Route::Preflight));
        check("OPTIONS", "/models", Ok(Route::Preflight));
        check("POST", "/completions", Ok(Route::Completions));
        check("POST", "/v1/responses", Ok(Route::Responses));
        check("GET", "/v1/responses", Err(405));
        for method in ["GET", "POST", "DELETE"] {
            check(method, "/responses/resp_1", Ok(Route::StoredResponse));
        }
        check("PUT", "/v1/responses/resp_1/cancel", Err(405));
        check("GET", "/health", Ok(Route::Health));
        check("HEAD", "/ready", Ok(Route::Ready));
        check("GET", "/test-oci", Ok(Route::TestOci));
        check("GET", "/stats/accounts", Ok(Route::Accounts));
        check("HEAD", "/stats/queue/", Ok(Route::Queue));
        check("GET", "/stats/concurrency", Ok(Route::Concurrency));
        check("GET", "/stats/circuit-breaker", Ok(Route::Breakers));
        check("GET", "/stats/summary", Ok(Route::Summary));
        check("HEAD", "/metrics", Ok(Route::Metrics));
        let reset = "/admin/circuit-breaker/reset";
        check("POST", reset, Ok(Route::ResetBreakers));
        check("GET", reset, Err(405));
        check("OPTIONS", reset, Err(405));
        check("POST", "/stats/queue", Err(405));
        check("POST", "/metrics", Err(405));
        check("GET", "/stats", Err(404));
        check("GET", "/v1/metrics", Err(404));
        check("GET", "/v1/stats/queue", Err(404));
        check("GET", "/v1/health", Err(404));
        check("GET", "/v1", Err(404));
        check("GET", "/v1x/models", Err(404));
        let file = |path| Route::Dashboard(dashboard::file(path).unwrap());
        check("GET", "/", Ok(file("/")));
        check("HEAD", "/dashboard/page.js", Ok(file("/dashboard/page.js")));
        check("POST", "/", Err(405));
        check("OPTIONS", "/", Err(405));
        check("GET", "//", Err(404));
        check("GET", "/dashboard", Err(404));
        check("GET", "/dashboard/", Err(404));
        check("GET", "/dashboard/page.js/", Err(404));
        check("GET", "/v1/dashboard/page.js", Err(404));
        check("GET", "/v1/chat/completions", Err(405));
        check("POST", "/v1/models", Err(405));
        check("OPTIONS", "/health", Err(405));
        check("DELETE", "/test-oci", Err(405));
    }

    #[test]
    fn query_values() {
        assert_eq!(
            query_value(Some("a=1&model=xai.grok%2D4+x"), "model").unwrap(),
            "xai.grok-4 x"
        );
        assert_eq!(query_value(Some("models=1"), "model"), None);
        assert_eq!(query_value(None, "model"), None);
    }
}
