//! What the client is told about an upstream failure; what the proxy does about it is `dispatch`'s table.
//! Source: reference §8 and §10.2. A message never names an account, a key or an OCID.

use crate::oci::error::{OciError, StatusError};
use crate::openai::error::ApiError;

/// The longest upstream message that is passed on, in characters.
const MAX_MESSAGE_CHARS: usize = 1000;

/// What the identifiers of OCI's resources begin with.
const OCID_PREFIX: &str = "ocid1.";

/// How the vendors say that a prompt is too long, in lower case.
const CONTEXT_LENGTH_WORDS: [&str; 7] = [
    "context length",
    "context window",
    "context_length",
    "maximum context",
    "prompt is too long",
    "input is too long",
    "too many input tokens",
];

/// OCI's names of a request's fields and OpenAI's, where they are not the same words in another case.
const RENAMED: [(&str, &str); 6] = [
    ("numGenerations", "n"),
    ("logProbs", "logprobs"),
    ("isStream", "stream"),
    ("isParallelToolCalls", "parallel_tool_calls"),
    ("stopSequences", "stop"),
    ("isIncludeUsage", "include_usage"),
];

pub(crate) fn error(error: &OciError) -> ApiError {
    match error {
        OciError::Status(status) => of_status(status),
        OciError::Unreachable { .. } => ApiError::upstream_unreachable(),
        OciError::Timeout { after, .. } => ApiError::upstream_timeout(*after),
        OciError::Broken { why } => {
            ApiError::upstream_failed(format!("OCI's answer was broken: {}", clean(why)))
        }
        OciError::Event { code, message } => {
            let answer = ApiError::upstream_failed(format!(
                "OCI ended the answer with an error: {}",
                clean(message)
            ));
            match context_length(message) {
                true => answer.with_code("context_length_exceeded"),
                false => with_name(answer, code.as_deref()),
            }
        }
        OciError::Cancelled => ApiError::client_gone(),
    }
}

fn of_status(error: &StatusError) -> ApiError {
    let message = clean(&error.message);
    match error.status {
        400 | 422 if context_length(&error.message) => {
            ApiError::upstream_refused(400, message, Some("messages".to_owned()))
                .with_code("context_length_exceeded")
        }
        status @ (400 | 422) => {
            let param = error.param.as_deref().map(openai_path);
            with_name(
                ApiError::upstream_refused(status, message, param),
                error.code.as_deref(),
            )
        }
        401 | 403 => ApiError::upstream_credentials(error.status),
        404 => not_found(error, message),
        413 => ApiError::upstream_refused(413, message, None),
        429 => ApiError::upstream_busy(message, error.retry_after),
        status => {
            ApiError::upstream_failed(format!("OCI answered with status {status}: {message}"))
        }
    }
}

/// OCI says the same whether a policy is missing or the model is: the text has both readings. OpenAI's own code for a
/// model that does not exist or may not be used fits both.
fn not_found(error: &StatusError, message: String) -> ApiError {
    let unclear = error.code.as_deref() == Some("NotAuthorizedOrNotFound");
    let entity = message.contains("Entity with key") || message.to_lowercase().contains("model");
    let text = if unclear {
        format!(
            "{message} Either the model is not offered in the account's region and compartment, or the account's \
             policy does not allow its use."
        )
    } else {
        message
    };
    let answer = ApiError::upstream_refused(404, text, None);
    if unclear || entity {
        answer
            .with_param(Some("model".to_owned()))
            .with_code("model_not_found")
    } else {
        answer
    }
}

/// A code that is only the status again is no name.
fn with_name(answer: ApiError, code: Option<&str>) -> ApiError {
    match code {
        Some(code) if code.parse::<u64>().is_err() && !code.is_empty() => answer.with_code(code),
        Some(_) | None => answer,
    }
}

fn context_length(message: &str) -> bool {
    let message = message.to_lowercase();
    CONTEXT_LENGTH_WORDS
        .iter()
        .any(|words| message.contains(words))
}

/// `chatRequest.maxTokens` as `max_tokens`. What follows the field's name stays: indices are the same on both sides.
fn openai_path(param: &str) -> String {
    let param = param.strip_prefix("chatRequest.").unwrap_or(param);
    let names = param.split('.').map(|segment| {
        let end = segment.find('[').unwrap_or(segment.len());
        let (name, index) = segment.split_at(end);
        format!("{}{index}", openai_name(name))
    });
    names.collect::<Vec<_>>().join(".")
}

fn openai_name(name: &str) -> String {
    if let Some((_, openai)) = RENAMED.iter().find(|(oci, _)| *oci == name) {
        return (*openai).to_owned();
    }
    let mut snake = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

/// OCI's text without OCIDs, at most [`MAX_MESSAGE_CHARS`] long.
fn clean(message: &str) -> String {
    let mut rest = message.trim();
    if rest.is_empty() {
        return "no reason was given".to_owned();
    }
    let mut clean = String::new();
    while let Some(at) = rest.find(OCID_PREFIX) {
        let (before, ocid) = rest.split_at(at);
        clean.push_str(before);
        clean.push_str("<ocid>");
        let end =
            ocid.find(|letter: char| !letter.is_ascii_alphanumeric() && !"._-".contains(letter));
        rest = ocid.get(end.unwrap_or(ocid.len())..).unwrap_or_default();
    }
    clean.push_str(rest);
    match clean.char_indices().nth(MAX_MESSAGE_CHARS) {
        Some((end, _)) => format!("{}…", clean.get(..end).unwrap_or_default()),
        None => clean,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test")]
    use std::time::Duration;

    use super::*;
    use crate::oci::error::Phase;

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
            (413, INVALID, None, None),
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
        let from = status(
            400,
            "400",
            "This model's maximum context length is 128000 tokens.",
            None,
        );
        check(
            &from,
            (
                400,
                INVALID,
                Some("messages"),
                Some("context_length_exceeded"),
            ),
            "128000",
        );
    }

    #[test]
    fn parameters_get_openais_names_back() {
        for (oci, openai) in [
            ("maxTokens", "max_tokens"),
            ("chatRequest.maxCompletionTokens", "max_completion_tokens"),
            ("numGenerations", "n"),
            ("isParallelToolCalls", "parallel_tool_calls"),
            (
                "messages[0].toolCalls[1].name",
                "messages[0].tool_calls[1].name",
            ),
            ("max_tokens", "max_tokens"),
            ("", ""),
        ] {
            assert_eq!(openai_path(oci), openai);
        }
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
}
