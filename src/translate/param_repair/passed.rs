//! Takes out of a request that goes through as the client wrote it what a [`Fix`] says: top-level fields only, which is where OpenAI's
//! parameters stand. What lies deeper stays, and OCI's refusal is the client's.

use crate::json;
use crate::translate::passthrough::{Action, Passed};

use super::{Fix, Limit, Param};

/// What a model is told that does not think.
const NO_EFFORT: &str = "none";

/// The values of some parameters, as the native API writes them.
const WORDS: [&str; 10] = [
    "NONE", "MINIMAL", "LOW", "MEDIUM", "HIGH", "XHIGH", "MAX", "AUTO", "DEFAULT", "PRIORITY",
];

/// `true`: something changed.
pub(super) fn apply(fix: &Fix, request: &mut Passed) -> bool {
    match fix {
        Fix::Drop(param) => request.drop_field(param.name(), |value| may_go(*param, value)),
        Fix::DropWord(param, known) => {
            word(*param, request) == Some(known)
                && request.drop_field(param.name(), |value| may_go(*param, value))
        }
        Fix::Rename(Limit::MaxTokens) => {
            request.rename_field("max_tokens", "max_completion_tokens")
        }
        Fix::Rename(Limit::MaxCompletionTokens) => {
            request.rename_field("max_completion_tokens", "max_tokens")
        }
        Fix::NoThoughtWithTools => {
            let effort = Param::ReasoningEffort.name();
            let thinks = request.word(effort).is_none_or(|word| word != NO_EFFORT);
            // A response has its effort further in.
            let is_chat = request.action() == Action::ChatCompletions;
            let changes = is_chat && thinks && request.has_field("tools");
            if changes {
                request.set_field(effort, &format!("\"{NO_EFFORT}\""));
            }
            changes
        }
        Fix::DropKeywords(_) => false,
    }
}

/// Of some only what is the default anyway.
fn may_go(param: Param, value: &str) -> bool {
    match param {
        Param::N => value == "1",
        Param::ToolChoice => value == "\"auto\"",
        Param::ResponseFormat => {
            let format: Option<serde_json::Value> = json::from_text(value).ok();
            format.is_some_and(|format| format == serde_json::json!({"type": "text"}))
        }
        // It stands deeper.
        Param::Strict => false,
        Param::Temperature
        | Param::TopP
        | Param::TopK
        | Param::FrequencyPenalty
        | Param::PresencePenalty
        | Param::Seed
        | Param::Stop
        | Param::ParallelToolCalls
        | Param::ReasoningEffort
        | Param::Verbosity
        | Param::Metadata
        | Param::Prediction
        | Param::ServiceTier
        | Param::StreamOptions => true,
    }
}

pub(super) fn word(param: Param, request: &Passed) -> Option<&'static str> {
    match param {
        Param::ReasoningEffort | Param::Verbosity | Param::ServiceTier => {
            let given = request.word(param.name())?;
            WORDS
                .into_iter()
                .find(|word| word.eq_ignore_ascii_case(&given))
        }
        Param::Temperature
        | Param::TopP
        | Param::TopK
        | Param::FrequencyPenalty
        | Param::PresencePenalty
        | Param::Seed
        | Param::Stop
        | Param::ParallelToolCalls
        | Param::Metadata
        | Param::Prediction
        | Param::StreamOptions
        | Param::ToolChoice
        | Param::ResponseFormat
        | Param::N
        | Param::Strict => None,
    }
}

pub(super) fn penalty_in(request: &Passed) -> Option<Param> {
    [Param::FrequencyPenalty, Param::PresencePenalty]
        .into_iter()
        .find(|penalty| request.has_field(penalty.name()))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use crate::oci::error::StatusError;
    use crate::translate::Rules;
    use crate::translate::models::ModelTarget;
    use crate::translate::param_repair::{apply_known, repair};
    use crate::translate::passthrough::{Action, Asked, Passed};

    fn passed(more: &str) -> Passed {
        let body = format!("{{\"model\":\"a\",\"max_tokens\":3{more}}}");
        let rules = Rules {
            default_max_tokens: 1,
            force_non_stream: false,
        };
        let asked = Asked::read(Action::ChatCompletions, body.as_bytes()).unwrap();
        asked.for_model(&ModelTarget::new("m", None), &rules)
    }

    fn refusal(param: &str, code: &str, message: &str) -> StatusError {
        StatusError {
            status: 400,
            code: Some(code.to_owned()),
            message: message.to_owned(),
            param: Some(param.to_owned()),
            opc_request_id: None,
            retry_after: None,
        }
    }

    /// `None`: the refusal is the client's.
    fn check(more: &str, refusal: &StatusError, expected: Option<&str>) {
        let mut request = passed(more);
        let repaired = repair(refusal, &mut request);
        let expected = expected.map(|rest| format!("{{\"model\":\"m\"{rest}}}"));
        let written = repaired
            .as_ref()
            .map(|_| String::from_utf8_lossy(request.body()).into_owned());
        assert_eq!(written, expected, "{more}");
        if let (Some(repaired), Some(expected)) = (repaired, expected) {
            let mut next = passed(more);
            assert!(apply_known(&[repaired], &mut next).len() <= 1);
            assert_eq!(next.body(), expected.as_bytes(), "the next one: {more}");
        }
    }

    #[test]
    fn what_may_go_goes_and_what_must_stay_stays() {
        let unsupported = |param| refusal(param, "unsupported_parameter", "no");
        let limit = r#","max_tokens":3"#;
        for (more, param, expected) in [
            (r#","temperature":0.5"#, "temperature", Some("")),
            (r#","stop":["a"]"#, "stop", Some("")),
            (r#","n":1"#, "n", Some("")),
            (r#","n":2"#, "n", None),
            (r#","tool_choice":"auto""#, "tool_choice", Some("")),
            (r#","tool_choice":"none""#, "tool_choice", None),
            (
                r#","response_format":{"type": "text"}"#,
                "response_format",
                Some(""),
            ),
            (
                r#","response_format":{"type":"json_object"}"#,
                "response_format",
                None,
            ),
            (r#","tools":[]"#, "tools", None),
            ("", "temperature", None),
        ] {
            let expected = expected.map(|rest| format!("{limit}{rest}"));
            check(more, &unsupported(param), expected.as_deref());
        }
        check(
            "",
            &unsupported("max_tokens"),
            Some(r#","max_completion_tokens":3"#),
        );
    }

    #[test]
    fn a_refused_value_goes_alone() {
        let refused = refusal("reasoning_effort", "unsupported_value", "no");
        let given = r#","reasoning_effort":"minimal""#;
        check(given, &refused, Some(r#","max_tokens":3"#));
        let mut request = passed(given);
        let repaired = repair(&refused, &mut request).unwrap();
        let mut other = passed(r#","reasoning_effort":"low""#);
        assert!(apply_known(&[repaired], &mut other).is_empty());
    }

    #[test]
    fn a_model_that_calls_tools_without_thought_is_told_so() {
        let refused = refusal(
            "reasoning_effort",
            "400",
            "Function tools with reasoning_effort are not supported",
        );
        check(
            r#","tools":[1]"#,
            &refused,
            Some(r#","max_tokens":3,"tools":[1],"reasoning_effort":"none""#),
        );
    }
}
