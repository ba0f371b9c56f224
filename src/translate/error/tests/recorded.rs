//! The recorded errors, and each code of OCI's own table.

use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};

use super::*;
use crate::oci::error::status_error;

/// File; status, type, param and code of the answer.
type Told = (
    &'static str,
    u16,
    &'static str,
    Option<&'static str>,
    Option<&'static str>,
);

const RECORDED: [Told; 12] = [
    (
        "400.InvalidParameter.json",
        400,
        INVALID,
        None,
        Some("InvalidParameter"),
    ),
    (
        "400.double-encoded-openai-error.json",
        400,
        INVALID,
        Some("temperature"),
        Some("unsupported_value"),
    ),
    (
        "400.multi-agent-model-on-chat.json",
        400,
        INVALID,
        Some("model"),
        None,
    ),
    (
        "400.openai-error-envelope.json",
        400,
        INVALID,
        Some("max_tokens"),
        Some("unsupported_parameter"),
    ),
    (
        "400.string-numeric-code.maxTokens.json",
        400,
        INVALID,
        Some("max_tokens"),
        Some("unsupported_parameter"),
    ),
    (
        "401.NotAuthenticated.json",
        502,
        SERVER,
        None,
        Some("upstream_credentials"),
    ),
    (
        "404.NotAuthorizedOrNotFound.json",
        404,
        INVALID,
        Some("model"),
        Some("model_not_found"),
    ),
    (
        "404.numeric-code.unknown-model.json",
        404,
        INVALID,
        Some("model"),
        Some("model_not_found"),
    ),
    (
        "429.TooManyRequests.json",
        429,
        "rate_limit_error",
        None,
        Some("rate_limit_exceeded"),
    ),
    (
        "500.InternalServerError.json",
        502,
        SERVER,
        None,
        Some("upstream_error"),
    ),
    (
        "502.html-gateway.txt",
        502,
        SERVER,
        None,
        Some("upstream_error"),
    ),
    (
        "503.ServiceUnavailable.json",
        502,
        SERVER,
        None,
        Some("upstream_error"),
    ),
];

#[test]
fn recorded_errors_are_told_in_openais_words() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/errors");
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), RECORDED.len());
    for (name, told, kind, param, code) in RECORDED {
        let status = name.split('.').next().unwrap().parse().unwrap();
        let body = std::fs::read(folder.join(name)).unwrap();
        let read = status_error(status, None, None, &body, UNIX_EPOCH);
        check(
            &OciError::Status(Box::new(read)),
            (told, kind, param, code),
            "",
        );
    }
}

/// Status and code of OCI's table; status, type, param and code of the answer.
#[test]
fn ocis_own_codes_are_told_in_openais_words() {
    let model = (404, INVALID, Some("model"), Some("model_not_found"));
    let credentials = (502, SERVER, None, Some("upstream_credentials"));
    let quota = (429, "insufficient_quota", None, Some("insufficient_quota"));
    let failed = (502, SERVER, None, Some("upstream_error"));
    for (from, code, told) in [
        (
            400,
            "InvalidParameter",
            (400, INVALID, None, Some("InvalidParameter")),
        ),
        (
            400,
            "CannotParseRequest",
            (400, INVALID, None, Some("CannotParseRequest")),
        ),
        (
            400,
            "MissingParameter",
            (400, INVALID, None, Some("MissingParameter")),
        ),
        (400, "LimitExceeded", quota),
        (400, "QuotaExceeded", quota),
        (
            400,
            "RelatedResourceNotAuthorizedOrNotFound",
            (
                400,
                INVALID,
                None,
                Some("RelatedResourceNotAuthorizedOrNotFound"),
            ),
        ),
        (400, "400", (400, INVALID, None, None)),
        (401, "NotAuthenticated", credentials),
        (403, "NotAuthorized", credentials),
        (403, "NotAllowed", credentials),
        (403, "SignUpRequired", credentials),
        (404, "NotAuthorizedOrNotFound", model),
        (409, "IncorrectState", failed),
        (409, "LockConflict", failed),
        (409, "InvalidatedRetryToken", failed),
        (
            413,
            "RequestEntityTooLarge",
            (413, INVALID, None, Some("request_too_large")),
        ),
        (422, "422", (422, INVALID, None, None)),
        (
            429,
            "TooManyRequests",
            (429, "rate_limit_error", None, Some("rate_limit_exceeded")),
        ),
        (500, "InternalServerError", failed),
        (501, "501", failed),
        (502, "502", failed),
        (503, "ServiceUnavailable", failed),
        (504, "504", failed),
    ] {
        check(&status(from, code, "words", None), told, "");
    }
    let limited = error(&status(400, "LimitExceeded", "words", None));
    assert_eq!(limited.retry_after, Some(Duration::from_secs(7)));
}
