//! The Responses API in front of a chat: its request becomes a [`ChatRequest`], and the chat's answer its response object or
//! its stream of named events. Pure: knows no sockets, clocks or accounts, nothing of OCI, and keeps nothing between requests.
//! Source: OpenAI API reference, Responses.

mod answer;
mod conversation;
mod echo;
mod freeform;
#[cfg(test)]
mod fuzz;
mod output;
mod places;
mod request;
mod stream;
#[cfg(test)]
mod tests;
mod tools;

use crate::openai::body;
use crate::openai::chat::{
    ChatRequest, JsonSchema, ResponseFormat, ResponseFormatKind, StreamOptions,
};
use crate::openai::error::ApiError;

use echo::Echo;
use request::{Format, Input, Request};

pub(crate) use stream::Answering;

/// A request, understood.
pub(crate) struct Asked {
    pub(crate) chat: ChatRequest,
    pub(crate) answering: Answering,
    /// What was left out because a chat has no word for it, as the request names it.
    pub(crate) left_out: Vec<String>,
}

/// What asks for the logarithms of probabilities, in `include`.
const INCLUDE_LOGPROBS: &str = "message.output_text.logprobs";

/// Reads a request's body. Errors: 400 with the field at fault in `param`.
pub(crate) fn read(body: &[u8]) -> Result<Asked, ApiError> {
    let request: Request = body::read(body, "responses")?;
    check(&request)?;
    let offer = tools::offer(request.tools, request.tool_choice)?;
    let said = conversation::chat(request.instructions, request.input, &offer.names)?;
    let logprobs = request.top_logprobs.is_some_and(|top| top > 0)
        || request.include.iter().any(|what| what == INCLUDE_LOGPROBS);
    let summary = request
        .reasoning
        .summary
        .or(request.reasoning.generate_summary);
    let chat = ChatRequest {
        model: request.model,
        messages: said.messages,
        stream: request.stream,
        // The last event has the usage.
        stream_options: Some(StreamOptions {
            include_usage: Some(true),
        }),
        max_completion_tokens: request.max_output_tokens,
        temperature: request.temperature,
        top_p: request.top_p,
        logprobs: logprobs.then_some(true),
        top_logprobs: request.top_logprobs.filter(|_| logprobs),
        response_format: request.text.format.and_then(response_format),
        tools: offer.tools,
        tool_choice: offer.choice,
        parallel_tool_calls: request.parallel_tool_calls,
        reasoning_effort: request.reasoning.effort,
        verbosity: request.text.verbosity,
        metadata: request.metadata,
        service_tier: request.service_tier,
        moderation: request.moderation,
        ..ChatRequest::default()
    };
    chat.check()
        .map_err(|error| places::renamed(error, &said.places, &offer.places))?;
    let answering = Answering::new(
        Echo::of(body),
        offer.names,
        summary.is_some_and(|summary| summary != "none"),
        (said.places, offer.places),
    );
    Ok(Asked {
        chat,
        answering,
        left_out: offer.left_out,
    })
}

/// What only a server that keeps responses could do, and what is missing.
fn check(request: &Request) -> Result<(), ApiError> {
    let refused =
        |param: &str, message: &str| Err(ApiError::invalid_request(message, Some(param.into())));
    if request.previous_response_id.is_some() {
        let message = "`previous_response_id`: no response is stored here. Send the conversation so far in `input`, with `store` false.";
        return refused("previous_response_id", message);
    }
    if request.conversation.is_some() {
        let message = "`conversation`: no conversation is stored here. Send it in `input`.";
        return refused("conversation", message);
    }
    if request.prompt.is_some() {
        let message =
            "`prompt`: no prompt is stored here. Send its text in `instructions` and `input`.";
        return refused("prompt", message);
    }
    if request.background == Some(true) {
        let message =
            "`background`: an answer is not kept here, so it can only be waited for. Leave it out.";
        return refused("background", message);
    }
    let is_empty = match &request.input {
        None => true,
        Some(Input::Items(items)) => items.is_empty(),
        Some(Input::Text(_)) => false,
    };
    if is_empty {
        let message = "`input` is missing or empty: a string or a list of items is needed";
        return refused("input", message);
    }
    if request.max_output_tokens.is_some_and(|tokens| tokens < 1) {
        return refused(
            "max_output_tokens",
            "`max_output_tokens` must be at least 1",
        );
    }
    Ok(())
}

/// A chat has the parts of a schema one level further in. Plain text is what it answers anyway.
fn response_format(format: Format) -> Option<ResponseFormat> {
    let json_schema = match format.kind? {
        ResponseFormatKind::Text => return None,
        ResponseFormatKind::JsonObject => None,
        ResponseFormatKind::JsonSchema => Some(JsonSchema {
            name: format.name,
            description: format.description,
            schema: format.schema,
            strict: format.strict,
        }),
    };
    Some(ResponseFormat {
        kind: format.kind,
        json_schema,
    })
}
