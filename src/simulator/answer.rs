//! Decides what the pretended model answers to a checked request: a text, tool calls, JSON, how it ends and what it
//! costs. A request in a format of Cohere's is read as the GENERIC one that asks the same. Pure and deterministic: the
//! same request body gets the same answer. How the answer travels is `stream`'s and `server`'s business. Source of the
//! shapes: reference §5, §7.

mod cohere;

use serde_json::{Value, json};

use super::failures::Failure;
use super::prose::{self, Topic};
use super::sample::{self, Hint};
use super::schema::items;

/// Generations of one call; a request for more is answered with as many.
const MAX_CHOICES: u64 = 16;
/// Alternatives of one token; a request for more is answered with as many.
const MAX_LOG_PROBS: u64 = 20;
/// Characters of an answer's id.
const ID_CHARS: usize = 32;
/// Tool calls of one answer.
const MAX_PARALLEL_CALLS: usize = 4;
/// Characters of a token at most: long words and JSON are cut, so that they stream in pieces too.
const MAX_TOKEN_CHARS: usize = 12;
/// What a role, a tool and an attachment cost on top of their words.
const TOKENS_PER_MESSAGE: usize = 4;

/// What the names of models begin with that think when `reasoningEffort` says so, and show their thoughts; that think
/// then and do not show them.
const SHOWN: [&str; 2] = ["xai.grok-4.3", "openai.gpt-oss"];
const UNSEEN: [&str; 2] = ["openai.gpt-5", "google.gemini-2.5"];

/// Who made the model: the ways of answering differ. Source: reference §6.3, §7.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Vendor {
    Meta,
    Xai,
    Google,
    GptOss,
    OpenAi,
    /// Also whoever is asked in a format of Cohere's.
    Cohere,
    Other,
}

/// Why an answer ends. What the vendors call it is theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Finish {
    Stop,
    /// One of the request's stop strings came.
    StopString,
    Length,
    ToolCalls,
    /// The prompt is not to be answered; only COHERE tells it so.
    Filtered,
}

pub(super) struct Plan {
    pub(super) vendor: Vendor,
    /// Differs from request to request.
    pub(super) id: String,
    /// Alternatives of every token that are asked for, the token itself included; 0: none.
    pub(super) log_probs: usize,
    pub(super) choices: Vec<Choice>,
    /// What the user wants to see instead.
    pub(super) failure: Option<Failure>,
    pub(super) usage: Usage,
}

pub(super) struct Choice {
    /// Tokens; joined they are the text. Empty also if the model does not show what it thinks.
    pub(super) reasoning: Vec<String>,
    /// Before calls only from Cohere, which says what it is going to do.
    pub(super) text: Vec<String>,
    pub(super) calls: Vec<Call>,
    pub(super) finish: Finish,
}

pub(super) struct Call {
    /// Gemini gives none.
    pub(super) id: Option<String>,
    pub(super) name: String,
    /// JSON.
    pub(super) arguments: String,
}

/// Tokens: words, cut where they are long, and single Chinese characters.
pub(super) struct Usage {
    pub(super) prompt: usize,
    /// Without reasoning.
    pub(super) completion: usize,
    pub(super) reasoning: usize,
}

impl Vendor {
    pub(super) fn of(model: &str) -> Self {
        match model.split('.').next() {
            Some("meta") => Self::Meta,
            Some("xai") => Self::Xai,
            Some("google") => Self::Google,
            Some("openai") if model.starts_with("openai.gpt-oss") => Self::GptOss,
            Some("openai") => Self::OpenAi,
            Some("cohere") => Self::Cohere,
            _ => Self::Other,
        }
    }

    /// Only Llama ends its streams so.
    pub(super) fn says_done(self) -> bool {
        self == Self::Meta
    }

    /// In a GENERIC answer.
    pub(super) fn finish_reason(self, finish: Finish) -> &'static str {
        match (self, finish) {
            (Self::Google, Finish::Length) => "max_tokens",
            (Self::Google, Finish::ToolCalls) | (_, Finish::Stop | Finish::StopString) => "stop",
            (_, Finish::Length) => "length",
            (_, Finish::ToolCalls) => "tool_calls",
            (_, Finish::Filtered) => "content_filter",
        }
    }
}

impl Choice {
    fn filtered() -> Self {
        Self {
            reasoning: Vec::new(),
            text: Vec::new(),
            calls: Vec::new(),
            finish: Finish::Filtered,
        }
    }
}

impl Usage {
    /// As OCI writes it. The total counts reasoning, which the completion does only with OpenAI and Cohere.
    pub(super) fn to_json(&self, vendor: Vendor) -> Value {
        let total = self.prompt + self.completion + self.reasoning;
        let completion = match vendor {
            Vendor::GptOss | Vendor::OpenAi | Vendor::Cohere => self.completion + self.reasoning,
            Vendor::Meta | Vendor::Xai | Vendor::Google | Vendor::Other => self.completion,
        };
        let mut usage = json!({"completionTokens": completion, "promptTokens": self.prompt, "totalTokens": total});
        if let (Vendor::Xai, Some(usage)) = (vendor, usage.as_object_mut()) {
            usage.insert("promptTokensDetails".to_owned(), json!({"cachedTokens": 0}));
        }
        if let (true, Some(usage)) = (
            self.reasoning > 0 || vendor == Vendor::Xai,
            usage.as_object_mut(),
        ) {
            let details = json!({"reasoningTokens": self.reasoning});
            usage.insert("completionTokensDetails".to_owned(), details);
        }
        usage
    }
}

/// The answer to `chat`, a `chatRequest` that the schema allows. `seed` makes the ids of tool calls: hex digits that
/// differ from request to request.
pub(super) fn plan(model: &str, chat: &Value, seed: &str) -> Plan {
    let cohere = cohere::as_generic(chat);
    let vendor = match &cohere {
        Some(_) => Vendor::Cohere,
        None => Vendor::of(model),
    };
    let chat = cohere.as_ref().unwrap_or(chat);
    let question = question(chat);
    let failure = Failure::asked_for(&question);
    let has_reason_for_filter = chat.get("apiFormat") == Some(&json!("COHERE"));
    let is_filtered = has_reason_for_filter && failure == Some(Failure::Filter);
    let count = chat
        .get("numGenerations")
        .and_then(Value::as_u64)
        .unwrap_or(1)
        .min(MAX_CHOICES);
    let mut choices: Vec<_> = (0..usize::try_from(count).unwrap_or(1))
        .map(|number| match is_filtered {
            true => Choice::filtered(),
            false => choice(
                vendor,
                model,
                chat,
                &question,
                &format!("{number:x}{seed}"),
                number,
            ),
        })
        .collect();
    let tokens_of = |call: &Call| tokens(&call.arguments).len() + tokens(&call.name).len();
    let usage = Usage {
        prompt: prompt_tokens(chat),
        completion: choices
            .iter()
            .map(|choice| choice.text.len() + choice.calls.iter().map(tokens_of).sum::<usize>())
            .sum(),
        reasoning: choices.iter().map(|choice| choice.reasoning.len()).sum(),
    };
    if UNSEEN.iter().any(|known| model.starts_with(known)) {
        choices
            .iter_mut()
            .for_each(|choice| choice.reasoning.clear());
    }
    let log_probs = chat.get("logProbs").and_then(Value::as_u64).unwrap_or(0);
    Plan {
        vendor,
        id: seed.chars().take(ID_CHARS).collect(),
        log_probs: usize::try_from(log_probs.min(MAX_LOG_PROBS)).unwrap_or(0),
        choices,
        failure,
        usage,
    }
}

fn choice(
    vendor: Vendor,
    model: &str,
    chat: &Value,
    question: &str,
    seed: &str,
    number: usize,
) -> Choice {
    let mut reasoning = match reasons(model, chat) {
        true => tokens(&prose::reasoning(question)),
        false => Vec::new(),
    };
    let limit = |value: Option<&Value>| {
        let tokens = value.and_then(Value::as_u64).unwrap_or(u64::MAX);
        usize::try_from(tokens).unwrap_or(usize::MAX)
    };
    reasoning.truncate(limit(chat.pointer("/thinking/tokenBudget")));
    let calls = calls(vendor, chat, question, seed);
    if let Some(call) = calls.first() {
        let text = match vendor {
            Vendor::Cohere => tokens(&prose::announcement(question, &call.name)),
            Vendor::Meta
            | Vendor::Xai
            | Vendor::Google
            | Vendor::GptOss
            | Vendor::OpenAi
            | Vendor::Other => Vec::new(),
        };
        return Choice {
            reasoning,
            text,
            calls,
            finish: Finish::ToolCalls,
        };
    }
    let mut finish = Finish::Stop;
    let mut text = text(model, chat, question, number);
    let stops = items(chat, "stop").filter_map(Value::as_str);
    if let Some(end) = stops.filter_map(|stop| text.find(stop)).min() {
        text.truncate(end);
        finish = Finish::StopString;
    }
    let mut text = tokens(&text);
    // The newer limit includes what the model thinks, the older one does not.
    let all = limit(chat.get("maxCompletionTokens"));
    let room = limit(chat.get("maxTokens")).min(all.saturating_sub(reasoning.len()));
    if text.len() > room {
        finish = Finish::Length;
    }
    reasoning.truncate(all);
    text.truncate(room);
    Choice {
        reasoning,
        text,
        calls,
        finish,
    }
}

fn reasons(model: &str, chat: &Value) -> bool {
    let effort = chat.get("reasoningEffort").and_then(Value::as_str);
    let thinking = chat.pointer("/thinking/type").and_then(Value::as_str);
    let mut if_told = SHOWN.iter().chain(&UNSEEN);
    model.starts_with("xai.grok-3-mini")
        || (effort.is_some_and(|effort| effort != "NONE")
            && if_told.any(|known| model.starts_with(known)))
        || (model.starts_with("cohere.command-a-reasoning") && thinking != Some("DISABLED"))
        || (is_dedicated(model) && thinking == Some("ENABLED"))
}

/// Whether it is the OCID of an endpoint, behind which any model may be.
pub(super) fn is_dedicated(model: &str) -> bool {
    model.starts_with("ocid1.")
}

/// Tools are called when the user spoke last and `toolChoice` is not NONE: the one that `toolChoice` names, else the
/// first. Once, or once for every city that the user names, or twice if the user says "twice"; a request that forbids
/// parallel calls gets one. After a tool's result comes a text, even with REQUIRED, so that a conversation ends.
fn calls(vendor: Vendor, chat: &Value, question: &str, seed: &str) -> Vec<Call> {
    let word = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
    if last_role(chat) != "USER" {
        return Vec::new();
    }
    let choice = chat.get("toolChoice");
    let named = choice.and_then(|choice| choice.get("name"));
    let mut tools = items(chat, "tools");
    let tool = match word(choice.and_then(|choice| choice.get("type"))).as_str() {
        "NONE" => None,
        "FUNCTION" => tools.find(|tool| tool.get("name") == named),
        _ => tools.next(),
    };
    let Some(tool) = tool else { return Vec::new() };
    let mut cities = sample::cities(question);
    if cities.is_empty() {
        cities.push("Paris");
    }
    if let (1, Some(city), true) = (cities.len(), cities.first().copied(), wants_two(question)) {
        cities.push(city);
    }
    let parallel = chat.get("isParallelToolCalls") != Some(&Value::Bool(false));
    cities.truncate(if parallel { MAX_PARALLEL_CALLS } else { 1 });
    let schema = tool
        .get("parameters")
        .cloned()
        .unwrap_or_else(|| json!({"type": "object"}));
    let call = |(number, city): (usize, &str)| Call {
        id: call_id(vendor, seed, number),
        name: word(tool.get("name")),
        arguments: sample::fill(&schema, &Hint { question, city }, false).to_string(),
    };
    cities.into_iter().enumerate().map(call).collect()
}

fn wants_two(question: &str) -> bool {
    question.to_lowercase().contains("twice") || question.contains("两次")
}

/// In the vendor's own form. Source: reference §6.3, fixtures.
fn call_id(vendor: Vendor, seed: &str, number: usize) -> Option<String> {
    let digits = |count: usize| {
        format!("{number:x}{seed}")
            .chars()
            .take(count)
            .collect::<String>()
    };
    match vendor {
        Vendor::Google => None,
        Vendor::Meta | Vendor::GptOss => Some(format!("chatcmpl-tool-{}", digits(16))),
        Vendor::Xai => Some(format!("call_{}", digits(8))),
        Vendor::Cohere => Some(format!("tc-{}", digits(12))),
        Vendor::OpenAi | Vendor::Other => Some(format!("call_{}", digits(24))),
    }
}

fn text(model: &str, chat: &Value, question: &str, number: usize) -> String {
    let results: Vec<_> = results(chat)
        .iter()
        .map(|message| text_of(message))
        .collect();
    let attachments = attachments(chat);
    let topic = Topic {
        model,
        question,
        attachments: &attachments,
        results: &results,
        choice: number,
    };
    let words = prose::answer(&topic);
    let format = chat.get("responseFormat");
    let schema = format
        .and_then(|format| format.get("jsonSchema"))
        .and_then(|json| json.get("schema"));
    match format
        .and_then(|format| format.get("type"))
        .and_then(Value::as_str)
    {
        Some("JSON_OBJECT") => json!({"answer": words, "simulated": true}).to_string(),
        Some("JSON_SCHEMA") => {
            let city = sample::cities(question).first().copied().unwrap_or("Paris");
            let any = json!({"type": "object"});
            sample::fill(schema.unwrap_or(&any), &Hint { question, city }, true).to_string()
        }
        Some(_) | None => words,
    }
}

fn last_role(chat: &Value) -> &str {
    let last = items(chat, "messages").last();
    last.and_then(|message| message.get("role"))
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn is_from(message: &Value, role: &str) -> bool {
    message.get("role").and_then(Value::as_str) == Some(role)
}

/// The results of tools since the user spoke, if a tool spoke last; some models want a turn for each.
fn results(chat: &Value) -> Vec<&Value> {
    let mut results = Vec::new();
    for message in items(chat, "messages") {
        if is_from(message, "USER") {
            results.clear();
        } else if is_from(message, "TOOL") {
            results.push(message);
        }
    }
    if last_role(chat) != "TOOL" {
        results.clear();
    }
    results
}

fn last_from_user(chat: &Value) -> Option<&Value> {
    items(chat, "messages")
        .filter(|message| is_from(message, "USER"))
        .last()
}

fn question(chat: &Value) -> String {
    last_from_user(chat).map(text_of).unwrap_or_default()
}

/// The text parts of a message, a space between them.
fn text_of(message: &Value) -> String {
    let texts = items(message, "content").filter_map(|part| part.get("text")?.as_str());
    texts.collect::<Vec<_>>().join(" ")
}

fn attachments(chat: &Value) -> Vec<(&'static str, usize)> {
    const KINDS: [(&str, &str); 4] = [
        ("IMAGE", "image"),
        ("DOCUMENT", "document"),
        ("VIDEO", "video"),
        ("AUDIO", "audio recording"),
    ];
    let count = |kind: &str| {
        let parts = last_from_user(chat)
            .into_iter()
            .flat_map(|message| items(message, "content"));
        parts
            .filter(|part| part.get("type").and_then(Value::as_str) == Some(kind))
            .count()
    };
    let found = KINDS.iter().map(|(kind, name)| (*name, count(kind)));
    found.filter(|(_, count)| *count > 0).collect()
}

fn prompt_tokens(chat: &Value) -> usize {
    let message = |message: &Value| {
        let parts = items(message, "content")
            .filter(|part| part.get("text").is_none())
            .count();
        let calls: usize = items(message, "toolCalls")
            .map(|call| tokens(&call.to_string()).len())
            .sum();
        tokens(&text_of(message)).len() + calls + TOKENS_PER_MESSAGE * (1 + parts)
    };
    let tools: usize = items(chat, "tools")
        .map(|tool| tokens(&tool.to_string()).len())
        .sum();
    items(chat, "messages").map(message).sum::<usize>() + tools
}

/// Cuts a text into tokens that make the text again when joined: a word with the spaces before it, at most
/// `MAX_TOKEN_CHARS` at a time; a Chinese character alone.
pub(super) fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut token = String::new();
    let (mut length, mut in_word) = (0, false);
    for letter in text.chars() {
        let space = letter.is_whitespace();
        let han = prose::is_han(letter);
        if length > 0 && ((space && in_word) || han || length >= MAX_TOKEN_CHARS) {
            tokens.push(std::mem::take(&mut token));
            (length, in_word) = (0, false);
        }
        token.push(letter);
        length += 1;
        in_word |= !space;
        if han {
            tokens.push(std::mem::take(&mut token));
            (length, in_word) = (0, false);
        }
    }
    if !token.is_empty() {
        tokens.push(token);
    }
    tokens
}

#[cfg(test)]
mod tests;
