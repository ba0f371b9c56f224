//! A whole answer in OpenAI's words, and what streams share with it: finish reasons, usage, annotations.
//! Source: reference §5 and §10.2.

use std::collections::HashSet;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::oci::error::OciError;
use crate::oci::wire::ChatResult;
use crate::oci::wire::generic as wire;
use crate::openai::chat::{
    Annotation, AnswerFunction, AnswerToolCall, AssistantMessage, ChatCompletion, Choice,
    CompletionTokensDetails, FinishReason, MAX_CHOICES, PromptTokensDetails, UrlCitation, Usage,
};

use super::ReplyMeta;
use super::event;
use super::grounding;
use super::logprobs::logprobs;
use super::tools::{MadeUpIds, NO_ARGUMENTS, OwnIds};

/// Errors: [`OciError::Broken`] for an answer without a choice, [`OciError::Event`] for one that says that it failed.
pub(crate) fn completion(result: ChatResult, meta: &ReplyMeta) -> Result<ChatCompletion, OciError> {
    let response = event::whole(result.chat_response, &meta.dialect)?;
    if response.choices.is_empty() {
        return Err(OciError::Broken {
            why: "the answer has no choices".to_owned(),
        });
    }
    let created = response
        .time_created
        .as_deref()
        .and_then(unix_seconds)
        .unwrap_or(meta.created);
    let indices = indices(&response.choices)?;
    let mut of_choice = None;
    let mut choices = Vec::with_capacity(response.choices.len());
    for (index, mut from) in indices.into_iter().zip(response.choices) {
        of_choice = of_choice.or(from.usage.take());
        choices.push(choice(from, index, &meta.tool_id_seed));
    }
    Ok(ChatCompletion {
        id: meta.id.clone(),
        object: "chat.completion",
        created,
        model: meta.model.clone(),
        choices,
        usage: response.usage.or(of_choice).map(usage),
        service_tier: response.service_tier.map(|tier| tier.to_lowercase()),
    })
}

/// As the choices say it themselves; by their order if one says nothing, what another says, or what nobody can have asked
/// for. Errors: as for a stream, [`OciError::Broken`] for more than [`MAX_CHOICES`].
fn indices(choices: &[wire::Choice]) -> Result<Vec<u32>, OciError> {
    let by_order = (0..MAX_CHOICES).take(choices.len());
    if by_order.len() < choices.len() {
        return Err(OciError::Broken {
            why: format!("the answer has more than {MAX_CHOICES} choices"),
        });
    }
    let said = choices.iter().map(|choice| {
        let index = u32::try_from(choice.index?).ok()?;
        (index < MAX_CHOICES).then_some(index)
    });
    let said: Option<Vec<u32>> = said.collect();
    let distinct = |said: &Vec<u32>| said.iter().collect::<HashSet<_>>().len() == said.len();
    Ok(said.filter(distinct).unwrap_or_else(|| by_order.collect()))
}

fn choice(from: wire::Choice, index: u32, seed: &str) -> Choice {
    let Spoken { text, reasoning } =
        Spoken::of(from.message.content, from.message.reasoning_content);
    let cited = match (from.message.annotations, from.grounding_metadata) {
        (none, Some(metadata)) if none.is_empty() => {
            grounding::citations(metadata, text.as_deref().unwrap_or_default())
        }
        (annotations, _) => annotations,
    };
    let ids = MadeUpIds {
        seed,
        choice: index,
    };
    let calls = from.message.tool_calls.into_iter().enumerate();
    let mut ids_here = OwnIds::default();
    let tool_calls: Vec<_> = calls
        .filter_map(|(at, mut call)| {
            call.id = call.id.map(|id| ids_here.own(id));
            tool_call(at, call, &ids)
        })
        .collect();
    let finish_reason = finish_reason(
        from.finish_reason.as_deref().unwrap_or_default(),
        !tool_calls.is_empty(),
    );
    Choice {
        index,
        message: AssistantMessage {
            role: "assistant",
            // `null` is for answers that say it otherwise.
            content: match (
                text,
                tool_calls.is_empty() && from.message.refusal.is_none(),
            ) {
                (None, true) => Some(String::new()),
                (text, _) => text,
            },
            reasoning_content: reasoning,
            refusal: from.message.refusal,
            annotations: annotations(cited),
            tool_calls,
            function_call: None,
        },
        logprobs: from.logprobs.and_then(logprobs),
        finish_reason,
    }
}

/// `None` of an entry without a name: there is nothing to call.
fn tool_call(at: usize, call: wire::AnswerToolCall, ids: &MadeUpIds<'_>) -> Option<AnswerToolCall> {
    Some(AnswerToolCall {
        function: AnswerFunction {
            name: call.name?,
            arguments: call
                .arguments
                .filter(|arguments| !arguments.trim_ascii().is_empty())
                .unwrap_or_else(|| NO_ARGUMENTS.to_owned()),
        },
        id: call.id.unwrap_or_else(|| ids.id(at)),
        r#type: "function",
    })
}

/// The text and the thoughts of a message; `None` rather than empty.
pub(super) struct Spoken {
    pub(super) text: Option<String>,
    pub(super) reasoning: Option<String>,
}

impl Spoken {
    pub(super) fn of(parts: Vec<wire::AnswerPart>, reasoning: Option<String>) -> Self {
        let mut spoken = Self {
            text: None,
            reasoning,
        };
        for part in parts {
            append(&mut spoken.text, part.text);
            append(&mut spoken.reasoning, part.thinking);
        }
        spoken
    }
}

/// Moves the first piece, copies only the further ones.
fn append(to: &mut Option<String>, piece: Option<String>) {
    match (to.as_mut(), piece) {
        (Some(text), Some(piece)) => text.push_str(&piece),
        (None, Some(piece)) => *to = Some(piece),
        (_, None) => {}
    }
}

/// In any case; what nobody has seen yet counts as a plain end. Models report that one for tool calls too, which would
/// keep an agent from calling them.
pub(super) fn finish_reason(reason: &str, has_tool_calls: bool) -> FinishReason {
    match reason.to_ascii_lowercase().as_str() {
        "length" | "max_tokens" => FinishReason::Length,
        // The others are Gemini's own, should one come through.
        "content_filter" | "safety" | "prohibited_content" | "blocklist" | "spii"
        | "recitation" => FinishReason::ContentFilter,
        "tool_calls" => FinishReason::ToolCalls,
        _ if has_tool_calls => FinishReason::ToolCalls,
        _ => FinishReason::Stop,
    }
}

/// A part that is missing follows from the other two where it can, else it is 0.
pub(super) fn usage(from: wire::Usage) -> Usage {
    let prompt_tokens = from.prompt_tokens.unwrap_or(0);
    let rest = from.total_tokens.unwrap_or(0).saturating_sub(prompt_tokens);
    let completion_tokens = from.completion_tokens.unwrap_or(rest);
    let sum = prompt_tokens.saturating_add(completion_tokens);
    Usage {
        prompt_tokens,
        completion_tokens,
        total_tokens: from.total_tokens.unwrap_or(sum),
        prompt_tokens_details: from
            .prompt_tokens_details
            .map(|details| PromptTokensDetails {
                cached_tokens: details.cached_tokens.unwrap_or(0),
            }),
        completion_tokens_details: from.completion_tokens_details.map(|details| {
            CompletionTokensDetails {
                reasoning_tokens: details.reasoning_tokens,
                accepted_prediction_tokens: details.accepted_prediction_tokens,
                rejected_prediction_tokens: details.rejected_prediction_tokens,
            }
        }),
    }
}

/// Only citations that name an address.
pub(super) fn annotations(from: Vec<wire::Annotation>) -> Vec<Annotation> {
    let citations = from
        .into_iter()
        .filter_map(|annotation| annotation.url_citation);
    let annotation = |citation: wire::UrlCitation| {
        Some(Annotation {
            r#type: "url_citation",
            url_citation: UrlCitation {
                start_index: citation.start_index.unwrap_or(0),
                end_index: citation.end_index.unwrap_or(0),
                title: citation.title.unwrap_or_default(),
                url: citation.url?,
            },
        })
    };
    citations.filter_map(annotation).collect()
}

/// `None` for what is no date, or one before 1970.
fn unix_seconds(date: &str) -> Option<u64> {
    let date = OffsetDateTime::parse(date, &Rfc3339).ok()?;
    u64::try_from(date.unix_timestamp()).ok()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]
    use serde_json::{Value, json};

    use super::*;
    use crate::translate::Dialect;

    fn translated(response: Value) -> Result<ChatCompletion, OciError> {
        let meta = ReplyMeta::sample(Dialect::default());
        completion(
            serde_json::from_value(json!({"chatResponse": response})).unwrap(),
            &meta,
        )
    }

    #[test]
    fn finish_reasons_follow_the_table() {
        use FinishReason::{ContentFilter, Length, Stop, ToolCalls};
        for (reason, with_calls, expected) in [
            ("stop", false, Stop),
            ("STOP", false, Stop),
            ("length", false, Length),
            ("length", true, Length),
            ("max_tokens", false, Length),
            ("MAX_TOKENS", false, Length),
            ("tool_calls", true, ToolCalls),
            ("TOOL_CALLS", false, ToolCalls),
            ("stop", true, ToolCalls),
            ("content_filter", true, ContentFilter),
            ("SAFETY", false, ContentFilter),
            ("banana", false, Stop),
            ("banana", true, ToolCalls),
            ("", false, Stop),
        ] {
            assert_eq!(
                finish_reason(reason, with_calls),
                expected,
                "{reason} {with_calls}"
            );
        }
    }

    #[test]
    fn an_answer_without_choices_is_broken() {
        for response in [
            json!({}),
            json!(null),
            json!({"choices": []}),
            json!({"choices": null}),
        ] {
            assert!(matches!(translated(response), Err(OciError::Broken { .. })));
        }
    }

    #[test]
    fn an_empty_message_is_an_empty_text() {
        for message in [
            json!(null),
            json!({}),
            json!({"content": null}),
            json!({"content": []}),
            json!(7),
        ] {
            let completion = translated(json!({"choices": [{"message": message}]})).unwrap();
            assert_eq!(completion.created, 7);
            assert_eq!(completion.choices[0].message.content.as_deref(), Some(""));
            assert_eq!(completion.choices[0].finish_reason, FinishReason::Stop);
        }
    }

    #[test]
    fn all_parts_are_joined_and_thoughts_kept_apart() {
        let content = json!([{"type": "THINKING", "thinking": "hm"}, {"type": "TEXT", "text": "a"},
            {"type": "HOLOGRAM"}, null, {"type": "TEXT", "text": "b"}]);
        let completion =
            translated(json!({"choices": [{"message": {"content": content}}]})).unwrap();
        assert_eq!(completion.choices[0].message.content.as_deref(), Some("ab"));
        assert_eq!(
            completion.choices[0].message.reasoning_content.as_deref(),
            Some("hm")
        );
        let completion =
            translated(json!({"choices": [{"message": {"content": "bare"}}]})).unwrap();
        assert_eq!(
            completion.choices[0].message.content.as_deref(),
            Some("bare")
        );
    }

    #[test]
    fn calls_with_one_id_get_two_and_blank_arguments_are_json() {
        let call = json!({"id": "a", "name": "f", "arguments": " "});
        let message = json!({"toolCalls": [call, call]});
        let completion = translated(json!({"choices": [{"message": message}]})).unwrap();
        let calls = &completion.choices[0].message.tool_calls;
        assert_eq!(calls.len(), 2);
        assert_eq!(calls[0].id, "a");
        assert_ne!(calls[1].id, "a");
        assert!(calls.iter().all(|call| call.function.arguments == "{}"));
    }

    #[test]
    fn choices_have_places_of_their_own_that_can_be_asked_for() {
        let indices = |said: Value| -> Vec<u32> {
            let choices: Vec<Value> = said
                .as_array()
                .unwrap()
                .iter()
                .map(|index| json!({"index": index}))
                .collect();
            let completion = translated(json!({"choices": choices})).unwrap();
            completion
                .choices
                .iter()
                .map(|choice| choice.index)
                .collect()
        };
        assert_eq!(indices(json!([1, 0])), [1, 0]);
        assert_eq!(indices(json!([null, 0])), [0, 1]);
        assert_eq!(indices(json!([3, 3])), [0, 1]);
        assert_eq!(indices(json!([128])), [0]);
        let many = vec![json!({}); 129];
        assert!(matches!(
            translated(json!({"choices": many})),
            Err(OciError::Broken { .. })
        ));
    }

    #[test]
    fn an_error_for_a_finish_reason_is_one() {
        let response = json!({"choices": [{"message": {"content": "a"}, "finishReason": "error"}]});
        assert!(matches!(translated(response), Err(OciError::Event { .. })));
    }

    #[test]
    fn missing_usage_parts_follow_from_the_others() {
        for (from, expected) in [
            (json!({"promptTokens": 5, "totalTokens": 9}), (5, 4, 9)),
            (json!({"promptTokens": 5, "completionTokens": 2}), (5, 2, 7)),
            (
                json!({"promptTokens": "5", "completionTokens": 2.0, "totalTokens": 150}),
                (5, 2, 150),
            ),
            (json!({}), (0, 0, 0)),
        ] {
            let usage = usage(serde_json::from_value(from).unwrap());
            assert_eq!(
                (
                    usage.prompt_tokens,
                    usage.completion_tokens,
                    usage.total_tokens
                ),
                expected
            );
        }
    }

    #[test]
    fn citations_become_annotations() {
        let annotations = json!([{"type": "URL_CITATION", "urlCitation":
            {"startIndex": 1, "endIndex": 4, "title": "T", "url": "https://x"}}, {"type": "OTHER"}]);
        let completion =
            translated(json!({"choices": [{"message": {"annotations": annotations}}]})).unwrap();
        let expected = json!([{"type": "url_citation", "url_citation":
            {"start_index": 1, "end_index": 4, "title": "T", "url": "https://x"}}]);
        assert_eq!(
            serde_json::to_value(&completion.choices[0].message.annotations).unwrap(),
            expected
        );
    }
}
