//! Every recorded error of OCI, and bodies that no service should send.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::path::PathBuf;
use std::time::UNIX_EPOCH;

use super::*;

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

fn error(status: u16, body: impl AsRef<[u8]>) -> StatusError {
    status_error(status, None, None, body.as_ref(), now())
}

/// `(code, message, param)`
fn check(status: u16, body: impl AsRef<[u8]>, expected: (Option<&str>, &str, Option<&str>)) {
    let body = body.as_ref();
    let error = error(status, body);
    let found = (
        error.code.as_deref(),
        error.message.as_str(),
        error.param.as_deref(),
    );
    assert_eq!(found, expected, "{:?}", String::from_utf8_lossy(body));
    assert_eq!(error.status, status);
}

const MAX_TOKENS: &str = "Invalid 'maxTokens': Unsupported parameter: 'maxTokens' is not supported with this model. \
    Use 'maxCompletionTokens' instead.";
const MAX_TOKENS_OPENAI: &str = "Unsupported parameter: 'max_tokens' is not supported with this model. \
    Use 'max_completion_tokens' instead.";
const TEMPERATURE: &str = "Unsupported value: 'temperature' does not support 0.2 with this model. \
    Only the default (1) value is supported.";
const NOT_AUTHENTICATED: &str = "The required information to complete authentication was not provided or was \
    incorrect.";
const NOT_FOUND: &str = "Authorization failed or requested resource not found.";

/// File, code, message, parameter. The status is the beginning of the name.
const RECORDED: [(&str, Option<&str>, &str, Option<&str>); 12] = [
    (
        "400.InvalidParameter.json",
        Some("InvalidParameter"),
        "A parameter is invalid or incorrectly formatted.",
        None,
    ),
    (
        "400.double-encoded-openai-error.json",
        Some("unsupported_value"),
        TEMPERATURE,
        Some("temperature"),
    ),
    (
        "400.multi-agent-model-on-chat.json",
        Some("400"),
        "Multi Agent requests are not allowed on chat completions",
        None,
    ),
    (
        "400.openai-error-envelope.json",
        Some("unsupported_parameter"),
        MAX_TOKENS_OPENAI,
        Some("max_tokens"),
    ),
    (
        "400.string-numeric-code.maxTokens.json",
        Some("400"),
        MAX_TOKENS,
        Some("maxTokens"),
    ),
    (
        "401.NotAuthenticated.json",
        Some("NotAuthenticated"),
        NOT_AUTHENTICATED,
        None,
    ),
    (
        "404.NotAuthorizedOrNotFound.json",
        Some("NotAuthorizedOrNotFound"),
        NOT_FOUND,
        None,
    ),
    (
        "404.numeric-code.unknown-model.json",
        Some("404"),
        "Entity with key cohere.does-not-exist not found",
        None,
    ),
    (
        "429.TooManyRequests.json",
        Some("TooManyRequests"),
        "Too many requests for the given tenancy",
        None,
    ),
    (
        "500.InternalServerError.json",
        Some("InternalServerError"),
        "Internal server error",
        None,
    ),
    (
        "502.html-gateway.txt",
        None,
        "OCI answered 502 without an explanation (502 Bad Gateway)",
        None,
    ),
    (
        "503.ServiceUnavailable.json",
        Some("ServiceUnavailable"),
        "The service is currently unavailable.",
        None,
    ),
];

#[test]
fn the_recorded_errors() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/errors");
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), RECORDED.len());
    for (name, code, message, param) in RECORDED {
        let status = name.split('.').next().unwrap().parse().unwrap();
        check(
            status,
            std::fs::read(folder.join(name)).unwrap(),
            (code, message, param),
        );
    }
}

#[test]
fn envelopes_within_envelopes() {
    let openai =
        r#"{"error":{"message":"bad","type":"t","param":"stop","code":"unsupported_value"}}"#;
    let quoted = serde_json::to_string(openai).unwrap();
    let once = format!(r#"{{"code":"400","message":{quoted}}}"#);
    let twice = format!(
        r#"{{"code":400,"message":{}}}"#,
        serde_json::to_string(&once).unwrap()
    );
    let inner = (Some("unsupported_value"), "bad", Some("stop"));
    for body in [
        openai,
        &quoted,
        &once,
        &twice,
        &format!("[{openai}]"),
        &format!("\u{feff} {once}\r\n"),
    ] {
        check(400, body, inner);
    }
    // As an object instead of a string.
    check(
        400,
        format!(r#"{{"code":"400","message":{openai}}}"#),
        inner,
    );
    // A name around a number is worth more than the number; without an inner code the outer one stays.
    check(
        400,
        r#"{"code":"InvalidParameter","message":"{\"error\":{\"message\":\"m\",\"code\":400}}"}"#,
        (Some("InvalidParameter"), "m", None),
    );
    check(
        400,
        r#"{"code":"X","message":"{\"error\":{\"message\":\"m\",\"code\":null,\"param\":null}}"}"#,
        (Some("X"), "m", None),
    );
    check(
        400,
        r#"{"error":"plain words"}"#,
        (None, "plain words", None),
    );
    check(
        400,
        r#"{"error":{"code":"x"},"message":"words"}"#,
        (Some("x"), "words", None),
    );
    check(422, r#"{"detail":"words"}"#, (None, "words", None));
    check(400, r#""words""#, (None, "words", None));
    // JSON that holds no error is a text like any other.
    check(
        400,
        r#"{"code":"A","message":"[1] is wrong"}"#,
        (Some("A"), "[1] is wrong", None),
    );
    check(
        400,
        r#"{"code":"A","message":"{\"a\":1}"}"#,
        (Some("A"), r#"{"a":1}"#, None),
    );
}

#[test]
fn bodies_without_an_explanation() {
    for body in [
        "",
        " \r\n",
        "null",
        "[]",
        "[[]]",
        "{}",
        "42",
        "true",
        "\"\"",
        r#"{"error":null}"#,
        r#"{"error":{}}"#,
        r#"{"error":[],"message":5,"code":{}}"#,
        r#"{"message":"  \u0000\n "}"#,
        r#"{"message":"cut off"#,
        r#"{"message":"\ud800"}"#,
        "<html><body>no title</body></html>",
        "<title",
        "<title>unfinished",
        "<TITLE></TITLE>",
        "<?xml version=\"1.0\"?><Error/>",
    ] {
        check(
            500,
            body,
            (None, "OCI answered 500 without an explanation", None),
        );
    }
    check(
        500,
        b"\xff\xfe\x00garbage",
        (None, "OCI answered 500 without an explanation", None),
    );
    let open = "[".repeat(MAX_BODY_BYTES * 2);
    check(
        500,
        open,
        (None, "OCI answered 500 without an explanation", None),
    );
    let code = (
        Some("NotFound"),
        "OCI answered 404 without an explanation",
        None,
    );
    check(404, r#"{"code":"NotFound","message":null}"#, code);
}

#[test]
fn gateways() {
    let plain = "upstream connect error\r\nor disconnect";
    check(
        503,
        plain,
        (
            None,
            "OCI answered 503 without an explanation (upstream connect error or disconnect)",
            None,
        ),
    );
    let page = "<!DOCTYPE html>\n<HTML><Title lang=en>\n Service\n  Unavailable </Title>";
    check(
        503,
        page,
        (
            None,
            "OCI answered 503 without an explanation (Service Unavailable)",
            None,
        ),
    );
    let long = error(502, format!("<title>{}</title>", "x".repeat(5000)));
    assert!(long.message.chars().count() < MAX_GATEWAY_CHARS + 60);
}

#[test]
fn parameters_that_only_the_message_names() {
    for (message, param) in [
        ("Invalid 'maxTokens': too many", Some("maxTokens")),
        ("Unsupported parameter: 'x' is not supported", Some("x")),
        (
            "Invalid type for 'messages[0].content': expected a string",
            Some("messages[0].content"),
        ),
        (
            "Model grok-4 does not support parameter presencePenalty.",
            Some("presencePenalty"),
        ),
        ("does not support parameter ", None),
        ("Invalid value: 'x'", None),
        ("Invalid 'two words'", None),
        ("Invalid '", None),
        ("Invalid ''", None),
    ] {
        let body = serde_json::json!({"code": "400", "message": message}).to_string();
        assert_eq!(error(400, body).param.as_deref(), param, "{message}");
    }
}

#[test]
fn messages_are_one_bounded_line() {
    let body = serde_json::json!({
        "code": "Bad\r\nCode\u{1b}[0m",
        "message": "one\n\n two\u{0} \u{1b}[31mthree\u{2028}four\u{202e}five",
    });
    let found = error(400, body.to_string());
    assert_eq!(found.message, "one two [31mthree fourfive");
    assert_eq!(found.code.as_deref(), Some("Bad Code [0m"));

    for (text, max, expected) in [
        ("abc", 3, "abc"),
        ("abcd", 3, "ab…"),
        ("a b", 3, "a b"),
        ("a bc", 3, "a …"),
        ("  äöü  ", 3, "äöü"),
        ("äöüß", 3, "äö…"),
        ("", 3, ""),
    ] {
        assert_eq!(one_line(text, max), expected, "{text:?}");
    }
    let body = serde_json::json!({"message": "ü".repeat(20_000), "code": "c".repeat(10_000)});
    let found = error(400, body.to_string());
    assert_eq!(found.message.chars().count(), MAX_MESSAGE_CHARS);
    assert_eq!(found.code.unwrap().chars().count(), MAX_NAME_CHARS);
}

#[test]
fn layers_are_bounded() {
    let mut body = r#"{"message":"deep"}"#.to_owned();
    for _ in 0..12 {
        body = serde_json::json!({"message": body}).to_string();
    }
    // What lies too deep is shown as it came.
    assert!(error(400, &body).message.starts_with(r#"{"message":"#));
    let lists = format!("{}{}", "[".repeat(100), "]".repeat(100));
    assert_eq!(
        error(400, lists).message,
        "OCI answered 400 without an explanation"
    );
}

#[test]
fn retry_after() {
    let wait = |value: &str| status_error(429, None, Some(value), b"", now()).retry_after;
    let in_ten = httpdate::fmt_http_date(now() + Duration::from_secs(10));
    let in_a_day = httpdate::fmt_http_date(now() + Duration::from_secs(86_400));
    for (value, expected) in [
        ("7", Some(Duration::from_secs(7))),
        (" 0 ", Some(Duration::ZERO)),
        ("3600", Some(MAX_RETRY_AFTER)),
        ("99999999999999999999999999", Some(MAX_RETRY_AFTER)),
        (in_ten.as_str(), Some(Duration::from_secs(10))),
        (in_a_day.as_str(), Some(MAX_RETRY_AFTER)),
        ("Thu, 01 Jan 1970 00:00:00 GMT", Some(Duration::ZERO)),
        ("", None),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("Thu, 99 Foo 2026 00:00:00 GMT", None),
    ] {
        assert_eq!(wait(value), expected, "{value}");
    }
}

#[test]
fn log_lines() {
    let body = br#"{"code":"TooManyRequests","message":"slow down"}"#;
    let error = status_error(429, Some("A/B/C\n"), Some("2"), body, now());
    assert_eq!(error.opc_request_id.as_deref(), Some("A/B/C"));
    let status = OciError::Status(Box::new(error));
    for (error, line) in [
        (
            status,
            "OCI status 429, code TooManyRequests, opc-request-id A/B/C, retry after 2s: slow down",
        ),
        (
            OciError::Status(Box::new(self::error(502, ""))),
            "OCI status 502: OCI answered 502 without an explanation",
        ),
        (
            OciError::Unreachable {
                phase: Phase::Connect,
                why: "refused\nforged".to_owned(),
            },
            "OCI unreachable while connecting: refused forged",
        ),
        (
            OciError::Timeout {
                phase: Phase::Answer,
                after: Duration::from_secs(60),
            },
            "OCI timed out while waiting for the answer, after 60s",
        ),
        (
            OciError::Broken {
                why: "not JSON".to_owned(),
            },
            "OCI's answer is unusable: not JSON",
        ),
        (
            OciError::Event {
                code: Some("500".to_owned()),
                message: "oh\rno".to_owned(),
            },
            "OCI error within the stream, code 500: oh no",
        ),
        (
            OciError::Event {
                code: None,
                message: "no".to_owned(),
            },
            "OCI error within the stream: no",
        ),
        (OciError::Cancelled, "the client left"),
    ] {
        assert_eq!(error.to_string(), line);
    }
}

#[test]
fn a_signature_that_an_error_repeats_is_not_shown() {
    let signature = "iF2B/x+".repeat(25) + "==";
    for (text, expected) in [
        (
            format!("got Signature keyId=\"k\",signature=\"{signature}\" there"),
            "got Signature keyId=\"k\",signature=\"***\" there",
        ),
        (format!("signature={signature}"), "signature=***"),
        (
            format!("two signature=\\\"{signature}\\\", signature='{signature}'."),
            "two signature=\\\"***\", signature='***'.",
        ),
        (
            "the signature=\"short\" is wrong".to_owned(),
            "the signature=\"short\" is wrong",
        ),
        ("no signature".to_owned(), "no signature"),
        ("ends in signature=".to_owned(), "ends in signature="),
    ] {
        assert_eq!(one_line(&text, MAX_MESSAGE_CHARS), expected);
    }
    let body = serde_json::json!({"code": "NotAuthenticated", "message": format!("bad signature=\"{signature}\"")});
    let error = status_error(
        401,
        None,
        None,
        body.to_string().as_bytes(),
        SystemTime::now(),
    );
    assert_eq!(error.message, "bad signature=\"***\"");
}

#[test]
fn a_token_and_an_api_key_are_not_repeated() {
    let token = "eyJhbGciOiJSUzI1NiJ9.eyJleHAiOjE3OTAwMDAwMDB9.c2lnbmF0dXJl";
    for text in [
        format!(r#"you sent Signature version="1",keyId="ST${token}",algorithm="rsa-sha256""#),
        format!("Authorization: Bearer {token}"),
        "Authorization: Bearer sk-0123456789abcdef0123456789".to_owned(),
    ] {
        let shown = without_signature(&text);
        assert!(
            !shown.contains("eyJleHAi") && !shown.contains("0123"),
            "{shown}"
        );
        assert!(shown.contains("***"), "{shown}");
    }
    let harmless = "the Bearer token is missing";
    assert_eq!(without_signature(harmless), harmless);
}
