//! What the client is told about an upstream failure; what the proxy does about it is `dispatch`'s table.
//! Source: reference §8 and §10.2. A message never names an account, a key or an OCID.

use crate::oci::error::{
    MAX_MESSAGE_CHARS as MAX_UPSTREAM_CHARS, OciError, StatusError, one_line, status_of_code,
};
use crate::openai::error::ApiError;

use super::naming::openai_path;

/// The longest upstream message that is passed on, in characters.
const MAX_MESSAGE_CHARS: usize = 1000;

/// What the identifiers of OCI's resources begin with.
const OCID_PREFIX: &str = "ocid1.";

/// How the vendors say that a prompt is too long, in lower case.
const CONTEXT_LENGTH_WORDS: [&str; 13] = [
    "context length",
    "context window",
    "context_length",
    "maximum context",
    "maximum prompt length",
    "prompt is too long",
    "input is too long",
    "input token count",
    "too many input tokens",
    "too many tokens",
    "exceeds the maximum number of tokens",
    "reduce the length of the messages",
    "reduce the length of the prompt",
];

/// How the vendors say that they will not answer that, in lower case.
const CONTENT_FILTER_WORDS: [&str; 12] = [
    "content_filter",
    "content filter",
    "content_policy",
    "content policy",
    "content management policy",
    "content moderation",
    "content safety",
    "inappropriate content",
    "prohibited content",
    "harmful content",
    "usage guidelines",
    "usage policies",
];

/// OpenAI's own words for a prompt that is too long, and what to do.
const TOO_LONG: &str =
    "Input tokens exceed the configured limit: shorten the conversation, or begin a new one.";

/// OpenAI's own words for a prompt that is not answered.
const FILTERED: &str = "The request was rejected as a result of the safety system.";

/// Said of a parameter, in lower case, and OpenAI's code for it, for errors that have none but the status.
const PARAMETER_WORDS: [(&str, &str); 11] = [
    ("unsupported value", "unsupported_value"),
    ("unsupported parameter", "unsupported_parameter"),
    ("does not support parameter", "unsupported_parameter"),
    ("not supported on this model", "unsupported_parameter"),
    ("not supported with this model", "unsupported_parameter"),
    ("not supported by this model", "unsupported_parameter"),
    ("not supported for this model", "unsupported_parameter"),
    ("unknown name", "unsupported_parameter"),
    ("unknown parameter", "unsupported_parameter"),
    ("unrecognized request argument", "unsupported_parameter"),
    ("extra inputs are not permitted", "unsupported_parameter"),
];

/// OCI's codes for a tenancy that has used up what it may use. They come with status 400.
const QUOTA_CODES: [&str; 2] = ["LimitExceeded", "QuotaExceeded"];

/// What OCI says of models that it offers through another API only.
const OTHER_API_WORDS: &str = "not allowed on chat completions";

pub(crate) fn error(error: &OciError) -> ApiError {
    match error {
        OciError::Status(status) => of_status(status),
        OciError::Unreachable { .. } => ApiError::upstream_unreachable(),
        OciError::Timeout { after, .. } => ApiError::upstream_timeout(*after),
        OciError::Broken { why } => {
            ApiError::upstream_failed(format!("OCI's answer was broken: {}", clean(why)))
        }
        OciError::Event { code, message } => of_event(code.as_deref(), message),
        OciError::NoCredential { .. } => ApiError::no_credential(),
        OciError::Cancelled => ApiError::client_gone(),
    }
}

/// Had the same error come in time, it would have had a status. If it is no fault of OCI's, the client is told what that says.
fn of_event(code: Option<&str>, message: &str) -> ApiError {
    let refused = context_length(message) || content_filter(code, message);
    let status = code.and_then(status_of_code).filter(|status| *status < 500);
    match status.or(refused.then_some(400)) {
        Some(status) => of_status(&StatusError {
            status,
            code: code.map(str::to_owned),
            message: message.to_owned(),
            param: None,
            opc_request_id: None,
            retry_after: None,
        }),
        None => {
            let message = format!("OCI ended the answer with an error: {}", clean(message));
            with_name(ApiError::upstream_failed(message), code)
        }
    }
}

fn of_status(error: &StatusError) -> ApiError {
    let message = clean(&error.message);
    let param = error.param.as_deref().map(clean);
    let param = param.as_deref().map(openai_path);
    match error.status {
        // xAI says it with 403, which is OCI's own for a missing policy.
        400 | 403 | 422 if content_filter(error.code.as_deref(), &error.message) => {
            let message = with_words(message, FILTERED);
            ApiError::upstream_refused(400, message, None).with_code("content_filter")
        }
        400 | 422 if limits_the_answer(&error.message) => {
            let param = param.unwrap_or_else(|| "max_tokens".to_owned());
            ApiError::upstream_refused(error.status, message, Some(param))
        }
        400 | 413 | 422 if context_length(&error.message) && !is_limit(param.as_deref()) => {
            let message = with_words(message, TOO_LONG);
            ApiError::upstream_refused(400, message, Some("messages".to_owned()))
                .with_code("context_length_exceeded")
        }
        400 if QUOTA_CODES
            .iter()
            .any(|code| error.code.as_deref() == Some(code)) =>
        {
            ApiError::upstream_quota(message, error.retry_after)
        }
        status @ (400 | 422) => {
            let other_api = error.message.to_lowercase().contains(OTHER_API_WORDS);
            let param = param.or_else(|| other_api.then(|| "model".to_owned()));
            let answer = ApiError::upstream_refused(status, message, param);
            let answer = match parameter_code(&error.message) {
                Some(code) => answer.with_code(code),
                None => answer,
            };
            with_name(answer, error.code.as_deref())
        }
        401 | 403 => ApiError::upstream_credentials(error.status),
        404 => not_found(error, message),
        413 => ApiError::upstream_refused(413, message, None).with_code("request_too_large"),
        429 => ApiError::upstream_busy(message, error.retry_after),
        status => {
            ApiError::upstream_failed(format!("OCI answered with status {status}: {message}"))
        }
    }
}

/// Whether OCI says that the model is to be had through another API only.
pub(crate) fn is_about_another_api(error: &OciError) -> bool {
    match error {
        OciError::Status(status) => status.message.to_lowercase().contains(OTHER_API_WORDS),
        OciError::NoCredential { .. }
        | OciError::Unreachable { .. }
        | OciError::Timeout { .. }
        | OciError::Broken { .. }
        | OciError::Event { .. }
        | OciError::Cancelled => false,
    }
}

/// The message, and behind it the words that clients look for who do not look at the code.
fn with_words(mut message: String, words: &str) -> String {
    if !message.contains(words) {
        if !message.ends_with(['.', '!', '?', '…']) {
            message.push('.');
        }
        message.push(' ');
        message.push_str(words);
    }
    message
}

/// Cohere begins both with `too many tokens`, and means the client's limit of the answer here.
fn limits_the_answer(message: &str) -> bool {
    let message = message.to_lowercase();
    ["max tokens must", "max_tokens must", "maxtokens must"]
        .iter()
        .any(|words| message.contains(words))
}

/// Whether the client's limit of the answer is meant, which is another mistake than a long prompt.
fn is_limit(param: Option<&str>) -> bool {
    matches!(param, Some("max_tokens" | "max_completion_tokens"))
}

/// OpenAI's code for what a message says of a parameter; `None` if it says another thing.
pub(super) fn parameter_code(message: &str) -> Option<&'static str> {
    let message = message.to_lowercase();
    let (_, code) = PARAMETER_WORDS
        .iter()
        .find(|(words, _)| message.contains(words))?;
    Some(code)
}

fn content_filter(code: Option<&str>, message: &str) -> bool {
    let said = |text: &str| {
        let text = text.to_lowercase();
        CONTENT_FILTER_WORDS
            .iter()
            .any(|words| text.contains(words))
    };
    code.is_some_and(said) || said(message)
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
        Some(code) if code.parse::<u64>().is_err() && !code.trim().is_empty() => {
            answer.with_code(clean(code))
        }
        Some(_) | None => answer,
    }
}

fn context_length(message: &str) -> bool {
    let message = message.to_lowercase();
    CONTEXT_LENGTH_WORDS
        .iter()
        .any(|words| message.contains(words))
}

/// OCI's text as one line without OCIDs and signatures, at most [`MAX_MESSAGE_CHARS`] long.
fn clean(message: &str) -> String {
    let line = one_line(message, MAX_UPSTREAM_CHARS);
    let mut rest = line.as_str();
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
mod tests;
