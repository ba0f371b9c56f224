//! The messages of a chat request. Flat structs with every field optional, as clients send them: which fields a role
//! needs is the translator's business. Source: OpenAI API reference, Create chat completion.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::json::{self, Text};

use super::fields::{self, StringOrObject};

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Message {
    /// Its place in the client's list, where that is another one than its own: several may be made of one.
    #[serde(skip)]
    pub(crate) at: Option<usize>,
    #[serde(default)]
    pub(crate) role: Option<Role>,
    #[serde(default)]
    pub(crate) content: Option<Content>,
    #[serde(default)]
    pub(crate) name: Option<String>,
    #[serde(default)]
    pub(crate) refusal: Option<String>,
    #[serde(default, deserialize_with = "fields::or_default")]
    pub(crate) tool_calls: Vec<ToolCall>,
    /// Of the role `tool`: the call that this is the result of.
    #[serde(default)]
    pub(crate) tool_call_id: Option<String>,
    /// An answer in sound, kept at OpenAI.
    #[serde(default)]
    pub(crate) audio: Option<IgnoredAny>,
    /// The form before `tool_calls`; its result has the role `function`.
    #[serde(default)]
    pub(crate) function_call: Option<CalledFunction>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    System,
    Developer,
    User,
    Assistant,
    Tool,
    Function,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct ToolCall {
    #[serde(default)]
    pub(crate) id: Option<String>,
    /// `function`, or something that this program cannot express.
    #[serde(default, rename = "type")]
    pub(crate) kind: Option<String>,
    #[serde(default)]
    pub(crate) function: Option<CalledFunction>,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct CalledFunction {
    #[serde(default)]
    pub(crate) name: Option<String>,
    /// A JSON object as a string. Clients that send the object itself are understood.
    #[serde(default, deserialize_with = "fields::json_text")]
    pub(crate) arguments: Option<String>,
}

#[derive(Debug)]
pub(crate) enum Content {
    Text(Text),
    Parts(Vec<Part>),
}

impl From<String> for Content {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<Text> for Content {
    fn from(text: Text) -> Self {
        Self::Text(text)
    }
}

impl From<Vec<Part>> for Content {
    fn from(parts: Vec<Part>) -> Self {
        Self::Parts(parts)
    }
}

/// Taken out as it was written, and only a list is read: a string may be the most of a request, and goes on as it is.
impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let written = <&RawValue>::deserialize(from)?;
        if written.get().starts_with('"') {
            Text::of(written.to_owned()).map(Self::Text)
        } else {
            json::read_piece(written).map(|Parts(parts)| Self::Parts(parts))
        }
    }
}

struct Parts(Vec<Part>);

impl<'de> Deserialize<'de> for Parts {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(PartsVisitor)
    }
}

struct PartsVisitor;

impl<'de> Visitor<'de> for PartsVisitor {
    type Value = Parts;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or a list of content parts")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Parts, A::Error> {
        let mut parts = Vec::new();
        while let Some(part) = list.next_element::<Part>()? {
            let at = parts.len();
            parts.push(Part { at, ..part });
        }
        Ok(Parts(parts))
    }
}

/// One part of a message; which field counts is said by `kind`.
#[derive(Debug, Default)]
pub(crate) struct Part {
    /// Its place in the client's list.
    pub(crate) at: usize,
    /// `None`: not said, which is understood for text.
    pub(crate) kind: Option<PartKind>,
    pub(crate) text: Option<Text>,
    pub(crate) refusal: Option<String>,
    pub(crate) image_url: Option<MediaUrl>,
    pub(crate) video_url: Option<MediaUrl>,
    pub(crate) input_audio: Option<InputAudio>,
    pub(crate) file: Option<InputFile>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PartKind {
    Text,
    Refusal,
    ImageUrl,
    VideoUrl,
    InputAudio,
    File,
}

#[derive(Deserialize)]
pub(crate) struct PartObject {
    #[serde(default, rename = "type")]
    kind: Option<PartKind>,
    #[serde(default)]
    text: Option<Text>,
    #[serde(default)]
    refusal: Option<String>,
    #[serde(default)]
    image_url: Option<MediaUrl>,
    #[serde(default)]
    video_url: Option<MediaUrl>,
    #[serde(default)]
    input_audio: Option<InputAudio>,
    #[serde(default)]
    file: Option<InputFile>,
}

impl<'de> StringOrObject<'de> for Part {
    type Object = PartObject;
    const EXPECTED: &'static str = "a content part";

    fn from_text<E: Error>(text: String) -> Result<Self, E> {
        Ok(Self {
            kind: Some(PartKind::Text),
            text: Some(text.into()),
            ..Self::default()
        })
    }

    fn from_object<E: Error>(object: PartObject) -> Result<Self, E> {
        Ok(Self {
            kind: object.kind,
            text: object.text,
            refusal: object.refusal,
            at: 0,
            image_url: object.image_url,
            video_url: object.video_url,
            input_audio: object.input_audio,
            file: object.file,
        })
    }
}

impl<'de> Deserialize<'de> for Part {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        fields::string_or_object(from)
    }
}

/// `{"url","detail"}`, or the bare URL, which some clients send.
#[derive(Debug, Default)]
pub(crate) struct MediaUrl {
    pub(crate) url: Option<Text>,
    pub(crate) detail: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct MediaUrlObject {
    #[serde(default)]
    url: Option<Text>,
    #[serde(default)]
    detail: Option<String>,
}

impl<'de> StringOrObject<'de> for MediaUrl {
    type Object = MediaUrlObject;
    const EXPECTED: &'static str = "a URL, or an object with `url`";

    fn from_text<E: Error>(url: String) -> Result<Self, E> {
        Ok(Self {
            url: Some(url.into()),
            detail: None,
        })
    }

    fn from_object<E: Error>(object: MediaUrlObject) -> Result<Self, E> {
        Ok(Self {
            url: object.url,
            detail: object.detail,
        })
    }
}

impl<'de> Deserialize<'de> for MediaUrl {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        fields::string_or_object(from)
    }
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct InputAudio {
    /// Base64.
    #[serde(default)]
    pub(crate) data: Option<String>,
    /// `wav` or `mp3`.
    #[serde(default)]
    pub(crate) format: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct InputFile {
    /// A data URI, or bare base64.
    #[serde(default)]
    pub(crate) file_data: Option<String>,
    #[serde(default)]
    pub(crate) filename: Option<String>,
    /// A file kept at OpenAI, which no other service can read.
    #[serde(default)]
    pub(crate) file_id: Option<String>,
}
