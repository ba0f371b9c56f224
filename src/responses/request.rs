//! The request of the Responses API as clients write it: every field optional, `null` as absent, unknown ones ignored. Types
//! and how they are read; what they mean to a chat is said in the files beside. Source: OpenAI API reference, Create a model
//! response.

use std::fmt;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::json;
use crate::openai::chat::{ReasoningEffort, ResponseFormatKind, Verbosity};
use crate::openai::fields;
use crate::openai::message::{InputAudio, MediaUrl};

/// Fields that are absent here change nothing: they are about OpenAI's own storage, cache, accounts and tools.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Request {
    #[serde(default, deserialize_with = "fields::or_default")]
    pub(super) model: String,
    #[serde(default)]
    pub(super) input: Option<Input>,
    #[serde(default)]
    pub(super) instructions: Option<String>,
    #[serde(default)]
    pub(super) stream: Option<bool>,
    #[serde(default, deserialize_with = "fields::or_default")]
    pub(super) tools: Vec<Tool>,
    #[serde(default)]
    pub(super) tool_choice: Option<Choice>,
    #[serde(default)]
    pub(super) parallel_tool_calls: Option<bool>,
    #[serde(default, deserialize_with = "fields::or_default")]
    pub(super) reasoning: Reasoning,
    #[serde(default, deserialize_with = "fields::or_default")]
    pub(super) text: Text,
    #[serde(default, deserialize_with = "fields::integer")]
    pub(super) max_output_tokens: Option<i64>,
    #[serde(default)]
    pub(super) temperature: Option<Number>,
    #[serde(default)]
    pub(super) top_p: Option<Number>,
    #[serde(default, deserialize_with = "fields::integer")]
    pub(super) top_logprobs: Option<i64>,
    #[serde(default)]
    pub(super) metadata: Option<Map<String, Value>>,
    #[serde(default)]
    pub(super) service_tier: Option<String>,
    #[serde(default, deserialize_with = "fields::or_default")]
    pub(super) include: Vec<String>,
    /// Prompts and answers are to be judged, and perhaps held back.
    #[serde(default)]
    pub(super) moderation: Option<IgnoredAny>,
    #[serde(default)]
    pub(super) background: Option<bool>,
    #[serde(default)]
    pub(super) previous_response_id: Option<IgnoredAny>,
    #[serde(default)]
    pub(super) conversation: Option<IgnoredAny>,
    /// A prompt that is kept at OpenAI.
    #[serde(default)]
    pub(super) prompt: Option<IgnoredAny>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Reasoning {
    #[serde(default)]
    pub(super) effort: Option<ReasoningEffort>,
    /// `auto`, `concise` or `detailed`; `none` is understood as absent.
    #[serde(default)]
    pub(super) summary: Option<String>,
    /// The older name of `summary`.
    #[serde(default)]
    pub(super) generate_summary: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Text {
    #[serde(default)]
    pub(super) format: Option<Format>,
    #[serde(default)]
    pub(super) verbosity: Option<Verbosity>,
}

/// Flat, unlike a chat's `response_format`.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Format {
    #[serde(default, rename = "type")]
    pub(super) kind: Option<ResponseFormatKind>,
    #[serde(default)]
    pub(super) name: Option<String>,
    #[serde(default)]
    pub(super) description: Option<String>,
    #[serde(default)]
    pub(super) schema: Option<Map<String, Value>>,
    #[serde(default)]
    pub(super) strict: Option<bool>,
}

/// One of OpenAI's many kinds; which fields count is said by `kind`.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Tool {
    #[serde(default, rename = "type")]
    pub(super) kind: Option<String>,
    #[serde(default)]
    pub(super) name: Option<String>,
    #[serde(default)]
    pub(super) description: Option<String>,
    #[serde(default)]
    pub(super) parameters: Option<Value>,
    #[serde(default)]
    pub(super) strict: Option<bool>,
    /// Of a `custom` tool.
    #[serde(default)]
    pub(super) format: Option<Freeform>,
    /// Of a `namespace`.
    #[serde(default, deserialize_with = "fields::or_default")]
    pub(super) tools: Vec<Tool>,
}

/// How the text that a custom tool takes has to look.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Freeform {
    /// `lark` or `regex`.
    #[serde(default)]
    pub(super) syntax: Option<String>,
    #[serde(default)]
    pub(super) definition: Option<String>,
}

/// `none`, `auto`, `required`, or an object.
#[derive(Debug, Default)]
pub(super) struct Choice {
    pub(super) kind: Option<String>,
    pub(super) name: Option<String>,
    pub(super) namespace: Option<String>,
    pub(super) mode: Option<String>,
    pub(super) tools: Vec<ChoiceObject>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct ChoiceObject {
    #[serde(default, rename = "type")]
    pub(super) kind: Option<String>,
    #[serde(default)]
    pub(super) name: Option<String>,
    #[serde(default)]
    pub(super) namespace: Option<String>,
    #[serde(default)]
    pub(super) mode: Option<String>,
    #[serde(default, deserialize_with = "fields::or_default")]
    pub(super) tools: Vec<ChoiceObject>,
}

impl<'de> fields::StringOrObject<'de> for Choice {
    type Object = ChoiceObject;
    const EXPECTED: &'static str = "`none`, `auto`, `required`, or an object that names a tool";

    fn from_text<E: Error>(text: String) -> Result<Self, E> {
        Ok(Self {
            kind: Some(text),
            ..Self::default()
        })
    }

    fn from_object<E: Error>(object: ChoiceObject) -> Result<Self, E> {
        Ok(Self {
            kind: object.kind,
            name: object.name,
            namespace: object.namespace,
            mode: object.mode,
            tools: object.tools,
        })
    }
}

impl<'de> Deserialize<'de> for Choice {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        fields::string_or_object(from)
    }
}

/// What the model is to answer.
#[derive(Debug)]
pub(super) enum Input {
    Text(String),
    Items(Vec<Item>),
}

impl<'de> Deserialize<'de> for Input {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(InputVisitor)
    }
}

struct InputVisitor;

impl<'de> Visitor<'de> for InputVisitor {
    type Value = Input;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or a list of items")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Input, E> {
        Ok(Input::Text(text.to_owned()))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Input, E> {
        Ok(Input::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Input, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Input::Items(items))
    }
}

/// One item of a conversation; which fields count is said by `kind`.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Item {
    /// Without one it is a message.
    #[serde(default, rename = "type")]
    pub(super) kind: Option<String>,
    #[serde(default)]
    pub(super) role: Option<String>,
    #[serde(default)]
    pub(super) content: Option<Body>,
    #[serde(default)]
    pub(super) id: Option<String>,
    #[serde(default)]
    pub(super) call_id: Option<String>,
    #[serde(default)]
    pub(super) name: Option<String>,
    #[serde(default)]
    pub(super) namespace: Option<String>,
    #[serde(default, deserialize_with = "fields::json_text")]
    pub(super) arguments: Option<String>,
    /// Of a custom tool's call.
    #[serde(default)]
    pub(super) input: Option<String>,
    #[serde(default)]
    pub(super) output: Option<Body>,
    /// Of a shell's call.
    #[serde(default)]
    pub(super) action: Option<Value>,
}

/// A message's content, or a tool's output.
#[derive(Debug)]
pub(super) enum Body {
    Text(String),
    Parts(Vec<Part>),
}

impl<'de> Deserialize<'de> for Body {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(BodyVisitor)
    }
}

struct BodyVisitor;

impl<'de> Visitor<'de> for BodyVisitor {
    type Value = Body;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or a list of content parts")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Body, E> {
        Ok(Body::Text(text.to_owned()))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Body, E> {
        Ok(Body::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Body, A::Error> {
        let mut parts = Vec::new();
        while let Some(part) = list.next_element()? {
            parts.push(part);
        }
        Ok(Body::Parts(parts))
    }

    /// An output that a client has not written as a string.
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Body, A::Error> {
        let object = Value::deserialize(MapAccessDeserializer::new(map))?;
        Ok(Body::Text(object.to_string()))
    }
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Part {
    /// Without one it is text.
    #[serde(default, rename = "type")]
    pub(super) kind: Option<String>,
    #[serde(default)]
    pub(super) text: Option<json::Text>,
    #[serde(default)]
    pub(super) refusal: Option<String>,
    /// The URL itself; the object of a chat is understood.
    #[serde(default)]
    pub(super) image_url: Option<MediaUrl>,
    #[serde(default)]
    pub(super) detail: Option<String>,
    #[serde(default)]
    pub(super) input_audio: Option<InputAudio>,
    /// A data URI, or bare base64.
    #[serde(default)]
    pub(super) file_data: Option<String>,
    #[serde(default)]
    pub(super) filename: Option<String>,
    /// A file kept at OpenAI.
    #[serde(default)]
    pub(super) file_id: Option<String>,
    #[serde(default)]
    pub(super) file_url: Option<String>,
}
