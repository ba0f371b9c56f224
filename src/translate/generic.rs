//! A request in the GENERIC format. Source: reference §4.1, §7 and §10.1. A quirk of a vendor that is not certain drops
//! nothing here: the parameter goes out, and OCI's own 400 says whether it was wrong.

use crate::oci::wire::generic as wire;
use crate::openai::chat::{
    ChatRequest, Prediction, ReasoningEffort, SearchContextSize, Verbosity, WebSearchOptions,
};

use super::messages::{self, plain_text};
use super::offered::{Offered, offered};
use super::quirks::Quirks;
use super::{BadRequest, Rules};

pub(super) fn request(
    mut request: ChatRequest,
    model_id: &str,
    rules: &Rules,
) -> Result<wire::Request, BadRequest> {
    let quirks = Quirks::of(model_id);
    let log_probs = log_probs(&request)?;
    let num_generations = request.n.map(|_| request.choices());
    let is_stream = is_stream(&request, rules);
    let max_tokens = Some(max_tokens(&request, rules));
    let (max_tokens, max_completion_tokens) = if quirks.completion_tokens {
        (None, max_tokens)
    } else {
        (max_tokens, None)
    };
    let Offered {
        tools,
        tool_choice,
        response_format,
        ..
    } = offered(&mut request, quirks)?;
    if let Some(wire::ResponseFormat::JsonSchema { json_schema }) = &response_format
        && json_schema.name.is_none()
    {
        let param = "response_format.json_schema.name";
        return Err(BadRequest::invalid(param, "is missing"));
    }
    let parallel = request
        .parallel_tool_calls
        .filter(|parallel| !(quirks.no_parallel_calls && *parallel || tools.is_empty()));
    Ok(wire::Request {
        messages: messages::messages(request.messages, quirks)?,
        is_stream,
        stream_options: (is_stream == Some(true)).then_some(wire::StreamOptions {
            is_include_usage: true,
        }),
        max_tokens,
        max_completion_tokens,
        temperature: request.temperature,
        top_p: request.top_p,
        top_k: request.top_k,
        frequency_penalty: request.frequency_penalty,
        presence_penalty: request.presence_penalty,
        seed: request.seed,
        stop: request.stop,
        num_generations,
        log_probs,
        logit_bias: request.logit_bias.filter(|bias| !bias.is_empty()),
        response_format,
        tools,
        tool_choice,
        is_parallel_tool_calls: parallel,
        reasoning_effort: request.reasoning_effort.map(reasoning_effort),
        verbosity: request.verbosity.map(verbosity),
        metadata: request.metadata.filter(|metadata| !metadata.is_empty()),
        prediction: request.prediction.map(prediction).transpose()?,
        web_search_options: request.web_search_options.map(web_search_options),
        service_tier: request.service_tier.as_deref().and_then(service_tier),
    })
}

/// Absent when the client said nothing, so that a request stays as small as it came.
pub(super) fn is_stream(request: &ChatRequest, rules: &Rules) -> Option<bool> {
    if rules.force_non_stream {
        Some(false)
    } else {
        request.stream
    }
}

/// Always some: OCI's own default cuts an answer after about 20 tokens.
pub(super) fn max_tokens(request: &ChatRequest, rules: &Rules) -> u64 {
    let given = request.max_completion_tokens.or(request.max_tokens);
    given
        .and_then(|tokens| u64::try_from(tokens).ok())
        .unwrap_or_else(|| u64::from(rules.default_max_tokens))
}

/// OCI has one number where OpenAI has a switch and a number; 0 would switch it off.
fn log_probs(request: &ChatRequest) -> Result<Option<u64>, BadRequest> {
    let top = request
        .top_logprobs
        .and_then(|top| u64::try_from(top).ok())
        .unwrap_or(0);
    match request.logprobs {
        Some(true) => Ok(Some(top.max(1))),
        Some(false) | None if top > 0 => Err(BadRequest::invalid(
            "top_logprobs",
            "needs `logprobs` to be true",
        )),
        Some(false) | None => Ok(None),
    }
}

fn reasoning_effort(effort: ReasoningEffort) -> &'static str {
    match effort {
        ReasoningEffort::None => "NONE",
        ReasoningEffort::Minimal => "MINIMAL",
        ReasoningEffort::Low => "LOW",
        ReasoningEffort::Medium => "MEDIUM",
        // OCI has nothing above HIGH.
        ReasoningEffort::High | ReasoningEffort::Xhigh | ReasoningEffort::Max => "HIGH",
    }
}

fn verbosity(verbosity: Verbosity) -> &'static str {
    match verbosity {
        Verbosity::Low => "LOW",
        Verbosity::Medium => "MEDIUM",
        Verbosity::High => "HIGH",
    }
}

fn prediction(prediction: Prediction) -> Result<wire::Prediction, BadRequest> {
    let content = prediction
        .content
        .ok_or_else(|| BadRequest::invalid("prediction.content", "is missing"))?;
    let text = plain_text(content, "prediction.content")?;
    Ok(wire::Prediction {
        content: vec![wire::Part::Text { text }],
    })
}

fn web_search_options(options: WebSearchOptions) -> wire::WebSearchOptions {
    let size = |size| match size {
        SearchContextSize::Low => "LOW",
        SearchContextSize::Medium => "MEDIUM",
        SearchContextSize::High => "HIGH",
    };
    let place = options
        .user_location
        .and_then(|location| location.approximate);
    wire::WebSearchOptions {
        search_context_size: options.search_context_size.map(size),
        user_location: place.map(|place| wire::UserLocation {
            city: place.city,
            region: place.region,
            country: place.country,
            timezone: place.timezone,
        }),
    }
}

/// `flex`, `scale` and whatever comes next are about OpenAI's prices: the answer means the same without. `fast` is the newer
/// name of `priority`.
pub(super) fn service_tier(tier: &str) -> Option<&'static str> {
    match tier {
        "auto" => Some("AUTO"),
        "default" => Some("DEFAULT"),
        "priority" | "fast" => Some("PRIORITY"),
        _ => None,
    }
}
