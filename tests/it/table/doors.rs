//! Who may ask: keys in every form but the right one, and all that could make a stranger look as if it were this machine.

use super::{Row, ask};
use crate::harness::KEY;

pub(super) fn rows() -> Vec<Row> {
    let mut rows = keys();
    rows.extend(local());
    rows
}

fn keys() -> Vec<Row> {
    let mut rows: Vec<Row> = [
        ("no key", ""),
        ("a wrong key", "Authorization: Bearer wrong\r\n"),
        ("no key behind Bearer", "Authorization: Bearer\r\n"),
        ("spaces behind Bearer", "Authorization: Bearer   \r\n"),
        ("the key without Bearer", "Authorization: test-key\r\n"),
        ("the key behind another scheme", "Authorization: Token test-key\r\n"),
        ("the key in Basic", "Authorization: Basic dGVzdC1rZXk6\r\n"),
        ("the key in quotes", "Authorization: Bearer \"test-key\"\r\n"),
        ("the key twice in one", "Authorization: Bearer test-key, test-key\r\n"),
        ("the key in capitals", "Authorization: Bearer TEST-KEY\r\n"),
        ("the key's beginning", "Authorization: Bearer test-ke\r\n"),
        ("the key and more", "Authorization: Bearer test-key0\r\n"),
        ("the key behind a tab", "Authorization: Bearer\ttest-key\r\n"),
        ("a key of 20,000 bytes", &format!("Authorization: Bearer {}\r\n", "test-key".repeat(2500))),
        ("the key behind a wrong one", "Authorization: Bearer wrong\r\nAuthorization: Bearer test-key\r\n"),
        ("a wrong key beside the right one", "Authorization: Bearer wrong\r\nx-api-key: test-key\r\n"),
        ("a wrong x-api-key", "x-api-key: wrong\r\n"),
        ("an empty x-api-key", "x-api-key:\r\n"),
        ("x-api-key with Bearer", "x-api-key: Bearer test-key\r\n"),
        ("the key in other headers", "api-key: test-key\r\nProxy-Authorization: Bearer test-key\r\nCookie: api_key=test-key\r\n"),
        ("the key in a name of a header", "test-key: x-api-key\r\n"),
        ("a made-up origin", "Origin: http://localhost\r\nReferer: http://localhost/\r\n"),
        ("headers of a proxy", "X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-User: admin\r\nX-Original-URL: /health\r\n"),
    ]
    .into_iter()
    .map(|(name, lines)| Row::answered(name, ask("GET /v1/models", lines), 401).code("invalid_api_key"))
    .collect();
    rows.push(
        Row::answered(
            "the key in the query",
            ask(&format!("GET /v1/models?api_key={KEY}&key={KEY}"), ""),
            401,
        )
        .code("invalid_api_key"),
    );
    rows.push(Row::refused(
        "the key with a NUL",
        ask("GET /v1/models", "x-api-key: test-key\0\r\n"),
        400,
    ));
    rows.push(Row::refused(
        "the key behind a space before the colon",
        ask("GET /v1/models", "x-api-key : test-key\r\n"),
        400,
    ));
    rows.push(Row::answered(
        "the key in an unusual form",
        ask("GET /v1/models", "AUTHORIZATION: bEARER   test-key  \r\n"),
        200,
    ));
    rows
}

/// From loopback, where all tests are: what a browser on this machine or a proxy on it would send.
fn local() -> Vec<Row> {
    let with_host = |target: &str, host: &str, lines: &str| {
        format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n{lines}\r\n")
    };
    let queue = |host: &str, lines: &str| with_host("/stats/queue", host, lines);
    let mut rows: Vec<Row> = [
        ("a client of a proxy", queue("localhost", "X-Forwarded-For: 1.2.3.4\r\n")),
        ("a client of a proxy that says it is local", queue("localhost", "X-Forwarded-For: 127.0.0.1\r\n")),
        ("an empty forwarding header", queue("localhost", "X-Forwarded-For:\r\n")),
        ("a forwarding header in capitals", queue("localhost", "X-FORWARDED-FOR: ::1\r\n")),
        ("Forwarded", queue("localhost", "Forwarded: for=127.0.0.1\r\n")),
        ("X-Real-IP", queue("localhost", "X-Real-IP: 127.0.0.1\r\n")),
        ("a name that was bound again", queue("rebound.example", "")),
        ("a name that begins with localhost", queue("localhost.example", "")),
        ("a name that begins with a loopback address", queue("127.0.0.1.example", "")),
        ("localhost as a user of elsewhere", queue("localhost:80@elsewhere", "")),
        ("a port that is none", queue("localhost:x", "")),
        ("a bracket that is not closed", queue("[::1", "")),
        ("something behind a bracket", queue("[::1].example", "")),
        ("an empty Host", queue("", "")),
        ("all addresses", queue("0.0.0.0", "")),
        ("a target elsewhere", with_host("http://elsewhere/stats/queue", "localhost", "")),
        ("a target with a user", with_host("http://localhost@elsewhere/stats/queue", "localhost", "")),
        ("no origin", queue("localhost", "Origin: null\r\n")),
        ("a page elsewhere", queue("localhost", "Origin: http://elsewhere\r\n")),
        ("a page on another port", queue("localhost:8080", "Origin: http://localhost:3000\r\n")),
        ("a page over TLS", queue("localhost", "Origin: https://localhost\r\n")),
        ("an empty origin", queue("localhost", "Origin:\r\n")),
        ("a frame of another site", queue("localhost", "Sec-Fetch-Site: cross-site\r\n")),
        ("a frame of another site in capitals", queue("localhost", "SEC-FETCH-SITE: CROSS-SITE\r\n")),
        ("no Host in HTTP/1.0", "GET /stats/queue HTTP/1.0\r\nConnection: keep-alive\r\n\r\n".to_owned()),
        ("a page that resets the breakers", "POST /admin/circuit-breaker/reset HTTP/1.1\r\nHost: localhost\r\nOrigin: http://elsewhere\r\n\r\n".to_owned()),
        ("a page without origin that resets the breakers", "POST /admin/circuit-breaker/reset HTTP/1.1\r\nHost: localhost\r\nOrigin: null\r\n\r\n".to_owned()),
        ("a page that asks for a trial", with_host("/test-oci", "localhost", "Sec-Fetch-Site: cross-site\r\n")),
    ]
    .into_iter()
    .map(|(name, bytes)| Row::answered(name, bytes, 401).code("invalid_api_key"))
    .collect();
    let key = format!("x-api-key: {KEY}\r\n");
    rows.extend([
        Row::answered("this machine", queue("localhost:1", ""), 200),
        Row::answered("this machine in IPv6", queue("[::1]", ""), 200),
        Row::answered("this machine by an address", queue("127.9.9.9", "Sec-Fetch-Site: none\r\n"), 200),
        Row::answered("a client of a proxy with the key", queue("elsewhere", &format!("X-Forwarded-For: 1.2.3.4\r\n{key}")), 200),
        Row::answered("a target that counts more than Host", with_host("http://localhost/stats/queue", "elsewhere", ""), 200),
        Row::answered(
            "an account that is none",
            "POST /admin/circuit-breaker/reset?account=%0a%1b[2Jx HTTP/1.1\r\nHost: localhost\r\n\r\n",
            404,
        )
        .code("account_not_found"),
        Row::answered("GET of what changes something", with_host("/admin/circuit-breaker/reset", "localhost", ""), 405).code("method_not_allowed"),
    ]);
    rows
}
