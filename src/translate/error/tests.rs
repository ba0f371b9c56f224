//! The table of what a client is told, and what the vendors were heard to say.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::time::Duration;

use super::*;
use crate::oci::error::Phase;

mod recorded;

fn status(status: u16, code: &str, message: &str, param: Option<&str>) -> OciError {
    OciError::Status(Box::new(StatusError {
        status,
        code: Some(code.to_owned()),
        message: message.to_owned(),
        param: param.map(str::to_owned),
        opc_request_id: None,
        retry_after: Some(Duration::from_secs(7)),
    }))
}

fn check(from: &OciError, expected: (u16, &str, Option<&str>, Option<&str>), words: &str) {
    let api = error(from);
    let got = (
        api.status,
        api.kind,
        api.param.as_deref(),
        api.code.as_deref(),
    );
    assert_eq!(got, expected, "{from:?}");
    assert!(api.message.contains(words), "{}", api.message);
}

const INVALID: &str = "invalid_request_error";
const SERVER: &str = "server_error";

#[test]
fn the_client_is_told_by_the_table() {
    check(
        &status(400, "400", "bad", Some("maxTokens")),
        (400, INVALID, Some("max_tokens"), None),
        "bad",
    );
    check(
        &status(422, "unsupported_value", "no", Some("temperature")),
        (422, INVALID, Some("temperature"), Some("unsupported_value")),
        "no",
    );
    check(
        &status(413, "RequestEntityTooLarge", "big", None),
        (413, INVALID, None, Some("request_too_large")),
        "big",
    );
    let busy = status(429, "TooManyRequests", "slow down", None);
    check(
        &busy,
        (429, "rate_limit_error", None, Some("rate_limit_exceeded")),
        "slow down",
    );
    assert_eq!(error(&busy).retry_after, Some(Duration::from_secs(7)));
    for failed in [409, 500, 501, 502, 503, 504, 302, 405] {
        check(
            &status(failed, "x", "boom", None),
            (502, SERVER, None, Some("upstream_error")),
            "boom",
        );
    }
    let timeout = OciError::Timeout {
        phase: Phase::Answer,
        after: Duration::from_secs(60),
    };
    check(
        &timeout,
        (504, SERVER, None, Some("upstream_timeout")),
        "60 s",
    );
    let unreachable = OciError::Unreachable {
        phase: Phase::Connect,
        why: "secret-host refused".to_owned(),
    };
    check(
        &unreachable,
        (502, SERVER, None, Some("upstream_unreachable")),
        "log",
    );
    assert!(!error(&unreachable).message.contains("secret-host"));
    let broken = OciError::Broken {
        why: "cut off".to_owned(),
    };
    check(
        &broken,
        (502, SERVER, None, Some("upstream_error")),
        "cut off",
    );
    let event = OciError::Event {
        code: Some("500".to_owned()),
        message: "oops".to_owned(),
    };
    check(&event, (502, SERVER, None, Some("upstream_error")), "oops");
    assert_eq!(error(&OciError::Cancelled).status, 499);
}

#[test]
fn refused_credentials_are_the_operators_fault_and_name_nobody() {
    for refused in [401, 403] {
        let from = status(
            refused,
            "NotAuthenticated",
            "key of ocid1.user.oc1..abc is bad",
            None,
        );
        check(
            &from,
            (502, SERVER, None, Some("upstream_credentials")),
            "log",
        );
        assert!(!error(&from).message.contains("ocid1"));
    }
}

#[test]
fn a_404_explains_both_readings() {
    let unclear = status(
        404,
        "NotAuthorizedOrNotFound",
        "Authorization failed or requested resource not found.",
        None,
    );
    check(
        &unclear,
        (404, INVALID, Some("model"), Some("model_not_found")),
        "region",
    );
    check(
        &unclear,
        (404, INVALID, Some("model"), Some("model_not_found")),
        "policy",
    );
    let unknown = status(404, "404", "Entity with key xai.nope not found", None);
    check(
        &unknown,
        (404, INVALID, Some("model"), Some("model_not_found")),
        "xai.nope",
    );
    check(
        &status(404, "404", "<html>", None),
        (404, INVALID, None, None),
        "<html>",
    );
}

#[test]
fn a_prompt_that_is_too_long_has_openais_code() {
    let told = (
        400,
        INVALID,
        Some("messages"),
        Some("context_length_exceeded"),
    );
    for message in [
        "This model's maximum context length is 128000 tokens. However, your messages resulted in 130000 tokens.",
        "This model's maximum prompt length is 131072 but the request contains 537812 tokens.",
        "The input token count (1241712) exceeds the maximum number of tokens allowed (1048576).",
        "too many tokens: total number of tokens in the prompt cannot exceed 128000 - received 131234.",
        "prompt is too long: 210000 tokens > 200000 maximum",
        "Your input exceeds the context window of this model. Please adjust your input and try again.",
    ] {
        for refused in [400, 413, 422] {
            check(&status(refused, "400", message, None), told, TOO_LONG);
        }
    }
    // The limit of the answer is not the prompt, and a rate is neither.
    check(
        &status(
            400,
            "400",
            "too many tokens: at most 4000 can be generated",
            Some("maxTokens"),
        ),
        (400, INVALID, Some("max_tokens"), None),
        "4000",
    );
    check(
        &status(429, "TooManyRequests", "too many tokens per minute", None),
        (429, "rate_limit_error", None, Some("rate_limit_exceeded")),
        "minute",
    );
    for message in [
        "too many tokens: max tokens must be less than or equal to 4096, the maximum output for this model - received 8192.",
        "too many tokens: max_tokens must be at most 4096",
    ] {
        let limit = (400, INVALID, Some("max_tokens"), None);
        check(&status(400, "400", message, None), limit, "must be");
    }
    for code in [Some("400"), None] {
        check(&event(code, "maximum context length"), told, TOO_LONG);
    }
}

fn event(code: Option<&str>, message: &str) -> OciError {
    OciError::Event {
        code: code.map(str::to_owned),
        message: message.to_owned(),
    }
}

#[test]
fn an_error_event_is_told_like_the_error_with_a_status_that_it_is() {
    for code in ["429", "TooManyRequests", "rate_limit_exceeded"] {
        check(
            &event(Some(code), "slow down"),
            (429, "rate_limit_error", None, Some("rate_limit_exceeded")),
            "slow down",
        );
    }
    check(
        &event(Some("InvalidParameter"), "bad"),
        (400, INVALID, None, Some("InvalidParameter")),
        "bad",
    );
    check(
        &event(Some("NotAuthenticated"), "no"),
        (502, SERVER, None, Some("upstream_credentials")),
        "log",
    );
    for code in [Some("ServiceUnavailable"), Some("503"), None] {
        let answer = error(&event(code, "oops"));
        assert_eq!(
            (answer.status, answer.kind),
            (502, SERVER),
            "{code:?} {answer:?}"
        );
    }
}

#[test]
fn content_that_is_filtered_has_openais_code() {
    let told = (400, INVALID, None, Some("content_filter"));
    for (from, code, message) in [
        (400, "content_filter", "The response was filtered."),
        (
            400,
            "400",
            "The response was filtered due to the prompt triggering our content management policy.",
        ),
        (400, "content_policy_violation", "Rejected."),
        (400, "InvalidParameter", "Inappropriate content detected!!!"),
        (
            403,
            "403",
            "Content violates usage guidelines. Failed check: SAFETY_CHECK_TYPE_BIO",
        ),
    ] {
        check(&status(from, code, message, None), told, "");
    }
    check(
        &event(None, "stopped by the content filter"),
        told,
        FILTERED,
    );
    check(&event(Some("content_filter"), "blocked"), told, FILTERED);
    // The words are added once, and behind a whole sentence.
    let answer = error(&status(400, "content_filter", "No", None));
    assert_eq!(answer.message, format!("No. {FILTERED}"));
    let told_already = format!("Your {FILTERED}");
    let answer = error(&status(400, "content_filter", &told_already, None));
    assert_eq!(answer.message, told_already);
}

#[test]
fn unsupported_parameters_have_openais_code_and_name() {
    for (code, message, param, expected) in [
        (
            "400",
            "Unsupported parameter: 'numGenerations'",
            "numGenerations",
            ("n", "unsupported_parameter"),
        ),
        (
            "400",
            "Model grok-4 does not support parameter presencePenalty.",
            "presencePenalty",
            ("presence_penalty", "unsupported_parameter"),
        ),
        (
            "400",
            "Unsupported value: 'HIGH'",
            "reasoningEffort",
            ("reasoning_effort", "unsupported_value"),
        ),
        (
            "unsupported_value",
            "no",
            "chatRequest.topP",
            ("top_p", "unsupported_value"),
        ),
        (
            "invalid_type",
            "Unsupported value",
            "stopSequences",
            ("stop", "invalid_type"),
        ),
    ] {
        let (openai, openai_code) = expected;
        check(
            &status(400, code, message, Some(param)),
            (400, INVALID, Some(openai), Some(openai_code)),
            "",
        );
    }
}

#[test]
fn nothing_that_a_client_is_told_has_an_ocid_or_a_control_character() {
    let event = OciError::Event {
        code: Some("ocid1.tenancy.oc1..a\n".to_owned()),
        message: "no\u{1b}[2J\r\nforged ocid1.user.oc1..b".to_owned(),
    };
    check(
        &event,
        (502, SERVER, None, Some("<ocid>")),
        "no [2J forged <ocid>",
    );
    check(
        &status(400, "ocid1.x", "no", Some("tools[ocid1.y]")),
        (400, INVALID, Some("tools[<ocid>]"), Some("<ocid>")),
        "no",
    );
}

#[test]
fn messages_lose_ocids_and_have_a_bound() {
    assert_eq!(
        clean("tenancy ocid1.tenancy.oc1..aaa, model ocid1.x"),
        "tenancy <ocid>, model <ocid>"
    );
    assert_eq!(clean(" "), "no reason was given");
    assert_eq!(
        clean(&"ä".repeat(5000)).chars().count(),
        MAX_MESSAGE_CHARS + 1
    );
    assert!(
        serde_json::to_string(&clean("\u{0}\""))
            .unwrap()
            .starts_with('"')
    );
}
