//! An answer as it grows: the pieces of a chat's stream become items and events, in the order in which they come. A whole answer
//! grows the same way at once, without events, so that both end in the same object.
//!
//! Invariants: `response.created` is first, and one of `completed`, `incomplete` and `failed` ends the response; each item and part
//! is added once and done once; numbers have no gaps. Thoughts, and what is said, are done when something else begins; calls may
//! be written side by side and are done together.

use serde::Serialize;

use crate::openai::chat::{ChatCompletion, FinishReason, LogProbs, Usage, bare_id};
use crate::openai::chunk::{ChatChunk, ChunkChoice, ToolCallDelta};
use crate::openai::error::ApiError;
use crate::openai::render::{Begun, Event, Render};

use super::answer::{Broken, BrokenBody, Failure, Incomplete, Response, Status, Told};
use super::echo::Echo;
use super::output::Output;
use super::places::{self, Places};
use super::tools::Names;

/// Writes the answer to one request.
pub(crate) struct Answering {
    frame: Frame,
    output: Output,
    log: Log,
    /// Of messages and of tools.
    places: (Places, Places),
    has_begun: bool,
    finish: Option<FinishReason>,
    usage: Option<Usage>,
}

/// What does not change while an answer grows.
#[derive(Debug)]
struct Frame {
    /// `resp_…`.
    id: String,
    created: u64,
    model: String,
    service_tier: Option<String>,
    echo: Echo,
}

/// The events that were not handed on yet.
#[derive(Debug, Default)]
pub(super) struct Log {
    events: Vec<Event>,
    sequence: u64,
    /// Nobody reads events.
    is_silent: bool,
}

impl Log {
    pub(super) fn tell(&mut self, told: Told<'_>) {
        if !self.is_silent {
            let sequence_number = self.sequence;
            let told = Told {
                sequence_number,
                ..told
            };
            self.push(told.r#type, &told);
        }
    }

    fn push(&mut self, name: &'static str, what: &impl Serialize) {
        // Strings, numbers and what was JSON before always serialise.
        if let Ok(data) = serde_json::to_string(what) {
            self.sequence += 1;
            let name = Some(name);
            self.events.push(Event { name, data });
        }
    }
}

impl Answering {
    /// `wants_summary`: thoughts go out as their own summary, which clients show that ask for one. `places`: where the chat's
    /// messages and tools stand in the request.
    pub(super) fn new(
        echo: Echo,
        names: Names,
        wants_summary: bool,
        places: (Places, Places),
    ) -> Self {
        Self {
            frame: Frame {
                id: String::new(),
                created: 0,
                model: String::new(),
                service_tier: None,
                echo,
            },
            output: Output::new(names, wants_summary),
            log: Log::default(),
            places,
            has_begun: false,
            finish: None,
            usage: None,
        }
    }

    /// Of an answer that is copied: says only how it breaks off.
    pub(crate) fn copying() -> Self {
        Self::new(Echo::of(b""), Names::default(), false, <_>::default())
    }

    fn begin(&mut self, id: &str, created: u64, model: &str) {
        if self.has_begun {
            return;
        }
        self.has_begun = true;
        let own = bare_id(id);
        self.frame.id = format!("resp_{own}");
        self.frame.created = created;
        model.clone_into(&mut self.frame.model);
        self.output.named(own);
        for kind in ["response.created", "response.in_progress"] {
            let response = self.frame.response(&self.output, Status::InProgress);
            self.log.tell(Told {
                r#type: kind,
                response: Some(response),
                ..Told::default()
            });
        }
    }

    fn hear(&mut self, choice: ChunkChoice) {
        // There is no asking for a second one.
        if choice.index != 0 {
            return;
        }
        let (output, log) = (&mut self.output, &mut self.log);
        let delta = choice.delta;
        if let Some(thoughts) = delta.reasoning_content.filter(|text| !text.is_empty()) {
            output.thinks(&thoughts, log);
        }
        if let Some(text) = delta.content.filter(|text| !text.is_empty()) {
            let logprobs = choice.logprobs.map_or_else(Vec::new, |probs| probs.content);
            output.says(&text, logprobs, log);
        }
        if let Some(refusal) = delta.refusal.filter(|text| !text.is_empty()) {
            output.refuses(&refusal, log);
        }
        for annotation in delta.annotations {
            output.cites(annotation.into(), log);
        }
        for call in delta.tool_calls {
            let ToolCallDelta {
                index,
                id,
                function,
                ..
            } = call;
            output.calls(index, (id, function.name), &function.arguments, log);
        }
        if let Some(reason) = choice.finish_reason {
            self.finish(reason);
        }
    }

    fn finish(&mut self, reason: FinishReason) {
        self.finish = Some(reason);
        let last = match incomplete(reason) {
            Some(_) => Status::Incomplete,
            None => Status::Completed,
        };
        self.output.ends(last, &mut self.log);
    }

    /// How the response ends, once all was heard.
    fn ended(&self) -> Response<'_> {
        let reason = self.finish.and_then(incomplete);
        let status = match reason {
            Some(_) => Status::Incomplete,
            None => Status::Completed,
        };
        Response {
            incomplete_details: reason.map(|reason| Incomplete { reason }),
            usage: self.usage.map(Into::into),
            ..self.frame.response(&self.output, status)
        }
    }
}

/// Why an answer is not whole.
fn incomplete(reason: FinishReason) -> Option<&'static str> {
    match reason {
        FinishReason::Length => Some("max_output_tokens"),
        FinishReason::ContentFilter => Some("content_filter"),
        FinishReason::Stop | FinishReason::ToolCalls | FinishReason::FunctionCall => None,
    }
}

impl Frame {
    fn response<'a>(&'a self, output: &'a Output, status: Status) -> Response<'a> {
        Response {
            id: &self.id,
            object: "response",
            created_at: self.created,
            status,
            background: false,
            error: None,
            incomplete_details: None,
            max_tool_calls: None,
            model: &self.model,
            output: output.items(),
            previous_response_id: None,
            service_tier: self.service_tier.as_deref(),
            store: false,
            usage: None,
            echo: &self.echo,
        }
    }
}

impl Render for Answering {
    fn whole(&mut self, completion: ChatCompletion) -> Result<Vec<u8>, serde_json::Error> {
        self.log.is_silent = true;
        self.begin(&completion.id, completion.created, &completion.model);
        self.frame.service_tier = completion.service_tier;
        self.usage = completion.usage;
        if let Some(choice) = completion.choices.into_iter().next() {
            let (message, log) = (choice.message, &mut self.log);
            let output = &mut self.output;
            if let Some(thoughts) = message.reasoning_content.filter(|text| !text.is_empty()) {
                output.thinks(&thoughts, log);
            }
            if let Some(text) = message.content.filter(|text| !text.is_empty()) {
                let LogProbs { content, .. } = choice.logprobs.unwrap_or_else(|| LogProbs {
                    content: Vec::new(),
                    refusal: None,
                });
                output.says(&text, content, log);
            }
            if let Some(refusal) = message.refusal.filter(|text| !text.is_empty()) {
                output.refuses(&refusal, log);
            }
            for annotation in message.annotations {
                output.cites(annotation.into(), log);
            }
            for (number, call) in (0..).zip(message.tool_calls) {
                let name = (Some(call.id), Some(call.function.name));
                output.calls(number, name, &call.function.arguments, log);
            }
            self.finish(choice.finish_reason);
        }
        serde_json::to_vec(&self.ended())
    }

    fn chunks(&mut self, chunks: Vec<ChatChunk>) -> Vec<Event> {
        for chunk in chunks {
            self.begin(&chunk.id, chunk.created, &chunk.model);
            if let Some(Some(usage)) = chunk.usage {
                self.usage = Some(usage);
            }
            for choice in chunk.choices {
                self.hear(choice);
            }
        }
        std::mem::take(&mut self.log.events)
    }

    fn end(&mut self) -> Vec<Event> {
        let kind = match self.finish.and_then(incomplete) {
            Some(_) => "response.incomplete",
            None => "response.completed",
        };
        let mut log = std::mem::take(&mut self.log);
        log.tell(Told {
            r#type: kind,
            response: Some(self.ended()),
            ..Told::default()
        });
        log.events
    }

    fn copied(&mut self, begun: &Begun) {
        self.log.sequence = begun.next;
        if !self.has_begun {
            self.has_begun = true;
            self.frame.id.clone_from(&begun.id);
            self.frame.model.clone_from(&begun.model);
            self.frame.created = begun.created;
        }
    }

    fn refusal(&self, error: ApiError) -> ApiError {
        let (messages, tools) = &self.places;
        places::renamed(error, messages, tools)
    }

    fn error(&mut self, error: &ApiError) -> Vec<Event> {
        self.output.breaks_off();
        let code = error.code.as_deref();
        let failure = Failure {
            code: failure_code(error),
            message: &error.message,
        };
        let mut log = std::mem::take(&mut self.log);
        log.tell(Told {
            r#type: "response.failed",
            response: Some(Response {
                error: Some(failure),
                usage: self.usage.map(Into::into),
                ..self.frame.response(&self.output, Status::Failed)
            }),
            ..Told::default()
        });
        let (message, param) = (error.message.as_str(), error.param.as_deref());
        let kind = error.kind;
        let broken = Broken {
            r#type: "error",
            sequence_number: log.sequence,
            code,
            message,
            param,
            error: BrokenBody {
                r#type: kind,
                code,
                message,
                param,
            },
        };
        log.push("error", &broken);
        log.events
    }
}

/// Of the codes that a failed response may have, the nearest. A conversation that is too long has one that is in no list: by it
/// clients know that they must make it shorter.
fn failure_code(error: &ApiError) -> &'static str {
    const TOO_LONG: &str = "context_length_exceeded";
    match error.status {
        _ if error.code.as_deref() == Some(TOO_LONG) => TOO_LONG,
        429 => "rate_limit_exceeded",
        400..=499 => "invalid_prompt",
        _ => "server_error",
    }
}
