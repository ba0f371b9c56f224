//! Heads: two readings of one request, versions, methods and targets.

use super::{Row, ask, ask_with_key};
use crate::harness::KEY;
use crate::hostile::{CHAT, chat_request};

pub(super) fn rows() -> Vec<Row> {
    let mut rows = smuggling();
    rows.extend(lines());
    rows.extend(methods());
    rows.extend(targets());
    rows
}

/// Lengths and encodings that two readers could understand in two ways. Behind each stands a whole chat that must never be
/// served.
fn smuggling() -> Vec<Row> {
    let lines = [
        ("a length that is a word", "Content-Length: ten"),
        ("a negative length", "Content-Length: -1"),
        ("a length with a sign", "Content-Length: +10"),
        ("two lengths in one line", "Content-Length: 10, 10"),
        ("a length with a space in it", "Content-Length: 1 0"),
        ("a length in hex", "Content-Length: 0x10"),
        ("a length with a fraction", "Content-Length: 1.0"),
        ("a length with an exponent", "Content-Length: 1e1"),
        ("no length after the name", "Content-Length:"),
        (
            "a no-break space before a length",
            "Content-Length: \u{a0}0",
        ),
        ("a length in other digits", "Content-Length: ١"),
        (
            "the same length twice",
            "Content-Length: 0\r\nContent-Length: 0",
        ),
        (
            "two different lengths",
            "Content-Length: 0\r\ncontent-length: 5",
        ),
        (
            "a length, then an encoding",
            "Content-Length: 0\r\nTransfer-Encoding: chunked",
        ),
        (
            "an encoding, then a length",
            "Transfer-Encoding: chunked\r\nContent-Length: 0",
        ),
        ("an encoding that is not spoken", "Transfer-Encoding: gzip"),
        ("two encodings", "Transfer-Encoding: gzip, chunked"),
        (
            "two encodings, the other way round",
            "Transfer-Encoding: chunked, gzip",
        ),
        ("chunked twice", "Transfer-Encoding: chunked, chunked"),
        (
            "chunked twice in two lines",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        ),
        (
            "chunked, and no encoding",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        ),
        ("no encoding at all", "Transfer-Encoding: identity"),
        ("an encoding in quotes", "Transfer-Encoding: \"chunked\""),
        (
            "an encoding with a parameter",
            "Transfer-Encoding: chunked;q=1",
        ),
        ("an encoding with a comma", "Transfer-Encoding: chunked,"),
        (
            "an encoding that begins alike",
            "Transfer-Encoding: chunkedx",
        ),
        (
            "a no-break space behind an encoding",
            "Transfer-Encoding: chunked\u{a0}",
        ),
        (
            "a vertical tab before an encoding",
            "Transfer-Encoding: \u{b}chunked",
        ),
        ("an empty encoding", "Transfer-Encoding:"),
        (
            "a space before the colon of an encoding",
            "Transfer-Encoding : chunked",
        ),
        (
            "a tab before the colon of an encoding",
            "Transfer-Encoding\t: chunked",
        ),
        ("a space before the colon of a length", "Content-Length : 0"),
        (
            "an encoding that is folded",
            "Transfer-Encoding:\r\n chunked",
        ),
        ("a header that is folded", "X: a\r\n folded"),
        (
            "a header that is folded with a tab",
            "X: a\r\n\tTransfer-Encoding: chunked",
        ),
        ("a line that begins with a space", " Content-Length: 0"),
        ("a NUL in a value", "X: a\0b"),
        ("a NUL in a name", "X\0: a"),
        ("a bare CR in a value", "X: a\rb"),
        (
            "a bare CR that hides a header",
            "X: a\rTransfer-Encoding: chunked",
        ),
        (
            "a bare LF that hides a header",
            "X: a\nTransfer-Encoding: chunked",
        ),
        (
            "a bare LF that ends the head",
            "X: a\n\nGET /health HTTP/1.1",
        ),
        ("a control character in a value", "X: a\u{1}b"),
        ("a name with an umlaut", "X-ü: a"),
        ("a name with a space", "X Y: a"),
        ("a name with a bracket", "X(: a"),
        ("a line without a colon", "no colon"),
        ("a line without a name", ": no name"),
        ("a second Host", "Host: localhost"),
        ("a second Host in another case", "hOST: elsewhere"),
    ];
    let smuggled = chat_request(CHAT);
    let mut rows: Vec<Row> = lines
        .into_iter()
        .map(|(name, lines)| {
            let head = ask_with_key("POST /v1/chat/completions", &format!("{lines}\r\n"));
            Row::refused(name, format!("{head}{smuggled}"), 400)
        })
        .collect();
    let head = ask("GET /health", "Content-Length: 5\r\n");
    rows.push(Row::pipelined(
        "a GET with a body that looks like a request",
        format!("{head}GET /GET /health HTTP/1.1\r\nHost: x\r\n\r\n"),
        &[200, 200],
    ));
    rows
}

/// Request lines and versions.
fn lines() -> Vec<Row> {
    let smuggled = chat_request(CHAT);
    let rest = format!("Host: localhost\r\nx-api-key: {KEY}\r\n\r\n{smuggled}");
    [
        ("HTTP/0.9", "GET /health\r\n", 400),
        ("HTTP/1.2", "GET /health HTTP/1.2\r\n", 505),
        ("HTTP/2.0", "GET /health HTTP/2.0\r\n", 505),
        ("HTTP/3", "GET /health HTTP/3\r\n", 505),
        ("HTTP/1.10", "GET /health HTTP/1.10\r\n", 400),
        ("a version in lower case", "GET /health http/1.1\r\n", 505),
        ("another protocol", "GET /health ICAP/1.0\r\n", 505),
        (
            "two spaces before the target",
            "GET  /health HTTP/1.1\r\n",
            400,
        ),
        (
            "two spaces before the version",
            "GET /health  HTTP/1.1\r\n",
            505,
        ),
        ("a tab before the version", "GET /health\tHTTP/1.1\r\n", 400),
        ("a space in the target", "GET /he alth HTTP/1.1\r\n", 505),
        (
            "a space before the method",
            " GET /health HTTP/1.1\r\n",
            400,
        ),
        (
            "a request line that ends in LF",
            "GET /health HTTP/1.1\n",
            400,
        ),
        (
            "a request line that ends in CR",
            "GET /health HTTP/1.1\r",
            400,
        ),
        ("a NUL in the method", "G\0T /health HTTP/1.1\r\n", 400),
        ("a NUL in the target", "GET /health\0 HTTP/1.1\r\n", 400),
        (
            "an escape in the target",
            "GET /health\u{1b}[2J HTTP/1.1\r\n",
            400,
        ),
        ("a target in UTF-8", "GET /caf\u{e9} HTTP/1.1\r\n", 400),
        ("a colon in the method", "GET: /health HTTP/1.1\r\n", 400),
        ("no target", "GET HTTP/1.1\r\n", 400),
        (
            "chunks in HTTP/1.0",
            "POST /v1/chat/completions HTTP/1.0\r\nTransfer-Encoding: chunked\r\n",
            400,
        ),
        (
            "an expectation that nobody has",
            "GET /health HTTP/1.1\r\nExpect: tea\r\n",
            417,
        ),
    ]
    .into_iter()
    .map(|(name, line, status)| Row::refused(name, format!("{line}{rest}"), status))
    .chain([
        Row::refused(
            "the preface of HTTP/2",
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            505,
        ),
        Row::refused("the hello of TLS", "\x16\x03\x01\x02\x00\x01\r\n\r\n", 400),
        Row::refused("bytes of nothing", [0_u8; 64], 400),
        Row::refused("a greeting of SSH", "SSH-2.0-OpenSSH_9.9\r\n\r\n", 400),
        Row::refused("no Host in HTTP/1.1", "GET /health HTTP/1.1\r\n\r\n", 400),
        Row::refused(
            "no length of a body in HTTP/1.0",
            "POST /v1/chat/completions HTTP/1.0\r\nx-api-key: test-key\r\n\r\n",
            411,
        ),
        Row::answered(
            "HTTP/1.0 that stays",
            "GET /health HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
            200,
        ),
        Row::refused(
            "HTTP/1.0 without a Host",
            "GET /health HTTP/1.0\r\n\r\n",
            200,
        ),
        Row::answered(
            "empty lines before a request",
            format!("\r\n\r\n{}", ask("GET /health", "")),
            200,
        ),
        Row::silent("empty lines and nothing else", "\r\n\r\n\r\n"),
        Row::silent("half a request line", "GET /hea"),
        Row::silent("half a head", "GET /health HTTP/1.1\r\nHost: loc"),
        Row::silent("nothing", ""),
    ])
    .collect()
}

fn methods() -> Vec<Row> {
    let long = "A".repeat(7000);
    let mut rows: Vec<Row> = [
        "get",
        "Post",
        "TRACE",
        "PUT",
        "FOO",
        "M-SEARCH",
        long.as_str(),
    ]
    .into_iter()
    .map(|method| {
        let name = method.get(..8).unwrap_or(method);
        Row::answered(
            &format!("the method {name}"),
            ask(&format!("{method} /health"), ""),
            405,
        )
        .code("method_not_allowed")
    })
    .collect();
    let mut heads = |line: &str, lines: &str, status: u16| {
        rows.push(Row::answered(
            &format!("HEAD {line}"),
            ask(&format!("HEAD {line}"), lines),
            status,
        ));
    };
    let key = format!("x-api-key: {KEY}\r\n");
    heads("/health", "", 200);
    heads("/ready", "", 200);
    heads("/v1/models", &key, 200);
    heads("/v1/models", "", 401);
    heads("/v1/models/grok", &key, 200);
    heads("/stats/accounts", "", 200);
    heads("/v1/chat/completions", &key, 405);
    heads("/admin/circuit-breaker/reset", "", 405);
    heads("/nope", "", 404);
    let mut options = |target: &str, lines: &str, status: u16, code| {
        let row = Row::answered(
            &format!("OPTIONS {target}"),
            ask(&format!("OPTIONS {target}"), lines),
            status,
        );
        rows.push(Row { code, ..row });
    };
    options("/v1/chat/completions", "", 204, None);
    options(
        "/v1/chat/completions",
        &format!("Access-Control-Request-Headers: {}\r\n", "a,".repeat(4000)),
        204,
        None,
    );
    options(
        "/v1/models/x",
        "Access-Control-Request-Method: DELETE\r\nOrigin: null\r\n",
        204,
        None,
    );
    options("*", "", 404, Some("unknown_url"));
    options("/v1/nope", "", 404, Some("unknown_url"));
    for target in [
        "/health",
        "/stats/queue",
        "/test-oci",
        "/admin/circuit-breaker/reset",
    ] {
        options(
            target,
            "Origin: http://elsewhere\r\n",
            405,
            Some("method_not_allowed"),
        );
    }
    let body = ask("OPTIONS /v1/models", "Content-Length: 5\r\n") + "hello";
    rows.push(Row::answered("OPTIONS with a body", body, 204));
    rows.push(Row::refused(
        "OPTIONS that asks for a line of its own",
        ask(
            "OPTIONS /v1/models",
            "Access-Control-Request-Headers: a\rSet-Cookie: b\r\n",
        ),
        400,
    ));
    rows
}

fn targets() -> Vec<Row> {
    let unknown = [
        "//",
        "/v1",
        "/v1/",
        "/v1/../health",
        "/../health",
        "/./health",
        "/health/..",
        "/%2e%2e/health",
        "/v1/%2e%2e/health",
        "//health",
        "/v1//models",
        "/health%00",
        "/health%2f",
        "/%68ealth",
        "/HEALTH",
        "/health;x=y",
        "/health#top",
        "/stats",
        "/stats/",
        "/stats%2fqueue",
        "/stats/queue/../accounts",
        "/v1/stats/queue",
        "/admin/",
        "/health\\..",
        "/index.php",
        "/.env",
        "/.git/config",
        "/v1/chat/completions/x",
        "*",
    ];
    let mut rows: Vec<Row> = unknown
        .into_iter()
        .map(|target| {
            Row::answered(
                &format!("the path {target}"),
                ask_with_key(&format!("GET {target}"), ""),
                404,
            )
            .code("unknown_url")
        })
        .collect();
    let long = format!("/v1/models/{}", "a".repeat(7000));
    for model in [
        "/v1/models/..%2f..%2fhealth",
        "/v1/models/../../health",
        "/v1/models/%00",
        "/models/%ff%fe",
        &long,
    ] {
        let name = model.get(..24).unwrap_or(model);
        let row = Row::answered(
            &format!("the model {name}"),
            ask_with_key(&format!("GET {model}"), ""),
            404,
        );
        rows.push(row.code("model_not_found"));
    }
    for good in [
        "/health",
        "/health/",
        "/health//",
        "/health?",
        "/health?x=%00&y",
        "http://localhost/health",
        "HTTP://elsewhere:9/health",
    ] {
        rows.push(Row::answered(
            &format!("the target {good}"),
            ask(&format!("GET {good}"), ""),
            200,
        ));
    }
    for bad in [
        "health",
        "\\health",
        "localhost:443",
        "ftp://localhost/health",
        "file:///etc/passwd",
        "://x",
        "http:/health",
    ] {
        rows.push(Row::refused(
            &format!("the target {bad}"),
            ask(&format!("GET {bad}"), ""),
            400,
        ));
    }
    rows.push(Row::refused(
        "CONNECT",
        ask("CONNECT localhost:443", ""),
        400,
    ));
    rows.push(
        Row::answered(
            "a path of 7,000 bytes",
            ask(&format!("GET /{}", "a".repeat(7000)), ""),
            404,
        )
        .code("unknown_url"),
    );
    rows.push(Row::refused(
        "a path of 9,000 bytes",
        ask(&format!("GET /{}", "a".repeat(9000)), ""),
        414,
    ));
    rows.push(Row::refused(
        "a query of 9,000 bytes",
        ask(&format!("GET /health?{}", "a".repeat(9000)), ""),
        414,
    ));
    rows.push(Row::refused(
        "a target without end",
        format!("GET /{}", "a".repeat(40_000)),
        414,
    ));
    rows
}
