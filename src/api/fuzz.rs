//! The front door, attacked: nobody gets in without a key.

use std::net::SocketAddr;

use super::auth;
use super::route::{Access, Route, query_value, route};
use crate::fuzz::{Form, Target, texts};
use crate::http::head::{self, Parsed};
use crate::names::Secret;

const KEYS: [&str; 2] = ["the-key-of-the-clients", "K2"];

const HEADS: [&str; 7] = [
    "POST /v1/chat/completions HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer the-key-of-the-clients\r\n\r\n",
    "GET /v1/models/a%2Fb HTTP/1.1\r\nHost: h\r\nx-api-key: K2\r\n\r\n",
    "GET /stats/accounts?account=a1 HTTP/1.1\r\nHost: localhost:8080\r\n\r\n",
    "POST /admin/circuit-breaker/reset?account=a%31 HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: http://127.0.0.1\r\n\r\n",
    "GET /test-oci?model=xai.grok-4 HTTP/1.1\r\nHost: [::1]:80\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n",
    "GET /health HTTP/1.1\r\nHost: h\r\n\r\n",
    "OPTIONS /v1/models HTTP/1.1\r\nHost: h\r\nOrigin: http://h\r\n\r\n",
];

const WORDS: [&str; 22] = [
    "/v1",
    "//",
    "/models/",
    "/chat/completions",
    "/stats/queue",
    "/admin/circuit-breaker/reset",
    "/health",
    "%2f",
    "%",
    "?model=",
    "&",
    "GET ",
    "POST ",
    "Bearer ",
    "the-key-of-the-client",
    "Authorization: Bearer K2\r\n",
    "X-Api-Key: k2\r\n",
    "Host: localhost\r\n",
    "Sec-Fetch-Site: cross-site\r\n",
    "Forwarded: for=x\r\n",
    "localhost.evil",
    "127.0.0.1.evil",
];

#[test]
fn front_door() {
    let corpus = texts(&HEADS);
    let keys = KEYS.map(Secret::new);
    let target = Target {
        name: "api::fuzz::front_door",
        executions: 20_000,
        form: Form::Lines,
        corpus: &corpus,
        words: &WORDS,
    };
    target.run(|bytes, random| {
        let near = random.one_in(2);
        let peer = SocketAddr::from(if near {
            ([127, 0, 0, 1], 9)
        } else {
            ([10, 0, 0, 1], 9)
        });
        let Ok(Parsed::Whole { head, .. }) = head::parse(bytes, peer) else {
            return false;
        };
        for name in ["model", "account", ""] {
            // Decoded, it is never longer than U+FFFD makes it.
            let value = query_value(head.query.as_deref(), name).unwrap_or_default();
            assert!(value.len() <= 3 * head.query.as_deref().unwrap_or_default().len());
        }
        let access = match route(&head) {
            Ok(route) => {
                let changes = matches!(route, Route::Chat | Route::ResetBreakers);
                assert!(
                    head.method != "GET" || !changes,
                    "{} {}",
                    head.method,
                    head.path
                );
                route.access()
            }
            Err(error) => {
                assert!(matches!(error.status, 404 | 405), "{error:?}");
                assert_eq!(error.status == 405, error.allow.is_some());
                Access::Key
            }
        };
        let has_key = head.headers.iter().any(|(name, value)| {
            let of_key = ["authorization", "x-api-key"].contains(&name.as_str());
            of_key && KEYS.iter().any(|key| value.ends_with(key))
        });
        let host = head.header("host").unwrap_or_default();
        let is_local = near
            && (host.starts_with("127.")
                || host.starts_with("[::1]")
                || host.to_lowercase().starts_with("localhost"))
            && !host.contains("evil")
            && !head.headers.iter().any(|(name, _)| {
                ["forwarded", "x-forwarded-for", "x-real-ip"].contains(&name.as_str())
            });
        let let_in = auth::check(&head, access, &keys);
        match access {
            Access::Open => assert!(let_in.is_ok()),
            Access::Key => assert!(let_in.is_err() || has_key, "{head:?}"),
            Access::LocalOrKey => assert!(let_in.is_err() || has_key || is_local, "{head:?}"),
        }
        if let Err(error) = &let_in {
            assert_eq!(error.status, 401);
            assert!(KEYS.iter().all(|key| !error.to_json().contains(key)));
        }
        let_in.is_ok()
    });
}
