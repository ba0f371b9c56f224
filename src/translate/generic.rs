//! A request in the GENERIC format. Source: reference §4.1, §7 and §10.1. A quirk of a vendor that is not certain drops
//! nothing here: the parameter goes out, and OCI's own 400 says whether it was wrong.

use crate::oci::wire::generic as wire;
use crate::openai::chat::{
    ChatRequest, Prediction, ReasoningEffort, ResponseFormat, ResponseFormatKind,
    SearchContextSize, Verbosity, WebSearchOptions,
};
use crate::openai::tools::{Function, Tool, ToolChoice};

use super::messages::{self, plain_text};
use super::quirks::Quirks;
use super::schema::{self, Budget, TooLarge};
use super::{BadRequest, Rules};

pub(super) fn request(
    request: ChatRequest,
    model_id: &str,
    rules: &Rules,
) -> Result<wire::Request, BadRequest> {
    if request.modalities.iter().any(|modality| modality != "text") {
        return Err(BadRequest::invalid(
            "modalities",
            "only `text` can be answered",
        ));
    }
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
    let mut budget = Budget::default();
    let offered = request.tools.len();
    let mut tools = tools(request.tools, request.functions)?;
    tidy_schemas(&mut tools, offered, quirks, &mut budget)?;
    let tool_choice = match (request.tool_choice, request.function_call) {
        (None, Some(choice)) => {
            tool_choice(Some(choice), &mut tools).map_err(|bad| bad.about("function_call"))?
        }
        (choice, _) => tool_choice(choice, &mut tools)?,
    };
    let response_format = request
        .response_format
        .map(|format| response_format(format, quirks, &mut budget))
        .transpose()?;
    let parallel = request
        .parallel_tool_calls
        .filter(|_| !quirks.no_parallel_flag && !tools.is_empty());
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

/// As the client wrote them, those in the older form behind the others.
pub(super) fn tools(
    tools: Vec<Tool>,
    functions: Vec<Function>,
) -> Result<Vec<wire::ToolDefinition>, BadRequest> {
    let modern = tools.into_iter().enumerate().map(|(at, tool)| {
        match tool.kind.as_deref() {
            Some("function") | None => {}
            Some(other) => {
                let why = format!("tools of type `{other}` are not supported, only `function`");
                return Err(BadRequest::invalid(format!("tools[{at}].type"), why));
            }
        }
        match tool.function {
            Some(function) => definition(function, || format!("tools[{at}].function.name")),
            None => Err(BadRequest::invalid(
                format!("tools[{at}].function"),
                "is missing",
            )),
        }
    });
    let older = functions
        .into_iter()
        .enumerate()
        .map(|(at, function)| definition(function, || format!("functions[{at}].name")));
    modern.chain(older).collect()
}

/// OpenAI's `strict` has no counterpart here and is left out.
fn definition(
    function: Function,
    param: impl Fn() -> String,
) -> Result<wire::ToolDefinition, BadRequest> {
    let name = function.name.filter(|name| !name.is_empty());
    Ok(wire::ToolDefinition {
        name: name.ok_or_else(|| BadRequest::invalid(param(), "is missing"))?,
        description: function.description,
        parameters: function.parameters,
    })
}

/// `offered`: how many of the tools are not in the older form.
fn tidy_schemas(
    tools: &mut [wire::ToolDefinition],
    offered: usize,
    quirks: Quirks,
    budget: &mut Budget,
) -> Result<(), BadRequest> {
    for (at, tool) in tools.iter_mut().enumerate() {
        let Some(parameters) = tool.parameters.take() else {
            continue;
        };
        let tidy = schema::tool_parameters(parameters, quirks, budget);
        tool.parameters = Some(tidy.map_err(|TooLarge| {
            too_large(match at.checked_sub(offered) {
                None => format!("tools[{at}].function.parameters"),
                Some(at) => format!("functions[{at}].parameters"),
            })
        })?);
    }
    Ok(())
}

fn response_format(
    format: ResponseFormat,
    quirks: Quirks,
    budget: &mut Budget,
) -> Result<wire::ResponseFormat, BadRequest> {
    let missing =
        |param: &str| BadRequest::invalid(format!("response_format.{param}"), "is missing");
    match format.kind.ok_or_else(|| missing("type"))? {
        ResponseFormatKind::Text => Ok(wire::ResponseFormat::Text),
        ResponseFormatKind::JsonObject => Ok(wire::ResponseFormat::JsonObject),
        ResponseFormatKind::JsonSchema => {
            let from = format.json_schema.ok_or_else(|| missing("json_schema"))?;
            let schema = from
                .schema
                .map(|schema| schema::response_schema(schema, quirks, budget))
                .transpose()
                .map_err(|TooLarge| too_large("response_format.json_schema.schema".to_owned()))?;
            Ok(wire::ResponseFormat::JsonSchema {
                json_schema: wire::JsonSchema {
                    name: from.name.ok_or_else(|| missing("json_schema.name"))?,
                    description: from.description,
                    schema,
                    is_strict: from.strict,
                },
            })
        }
    }
}

fn too_large(param: String) -> BadRequest {
    BadRequest::invalid(
        param,
        "its references unfold to too much: write out what they point to, or split the tool",
    )
}

/// A list of allowed tools becomes the list of tools: what is not sent cannot be chosen.
pub(super) fn tool_choice(
    choice: Option<ToolChoice>,
    tools: &mut Vec<wire::ToolDefinition>,
) -> Result<Option<wire::ToolChoice>, BadRequest> {
    let wrong = |why: &str| Err(BadRequest::invalid("tool_choice", why));
    let Some(choice) = choice else {
        return Ok(None);
    };
    if tools.is_empty() {
        return match choice {
            ToolChoice::None
            | ToolChoice::Auto
            | ToolChoice::Allowed {
                required: false, ..
            } => Ok(None),
            ToolChoice::Required
            | ToolChoice::Function { .. }
            | ToolChoice::Allowed { required: true, .. } => wrong("needs `tools`"),
        };
    }
    Ok(Some(match choice {
        ToolChoice::None => wire::ToolChoice::None,
        ToolChoice::Auto => wire::ToolChoice::Auto,
        ToolChoice::Required => wire::ToolChoice::Required,
        ToolChoice::Function { name } => {
            if !tools.iter().any(|tool| tool.name == name) {
                return wrong("names none of the `tools`");
            }
            wire::ToolChoice::Function { name }
        }
        ToolChoice::Allowed { required, names } => {
            if !names.is_empty() {
                tools.retain(|tool| names.contains(&tool.name));
            }
            match (tools.is_empty(), required) {
                (true, _) => return wrong("allows none of the `tools`"),
                (false, true) => wire::ToolChoice::Required,
                (false, false) => wire::ToolChoice::Auto,
            }
        }
    }))
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

/// `flex`, `scale` and whatever comes next are about OpenAI's prices: the answer means the same without.
fn service_tier(tier: &str) -> Option<&'static str> {
    match tier {
        "auto" => Some("AUTO"),
        "default" => Some("DEFAULT"),
        "priority" => Some("PRIORITY"),
        _ => None,
    }
}
