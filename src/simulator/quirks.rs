//! What a model refuses although the schema allows it: the vendors' own limits behind OCI, in their words. Pure.
//! Source: reference §4, §7, §8 and the recorded errors.

use serde_json::{Value, json};

use super::answer::{Plan, Vendor, is_dedicated};
use super::schema::items;

/// Keywords of JSON schemas that Gemini does not know.
const UNKNOWN_TO_GOOGLE: [&str; 5] = [
    "exclusiveMinimum",
    "exclusiveMaximum",
    "const",
    "$ref",
    "$defs",
];
/// Keywords that Llama does not follow.
const UNKNOWN_TO_META: [&str; 2] = ["$ref", "$defs"];
/// What Grok's reasoning models refuse, whatever its value. Nobody has seen that through OCI.
const UNKNOWN_TO_XAI: [&str; 3] = ["presencePenalty", "frequencyPenalty", "stop"];
/// Of the reasoning models, those that take `reasoningEffort`.
const WITH_EFFORT: [&str; 3] = [
    "xai.grok-3-mini",
    "xai.grok-4.3",
    "xai.grok-4.20-multi-agent",
];

/// Why a call is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) code: &'static str,
    pub(super) message: String,
    /// Seconds.
    pub(super) retry_after: Option<u32>,
}

impl Refusal {
    /// Something broke at OCI's or the vendor's.
    pub(super) fn fault() -> Self {
        Self {
            status: 500,
            code: "InternalServerError",
            message: "Internal server error".to_owned(),
            retry_after: None,
        }
    }
}

/// `chat` is a `chatRequest` that the schema allows, for a model by its name. `strict`: as `Options` has it.
pub(super) fn refusal(model: &str, chat: &Value, strict: bool) -> Option<Refusal> {
    wrong_format(model, chat).or_else(|| match Vendor::of(model) {
        Vendor::Meta => meta(model, chat, strict),
        Vendor::Xai => xai(model, chat, strict),
        Vendor::Google => google(chat),
        Vendor::OpenAi => openai(model, chat),
        Vendor::Cohere => cohere(model, chat, strict),
        Vendor::GptOss | Vendor::Other => None,
    })
}

/// When the prompt of a planned answer is longer than the model's context.
pub(super) fn too_long(plan: &Plan) -> Option<Refusal> {
    let most = match plan.vendor {
        Vendor::Xai | Vendor::Google => 1_000_000,
        Vendor::Cohere => 256_000,
        Vendor::Meta | Vendor::GptOss | Vendor::OpenAi | Vendor::Other => 128_000,
    };
    let (prompt, completion) = (plan.usage.prompt, plan.usage.completion);
    (prompt > most).then(|| long_prompt(plan.vendor, most, prompt, completion))
}

/// The vendor's words for a prompt that is longer than its model's context. All numbers are tokens.
pub(super) fn long_prompt(
    vendor: Vendor,
    most: usize,
    prompt: usize,
    completion: usize,
) -> Refusal {
    let openai = || {
        format!(
            "This model's maximum context length is {most} tokens. However, your messages resulted in {prompt} tokens. \
             Please reduce the length of the messages."
        )
    };
    match vendor {
        Vendor::OpenAi => openai_error(&openai(), "messages", Some("context_length_exceeded")),
        Vendor::GptOss | Vendor::Other => bad(openai()),
        Vendor::Xai => bad(format!(
            "This model's maximum prompt length is {most} but the request contains {prompt} tokens."
        )),
        Vendor::Google => bad(format!(
            "The input token count ({prompt}) exceeds the maximum number of tokens allowed ({most})."
        )),
        Vendor::Meta => bad(format!(
            "This model's maximum context length is {most} tokens. However, you requested {} tokens ({prompt} in the \
             messages, {completion} in the completion). Please reduce the length of the messages or completion.",
            prompt + completion
        )),
        Vendor::Cohere => bad(format!(
            "too many tokens: total number of tokens in the prompt cannot exceed {most} - received {prompt}."
        )),
    }
}

/// A vendor's refusal comes through with a number for a code.
pub(super) fn bad(message: impl Into<String>) -> Refusal {
    Refusal {
        status: 400,
        code: "400",
        message: message.into(),
        retry_after: None,
    }
}

/// An endpoint takes any: what is behind it cannot be told.
fn wrong_format(model: &str, chat: &Value) -> Option<Refusal> {
    if is_dedicated(model) {
        return None;
    }
    let newer = ["cohere.command-a-vision", "cohere.command-a-reasoning"];
    let known: &[&str] = match Vendor::of(model) {
        Vendor::Cohere if model.starts_with("cohere.command-a-03-2025") => &["COHERE", "COHEREV2"],
        Vendor::Cohere if newer.iter().any(|newer| model.starts_with(newer)) => &["COHEREV2"],
        Vendor::Cohere => &["COHERE"],
        Vendor::Meta
        | Vendor::Xai
        | Vendor::Google
        | Vendor::GptOss
        | Vendor::OpenAi
        | Vendor::Other => &["GENERIC"],
    };
    let format = word(chat, "apiFormat");
    (!known.contains(&format)).then(|| {
        let known = known.join(" or ");
        bad(format!(
            "apiFormat {format} is not supported by model {model}, use {known}"
        ))
    })
}

fn cohere(model: &str, chat: &Value, strict: bool) -> Option<Refusal> {
    let is_image = |part: &Value| part.get("imageUrl").is_some();
    let with_image = |message: &Value| items(message, "content").any(is_image);
    let sees = model.contains("vision");
    if !sees && items(chat, "messages").any(with_image) {
        return Some(bad(format!("Model {model} does not support image input")));
    }
    let reasons = model.starts_with("cohere.command-a-reasoning");
    (strict && !reasons && chat.get("thinking").is_some())
        .then(|| bad("invalid request: thinking is not supported by this model"))
}

fn meta(model: &str, chat: &Value, strict: bool) -> Option<Refusal> {
    let llama_3 = model.starts_with("meta.llama-3");
    if llama_3 && chat.get("isParallelToolCalls") == Some(&Value::Bool(true)) {
        return Some(unsupported(model, "isParallelToolCalls"));
    }
    if strict && chat.get("reasoningEffort").is_some() {
        return Some(unsupported(model, "reasoningEffort"));
    }
    if let Some((keyword, _)) = keyword_in_tools(chat, &UNKNOWN_TO_META) {
        return Some(bad(format!(
            "Tool schemas with {keyword} are not supported"
        )));
    }
    let empty_turn = |message: &Value| {
        let speaks = items(message, "content").any(|part| part.get("text") != Some(&json!("")));
        message.get("toolCalls").is_some() && message.get("content").is_some() && !speaks
    };
    // Seen live as a NullPointerException.
    items(chat, "messages").any(empty_turn).then(Refusal::fault)
}

fn xai(model: &str, chat: &Value, strict: bool) -> Option<Refusal> {
    if model.starts_with("xai.grok-4.20-multi-agent") {
        return Some(bad(
            "Multi Agent requests are not allowed on chat completions",
        ));
    }
    let reasons = model.starts_with("xai.grok-3-mini")
        || (model.starts_with("xai.grok-4") && !model.contains("non-reasoning"));
    if !strict {
        return None;
    }
    let effort = WITH_EFFORT.iter().any(|known| model.starts_with(known));
    let refused = UNKNOWN_TO_XAI
        .iter()
        .filter(|_| reasons)
        .chain((!effort).then_some(&"reasoningEffort"));
    let mut given = refused.filter(|name| chat.get(**name).is_some());
    given.next().map(|name| unsupported(model, name))
}

fn unsupported(model: &str, parameter: &str) -> Refusal {
    bad(format!(
        "Model {model} does not support parameter {parameter}"
    ))
}

fn openai(model: &str, chat: &Value) -> Option<Refusal> {
    if chat.get("maxTokens").is_some() {
        return Some(bad(
            "Invalid 'maxTokens': Unsupported parameter: 'maxTokens' is not supported with this model. \
             Use 'maxCompletionTokens' instead.",
        ));
    }
    if !model.starts_with("openai.gpt-5") {
        return None;
    }
    let names = [("temperature", "temperature"), ("topP", "top_p")];
    let changed = names.iter().find_map(|(name, theirs)| {
        let value = chat
            .get(*name)
            .filter(|value| value.as_f64() != Some(1.0))?;
        let message = format!(
            "Unsupported value: '{theirs}' does not support {value} with this model. \
             Only the default (1) value is supported."
        );
        Some(openai_error(&message, theirs, Some("unsupported_value")))
    });
    changed.or_else(|| gpt_effort(model, chat))
}

/// What the newer GPTs have against `reasoningEffort`, seen on gpt-5.6: that one thinks unless it is told not to, and
/// takes no function tools then; those before it think only if they are told to.
fn gpt_effort(model: &str, chat: &Value) -> Option<Refusal> {
    let is_newest = model.starts_with("openai.gpt-5.6");
    let before = ["openai.gpt-5.4", "openai.gpt-5.5"];
    let is_newer = is_newest || before.iter().any(|known| model.starts_with(known));
    let effort = chat.get("reasoningEffort").and_then(Value::as_str);
    let effort = effort.unwrap_or(if is_newest { "MEDIUM" } else { "NONE" });
    let param = "reasoning_effort";
    if is_newest && effort == "MINIMAL" {
        let message = "Unsupported value: 'reasoning_effort' does not support 'minimal' with this model. \
                       Supported values are: 'none', 'low', 'medium', 'high', 'xhigh'.";
        return Some(openai_error(message, param, Some("unsupported_value")));
    }
    if !is_newer || effort == "NONE" || items(chat, "tools").next().is_none() {
        return None;
    }
    let name = model.trim_start_matches("openai.");
    let advice = match is_newest {
        true => "To use function tools, use /v1/responses or set reasoning_effort to 'none'.",
        false => "Please use /v1/responses instead.",
    };
    let message = format!(
        "Function tools with reasoning_effort are not supported for {name} in /v1/chat/completions. {advice}"
    );
    Some(openai_error(&message, param, None))
}

/// OpenAI's own error, with OpenAI's own names, as a string in OCI's.
pub(super) fn openai_error(message: &str, param: &str, code: Option<&str>) -> Refusal {
    let error =
        json!({"message": message, "type": "invalid_request_error", "param": param, "code": code});
    bad(json!({ "error": error }).to_string())
}

fn google(chat: &Value) -> Option<Refusal> {
    if let Some((keyword, path)) = keyword_in_tools(chat, &UNKNOWN_TO_GOOGLE) {
        return Some(bad(format!(
            "Invalid JSON payload received. Unknown name \"{keyword}\" at '{path}': Cannot find field."
        )));
    }
    let is_system = |message: &&Value| matches!(word(message, "role"), "SYSTEM" | "DEVELOPER");
    let mut turns = items(chat, "messages").skip_while(is_system).peekable();
    if turns.clone().any(|message| is_system(&message)) {
        return Some(bad("System messages must come before all others."));
    }
    let mut before = "";
    while let Some(turn) = turns.next() {
        if turn.get("toolCalls").is_some() && !matches!(before, "USER" | "TOOL") {
            return Some(bad(
                "Please ensure that function call turn comes immediately after a user turn or after a function response turn.",
            ));
        }
        before = word(turn, "role");
        let ids: Vec<_> = items(turn, "toolCalls")
            .map(|call| call.get("id"))
            .collect();
        let mut answered = Vec::new();
        while let Some(result) = turns.next_if(|next| word(next, "role") == "TOOL") {
            answered.push(result.get("toolCallId"));
            before = "TOOL";
        }
        // A call and its response make a turn, so several calls in one can never be answered.
        let unasked = word(turn, "role") == "TOOL";
        if ids != answered || ids.len() > 1 || unasked {
            return Some(bad(
                "Please ensure that the number of function response parts is equal to the number of function call \
                 parts of the function call turn.",
            ));
        }
    }
    None
}

/// The first of `keywords` in a tool's schema, and where it stands.
fn keyword_in_tools<'a>(chat: &Value, keywords: &[&'a str]) -> Option<(&'a str, String)> {
    items(chat, "tools").enumerate().find_map(|(at, tool)| {
        let schema = tool.get("parameters")?;
        keyword_in(schema, keywords, &format!("tools[{at}].parameters"))
    })
}

/// What is named under `properties` and the like is no keyword, and the values of `enum` and the like are no schemas.
fn keyword_in<'a>(schema: &Value, keywords: &[&'a str], path: &str) -> Option<(&'a str, String)> {
    let found = keywords
        .iter()
        .find(|keyword| schema.get(**keyword).is_some());
    if let Some(keyword) = found {
        return Some((keyword, path.to_owned()));
    }
    let below = |inner: &Value, name: &str| keyword_in(inner, keywords, &format!("{path}.{name}"));
    schema.as_object()?.iter().find_map(|(name, inner)| {
        let name = name.as_str();
        match (name, inner) {
            ("enum" | "const" | "default" | "example" | "examples", _) => None,
            (
                "properties" | "patternProperties" | "$defs" | "definitions" | "dependentSchemas",
                Value::Object(named),
            ) => named
                .iter()
                .find_map(|(key, inner)| below(inner, &format!("{name}.{key}"))),
            (_, Value::Array(list)) => list.iter().find_map(|inner| below(inner, name)),
            (_, inner) => below(inner, name),
        }
    })
}

fn word<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests;
