//! Which answers a web page of another origin may read: those of the API, refusals too, and no other.

use crate::http::head::Head;

/// The API with and without its prefix; `/stats`, `/admin` and `/test-oci` are never among them.
const API_PATHS: [&str; 9] = [
    "/v1/",
    "/v2/",
    "/chat/",
    "/completions",
    "/embeddings",
    "/messages",
    "/models",
    "/rerank",
    "/responses",
];

/// Headers of ours that a page's script may read.
const EXPOSED: &str = "x-request-id, request-id, opc-request-id, x-ociai-account, x-ociai-dropped-params, x-ociai-estimated, retry-after";

/// How long a browser may remember a preflight, seconds. Browsers cap it at 2 h or less themselves.
const PREFLIGHT_MAX_AGE: &str = "7200";

/// Whether `path` is one that pages of every origin may use.
pub(crate) fn is_shared(path: &str) -> bool {
    API_PATHS.iter().any(|prefix| path.starts_with(prefix))
}

/// The headers of every answer to `path`.
pub(crate) fn headers(path: &str) -> &'static [(&'static str, &'static str)] {
    const SHARED: [(&str, &str); 2] = [
        ("Access-Control-Allow-Origin", "*"),
        ("Access-Control-Expose-Headers", EXPOSED),
    ];
    if is_shared(path) { &SHARED } else { &[] }
}

/// The further headers of the answer to a preflight: any header that is asked for may be sent.
pub(crate) fn preflight_headers(head: &Head) -> Vec<(&'static str, String)> {
    let asked = head
        .header("access-control-request-headers")
        .unwrap_or("authorization, content-type, x-api-key");
    let mut headers = vec![
        (
            "Access-Control-Allow-Methods",
            "GET, POST, OPTIONS".to_owned(),
        ),
        ("Access-Control-Allow-Headers", asked.to_owned()),
        ("Access-Control-Max-Age", PREFLIGHT_MAX_AGE.to_owned()),
        ("Vary", "Access-Control-Request-Headers".to_owned()),
    ];
    if head
        .header("access-control-request-private-network")
        .is_some()
    {
        headers.push(("Access-Control-Allow-Private-Network", "true".to_owned()));
    }
    headers
}
