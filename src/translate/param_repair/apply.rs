//! Takes out of a request, in whichever format, what a [`Fix`] says. Each function tells whether something changed: what
//! was not there is not lost, and a repair that changes nothing is none.

use serde_json::{Map, Number, Value};

use crate::oci::wire::{ChatRequest, cohere, generic};
use crate::translate::schema::each_schema;

use super::{Fix, Limit, Param};

/// What a model is told that does not think.
const NO_EFFORT: &str = "NONE";

pub(super) fn apply(fix: &Fix, request: &mut ChatRequest) -> bool {
    match (fix, request) {
        (Fix::Drop(param), request) => param.drop_from(request),
        (Fix::DropWord(param, word), request) => {
            param.word(request) == Some(word) && param.drop_from(request)
        }
        (Fix::Rename(limit), ChatRequest::Generic(request)) => rename(*limit, request),
        (Fix::NoThoughtWithTools, ChatRequest::Generic(request)) => {
            let thinks = request.reasoning_effort != Some(NO_EFFORT);
            let changes = thinks && !request.tools.is_empty();
            if changes {
                request.reasoning_effort = Some(NO_EFFORT);
            }
            changes
        }
        // Cohere's formats have one limit, and no model of OpenAI's.
        (
            Fix::Rename(_) | Fix::NoThoughtWithTools,
            ChatRequest::Cohere(_) | ChatRequest::CohereV2(_),
        ) => false,
        (Fix::DropKeywords(keywords), request) => drop_keywords(keywords, request),
    }
}

/// The first of the two penalties that the request has.
pub(super) fn penalty_in(request: &ChatRequest) -> Option<Param> {
    let (frequency, presence) = match request {
        ChatRequest::Generic(request) => (&request.frequency_penalty, &request.presence_penalty),
        ChatRequest::Cohere(request) => (&request.frequency_penalty, &request.presence_penalty),
        ChatRequest::CohereV2(request) => (&request.frequency_penalty, &request.presence_penalty),
    };
    let given = |penalty: &Option<Number>, param| penalty.is_some().then_some(param);
    given(frequency, Param::FrequencyPenalty).or(given(presence, Param::PresencePenalty))
}

fn rename(limit: Limit, request: &mut generic::Request) -> bool {
    let (from, to) = match limit {
        Limit::MaxTokens => (&mut request.max_tokens, &mut request.max_completion_tokens),
        Limit::MaxCompletionTokens => (&mut request.max_completion_tokens, &mut request.max_tokens),
    };
    match from.take() {
        Some(limit) => {
            *to = to.or(Some(limit));
            true
        }
        None => false,
    }
}

fn drop_keywords(keywords: &[&str], request: &mut ChatRequest) -> bool {
    let mut changed = false;
    for schema in schemas(request) {
        each_schema(schema, &mut |schema| {
            for keyword in keywords {
                changed |= schema.shift_remove(*keyword).is_some();
            }
        });
    }
    changed
}

/// Of the tools and of the answer. COHERE's tools have none.
fn schemas(request: &mut ChatRequest) -> Vec<&mut Map<String, Value>> {
    match request {
        ChatRequest::Generic(request) => {
            let answer = match &mut request.response_format {
                Some(generic::ResponseFormat::JsonSchema { json_schema }) => {
                    json_schema.schema.as_mut()
                }
                Some(generic::ResponseFormat::Text | generic::ResponseFormat::JsonObject)
                | None => None,
            };
            let tools = request.tools.iter_mut();
            let tools = tools.filter_map(|tool| tool.parameters.as_mut());
            tools.chain(answer).collect()
        }
        ChatRequest::Cohere(request) => answer_schema(&mut request.response_format)
            .into_iter()
            .collect(),
        ChatRequest::CohereV2(request) => {
            let tools = request.tools.iter_mut();
            let tools = tools.map(|tool| &mut tool.function.parameters);
            tools
                .chain(answer_schema(&mut request.response_format))
                .collect()
        }
    }
}

fn answer_schema(format: &mut Option<cohere::ResponseFormat>) -> Option<&mut Map<String, Value>> {
    match format {
        Some(cohere::ResponseFormat::JsonObject { schema }) => schema.as_mut(),
        Some(cohere::ResponseFormat::Text) | None => None,
    }
}

/// What all formats have under the same names, or nearly.
struct Common<'a> {
    temperature: &'a mut Option<Number>,
    top_p: &'a mut Option<Number>,
    top_k: &'a mut Option<i64>,
    frequency_penalty: &'a mut Option<Number>,
    presence_penalty: &'a mut Option<Number>,
    seed: &'a mut Option<i64>,
    stop: &'a mut Vec<String>,
    stream_options: &'a mut Option<generic::StreamOptions>,
}

/// The fields of one format's request; only the stop strings have two names.
macro_rules! common {
    ($request:expr, $stop:ident) => {
        Common {
            temperature: &mut $request.temperature,
            top_p: &mut $request.top_p,
            top_k: &mut $request.top_k,
            frequency_penalty: &mut $request.frequency_penalty,
            presence_penalty: &mut $request.presence_penalty,
            seed: &mut $request.seed,
            stop: &mut $request.$stop,
            stream_options: &mut $request.stream_options,
        }
    };
}

impl<'a> Common<'a> {
    fn of(request: &'a mut ChatRequest) -> Self {
        match request {
            ChatRequest::Generic(request) => common!(request, stop),
            ChatRequest::Cohere(request) => common!(request, stop_sequences),
            ChatRequest::CohereV2(request) => common!(request, stop_sequences),
        }
    }
}

impl Param {
    /// The value, where it is one of a few words.
    pub(super) fn word(self, request: &ChatRequest) -> Option<&'static str> {
        let generic = match request {
            ChatRequest::Generic(request) => Some(request),
            ChatRequest::Cohere(_) | ChatRequest::CohereV2(_) => None,
        };
        match self {
            Self::ReasoningEffort => match request {
                ChatRequest::Generic(request) => request.reasoning_effort,
                ChatRequest::Cohere(_) => None,
                ChatRequest::CohereV2(request) => Some(request.thinking?.r#type),
            },
            Self::Verbosity => generic?.verbosity,
            Self::ServiceTier => generic?.service_tier,
            Self::Temperature
            | Self::TopP
            | Self::TopK
            | Self::FrequencyPenalty
            | Self::PresencePenalty
            | Self::Seed
            | Self::Stop
            | Self::ParallelToolCalls
            | Self::Metadata
            | Self::Prediction
            | Self::StreamOptions
            | Self::ToolChoice
            | Self::ResponseFormat
            | Self::N
            | Self::Strict => None,
        }
    }

    /// Whether it was there, and may go.
    fn drop_from(self, request: &mut ChatRequest) -> bool {
        let common = Common::of(request);
        match self {
            Self::Temperature => common.temperature.take().is_some(),
            Self::TopP => common.top_p.take().is_some(),
            Self::TopK => common.top_k.take().is_some(),
            Self::FrequencyPenalty => common.frequency_penalty.take().is_some(),
            Self::PresencePenalty => common.presence_penalty.take().is_some(),
            Self::Seed => common.seed.take().is_some(),
            Self::Stop => !std::mem::take(common.stop).is_empty(),
            Self::StreamOptions => common.stream_options.take().is_some(),
            Self::ReasoningEffort => match request {
                ChatRequest::Generic(request) => request.reasoning_effort.take().is_some(),
                ChatRequest::Cohere(_) => false,
                ChatRequest::CohereV2(request) => request.thinking.take().is_some(),
            },
            Self::ResponseFormat => match request {
                ChatRequest::Generic(request) => drop_if(&mut request.response_format, |format| {
                    matches!(format, generic::ResponseFormat::Text)
                }),
                ChatRequest::Cohere(request) => drop_text(&mut request.response_format),
                ChatRequest::CohereV2(request) => drop_text(&mut request.response_format),
            },
            Self::Strict => match request {
                ChatRequest::Generic(request) => match &mut request.response_format {
                    Some(generic::ResponseFormat::JsonSchema { json_schema }) => {
                        json_schema.is_strict.take().is_some()
                    }
                    Some(generic::ResponseFormat::Text | generic::ResponseFormat::JsonObject)
                    | None => false,
                },
                ChatRequest::Cohere(_) => false,
                ChatRequest::CohereV2(request) => request.is_strict_tools_enabled.take().is_some(),
            },
            Self::ParallelToolCalls => generic(request, |request| {
                request.is_parallel_tool_calls.take().is_some()
            }),
            Self::Verbosity => generic(request, |request| request.verbosity.take().is_some()),
            Self::Metadata => generic(request, |request| request.metadata.take().is_some()),
            Self::Prediction => generic(request, |request| request.prediction.take().is_some()),
            Self::ServiceTier => generic(request, |request| request.service_tier.take().is_some()),
            Self::ToolChoice => generic(request, |request| {
                drop_if(&mut request.tool_choice, |choice| {
                    matches!(choice, generic::ToolChoice::Auto)
                })
            }),
            Self::N => generic(request, |request| {
                drop_if(&mut request.num_generations, |n| *n == 1)
            }),
        }
    }
}

/// For what Cohere's formats do not have.
fn generic(request: &mut ChatRequest, drop: impl Fn(&mut generic::Request) -> bool) -> bool {
    match request {
        ChatRequest::Generic(request) => drop(request),
        ChatRequest::Cohere(_) | ChatRequest::CohereV2(_) => false,
    }
}

fn drop_if<T>(field: &mut Option<T>, may_go: impl Fn(&T) -> bool) -> bool {
    field.take_if(|value| may_go(value)).is_some()
}

fn drop_text(format: &mut Option<cohere::ResponseFormat>) -> bool {
    drop_if(format, |format| {
        matches!(format, cohere::ResponseFormat::Text)
    })
}
