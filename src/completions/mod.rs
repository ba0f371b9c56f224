//! The legacy completions API in front of a chat: the prompt is a user's only message, and what the model answers is the
//! completion. Models of today are made for chats: they answer a text rather than go on with it. Pure: knows no sockets, clocks or
//! accounts, and nothing of OCI. Source: OpenAI API reference, Completions (legacy).

mod answer;
#[cfg(test)]
mod tests;

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::openai::body;
use crate::openai::chat::{ChatRequest, StreamOptions};
use crate::openai::error::ApiError;
use crate::openai::fields;
use crate::openai::message::{Message, Role};

pub(crate) use answer::Completing;

/// Fields that are absent here (`user` and the like) change nothing.
#[derive(Debug, Default, Deserialize)]
struct Request {
    #[serde(default, deserialize_with = "fields::or_default")]
    model: String,
    #[serde(default)]
    prompt: Option<Prompt>,
    #[serde(default)]
    suffix: Option<String>,
    #[serde(default)]
    echo: Option<bool>,
    #[serde(default, deserialize_with = "fields::integer")]
    best_of: Option<i64>,
    #[serde(default, deserialize_with = "fields::integer")]
    logprobs: Option<i64>,
    #[serde(default, deserialize_with = "fields::integer")]
    max_tokens: Option<i64>,
    #[serde(default, deserialize_with = "fields::integer")]
    n: Option<i64>,
    #[serde(default, deserialize_with = "fields::strings")]
    stop: Vec<String>,
    #[serde(default)]
    stream: Option<bool>,
    #[serde(default)]
    stream_options: Option<StreamOptions>,
    #[serde(default)]
    temperature: Option<Number>,
    #[serde(default)]
    top_p: Option<Number>,
    #[serde(default, deserialize_with = "fields::integer")]
    top_k: Option<i64>,
    #[serde(default)]
    frequency_penalty: Option<Number>,
    #[serde(default)]
    presence_penalty: Option<Number>,
    #[serde(default, deserialize_with = "fields::integer")]
    seed: Option<i64>,
    #[serde(default)]
    logit_bias: Option<Map<String, Value>>,
}

/// What is to be completed.
#[derive(Debug)]
enum Prompt {
    Text(String),
    Texts(Vec<String>),
    /// Numbers, which only the model's own tokenizer reads.
    Tokens,
}

impl<'de> Deserialize<'de> for Prompt {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(PromptVisitor)
    }
}

struct PromptVisitor;

impl<'de> Visitor<'de> for PromptVisitor {
    type Value = Prompt;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or a list of strings")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Prompt, E> {
        Ok(Prompt::Text(text.to_owned()))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Prompt, E> {
        Ok(Prompt::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Prompt, A::Error> {
        let (mut texts, mut has_tokens) = (Vec::new(), false);
        while let Some(entry) = list.next_element::<Entry>()? {
            match entry {
                Entry::Text(text) => texts.push(text),
                Entry::Tokens => has_tokens = true,
            }
        }
        Ok(if has_tokens {
            Prompt::Tokens
        } else {
            Prompt::Texts(texts)
        })
    }
}

/// One of a list of prompts, or of tokens.
enum Entry {
    Text(String),
    Tokens,
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(EntryVisitor)
    }
}

struct EntryVisitor;

impl<'de> Visitor<'de> for EntryVisitor {
    type Value = Entry;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Entry, E> {
        Ok(Entry::Text(text.to_owned()))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Entry, E> {
        Ok(Entry::Text(text))
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Entry, E> {
        Ok(Entry::Tokens)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Entry, E> {
        Ok(Entry::Tokens)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Entry, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Entry::Tokens)
    }
}

/// Reads a request's body. Errors: 400 with the field at fault in `param`.
pub(crate) fn read(body: &[u8]) -> Result<(ChatRequest, Completing), ApiError> {
    let request: Request = body::read(body, "completions")?;
    let prompt = prompt(request.prompt)?;
    let is_echoed = request.echo == Some(true);
    let wrong = |param: &str, why: &str| Err(refused(param, why));
    if request.suffix.is_some_and(|suffix| !suffix.is_empty()) {
        return wrong(
            "suffix",
            "a chat model cannot fill in before a given end: leave it out",
        );
    }
    if request
        .best_of
        .is_some_and(|best| best > request.n.unwrap_or(1))
    {
        return wrong(
            "best_of",
            "answers are not compared here: leave it out, or ask for several with `n`",
        );
    }
    if is_echoed && request.logprobs.is_some() {
        return wrong(
            "echo",
            "the probabilities of the prompt are not known: leave out `echo` or `logprobs`",
        );
    }
    let chat = ChatRequest {
        model: request.model,
        messages: vec![Message {
            role: Some(Role::User),
            content: Some(prompt.clone().into()),
            ..Message::default()
        }],
        stream: request.stream,
        stream_options: request.stream_options,
        max_tokens: request.max_tokens,
        n: request.n,
        stop: request.stop,
        temperature: request.temperature,
        top_p: request.top_p,
        top_k: request.top_k,
        frequency_penalty: request.frequency_penalty,
        presence_penalty: request.presence_penalty,
        seed: request.seed,
        logit_bias: request.logit_bias,
        logprobs: request.logprobs.map(|_| true),
        top_logprobs: request.logprobs,
        ..ChatRequest::default()
    };
    chat.check().map_err(renamed)?;
    let echoed = is_echoed.then_some(prompt);
    Ok((chat, Completing::new(echoed)))
}

/// One text. Errors: none, several, or tokens.
fn prompt(prompt: Option<Prompt>) -> Result<String, ApiError> {
    let text = match prompt {
        Some(Prompt::Text(text)) => text,
        Some(Prompt::Texts(mut texts)) => {
            let first = texts.pop().unwrap_or_default();
            if !texts.is_empty() {
                let why = "only one prompt can be completed at a time: send a request for each";
                return Err(refused("prompt", why));
            }
            first
        }
        Some(Prompt::Tokens) => {
            let why = "tokens are not understood here: send the text";
            return Err(refused("prompt", why));
        }
        None => String::new(),
    };
    if text.is_empty() {
        return Err(refused("prompt", "is missing or empty: send a text"));
    }
    Ok(text)
}

/// The error about a chat as one about this request.
fn renamed(mut error: ApiError) -> ApiError {
    let here = match error.param.as_deref() {
        Some("top_logprobs") => "logprobs",
        Some(param) if param.starts_with("messages") => "prompt",
        Some(_) | None => return error,
    };
    if let Some(param) = error.param.replace(here.to_owned()) {
        error.message = error
            .message
            .replace(&format!("`{param}`"), &format!("`{here}`"));
    }
    error
}

fn refused(param: &str, why: &str) -> ApiError {
    ApiError::invalid_request(format!("`{param}`: {why}"), Some(param.to_owned()))
}
