//! The translation, attacked from both sides: what clients ask, what OCI answers, streams and refuses.
#![expect(clippy::unwrap_used, reason = "a broken promise ends the test")]

mod answers;
mod asked;

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::models::ModelTarget;
use super::param_repair::{is_about_the_same, repair};
use super::property::{check_order, check_pairs, check_schema};
use super::{Rules, error, request};
use crate::fuzz::{Form, Target, fixtures, golden, texts};
use crate::oci::error::{MAX_MESSAGE_CHARS, MAX_RETRY_AFTER, OciError, status_error};
use crate::oci::wire::ApiFormat;
use crate::openai::chat::ChatRequest;
use crate::openai::error::ApiError;
use crate::simulator::schema;

const FORMATS: [(&str, ApiFormat); 3] = [
    ("generic", ApiFormat::Generic),
    ("cohere", ApiFormat::Cohere),
    ("coherev2", ApiFormat::CohereV2),
];

/// One of each vendor and quirk.
const MODELS: [&str; 9] = [
    "xai.grok-4.3",
    "meta.llama-3.3-70b-instruct",
    "meta.llama-4-scout-17b-16e-instruct",
    "google.gemini-2.5-pro",
    "openai.gpt-5",
    "cohere.command-a-03-2025",
    "cohere.command-a-reasoning-08-2025",
    "cohere.command-a-vision-07-2025",
    "ocid1.generativeaiendpoint.oc1.us-chicago-1.x",
];

const RULES: Rules = Rules {
    default_max_tokens: 4000,
    force_non_stream: false,
};

/// Bytes of OCI's request that a byte of the client's may become: a control character is escaped.
const GROWTH: usize = 8;
/// What a request may have beside that: references unfolded, which have a bound of their own.
const UNFOLDED_BYTES: usize = 16 * 1024 * 1024;
/// Characters of a message for the client.
const MAX_TOLD_CHARS: usize = 2500;

fn inputs(name: &str) -> Vec<Vec<u8>> {
    let inputs = FORMATS.iter().flat_map(|(format, _)| golden(format, name));
    inputs.collect()
}

/// Every error that a client sees.
fn check_told(error: &ApiError) {
    assert!((400..600).contains(&error.status), "{error:?}");
    assert!(
        !error.message.is_empty() && error.message.chars().count() <= MAX_TOLD_CHARS,
        "{error:?}"
    );
    for text in [
        Some(&error.message),
        error.param.as_ref(),
        error.code.as_ref(),
    ]
    .into_iter()
    .flatten()
    {
        assert!(!text.contains("ocid1."), "{error:?}");
        assert!(!text.contains(char::is_control), "{error:?}");
    }
    assert!(error.retry_after.is_none_or(|wait| wait <= MAX_RETRY_AFTER));
    assert!(serde_json::from_str::<Value>(&error.to_json()).is_ok());
}

fn translated(body: &[u8], target: &ModelTarget) -> Result<Value, ApiError> {
    let asked = ChatRequest::parse(body)?;
    let sent = request(asked, target, &RULES)?;
    Ok(serde_json::to_value(sent).unwrap())
}

/// The whole body of a call, which a second opinion on OCI's schema must find good.
fn check_sent(sent: &Value, target: &ModelTarget) {
    let body = json!({
        "compartmentId": "ocid1.compartment.oc1..c",
        "servingMode": target.serving_mode(),
        "chatRequest": sent,
    });
    if let Err(problem) = schema::check(&body) {
        assert!(
            is_for_oci_to_refuse(&problem.message),
            "{}: {sent}",
            problem.message
        );
    }
    if sent["apiFormat"] == "GENERIC" {
        let is_google = target.vendor() == "google";
        check_pairs(sent, is_google, 0);
        check_order(sent, is_google, 0);
        for tool in sent["tools"].as_array().into_iter().flatten() {
            check_schema(&tool["parameters"], 0);
        }
    }
}

/// What is the client's mistake and passed on: OCI knows better what a model takes.
fn is_for_oci_to_refuse(problem: &str) -> bool {
    let values = ["logitBias", "metadata", "topK", "stop"];
    let of_value = values
        .iter()
        .any(|name| problem.starts_with(&format!("chatRequest.{name}")));
    let words = [
        "chatRequest.tools: must be an array of 0 to 128",
        "another tool has the same name",
        "must be 1 to 64 letters, digits, _ and -",
        "needs at least one message of the user",
        "must be at least 1 token long or tool results must be specified",
    ];
    of_value || words.iter().any(|words| problem.contains(words))
}

const REQUEST_WORDS: [&str; 48] = [
    "role",
    "content",
    "name",
    "tool_calls",
    "tool_call_id",
    "function",
    "arguments",
    "type",
    "text",
    "image_url",
    "url",
    "file",
    "input_audio",
    "system",
    "developer",
    "user",
    "assistant",
    "tool",
    "tools",
    "tool_choice",
    "parameters",
    "properties",
    "items",
    "$ref",
    "#/$defs/a",
    "#",
    "$defs",
    "anyOf",
    "enum",
    "required",
    "strict",
    "stop",
    "n",
    "seed",
    "max_tokens",
    "max_completion_tokens",
    "stream",
    "stream_options",
    "response_format",
    "json_schema",
    "functions",
    "function_call",
    "reasoning_effort",
    "metadata",
    "prediction",
    "refusal",
    "data:image/png;base64,AAAA",
    "logit_bias",
];

#[test]
fn requests() {
    let mut corpus = inputs("request.openai.json");
    corpus.extend(texts(&[
        r#"{"model":"m","messages":[{"role":"user","content":"half \ud83d of it"}]}"#,
        r#"{"model":"m","messages":[["user",{"text":"hi"},"a name"]]}"#,
    ]));
    let target = Target {
        name: "translate::fuzz::requests",
        executions: 3000,
        form: Form::Json,
        corpus: &corpus,
        words: &REQUEST_WORDS,
    };
    target.run(|body, random| {
        let target = ModelTarget::new(random.pick(&MODELS), None);
        let sent = translated(body, &target);
        assert_eq!(translated(body, &target), sent, "another time");
        match sent {
            Ok(sent) => {
                assert!(sent.to_string().len() <= GROWTH * body.len() + UNFOLDED_BYTES);
                check_sent(&sent, &target);
                true
            }
            Err(refused) => {
                assert_eq!(
                    (refused.status, refused.kind),
                    (400, "invalid_request_error")
                );
                let is_object =
                    serde_json::from_slice::<Value>(body).is_ok_and(|body| body.is_object());
                assert!(
                    refused.param.is_some()
                        || !is_object
                        || refused.message.contains("duplicate field"),
                    "{refused:?}"
                );
                assert!(
                    refused.message.chars().count() <= MAX_TOLD_CHARS,
                    "{refused:?}"
                );
                assert!(serde_json::from_str::<Value>(&refused.to_json()).is_ok());
                false
            }
        }
    });
}

/// Repairs of one request that are tried one after the other: each takes something away, so that there is an end.
const MAX_REPAIRS: usize = 200;

const ERROR_WORDS: [&str; 34] = [
    "code",
    "message",
    "error",
    "param",
    "type",
    "errorMessage",
    "detail",
    "ocid1.tenancy.oc1..aaaa",
    "OCID1.USER.OC1..B",
    "Unsupported parameter: 'maxTokens' is not supported with this model.",
    "Invalid 'messages[0].content'",
    "does not support parameter presencePenalty",
    "temperature",
    "topP",
    "stop",
    "reasoningEffort",
    "parallelToolCalls",
    "Unknown name \"additionalProperties\"",
    "\\u0000",
    "\\u202e",
    "\\n",
    "TooManyRequests",
    "NotAuthorizedOrNotFound",
    "400",
    "429",
    "content_filter",
    "maximum context length",
    "Penalty is not enabled",
    "<title>",
    "</title>",
    "<html>",
    "{\"error\":{\"message\":\"x\"}}",
    "Entity with key",
    "Use 'max_completion_tokens' instead.",
];

#[test]
fn refusals() {
    let mut corpus = fixtures("errors");
    let said = [
        "Unsupported parameter: '{}' is not supported with this model. Use 'max_completion_tokens' instead.",
        "Model grok-4 does not support parameter {}.",
        "Invalid JSON payload received. Unknown name \"{}\" at 'tools[0]': Cannot find field.",
        "Unsupported value: '{}' does not support 'minimal' with this model.",
        "Unknown parameter: '{}'",
        "{}: Extra inputs are not permitted",
        "The user ocid1.user.oc1..aaaa of {} may not do that",
    ];
    let params = [
        "maxTokens",
        "max_tokens",
        "temperature",
        "top_p",
        "topK",
        "stop",
        "seed",
        "presencePenalty",
        "metadata",
        "parallel_tool_calls",
        "reasoning_effort",
        "responseFormat",
        "tools",
        "toolChoice",
        "streamOptions",
        "additionalProperties",
        "format",
        "messages[0].content",
    ];
    for message in said
        .iter()
        .flat_map(|said| params.map(|param| said.replace("{}", param)))
    {
        corpus.push(
            json!({"code": "400", "message": message})
                .to_string()
                .into_bytes(),
        );
    }
    corpus.extend(texts(&[
        "",
        "upstream connect error",
        "<html><title>502</title></html>",
        "null",
        "\"text\"",
    ]));
    // Those that have something to lose.
    let mut requests = inputs("request.openai.json");
    requests.retain(|body| body.len() > 500);
    let target = Target {
        name: "translate::fuzz::refusals",
        executions: 3000,
        form: Form::Json,
        corpus: &corpus,
        words: &ERROR_WORDS,
    };
    target.run(|body, random| {
        let status = if random.one_in(2) {
            400
        } else {
            random.pick(&[300, 401, 403, 404, 409, 413, 422, 429, 500, 502, 503, 599])
        };
        let id = random.pick(&[
            None,
            Some("A/B/C"),
            Some("a\u{1b}[2J\r\nforged: 1"),
            Some(""),
        ]);
        let wait = random.pick(&[
            None,
            Some("3"),
            Some("99999999999999999999"),
            Some("-1"),
            Some("Fri, 31 Dec 9999 23:59:59 GMT"),
            Some(""),
        ]);
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let refused = status_error(status, id, wait, body, now);
        assert_eq!(
            status_error(status, id, wait, body, now),
            refused,
            "another time"
        );
        assert!(
            !refused.message.is_empty() && refused.message.chars().count() <= MAX_MESSAGE_CHARS
        );
        for text in [
            Some(&refused.message),
            refused.code.as_ref(),
            refused.param.as_ref(),
            refused.opc_request_id.as_ref(),
        ]
        .into_iter()
        .flatten()
        {
            assert!(!text.contains(char::is_control), "{refused:?}");
        }
        assert!(
            refused
                .retry_after
                .is_none_or(|wait| wait <= MAX_RETRY_AFTER)
        );
        assert!(is_about_the_same(&refused, &refused));
        let failure = OciError::Status(Box::new(refused.clone()));
        assert!(!failure.to_string().contains(char::is_control), "{failure}");
        check_told(&error(&failure));
        check_event(&refused.message, refused.code.clone());
        // What the refusal makes of a request is a request, and it gets less each time.
        let target = ModelTarget::new(random.pick(&MODELS), None);
        let body: &Vec<u8> = random.of(&requests);
        let asked = ChatRequest::parse(body).and_then(|asked| Ok(request(asked, &target, &RULES)?));
        let Ok(mut sent) = asked else {
            return false;
        };
        let mut repairs = 0;
        let mut before = serde_json::to_value(&sent).unwrap();
        while repair(&refused, &mut sent).is_some() {
            let after = serde_json::to_value(&sent).unwrap();
            assert_ne!(after, before, "nothing was repaired");
            check_sent(&after, &target);
            before = after;
            repairs += 1;
            assert!(repairs < MAX_REPAIRS, "{refused:?} has no end");
        }
        assert_eq!(
            serde_json::to_value(&sent).unwrap(),
            before,
            "not repaired and yet another one"
        );
        repairs > 0
    });
}

/// The same within a stream.
fn check_event(message: &str, code: Option<String>) {
    let message = message.to_owned();
    let failure = OciError::Event { code, message };
    assert!(!failure.to_string().contains(char::is_control), "{failure}");
    check_told(&error(&failure));
}
